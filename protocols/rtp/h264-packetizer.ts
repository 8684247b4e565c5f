/** NAL units as RTP packets (RFC 6184, packetization mode 1). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { NalType, nalType } from '../h264/nal.ts';
import { RtpH264 } from './h264-depacketizer.ts';
import { RTP_HEADER_SIZE, writeRtpHeader } from './packet.ts';

/** Of a packet with its RTP header: SRTP, UDP and IP then fit into 1280 bytes, the least that IPv6 carries. */
export const RTP_MTU = 1200;

/** FU indicator and FU header. */
const FU_HEAD = 2;
const FU_START = 0x80;
const FU_END = 0x40;
const NRI = 0x60;

/** One source's place in its sequence. */
export interface RtpSource {
  readonly ssrc: number;
  readonly payloadType: number;
  /** Of the next packet, 16 bit. */
  sequence: number;
}

export interface PacketizerOptions {
  /** Longest packet, with its RTP header. Default RTP_MTU. */
  readonly mtu?: number;
  /** Put SPS and PPS that follow each other into one STAP-A. Default true: SRS and browsers send them so. */
  readonly aggregate?: boolean;
}

/** Each packet is a new buffer, so that it may be kept for retransmission. */
export class H264Packetizer {
  readonly #source: RtpSource;
  readonly #room: number;
  readonly #aggregate: boolean;

  constructor(source: RtpSource, { mtu = RTP_MTU, aggregate = true }: PacketizerOptions = {}) {
    this.#source = source;
    this.#room = mtu - RTP_HEADER_SIZE;
    this.#aggregate = aggregate;
  }

  /**
   * The packets of one access unit, the last one with the marker.
   * @param nals without start codes or length prefixes.
   * @param timestamp in 90 kHz, 32 bit.
   * @throws ProtocolError NalLength for an empty NAL unit.
   */
  packetize(nals: readonly Uint8Array[], timestamp: number): Uint8Array[] {
    const packets: Uint8Array[] = [];
    let at = 0;
    while (at < nals.length) {
      const sets = this.#aggregate ? this.#parameterSets(nals, at) : 1;
      if (sets > 1) this.#stapA(packets, nals.slice(at, at + sets), timestamp);
      else this.#one(packets, nals[at]!, timestamp);
      at += sets;
    }
    const last = packets.at(-1);
    if (last !== undefined) last[1]! |= 0x80;
    return packets;
  }

  /** How many NAL units from `at` on go into one STAP-A; 1 for none. */
  #parameterSets(nals: readonly Uint8Array[], at: number): number {
    let size = 1;
    let count = 0;
    for (const nal of nals.slice(at)) {
      const type = nalType(nal[0] ?? 0);
      size += 2 + nal.length;
      if ((type !== NalType.sps && type !== NalType.pps) || size > this.#room) break;
      count++;
    }
    return Math.max(1, count);
  }

  #one(packets: Uint8Array[], nal: Uint8Array, timestamp: number): void {
    if (nal.length === 0) throw new ProtocolError(ProtocolErrorCode.NalLength, 'a NAL unit', 'an empty one');
    if (nal.length <= this.#room) {
      this.#packet(packets, nal.length, timestamp).set(nal, RTP_HEADER_SIZE);
      return;
    }
    const share = this.#room - FU_HEAD;
    for (let from = 1; from < nal.length; from += share) {
      const to = Math.min(nal.length, from + share);
      const packet = this.#packet(packets, FU_HEAD + to - from, timestamp);
      packet[RTP_HEADER_SIZE] = (nal[0]! & 0xe0) | RtpH264.fuA;
      packet[RTP_HEADER_SIZE + 1] =
        nalType(nal[0]!) | (from === 1 ? FU_START : 0) | (to === nal.length ? FU_END : 0);
      packet.set(nal.subarray(from, to), RTP_HEADER_SIZE + FU_HEAD);
    }
  }

  #stapA(packets: Uint8Array[], nals: readonly Uint8Array[], timestamp: number): void {
    const size = nals.reduce((sum, nal) => sum + 2 + nal.length, 1);
    const packet = this.#packet(packets, size, timestamp);
    // Section 5.7.1: the highest NRI of all.
    const nri = Math.max(...nals.map((nal) => nal[0]! & NRI));
    let at = RTP_HEADER_SIZE;
    packet[at++] = nri | RtpH264.stapA;
    for (const nal of nals) {
      packet[at++] = nal.length >> 8;
      packet[at++] = nal.length;
      packet.set(nal, at);
      at += nal.length;
    }
  }

  #packet(packets: Uint8Array[], payloadSize: number, timestamp: number): Uint8Array {
    const packet = new Uint8Array(RTP_HEADER_SIZE + payloadSize);
    const source = this.#source;
    writeRtpHeader(packet, source.payloadType, source.sequence, timestamp, source.ssrc, false);
    source.sequence = (source.sequence + 1) & 0xffff;
    packets.push(packet);
    return packet;
  }
}
