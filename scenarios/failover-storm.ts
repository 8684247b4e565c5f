/** How often nodes tried to connect after a fault: read from the history alone. */
import type { FailoverTimeline } from '../reports/results.ts';
import type { StormBound } from './failover-steps.ts';
import type { EventOf, History } from './history.ts';
import { words } from './judging.ts';

const STORM_WINDOW_MS = 1000;

/** Connections that nodes tried since a moment. */
function attemptsSince(
  history: History,
  nodes: readonly string[],
  sinceAt: number,
): (EventOf<'tap.open'> | EventOf<'tap.refused'>)[] {
  return [...history.of('tap.open'), ...history.of('tap.refused')]
    .filter(({ t, from, carries = 'rtmp' }) => t >= sinceAt && nodes.includes(from) && carries === 'rtmp')
    .sort((a, b) => a.t - b.t);
}

/** Whether a tap has told of one of them, before the fault or after: none that tries is something only then. */
export function hasSeenAny(history: History, nodes: string): boolean {
  return attemptsSince(history, words(nodes), 0).length > 0;
}

/** Most attempts of one node within a second. */
export function stormOf(
  history: History,
  { nodes }: StormBound,
  faultAt: number,
): { worst: number; node: string } {
  const times = new Map<string, number[]>();
  let storm = { worst: 0, node: '' };
  for (const { from, t } of attemptsSince(history, words(nodes), faultAt)) {
    const recent = [...(times.get(from) ?? []), t].filter((time) => time > t - STORM_WINDOW_MS);
    times.set(from, recent);
    if (recent.length > storm.worst) storm = { worst: recent.length, node: from };
  }
  return storm;
}

export function perSecond(
  history: History,
  { nodes }: StormBound,
  faultAt: number,
): NonNullable<FailoverTimeline['connections']> {
  const seconds: { second: number; opened: number; refused: number }[] = [];
  for (const { t, type } of attemptsSince(history, words(nodes), faultAt)) {
    const second = Math.floor((t - faultAt) / 1000);
    while (seconds.length <= second) seconds.push({ second: seconds.length, opened: 0, refused: 0 });
    seconds[second]![type === 'tap.open' ? 'opened' : 'refused']++;
  }
  return seconds;
}
