/** A publish of this node at another one: what is sent before it has begun is kept, in order. */
import type { Message } from '../../protocols/rtmp/message-assembler.ts';
import type { MediaNode } from './node.ts';
import { Upstream, type UpstreamTarget } from './upstream.ts';

export interface PushOptions {
  readonly target: UpstreamTarget;
  /** For TCP and for each answer. */
  readonly timeoutMs: number;
  /** Names this connection in the arguments of connect. */
  readonly id: string;
}

export interface PushEvents {
  /** publish has been sent; nobody waits for its answer (facts/srs.md 1.7). */
  onStarted(): void;
  /** The other side has taken everything. */
  onDrain?(): void;
  /** Exactly once, also after `close`. */
  onClosed(reason: string): void;
}

export class Push {
  readonly #upstream: Upstream;
  #early: Message[] | undefined = [];
  #earlyBytes = 0;

  constructor(node: MediaNode, { target, timeoutMs, id }: PushOptions, events: PushEvents) {
    this.#upstream = new Upstream(
      { target, use: 'publish', localAddress: node.config.host, timeoutMs, id },
      {
        onStarted: () => {
          for (const message of this.#early ?? []) this.#upstream.send(message);
          this.#early = undefined;
          this.#earlyBytes = 0;
          events.onStarted();
        },
        onMessage: () => {},
        onRedirect: (location) => this.#upstream.close(`redirected to ${location}`, 0),
        onDrain: () => events.onDrain?.(),
        onClosed: (reason) => events.onClosed(reason),
      },
    );
  }

  /** Bytes that the other side has not taken yet. */
  get queued(): number {
    return this.#earlyBytes + this.#upstream.queued;
  }

  send(message: Message): void {
    if (this.#early) {
      this.#early.push(message);
      this.#earlyBytes += message.payload.length;
    } else this.#upstream.send(message);
  }

  /** `onClosed` comes when the other side has seen the end, or after `graceMs`. */
  close(reason: string, graceMs: number): void {
    this.#upstream.close(reason, graceMs);
  }
}
