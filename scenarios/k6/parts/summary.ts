/**
 * From what k6 hands to `handleSummary` to `liveproof/results@1`. k6 counts a threshold on a metric without a sample as
 * held, and exits 0 when scripts throw; here nothing that was not measured passes.
 */

import type { Finding, Results, Verdict } from '../../../reports/results.ts';
import type { K6Metric } from '../../../reports/results-k6.ts';

/** What `handleSummary` gets, as far as it is read (k6 2.2, `--summary-mode` compact or full). */
export interface K6Summary {
  readonly state: { readonly testRunDurationMs: number };
  readonly metrics: Readonly<Record<string, K6SummaryMetric>>;
}

export interface K6SummaryMetric {
  readonly type: K6Metric['type'];
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

/** What a threshold is for. */
export interface Requirement {
  /** In one sentence. */
  readonly title: string;
  /** The generator itself: when it is broken, nothing is blamed on the server. */
  readonly generator?: boolean;
  /** A counter that stays at 0 has said all there is to say; whether anything happened at all, another metric tells. */
  readonly witness?: string;
}

export interface ScriptRun {
  /** Name of the script without extension. */
  readonly script: string;
  /** Shorter than this: the run was interrupted. */
  readonly plannedMs: number;
  readonly requirements: Readonly<Record<string, Requirement>>;
}

export interface SummaryContext extends ScriptRun {
  /** Epoch ms. */
  readonly now: number;
  /** JSON of an `Environment`, where who starts k6 knows it. */
  readonly environment?: string | undefined;
}

/** Trends have these, so that a `Distribution` can be made of them. */
export const TREND_STATS = ['count', 'p(50)', 'p(90)', 'p(99)', 'p(99.9)', 'max'];

const UNKNOWN_ENVIRONMENT: Results['environment'] = {
  liveproof: 'unknown',
  node: 'none',
  os: 'unknown',
  cpu: 'unknown',
  cores: 0,
  memoryGb: 0,
  programs: {},
};

/** From best to worst, of those that can come out here. */
const SEVERITY: readonly Verdict[] = ['pass', 'inconclusive', 'fail', 'error'];

/** Pure. */
export function resultsOf(summary: K6Summary, context: SummaryContext): Results {
  const { script, plannedMs, now, environment } = context;
  const durationMs = summary.state.testRunDurationMs;
  const interrupted = durationMs < plannedMs;
  const findings = findingsOf(summary, context, interrupted);
  return {
    schema: 'liveproof/results@1',
    kind: 'k6',
    verdict: worst(findings.map(({ verdict }) => verdict)),
    startedAt: new Date(now - durationMs).toISOString(),
    durationMs,
    interrupted,
    command: ['k6', 'run', `scenarios/k6/${script}.ts`],
    environment: environment === undefined ? UNKNOWN_ENVIRONMENT : JSON.parse(environment),
    findings,
    k6: { scripts: [{ script, seconds: durationMs / 1000, metrics: metricsOf(summary) }] },
  };
}

function worst(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.length === 0) return 'error';
  return SEVERITY[Math.max(...verdicts.map((verdict) => SEVERITY.indexOf(verdict)))]!;
}

/** `k6/<script>-<metric>`: several scripts have metrics of one name. */
function checkOf(script: string, metric: string): string {
  return `k6/${script}-${metric.replaceAll('_', '-')}`;
}

function findingsOf(summary: K6Summary, context: SummaryContext, interrupted: boolean): Finding[] {
  const judged = Object.entries(context.requirements).map(([name, requirement]) => ({
    name,
    requirement,
    ...judge(summary, name, requirement),
  }));
  const healthy = judged.every(
    ({ requirement, verdict }) => requirement.generator !== true || verdict === 'pass',
  );
  const findings = judged.map(({ name, requirement, verdict, expected, actual }): Finding => {
    const own = requirement.generator === true;
    const blamed = verdict === 'fail' && (own || !healthy);
    return {
      check: checkOf(context.script, name),
      title: requirement.title,
      topology: 'external',
      engine: 'unknown',
      verdict: blamed ? 'inconclusive' : verdict,
      expected,
      actual,
      evidence:
        blamed && !own
          ? [{ label: 'generator', detail: 'unhealthy: this may be its own doing, not the server’s' }]
          : [],
      durationMs: summary.state.testRunDurationMs,
    };
  });
  if (!interrupted) return findings;
  return [
    ...findings,
    {
      check: `k6/${context.script}-complete`,
      title: 'The run lasts as long as asked',
      topology: 'external',
      engine: 'unknown',
      verdict: 'inconclusive',
      expected: 'a run to its end',
      actual: `interrupted after ${(summary.state.testRunDurationMs / 1000).toFixed(1)} s`,
      evidence: [],
      durationMs: summary.state.testRunDurationMs,
    },
  ];
}

function judge(
  summary: K6Summary,
  name: string,
  { witness }: Requirement,
): { verdict: Verdict; expected: string; actual: string } {
  const metric = summary.metrics[name];
  const thresholds = Object.entries(metric?.thresholds ?? {});
  const expected = thresholds.map(([expression]) => `${name} ${expression}`).join(', ');
  if (metric === undefined || thresholds.length === 0) {
    return { verdict: 'error', expected: expected || `a threshold on ${name}`, actual: 'there is none' };
  }
  const measured = witness === undefined ? metric : summary.metrics[witness];
  if (measured === undefined || samplesOf(measured) === 0) {
    return {
      verdict: 'inconclusive',
      expected,
      actual: `${witness ?? name} has no sample: nothing was measured`,
    };
  }
  const held = thresholds.every(([, { ok }]) => ok);
  return { verdict: held ? 'pass' : 'fail', expected, actual: figures(metric) };
}

/** Of a gauge that is 0 nobody can tell whether it was ever set. */
function samplesOf({ type, values }: K6SummaryMetric): number {
  if (type === 'rate') return (values.passes ?? 0) + (values.fails ?? 0);
  return (type === 'gauge' ? values.value : values.count) ?? 0;
}

function figures({ type, values }: K6SummaryMetric): string {
  if (type === 'trend') {
    const named = ['p(50)', 'p(90)', 'p(99)', 'max'].filter((stat) => values[stat] !== undefined);
    return `${named.map((stat) => `${stat} ${rounded(values[stat]!)}`).join(', ')}, of ${values.count} samples`;
  }
  if (type === 'rate') return `${values.passes ?? 0} of ${(values.passes ?? 0) + (values.fails ?? 0)}`;
  return rounded((type === 'gauge' ? values.value : values.count) ?? 0);
}

function rounded(value: number): string {
  return String(Number(value.toFixed(1)));
}

/** Without metrics that exist only as a part of another (`name{tag:value}`) and were never added to. */
function metricsOf({ metrics }: K6Summary): Record<string, K6Metric> {
  const kept = Object.entries(metrics).filter(
    ([name, metric]) => !name.includes('{') || samplesOf(metric) > 0,
  );
  return Object.fromEntries(
    kept.map(([name, metric]) => {
      const empty = metric.type === 'trend' && samplesOf(metric) === 0;
      const values = Object.entries(metric.values).map(([stat, value]) => [
        stat,
        empty && stat !== 'count' ? null : value,
      ]);
      return [name, { type: metric.type, values: Object.fromEntries(values) }];
    }),
  );
}

/**
 * For k6 to write when a script has ended: the findings to its standard output, and the results to the file that RESULTS
 * of the environment names, default results.json.
 */
export function summaryFiles(
  summary: K6Summary,
  run: ScriptRun,
  environment: Readonly<Record<string, string | undefined>>,
  now = Date.now(),
): Record<string, string> {
  const results = resultsOf(summary, { ...run, now, environment: environment.LIVEPROOF_ENVIRONMENT });
  return {
    stdout: summaryText(results),
    [environment.RESULTS ?? 'results.json']: `${JSON.stringify(results, null, 2)}\n`,
  };
}

/** For a terminal: every finding in one line. */
export function summaryText(results: Results): string {
  const lines = results.findings.map(
    ({ verdict, check, expected, actual }) => `${verdict.padEnd(12)}  ${check}: ${actual} (${expected})`,
  );
  return `${['', ...lines, `${results.verdict}  ${results.k6?.scripts[0]?.script ?? 'k6'}`, ''].join('\n')}`;
}
