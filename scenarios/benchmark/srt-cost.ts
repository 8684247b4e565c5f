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
  /** As many players of the same stream, encrypted; no limit is set for them. Only with a passphrase. */
  readonly encrypted?: { readonly cost: ReaderResult; readonly fps: number; readonly valid: boolean };
  readonly findings: readonly Finding[];
}

/** Measurements of one server, which is gone afterwards. */
async function served<T>(
  passphrase: string | undefined,
  use: (url: string, bitsPerSecond: number) => Promise<T>,
): Promise<T> {
  const feeder = startChild('scenarios/benchmark/srt-feeder.ts', [
    MEDIA,
    ...(passphrase === undefined ? [] : [passphrase]),
  ]);
  const dismiss = mustLive(feeder);
  const [{ port, bitsPerSecond }] = (await once(feeder, 'message')) as [FromSrtFeeder];
  const secret = passphrase === undefined ? '' : `&passphrase=${encodeURIComponent(passphrase)}`;
  const used = await use(`srt://127.0.0.1:${port}?streamid=live/bench${secret}`, bitsPerSecond);
  dismiss();
  return used;
}

export async function srtCost(players: number, windowMs: number, passphrase?: string): Promise<SrtCost> {
  const task = {
    clients: players,
    rampMs: RAMP_MS_PER_CLIENT * players,
    settleMs: SETTLE_MS,
    windowMs,
  };
  const clear = await served(undefined, async (url, bitsPerSecond) => ({
    bitsPerSecond,
    floor: await measure({ ...task, url, kind: 'bare' }),
    cost: await measure({ ...task, url, kind: 'player' }),
  }));
  const { cost, floor, bitsPerSecond } = clear;
  const fps = cost.framesPerSecond / players;
  const flows = (result: ReaderResult): boolean =>
    result.receiving === players && result.framesPerSecond / players > MIN_FPS;
  const value = (cost.cores / players) * 1000;
  const what = `cores per 1000 SRT players (${players} measured)`;
  const figures: SrtCost = {
    ...{ cost, floorCores: floor.cores, bitsPerSecond, fps },
    valid: floor.receiving === players && flows(cost),
    findings: [{ what, value, limit: CORES_PER_1000, ok: value <= CORES_PER_1000 }],
  };
  if (passphrase === undefined) return figures;
  const secret = await served(passphrase, (url) => measure({ ...task, url, kind: 'player' }));
  return {
    ...figures,
    encrypted: { cost: secret, fps: secret.framesPerSecond / players, valid: flows(secret) },
  };
}
