/** One player's socket: what it is given is shared with all others, what it has not taken yet is bounded. */
import type { Socket } from 'node:net';
import { CATCH_UP_BUFFERS } from './constants.ts';

/** What a group of players is written at one tick: one buffer for all of them. */
export interface Batch {
  readonly bytes: Uint8Array;
  /** DTS of the first and the last frame, in ms; NaN when it holds headers only. */
  readonly firstTimestamp: number;
  readonly lastTimestamp: number;
  /** When it was made, in ms of the monotonic clock. */
  readonly madeAt: number;
  readonly hasHeaders: boolean;
}

export class Player {
  readonly socket: Socket;
  readonly queueMs: number;
  /** The sequence headers as a batch of their own, at a timestamp: what survives an overflow. */
  readonly headersAt: (timestamp: number) => Batch | undefined;
  readonly #preface: string;
  /** Where this player is in the log of its stream until it has joined a group. */
  cursor = 0;
  /** Index in its group. */
  index = -1;
  dropped = 0;
  #queue: Batch[] = [];
  #pumping = false;

  constructor(
    socket: Socket,
    queueMs: number,
    headersAt: (timestamp: number) => Batch | undefined,
    preface = '',
  ) {
    this.socket = socket;
    this.queueMs = queueMs;
    this.headersAt = headersAt;
    this.#preface = preface;
  }

  /** What it gets when it joins, in one piece with the preface. */
  begin(bytes: Uint8Array): void {
    this.socket.cork();
    if (this.#preface !== '') this.socket.write(this.#preface, 'latin1');
    if (bytes.length > 0) this.socket.write(bytes);
    this.socket.uncork();
  }

  /** True while the socket has not taken everything that it was given. */
  get behind(): boolean {
    return this.#queue.length > 0 || this.socket.writableLength > 0;
  }

  deliver(batch: Batch): void {
    if (this.#queue.length === 0 && this.socket.writableLength === 0) {
      this.socket.write(batch.bytes);
      return;
    }
    this.#queue.push(batch);
    this.#shrink(batch);
    if (!this.#pumping && this.socket.writableLength === 0) this.#pump();
  }

  /**
   * SRS's rule (srs_app_source.cpp, SrsMessageQueue::shrink): when the queue spans more time than it may, everything
   * in it is dropped but the sequence headers, which take the time of the last frame. Wall time counts as well, so
   * that a publisher whose timestamps stand still cannot make the queue grow.
   */
  #shrink(last: Batch): void {
    const first = this.#queue[0]!;
    const media = last.lastTimestamp - first.firstTimestamp;
    if (!(media > this.queueMs || last.madeAt - first.madeAt > this.queueMs)) return;
    this.dropped += this.#queue.length;
    const headers = this.#queue.some((batch) => batch.hasHeaders)
      ? this.headersAt(last.lastTimestamp)
      : undefined;
    this.#queue = headers ? [headers] : [];
  }

  #pump(): void {
    const count = Math.min(this.#queue.length, CATCH_UP_BUFFERS);
    if (count === 0 || this.socket.destroyed) {
      this.#pumping = false;
      return;
    }
    this.#pumping = true;
    const batches = this.#queue.splice(0, count);
    this.socket.cork();
    for (let i = 0; i < count - 1; i++) this.socket.write(batches[i]!.bytes);
    this.socket.write(batches[count - 1]!.bytes, () => this.#pump());
    this.socket.uncork();
  }
}
