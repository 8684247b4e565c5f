/** Peers that stop in the middle of what they were sending, and the server's patience with them. */
import type { CheckContext, Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged } from '../judging.ts';
import { judgeAttempts, stepsOf } from '../wire/attempt.ts';
import type { WireSocket } from '../wire/socket.ts';

/** SRS looks at timeouts in ticks, and a machine may be busy. */
const LATE_MS = 1500;
/** No patience at all would turn away whoever is far away: a round trip around the world takes 300 ms. */
const LEAST_MS = 1000;

/** Waits for the end of a stalled connection and records when it came. @param opened epoch ms. */
export async function recordStall(
  t: CheckContext,
  name: string,
  socket: WireSocket,
  opened: number,
  boundMs: number,
): Promise<void> {
  const end = await socket.ended(boundMs + LATE_MS);
  t.step('stall', {
    name,
    ended: end?.how ?? null,
    afterMs: end === undefined ? null : Math.round(end.at - opened),
  });
  socket.close();
}

/** Steps: `stalls` with count and boundMs, then a `stall` each. */
export function judgeStalls(history: History): Judgement[] {
  const setting = history.step('stalls');
  const stalls = stepsOf(history, 'stall');
  const latestMs = Number(setting?.boundMs) + LATE_MS;
  const expected = `a stalled client is closed after ${LEAST_MS} to ${latestMs} ms`;
  const broken = judgeAttempts(history);
  const kept = stalls.filter(({ ended }) => ended === null);
  if (kept.length > 0)
    return [...broken, failed(expected, `kept: ${kept.map(({ name }) => name).join(', ')}`)];
  const wrong = stalls.filter(({ afterMs }) => Number(afterMs) < LEAST_MS || Number(afterMs) > latestMs);
  if (wrong.length > 0) {
    return [
      ...broken,
      failed(expected, wrong.map(({ name, afterMs }) => `${name}: ${afterMs} ms`).join(', ')),
    ];
  }
  const times = stalls.map(({ afterMs }) => Number(afterMs)).filter(Number.isFinite);
  if (times.length === 0 || !(times.length >= Number(setting?.count))) {
    return [...broken, inconclusive(expected, `${times.length} were seen to their end`)];
  }
  return [...broken, judged(true, expected, `${Math.min(...times)} to ${Math.max(...times)} ms`)];
}
