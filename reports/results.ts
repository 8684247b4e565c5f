/** `liveproof/results@1`: what every run leaves behind in `results.json`. */
import { z } from 'zod';

/** From best to worst; the verdict of a run is the worst of its findings. */
export const VERDICTS = ['pass', 'unsupported', 'inconclusive', 'fail', 'error'] as const;
export const Verdict = z.enum(VERDICTS);
export type Verdict = z.infer<typeof Verdict>;

/** A pointer into what was observed: short facts, or a file of the run with a line range. */
export const Evidence = z.object({
  label: z.string(),
  detail: z.string(),
});
export type Evidence = z.infer<typeof Evidence>;

export const Finding = z.object({
  check: z.string(),
  title: z.string().optional(),
  level: z.enum(['must', 'should']).optional(),
  /** The document that asks for it, and what it asks for in our own words. */
  spec: z.object({ source: z.string(), where: z.string(), says: z.string() }).optional(),
  topology: z.string(),
  engine: z.string(),
  /**
   * The mutant that the cluster was started with; left out for a healthy one. With a mutant, `verdict` is the
   * verdict of the proof: `pass` when the check turned red and so killed the mutant, `fail` when the mutant survived.
   */
  mutant: z.string().optional(),
  verdict: Verdict,
  expected: z.string(),
  actual: z.string(),
  evidence: z.array(Evidence),
  durationMs: z.number().nonnegative(),
});
export type Finding = z.infer<typeof Finding>;

/** Milliseconds. A distribution without a sample has count 0 and null elsewhere: unknown is never zero. */
export const Distribution = z.object({
  p50: z.number().nullable(),
  p90: z.number().nullable(),
  p99: z.number().nullable(),
  p999: z.number().nullable(),
  max: z.number().nullable(),
  count: z.number().int().nonnegative(),
  /** HDR histogram V2, base64, in microseconds: mergeable. */
  hdr: z.string().optional(),
});
export type Distribution = z.infer<typeof Distribution>;

export const GeneratorHealth = z.object({
  healthy: z.boolean(),
  reasons: z.array(z.string()),
  /** The worst worker's. */
  loopLagP99Ms: z.number(),
  /** Of all workers, in cores. */
  cpuCores: z.number(),
  /** Of all workers. */
  rssMb: z.number(),
});
export type GeneratorHealth = z.infer<typeof GeneratorHealth>;

/** One second of a load. */
export const LoadSecond = z.object({
  second: z.number(),
  joined: z.number(),
  failed: z.number(),
  mbitPerSecond: z.number(),
  latencyP50: z.number().nullable(),
  latencyP99: z.number().nullable(),
  stalls: z.number(),
  loopLagMs: z.number(),
});
export type LoadSecond = z.infer<typeof LoadSecond>;

export const Load = z.object({
  urls: z.array(z.string()),
  seconds: z.number(),
  clients: z.object({
    requested: z.number().int(),
    joined: z.number().int(),
    failed: z.number().int(),
    /** Joined, then lost before the end. */
    dropped: z.number().int(),
  }),
  /** Why clients failed or dropped: code to count. */
  reasons: z.record(z.string(), z.number().int()),
  bytes: z.number(),
  /** From open to the first frame shown by the player model. */
  startup: Distribution,
  latency: z.object({ join: Distribution, steady: Distribution }),
  /** ratio = stalled / (played + stalled) time, startup excluded (CTA-2066). */
  stalls: z.object({ count: z.number().int(), ratio: z.number() }),
  frames: z.object({
    received: z.number(),
    /** Video frames without a stamp: they are counted in `received` and judged by nothing else. */
    unstamped: z.number(),
    missing: z.number(),
    duplicated: z.number(),
    reordered: z.number(),
    corrupt: z.number(),
  }),
  generator: GeneratorHealth,
  timeline: z.array(LoadSecond),
});
export type Load = z.infer<typeof Load>;

export const Environment = z.object({
  liveproof: z.string(),
  node: z.string(),
  os: z.string(),
  cpu: z.string(),
  cores: z.number().int(),
  memoryGb: z.number(),
  /** Program name to version. */
  programs: z.record(z.string(), z.string()),
});
export type Environment = z.infer<typeof Environment>;

/** The history of a run: one event per line. */
export const HistoryFile = z.object({
  /** Relative to the directory of the run. */
  file: z.string(),
  lines: z.number().int().nonnegative(),
});
export type HistoryFile = z.infer<typeof HistoryFile>;

export const Results = z.object({
  schema: z.literal('liveproof/results@1'),
  kind: z.enum(['gate', 'mutants', 'load', 'publish']),
  verdict: Verdict,
  /** ISO 8601. */
  startedAt: z.string(),
  durationMs: z.number(),
  /** True when the run was interrupted; what was measured until then is here. */
  interrupted: z.boolean(),
  command: z.array(z.string()),
  environment: Environment,
  findings: z.array(Finding),
  load: Load.optional(),
  history: HistoryFile.optional(),
});
export type Results = z.infer<typeof Results>;

/** The worst one wins; nothing selected is an error, never a pass. */
export function worstVerdict(verdicts: readonly Verdict[]): Verdict {
  let worst: Verdict | undefined;
  for (const verdict of verdicts) {
    if (worst === undefined || VERDICTS.indexOf(verdict) > VERDICTS.indexOf(worst)) worst = verdict;
  }
  return worst ?? 'error';
}
