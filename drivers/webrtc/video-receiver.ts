/** One video source: puts packets in order, asks again for those that are missing, and gives up in time. */
import { ProtocolError } from '../../protocols/errors.ts';
import type { MediaSink } from '../../protocols/media.ts';
import { H264Depacketizer, VIDEO_CLOCK } from '../../protocols/rtp/h264-depacketizer.ts';
import { RtpPacket } from '../../protocols/rtp/packet.ts';
import { Arrival, SequenceTracker } from '../../protocols/rtp/sequence.ts';
import type { RtpReceived } from './figures.ts';

/** Between two requests for one packet: more than a round trip within a country. */
const NACK_INTERVAL_MS = 100;
/** What is still missing an interval after the last of them is lost. */
const NACK_TRIES = 5;
/** Without NACK a packet can only be late by reordering. */
const REORDER_MS = 100;
/** Packets that wait behind a gap, and numbers that are asked for. 1024 packets are 10 s at 1 Mbit/s. */
const MAX_HELD = 1024;

const NOTHING = -1;

interface Missing {
  readonly since: number;
  tries: number;
  nextAt: number;
}

export interface VideoFeedback {
  /** Packets are missing from now on: `tick` is wanted every few ms until `waiting` is false. */
  onGap(): void;
  sendNack(ssrc: number, sequences: readonly number[]): void;
  /** A keyframe is wanted. */
  needKeyframe(ssrc: number): void;
}

// Plain fields: every packet of every player passes here.
export class VideoReceiver {
  ssrc = NOTHING;
  tracker = new SequenceTracker(VIDEO_CLOCK);
  readonly depacketizer: H264Depacketizer;
  private readonly figures: RtpReceived;
  private readonly feedback: VideoFeedback;
  private readonly nack: boolean;
  /** Extended number of the next packet to hand on. */
  private due = 0;
  private readonly missing = new Map<number, Missing>();
  private readonly held = new Map<number, Uint8Array>();
  private readonly again = new RtpPacket();

  constructor(sink: MediaSink, figures: RtpReceived, feedback: VideoFeedback, nack: boolean) {
    this.depacketizer = new H264Depacketizer(sink);
    this.depacketizer.join();
    this.figures = figures;
    this.feedback = feedback;
    this.nack = nack;
  }

  /** Packets are missing. */
  get waiting(): boolean {
    return this.missing.size > 0;
  }

  push(packet: RtpPacket, start: number, end: number, now: number): void {
    if (packet.ssrc !== this.ssrc) this.changeSource(packet.ssrc, now);
    const { tracker } = this;
    const before = tracker.highest;
    const arrival = tracker.push(packet.sequence, packet.timestamp, now);
    const { extended } = tracker;
    switch (arrival) {
      case Arrival.jump:
        return;
      case Arrival.duplicate:
        this.figures.duplicated++;
        return;
      case Arrival.restart:
        this.figures.restarts++;
        this.forget(now);
        this.due = extended;
        break;
      case Arrival.late:
        this.figures.late++;
        if (!this.missing.delete(extended)) return;
        this.figures.recovered++;
        break;
      default:
        if (before === NOTHING) this.due = extended;
        else if (extended > before + 1) this.gap(before + 1, extended, now);
    }
    if (extended === this.due) {
      this.deliver(packet, now);
      this.due++;
      if (this.held.size > 0) this.drain(now);
    } else {
      this.held.set(extended, packet.bytes.slice(start, end));
      while (this.held.size > MAX_HELD || this.missing.size > MAX_HELD) this.giveUp(now);
    }
  }

  /**
   * Asks for what is missing, and gives up what was asked for in vain. Tries are counted, not the time: a process that was
   * held up for long has not asked yet.
   */
  tick(now: number): void {
    while (this.missing.size > 0) {
      const first = this.missing.values().next().value!;
      const over = this.nack
        ? first.tries >= NACK_TRIES && first.nextAt <= now
        : now - first.since >= REORDER_MS;
      if (!over) break;
      this.giveUp(now);
    }
    if (!this.nack || this.missing.size === 0) return;
    const wanted: number[] = [];
    for (const [extended, missing] of this.missing) {
      if (missing.nextAt > now || missing.tries >= NACK_TRIES) continue;
      missing.tries++;
      missing.nextAt = now + NACK_INTERVAL_MS;
      wanted.push(extended & 0xffff);
    }
    if (wanted.length === 0) return;
    this.figures.nacked += wanted.length;
    this.feedback.sendNack(this.ssrc, wanted);
  }

  private changeSource(ssrc: number, now: number): void {
    if (this.ssrc !== NOTHING) {
      this.figures.restarts++;
      this.forget(now);
    }
    this.ssrc = ssrc;
    this.tracker = new SequenceTracker(VIDEO_CLOCK);
  }

  private forget(now: number): void {
    this.missing.clear();
    this.held.clear();
    this.depacketizer.reset(now);
    this.figures.damaged = this.depacketizer.damaged;
  }

  private gap(from: number, to: number, now: number): void {
    if (this.missing.size === 0) this.feedback.onGap();
    for (let extended = from; extended < to; extended++) {
      this.missing.set(extended, { since: now, tries: 0, nextAt: now });
    }
  }

  /** The oldest gap is lost; what waited behind it goes on. */
  private giveUp(now: number): void {
    while (this.missing.delete(this.due)) {
      this.due++;
      this.figures.lost++;
    }
    this.depacketizer.lost();
    this.drain(now);
    this.feedback.needKeyframe(this.ssrc);
  }

  private drain(now: number): void {
    for (;;) {
      const bytes = this.held.get(this.due);
      if (bytes === undefined) return;
      this.held.delete(this.due);
      this.again.read(bytes);
      this.deliver(this.again, now);
      this.due++;
    }
  }

  private deliver(packet: RtpPacket, now: number): void {
    try {
      this.depacketizer.push(packet, now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.figures.malformed++;
    }
    this.figures.damaged = this.depacketizer.damaged;
  }
}
