/** `liveproof/baseline@1`: what repeated runs gave, as plain JSON that is committed, and the comparison with it. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { differenceOfMedians, median, permutationP } from './baseline-statistics.ts';
import type { Environment } from './results.ts';
import type { Bench, BenchChange, BenchComparison } from './results-bench.ts';

/** Figures of other machines cannot be compared, whatever the statistics say. */
export const Machine = z.object({
  cpu: z.string(),
  cores: z.number().int(),
  memoryGb: z.number().int(),
  node: z.string().describe('Major version.'),
});
export type Machine = z.infer<typeof Machine>;

const BaselineRun = z.object({
  startedAt: z.string().describe('ISO 8601.'),
  liveproof: z.string(),
  programs: z.record(z.string(), z.string()),
  metrics: z.record(z.string(), z.array(z.number())).describe('By `topology/engine/protocol/players/name`.'),
});

export const Baseline = z.object({
  schema: z.literal('liveproof/baseline@1'),
  profile: z.string(),
  machine: Machine,
  runs: z.array(BaselineRun).min(1).describe('The latest last. All of them together are compared with.'),
});
export type Baseline = z.infer<typeof Baseline>;

/** Runs that a file keeps: their spread is the noise from run to run, which repetitions within one do not show. */
const KEPT_RUNS = 5;
/** With fewer, what a machine drifts from run to run is not in the file, and a difference may be that. */
const LEAST_RUNS = 3;

type Name =
  | 'latencyP50'
  | 'latencyP99'
  | 'startupP50'
  | 'stallRatio'
  | 'lossRatio'
  | 'serverCores'
  | 'serverMb'
  | 'originShare';

interface Metric {
  readonly unit: string;
  /** A difference below is of no use to anybody, however sure it is: of the median before, and in units. */
  readonly ratio: number;
  readonly absolute: number;
}

/** Of every metric less is better. */
const METRICS: Readonly<Record<Name, Metric>> = {
  latencyP50: { unit: 'ms', ratio: 0.1, absolute: 10 },
  latencyP99: { unit: 'ms', ratio: 0.15, absolute: 20 },
  startupP50: { unit: 'ms', ratio: 0.15, absolute: 20 },
  stallRatio: { unit: 'of the time', ratio: 0.25, absolute: 0.002 },
  lossRatio: { unit: 'of the frames', ratio: 0.25, absolute: 0.0005 },
  serverCores: { unit: 'cores', ratio: 0.15, absolute: 0.02 },
  serverMb: { unit: 'MB', ratio: 0.15, absolute: 20 },
  originShare: { unit: 'of what viewers got', ratio: 0.25, absolute: 0.005 },
};

/** Of chance alone. A run compares some dozens of metrics. */
const SIGNIFICANCE = 0.02;

export function machineOf({ cpu, cores, memoryGb, node }: Environment): Machine {
  return { cpu, cores, memoryGb: Math.round(memoryGb), node: node.split('.')[0]! };
}

/** Unmerged pulls are a comparison, and nothing that should stay as it is. */
export function metricsOf({ latency, economics }: Bench): Record<string, number[]> {
  const metrics: Record<string, number[]> = {};
  for (const { topology, engine, protocol, players, samples } of latency) {
    for (const [name, values] of Object.entries(samples)) {
      if (values.length > 0) metrics[`${topology}/${engine}/${protocol}/${players}/${name}`] = values;
    }
  }
  for (const {
    topology,
    engine,
    protocol,
    at,
    variant,
    players,
    requested = players,
    samples = [],
  } of economics) {
    if (variant !== 'merged' || samples.length === 0) continue;
    metrics[`${topology}/${engine}/${protocol}@${at}/${requested}/originShare`] = samples;
  }
  return metrics;
}

/** The runs of `before` are kept as long as machine and profile are the same. */
export function baselineOf(
  bench: Bench,
  run: { readonly startedAt: string; readonly environment: Environment },
  before?: Baseline,
): Baseline {
  const { environment, startedAt } = run;
  const machine = machineOf(environment);
  const isSame = before !== undefined && differences(before, bench, machine).length === 0;
  const latest = {
    startedAt,
    liveproof: environment.liveproof,
    programs: environment.programs,
    metrics: metricsOf(bench),
  };
  return {
    schema: 'liveproof/baseline@1',
    profile: bench.profile,
    machine,
    runs: [...(isSame ? before.runs : []), latest].slice(-KEPT_RUNS),
  };
}

/** @param file how the report names the baseline. */
export function compareWith(
  baseline: Baseline,
  file: string,
  bench: Bench,
  environment: Environment,
): BenchComparison {
  const differs = differences(baseline, bench, machineOf(environment));
  const sameMachine = differs.length === 0;
  const before = pooled(baseline);
  const after = metricsOf(bench);
  const concerned = Object.keys(before).filter((metric) => isConcerned(metric, bench));
  const changes = concerned
    .filter((metric) => after[metric] !== undefined)
    .map((metric) =>
      withinDrift(changeOf(metric, before[metric]!, after[metric]!, sameMachine), runsWith(metric, baseline)),
    );
  return {
    baseline: file,
    sameMachine,
    runs: baseline.runs.length,
    differs,
    changes,
    absent: concerned.filter((metric) => after[metric] === undefined),
  };
}

function runsWith(metric: string, { runs }: Baseline): number {
  return runs.filter(({ metrics }) => metrics[metric] !== undefined).length;
}

/** A change beside fewer than LEAST_RUNS is told, and is no verdict. */
function withinDrift(change: BenchChange, runs: number): BenchChange {
  const { says } = change;
  if (runs >= LEAST_RUNS || (says !== 'worse' && says !== 'better')) return change;
  const why = `${says} than in ${runs === 1 ? 'the one run' : `the ${runs} runs`} of the baseline, beyond the noise within a run; what drifts from run to run is known from ${LEAST_RUNS} runs on`;
  return { ...change, says: 'inconclusive', why };
}

/** A run of one topology, or of one part, says nothing about the others of the baseline. */
function isConcerned(metric: string, { latency, economics, problems }: Bench): boolean {
  const cluster = metric.split('/').slice(0, 2).join('/');
  const part = metric.endsWith('/originShare') ? economics : latency;
  return [...part, ...problems].some(({ topology, engine }) => `${topology}/${engine}` === cluster);
}

function pooled({ runs }: Baseline): Record<string, number[]> {
  const all: Record<string, number[]> = {};
  for (const { metrics } of runs) {
    for (const [metric, values] of Object.entries(metrics)) {
      all[metric] = [...(all[metric] ?? []), ...values];
    }
  }
  return all;
}

function differences(baseline: Baseline, { profile }: Bench, machine: Machine): string[] {
  const keys = ['cpu', 'cores', 'memoryGb', 'node'] as const;
  return [
    ...keys
      .filter((key) => baseline.machine[key] !== machine[key])
      .map((key) => `${key} was ${baseline.machine[key]}, is ${machine[key]}`),
    ...(baseline.profile === profile ? [] : [`profile was ${baseline.profile}, is ${profile}`]),
  ];
}

/** Exported for tests with made-up samples. */
export function changeOf(
  metric: string,
  before: readonly number[],
  after: readonly number[],
  sameMachine: boolean,
): BenchChange {
  const { unit, ratio, absolute } = METRICS[metric.split('/').at(-1) as Name] ?? {
    unit: '',
    ratio: 0.1,
    absolute: 0,
  };
  const [was, is] = [median(before), median(after)];
  const { low, high } = differenceOfMedians(before, after);
  const isSeen = low > 0 || high < 0;
  const matters = Math.abs(is - was) > Math.max(absolute, ratio * Math.abs(was));
  const common = { metric, unit, before: was, after: is, ratio: was === 0 ? null : is / was, low, high };
  if (!sameMachine || !canTell(before.length, after.length)) return { ...common, says: 'inconclusive' };
  const named = isSeen && matters && permutationP(before, after) <= SIGNIFICANCE;
  return { ...common, says: named ? (is > was ? 'worse' : 'better') : 'noise' };
}

/** Whether groups of this size could be far enough apart at all. */
function canTell(before: number, after: number): boolean {
  const apart = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);
  return permutationP(apart(0, before), apart(before, after)) <= SIGNIFICANCE;
}

export async function readBaseline(file: string): Promise<Baseline> {
  return Baseline.parse(JSON.parse(await readFile(file, 'utf8')));
}

/** Figures with four digits: a committed file is to be read, too. It is there whole, or stays what it was: the runs before are in it. */
export async function writeBaseline(file: string, baseline: Baseline): Promise<void> {
  const short = (_: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  const part = `${file}.part`;
  await mkdir(dirname(file), { recursive: true });
  try {
    await writeFile(part, `${JSON.stringify(baseline, short, 2)}\n`);
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
