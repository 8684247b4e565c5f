/**
 * Decides how much of a packet is decrypted, and hands on what can be read of it.
 *
 * | packet | what is done with it |
 * |---|---|
 * | that can carry the stamp: H.264 of at most 90 bytes, or anything but a slice | authenticated and decrypted |
 * | slices of an access unit | the first bytes are decrypted, for their type; nothing is authenticated |
 * | audio | nothing is decrypted: what there is to know of it stands in its header |
 * | of a sample of access units (the first ones, then one of 50), and of audio packets | authenticated and decrypted |
 * | of unknown payload types, or padded | authenticated and decrypted |
 * | the first of a source, and one of some 1000 that are sealed: rollover counters want it | authenticated and decrypted |
 *
 * In full mode all are. So the stamps give frame number, clock and stream id, sequence numbers tell what is missing, and
 * NAL headers tell keyframes from others; the checksum over the slices is compared in the sample only. In all other
 * access units the stamp's checksum is blanked (stamp.ts), and who counts frames counts those that were compared apart.
 */

import { isSlice, nalType } from '../../../protocols/h264/nal.ts';
import { leaveUnchecked } from '../../../protocols/h264/stamp.ts';
import { RtpH264 } from '../../../protocols/rtp/h264-depacketizer.ts';
import { rtpPayloadStart, type SrtpReceiver, uint32 } from '../../../protocols/srtp/rtp.ts';
import type { SrtpFigures, TransportObserver } from '../contract.ts';
import { PayloadKind } from './offer.ts';

/** The stamp has 59 bytes; with an aggregation header and a delimiter still less than this. */
const STAMP_PAYLOAD = 90;
/** FU indicator and header, and two bytes of the slice, which tell whether it is the first one. */
const PEEK = 4;
const PADDING = 0x20;
/** Which access units are opened whole. */
export interface SamplePlan {
  /** One of so many; 1 is all. */
  readonly sample: number;
  /**
   * Before that all of the first so many: the very first may have begun before the keys were there, so that with two of
   * them each player that was on for two frames has compared one.
   */
  readonly first: number;
  /** 32 bits of each player's own, so that thousands of players of one stream compare different ones. */
  readonly offset: number;
}

export class MediaGate {
  // Plain fields: every packet of every player passes here.
  private readonly srtp: SrtpReceiver;
  private readonly kinds: Uint8Array;
  private readonly plan: SamplePlan;
  private readonly observer: TransportObserver;
  /** Timestamps of the first access units. */
  private readonly firstUnits: number[] = [];
  private peeked = 0;
  private malformed = 0;

  constructor(srtp: SrtpReceiver, kinds: Uint8Array, plan: SamplePlan, observer: TransportObserver) {
    this.srtp = srtp;
    this.kinds = kinds;
    this.plan = plan;
    this.observer = observer;
  }

  get figures(): SrtpFigures {
    const { genuine, forged, replayed, malformed } = this.srtp;
    return {
      opened: genuine,
      peeked: this.peeked,
      forged,
      replayed,
      malformed: malformed + this.malformed,
    };
  }

  /** One SRTP packet, which is changed in place. */
  push(bytes: Uint8Array, now: number): void {
    const end = bytes.length;
    const start = rtpPayloadStart(bytes, 0, end);
    if (start < 0) {
      this.malformed++;
      return;
    }
    const kind = this.kinds[bytes[1]! & 0x7f]!;
    const sealed = (bytes[0]! & PADDING) === 0 && kind !== PayloadKind.other && !this.isSampled(bytes, kind);
    if (!sealed) this.open(bytes, start, now, false);
    else if (this.srtp.isUncertain(bytes, 0)) this.open(bytes, start, now, kind === PayloadKind.h264);
    else if (kind === PayloadKind.audio) this.audio(bytes, start, now);
    else if (end - start - this.srtp.tagSize <= STAMP_PAYLOAD) this.open(bytes, start, now, true);
    else this.video(bytes, start, now);
  }

  /** All packets of an access unit have one timestamp, those that come again included. */
  private isSampled(bytes: Uint8Array, kind: number): boolean {
    const { sample, first, offset } = this.plan;
    if (sample === 1) return true;
    const timestamp = uint32(bytes, 4);
    if (kind === PayloadKind.h264) {
      if (this.firstUnits.includes(timestamp)) return true;
      if (this.firstUnits.length < first) {
        this.firstUnits.push(timestamp);
        return true;
      }
    }
    return mixed(timestamp ^ offset) % sample === 0;
  }

  private audio(bytes: Uint8Array, start: number, now: number): void {
    if (start + this.srtp.tagSize <= bytes.length) this.pass(bytes, start, now);
    else this.malformed++;
  }

  private video(bytes: Uint8Array, start: number, now: number): void {
    const { srtp } = this;
    const peekedEnd = srtp.peek(bytes, 0, bytes.length, start, PEEK);
    if (peekedEnd < 0) return;
    const type = nalType(bytes[start]!);
    if (isSlice(type) || type === RtpH264.fuA) {
      this.pass(bytes, peekedEnd, now);
    } else {
      srtp.unpeek(bytes, start, peekedEnd);
      this.open(bytes, start, now, true);
    }
  }

  private pass(bytes: Uint8Array, peekedEnd: number, now: number): void {
    if (peekedEnd < 0) return;
    this.peeked++;
    this.observer.onRtp(bytes, 0, peekedEnd, now, bytes.length - this.srtp.tagSize);
  }

  private open(bytes: Uint8Array, start: number, now: number, blank: boolean): void {
    const end = this.srtp.unprotect(bytes, 0, bytes.length, start);
    if (end < 0) return;
    if (blank) leaveAllUnchecked(bytes, start, end);
    this.observer.onRtp(bytes, 0, end, now, end);
  }
}

/**
 * Each bit depends on all of the given ones (the end of MurmurHash3): timestamps go on by multiples of 8 (30 frames a
 * second) to 64 (Opus), so that their low bits are the same in all packets of a player, and an even sample is to hang on more.
 */
function mixed(bits: number): number {
  let hash = bits ^ (bits >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Blanks the checksum of a stamp, alone in its packet or aggregated. */
function leaveAllUnchecked(bytes: Uint8Array, start: number, end: number): void {
  if (start === end) return;
  if (nalType(bytes[start]!) !== RtpH264.stapA) {
    leaveUnchecked(bytes, start, end);
    return;
  }
  let at = start + 1;
  while (end - at > 2) {
    const size = (bytes[at]! << 8) | bytes[at + 1]!;
    at += 2;
    if (size > end - at) return;
    leaveUnchecked(bytes, at, at + size);
    at += size;
  }
}
