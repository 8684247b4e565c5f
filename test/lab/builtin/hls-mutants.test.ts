/** Each mutant of HLS shows what it says, in the playlist, the segments or the answers. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { Frame } from '../../../lab/builtin/frame.ts';
import { HlsSegmenter } from '../../../lab/builtin/hls/segmenter.ts';
import { MUTANTS, type MutantId } from '../../../lab/builtin/mutants.ts';
import { parsePlaylist } from '../../../protocols/hls/parse.ts';
import type { MediaPlaylist } from '../../../protocols/hls/playlist.ts';
import { type PesHeader, TsReader } from '../../../protocols/mpegts/reader.ts';
import { readSegment } from '../../../scenarios/wire/segment.ts';
import { avcBody, avcHeader, playlistOf, sendGops } from './hls-support.ts';
import { AUDIO_HEADER, eventually, RtmpPeer, startNode, stopAll } from './support.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'liveproof-hls-mutants-'));
after(async () => {
  await stopAll();
  rmSync(directory, { recursive: true });
});

const SETTINGS = { fragmentSeconds: 1, windowSeconds: 3, sessions: false };
let streams = 0;

/** What a player can find of a segmenter's stream. */
class Seen {
  readonly segmenter: HlsSegmenter;
  readonly #stream = `s${streams++}`;
  #next = 0;

  constructor(mutant: MutantId | undefined) {
    this.segmenter = new HlsSegmenter({
      settings: SETTINGS,
      directory,
      app: 'live',
      stream: this.#stream,
      mutants: new Set(mutant ? [mutant] : []),
      log: () => {},
    });
    this.#header();
  }

  #header(): void {
    this.segmenter.push(new Frame(9, 0, avcHeader()));
  }

  /** GOPs of a second each, and the keyframe that closes the last one. */
  gops(count: number): this {
    for (let gop = 0; gop < count; gop++, this.#next++) {
      for (let frame = 0; frame < 25; frame++) this.#video(this.#next * 1000 + frame * 40, frame === 0);
    }
    return this;
  }

  #video(timestamp: number, keyframe: boolean): void {
    this.segmenter.push(new Frame(9, timestamp, avcBody(timestamp, keyframe)));
  }

  republish(): this {
    this.segmenter.close();
    this.#header();
    return this;
  }

  get text(): string {
    return Buffer.from(this.segmenter.file(`${this.#stream}.m3u8`) ?? []).toString();
  }

  get playlist(): MediaPlaylist {
    return parsePlaylist(this.text) as MediaPlaylist;
  }

  get durations(): number[] {
    return this.playlist.segments.map(({ duration }) => duration);
  }

  /** Of the file numbers listed, those that are there. */
  get there(): boolean[] {
    return this.playlist.segments.map(({ uri }) => this.segmenter.file(uri) !== undefined);
  }

  bytes(number: number): Uint8Array {
    return this.segmenter.file(`${this.#stream}-${number}.ts`)!;
  }

  /** Times in ms of the video frames of a file, the keyframes among them, and breaks of continuity. */
  frames(number: number): { times: number[]; keys: number[]; breaks: number } {
    const times: number[] = [];
    const keys: number[] = [];
    let breaks = 0;
    const reader = new TsReader({
      onPesBegin: ({ dts, randomAccess }: PesHeader) => {
        times.push(dts / 90);
        if (randomAccess) keys.push(dts / 90);
      },
      onPesPayload: () => {},
      onPesEnd: () => {},
      onContinuity: () => {
        breaks++;
      },
    });
    reader.push(this.bytes(number));
    reader.end();
    return { times, keys, breaks };
  }
}

function setsIn(seen: Seen): boolean[] {
  return [0, 3].map((number) => readSegment(seen.bytes(number), number).parameterSets);
}

const GOP = Array.from({ length: 25 }, (_, frame) => frame * 40);

test('a healthy segmenter', () => {
  const seen = new Seen(undefined).gops(8);
  assert.deepEqual([seen.playlist.mediaSequence, seen.playlist.targetDuration], [3, 1]);
  assert.deepEqual(seen.durations, [1, 1, 1, 1]);
  assert.deepEqual(seen.there, [true, true, true, true]);
  assert.deepEqual(seen.frames(6), { times: GOP.map((at) => 6000 + at), keys: [6000], breaks: 0 });
});

describe('playlists', () => {
  const cases: [MutantId, (seen: Seen) => void][] = [
    ['hls-sequence-resets', (seen) => assert.equal(seen.gops(10).playlist.mediaSequence, 1)],
    ['hls-sequence-jumps', (seen) => assert.equal(seen.gops(8).playlist.mediaSequence, 5)],
    ['hls-target-too-small', (seen) => assert.equal(seen.gops(3).playlist.targetDuration, 0)],
    ['hls-window-too-short', (seen) => assert.equal(seen.gops(8).playlist.segments.length, 1)],
    ['hls-window-grows', (seen) => assert.equal(seen.gops(12).playlist.segments.length, 11)],
    [
      'hls-late-playlist',
      (seen) => {
        assert.equal(seen.gops(3).text, '');
        assert.equal(seen.gops(1).playlist.segments.length, 1);
      },
    ],
    ['hls-bad-grammar', (seen) => assert.doesNotMatch(seen.gops(3).text, /TARGETDURATION|,/)],
    ['hls-playlist-stale', (seen) => assert.equal(seen.gops(6).playlist.segments.at(-1)?.sequence, 3)],
    [
      'hls-discontinuity-missing',
      (seen) => assert.doesNotMatch(seen.gops(2).republish().gops(2).text, /DISCONTINUITY/),
    ],
    [
      'hls-no-end',
      (seen) => {
        const before = seen.gops(3).text;
        seen.segmenter.close();
        assert.equal(seen.text, before);
      },
    ],
  ];
  for (const [mutant, look] of cases) test(mutant, () => look(new Seen(mutant)));

  test('healthy at the end of a publication and at the begin of another', () => {
    const seen = new Seen(undefined).gops(2).republish().gops(2);
    seen.segmenter.close();
    assert.deepEqual(
      seen.playlist.segments.map(({ discontinuity, duration }) => [discontinuity, duration]),
      [
        [true, 1],
        [false, 0.96],
        [true, 1],
        [false, 0.96],
      ],
    );
  });
});

describe('segments', () => {
  const cases: [MutantId, (seen: Seen) => void][] = [
    ['hls-segment-missing', (seen) => assert.deepEqual(seen.there, [true, true, true, false])],
    ['hls-segments-deleted-early', (seen) => assert.deepEqual(seen.there, [false, false, true, true])],
    ['hls-segment-truncated', (seen) => assert.ok(seen.frames(3).times.length < 25)],
    ['hls-no-keyframe-start', (seen) => assert.notEqual(seen.frames(2).keys[0], seen.frames(2).times[0])],
    ['hls-drops-frame-at-cut', (seen) => assert.deepEqual(seen.frames(3).times.slice(0, 2), [3000, 3080])],
    ['hls-repeats-frame-at-cut', (seen) => assert.equal(seen.frames(3).times.at(-1), 4000)],
    ['hls-continuity-reset', (seen) => assert.ok(seen.frames(3).breaks > 10)],
    ['hls-timestamps-restart', (seen) => assert.deepEqual(seen.frames(3).times, GOP)],
    ['hls-parameter-sets-once', (seen) => assert.deepEqual(setsIn(seen), [true, false])],
    ['hls-no-pcr', (seen) => assert.equal(readSegment(seen.bytes(3), 3).clocked, false)],
  ];
  for (const [mutant, look] of cases) test(mutant, () => look(new Seen(mutant).gops(5)));

  test('healthy: parameter sets and a clock in each', () => {
    const seen = new Seen(undefined).gops(5);
    assert.deepEqual(setsIn(seen), [true, true]);
    assert.equal(readSegment(seen.bytes(3), 3).clocked, true);
  });

  function soundOf(mutant?: MutantId) {
    const seen = new Seen(mutant);
    seen.segmenter.push(new Frame(8, 0, AUDIO_HEADER));
    for (let frame = 0; frame < 60; frame++) {
      seen.segmenter.push(new Frame(9, frame * 40, avcBody(frame * 40, frame % 25 === 0)));
      seen.segmenter.push(new Frame(8, frame * 40, Uint8Array.of(0xaf, 1, 1, 2, 3, 4)));
    }
    const { streams, adts, audio, error } = readSegment(seen.bytes(1), 1);
    return { streams, adts, at: audio[0]?.at, sum: audio[0]?.sum, error };
  }
  const HEALTHY = soundOf();

  test('sound, healthy and with each of its mutants', () => {
    assert.deepEqual([HEALTHY.streams, HEALTHY.at, HEALTHY.error], ['1b 0f', 1000, null]);
    assert.deepEqual(soundOf('hls-audio-late'), { ...HEALTHY, at: 1500 });
    assert.deepEqual(soundOf('hls-wrong-stream-type'), { ...HEALTHY, streams: '1b 03' });
    assert.notEqual(soundOf('hls-audio-damaged').sum, HEALTHY.sum);
    const wrong = soundOf('hls-wrong-adts');
    assert.match(wrong.adts, /\/48000\//);
    assert.deepEqual({ ...wrong, adts: HEALTHY.adts }, HEALTHY);
  });
});

describe('answers', () => {
  for (const mutant of ['hls-wrong-content-type', 'hls-no-cors'] as const) {
    test(mutant, async () => {
      const node = await startNode({
        hls: { directory: path.join(directory, mutant) },
        mutants: [mutant],
        settings: { hls: SETTINGS },
      });
      sendGops(await RtmpPeer.publisher(node, 'x'), 3);
      await eventually('a playlist', () => playlistOf(node, 'x'));
      for (const name of ['x.m3u8', 'x-0.ts']) {
        const answer = await fetch(`${node.http}/live/${name}`, { headers: { Origin: 'http://x' } });
        await answer.arrayBuffer();
        if (mutant === 'hls-no-cors') assert.equal(answer.headers.get('access-control-allow-origin'), null);
        else assert.equal(answer.headers.get('content-type'), 'text/plain');
      }
      await node.kill();
    });
  }
});

test('hls-no-end: nothing is disposed of', async () => {
  const node = await startNode({
    hls: { directory: path.join(directory, 'no-end') },
    mutants: ['hls-no-end'],
    settings: { hls: { ...SETTINGS, disposeSeconds: 0 } },
  });
  const publisher = await RtmpPeer.publisher(node, 'x');
  sendGops(publisher, 3);
  const before = await eventually('a playlist', () => playlistOf(node, 'x'));
  publisher.close();
  await eventually('left', () => /unpublish/.test(node.output));
  assert.deepEqual(await playlistOf(node, 'x'), before);
  await node.kill();
});

test('every mutant of HLS on media nodes is here', async () => {
  const { readFileSync } = await import('node:fs');
  const here = readFileSync(new URL(import.meta.url), 'utf8');
  const missing = Object.keys(MUTANTS).filter((id) => id.startsWith('hls-') && !here.includes(`'${id}'`));
  assert.deepEqual(missing, []);
});
