/** Runs a plan: one cluster after the other, each with its checks. */
import { join } from 'node:path';
import type { Cluster } from '../lab/cluster.ts';
import type { Finding } from '../reports/results.ts';
import type { HistoryEvent } from './history.ts';
import { proofOf } from './mutants.ts';
import type { PlannedRun } from './plan.ts';
import { runOnCluster } from './run.ts';

export interface PlanRun {
  readonly runs: readonly PlannedRun[];
  readonly srsPath?: string;
  readonly basePort?: number;
  /** Configurations and logs go to a folder per topology and mutant below it. */
  readonly runDir: string;
  readonly signal: AbortSignal;
  readonly onStart?: (run: PlannedRun) => void;
  readonly onUp?: (cluster: Cluster, run: PlannedRun) => Promise<void> | void;
  /** Of a run with a mutant it is the proof. */
  readonly onFinding: (finding: Finding, run: PlannedRun) => void;
  readonly onEvent?: (check: string, event: HistoryEvent, run: PlannedRun) => void;
  /** A cluster did not come up, or the lab gave up in the middle. The next one is tried. */
  readonly onFailure: (failure: Error, run: PlannedRun) => void;
}

/** Resolves after the last run, or, when `signal` aborts, after the one that was under way. */
export async function runPlan(plan: PlanRun): Promise<void> {
  for (const run of plan.runs) {
    if (plan.signal.aborted) return;
    plan.onStart?.(run);
    try {
      await runOne(run, plan);
    } catch (error) {
      if (plan.signal.aborted) return;
      plan.onFailure(error instanceof Error ? error : new Error(String(error)), run);
    }
  }
}

function runOne(run: PlannedRun, plan: PlanRun): Promise<Finding[]> {
  const { topology, engine, checks, mutant } = run;
  const { srsPath, basePort, signal } = plan;
  return runOnCluster(
    {
      topology,
      engine,
      runDir: join(plan.runDir, topology.name, mutant ?? 'healthy'),
      onUp: (cluster) => plan.onUp?.(cluster, run),
      ...(srsPath === undefined ? {} : { srsPath }),
      ...(basePort === undefined ? {} : { basePort }),
    },
    {
      checks,
      signal,
      // A mutant's very defect may be that it never lets go.
      unrest: mutant === undefined ? 'error' : 'restart',
      onFinding: (finding) => plan.onFinding(mutant === undefined ? finding : proofOf(finding, mutant), run),
      onEvent: (check, event) => plan.onEvent?.(check, event, run),
      ...(mutant === undefined ? {} : { mutant }),
    },
  );
}
