/** One source of a publisher: its packets, its sender reports, and its packets once more for who lost them. */

import type { RtpSource } from '../../protocols/rtp/h264-packetizer.ts';
import { RTP_HEADER_SIZE } from '../../protocols/rtp/packet.ts';
import type { RtcpMessage } from '../../protocols/rtp/rtcp.ts';
import { ntpOf } from '../../protocols/rtp/rtcp.ts';
import type { RtpSent } from './figures.ts';

/** Packets that are kept, a power of two: 10 s at 1 Mbit/s. */
const RING = 1024;
/** Timestamps and clock may part by this (a publisher that was paused) before they are paired anew. */
const DRIFT_MS = 200;

export class RtpSender implements RtpSource {
  readonly ssrc: number;
  readonly payloadType: number;
  sequence: number;
  readonly #clockRate: number;
  readonly #base: number;
  readonly #figures: RtpSent;
  readonly #send: (packet: Uint8Array) => boolean;
  readonly #ring: (Uint8Array | undefined)[] = new Array(RING).fill(undefined);
  #packets = 0;
  #octets = 0;
  /** Epoch ms at which media time 0 was, is or would have been sent. */
  #origin = Number.NaN;

  /** @param base of the timestamps, 32 bit. */
  constructor(
    source: { ssrc: number; payloadType: number; sequence: number; base: number; clockRate: number },
    figures: RtpSent,
    send: (packet: Uint8Array) => boolean,
  ) {
    this.ssrc = source.ssrc;
    this.payloadType = source.payloadType;
    this.sequence = source.sequence;
    this.#base = source.base;
    this.#clockRate = source.clockRate;
    this.#figures = figures;
    this.#send = send;
  }

  /** @param mediaMs of the source, from 0 on. */
  timestamp(mediaMs: number): number {
    return (this.#base + Math.round((mediaMs * this.#clockRate) / 1000)) >>> 0;
  }

  /** Media of `mediaMs` goes out at `now`: what sender reports say of the two. */
  pace(mediaMs: number, now: number): void {
    const origin = now - mediaMs;
    if (Number.isNaN(this.#origin) || Math.abs(origin - this.#origin) > DRIFT_MS) this.#origin = origin;
  }

  /** A packet that `sequence` was counted for; it is kept. */
  send(packet: Uint8Array): void {
    const sequence = (packet[2]! << 8) | packet[3]!;
    this.#ring[sequence & (RING - 1)] = packet;
    this.#packets++;
    this.#octets += packet.length - RTP_HEADER_SIZE;
    this.#out(packet);
  }

  /** As it was: same SSRC, same sequence number (there is no RTX in our offer). */
  again(sequence: number): void {
    const packet = this.#ring[sequence & (RING - 1)];
    if (packet === undefined || ((packet[2]! << 8) | packet[3]!) !== sequence) {
      this.#figures.forgotten++;
      return;
    }
    this.#figures.retransmitted++;
    this.#out(packet);
  }

  #out(packet: Uint8Array): void {
    if (this.#send(packet)) {
      this.#figures.packets++;
      this.#figures.bytes += packet.length;
    } else this.#figures.refused++;
  }

  /** undefined before the first media. */
  report(now: number): RtcpMessage | undefined {
    if (Number.isNaN(this.#origin)) return undefined;
    return {
      type: 'sender-report',
      ssrc: this.ssrc,
      ...ntpOf(now),
      rtpTimestamp: this.timestamp(now - this.#origin),
      packets: this.#packets,
      octets: this.#octets >>> 0,
      reports: [],
    };
  }
}
