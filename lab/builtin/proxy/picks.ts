/** Which origin was picked for a stream, as long as somebody uses that. */
import { Refusal, RefusalCode } from './load-balancer.ts';

interface Pick {
  backendId: string;
  /** Monotonic. */
  usedAt: number;
}

/** More streams than any proxy of one process carries. */
const MAX_PICKS = 200_000;
const MIN_SWEEP_MS = 50;

export class Picks {
  readonly #stickyMs: number;
  /** The least recently used first. */
  readonly #picks = new Map<string, Pick>();
  readonly #holders = new Map<string, number>();
  readonly #sweeper: NodeJS.Timeout;

  /** @param stickyMs a pick that nobody holds is forgotten after it. */
  constructor(stickyMs: number) {
    this.#stickyMs = stickyMs;
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(MIN_SWEEP_MS, stickyMs / 4)).unref();
  }

  get size(): number {
    return this.#picks.size;
  }

  get(streamUrl: string): string | undefined {
    return this.#picks.get(streamUrl)?.backendId;
  }

  /** As `get`, and it stays for another while. */
  use(streamUrl: string): string | undefined {
    const pick = this.#picks.get(streamUrl);
    if (pick) this.#touch(streamUrl, pick);
    return pick?.backendId;
  }

  /** @throws Refusal when there are too many that are in use. */
  set(streamUrl: string, backendId: string): void {
    const pick = this.#picks.get(streamUrl);
    if (!pick && this.#picks.size >= MAX_PICKS) this.#makeRoom();
    this.#touch(streamUrl, { backendId, usedAt: 0 });
  }

  /** Returns the idempotent function that lets go of it. */
  hold(streamUrl: string): () => void {
    this.#holders.set(streamUrl, (this.#holders.get(streamUrl) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = this.#holders.get(streamUrl)! - 1;
      if (left > 0) this.#holders.set(streamUrl, left);
      else this.#holders.delete(streamUrl);
      this.use(streamUrl);
    };
  }

  /** The streams that somebody is served of. */
  get held(): IterableIterator<string> {
    return this.#holders.keys();
  }

  close(): void {
    clearInterval(this.#sweeper);
  }

  #touch(streamUrl: string, pick: Pick): void {
    pick.usedAt = performance.now();
    this.#picks.delete(streamUrl);
    this.#picks.set(streamUrl, pick);
  }

  #sweep(): void {
    for (const streamUrl of this.#holders.keys()) this.use(streamUrl);
    const before = performance.now() - this.#stickyMs;
    for (const [streamUrl, { usedAt }] of this.#picks) {
      if (usedAt > before) return;
      this.#picks.delete(streamUrl);
    }
  }

  #makeRoom(): void {
    for (const [streamUrl, pick] of this.#picks) {
      if (!this.#holders.has(streamUrl)) {
        this.#picks.delete(streamUrl);
        return;
      }
      this.#touch(streamUrl, pick);
      if (this.#holders.size >= MAX_PICKS) break;
    }
    throw new Refusal(RefusalCode.TooMany, `${MAX_PICKS} streams are served already`);
  }
}
