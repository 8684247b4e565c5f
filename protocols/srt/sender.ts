/**
 * The sending half of a connection: pacing, retransmission, and giving up what is too old
 * (draft-sharabayko-srt-01 sections 4.6, 4.8 and 5.1).
 */
import { decodeAck, readLossReport } from './control.ts';
import type { KeyRing } from './key-material.ts';
import { emitControl, type SrtLink, sendControl } from './link.ts';
import { LossList } from './loss-list.ts';
import type { SrtAgreement, SrtOptions } from './options.ts';
import {
  ControlType,
  HEADER_SIZE,
  KeyFlag,
  markRetransmitted,
  writeDataHeader,
  writeUint32,
} from './packet.ts';
import { SendBuffer } from './send-buffer.ts';
import { nextMessageNumber, sequenceAdd, sequenceDistance } from './sequence.ts';

/** What is older than the latency and this is given up (SRTO_SNDDROPDELAY's default rule). */
const MIN_DROP_THRESHOLD_MS = 1000;
const DROP_MARGIN_MS = 20;
/** How far pacing may fall behind the clock and catch up: timers of a process are that coarse. */
const MAX_BURST_MS = 15;
/** Retransmission is by loss report; a packet that nothing follows is repeated after the round trip and this. */
const TAIL_MARGIN_MS = 60;
const MAX_LOSS_RANGES = 1024;
/** Bytes of IP and UDP headers, which bandwidth limits count. */
const OVERHEAD_BYTES = 28;
/** The input rate is measured over this, and never taken for less than the minimum, in bytes per second. */
const INPUT_WINDOW_MS = 1000;
const MIN_INPUT_RATE = 25_000;

const NEVER = Number.POSITIVE_INFINITY;
const ackAck = new Uint8Array(HEADER_SIZE);
const EMPTY = new Uint8Array(0);

/** KMREQ and KMRSP in a running connection carry the numbers of their extensions as subtypes. */
const KM_REQUEST = 3;
const KM_RETRY_MS = 200;

export class SrtSender {
  /** When `tick` has something to do, in ms; Infinity for never. */
  deadline = NEVER;
  private readonly link: SrtLink;
  private readonly options: SrtOptions;
  private readonly keys: KeyRing | undefined;
  private readonly buffer: SendBuffer;
  private readonly loss = new LossList(MAX_LOSS_RANGES);
  private readonly dropAfter: number;
  private readonly peerRepeatsNak: boolean;
  private peerWindow: number;
  private message = 1;
  /** When the next packet may be sent. */
  private paceAt = Number.NEGATIVE_INFINITY;
  private bandwidth: number;
  private inputBytes = 0;
  private inputSince = Number.NaN;
  private tailAt = NEVER;
  private packetsWithKey = 0;
  /** Content of a KMREQ that was not answered. */
  private announced: Uint8Array | undefined = undefined;
  private announceAt = NEVER;

  constructor(link: SrtLink, options: SrtOptions, agreement: SrtAgreement, keys: KeyRing | undefined) {
    this.link = link;
    this.options = options;
    this.keys = keys;
    this.buffer = new SendBuffer(agreement.initialSequence, options.flowWindow);
    this.peerWindow = agreement.peerFlowWindow;
    this.bandwidth = options.maxBandwidth;
    this.peerRepeatsNak = agreement.peerRepeatsNak;
    this.dropAfter = agreement.tooLateDrop
      ? Math.max(agreement.sendLatencyMs, MIN_DROP_THRESHOLD_MS) + DROP_MARGIN_MS
      : NEVER;
  }

  /** Bytes that wait for pacing or for the peer's window. */
  get backlog(): number {
    return this.buffer.unsentBytes;
  }

  /** Sends one message in one packet, now or as soon as pacing and window let it. False when there is no room. */
  send(payload: Uint8Array, now: number): boolean {
    if (this.buffer.full) return false;
    const packet = new Uint8Array(HEADER_SIZE + payload.length);
    const key = this.keys?.active ?? KeyFlag.none;
    writeDataHeader(
      packet,
      this.buffer.end,
      this.message,
      key,
      this.link.timestamp(now),
      this.link.peerSocketId,
    );
    packet.set(payload, HEADER_SIZE);
    if (this.keys !== undefined) {
      packet.set(this.keys.payload(packet, HEADER_SIZE, key) ?? EMPTY, HEADER_SIZE);
      this.countKey(this.keys, now);
    }
    this.message = nextMessageNumber(this.message);
    this.buffer.push(packet, now);
    this.measure(packet.length, now);
    this.pump(now);
    this.schedule(now);
    return true;
  }

  /** @throws ProtocolError SrtPacket */
  ack(packet: Uint8Array, now: number): void {
    const ack = decodeAck(packet);
    const { figures, roundTrip } = this.link;
    figures.acksReceived++;
    if (ack.number !== 0) emitControl(this.link, ackAck, ControlType.ackAck, ack.number, now);
    if (ack.rtt !== undefined && ack.rttVariance !== undefined) {
      roundTrip.told(ack.rtt / 1000, ack.rttVariance / 1000);
    }
    if (ack.freeBuffer !== undefined) this.peerWindow = ack.freeBuffer;
    // Numbers that were never sent are nobody's to acknowledge.
    if (sequenceDistance(ack.next, this.buffer.next) < 0) {
      figures.malformed++;
    } else if (sequenceDistance(this.buffer.first, ack.next) > 0) {
      this.buffer.releaseBefore(ack.next);
      this.loss.removeBefore(ack.next);
    }
    this.pump(now);
    this.schedule(now);
  }

  /** @throws ProtocolError SrtLossList */
  nak(packet: Uint8Array, now: number): void {
    const { buffer, link } = this;
    link.figures.naksReceived++;
    let goneFirst = -1;
    let goneLast = -1;
    readLossReport(packet, (first, last) => {
      if (sequenceDistance(last, buffer.next) <= 0) {
        link.figures.malformed++;
        return;
      }
      const sent = sequenceDistance(buffer.first, last);
      if (sent < sequenceDistance(first, last)) {
        if (goneFirst < 0) goneFirst = first;
        goneLast = sent < 0 ? last : sequenceAdd(buffer.first, -1);
        if (sent < 0) return;
        first = buffer.first;
      }
      link.figures.lossReported += sequenceDistance(first, last) + 1;
      this.loss.insert(first, last);
    });
    // One answer, whatever the report holds: all that is older than the buffer is gone.
    if (goneFirst >= 0) this.requestDrop(goneFirst, goneLast, now);
    this.pump(now);
    this.schedule(now);
  }

  /** The peer has understood a KMREQ. */
  keyAnswered(): void {
    this.announced = undefined;
    this.announceAt = NEVER;
  }

  tick(now: number): void {
    this.giveUpLate(now);
    if (now >= this.tailAt) this.repeatTail(now);
    if (now >= this.announceAt) this.announce(now);
    this.pump(now);
    this.schedule(now);
  }

  private schedule(now: number): void {
    const { buffer } = this;
    let due = Math.min(buffer.oldest + this.dropAfter, this.tailAt, this.announceAt);
    const ready = buffer.unsent > 0 && buffer.inFlight < this.peerWindow;
    if ((ready || !this.loss.empty) && this.paceAt < due) due = Math.max(this.paceAt, now);
    this.deadline = due;
  }

  /** Sends what may be sent; what was lost comes first. */
  private pump(now: number): void {
    const { buffer, loss } = this;
    const again = this.link.roundTrip.rtt - 4 * this.link.roundTrip.variance;
    while (!loss.empty && this.mayPace(now)) {
      const sequence = loss.shift();
      const packet = buffer.sent(sequence);
      // A repeated report crosses the retransmission on its way.
      if (packet === undefined || now - buffer.resentTime(sequence) < again) continue;
      this.resend(sequence, packet, now);
    }
    const sent = buffer.unsent > 0;
    while (buffer.unsent > 0 && buffer.inFlight < this.peerWindow && this.mayPace(now)) {
      const packet = buffer.takeNext();
      this.link.figures.packetsSent++;
      this.link.figures.bytesSent += packet.length;
      this.paced(packet.length, now);
      this.link.emit(packet, now);
    }
    if (buffer.inFlight === 0) this.tailAt = NEVER;
    else if (sent || this.tailAt === NEVER) this.tailAt = now + this.link.roundTrip.timeout + TAIL_MARGIN_MS;
  }

  private resend(sequence: number, packet: Uint8Array, now: number): void {
    markRetransmitted(packet);
    this.buffer.setResent(sequence, now);
    this.link.figures.retransmitsSent++;
    this.paced(packet.length, now);
    this.link.emit(packet, now);
  }

  /** Nobody reports the loss of a packet that nothing follows. */
  private repeatTail(now: number): void {
    const { buffer } = this;
    if (buffer.inFlight > 0) {
      const last = sequenceAdd(buffer.next, -1);
      if (this.peerRepeatsNak) this.resend(last, buffer.sent(last)!, now);
      else this.loss.insert(buffer.first, last);
    }
    this.tailAt = now + this.link.roundTrip.timeout + TAIL_MARGIN_MS;
  }

  /** Section 4.6.1. */
  private giveUpLate(now: number): void {
    const { buffer } = this;
    const first = buffer.first;
    while (now - buffer.oldest >= this.dropAfter) {
      buffer.releaseBefore(sequenceAdd(buffer.first, 1));
      this.link.figures.sendDropped++;
    }
    if (buffer.first === first) return;
    this.loss.removeBefore(buffer.first);
    this.requestDrop(first, sequenceAdd(buffer.first, -1), now);
  }

  private requestDrop(first: number, last: number, now: number): void {
    const content = new Uint8Array(8);
    writeUint32(content, 0, first);
    writeUint32(content, 4, last);
    sendControl(this.link, ControlType.dropRequest, 0, 0, content, now);
  }

  /**
   * Live congestion control (section 5.1): packets leave at the bandwidth's pace. With `overheadPercent` that is the
   * measured input and this much more, otherwise `maxBandwidth`.
   */
  private mayPace(now: number): boolean {
    return this.paceAt <= now;
  }

  private paced(size: number, now: number): void {
    const from = Math.max(this.paceAt, now - MAX_BURST_MS);
    this.paceAt = from + ((size + OVERHEAD_BYTES) / this.bandwidth) * 1000;
  }

  private measure(size: number, now: number): void {
    const { overheadPercent } = this.options;
    if (overheadPercent === undefined) return;
    if (Number.isNaN(this.inputSince)) this.inputSince = now;
    this.inputBytes += size + OVERHEAD_BYTES;
    const ms = now - this.inputSince;
    if (ms < INPUT_WINDOW_MS) return;
    const rate = Math.max((this.inputBytes / ms) * 1000, MIN_INPUT_RATE);
    this.bandwidth = Math.min(rate * (1 + overheadPercent / 100), this.options.maxBandwidth);
    this.inputBytes = 0;
    this.inputSince = now;
  }

  /** Section 6.1.6: the next key is told before it is used. */
  private countKey(keys: KeyRing, now: number): void {
    const { keyRefreshPackets, keyAnnouncePackets } = this.options;
    this.packetsWithKey++;
    if (this.packetsWithKey === Math.max(1, keyRefreshPackets - keyAnnouncePackets)) {
      keys.renew();
      this.announced = keys.message();
      this.announce(now);
    } else if (this.packetsWithKey >= keyRefreshPackets) {
      keys.switchOver();
      this.packetsWithKey = 0;
    }
  }

  private announce(now: number): void {
    if (this.announced === undefined) return;
    sendControl(this.link, ControlType.userDefined, KM_REQUEST, 0, this.announced, now);
    this.announceAt = now + KM_RETRY_MS;
  }
}
