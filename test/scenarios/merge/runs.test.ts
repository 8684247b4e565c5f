import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatencyHistogram } from '../../../drivers/measure/histogram.ts';
import { type Finding, type Load, type LoadShard, Results, type Verdict } from '../../../reports/results.ts';
import { MergeError } from '../../../scenarios/merge/errors.ts';
import { mergeRuns, type Run } from '../../../scenarios/merge/runs.ts';
import {
  finding,
  gate,
  hlsFigures,
  load as loadRun,
  srtFigures,
  webRtcFigures,
} from '../../reports/samples.ts';

const COMMAND = ['liveproof', 'merge', 'a', 'b'];

/** Numbers that look like latencies, the same at every run. */
function* latencies(count: number): Generator<number> {
  let state = 12_345;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    yield 20 + (state % 1_000_000) / 700;
  }
}

function distribution(samples: Iterable<number>) {
  const histogram = new LatencyHistogram();
  for (const sample of samples) histogram.record(sample);
  return histogram.toDistribution();
}

/** Made once: it has a quarter of a million samples. */
const LOAD_RUN = loadRun();
const FIGURES = LOAD_RUN.load!;

function shard(index: number, of: number, figures: Partial<Load> = {}, more: Partial<LoadShard> = {}): Run {
  const load = {
    ...FIGURES,
    stalls: { count: 3, ratio: 0.03, lasting: 0, stalledMs: 300, watchedMs: 10_000 },
    latency: { join: distribution([900]), steady: distribution([20, 30]) },
    startup: distribution([400]),
    timeline: [],
    ...figures,
    shard: {
      index,
      of,
      clients: 10_000,
      rampMs: 5000,
      durationMs: 30_000,
      startedAt: `2026-11-28T18:00:00.${100 + index}Z`,
      ...more,
    },
  };
  return { directory: `shard-${index}`, results: { ...LOAD_RUN, load, verdict: 'pass', findings: [] } };
}

test('percentiles of merged shards are those of one big run', () => {
  const parts: number[][] = [[], [], []];
  // Unevenly, so that a mean of percentiles would be wrong.
  let i = 0;
  for (const sample of latencies(50_000)) parts[i++ % 7 === 0 ? 0 : sample > 900 ? 1 : 2]!.push(sample);
  const second = (part: number[], number: number) => ({
    second: number,
    joined: 5 * number,
    failed: 0,
    mbitPerSecond: 10,
    latencyP50: distribution(part).p50,
    latencyP99: distribution(part).p99,
    latencyHdr: distribution(part).hdr!,
    stalls: 1,
    loopLagMs: part.length,
  });
  const runs = parts.map((part, index) =>
    shard(index, 3, {
      latency: { join: distribution([]), steady: distribution(part) },
      timeline: [second(part, 1), ...(index === 2 ? [] : [second(part.slice(0, 1000), 2)])],
    }),
  );
  const { load } = Results.parse(mergeRuns(runs, COMMAND));
  const whole = distribution(parts.flat());
  const { hdr: _, ...expected } = whole;
  const { hdr, ...actual } = load!.latency.steady;
  assert.deepEqual(actual, expected);
  assert.ok(hdr !== undefined, 'merged results can be merged again');
  assert.deepEqual(load!.latency.join, {
    ...expected,
    p50: null,
    p90: null,
    p99: null,
    p999: null,
    max: null,
    count: 0,
  });
  const [first, last] = load!.timeline;
  assert.deepEqual([first!.latencyP50, first!.latencyP99], [whole.p50, whole.p99]);
  const ofLast = distribution([...parts[0]!.slice(0, 1000), ...parts[1]!.slice(0, 1000)]);
  assert.equal(last!.latencyP99, ofLast.p99);
  assert.deepEqual([first!.joined, first!.stalls, first!.mbitPerSecond], [15, 3, 30]);
  // The third shard told nothing of the second second: its players are still there.
  assert.deepEqual([last!.joined, last!.stalls], [25, 2]);
});

test('a number that ticks of a shard skip is no hole in the throughput, and one that they have twice no peak', () => {
  const tick = (second: number, mbitPerSecond: number) => ({
    ...{ second, mbitPerSecond, joined: 5, failed: 0, latencyP50: null, latencyP99: null },
    ...{ stalls: 0, loopLagMs: 1 },
  });
  const of = (index: number, ...ticks: [number, number][]) =>
    shard(index, 2, { timeline: ticks.map(([second, mbit]) => tick(second, mbit)) });
  const merged = mergeRuns(
    [of(0, [1, 100], [2, 90], [2, 110], [4, 80]), of(1, [2, 100], [3, 100], [4, 100], [5, 100])],
    COMMAND,
  );
  assert.deepEqual(
    Results.parse(merged).load!.timeline.map(({ second, mbitPerSecond }) => [second, mbitPerSecond]),
    [
      [1, 100],
      [2, 200],
      [3, 180],
      [4, 180],
      [5, 100],
    ],
  );
});

test('players that stand still are added by URL, and left out where a shard does not say whose', () => {
  const of = (index: number, ...lasting: number[]) =>
    shard(index, 2, {
      stalls: {
        ...{ count: 0, ratio: 0, lasting: 0, stalledMs: 0, watchedMs: 1 },
        ...(lasting.length > 0 && { ofUrls: lasting.map((one) => ({ there: 5, lasting: one })) }),
      },
    });
  const merged = (...runs: Run[]) => Results.parse(mergeRuns(runs, COMMAND)).load!.stalls.ofUrls;
  assert.deepEqual(merged(of(0, 1, 0), of(1, 2, 5)), [
    { there: 10, lasting: 3 },
    { there: 10, lasting: 5 },
  ]);
  assert.equal(merged(of(0, 1, 0), of(1)), undefined);
});

test('counters are added, ratios made of what they were made of, the worst of each bound kept', () => {
  const stalls = { count: 1, ratio: 0.5, lasting: 0, stalledMs: 100, watchedMs: 200 };
  const runs = [
    shard(0, 2, {
      hls: hlsFigures({ problems: { 'hls.gap': 2 } }),
      srt: srtFigures(),
      webrtc: webRtcFigures(),
    }),
    shard(1, 2, { stalls, hls: hlsFigures(), srt: srtFigures(), webrtc: webRtcFigures() }),
  ];
  const { load, merged } = mergeRuns(runs, COMMAND);
  const one = runs[0]!.results.load!;
  assert.equal(load!.clients.requested, 2 * one.clients.requested);
  assert.equal(load!.frames.received, 2 * one.frames.received);
  assert.equal(load!.bytes, 2 * one.bytes);
  assert.equal(load!.stalls.ratio, 400 / 10_200);
  assert.equal(load!.generator.cpuCores, 2 * one.generator.cpuCores);
  assert.equal(load!.generator.loopLagP99Ms, one.generator.loopLagP99Ms);
  assert.equal(load!.hls!.segments.requests, 2 * one.hls!.segments.requests);
  assert.deepEqual(load!.hls!.problems, { 'hls.gap': 2 });
  assert.equal(load!.hls!.targetDurationMs, one.hls!.targetDurationMs);
  assert.equal(load!.srt!.packets.received, 2 * one.srt!.packets.received);
  assert.equal(load!.srt!.latencyMs, one.srt!.latencyMs);
  const [worst, other] = one.srt!.worst!;
  assert.deepEqual(load!.srt!.worst, [worst, worst, other, other]);
  assert.equal(load!.webrtc!.rtp.packets, 2 * one.webrtc!.rtp.packets);
  assert.equal(load!.webrtc!.jitter.count, 2 * one.webrtc!.jitter.count);
  assert.deepEqual(
    merged!.map(({ directory, shard }) => [directory, shard]),
    [
      ['shard-0', 0],
      ['shard-1', 1],
    ],
  );
});

test('an unhealthy generator, a shard that judged worse: what is bad in one is bad in all', () => {
  const runs = [shard(0, 2), shard(1, 2)];
  const { results } = runs[1]!;
  const sick = { ...results.load!.generator, healthy: false, reasons: ['lag'] };
  const finding = {
    ...gate().findings[0]!,
    check: 'load/flowing',
    verdict: 'inconclusive' as const,
    actual: 'silence',
  };
  const worse: Run = {
    directory: 'shard-1',
    results: {
      ...results,
      load: { ...results.load!, generator: sick },
      findings: [finding],
      verdict: 'inconclusive',
    },
  };
  const merged = mergeRuns([runs[0]!, worse], COMMAND);
  assert.equal(merged.verdict, 'inconclusive');
  assert.deepEqual(merged.load!.generator.reasons, ['shard 1: lag']);
  const flowing = merged.findings.find(({ check }) => check === 'load/flowing')!;
  assert.equal(flowing.verdict, 'inconclusive');
  assert.deepEqual(flowing.evidence.at(-1), { label: 'shard 1', detail: 'inconclusive: silence' });
});

test('a shard that is missing, or that began at another time, is inconclusive', () => {
  const verdictOf = (runs: Run[], check: string) =>
    mergeRuns(runs, COMMAND).findings.find((finding) => finding.check === check);
  const missing = verdictOf([shard(0, 3), shard(2, 3)], 'merge/shards')!;
  assert.deepEqual([missing.verdict, missing.actual], ['inconclusive', 'without 1']);
  const late = verdictOf(
    [shard(0, 2), shard(1, 2, {}, { startedAt: '2026-11-28T18:00:05.000Z' })],
    'merge/together',
  )!;
  assert.deepEqual([late.verdict, late.actual], ['inconclusive', '4900 ms apart']);
  assert.equal(
    verdictOf([shard(0, 2), shard(1, 2, {}, { startedAt: null })], 'merge/together')!.verdict,
    'inconclusive',
  );
  const whole = [shard(1, 2), shard(0, 2)];
  assert.equal(verdictOf(whole, 'merge/shards')!.verdict, 'pass');
  assert.equal(verdictOf(whole, 'merge/together')!.verdict, 'pass');
});

test('what does not belong together is refused', () => {
  const other = (of: Partial<Results>): Run => ({
    directory: 'other',
    results: { ...shard(1, 2).results, ...of },
  });
  const { environment, load } = shard(1, 2).results;
  const unsharded = { ...load! };
  delete unsharded.shard;
  const refused: [Run, RegExp][] = [
    [shard(0, 2), /both shard 0/],
    [shard(1, 3), /no shards of one load: of 2 and 3/],
    [shard(1, 2, {}, { clients: 9 }), /clients 10000 and 9/],
    [shard(1, 2, {}, { durationMs: 9 }), /durationMs 30000 and 9/],
    [
      shard(1, 2, { urls: ['rtmp://127.0.0.1/live/other'] }),
      /URLs .* and rtmp:\/\/127\.0\.0\.1\/live\/other/,
    ],
    [other({ load: unsharded }), /other is no shard/],
    [other({ kind: 'gate' }), /of kind load, other of kind gate/],
    [other({ environment: { ...environment, liveproof: '9' } }), /of liveproof 0\.1\.0, other of 9/],
    [shard(1, 2, { stalls: { count: 0, ratio: 0, lasting: 0 } }), /stalledMs is missing/],
    [shard(1, 2, { startup: { ...distribution([1]), hdr: 'HISTFAAA' } }), /cannot be read/],
    [
      shard(1, 2, { startup: { p50: 1, p90: 1, p99: 1, p999: 1, max: 1, count: 1 } }),
      /without their histogram/,
    ],
  ];
  for (const [run, message] of refused) {
    assert.throws(
      () => mergeRuns([shard(0, 2), run], COMMAND),
      (error) => {
        assert.ok(error instanceof MergeError, String(error));
        assert.match(error.message, message);
        return true;
      },
    );
  }
  assert.throws(() => mergeRuns([], COMMAND), MergeError);
});

test('gates of different clusters are put side by side, those of the same are refused', () => {
  const of = (directory: string, topology: string): Run => {
    const results = gate(gate().findings.map((finding) => ({ ...finding, topology })));
    return { directory, results };
  };
  const merged = mergeRuns([of('a', 'edge-cluster'), of('b', 'proxy-cluster')], COMMAND);
  assert.equal(merged.findings.length, 2 * gate().findings.length);
  assert.equal(merged.verdict, 'fail');
  assert.equal(merged.health!.observations, 2 * gate().health!.observations);
  assert.throws(
    () => mergeRuns([of('a', 'edge-cluster'), of('b', 'edge-cluster')], COMMAND),
    /a and b both judge/,
  );
});

test('what the lab says of a cluster that does not come up, every part of a run of mutants may say', () => {
  const lab = (verdict: Verdict) => finding({ check: 'lab/up', topology: 'nginx-rtmp', verdict });
  const of = (directory: string, ...findings: Finding[]): Run => ({ directory, results: gate(findings) });
  const first = of('a', lab('unsupported'), finding({ check: 'flv/structure' }));
  // Two clusters of one topology failed.
  const second = of('b', lab('unsupported'), lab('error'), lab('error'));
  const { findings } = mergeRuns([first, second], COMMAND);
  assert.deepEqual(
    findings.map(({ check, verdict }) => `${check} ${verdict}`),
    ['lab/up unsupported', 'flv/structure pass', 'lab/up unsupported', 'lab/up error', 'lab/up error'],
  );
});
