/** Forwarding: every stream that is published here is published at each slave, too (facts/srs.md 5). */
import type { Message } from '../../protocols/rtmp/message-assembler.ts';
import { randomId } from './clients.ts';
import { FORWARD_HIGH_WATER } from './constants.ts';
import { CHUNK_STREAM } from './format.ts';
import { type Frame, FrameKind } from './frame.ts';
import type { MediaNode } from './node.ts';
import type { StreamOutput } from './output.ts';
import { Push } from './push.ts';
import type { Stream } from './stream.ts';
import type { UpstreamTarget } from './upstream.ts';

/** A slave that is told the end of a stream has this long to close as well, in ms. */
const CLOSE_GRACE_MS = 1000;
/** Mutant: how long the late retry waits, in ms. */
const LATE_RETRY_MS = 20_000;

/** All destinations of a master. */
export class Forwards {
  readonly #node: MediaNode;
  /** Mutant: forwards whose publisher has left. */
  readonly #kept: Forward[] = [];

  constructor(node: MediaNode) {
    this.#node = node;
  }

  /** @param streamName with its query: a slave is sent what the publisher sent. */
  open(stream: Stream, streamName: string): StreamOutput[] {
    const { config, mutants } = this.#node;
    const all = config.forwards ?? [];
    const slaves = mutants.has('master-skips-a-slave') ? all.slice(0, -1) : all;
    const forwards = (mutants.has('master-forwards-twice') ? [...slaves, ...slaves] : slaves).map(
      ({ host, port }) => new Forward(this.#node, stream, { host, port, app: stream.app, streamName }),
    );
    if (mutants.has('master-forward-stalls-others')) return stalled(forwards);
    if (!mutants.has('master-forward-keeps-after-unpublish')) return forwards;
    this.#kept.push(...forwards);
    return forwards.map((forward) => ({ push: (frame) => forward.push(frame), close: () => {} }));
  }

  close(): void {
    for (const forward of this.#kept) forward.close();
  }
}

/** Mutant: who waits for a slave lets the others wait. */
function stalled(forwards: readonly Forward[]): StreamOutput[] {
  const held: (() => void)[] = [];
  return forwards.map((forward) => ({
    push: (frame) => {
      held.push(() => forward.push(frame));
      if (forwards.some(({ waiting }) => waiting)) return;
      for (const pass of held.splice(0)) pass();
    },
    close: () => forward.close(),
  }));
}

/**
 * One stream on its way to one slave: connects, and connects again as long as the stream is published here. While there
 * is no connection frames are passed over; each connection begins with metadata and sequence headers. A slave that takes
 * less than comes has `queueSeconds` of frames kept for it; when they are more, all of them are dropped but the headers.
 */
export class Forward implements StreamOutput {
  readonly #node: MediaNode;
  readonly #stream: Stream;
  readonly #target: UpstreamTarget;
  #push: Push | undefined;
  #retry: NodeJS.Timeout | undefined;
  #stuck: NodeJS.Timeout | undefined;
  #queue: Frame[] = [];
  #queuedSince = 0;
  #everStarted = false;
  #closed = false;
  #waiting = false;
  /** Mutant: timestamp of the first frame. */
  #base = Number.NaN;

  constructor(node: MediaNode, stream: Stream, target: UpstreamTarget) {
    this.#node = node;
    this.#stream = stream;
    this.#target = target;
    this.#connect();
  }

  push(frame: Frame): void {
    if (!this.#push) return;
    if (this.#queue.length === 0 && this.#push.queued < FORWARD_HIGH_WATER) {
      this.#send(frame);
      return;
    }
    if (this.#queue.length === 0) {
      this.#queuedSince = performance.now();
      this.#stuck ??= setTimeout(() => this.#push?.close('takes nothing', 0), this.#queueMs);
    }
    this.#queue.push(frame);
    this.#shrink(frame);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#disconnected()?.close('publisher left', CLOSE_GRACE_MS);
  }

  /** Between two attempts. */
  get waiting(): boolean {
    return this.#waiting;
  }

  get #queueMs(): number {
    return this.#node.config.settings.queueSeconds * 1000;
  }

  #connect(): void {
    const { timeouts, mutants, log } = this.#node;
    const where = `${this.#target.host}:${this.#target.port}`;
    this.#base = Number.NaN;
    this.#waiting = false;
    let started = false;
    const push = new Push(
      this.#node,
      { target: this.#target, timeoutMs: timeouts.forwardConnect, id: randomId() },
      {
        onStarted: () => {
          started = true;
          this.#everStarted = true;
          log(`forwards ${this.#stream.url} to ${where}`);
          this.#drain();
        },
        onDrain: () => this.#drain(),
        onClosed: (reason) => {
          log(`forward of ${this.#stream.url} to ${where} ended: ${reason}`);
          if (this.#push === push) this.#onBroken(started);
        },
      },
    );
    this.#push = push;
    if (!mutants.has('master-forward-without-headers')) {
      for (const header of this.#headers()) this.#send(header);
    }
  }

  #headers(): Frame[] {
    const { metadata, audioHeader, videoHeader } = this.#stream;
    return [metadata, audioHeader, videoHeader].filter((frame) => frame !== undefined);
  }

  #onBroken(started: boolean): void {
    const { mutants, timeouts } = this.#node;
    this.#disconnected();
    if (this.#closed) return;
    if (started && mutants.has('master-forward-disturbs-publisher')) this.#stream.publisher?.socket.destroy();
    if (this.#everStarted && mutants.has('master-forward-stops-after-slave-restart')) return;
    const pause = mutants.has('master-forward-retries-late') ? LATE_RETRY_MS : timeouts.forwardRetry;
    this.#waiting = true;
    this.#retry = setTimeout(() => this.#connect(), pause);
  }

  #disconnected(): Push | undefined {
    const push = this.#push;
    this.#push = undefined;
    this.#queue = [];
    clearTimeout(this.#stuck);
    this.#stuck = undefined;
    return push;
  }

  #send(frame: Frame): void {
    const { mutants } = this.#node;
    const isHeader = frame.kind === FrameKind.audioHeader || frame.kind === FrameKind.videoHeader;
    if (isHeader && mutants.has('master-forward-without-headers')) return;
    this.#push?.send(messageOf(frame, this.#timestampOf(frame)));
  }

  /** Absolute: as the publisher sent it. */
  #timestampOf(frame: Frame): number {
    if (!this.#node.mutants.has('master-rebases-timestamps')) return frame.timestamp;
    if (Number.isNaN(this.#base)) {
      if (frame.kind !== FrameKind.audio && !frame.isVideo) return 0;
      this.#base = frame.timestamp;
    }
    return Math.max(0, frame.timestamp - this.#base);
  }

  #drain(): void {
    clearTimeout(this.#stuck);
    this.#stuck = undefined;
    let sent = 0;
    while (sent < this.#queue.length && this.#push && this.#push.queued < FORWARD_HIGH_WATER) {
      this.#send(this.#queue[sent++]!);
    }
    this.#queue.splice(0, sent);
    if (this.#queue.length === 0) return;
    this.#queuedSince = performance.now();
    this.#stuck = setTimeout(() => this.#push?.close('takes nothing', 0), this.#queueMs);
  }

  /** SRS's rule for every queue (srs_app_source.cpp, SrsMessageQueue::shrink). */
  #shrink(last: Frame): void {
    const media = (last.timestamp - this.#queue[0]!.timestamp) | 0;
    if (media <= this.#queueMs && performance.now() - this.#queuedSince <= this.#queueMs) return;
    this.#queue = this.#headers().map((header) => header.at(last.timestamp));
    this.#queuedSince = performance.now();
  }
}

function messageOf(frame: Frame, timestamp: number): Message {
  return {
    chunkStreamId: CHUNK_STREAM[frame.type],
    messageTypeId: frame.type,
    messageStreamId: 0,
    timestamp,
    payload: frame.payload,
  };
}
