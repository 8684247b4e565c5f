/** When a player is there. */
import { until } from './rig.ts';
import type { Seat } from './seat.ts';

const JOINED_WITHIN_MS = 20_000;

/** Or closed: who did not join has no samples. */
export async function joined({ meter, player }: Seat): Promise<void> {
  const settled = (): boolean => meter.joined || player.closed !== undefined;
  await until('a player to join', JOINED_WITHIN_MS, settled).catch(() => {});
}
