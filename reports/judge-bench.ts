/**
 * The findings of a benchmark. A figure is judged by the SLO where a number of players was given, and by whether it could be
 * found where it is the answer. With an unhealthy generator nothing is blamed on the server.
 */
import { formatMs, formatNumber, plural } from './format.ts';
import { judgeEconomics } from './judge-bench-economics.ts';
import type { Evidence, Finding, Verdict } from './results.ts';
import type { Bench, BenchChange, BenchComparison, BenchLadder, BenchLatency } from './results-bench.ts';

interface Said {
  readonly verdict: Verdict;
  readonly expected: string;
  readonly actual: string;
  readonly evidence?: readonly Evidence[];
}

/** Pure. */
export function judgeBench(
  bench: Bench,
  run: { readonly interrupted: boolean; readonly durationMs: number },
): Finding[] {
  const found: Finding[] = [];
  const add = (check: string, title: string, topology: string, engine: string, said: Said): void => {
    found.push({
      check: `bench/${check}`,
      title,
      topology,
      engine,
      verdict: said.verdict,
      expected: said.expected,
      actual: said.actual,
      evidence: [...(said.evidence ?? [])],
      durationMs: run.durationMs,
    });
  };
  for (const cell of bench.latency) {
    const title = `${plural(cell.players, 'player')} of ${cell.protocol} are served within the SLO`;
    add(`latency-${cell.protocol}-${cell.players}`, title, cell.topology, cell.engine, latencyJudged(cell));
  }
  for (const ladder of bench.ladders) {
    add(...ladderNames(ladder), ladder.topology, ladder.engine, ladderJudged(ladder));
  }
  for (const ladder of bench.absent ?? []) {
    const said = { verdict: 'unsupported', expected: LADDER_EXPECTED, actual: ladder.why } as const;
    add(...ladderNames(ladder), ladder.topology, ladder.engine, said);
  }
  for (const { check, title, topology, engine, said } of judgeEconomics(bench.economics, bench.slo.joined)) {
    add(check, title, topology, engine, said);
  }
  for (const { topology, engine, part, what } of bench.problems) {
    add(`measured-${part}`, 'Everything that was asked for is measured', topology, engine, {
      verdict: part === 'start' ? 'error' : 'inconclusive',
      expected: part === 'start' ? 'the cluster comes up' : `the part ${part} runs to its end`,
      actual: what,
    });
  }
  if (bench.comparison !== undefined) found.push(...compared(bench.comparison, run.durationMs));
  const unmeasured = bench.claims.filter(({ comparison }) => comparison === 'not-measured');
  if (bench.claims.length > 0) {
    add('claims', 'Published figures have ours beside them', 'external', 'unknown', {
      verdict: unmeasured.length > 0 ? 'inconclusive' : 'pass',
      expected: `${plural(bench.claims.length, 'figure')} measured`,
      actual:
        unmeasured.length === 0
          ? 'all'
          : `not ${unmeasured.map(({ id, engine }) => `${id} (${engine})`).join(', ')}`,
      evidence: unmeasured.map(({ id, measured }) => ({ label: id, detail: measured })),
    });
  }
  if (run.interrupted) {
    add('complete', 'The run lasts as long as asked', 'external', 'unknown', {
      verdict: 'inconclusive',
      expected: 'a run to its end',
      actual: 'interrupted: only what was measured until then is here',
    });
  }
  return found;
}

function latencyJudged(cell: BenchLatency): Said {
  const { generator, breaches, joined, steady, startup, repetitions, discarded } = cell;
  const expected = 'the SLO is held, by a generator with time to spare';
  const told = `latency p99 ${formatMs(steady.p99)}, startup p99 ${formatMs(startup.p99)}, ${plural(repetitions, 'repetition')}`;
  if (!generator.healthy) {
    const actual = `the generator was unhealthy: ${generator.reasons.join('; ')}`;
    return { verdict: 'inconclusive', expected, actual, evidence: [{ label: 'figures', detail: told }] };
  }
  if (discarded > repetitions) {
    const actual = `the generator was unhealthy in ${formatNumber(discarded)} of ${plural(discarded + repetitions, 'repetition')}`;
    return { verdict: 'inconclusive', expected, actual, evidence: [{ label: 'figures', detail: told }] };
  }
  if (steady.count === 0 && joined > 0) {
    return { verdict: 'inconclusive', expected, actual: 'no frame after the join carried a stamp' };
  }
  return {
    verdict: breaches.length > 0 ? 'fail' : 'pass',
    expected,
    actual: breaches.length > 0 ? breaches.join('; ') : told,
  };
}

/** Slug and title. */
function ladderNames({ climbs, protocol }: Pick<BenchLadder, 'climbs' | 'protocol'>): [string, string] {
  const what = climbs === 'joins' ? 'joins per second' : climbs;
  return [`${climbs}-${protocol}`, `The most ${what} of ${protocol} are found`];
}

const LADDER_EXPECTED = 'a number that holds the SLO, and who gave way above it';

/** An answer that is a lower bound is one, when it says so. */
function ladderJudged({ largest, failedAt, lowerBound, gaveWay, why, steps }: BenchLadder): Said {
  const expected = LADDER_EXPECTED;
  const evidence = steps.map(({ value, holds, breaches, latencyP99, server }) => ({
    label: formatNumber(value),
    detail: `${holds ? 'held' : 'not held'}: latency p99 ${formatMs(latencyP99)}, servers ${formatNumber(server.cores)} cores${breaches.length > 0 ? `; ${breaches.join('; ')}` : ''}`,
  }));
  if (largest !== null) {
    const bound = lowerBound ? 'at least ' : '';
    return { verdict: 'pass', expected, actual: `${bound}${formatNumber(largest)}; ${why}` };
  }
  return {
    // Where the search was cut off, a smaller number may hold.
    verdict: gaveWay === 'server' && !lowerBound ? 'fail' : 'inconclusive',
    expected,
    actual: `none held, down to ${formatNumber(failedAt)}: ${why}`,
    evidence,
  };
}

/** One finding per cluster of the comparison. */
function compared(
  { changes, sameMachine, differs, absent, baseline }: BenchComparison,
  durationMs: number,
): Finding[] {
  // Of a cluster of which nothing was measured there is no change to show that.
  const clusters = [...new Set([...changes.map(({ metric }) => metric), ...absent].map(clusterOf))];
  const title = 'Nothing is worse than in the baseline, beyond the noise of repeated runs';
  const common = { check: 'bench/baseline', title, durationMs };
  const found = clusters.map((cluster): Finding => {
    const [topology = '', engine = ''] = cluster.split('/');
    const own = changes.filter(({ metric }) => clusterOf(metric) === cluster);
    const of = (says: BenchChange['says']): BenchChange[] => own.filter((change) => change.says === says);
    const [worse, better, open] = [of('worse'), of('better'), of('inconclusive')];
    const early = open.filter(({ why }) => why !== undefined);
    const lost = absent.filter((metric) => clusterOf(metric) === cluster);
    const unknown = open.length > 0 || lost.length > 0;
    return {
      ...common,
      topology,
      engine,
      verdict: worse.length > 0 ? 'fail' : unknown ? 'inconclusive' : 'pass',
      expected: `${plural(own.length, 'metric')} no worse than in ${baseline}`,
      actual: [
        ...(worse.length > 0 ? [`${formatNumber(worse.length)} worse`] : []),
        ...(better.length > 0 ? [`${formatNumber(better.length)} better`] : []),
        `${formatNumber(of('noise').length)} within the noise`,
        ...(early.length > 0 ? [`${formatNumber(early.length)} other than in too few runs`] : []),
        ...(open.length > early.length
          ? [`${formatNumber(open.length - early.length)} cannot be compared`]
          : []),
        ...(lost.length > 0 ? [`${formatNumber(lost.length)} were not measured`] : []),
        ...(sameMachine ? [] : [`another machine or profile (${differs.join('; ')})`]),
      ].join(', '),
      evidence: [...worse, ...better, ...early].map((change) => ({
        label: `${change.says}: ${change.metric}`,
        detail: changeWords(change),
      })),
    };
  });
  if (found.length > 0) return found;
  return [
    {
      ...common,
      topology: 'external',
      engine: 'unknown',
      verdict: 'inconclusive',
      expected: `metrics that are in ${baseline}, too`,
      actual: 'this run and the baseline have none in common',
      evidence: [],
    },
  ];
}

function clusterOf(metric: string): string {
  return metric.split('/').slice(0, 2).join('/');
}

/** Those that are named, and those that would be if the baseline had more runs. */
export function toldChanges(changes: readonly BenchChange[]): BenchChange[] {
  return changes.filter(({ says, why }) => says === 'worse' || says === 'better' || why !== undefined);
}

/** Where none is to be told: how far that goes. `baseline` is how the sentence names it. */
export function untoldWords(changes: readonly BenchChange[], baseline: string): string {
  const open = changes.filter(({ says }) => says === 'inconclusive').length;
  if (open === changes.length) return `No metric could be compared with ${baseline}.`;
  const rest =
    open === 0
      ? ''
      : ` Of ${formatNumber(changes.length)} metrics ${formatNumber(open)} could not be compared.`;
  return `Nothing is worse than in ${baseline}, and nothing better, beyond the noise.${rest}`;
}

export function changeWords({ before, after, unit, low, high, ratio, why }: BenchChange): string {
  const factor = ratio === null ? '' : ` (× ${ratio.toFixed(2)})`;
  const reservation = why === undefined ? '' : `; ${why}`;
  return `${figure(before)} to ${figure(after)} ${unit}${factor}; the difference of the medians is between ${figure(low)} and ${figure(high)}${reservation}`;
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
