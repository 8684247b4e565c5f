import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Baseline, baselineOf, compareWith } from '../../reports/baseline.ts';
import { headline } from '../../reports/format.ts';
import { renderReport } from '../../reports/html/page.ts';
import { judgeBench } from '../../reports/judge-bench.ts';
import { renderMarkdown } from '../../reports/markdown.ts';
import { type Finding, Results, type Verdict, worstVerdict } from '../../reports/results.ts';
import type { Bench } from '../../reports/results-bench.ts';
import { ENVIRONMENT } from './samples.ts';
import { bench, economics, ladder, latency, step, unhealthy } from './samples-bench.ts';
import { benchRun } from './samples-runs.ts';

const RUN = { interrupted: false, durationMs: 1000 };

function verdicts(of: Bench, run = RUN): Record<string, Verdict> {
  return Object.fromEntries(judgeBench(of, run).map(({ check, verdict }) => [check, verdict]));
}

test('a benchmark that was measured passes, and its results are of the schema', () => {
  const figures = bench();
  const findings = judgeBench(figures, RUN);
  assert.deepEqual(verdicts(figures), {
    'bench/latency-rtmp-100': 'pass',
    'bench/players-rtmp': 'pass',
    'bench/economics-balancer': 'pass',
    'bench/claims': 'pass',
  });
  const results = Results.parse({
    schema: 'liveproof/results@1',
    kind: 'bench',
    verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
    startedAt: '2026-11-28T18:00:00.000Z',
    durationMs: 1000,
    interrupted: false,
    command: ['liveproof', 'bench'],
    environment: ENVIRONMENT,
    findings,
    bench: figures,
  });
  assert.equal(headline(results), 'edge-cluster, builtin carries rtmp 1,000 players');
});

test('a broken SLO fails where a number of players is given; with an unhealthy generator nobody can say', () => {
  const breaches = ['latency p99 4000 ms, at most 3000 ms'];
  assert.equal(verdicts(bench({ latency: [latency({ breaches })] }))['bench/latency-rtmp-100'], 'fail');
  const slow = latency({ breaches, generator: unhealthy() });
  assert.equal(verdicts(bench({ latency: [slow] }))['bench/latency-rtmp-100'], 'inconclusive');
  assert.equal(
    verdicts(bench({ latency: [latency({ generator: unhealthy() })] }))['bench/latency-rtmp-100'],
    'inconclusive',
  );
  const few = (repetitions: number, discarded: number) =>
    verdicts(bench({ latency: [latency({ repetitions, discarded })] }))['bench/latency-rtmp-100'];
  assert.deepEqual([few(3, 2), few(2, 3)], ['pass', 'inconclusive']);
});

test('a lower bound is an answer that says so', () => {
  const bound = ladder({ lowerBound: true, gaveWay: 'generator', why: 'at 2000: event loop lag' });
  const found = judgeBench(bench({ ladders: [bound] }), RUN).find(
    ({ check }) => check === 'bench/players-rtmp',
  )!;
  assert.deepEqual([found.verdict, found.actual], ['pass', 'at least 1,000; at 2000: event loop lag']);
});

test('a ladder of which nothing held is the server’s failure, or nobody’s', () => {
  const steps = [step({ value: 1, holds: false, breaches: ['0 % joined'] })];
  const none = { steps, largest: null, failedAt: 1 };
  const by = (gaveWay: 'server' | 'machine' | 'generator') =>
    verdicts(bench({ ladders: [ladder({ ...none, gaveWay })] }))['bench/players-rtmp'];
  assert.deepEqual([by('server'), by('machine'), by('generator')], ['fail', 'inconclusive', 'inconclusive']);
  const cutOff = ladder({ ...none, failedAt: 125, gaveWay: 'server', lowerBound: true });
  assert.equal(verdicts(bench({ ladders: [cutOff] }))['bench/players-rtmp'], 'inconclusive');
});

test('a ladder that the engine does not offer is unsupported, with the reason', () => {
  const why = 'only with --open-udp';
  const absent = [
    { topology: 'edge-cluster', engine: 'srs', climbs: 'publishers' as const, protocol: 'srt', why },
  ];
  const found = judgeBench(bench({ absent }), RUN).find(({ check }) => check === 'bench/publishers-srt')!;
  assert.deepEqual([found.verdict, found.actual, found.engine], ['unsupported', why, 'srs']);
});

test('what could not be measured is never a pass', () => {
  const place = { topology: 'edge-cluster', engine: 'builtin' };
  const problems = [{ ...place, part: 'economics', what: 'no playlist' }];
  assert.equal(verdicts(bench({ problems }))['bench/measured-economics'], 'inconclusive');
  const start = [{ ...place, part: 'start', what: 'origin exited' }];
  assert.equal(verdicts(bench({ problems: start }))['bench/measured-start'], 'error');
  const claims = [{ ...bench().claims[0]!, comparison: 'not-measured' as const }];
  assert.equal(verdicts(bench({ claims }))['bench/claims'], 'inconclusive');
  const economics = [{ ...bench().economics[0]!, viewerBytes: 0, perViewerByte: null }];
  assert.equal(verdicts(bench({ economics }))['bench/economics-balancer'], 'inconclusive');
});

test('an interrupted run is inconclusive, and keeps what it has', () => {
  const found = verdicts(bench(), { ...RUN, interrupted: true });
  assert.deepEqual([found['bench/complete'], found['bench/players-rtmp']], ['inconclusive', 'pass']);
});

test('worse than the baseline is a failure of that cluster; of another machine it is none', () => {
  const night = { startedAt: '2026-11-27T00:00:00.000Z', environment: ENVIRONMENT };
  const first = baselineOf(bench(), night);
  const baseline = baselineOf(bench(), night, baselineOf(bench(), night, first));
  const worse = bench({
    latency: [
      latency({ samples: { latencyP50: [450, 452, 448, 451, 449], latencyP99: [690, 700, 680, 695, 685] } }),
    ],
  });
  const against = (of: Bench, cores: number, with_ = baseline): Bench => ({
    ...of,
    comparison: compareWith(with_, 'nightly.json', of, { ...ENVIRONMENT, cores }),
  });
  const [same] = judgeBench(against(worse, 2), RUN).filter(({ check }) => check === 'bench/baseline');
  assert.equal(same!.verdict, 'fail');
  assert.match(same!.actual, /^1 worse, 1 within the noise$/);
  assert.match(
    same!.evidence[0]!.detail,
    /^350 to 450 ms \(× 1\.29\); the difference of the medians is between/,
  );
  assert.equal(verdicts(against(bench(), 2))['bench/baseline'], 'pass');
  const [early] = judgeBench(against(worse, 2, first), RUN).filter(({ check }) => check === 'bench/baseline');
  assert.deepEqual(
    [early!.verdict, early!.actual],
    ['inconclusive', '1 within the noise, 1 other than in too few runs'],
  );
  assert.match(early!.evidence[0]!.detail, /^350 to 450 ms .*; worse than in the one run of the baseline/);
  assert.equal(verdicts(against(worse, 64))['bench/baseline'], 'inconclusive');
  const nothing = against(bench({ latency: [] }), 2);
  assert.equal(verdicts(nothing)['bench/baseline'], 'inconclusive');
});

test('a cluster of which nothing was measured is no pass beside one that is as it was', () => {
  const night = { startedAt: '2026-11-27T00:00:00.000Z', environment: ENVIRONMENT };
  const share = [0.05, 0.051, 0.049, 0.05, 0.05];
  const rows = (proxied: readonly number[]): Partial<Bench> => ({
    ...{ latency: [], ladders: [], claims: [] },
    economics: [
      economics({ samples: share }),
      economics({ topology: 'proxy-cluster', at: 'proxy', samples: [...proxied] }),
    ],
  });
  let baseline = baselineOf(bench(rows(share)), night);
  for (let more = 0; more < 2; more++) baseline = baselineOf(bench(rows(share)), night, baseline);
  const against = (of: Bench): Finding[] =>
    judgeBench({ ...of, comparison: compareWith(baseline, 'nightly.json', of, ENVIRONMENT) }, RUN).filter(
      ({ check }) => check === 'bench/baseline',
    );
  const told = (findings: readonly Finding[]) =>
    findings.map(({ topology, verdict, actual }) => [topology, verdict, actual]);
  assert.deepEqual(told(against(bench(rows(share)))), [
    ['edge-cluster', 'pass', '1 within the noise'],
    ['proxy-cluster', 'pass', '1 within the noise'],
  ]);
  // Its generator was unhealthy: there is no sample.
  assert.deepEqual(told(against(bench(rows([])))), [
    ['edge-cluster', 'pass', '1 within the noise'],
    ['proxy-cluster', 'inconclusive', '0 within the noise, 1 were not measured'],
  ]);
});

test('what could not be compared is in no report called no worse', () => {
  const night = { startedAt: '2026-11-27T00:00:00.000Z', environment: ENVIRONMENT };
  const first = baselineOf(bench(), night);
  const third = baselineOf(bench(), night, baselineOf(bench(), night, first));
  const worse = bench({
    latency: [
      latency({ samples: { latencyP50: [450, 452, 448, 451, 449], latencyP99: [690, 700, 680, 695, 685] } }),
    ],
  });
  const reports = (of: Bench, baseline: Baseline, cores = 2): string[] => {
    const comparison = compareWith(baseline, 'nightly.json', of, { ...ENVIRONMENT, cores });
    const results = benchRun({ ...of, comparison });
    return [headline(results), renderMarkdown(results), renderReport(results)];
  };
  for (const report of reports(bench(), third)) assert.match(report, /no metric is worse/);
  for (const report of reports(bench(), third).slice(1))
    assert.match(report, /Nothing is worse than in .*, and nothing better, beyond the noise\./);
  const [early, another] = [reports(worse, first), reports(bench(), third, 64)];
  for (const report of [...early, ...another])
    assert.doesNotMatch(report, /no metric is worse|nothing better/);
  assert.match(early[0]!, /1 of 2 metrics could not be compared with the baseline, no other is worse$/);
  for (const report of early.slice(1)) assert.match(report, /350 to 450 ms/);
  assert.match(another[0]!, /no metric could be compared with the baseline$/);
  for (const report of another.slice(1)) assert.match(report, /No metric could be compared with /);
});
