/** HLS of builtin nodes, as ffmpeg plays it and as a bare HTTP client sees it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Frame } from '../../../lab/builtin/frame.ts';
import { HlsSegmenter } from '../../../lab/builtin/hls/segmenter.ts';
import { MediaType } from '../../../protocols/media.ts';
import {
  avcBody,
  avcHeader,
  playlistOf,
  segmentsOf,
  sendGops,
  sendHeaders,
  sendVideo,
} from './hls-support.ts';
import {
  AUDIO_HEADER,
  clientsOf,
  eventually,
  ROOT,
  RtmpPeer,
  run,
  startNode,
  stopAll,
  type TestNode,
} from './support.ts';

const FIXTURE = `${ROOT}fixtures/media/av-480k.flv`;
const directory = mkdtempSync(path.join(tmpdir(), 'liveproof-hls-'));
let node: TestNode;

/** What is in the folder of a stream, half-written files too. */
function filesOf(stream: string): string[] {
  return readdirSync(path.join(directory, 'live'))
    .filter((name) => name.startsWith(stream))
    .sort();
}

before(async () => {
  node = await startNode({
    hls: { directory },
    settings: { hls: { fragmentSeconds: 1, windowSeconds: 3, sessions: false, disposeSeconds: 1 } },
  });
});
after(async () => {
  await stopAll();
  rmSync(directory, { recursive: true });
});

/** Frames that ffmpeg decodes, and what it has to say against them. */
async function decode(url: string, args: string[] = []): Promise<{ frames: number; said: string }> {
  const count = ['-select_streams', 'v', '-count_frames', '-show_entries', 'stream=nb_read_frames'];
  const { stdout, stderr } = await run('ffprobe', [
    '-v',
    'warning',
    ...args,
    ...count,
    '-of',
    'csv=p=0',
    url,
  ]);
  return { frames: Number.parseInt(stdout, 10), said: stderr };
}

test('ffmpeg decodes from the segments exactly the frames that ffmpeg published', async () => {
  const wide = await startNode({
    hls: { directory: path.join(directory, 'wide') },
    settings: { hls: { fragmentSeconds: 1, windowSeconds: 600, sessions: false } },
  });
  const published = await decode(FIXTURE);
  await run('ffmpeg', ['-v', 'error', '-i', FIXTURE, '-c', 'copy', '-f', 'flv', wide.rtmp('whole')]);
  const playlist = await eventually('the last segment is closed', async () => {
    const one = await playlistOf(wide, 'whole');
    return one && /unpublish/.test(wide.output) ? one : undefined;
  });
  const segments = await segmentsOf(wide, playlist);
  let frames = 0;
  for (const { uri } of playlist.segments) {
    const one = await decode(`${wide.http}/live/${uri}`);
    assert.equal(one.said, '', `${uri} plays by itself`);
    frames += one.frames;
  }
  assert.equal(frames, published.frames);
  const whole = path.join(directory, 'whole.ts');
  writeFileSync(whole, Buffer.concat(segments));
  assert.deepEqual(await decode(whole), { frames: published.frames, said: '' }, 'and so do all in a row');
  await wide.kill();
});

test('ffmpeg plays the live playlist to the end of what it lists, without a word', async () => {
  const args = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', FIXTURE, '-c', 'copy', '-f', 'flv'];
  const encoder = spawn('ffmpeg', [...args, node.rtmp('live')], { stdio: 'ignore' });
  try {
    await eventually('a playlist', () => playlistOf(node, 'live'), 15_000);
    const { code, stderr } = await run('ffmpeg', [
      ...['-v', 'warning', '-live_start_index', '0', '-i', `${node.http}/live/live.m3u8`],
      ...['-frames:v', '60', '-f', 'null', '-'],
    ]);
    assert.deepEqual([code, stderr], [0, '']);
  } finally {
    encoder.kill('SIGKILL');
  }
});

test('SRS’s text, a 404 before the first segment is closed, the timestamps of the publisher', async () => {
  const publisher = await RtmpPeer.publisher(node, 'text');
  assert.equal((await fetch(`${node.http}/live/text.m3u8`)).status, 404);
  sendGops(publisher, 2, { from: 3_600_000 });
  sendVideo(publisher, 3_602_000, true);
  await eventually('two segments', async () => (await playlistOf(node, 'text'))?.segments.length === 2);
  const answer = await fetch(`${node.http}/live/text.m3u8`);
  assert.equal(
    await answer.text(),
    '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-TARGETDURATION:1\n#EXT-X-DISCONTINUITY\n' +
      '#EXTINF:1.000, no desc\ntext-0.ts\n#EXTINF:1.000, no desc\ntext-1.ts\n',
  );
  const { stdout } = await run('ffprobe', [
    ...['-v', 'error', '-show_entries', 'packet=pts', '-select_streams', 'v', '-of', 'csv=p=0'],
    `${node.http}/live/text-1.ts`,
  ]);
  assert.equal(Number.parseInt(stdout, 10), 3_601_000 * 90);
  publisher.close();
});

test('the window: sequence numbers go on, files of what left it go later, and all of it some time after the end', async () => {
  const publisher = await RtmpPeer.publisher(node, 'window');
  sendGops(publisher, 13);
  const seen = await eventually('twelve segments', async () => {
    const one = await playlistOf(node, 'window');
    return one && one.mediaSequence + one.segments.length === 12 ? one : undefined;
  });
  assert.deepEqual([seen.mediaSequence, seen.segments.length], [8, 4], 'the shortest tail above 3 s');
  assert.equal(seen.discontinuitySequence, 1, 'the one before the first segment left with it');
  // RFC 8216 6.2.2: what left a playlist of 4 s is kept for 5 s more.
  const kept = [3, 4, 5, 6, 7, 8, 9, 10, 11].map((sequence) => `window-${sequence}.ts`).sort();
  await eventually('the folder has them', () => `${filesOf('window')}` === `${[...kept, 'window.m3u8']}`);
  assert.equal((await fetch(`${node.http}/live/window-2.ts`)).status, 404);
  for (const name of [...kept, 'window.m3u8']) {
    const served = Buffer.from(await (await fetch(`${node.http}/live/${name}`)).arrayBuffer());
    assert.ok(served.equals(readFileSync(path.join(directory, 'live', name))), name);
  }
  publisher.close();
  const last = await eventually('the last segment is closed', async () => {
    const one = await playlistOf(node, 'window');
    return one?.segments.at(-1)?.sequence === 12 ? one : undefined;
  });
  assert.equal(last.endList, false, 'SRS writes no EXT-X-ENDLIST');
  assert.equal(last.segments.at(-1)?.duration, 0.96);
  await eventually('disposed of', async () => (await fetch(`${node.http}/live/window.m3u8`)).status === 404);
  await eventually('on disk as well', () => filesOf('window').length === 0);
});

test('a publication and another header begin a discontinuity; a segment below 100 ms is dropped', async () => {
  const first = await RtmpPeer.publisher(node, 'again');
  sendGops(first, 1);
  first.close();
  await eventually('one segment', async () => (await playlistOf(node, 'again'))?.segments.length === 1);
  const short = await RtmpPeer.publisher(node, 'again');
  sendHeaders(short);
  sendVideo(short, 0, true);
  sendVideo(short, 40, false);
  short.close();
  await eventually('left', () => (node.output.match(/unpublish \/live\/again/g) ?? []).length === 2);
  const second = await RtmpPeer.publisher(node, 'again');
  sendGops(second, 1, { from: 500 });
  second.send(6, 9, 1, 1500, avcHeader(0x28));
  sendVideo(second, 1500, true);
  sendVideo(second, 2600, false);
  second.close();
  const playlist = await eventually('three segments', async () => {
    const one = await playlistOf(node, 'again');
    return one?.segments.length === 3 ? one : undefined;
  });
  assert.deepEqual(
    playlist.segments.map(({ sequence, discontinuity, duration }) => [sequence, discontinuity, duration]),
    [
      [0, true, 0.96],
      [1, true, 0.96],
      [2, true, 1.1],
    ],
  );
});

test('hostile media: unreadable headers, frames and timestamps, and a name that is a path, harm nobody', async () => {
  const publisher = await RtmpPeer.publisher(node, 'hostile');
  publisher.send(6, 9, 1, 0, Uint8Array.of(0x17, 0, 0, 0, 0, 1, 2));
  publisher.send(4, 8, 1, 0, Uint8Array.of(0xaf, 0));
  publisher.audio(0);
  publisher.video(0, true);
  sendGops(publisher, 1);
  publisher.send(6, 9, 1, 960, Uint8Array.of(0x27, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1));
  for (const at of [4_000_000_000, 5, 2_147_483_648, 1000, 2000]) {
    sendVideo(publisher, at, false);
    sendVideo(publisher, at, true);
  }
  const playlist = await eventually('segments', () => playlistOf(node, 'hostile'));
  assert.equal(playlist.segments[0]?.duration, 0.96);
  assert.ok(playlist.segments.every(({ duration }) => duration < 10));
  publisher.close();
  const climber = await RtmpPeer.publisher(node, 'x', { app: 'live/../../up' });
  sendGops(climber, 3);
  climber.close();
  await eventually('refused', () => /no file can be named after "\/live\/..\/..\/up\/x"/.test(node.output));
  assert.ok(!readdirSync(path.join(directory, '..')).includes('up'));
});

test('an edge segments while a player holds the pull, and not for HLS alone', async () => {
  const origin = await startNode();
  const edge = await startNode({
    role: 'edge',
    host: '127.0.0.2',
    origins: [{ host: origin.config.host, port: origin.config.rtmpPort }],
    hls: { directory: path.join(directory, 'edge') },
    settings: { hls: { fragmentSeconds: 1, windowSeconds: 60, sessions: false } },
  });
  const publisher = await RtmpPeer.publisher(origin, 'x');
  sendGops(publisher, 1);
  assert.equal(await playlistOf(edge, 'x'), undefined);
  assert.equal((await clientsOf(origin)).length, 1, 'no pull');
  const player = await RtmpPeer.player(edge, 'x');
  await player.until('the first GOP', () => player.videoTimes.length > 0);
  sendGops(publisher, 1, { from: 1000, headers: false });
  const playlist = await eventually('segments', () => playlistOf(edge, 'x'));
  assert.equal(playlist.segments[0]?.discontinuity, true);
  await player.until('the last frame', () => player.videoTimes.at(-1) === 1960);
  player.close();
  await eventually('the end of the pull closes the last one', async () => {
    return (await playlistOf(edge, 'x'))?.segments.at(-1)?.duration === 0.96;
  });
  publisher.close();
  await Promise.all([origin.kill(), edge.kill()]);
});

test('a stream that begins in the middle of a GOP is segmented from its first keyframe', async () => {
  const publisher = await RtmpPeer.publisher(node, 'middle');
  sendHeaders(publisher);
  for (let frame = 10; frame < 25; frame++) {
    sendVideo(publisher, frame * 40, false);
    publisher.audio(frame * 40);
  }
  sendGops(publisher, 1, { from: 1000, headers: false });
  publisher.close();
  const playlist = await eventually('a segment', () => playlistOf(node, 'middle'));
  assert.deepEqual(
    playlist.segments.map(({ duration }) => duration),
    [0.96],
  );
});

test('audio alone is cut at 2.1 fragments', async () => {
  const publisher = await RtmpPeer.publisher(node, 'audio');
  publisher.send(4, 8, 1, 0, AUDIO_HEADER);
  for (let at = 0; at < 6000; at += 20) publisher.audio(at);
  const playlist = await eventually('two segments', async () => {
    const one = await playlistOf(node, 'audio');
    return one?.segments.length === 2 ? one : undefined;
  });
  assert.deepEqual(
    playlist.segments.map(({ duration }) => duration),
    [2.1, 2.1],
  );
  publisher.close();
});

test('the last segment of a publication is there when its timestamps wrap in it', async () => {
  const segmenter = new HlsSegmenter({
    settings: { fragmentSeconds: 10, windowSeconds: 60, sessions: false },
    directory,
    app: 'live',
    stream: 'wrap',
    mutants: new Set(),
    log: () => {},
  });
  segmenter.push(new Frame(MediaType.video, 0, avcHeader()));
  for (let frame = 0; frame < 25; frame++) {
    const timestamp = (2 ** 32 - 500 + frame * 40) >>> 0;
    segmenter.push(new Frame(MediaType.video, timestamp, avcBody(timestamp, frame === 0)));
  }
  segmenter.close();
  assert.match(
    Buffer.from(segmenter.file('wrap.m3u8')!).toString(),
    /#EXTINF:0\.960, no desc\nwrap-0\.ts\n$/,
  );
  // It writes in its own time, and into the folder that is taken away after the tests.
  const written = () =>
    readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((n) => n.includes('wrap'));
  await eventually('it to be written', () => written().sort().join() === 'live/wrap-0.ts,live/wrap.m3u8');
  segmenter.dispose();
  await eventually('it to be gone', () => written().length === 0);
});
