import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  Baseline,
  baselineOf,
  changeOf,
  compareWith,
  metricsOf,
  readBaseline,
  writeBaseline,
} from '../../reports/baseline.ts';
import {
  differenceOfMedians,
  median,
  permutationP,
  seededRandom,
} from '../../reports/baseline-statistics.ts';
import { temporary } from '../cli/surroundings.ts';
import { ENVIRONMENT } from './samples.ts';
import { bench, economics, latency } from './samples-bench.ts';

const METRIC = 'edge-cluster/builtin/rtmp/100/latencyP50';
const RUN = { startedAt: '2026-11-28T18:00:00.000Z', environment: ENVIRONMENT };

/** Of the same run, so many times. */
function baselineOfRuns(count: number, of = bench()): Baseline {
  const next = (before?: Baseline): Baseline => baselineOf(of, RUN, before);
  return Array.from({ length: count - 1 }).reduce<Baseline>((before) => next(before), next());
}

/** Runs of a server whose latency is normal around `mean` (Box and Muller). */
function runs(random: () => number, mean: number, deviation: number, count = 5): number[] {
  return Array.from(
    { length: count },
    () => mean + deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
}

test('a true change is found, whichever way it goes', () => {
  const random = seededRandom(7);
  for (let trial = 0; trial < 20; trial++) {
    const before = runs(random, 350, 8);
    assert.equal(changeOf(METRIC, before, runs(random, 430, 8), true).says, 'worse');
    assert.equal(changeOf(METRIC, before, runs(random, 280, 8), true).says, 'better');
  }
});

test('noise is not named: of 150 pairs of equal servers that are noisy, hardly one is', () => {
  const random = seededRandom(11);
  let named = 0;
  for (let trial = 0; trial < 150; trial++) {
    const { says } = changeOf(METRIC, runs(random, 350, 60), runs(random, 350, 60), true);
    if (says !== 'noise') named++;
  }
  assert.ok(named <= 5, `${named} of 150 pairs were called different`);
});

test('a sure difference that is of no use to anybody is noise', () => {
  const random = seededRandom(3);
  assert.equal(changeOf(METRIC, runs(random, 350, 0.5), runs(random, 355, 0.5), true).says, 'noise');
});

test('too few runs cannot tell, however far apart they are', () => {
  assert.equal(changeOf(METRIC, [350, 351], [900, 901], true).says, 'inconclusive');
  assert.equal(changeOf(METRIC, [350], [900], true).says, 'inconclusive');
});

test('from nothing to something has no ratio, and is still a change', () => {
  const metric = 'edge-cluster/builtin/rtmp/100/stallRatio';
  const { says, ratio } = changeOf(metric, [0, 0, 0, 0, 0], [0.03, 0.04, 0.03, 0.05, 0.04], true);
  assert.deepEqual([says, ratio], ['worse', null]);
  assert.equal(changeOf(metric, [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], true).says, 'noise');
});

test('the same samples give the same interval every time', () => {
  const [before, after] = [runs(seededRandom(1), 350, 60), runs(seededRandom(2), 380, 60)];
  assert.deepEqual(differenceOfMedians(before, after), differenceOfMedians(before, after));
  const { low, high } = differenceOfMedians(before, after);
  const seen = median(after) - median(before);
  assert.ok(low <= seen && seen <= high);
});

test('the permutation test is exact where it can be counted by hand', () => {
  // Two of ten ways to choose the three of five are as far out: the lowest and the highest.
  assert.equal(permutationP([1, 2], [3, 4, 5]), 2 / 10);
  assert.equal(permutationP([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 2 / 252);
  assert.equal(permutationP([1, 1, 1], [1, 1, 1]), 1);
  assert.throws(() => median([]), RangeError);
});

test('a regression is found in a comparison of whole runs, and only there', () => {
  const baseline = baselineOfRuns(3);
  const worse = bench({
    latency: [
      latency({ samples: { latencyP50: [450, 452, 448, 451, 449], latencyP99: [691, 700, 680, 695, 685] } }),
    ],
  });
  const { changes, sameMachine, absent } = compareWith(baseline, 'baseline.json', worse, ENVIRONMENT);
  assert.deepEqual([sameMachine, absent], [true, []]);
  assert.deepEqual(
    changes.map(({ metric, says }) => [metric, says]),
    [
      [METRIC, 'worse'],
      ['edge-cluster/builtin/rtmp/100/latencyP99', 'noise'],
    ],
  );
});

test('beside one run or two a difference is told, and is no regression: what drifts from run to run is not in them', () => {
  const of = (...latencyP50: number[]) =>
    bench({
      latency: [latency({ samples: { latencyP50, latencyP99: [691, 700, 680, 695, 685] } })],
    });
  for (const [runs, words] of [
    [1, /^worse than in the one run of the baseline, beyond the noise within a run/],
    [2, /^worse than in the 2 runs of the baseline/],
  ] as const) {
    const compared = compareWith(baselineOfRuns(runs), 'b.json', of(450, 452, 448, 451, 449), ENVIRONMENT);
    const [p50, p99] = compared.changes;
    assert.deepEqual(
      [compared.runs, p50!.says, p99!.says, p99!.why],
      [runs, 'inconclusive', 'noise', undefined],
    );
    assert.match(p50!.why!, words);
    assert.ok(p50!.low > 90);
  }
  const better = compareWith(baselineOfRuns(1), 'b.json', of(250, 252, 248, 251, 249), ENVIRONMENT);
  assert.equal(better.changes[0]!.says, 'inconclusive');
  assert.match(better.changes[0]!.why!, /^better than/);
  // A metric of which only one of three runs has something is of one run.
  const late = { ...baselineOfRuns(3) };
  late.runs = late.runs.map((one, index) => (index === 0 ? one : { ...one, metrics: {} }));
  assert.equal(
    compareWith(late, 'b.json', of(450, 452, 448, 451, 449), ENVIRONMENT).changes[0]!.says,
    'inconclusive',
  );
});

test('the baseline of another machine, or of another profile, gives ratios and no verdict', () => {
  const baseline = baselineOf(bench(), RUN);
  const worse = bench({ latency: [latency({ samples: { latencyP50: [900, 902, 898, 901, 899] } })] });
  const other = { ...ENVIRONMENT, cpu: 'Another CPU', cores: 64 };
  const { changes, differs, absent } = compareWith(baseline, 'b.json', worse, other);
  assert.deepEqual(
    changes.map(({ says }) => says),
    ['inconclusive'],
  );
  assert.ok(Math.abs(changes[0]!.ratio! - 900 / 350) < 1e-9);
  assert.deepEqual(differs, ['cpu was Example CPU @ 2.60GHz, is Another CPU', 'cores was 2, is 64']);
  assert.deepEqual(absent, ['edge-cluster/builtin/rtmp/100/latencyP99']);
  const nightly = compareWith(baseline, 'b.json', { ...worse, profile: 'nightly' }, ENVIRONMENT);
  assert.deepEqual(
    nightly.changes.map(({ says }) => says),
    ['inconclusive'],
  );
});

test('clusters of the baseline that this run was not about are not missed', () => {
  const baseline = baselineOf(bench({ latency: [latency(), latency({ topology: 'proxy-cluster' })] }), RUN);
  assert.deepEqual(compareWith(baseline, 'b.json', bench(), ENVIRONMENT).absent, []);
});

test('a file keeps the last five runs of a machine, and begins anew on another', async (t) => {
  const file = join(temporary(t), 'baseline.json');
  let baseline: Baseline | undefined;
  for (let run = 1; run <= 7; run++) {
    baseline = baselineOf(bench(), { ...RUN, startedAt: `2026-11-0${run}T00:00:00.000Z` }, baseline);
  }
  assert.deepEqual(
    baseline!.runs.map(({ startedAt }) => startedAt.slice(0, 10)),
    ['2026-11-03', '2026-11-04', '2026-11-05', '2026-11-06', '2026-11-07'],
  );
  const other = { ...ENVIRONMENT, node: '24.1.0' };
  assert.equal(baselineOf(bench(), { ...RUN, environment: other }, baseline).runs.length, 1);
  await writeBaseline(
    file,
    baselineOf(bench({ latency: [latency({ samples: { latencyP50: [350.123456] } })] }), RUN),
  );
  assert.deepEqual((await readBaseline(file)).runs[0]!.metrics, { [METRIC]: [350.1] });
  assert.equal(readFileSync(file, 'utf8').endsWith('}\n'), true);
  assert.ok(Baseline.safeParse(JSON.parse(readFileSync(file, 'utf8'))).success);
});

test('a baseline notices that origins send more of what viewers get; unmerged pulls are no metric', () => {
  const of = (...samples: number[]) =>
    bench({
      latency: [],
      economics: [
        economics({ requested: 100, samples }),
        economics({ requested: 100, samples: [1, 1, 1], variant: 'unmerged' }),
      ],
    });
  const metric = 'edge-cluster/builtin/flv@balancer/100/originShare';
  assert.deepEqual(metricsOf(of(0.031, 0.03, 0.032)), { [metric]: [0.031, 0.03, 0.032] });
  const baseline = baselineOfRuns(3, of(0.031, 0.03, 0.032));
  const { changes } = compareWith(baseline, 'b.json', of(0.3, 0.31, 0.32), ENVIRONMENT);
  assert.deepEqual(
    changes.map((change) => [change.metric, change.says]),
    [[metric, 'worse']],
  );
  const same = compareWith(baseline, 'b.json', of(0.031, 0.032, 0.03), ENVIRONMENT);
  assert.equal(same.changes[0]!.says, 'noise');
});

test('a run of latency alone does not miss what origins send, and one of that alone does not miss latency', () => {
  const samples = [0.031, 0.03, 0.032];
  const all = bench({ economics: [economics({ requested: 100, samples })] });
  const baseline = baselineOfRuns(3, all);
  const latencyOnly = compareWith(baseline, 'b.json', { ...all, economics: [] }, ENVIRONMENT);
  assert.deepEqual([latencyOnly.changes.length, latencyOnly.absent], [2, []]);
  const economicsOnly = compareWith(baseline, 'b.json', { ...all, latency: [] }, ENVIRONMENT);
  assert.deepEqual([economicsOnly.changes.length, economicsOnly.absent], [1, []]);
  const lost = { ...all, economics: [economics({ requested: 10, samples })] };
  assert.deepEqual(compareWith(baseline, 'b.json', lost, ENVIRONMENT).absent, [
    'edge-cluster/builtin/flv@balancer/100/originShare',
  ]);
});

test('what was not measured is no metric', () => {
  assert.deepEqual(metricsOf(bench({ latency: [latency({ samples: { latencyP50: [] } })] })), {});
});
