/** What the control packets of a running connection carry (draft-sharabayko-srt-01 sections 3.2.3 to 3.2.9). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { HEADER_SIZE, uint32, writeUint32 } from './packet.ts';
import { SEQUENCE_MASK, sequenceDistance } from './sequence.ts';

/** Content of a full acknowledgement, in bytes; a light one has the sequence number alone. */
export const FULL_ACK_SIZE = 28;
export const LIGHT_ACK_SIZE = 4;
/** RTT, RTT variance and free buffer are there from here on. */
export const SMALL_ACK_SIZE = 16;

const RANGE = 0x80000000;

/** Section 3.2.4. Times in microseconds, rates per second. */
export interface Acknowledgement {
  /** 0: a light or small one, which is not acknowledged in turn. */
  readonly number: number;
  /** The first sequence number that has not come. */
  readonly next: number;
  /** undefined in a light one. */
  readonly rtt: number | undefined;
  readonly rttVariance: number | undefined;
  /** In packets. */
  readonly freeBuffer: number | undefined;
  readonly packetRate: number | undefined;
  /** In packets. */
  readonly linkCapacity: number | undefined;
  readonly byteRate: number | undefined;
}

/** @throws ProtocolError SrtPacket */
export function decodeAck(packet: Uint8Array): Acknowledgement {
  const size = packet.length - HEADER_SIZE;
  if (size < LIGHT_ACK_SIZE || size % 4 !== 0) throw wrongSize('an acknowledgement of whole words', size);
  const word = (index: number): number | undefined =>
    size >= 4 * (index + 1) ? uint32(packet, HEADER_SIZE + 4 * index) : undefined;
  return {
    number: uint32(packet, 4),
    next: uint32(packet, HEADER_SIZE) & SEQUENCE_MASK,
    rtt: word(1),
    rttVariance: word(2),
    freeBuffer: word(3),
    packetRate: word(4),
    linkCapacity: word(5),
    byteRate: word(6),
  };
}

/**
 * Ranges of a loss report, first and last included (appendix A).
 * @throws ProtocolError SrtLossList
 */
export function readLossReport(packet: Uint8Array, take: (first: number, last: number) => void): void {
  const size = packet.length - HEADER_SIZE;
  if (size < 4 || size % 4 !== 0) {
    throw new ProtocolError(ProtocolErrorCode.SrtLossList, 'whole words, one or more', `${size} bytes`);
  }
  for (let at = HEADER_SIZE; at < packet.length; at += 4) {
    const word = uint32(packet, at);
    if (word < RANGE) {
      take(word, word);
      continue;
    }
    at += 4;
    const first = word & SEQUENCE_MASK;
    const last = at < packet.length ? uint32(packet, at) : RANGE;
    if (last >= RANGE || sequenceDistance(first, last) < 0) {
      throw new ProtocolError(
        ProtocolErrorCode.SrtLossList,
        `a last sequence number at or after ${first}`,
        at < packet.length ? String(last) : 'the end',
      );
    }
    take(first, last);
  }
}

/** Writes one range at `at`; returns where the next one goes. */
export function writeLossRange(out: Uint8Array, at: number, first: number, last: number): number {
  if (first === last) {
    writeUint32(out, at, first);
    return at + 4;
  }
  writeUint32(out, at, (first | RANGE) >>> 0);
  writeUint32(out, at + 4, last);
  return at + 8;
}

/**
 * First and last sequence number of a message drop request (section 3.2.9).
 * @throws ProtocolError SrtPacket
 */
export function decodeDropRequest(packet: Uint8Array): { readonly first: number; readonly last: number } {
  const size = packet.length - HEADER_SIZE;
  if (size < 8) throw wrongSize('a drop request of 8 bytes', size);
  const first = uint32(packet, HEADER_SIZE) & SEQUENCE_MASK;
  const last = uint32(packet, HEADER_SIZE + 4) & SEQUENCE_MASK;
  if (sequenceDistance(first, last) < 0) {
    throw new ProtocolError(
      ProtocolErrorCode.SrtPacket,
      `a drop request up to ${first} or later`,
      String(last),
    );
  }
  return { first, last };
}

function wrongSize(expected: string, size: number): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.SrtPacket, expected, `${size} bytes`);
}
