/** What a fault did, and when: read from the history alone. */
import type { Distribution, FailoverTimeline } from '../reports/results.ts';
import { courseOf } from './failover-course.ts';
import { curedAt, type Fault, faultsIn, stormBoundIn, watchedIn } from './failover-steps.ts';
import { perSecond, stormOf } from './failover-storm.ts';
import type { History } from './history.ts';

/** Undefined when there was no fault, or nobody was watched. */
export function timelineOf(history: History, group: string): FailoverTimeline | undefined {
  const [first, ...further] = faultsIn(history);
  const watched = watchedIn(history, group);
  if (first === undefined || watched.length === 0) return undefined;
  const faultAt = first.t;
  const cured = curedAt(history);
  const bound = stormBoundIn(history, group);
  const clients = watched.map((one) => {
    const { lostElsewhere: _, firstDoubled: __, closed: ___, ...told } = courseOf(history, one, faultAt);
    return told;
  });
  return {
    fault: nameOf(first),
    at: new Date(faultAt).toISOString(),
    cured: cured === undefined ? null : Math.round(cured - faultAt),
    marks: [
      ...further.map((fault) => ({ ms: Math.round(fault.t - faultAt), what: nameOf(fault) })),
      ...marksOfEncoders(history, faultAt),
    ].sort((a, b) => a.ms - b.ms),
    clients,
    gap: percentilesOf(clients.flatMap(({ part, gap }) => (part === 'publishes' ? [] : [gap]))),
    ...(bound?.isSeen !== true
      ? {}
      : {
          connections: perSecond(history, bound, faultAt),
          storm: { ...stormOf(history, bound, faultAt), bound: bound.perSecond },
        }),
  };
}

/** Nearest rank: every figure is that of a client. */
function percentilesOf(gaps: readonly number[]): Distribution {
  const sorted = gaps.toSorted((a, b) => a - b);
  const at = (percent: number) => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? null;
  return {
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: sorted.at(-1) ?? null,
    count: sorted.length,
  };
}

function marksOfEncoders(history: History, faultAt: number): { ms: number; what: string }[] {
  const encoders = new Set(history.of('publisher.sent').map(({ client }) => client));
  return history
    .of('client.state')
    .filter(({ client, state, t }) => t > faultAt && state === 'streaming' && encoders.has(client))
    .map(({ client, t }) => ({ ms: Math.round(t - faultAt), what: `${client} publishes again` }));
}

function nameOf(fault: Fault): string {
  return fault.type === 'node.control' ? `${fault.action} ${fault.node}` : `${fault.action} ${fault.link}`;
}
