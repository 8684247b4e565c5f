/** When a viewer sees each frame, as the player model of the drivers plays (drivers/measure/player-model.ts). */
import { START_THRESHOLD_MS } from '../../drivers/measure/player-model.ts';

interface Frame {
  /** DTS in ms. */
  readonly timestamp: number;
  /** Epoch ms. */
  readonly sentAt: number;
}

/**
 * One player: it starts with the first frame that it has, once there is a second of media after it, and plays at the
 * clock's pace. A frame that is not there when it is due stops the picture; it starts again with a second of media.
 * PlayerModel says when that happens, and not which frame it is at: what is measured here needs each of them.
 */
export class Playhead {
  stalls = 0;
  readonly #onShown: (latencyMs: number) => void;
  /** Epoch ms at which a frame with timestamp 0 would be shown; NaN while the picture stands still. */
  #origin = Number.NaN;
  #waiting: Frame[] = [];

  /** @param onShown gets, for every frame, the time from its publishing until it is shown. */
  constructor(onShown: (latencyMs: number) => void) {
    this.#onShown = onShown;
  }

  /** @param now epoch ms at which the frame has come. */
  frame(timestamp: number, sentAt: number, now: number): void {
    if (now > this.#origin + timestamp) {
      this.stalls++;
      this.#origin = Number.NaN;
    }
    this.#waiting.push({ timestamp, sentAt });
    const first = this.#waiting[0]!.timestamp;
    if (Number.isNaN(this.#origin)) {
      if (timestamp - first < START_THRESHOLD_MS) return;
      this.#origin = now - first;
    }
    for (const frame of this.#waiting) this.#onShown(this.#origin + frame.timestamp - frame.sentAt);
    this.#waiting = [];
  }
}
