/** Whether k6 had time to spare, in the words of our swarm's event-loop lag: how late it wakes up, and how long it is busy. */
import { sleep } from 'k6';
import { Trend } from 'k6/metrics';
import type { Requirement } from './summary.ts';

/** As our swarm's MAX_LOOP_LAG_P99_MS (drivers/swarm/health.ts). */
const LAG_P99_MS = 100;

const lag = new Trend('generator_lag', true);

export const LAG_THRESHOLDS = { generator_lag: [`p(99)<${LAG_P99_MS}`] };
export const LAG_REQUIREMENT: Readonly<Record<string, Requirement>> = {
  generator_lag: { title: 'The generator had time to spare', generator: true },
};

/** k6 noticed something this much later than it was due, or could do nothing else for so long. */
export function lagged(ms: number): void {
  lag.add(Math.max(0, ms));
}

export function pause(ms: number): void {
  if (ms <= 0) return;
  const at = Date.now();
  sleep(ms / 1000);
  lagged(Date.now() - at - ms);
}
