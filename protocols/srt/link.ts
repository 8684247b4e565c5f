/** What the two directions of a connection share: who they write to, what they count, and their round trip time. */
import type { SrtFigures } from './figures.ts';
import { type ControlType, encodeControl, writeControlHeader } from './packet.ts';
import type { RoundTrip } from './rtt.ts';

const NO_CONTENT = new Uint8Array(0);

export interface SrtLink {
  readonly figures: SrtFigures;
  readonly roundTrip: RoundTrip;
  readonly peerSocketId: number;
  /** Microseconds since the connection was made, modulo 2^32. */
  timestamp(now: number): number;
  /** `bytes` may be reused after the call. */
  emit(bytes: Uint8Array, now: number): void;
}

/** Fills in the header of a control packet that already has its content, and sends it. */
export function emitControl(
  link: SrtLink,
  packet: Uint8Array,
  type: ControlType,
  information: number,
  now: number,
): void {
  writeControlHeader(packet, type, 0, information, link.timestamp(now), link.peerSocketId);
  link.emit(packet, now);
}

/** For those that are rare. */
export function sendControl(
  link: SrtLink,
  type: ControlType,
  subtype: number,
  information: number,
  content: Uint8Array | undefined,
  now: number,
): void {
  link.emit(
    encodeControl(type, subtype, information, link.timestamp(now), link.peerSocketId, content ?? NO_CONTENT),
    now,
  );
}
