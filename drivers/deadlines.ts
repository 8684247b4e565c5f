/** One coarse timer for the timeouts of every client of this process, instead of one timer per client. */
import { wallClock } from './measure/clock.ts';

/** A timeout fires at most this much late. Far below any timeout a client has. */
const SWEEP_MS = 250;

export interface Deadlined {
  /** On the monotonic clock (`performance.now()`). */
  deadline: number;
  onDeadline(): void;
}

const waiting = new Set<Deadlined>();
let timer: NodeJS.Timeout | undefined;

function sweep(): void {
  wallClock.check();
  const now = performance.now();
  for (const item of waiting) {
    if (now < item.deadline) continue;
    waiting.delete(item);
    item.onDeadline();
  }
  if (waiting.size === 0) {
    clearInterval(timer);
    timer = undefined;
  }
}

/** Calls `onDeadline` once when `ms` are over, unless it is forgotten or watched anew before. */
export function watchDeadline(item: Deadlined, ms: number): void {
  item.deadline = performance.now() + ms;
  waiting.add(item);
  timer ??= setInterval(sweep, SWEEP_MS);
}

export function forgetDeadline(item: Deadlined): void {
  waiting.delete(item);
}
