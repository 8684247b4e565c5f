/** Which checks run on which cluster: those of its topologies that this machine and the engine can play. */
import { MUTANTS, type MutantId } from '../lab/builtin/mutants.ts';
import { LabError } from '../lab/errors.ts';
import { hasNodeFor } from '../lab/mutant-fit.ts';
import { checkRunnable } from '../lab/runners/launchers.ts';
import { type EngineName, enginesOf, type Topology } from '../lab/topology.ts';
import type { Check } from './check.ts';

export interface PlannedRun {
  readonly topology: Topology;
  readonly engine: EngineName;
  /** Not empty. */
  readonly checks: readonly Check[];
  /** Left out for a healthy cluster. */
  readonly mutant?: MutantId;
  /** Of a cluster with a mutant: run after `checks`. They are not aimed at it, and what they say proves nothing. */
  readonly bystanders?: readonly Check[];
}

/** A topology that checks are for and that cannot be brought up. */
export interface LeftOut {
  readonly topology: Topology;
  readonly engine: EngineName;
  /** A missing program, or that the engine cannot play it. */
  readonly reason: string;
}

export interface Plan {
  readonly runs: readonly PlannedRun[];
  readonly leftOut: readonly LeftOut[];
}

export interface PlanRequest {
  readonly checks: readonly Check[];
  /** To choose from; the order of the runs. */
  readonly topologies: readonly Topology[];
  /** Each topology's usual one when left out. */
  readonly engine?: EngineName;
  readonly srsPath?: string;
  readonly proxyPath?: string;
  /** Mutants only: of these, those of its topology stand by at every mutant. Default none. */
  readonly bystanders?: readonly Check[];
  /** Throws LabError when the topology cannot be played here. */
  readonly isRunnable?: typeof checkRunnable;
}

/** One run per topology that a check is for, with all of its checks. */
export function planGate(request: PlanRequest): Plan {
  const { checks, topologies, isRunnable = checkRunnable } = request;
  const runs: PlannedRun[] = [];
  const leftOut: LeftOut[] = [];
  for (const topology of topologies) {
    const concerned = checks.filter((check) => check.topologies.includes(topology.name));
    if (concerned.length === 0) continue;
    const engine = request.engine ?? enginesOf(topology)[0]!;
    try {
      isRunnable(topology, engine, request);
      runs.push({ topology, engine, checks: concerned });
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      leftOut.push({ topology, engine, reason: error.message });
    }
  }
  return { runs, leftOut };
}

/**
 * Every topology healthy with all of its checks, then once per mutant with those that list it. Each pair of check and
 * mutant is on the first of the check's topologies that can run and has a node for the mutant.
 */
export function planMutants(request: PlanRequest): Plan {
  const { runs: healthy, leftOut } = planGate(request);
  const { bystanders = [] } = request;
  const runs = healthy.flatMap((run) => {
    const { topology, engine, checks } = run;
    const spoiled = mutantsOf(checks).map((mutant): PlannedRun => {
      const concerned = checks.filter(
        (check) => check.mutants.includes(mutant) && homeOf(check, mutant, healthy) === run,
      );
      const others = bystanders.filter(
        (check) => check.topologies.includes(topology.name) && !concerned.includes(check),
      );
      return {
        topology,
        engine,
        mutant,
        checks: concerned,
        ...(others.length === 0 ? {} : { bystanders: others }),
      };
    });
    return [run, ...spoiled.filter(({ checks: concerned }) => concerned.length > 0)];
  });
  return { runs, leftOut };
}

/** Every `of`-th run from `index` on; together the parts are the plan. */
export function partOf({ runs, leftOut }: Plan, { index, of }: { index: number; of: number }): Plan {
  return { runs: runs.filter((_, i) => i % of === index), leftOut };
}

function homeOf(check: Check, mutant: MutantId, runs: readonly PlannedRun[]): PlannedRun | undefined {
  for (const name of check.topologies) {
    const run = runs.find(({ topology }) => topology.name === name);
    if (run !== undefined && hasNodeFor(run.topology, run.engine, mutant)) return run;
  }
  return undefined;
}

/** Mutants that these checks list, in the order of MUTANTS. */
export function mutantsOf(checks: readonly Check[]): MutantId[] {
  const listed = new Set(checks.flatMap((check) => check.mutants));
  return (Object.keys(MUTANTS) as MutantId[]).filter((mutant) => listed.has(mutant));
}
