/** What the taps of an edge's links, and the origin's API beside them, say about its upstream connections. Pure. */
import type { Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { inconclusive, listed } from '../judging.ts';

/** How often an edge opened an upstream connection. */
export function openings(history: History, edge: string): number {
  return history.of('tap.open').filter((event) => event.from === edge).length;
}

/** How many are open after the last event, or at time `at`, over all links of the edge. */
export function openOf(history: History, edge: string, at = Number.POSITIVE_INFINITY): number {
  const count = (type: 'tap.open' | 'tap.close') =>
    history.of(type).filter((event) => event.from === edge && event.t <= at).length;
  return count('tap.open') - count('tap.close');
}

/**
 * The longest time for which two or more upstream connections of an edge were open, and how many at the most. What is
 * open at the end counts until the last event of the history.
 */
export function longestOverlap(history: History, edge: string): { ms: number; open: number } {
  const changes = [...history.of('tap.open'), ...history.of('tap.close')]
    .filter((event) => event.from === edge)
    .sort((a, b) => a.t - b.t);
  const end = history.events.at(-1)?.t ?? 0;
  let open = 0;
  let since = Number.NaN;
  const longest = { ms: 0, open: 0 };
  for (const { t, type } of [...changes, { t: end, type: 'end' }]) {
    if (open > 1) longest.ms = Math.max(longest.ms, t - since);
    const before = open;
    if (type === 'tap.open') open++;
    else if (type === 'tap.close') open--;
    if (open > 1 && before <= 1) since = t;
    longest.open = Math.max(longest.open, open);
  }
  return longest;
}

/**
 * Two observers count the pulls of a stream: the taps, and the API of the origin. Returns a judgement when there is no
 * last word of the API, or when it says something else than the taps said at that time; undefined when they agree.
 * Where many are open at once the two readings cannot be of one moment, so two counts above 1 agree.
 */
export function disagreement(
  history: History,
  stream: string,
  edges: readonly string[],
): Judgement | undefined {
  const reading = lastReading(history, stream);
  const expected = "the taps and the origin's API count the same upstream connections";
  if (reading === undefined) return inconclusive(expected, 'the API was not read');
  const different = edges.filter((edge) => {
    const seen = openOf(history, edge, reading.t);
    const told = reading.upstreamsOf[edge] ?? 0;
    return seen !== told && !(seen > 1 && told > 1);
  });
  if (different.length === 0) return undefined;
  const seen = Object.fromEntries(different.map((edge) => [edge, openOf(history, edge, reading.t)]));
  return inconclusive(expected, `taps: ${listed(seen)}; API: ${listed(reading.upstreamsOf)}`);
}

/** Pulls of a stream by an edge, as the API of the origin told last; 0 when it was not read. */
export function toldOf(history: History, stream: string, edge: string): number {
  return lastReading(history, stream)?.upstreamsOf[edge] ?? 0;
}

/** A judgement when the API of the origin was not read for a stream. */
export function unread(history: History, stream: string): Judgement | undefined {
  if (lastReading(history, stream) !== undefined) return undefined;
  return inconclusive("the origin's API counts upstream connections", 'the API was not read');
}

function lastReading(history: History, stream: string) {
  return history.of('api.stream').findLast((event) => event.stream === stream);
}
