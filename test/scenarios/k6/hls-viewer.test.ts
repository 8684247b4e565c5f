import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MediaSource } from '../../../drivers/measure/source.ts';
import { SegmentMaker } from '../../../scenarios/benchmark/hls-segments.ts';
import {
  type Answer,
  HlsViewer,
  type ViewerHost,
  type ViewerOptions,
  ViewerProblem,
} from '../../../scenarios/k6/parts/hls-viewer.ts';

const SECOND = 1000;
/** Epoch ms at which the viewer comes. */
const START = 1_000_000_000_000;
const SEGMENT_MS = 1000;

interface Served {
  readonly segments: Map<string, ArrayBuffer>;
  readonly frames: number;
}

/** Segments of one second: number N holds what is published in second N after START, and is stamped so. */
function served(count: number): Served {
  const maker = new SegmentMaker(MediaSource.load('fixtures/media/av-480k.flv'), 7);
  const segments = new Map<string, ArrayBuffer>();
  for (let number = 0; number < count; number++) {
    maker.write((number + 1) * SEGMENT_MS, START + number * SEGMENT_MS);
    const bytes = maker.cut();
    segments.set(
      `http://h/live/s-${number}.ts`,
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    );
  }
  return { segments, frames: maker.frames };
}

/** A window of four segments, of which the newest ended just now. */
function playlistAt(now: number): string {
  const newest = Math.floor((now - START) / SEGMENT_MS) + 3;
  const numbers = [3, 2, 1, 0].map((back) => newest - back);
  return [
    '#EXTM3U',
    '#EXT-X-TARGETDURATION:1',
    `#EXT-X-MEDIA-SEQUENCE:${numbers[0]}`,
    ...numbers.flatMap((number) => ['#EXTINF:1.0,', `s-${number}.ts`]),
    '',
  ].join('\n');
}

/** A world in which nothing takes time but sleep. */
function world(of: Partial<Pick<ViewerHost, 'playlist' | 'segment'>>, { segments }: Served) {
  let now = START;
  const seen = {
    steady: [] as number[],
    join: [] as number[],
    shown: [] as number[],
    problems: [] as string[],
  };
  const asked: string[] = [];
  const host: ViewerHost = {
    now: () => now,
    sleep: (ms) => {
      now += ms;
    },
    playlist: () => ({ status: 200, body: playlistAt(now) }),
    segment: (url) => {
      const body = segments.get(url);
      return { status: body === undefined ? 404 : 200, body: body ?? null };
    },
    onSteady: (ms) => void seen.steady.push(ms),
    onJoin: (ms) => void seen.join.push(ms),
    onShown: (ms) => void seen.shown.push(ms),
    onProblem: (problem) => void seen.problems.push(problem),
    onBusy: () => {},
    ...of,
  };
  const { segment } = host;
  host.segment = (url): Answer<ArrayBuffer> => {
    asked.push(url);
    return segment(url);
  };
  return { host, seen, asked };
}

const MEDIA = served(20);

function play(of: Parameters<typeof world>[0] = {}, options: ViewerOptions = {}, seconds = 8) {
  const { host, seen, asked } = world(of, MEDIA);
  const viewer = new HlsViewer('http://h/live/x.m3u8', host, options);
  viewer.play(START + seconds * SECOND);
  return { viewer, seen, asked };
}

test('every frame of every listed segment, once, with its age', () => {
  const { viewer, seen, asked } = play();
  // From three target durations before the end on: 1, 2, 3, and one more each second.
  assert.deepEqual(
    asked,
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((number) => `http://h/live/s-${number}.ts`),
  );
  const { frames, loaded } = viewer;
  assert.equal(loaded, 10);
  assert.ok(frames.joined);
  assert.equal(frames.received, seen.steady.length + seen.join.length);
  assert.ok(frames.received >= 245 && frames.received <= 255, String(frames.received));
  const { missing, duplicated, reordered } = frames.continuity;
  assert.deepEqual([missing, duplicated, reordered, frames.corrupt, frames.unstamped], [0, 0, 0, 0, 0]);
  assert.deepEqual(seen.problems, []);
  assert.equal(seen.shown.length, 1);
  // In this world segments are there before they were published; all are stamped with their beginning.
  assert.deepEqual(new Set(seen.steady), new Set([-1000, -2000, -3000]));
});

test('a master playlist leads to its first variant', () => {
  const master = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nsub/x.m3u8\n';
  const urls: string[] = [];
  const { viewer } = play({
    playlist: (url) => {
      urls.push(url);
      if (!url.includes('/sub/')) return { status: 200, body: master };
      return { status: 200, body: playlistAt(START).replaceAll('s-', '/live/s-') };
    },
  });
  assert.deepEqual(urls.slice(0, 2), ['http://h/live/x.m3u8', 'http://h/live/sub/x.m3u8']);
  assert.equal(viewer.loaded, 3);
});

test('what is damaged, missing, late or gone is told', () => {
  const damaged = (url: string, change: (bytes: Uint8Array) => void): Answer<ArrayBuffer> => {
    const body = MEDIA.segments.get(url)!.slice(0);
    if (url.endsWith('s-4.ts')) change(new Uint8Array(body));
    return { status: 200, body };
  };
  const flipped = play({ segment: (url) => damaged(url, (bytes) => (bytes[3000]! ^= 0x10)) });
  assert.deepEqual([flipped.viewer.frames.corrupt, flipped.viewer.frames.continuity.missing], [1, 0]);
  const cut = play({ segment: (url) => damaged(url, (bytes) => bytes.fill(0, 188 * 20, 188 * 21)) });
  assert.ok(cut.seen.problems.includes(ViewerProblem.malformed));
  const lost = play({
    segment: (url) =>
      url.endsWith('s-4.ts') ? { status: 404, body: null } : { status: 200, body: MEDIA.segments.get(url)! },
  });
  assert.ok(lost.viewer.frames.continuity.missing >= 24);
  assert.deepEqual(new Set(lost.seen.problems), new Set([ViewerProblem.segmentMissing, ViewerProblem.gap]));
  const stale = play({ playlist: () => ({ status: 200, body: playlistAt(START) }) });
  assert.deepEqual(new Set(stale.seen.problems), new Set([ViewerProblem.stale]));
  assert.equal(stale.viewer.frames.model.stalls, 1);
  const refused = play({ playlist: () => ({ status: 503, body: '' }) });
  assert.deepEqual(new Set(refused.seen.problems), new Set([ViewerProblem.playlistFailed]));
  assert.ok(!refused.viewer.frames.joined);
  const nonsense = play({ playlist: () => ({ status: 200, body: '<html>' }) });
  assert.deepEqual(new Set(nonsense.seen.problems), new Set([ViewerProblem.playlistMalformed]));
});

test('who does not look inside loads all the same', () => {
  const { viewer, seen, asked } = play({}, { inspect: false });
  assert.equal(viewer.loaded, asked.length);
  assert.equal(viewer.frames.received + seen.steady.length, 0);
});
