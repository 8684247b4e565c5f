import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { build } from 'hdr-histogram-js';
import { PhaseTiming } from '../../drivers/client.ts';
import { WallClock } from '../../drivers/measure/clock.ts';
import { Continuity } from '../../drivers/measure/continuity.ts';
import { LatencyHistogram } from '../../drivers/measure/histogram.ts';
import { FrameMeter, MeterHistograms } from '../../drivers/measure/meter.ts';
import { PlayerModel, START_THRESHOLD_MS } from '../../drivers/measure/player-model.ts';
import { describeItem, MediaRecorder, type RecordedItem } from '../../drivers/measure/recorder.ts';
import { MediaSource, SourceCursor } from '../../drivers/measure/source.ts';
import { encodeTag } from '../../protocols/flv/writer.ts';
import { parseAvcConfig } from '../../protocols/h264/parameter-sets.ts';
import { insertStamp } from '../../protocols/h264/stamp.ts';
import { MediaLayout, MediaType, UNKNOWN_LENGTH } from '../../protocols/media.ts';
import { annexBOfAvcc } from '../../protocols/mpegts/from-flv.ts';
import { TsMediaReader } from '../../protocols/mpegts/media.ts';
import { TsWriter } from '../../protocols/mpegts/writer.ts';

function continuity(stream: number, ...frames: number[]): Record<string, number> {
  const subject = new Continuity();
  for (const frame of frames) subject.frame(stream, frame);
  const { missing, duplicated, reordered, restarts } = subject;
  return { missing, duplicated, reordered, restarts };
}

const CLEAN = { missing: 0, duplicated: 0, reordered: 0, restarts: 0 };

test('continuity: in order, from wherever it begins', () => {
  assert.deepEqual(continuity(7, 100, 101, 102, 103), CLEAN);
});

test('continuity: a hole is missing, a frame that comes late is reordered and no longer missing', () => {
  assert.deepEqual(continuity(7, 1, 2, 6, 7), { ...CLEAN, missing: 3 });
  assert.deepEqual(continuity(7, 1, 2, 6, 4, 7), { ...CLEAN, missing: 2, reordered: 1 });
  assert.deepEqual(continuity(7, 1, 2, 6, 4, 3, 5, 7), { ...CLEAN, reordered: 3 });
});

test('continuity: a frame twice is duplicated, also one that came late', () => {
  assert.deepEqual(continuity(7, 1, 2, 2, 3, 1), { ...CLEAN, duplicated: 2 });
  assert.deepEqual(continuity(7, 1, 3, 2, 2), { ...CLEAN, reordered: 1, duplicated: 1 });
});

test('continuity: frames older than the first one are reordered, and open a hole between', () => {
  assert.deepEqual(continuity(7, 10, 11, 8), { ...CLEAN, reordered: 1, missing: 1 });
  assert.deepEqual(continuity(7, 10, 11, 8, 9, 8), { ...CLEAN, reordered: 2, duplicated: 1 });
});

test('continuity: another publisher starts anew', () => {
  const subject = new Continuity();
  for (const frame of [50, 51, 53]) subject.frame(1, frame);
  for (const frame of [0, 1, 2]) subject.frame(2, frame);
  assert.deepEqual([subject.restarts, subject.missing, subject.duplicated, subject.reordered], [1, 1, 0, 0]);
});

test('continuity: more holes than are remembered stay counted', () => {
  const odd = Array.from({ length: 400 }, (_, index) => 2 * index);
  assert.equal(continuity(7, ...odd).missing, 399);
});

const source = MediaSource.load('fixtures/media/av-480k.flv');
const video = source.items.filter((item) => item.template !== undefined);

function feed(meter: FrameMeter, body: Uint8Array, timestamp: number, now: number): void {
  meter.begin(MediaType.video, timestamp, body.length);
  const half = body.length >> 1;
  meter.data(MediaType.video, body, 0, half);
  meter.data(MediaType.video, body, half, body.length);
  meter.end(MediaType.video, now);
}

function stamped(frame: number, sentAt: number, stream = 5): Uint8Array {
  return insertStamp(video[frame % video.length]!.body, { stream, frame, sentAt });
}

test('meter: latency before and after the start go to different histograms', () => {
  const histograms = new MeterHistograms();
  const meter = new FrameMeter(histograms);
  const timing = new PhaseTiming();
  timing.started = 10_000;
  meter.attach(timing);
  feed(meter, stamped(0, 9_000), 0, 10_100);
  feed(meter, stamped(1, 9_960), 40, 10_100);
  feed(meter, stamped(2, 10_080), 80, 10_100.5);
  assert.deepEqual([histograms.join.count, histograms.steady.count], [2, 1]);
  assert.ok(Math.abs(histograms.join.percentile(100)! - 1100) < 2);
  assert.ok(Math.abs(histograms.steady.percentile(100)! - 20.5) < 0.05);
  assert.ok(Math.abs(histograms.lowest - 20.5) < 0.01);
});

test('meter: damaged frames are corrupt and not missing, unstamped ones are known to be just that', () => {
  const meter = new FrameMeter(new MeterHistograms());
  for (let frame = 0; frame < 10; frame++) {
    const body = Uint8Array.from(stamped(frame, 0));
    if (frame === 4) body[body.length - 1]! ^= 1;
    feed(meter, body, frame * 40, 100);
  }
  feed(meter, video[3]!.body, 400, 100);
  feed(meter, stamped(10, 0), 440, 100);
  assert.deepEqual(
    [meter.received, meter.corrupt, meter.unstamped, meter.continuity.missing, meter.continuity.duplicated],
    [12, 1, 1, 0, 0],
  );
});

test('meter: sequence headers, audio and the end of sequence are no frames', () => {
  const meter = new FrameMeter(new MeterHistograms());
  for (const { type, body } of source.headers) {
    meter.begin(type, 0, body.length);
    meter.data(type, body, 0, body.length);
    meter.end(type, 1);
  }
  feed(meter, Uint8Array.of(0x17, 2, 0, 0, 0), 0, 1);
  assert.deepEqual([meter.received, meter.unstamped, meter.corrupt, meter.joined], [0, 0, 0, false]);
});

test('meter: joins at the first keyframe, and tells the player when the first picture is shown', () => {
  const joins: number[] = [];
  const histograms = new MeterHistograms();
  const meter = new FrameMeter(histograms, { onFirstKeyframe: (_meter, now) => joins.push(now) });
  const timing = new PhaseTiming();
  timing.started = 1000;
  meter.attach(timing);
  feed(meter, stamped(1, 0), 40, 1500);
  assert.deepEqual(joins, []);
  const next = video.findIndex((item, index) => index > 0 && item.template!.keyframe);
  for (let frame = next; frame <= next + 26; frame++)
    feed(meter, stamped(frame, 0), frame * 40, 2000 + frame);
  assert.deepEqual(joins, [2000 + next]);
  assert.equal(timing.firstFrameShown, 2000 + next + START_THRESHOLD_MS / 40);
  assert.equal(histograms.startup.count, 1);
});

/** The fixture's first `frames` stamped frames as a transport stream, with audio, in segments of a second. */
function segments(frames: number, stream = 5): Uint8Array[] {
  const writer = new TsWriter();
  const config = parseAvcConfig(source.headers.find(({ type }) => type === MediaType.video)!.body, 5);
  const parts: Buffer[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const key = video[frame]!.template!.keyframe;
    const unit = annexBOfAvcc(stamped(frame, frame * 40, stream), config, key);
    const bytes = [writer.video(unit, frame * 3600, frame * 3600, key)];
    if (frame % 2 === 0) bytes.push(writer.audio(Uint8Array.of(0xff, 0xf1, frame), frame * 3600));
    if (frame % 25 === 0) parts.push(Buffer.from(writer.tables()));
    parts.push(Buffer.concat([parts.pop()!, ...bytes]));
  }
  return parts.map((part) => new Uint8Array(part));
}

test('meter: Annex B out of a transport stream, also a meter beside one of FLV', () => {
  const histograms = new MeterHistograms();
  const flv = new FrameMeter(new MeterHistograms());
  const meter = new FrameMeter(histograms);
  const reader = new TsMediaReader(meter);
  for (const [i, bytes] of segments(75).entries()) {
    if (i === 1) bytes[bytes.length - 189 * 2]! ^= 1;
    for (let at = 0; at < bytes.length; at += 1000) {
      reader.push(bytes, at, Math.min(at + 1000, bytes.length), 5000);
      feed(flv, stamped(flv.received % 25, 0, flv.received), 0, 1);
    }
    reader.end(5000);
  }
  assert.deepEqual(
    [meter.received, meter.corrupt, meter.unstamped, meter.continuity.missing, meter.joined],
    [75, 1, 0, 0, true],
  );
  assert.deepEqual([flv.corrupt, flv.unstamped], [0, 0]);
  assert.equal(histograms.steady.count, 74);
  assert.ok(Math.abs(histograms.lowest - (5000 - 74 * 40)) < 0.01);
});

test('meter: in Annex B too, frames without a stamp are known to be just that, and no slice is no frame', () => {
  const meter = new FrameMeter(new MeterHistograms());
  meter.layout(MediaLayout.annexB);
  for (const unit of [
    [0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0x88, 1],
    [0, 0, 1, 9, 0xf0],
    [],
    [7, 0, 0, 1, 0x41, 1],
  ]) {
    meter.begin(MediaType.video, 0, UNKNOWN_LENGTH);
    if (unit.length > 0) meter.data(MediaType.video, Uint8Array.from(unit), 0, unit.length);
    meter.end(MediaType.video, 1);
  }
  assert.deepEqual([meter.received, meter.unstamped, meter.corrupt, meter.joined], [2, 1, 1, true]);
});

test('recorder: bodies of a transport stream, with their segments', () => {
  const items: RecordedItem[] = [];
  const recorder = new MediaRecorder((item) => items.push(item));
  const reader = new TsMediaReader(recorder);
  for (const [i, bytes] of segments(50).entries()) {
    recorder.segment(100 + i);
    reader.push(bytes, 0, bytes.length, 1);
    reader.end(1);
  }
  const frames = items.filter(({ kind }) => kind === 'video');
  const audio = items.filter(({ kind }) => kind === 'audio');
  assert.deepEqual([items.length, frames.length, audio.length], [75, 50, 25]);
  assert.deepEqual(
    frames.map(({ key, segment, timestamp, stamp }) => ({ key, segment, timestamp, stamp })),
    Array.from({ length: 50 }, (_, frame) => ({
      key: frame % 25 === 0,
      segment: frame < 25 ? 100 : 101,
      timestamp: frame * 40,
      stamp: { stream: 5, frame, sentAt: frame * 40, intact: true },
    })),
  );
  assert.deepEqual(
    audio.map(({ size, key, stamp, segment }) => [size, key, stamp, segment]),
    Array.from({ length: 25 }, (_, i) => [3, false, null, i < 13 ? 100 : 101]),
  );
  const { size, sum } = describeItem(MediaType.audio, 0, Uint8Array.of(0xff, 0xf1, 4), 1);
  assert.deepEqual([audio[2]!.size, audio[2]!.sum], [size, sum]);
  assert.equal('segment' in describeItem(MediaType.audio, 0, Uint8Array.of(1), 1), false);
});

/** Frames at 25 per second, each given by its arrival. */
function play(arrivals: readonly number[], from = 0): PlayerModel {
  const model = new PlayerModel();
  for (const [index, at] of arrivals.entries()) model.frame(from + index * 40, at);
  return model;
}

const steady = (count: number, delay = 0): number[] =>
  Array.from({ length: count }, (_, index) => index * 40 + delay);

test('player model: a steady stream starts after the threshold and never stalls', () => {
  const model = play(steady(250));
  model.finish(250 * 40);
  assert.deepEqual([model.shownAt, model.stalls, model.stalledMs], [START_THRESHOLD_MS, 0, 0]);
});

test('player model: a GOP that comes at once starts at once', () => {
  const model = play([...new Array<number>(50).fill(7), ...steady(50, 47)]);
  assert.equal(model.shownAt, 7);
  assert.equal(model.stalls, 0);
});

test('player model: a pause longer than the buffer is one stall of just its excess', () => {
  // 1000 ms are buffered when frame 25 starts the picture at 1000; frame 100 is due at 4000 and comes 3000 later.
  const model = play([...steady(100), ...steady(100, 7000)]);
  // Empty at 1000 + 99 * 40 = 4960; 1000 ms are there again with frame 124, at 7000 + 24 * 40 = 7960.
  assert.deepEqual([model.stalls, model.stalledMs], [1, 3000]);
  assert.equal(model.watchedUntil(9000), 8000);
});

test('player model: a pause shorter than the buffer is none', () => {
  assert.equal(play([...steady(100), ...steady(100, 4900)]).stalls, 0);
});

test('player model: a stream that ends is a stall until the viewer leaves, also before a frame shows it', () => {
  const model = play(steady(100));
  assert.equal(model.stallsUntil(4960), 0);
  assert.deepEqual([model.stallsUntil(6000), model.stalledUntil(6000)], [1, 1040]);
  assert.deepEqual([model.stillFor(4960), model.stillFor(6000)], [0, 1040]);
  model.finish(6000);
  model.finish(7000);
  assert.deepEqual([model.stalls, model.stalledMs, model.stillFor(9000)], [1, 1040, 1040]);
});

test('player model: a publisher that comes back with other timestamps continues the picture', () => {
  const model = new PlayerModel();
  for (const at of steady(100)) model.frame(at + 5_000_000, at);
  for (const at of steady(100)) model.frame(at, at + 4000);
  assert.deepEqual([model.discontinuities, model.stalls], [1, 0]);
});

test('player model: timestamps wrap at 32 bit', () => {
  const model = new PlayerModel();
  for (const at of steady(100)) model.frame((0xffffffff - 2000 + at) >>> 0, at);
  assert.deepEqual([model.discontinuities, model.stalls, model.shownAt], [0, 0, 1000]);
});

test('histogram: the merge of parts equals one big run, encoded or not', () => {
  const [whole, merged, fromText] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
  const parts = Array.from({ length: 4 }, () => new LatencyHistogram());
  let random = 12345;
  for (let i = 0; i < 20_000; i++) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    const latency = (random / 2 ** 32) ** 4 * 60_000;
    whole.record(latency);
    parts[i % 4]!.record(latency);
  }
  const fromCounts = new LatencyHistogram();
  for (const part of parts) {
    const counts = part.takeCounts()!;
    assert.equal(part.count, 0);
    assert.equal(part.takeCounts(), undefined);
    fromCounts.addCounts(counts);
    part.addCounts(counts);
    merged.merge(part);
    fromText.mergeEncoded(part.encode());
  }
  assert.deepEqual(fromCounts.toDistribution(), whole.toDistribution());
  assert.deepEqual(merged.toDistribution(), whole.toDistribution());
  const { hdr, ...figures } = whole.toDistribution();
  assert.deepEqual({ ...fromText.toDistribution(), hdr: undefined }, { ...figures, hdr: undefined });
  assert.match(hdr!, /^HISTFAAA/);
});

test('histogram: its own counting has the layout of the library', () => {
  const values = [0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 65_535, 1_000_003, 2 ** 30, 2 ** 31 - 1];
  const library = build({
    bitBucketSize: 32,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const histogram = new LatencyHistogram();
  for (const value of values) {
    library.recordValue(value);
    histogram.record(value / 1000);
  }
  for (let percent = 0; percent <= 100; percent += 2.5) {
    assert.equal(histogram.percentile(percent), library.getValueAtPercentile(percent) / 1000, `p${percent}`);
  }
  assert.equal(histogram.count, values.length);
});

test('histogram: nothing recorded is unknown, not zero; figures are right to three digits', () => {
  const histogram = new LatencyHistogram();
  assert.deepEqual(histogram.toDistribution(), {
    p50: null,
    p90: null,
    p99: null,
    p999: null,
    max: null,
    count: 0,
  });
  for (let i = 1; i <= 1000; i++) histogram.record(i / 10);
  const { p50, p99, max, count } = histogram.toDistribution();
  assert.ok(Math.abs(p50! - 50) < 0.05 && Math.abs(p99! - 99) < 0.1 && Math.abs(max! - 100) < 0.1);
  assert.equal(count, 1000);
  histogram.record(-5);
  histogram.record(1e12);
  assert.equal(histogram.count, 1002);
});

test('clock: follows a drift, and counts a jump', () => {
  let monotonic = 0;
  let truth = 1_000_000;
  const clock = new WallClock(
    truth,
    () => monotonic,
    () => Math.floor(truth),
  );
  const pass = (ms: number, drift: number): void => {
    monotonic += ms;
    truth += ms * (1 + drift);
    clock.check();
  };
  for (let i = 0; i < 2000; i++) pass(250.3, 1e-5);
  assert.ok(Math.abs(clock.now() - truth) < 1, `fast: ${clock.now() - truth}`);
  for (let i = 0; i < 2000; i++) pass(250.3, -1e-5);
  assert.ok(Math.abs(clock.now() - truth) < 1.2, `slow: ${clock.now() - truth}`);
  assert.equal(clock.jumps, 0);
  truth += 3000;
  pass(250, 0);
  assert.equal(clock.jumps, 1);
  assert.ok(Math.abs(clock.now() - truth) <= 1);
});

test('clock: who is held up between its two reads has seen no jump', () => {
  const epoch = 1_000_000.25;
  let monotonic = 0;
  let heldMs = 0;
  const clock = new WallClock(
    epoch,
    () => monotonic,
    () => {
      const read = Math.floor(epoch + monotonic);
      monotonic += heldMs;
      return read;
    },
  );
  const look = (held: number): void => {
    heldMs = held;
    monotonic += 250.3;
    clock.check();
    assert.ok(clock.now() <= epoch + monotonic && clock.now() > epoch + monotonic - 2);
  };
  // More than a window of them, of each kind.
  for (const held of [0.5, 2, 15, 30, 3000]) for (let i = 0; i < 100; i++) look(held);
  look(0);
  look(30);
  look(0);
  assert.equal(clock.jumps, 0);
});

test('source: endless, with timestamps that never go back and no seam', () => {
  const cursor = new SourceCursor(source);
  let last = 0;
  let lastVideo = Number.NaN;
  for (let i = 0; i < source.items.length * 3; i++) {
    assert.ok(cursor.timestamp >= last - 40, `${cursor.timestamp} after ${last}`);
    last = cursor.timestamp;
    if (cursor.item.template !== undefined) {
      if (!Number.isNaN(lastVideo)) assert.equal(cursor.timestamp - lastVideo, 40);
      lastVideo = cursor.timestamp;
    }
    cursor.advance();
  }
  assert.equal(source.duration, source.frames * 40);
});

test('source: begun anew, its first keyframe comes when the next item was due', () => {
  const cursor = new SourceCursor(source);
  for (let i = 0; i < 30; i++) cursor.advance();
  const due = cursor.timestamp;
  cursor.restart();
  assert.equal(cursor.timestamp, due);
  assert.equal(cursor.item, source.items[0]);
  while (cursor.item.template === undefined) cursor.advance();
  assert.ok(cursor.item.template.keyframe);
  assert.equal(cursor.timestamp, due + cursor.item.timestamp);
});

test('source: a file of half an hour has more tags than a call has arguments', () => {
  const flv = readFileSync('fixtures/media/av-480k.flv');
  const silence = encodeTag(MediaType.audio, 0, Uint8Array.of(0xaf, 1));
  const tags = Array.from({ length: 150_000 }, () => silence);
  const long = new MediaSource(Buffer.concat([flv, ...tags]));
  assert.equal(long.items.length, source.items.length + tags.length);
});

test('source: codec headers may be repeated, and may not change', () => {
  const flv = readFileSync('fixtures/media/av-480k.flv');
  const header = (type: MediaType): Uint8Array => source.headers.find((item) => item.type === type)!.body;
  const followedBy = (type: MediaType, body: Uint8Array) =>
    new MediaSource(Buffer.concat([flv, encodeTag(type, 0, body)]));
  for (const type of [MediaType.video, MediaType.audio]) {
    assert.equal(followedBy(type, header(type)).items.length, source.items.length);
    const other = Uint8Array.from(header(type));
    other[other.length - 1]! ^= 1;
    assert.throws(() => followedBy(type, other), /header of the file changes on the way/);
  }
});

test('source: what is no H.264 is refused', () => {
  const flv = readFileSync('fixtures/media/av-480k.flv');
  assert.throws(() => new MediaSource(flv.subarray(0, 13)), /no H\.264/);
  assert.throws(() => new MediaSource(new Uint8Array(20)), /flv\.signature/);
});

test('recorder: kinds, checksums and stamps', () => {
  const kinds = source.headers.map(({ type, body }) => describeItem(type, 0, body, 1).kind);
  assert.deepEqual(new Set(kinds), new Set(['metadata', 'video-config', 'audio-config']));
  const body = stamped(0, 1234.567);
  const item = describeItem(MediaType.video, 80, body, 1);
  assert.deepEqual(
    { kind: item.kind, timestamp: item.timestamp, size: item.size, key: item.key, stamp: item.stamp },
    {
      kind: 'video',
      timestamp: 80,
      size: body.length,
      key: true,
      stamp: { stream: 5, frame: 0, sentAt: 1234.567, intact: true },
    },
  );
  const damaged = Uint8Array.from(body);
  damaged[damaged.length - 1]! ^= 0x40;
  const other = describeItem(MediaType.video, 80, damaged, 1);
  assert.notEqual(other.sum, item.sum);
  assert.equal(other.stamp?.intact, false);
});
