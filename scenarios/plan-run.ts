/** Runs a plan: cluster after cluster, each with its checks; some of them side by side. */
import { join } from 'node:path';
import type { Cluster } from '../lab/cluster.ts';
import type { Finding } from '../reports/results.ts';
import { EvidenceKeeper, type EvidenceRequest } from './evidence.ts';
import type { HistoryEvent } from './history.ts';
import { Machine } from './machine.ts';
import { proofOf } from './mutants.ts';
import type { PlannedRun } from './plan.ts';
import { type Attach, runOnCluster } from './run.ts';

export interface PlanRun {
  readonly runs: readonly PlannedRun[];
  readonly srsPath?: string;
  readonly proxyPath?: string;
  readonly openUdp?: boolean;
  readonly basePort?: number;
  /** Configurations and logs go to a folder per topology and mutant below it. */
  readonly runDir: string;
  /** See ClusterRequest. Default runner `process`. */
  readonly attach?: Attach;
  readonly signal: AbortSignal;
  /** See GateRequest. */
  readonly seed?: number;
  /** Default none is kept. */
  readonly evidence?: EvidenceRequest;
  /**
   * How many clusters may run at a time; those with a mutant come after the healthy ones. Clusters share nothing but the
   * machine: whether the gate itself kept up is in every history. Default 1.
   */
  readonly jobs?: number;
  readonly onStart?: (run: PlannedRun) => void;
  readonly onUp?: (cluster: Cluster, run: PlannedRun) => Promise<void> | void;
  /** After its last check, while it is still up. */
  readonly onChecked?: (cluster: Cluster, run: PlannedRun) => void;
  /** Of a run with a mutant it is the proof. */
  readonly onFinding: (finding: Finding, run: PlannedRun) => void;
  /** Of a check that stands by at a mutant. */
  readonly onBystander?: (finding: Finding, run: PlannedRun) => void;
  readonly onEvent?: (check: string, event: HistoryEvent, run: PlannedRun) => void;
  /** Its cluster is down again. */
  readonly onEnd?: (run: PlannedRun) => void;
  /** A cluster did not come up, or the lab gave up in the middle. The next one is tried. */
  readonly onFailure: (failure: Error, run: PlannedRun) => void;
}

/** Resolves after the last run, or, when `signal` aborts, after those that were under way. */
export async function runPlan(plan: PlanRun): Promise<void> {
  const healthy = plan.runs.filter(({ mutant }) => mutant === undefined);
  const spoiled = plan.runs.filter(({ mutant }) => mutant !== undefined);
  const machine = new Machine();
  const oneStart = oneAtATime<Cluster>();
  const shared: Shared = { machine, inTurn: (start) => oneStart(() => machine.beside(start)) };
  for (const runs of [healthy, spoiled]) {
    const queue = runs.values();
    await Promise.all(Array.from({ length: plan.jobs ?? 1 }, () => runQueue(queue, plan, shared)));
  }
}

type InTurn<T> = (start: () => Promise<T>) => Promise<T>;

/** By the runs of a plan that go on side by side. */
interface Shared {
  readonly machine: Machine;
  readonly inTurn: InTurn<Cluster>;
}

/** A cluster that starts keeps the machine busy: two at once would take the longer, each of them. */
function oneAtATime<T>(): InTurn<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (start) => {
    const mine = last.then(start);
    last = mine.catch(() => {});
    return mine;
  };
}

async function runQueue(queue: Iterable<PlannedRun>, plan: PlanRun, shared: Shared): Promise<void> {
  for (const run of queue) {
    if (plan.signal.aborted) return;
    plan.onStart?.(run);
    try {
      await runOne(run, plan, shared);
    } catch (error) {
      if (plan.signal.aborted) return;
      plan.onFailure(error instanceof Error ? error : new Error(String(error)), run);
    } finally {
      plan.onEnd?.(run);
    }
  }
}

function runOne(run: PlannedRun, plan: PlanRun, shared: Shared): Promise<Finding[]> {
  const { topology, engine, checks, mutant, bystanders = [] } = run;
  const name = join(topology.name, mutant ?? 'healthy');
  const runDir = join(plan.runDir, name);
  const keeper = plan.evidence && new EvidenceKeeper(plan.evidence, runDir, name);
  const standsBy = new Set(bystanders.map(({ id }) => id));
  const tell = (finding: Finding): void => {
    if (standsBy.has(finding.check)) plan.onBystander?.(finding, run);
    else {
      const told = mutant === undefined ? finding : proofOf(finding, mutant);
      plan.onFinding(keeper?.of(told) ?? told, run);
    }
  };
  const { srsPath, proxyPath, openUdp = false, basePort, attach, signal } = plan;
  return runOnCluster(
    {
      topology,
      engine,
      runDir,
      inTurn: shared.inTurn,
      onUp(cluster) {
        keeper?.watch(cluster);
        return plan.onUp?.(cluster, run);
      },
      onChecked: (cluster) => plan.onChecked?.(cluster, run),
      openUdp,
      ...(srsPath === undefined ? {} : { srsPath }),
      ...(proxyPath === undefined ? {} : { proxyPath }),
      ...(basePort === undefined ? {} : { basePort }),
      ...(attach === undefined ? {} : { attach }),
    },
    {
      checks: [...checks, ...bystanders],
      signal,
      machine: shared.machine,
      // A mutant's very defect may be that it never lets go.
      unrest: mutant === undefined ? 'error' : 'restart',
      onFinding: tell,
      onStart: () => keeper?.begin(),
      onTapes: (tapes) => keeper?.keep(tapes),
      onEvent(check, event) {
        plan.onEvent?.(check, event, run);
        keeper?.see(event);
      },
      ...(plan.seed === undefined ? {} : { seed: plan.seed }),
      ...(mutant === undefined ? {} : { mutant }),
    },
  );
}
