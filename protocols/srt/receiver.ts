/**
 * The receiving half of a connection: delivery by time, acknowledgements and loss reports
 * (draft-sharabayko-srt-01 sections 4.5 to 4.8).
 */
import { FULL_ACK_SIZE, LIGHT_ACK_SIZE, writeLossRange } from './control.ts';
import { emitControl, type SrtLink } from './link.ts';
import { LossList } from './loss-list.ts';
import type { SrtAgreement, SrtOptions } from './options.ts';
import { ControlType, HEADER_SIZE, isRetransmitted, sequenceOf, timestampOf, writeUint32 } from './packet.ts';
import { ReceiveRates } from './rates.ts';
import { Insertion, ReceiveBuffer } from './receive-buffer.ts';
import { sequenceAdd, sequenceDistance } from './sequence.ts';

/** SYN: how often a full acknowledgement is sent at the most. */
const ACK_INTERVAL_MS = 10;
/** Packets from one acknowledgement to the next at the most. */
const LIGHT_ACK_PACKETS = 64;
const MIN_NAK_INTERVAL_MS = 20;
/** Acknowledgements whose sending times are remembered, for the round trip time. */
const ACK_WINDOW = 64;
/** Loss reports fit into one packet. */
const MAX_NAK_SIZE = 1456;
const MAX_LOSS_RANGES = 1024;
/** Packets in a row that are too far ahead and near each other, after which reception starts anew there. */
const RESTART_AFTER = 16;
/** The peer's clock is corrected by the mean of so many samples, when it is above this. */
const DRIFT_SAMPLES = 1000;
const MIN_DRIFT_MS = 5;
/** Of data. After it our own clock says how far the peer's has gone on, which wraps after 71 minutes. */
const SILENCE_MS = 60_000;

// Written, sent and written again: nothing is allocated for an acknowledgement.
const fullAck = new Uint8Array(HEADER_SIZE + FULL_ACK_SIZE);
const lightAck = new Uint8Array(HEADER_SIZE + LIGHT_ACK_SIZE);
const nakScratch = new Uint8Array(MAX_NAK_SIZE);

const NEVER = Number.POSITIVE_INFINITY;

/** Plain fields: every packet of every player passes here. */
export class SrtReceiver {
  /** When `tick` has something to do, in ms; Infinity for never. */
  deadline = NEVER;
  private readonly link: SrtLink;
  private readonly buffer: ReceiveBuffer;
  private readonly loss = new LossList(MAX_LOSS_RANGES);
  private readonly rates: ReceiveRates;
  private readonly timed: boolean;
  private readonly tooLateDrop: boolean;
  private readonly deliver: (packet: Uint8Array, now: number) => void;

  private ackDue = NEVER;
  private nakDue = NEVER;
  private playDue = NEVER;
  private ackNumber = 0;
  private lastAckAt = Number.NEGATIVE_INFINITY;
  /** Of the last acknowledgement, and of the last one that the peer has confirmed. */
  private ackedTo: number;
  private confirmedTo: number;
  private sinceAck = 0;
  private readonly ackTimes = new Float64Array(ACK_WINDOW);
  private readonly ackNumbers = new Int32Array(ACK_WINDOW);
  private readonly ackSequences = new Int32Array(ACK_WINDOW);

  /** When a packet with the peer's timestamp 0 is to be played, in ms of our clock. */
  private base: number;
  private readonly latency: number;
  /** The latest of the peer's timestamps, as sent, in ms with its wraps counted in, and when it came. */
  private lastTimestamp: number;
  private lastTime: number;
  private lastTimeAt: number;
  private driftSum = 0;
  private driftCount = 0;
  private firstRoundTrip = Number.NaN;
  private beyondInRow = 0;
  private lastBeyond = 0;

  constructor(
    link: SrtLink,
    options: SrtOptions,
    agreement: SrtAgreement,
    deliver: (packet: Uint8Array, now: number) => void,
  ) {
    this.link = link;
    this.deliver = deliver;
    this.buffer = new ReceiveBuffer(agreement.initialSequence, options.flowWindow, options.pool);
    this.rates = new ReceiveRates(agreement.peerTimestampAt);
    this.timed = agreement.timed;
    this.tooLateDrop = agreement.timed && agreement.tooLateDrop;
    this.ackedTo = agreement.initialSequence;
    this.confirmedTo = agreement.initialSequence;
    this.latency = agreement.receiveLatencyMs;
    this.lastTimestamp = agreement.peerTimestamp;
    this.lastTime = agreement.peerTimestamp / 1000;
    this.lastTimeAt = agreement.peerTimestampAt;
    this.base = agreement.peerTimestampAt - this.lastTime + this.latency;
  }

  /** Nothing is held. */
  get empty(): boolean {
    return this.buffer.span === 0;
  }

  /** A data packet; it, or its copy in the pool, is kept until it is played. */
  data(packet: Uint8Array, now: number): void {
    const { figures } = this.link;
    const sequence = sequenceOf(packet);
    const again = isRetransmitted(packet);
    if (again) figures.retransmitsReceived++;
    const gapFrom = this.buffer.end;
    const ahead = sequenceDistance(gapFrom, sequence);
    const insertion = this.buffer.insert(sequence, packet);
    if (insertion !== Insertion.stored) {
      this.refuse(insertion, sequence);
      return;
    }
    this.beyondInRow = 0;
    figures.packetsReceived++;
    figures.bytesReceived += packet.length;
    this.rates.packet(sequence, packet.length, now);
    if (ahead > 0) this.report(gapFrom, sequenceAdd(sequence, -1), now);
    else if (ahead < 0 && this.loss.remove(sequence) && !again) figures.packetsReordered++;
    if (ahead >= 0) this.follow(timestampOf(packet), now);

    if (this.ackDue > now + ACK_INTERVAL_MS) this.ackDue = now + ACK_INTERVAL_MS;
    if (++this.sinceAck >= LIGHT_ACK_PACKETS) this.sendLightAck(now);
    // In order: only a packet that is next, or behind a gap, changes what is due.
    if (this.playDue === NEVER || sequence === this.buffer.first) this.play(now);
    this.schedule();
  }

  private refuse(insertion: Insertion, sequence: number): void {
    const { figures } = this.link;
    if (insertion === Insertion.duplicate) figures.packetsDuplicated++;
    else if (insertion === Insertion.belated) figures.packetsBelated++;
    else {
      figures.packetsBeyond++;
      if (Math.abs(sequenceDistance(this.lastBeyond, sequence)) > RESTART_AFTER) this.beyondInRow = 0;
      this.lastBeyond = sequence;
      if (++this.beyondInRow < RESTART_AFTER) return;
      // The sender has gone on without us, as after a cut: what lies between is lost.
      const lost = sequenceDistance(this.buffer.end, sequence);
      figures.packetsLost += lost;
      figures.packetsDropped += lost + this.buffer.span;
      this.beyondInRow = 0;
      this.loss.clear();
      this.nakDue = NEVER;
      this.playDue = NEVER;
      this.buffer.restart(sequence);
      this.schedule();
    }
  }

  /** The acknowledgement `number` was acknowledged by a packet with the peer's `timestamp`. */
  ackAck(number: number, timestamp: number, now: number): void {
    const slot = number & (ACK_WINDOW - 1);
    if (this.ackNumbers[slot] !== (number | 0) || number === 0) return;
    this.ackNumbers[slot] = 0;
    const sample = now - this.ackTimes[slot]!;
    this.link.roundTrip.sample(sample);
    if (Number.isNaN(this.firstRoundTrip)) this.firstRoundTrip = sample;
    const sequence = this.ackSequences[slot]!;
    if (sequenceDistance(this.confirmedTo, sequence) > 0) this.confirmedTo = sequence;
    this.drift(now - this.due(timestamp) + this.latency - (sample - this.firstRoundTrip) / 2);
  }

  /** The peer will not send these (section 3.2.9). */
  dropRequest(first: number, last: number, now: number): void {
    const { first: from } = this.buffer;
    const ahead = sequenceDistance(from, last);
    if (ahead < 0 || ahead - this.buffer.span >= this.buffer.free) return;
    if (sequenceDistance(from, first) < 0) first = from;
    if (sequenceDistance(first, last) < 0) return;
    this.buffer.giveUp(first, last);
    this.loss.removeRange(first, last);
    if (this.loss.empty) this.nakDue = NEVER;
    if (this.ackDue > now + ACK_INTERVAL_MS) this.ackDue = now + ACK_INTERVAL_MS;
    this.play(now);
    this.schedule();
  }

  tick(now: number): void {
    if (now >= this.playDue) this.play(now);
    if (now >= this.ackDue) this.sendFullAck(now);
    if (now >= this.nakDue) this.repeatLoss(now);
    this.schedule();
  }

  /** The peer is gone: nothing is acknowledged any more, what is held is played when due and no gap is waited for. */
  finish(): void {
    this.ackDue = NEVER;
    this.nakDue = NEVER;
    this.loss.clear();
    this.buffer.giveUp(this.buffer.first, sequenceAdd(this.buffer.end, -1));
    // What stood behind a gap that was never to be given up waits for nothing any more.
    if (!this.empty) this.playDue = Number.NEGATIVE_INFINITY;
    this.schedule();
  }

  /** Lets go of all that is held. It is of no more use. */
  close(): void {
    this.buffer.restart(this.buffer.end);
  }

  /** When a packet with this timestamp is to be played. */
  private due(timestamp: number): number {
    return this.base + this.lastTime + ((timestamp - this.lastTimestamp) | 0) / 1000;
  }

  private follow(timestamp: number, now: number): void {
    const quiet = now - this.lastTimeAt > SILENCE_MS ? Math.round((now - this.lastTimeAt) * 1000) : 0;
    const ahead = quiet + ((timestamp - this.lastTimestamp - quiet) | 0);
    if (ahead <= 0) return;
    this.lastTime += ahead / 1000;
    this.lastTimestamp = timestamp;
    this.lastTimeAt = now;
  }

  /**
   * Section 4.7, kept simple: by the mean of 1000 samples, and only when that is more than 5 ms, playing times are
   * moved. The network's delay is taken out by half of what the round trip time has changed by.
   */
  private drift(sample: number): void {
    this.driftSum += sample;
    if (++this.driftCount < DRIFT_SAMPLES) return;
    const mean = this.driftSum / this.driftCount;
    if (Math.abs(mean) > MIN_DRIFT_MS) this.base += mean;
    this.driftSum = 0;
    this.driftCount = 0;
  }

  /** Delivers what is due and gives up what is too late (section 4.6). */
  private play(now: number): void {
    const { buffer } = this;
    for (;;) {
      const packet = buffer.head();
      if (packet !== undefined) {
        if (this.timed) {
          const due = this.due(timestampOf(packet));
          if (due > now) {
            this.playDue = due;
            return;
          }
        }
        buffer.shift();
        this.deliver(packet, now);
        buffer.release(packet);
        continue;
      }
      if (buffer.span === 0) break;
      if (!this.tooLateDrop) {
        if (this.loss.empty || this.loss.firstOf(0) !== buffer.first) {
          this.giveUpHead();
          continue;
        }
        break;
      }
      const known = !this.loss.empty && this.loss.firstOf(0) === buffer.first;
      const after = buffer.next(known ? sequenceAdd(this.loss.lastOf(0), 1) : buffer.first);
      if (after !== undefined) {
        const due = this.due(timestampOf(after));
        if (due > now) {
          this.playDue = due;
          return;
        }
      }
      this.giveUpHead();
    }
    this.playDue = NEVER;
  }

  private giveUpHead(): void {
    this.link.figures.packetsDropped += this.buffer.skip();
    this.loss.removeBefore(this.buffer.first);
    if (this.loss.empty) this.nakDue = NEVER;
  }

  private schedule(): void {
    const { ackDue, nakDue, playDue } = this;
    const soonest = ackDue < playDue ? ackDue : playDue;
    this.deadline = nakDue < soonest ? nakDue : soonest;
  }

  /** The first number that has not come. */
  private get arrivedTo(): number {
    return this.loss.empty ? this.buffer.end : this.loss.firstOf(0);
  }

  private sendFullAck(now: number): void {
    this.ackDue = NEVER;
    const next = this.arrivedTo;
    if (next === this.confirmedTo) return;
    const { roundTrip, figures } = this.link;
    if (next === this.ackedTo) {
      const again = this.lastAckAt + Math.max(roundTrip.timeout, ACK_INTERVAL_MS);
      if (now < again) {
        this.ackDue = again;
        return;
      }
    }
    this.ackNumber = this.ackNumber >= 0x7fffffff ? 1 : this.ackNumber + 1;
    const slot = this.ackNumber & (ACK_WINDOW - 1);
    this.ackNumbers[slot] = this.ackNumber;
    this.ackTimes[slot] = now;
    this.ackSequences[slot] = next;
    writeUint32(fullAck, HEADER_SIZE, next);
    writeUint32(fullAck, HEADER_SIZE + 4, roundTrip.rtt * 1000);
    writeUint32(fullAck, HEADER_SIZE + 8, roundTrip.variance * 1000);
    writeUint32(fullAck, HEADER_SIZE + 12, Math.max(2, this.buffer.free));
    writeUint32(fullAck, HEADER_SIZE + 16, this.rates.packetRate);
    writeUint32(fullAck, HEADER_SIZE + 20, this.rates.linkCapacity);
    writeUint32(fullAck, HEADER_SIZE + 24, this.rates.byteRate);
    emitControl(this.link, fullAck, ControlType.ack, this.ackNumber, now);
    figures.acksSent++;
    this.ackedTo = next;
    this.lastAckAt = now;
    this.sinceAck = 0;
    this.ackDue = now + Math.max(roundTrip.timeout, ACK_INTERVAL_MS);
  }

  private sendLightAck(now: number): void {
    this.sinceAck = 0;
    writeUint32(lightAck, HEADER_SIZE, this.arrivedTo);
    emitControl(this.link, lightAck, ControlType.ack, 0, now);
    this.link.figures.acksSent++;
  }

  /** A gap was seen: it is reported at once (section 4.8.2). */
  private report(first: number, last: number, now: number): void {
    this.link.figures.packetsLost += sequenceDistance(first, last) + 1;
    this.loss.insert(first, last);
    const size = writeLossRange(nakScratch, HEADER_SIZE, first, last);
    this.sendNak(size, now);
    if (this.nakDue === NEVER) this.nakDue = now + this.nakInterval;
  }

  /** Everything that is still missing, again. */
  private repeatLoss(now: number): void {
    const { loss } = this;
    let at = HEADER_SIZE;
    for (let index = 0; index < loss.count && at + 8 <= MAX_NAK_SIZE; index++) {
      at = writeLossRange(nakScratch, at, loss.firstOf(index), loss.lastOf(index));
    }
    this.nakDue = NEVER;
    if (at === HEADER_SIZE) return;
    this.sendNak(at, now);
    this.nakDue = now + this.nakInterval;
  }

  private sendNak(size: number, now: number): void {
    this.link.figures.naksSent++;
    emitControl(this.link, nakScratch.subarray(0, size), ControlType.nak, 0, now);
  }

  private get nakInterval(): number {
    return Math.max(this.link.roundTrip.timeout / 2, MIN_NAK_INTERVAL_MS);
  }
}
