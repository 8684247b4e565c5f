/** Runs a plan: cluster after cluster, some of them side by side, each with its checks or with a share of them. */
import { join } from 'node:path';
import type { MutantId } from '../lab/builtin/mutants.ts';
import type { Cluster } from '../lab/cluster.ts';
import type { Finding } from '../reports/results.ts';
import type { Check } from './check.ts';
import { EvidenceKeeper, type EvidenceRequest } from './evidence.ts';
import { findingOf } from './gate.ts';
import type { HistoryEvent } from './history.ts';
import { Machine } from './machine.ts';
import { proofOf } from './mutants.ts';
import type { PlannedRun } from './plan.ts';
import { type Attach, runOnCluster } from './run.ts';
import { RunUnderWay } from './run-under-way.ts';

/** How a cluster came up. */
export interface Start {
  /** Among those of its run, from 1. */
  readonly nth: number;
  /** The wait for its turn included. */
  readonly afterMs: number;
}

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
  /** See GateRequest. */
  readonly maxWaitMs?: number;
  /** Default none is kept. */
  readonly evidence?: EvidenceRequest;
  /**
   * How many clusters may run at a time; those with a mutant come after the healthy ones. When no run is left to begin,
   * a healthy one that is under way gets a further cluster, with a folder of its own, so that several share its checks.
   * Clusters share nothing but the machine: whether the gate itself kept up is in every history. Default 1, as it must be
   * with `basePort` and where `attach` finds a cluster instead of starting one.
   */
  readonly jobs?: number;
  readonly onStart?: (run: PlannedRun) => void;
  readonly onUp?: (cluster: Cluster, run: PlannedRun, start: Start) => Promise<void> | void;
  /** After its last check, while it is still up. */
  readonly onChecked?: (cluster: Cluster, run: PlannedRun) => void;
  /**
   * One of every check, unless `signal` aborts, and one only. Of a run with a mutant it is the proof, as long as
   * `signal` does not keep it open, and there is none when its cluster fails.
   */
  readonly onFinding: (finding: Finding, run: PlannedRun) => void;
  /** Of a check that stands by at a mutant. */
  readonly onBystander?: (finding: Finding, run: PlannedRun) => void;
  readonly onEvent?: (check: string, event: HistoryEvent, run: PlannedRun) => void;
  /** Its clusters are down again. */
  readonly onEnd?: (run: PlannedRun) => void;
  /** A cluster did not come up, or the lab gave up in the middle. Others of its run take what is left; the next run is tried. */
  readonly onFailure: (failure: Error, run: PlannedRun) => void;
}

/** Resolves after the last run, or, when `signal` aborts, after those that were under way. */
export async function runPlan(plan: PlanRun): Promise<void> {
  const healthy = plan.runs.filter(({ mutant }) => mutant === undefined);
  const spoiled = plan.runs.filter(({ mutant }) => mutant !== undefined);
  const machine = new Machine();
  const oneStart = oneAtATime<Cluster>();
  const shared: Shared = { machine, inTurn: (start) => oneStart(() => machine.beside(start)) };
  // What takes longest is not to be what is left at the end.
  const largestFirst = healthy.toSorted((a, b) => b.checks.length - a.checks.length);
  for (const runs of [largestFirst, spoiled]) {
    const queue = runs.values();
    const underWay = new Set<RunUnderWay>();
    await Promise.all(Array.from({ length: plan.jobs ?? 1 }, () => work(queue, underWay, plan, shared)));
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

/** Run after run; then it helps with those that others are at, as long as one is worth a further cluster. */
async function work(
  queue: Iterable<PlannedRun>,
  underWay: Set<RunUnderWay>,
  plan: PlanRun,
  shared: Shared,
): Promise<void> {
  for (const planned of queue) {
    if (plan.signal.aborted) return;
    const run = new RunUnderWay(planned);
    underWay.add(run);
    plan.onStart?.(planned);
    await useCluster(run, plan, shared);
  }
  while (!plan.signal.aborted) {
    const [run] = [...underWay].toSorted((a, b) => b.share - a.share);
    if (run === undefined || run.share === 0) return;
    await useCluster(run, plan, shared);
  }
}

/** Lets one more cluster work on the run, until nothing of it is left to begin. */
async function useCluster(run: RunUnderWay, plan: PlanRun, shared: Shared): Promise<void> {
  const { planned } = run;
  const nth = run.enter();
  try {
    if (nth === 1 || (await run.firstIsUp)) await runOne(run, nth, plan, shared);
  } catch (error) {
    run.failed();
    if (!plan.signal.aborted)
      plan.onFailure(error instanceof Error ? error : new Error(String(error)), planned);
  } finally {
    if (run.leave()) {
      if (!plan.signal.aborted && planned.mutant === undefined)
        for (const check of run.open) plan.onFinding(notRun(check, planned), planned);
      plan.onEnd?.(planned);
    }
  }
}

function runOne(run: RunUnderWay, nth: number, plan: PlanRun, shared: Shared): Promise<Finding[]> {
  const { planned, list } = run;
  const { topology, engine, checks, mutant, bystanders = [] } = planned;
  const began = performance.now();
  const name = join(topology.name, `${mutant ?? 'healthy'}${nth === 1 ? '' : `-${nth}`}`);
  const runDir = join(plan.runDir, name);
  const keeper = plan.evidence && new EvidenceKeeper(plan.evidence, runDir, name);
  const standsBy = new Set(bystanders.map(({ id }) => id));
  const tell = (finding: Finding): void => {
    if (standsBy.has(finding.check)) plan.onBystander?.(finding, planned);
    else {
      const told = mutant === undefined ? finding : toldOf(finding, mutant, plan.signal);
      plan.onFinding(keeper?.of(told) ?? told, planned);
    }
    run.found(finding.check);
  };
  const { srsPath, proxyPath, openUdp = false, basePort, attach, signal } = plan;
  return runOnCluster(
    {
      topology,
      engine,
      runDir,
      inTurn: shared.inTurn,
      onUp(cluster) {
        run.up();
        keeper?.watch(cluster);
        return plan.onUp?.(cluster, planned, { nth, afterMs: performance.now() - began });
      },
      onChecked: (cluster) => plan.onChecked?.(cluster, planned),
      openUdp,
      ...(srsPath === undefined ? {} : { srsPath }),
      ...(proxyPath === undefined ? {} : { proxyPath }),
      ...(basePort === undefined ? {} : { basePort }),
      ...(attach === undefined ? {} : { attach }),
    },
    {
      checks: mutant === undefined ? list.take() : [...checks, ...bystanders],
      signal,
      machine: shared.machine,
      // A mutant's very defect may be that it never lets go.
      unrest: mutant === undefined ? 'error' : 'restart',
      onFinding: tell,
      onStart: () => keeper?.begin(),
      onTapes: (tapes) => keeper?.keep(tapes),
      onEvent(check, event) {
        plan.onEvent?.(check, event, planned);
        keeper?.see(event);
      },
      ...(plan.seed === undefined ? {} : { seed: plan.seed }),
      ...(plan.maxWaitMs === undefined ? {} : { maxWaitMs: plan.maxWaitMs }),
      ...(mutant === undefined ? {} : { mutant }),
    },
  );
}

/** The proof, unless an interrupt came before it: then nobody knows whether the mutant survives. */
function toldOf(finding: Finding, mutant: MutantId, signal: AbortSignal): Finding {
  const isOpen = signal.aborted && finding.verdict === 'inconclusive';
  return isOpen ? { ...finding, mutant } : proofOf(finding, mutant);
}

/** Of a check that was begun on no cluster, or on one that gave up. What happened is the failure's to tell. */
function notRun(check: Check, run: PlannedRun): Finding {
  const outcome = {
    verdict: 'inconclusive' as const,
    expected: 'a cluster that stays up until the check has ended',
    actual: 'none did: lab/up says why',
    evidence: [],
  };
  return { ...findingOf(check, run, outcome), durationMs: 0 };
}
