/**
 * A viewer who looks at the clock every millisecond: slow, and told nothing by the player model that it is held against.
 * Pure.
 */
import { DISCONTINUITY_MS, START_THRESHOLD_MS } from '../../drivers/measure/player-model.ts';
import { FRAME_MS } from './rows.ts';

export interface Arrival {
  /** DTS in ms. */
  readonly timestamp: number;
  /** Epoch ms. */
  readonly at: number;
}

export interface Watched {
  readonly stalls: number;
  readonly stalledMs: number;
  /** Times that the buffer ran dry, or did not, by no more than this viewer can tell. */
  readonly close: number;
}

/** Two looks at the clock. */
const CLOSE_MS = 2;

/**
 * @param arrivals video frames from the first keyframe on, in order. What is missing between two that are more than a second
 * apart was never there to be shown.
 * @param until when the viewer leaves, epoch ms.
 */
export function watch(arrivals: readonly Arrival[], until: number): Watched {
  const first = arrivals[0];
  if (first === undefined) return { stalls: 0, stalledMs: 0, close: 0 };
  let buffered = 0;
  let next = 0;
  let picture: 'none' | 'moves' | 'stands' = 'none';
  let stalls = 0;
  let stalledMs = 0;
  let stoodAt = Number.NEGATIVE_INFINITY;
  let close = 0;
  for (let now = first.at; now < until; now++) {
    if (next < arrivals.length && arrivals[next]!.at <= now) {
      const dry = picture === 'moves' && buffered < CLOSE_MS;
      if (dry || (picture === 'stands' && now - stoodAt < CLOSE_MS)) close++;
    }
    for (; next < arrivals.length && arrivals[next]!.at <= now; next++) {
      const step = next === 0 ? 0 : arrivals[next]!.timestamp - arrivals[next - 1]!.timestamp;
      buffered += step > DISCONTINUITY_MS ? FRAME_MS : step;
    }
    if (picture !== 'moves' && buffered >= START_THRESHOLD_MS) picture = 'moves';
    if (picture === 'moves' && buffered < 1) {
      picture = 'stands';
      stalls++;
      stoodAt = now;
    }
    if (picture === 'moves') buffered--;
    if (picture === 'stands') stalledMs++;
  }
  return { stalls, stalledMs, close };
}
