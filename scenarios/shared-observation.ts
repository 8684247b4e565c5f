/** One observation, many judges: checks that ask the same run of events different questions wait for it once. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { wallClock } from '../drivers/measure/clock.ts';
import type { Cluster } from '../lab/cluster.ts';
import { type CheckContext, NotObservedError } from './check.ts';
import type { HistoryEvent } from './history.ts';
import { CpuWatch, cpuSourceOf } from './starvation.ts';

const LOOP_RESOLUTION_MS = 10;

interface Observation {
  /** The check that made it, and the number of its first event in that check's history. */
  readonly seenBy: string;
  readonly first: number;
  readonly events: readonly HistoryEvent[];
  /** It ended early; whoever shares it ends there, too. */
  readonly missed: NotObservedError | undefined;
}

const observations = new WeakMap<Cluster, Map<string, Observation>>();

/**
 * Runs `observe` for the first check that asks on a cluster; every other one gets the same events into its history, with
 * their times, though `history.ndjson` has them once. An observation that was broken off, or that failed by itself, is
 * not shared.
 */
export async function shareObservation(
  t: CheckContext,
  name: string,
  observe: () => Promise<void>,
): Promise<void> {
  const known = observations.get(t.cluster) ?? new Map<string, Observation>();
  observations.set(t.cluster, known);
  let observation = known.get(name);
  if (observation !== undefined) {
    const { seenBy, first, events } = observation;
    t.history.adopt(events, {
      t: wallClock.now(),
      type: 'shared',
      observation: name,
      seenBy,
      first,
      events: events.length,
    });
  } else {
    observation = await record(t, observe);
    known.set(name, observation);
  }
  if (observation.missed !== undefined) throw observation.missed;
}

/** What was observed on the cluster is worth nothing: whoever asks next observes anew. */
export function forgetObservations(cluster: Cluster): void {
  observations.delete(cluster);
}

async function record(t: CheckContext, observe: () => Promise<void>): Promise<Observation> {
  const first = t.history.events.length;
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const watch = new CpuWatch(cpuSourceOf(t.cluster));
  let missed: NotObservedError | undefined;
  try {
    await observe();
  } catch (error) {
    if (!(error instanceof NotObservedError)) throw error;
    missed = error;
  } finally {
    loop.disable();
  }
  // The gate tells these of the run of a check; they belong to the events, whoever judges them.
  const loopLagMs = Math.max(0, loop.max / 1e6 - LOOP_RESOLUTION_MS);
  t.history.append({ t: wallClock.now(), type: 'generator', loopLagMs });
  t.history.append({ t: wallClock.now(), type: 'machine', ...watch.end() });
  return { seenBy: t.check, first, events: t.history.events.slice(first), missed };
}
