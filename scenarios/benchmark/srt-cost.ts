/** One measurement of SRT players: starts their server and them, and says what is within its limits. */
import { once } from 'node:events';
import { MEDIA, measure, mustLive, startChild } from './children.ts';
import type { ReaderResult } from './reader.ts';
import type { FromSrtFeeder } from './srt-feeder.ts';
import type { Finding } from './webrtc-cost.ts';

/** Required: cores of 1000 players of 480 kbit/s. */
const CORES_PER_1000 = 0.8;
/** The compiler has seen the code by then, as in any load of a minute. */
const SETTLE_MS = 6000;
const RAMP_MS_PER_CLIENT = 4;
/** All must receive at the rate of the source, in frames per second. */
export const MIN_FPS = 25 * 0.95;

export interface SrtCost {
  readonly cost: ReaderResult;
  /** Bare callers of the same datagrams, in cores. */
  readonly floorCores: number;
  readonly bitsPerSecond: number;
  readonly fps: number;
  /** All players stream, at the rate of the source. */
  readonly valid: boolean;
  readonly findings: readonly Finding[];
}

export async function srtCost(players: number, windowMs: number): Promise<SrtCost> {
  const feeder = startChild('srt-feeder.ts', [MEDIA]);
  const dismiss = mustLive(feeder);
  const [{ port, bitsPerSecond }] = (await once(feeder, 'message')) as [FromSrtFeeder];
  const task = {
    url: `srt://127.0.0.1:${port}?streamid=live/bench`,
    clients: players,
    rampMs: RAMP_MS_PER_CLIENT * players,
    settleMs: SETTLE_MS,
    windowMs,
  };
  const floor = await measure({ ...task, kind: 'bare' });
  const cost = await measure({ ...task, kind: 'player' });
  dismiss();
  const fps = cost.framesPerSecond / players;
  const value = (cost.cores / players) * 1000;
  const what = `cores per 1000 SRT players (${players} measured)`;
  return {
    ...{ cost, floorCores: floor.cores, bitsPerSecond, fps },
    valid: floor.receiving === players && cost.receiving === players && fps > MIN_FPS,
    findings: [{ what, value, limit: CORES_PER_1000, ok: value <= CORES_PER_1000 }],
  };
}
