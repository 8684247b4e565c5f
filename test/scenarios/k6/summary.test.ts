import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Results } from '../../../reports/results.ts';
import {
  type K6Summary,
  type K6SummaryMetric,
  type Requirement,
  resultsOf,
  summaryFiles,
  summaryText,
} from '../../../scenarios/k6/parts/summary.ts';

const trend = (count: number, ok = true): K6SummaryMetric => ({
  type: 'trend',
  values:
    count === 0
      ? { count: 0, 'p(50)': 0, 'p(99)': 0, max: 0 }
      : { count, 'p(50)': 10.04, 'p(99)': 90, max: 100 },
  thresholds: { 'p(99)<95': { ok } },
});
const counter = (count: number): K6SummaryMetric => ({
  type: 'counter',
  values: { count, rate: 0 },
  thresholds: { 'count==0': { ok: count === 0 } },
});
const rate = (passes: number, fails: number): K6SummaryMetric => ({
  type: 'rate',
  values: { rate: passes / Math.max(1, passes + fails), passes, fails },
  thresholds: { 'rate==1': { ok: fails === 0 } },
});

const REQUIREMENTS: Record<string, Requirement> = {
  joined: { title: 'joined' },
  latency: { title: 'latency' },
  missing: { title: 'missing', witness: 'latency' },
  lag: { title: 'lag', generator: true },
};

function judged(of: Record<string, K6SummaryMetric>, durationMs = 10_000): Results {
  const summary: K6Summary = {
    state: { testRunDurationMs: durationMs },
    metrics: { joined: rate(5, 0), latency: trend(50), missing: counter(0), lag: trend(9), ...of },
  };
  return Results.parse(
    resultsOf(summary, {
      script: 'script',
      plannedMs: 10_000,
      now: 1_000_000_000_000,
      requirements: REQUIREMENTS,
    }),
  );
}

const verdictOf = (results: Results, check: string) =>
  results.findings.find((finding) => finding.check === `k6/script-${check}`)?.verdict;

test('thresholds that hold pass, those that do not fail; the results are results', () => {
  const good = judged({});
  assert.equal(good.verdict, 'pass');
  assert.equal(good.findings.length, 4);
  assert.equal(good.startedAt, '2001-09-09T01:46:30.000Z');
  assert.equal(good.findings[1]!.actual, 'p(50) 10, p(99) 90, max 100, of 50 samples');
  assert.match(summaryText(good), /^pass {10}k6\/script-joined: 5 of 5 \(joined rate==1\)$/m);
  const bad = judged({ missing: counter(3), joined: rate(4, 1) });
  assert.equal(bad.verdict, 'fail');
  assert.deepEqual([verdictOf(bad, 'missing'), verdictOf(bad, 'joined')], ['fail', 'fail']);
});

test('a script leaves its results where it is told to, and its findings on standard output', () => {
  const summary: K6Summary = { state: { testRunDurationMs: 10_000 }, metrics: { joined: rate(5, 0) } };
  const run = { script: 'script', plannedMs: 10_000, requirements: { joined: { title: 'joined' } } };
  const written = (environment: Record<string, string>) =>
    summaryFiles(summary, run, environment, 1_000_000_000_000);
  assert.deepEqual(Object.keys(written({})), ['stdout', 'results.json']);
  const machine = { liveproof: '1', node: '20', os: 'x', cpu: 'y', cores: 2, memoryGb: 4, programs: {} };
  const { stdout, ...files } = written({
    RESULTS: 'mine.json',
    LIVEPROOF_ENVIRONMENT: JSON.stringify(machine),
  });
  assert.match(stdout!, /^pass {10}k6\/script-joined/m);
  const results = Results.parse(JSON.parse(files['mine.json']!));
  assert.deepEqual([results.verdict, results.environment], ['pass', machine]);
});

test('k6 holds a threshold on a metric without a sample; we do not', () => {
  const none = judged({ latency: trend(0) });
  assert.deepEqual(
    [verdictOf(none, 'latency'), verdictOf(none, 'missing')],
    ['inconclusive', 'inconclusive'],
  );
  assert.equal(none.k6!.scripts[0]!.metrics.latency!.values['p(99)'], null);
  const absent = judged({});
  delete absent.k6;
  const { thresholds: _, ...bare } = trend(5);
  assert.equal(verdictOf(judged({ latency: bare }), 'latency'), 'error');
  assert.equal(judged({ joined: rate(0, 0) }).verdict, 'inconclusive');
});

test('with a generator that lags nothing is blamed on the server, and a run that was cut short is not whole', () => {
  const late = judged({ lag: trend(9, false), missing: counter(3) });
  assert.deepEqual([verdictOf(late, 'lag'), verdictOf(late, 'missing')], ['inconclusive', 'inconclusive']);
  assert.equal(late.verdict, 'inconclusive');
  const short = judged({}, 4000);
  assert.equal(short.interrupted, true);
  assert.equal(verdictOf(short, 'complete'), 'inconclusive');
});

test('parts of metrics that nobody added to are left out', () => {
  const results = judged({
    'problems{code:a}': counter(0),
    'problems{code:b}': counter(2),
    problems: counter(2),
  });
  const names = Object.keys(results.k6!.scripts[0]!.metrics).filter((name) => name.startsWith('problems'));
  assert.deepEqual(names.sort(), ['problems', 'problems{code:b}']);
});
