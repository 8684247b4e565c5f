/** DTLS records (RFC 6347 section 4.1) and their protection by AES-GCM (RFC 5288 section 3). */
import { concat } from './bytes.ts';
import { DTLS_1_0, DTLS_1_2 } from './constants.ts';
import type { Aead } from './crypto.ts';

export const RECORD_HEADER_SIZE = 13;
/** Explicit nonce and tag. */
export const PROTECTION_SIZE = 24;

const EXPLICIT_NONCE_SIZE = 8;
const TAG_SIZE = 16;

export interface DtlsRecord {
  readonly type: number;
  readonly epoch: number;
  /** 48 bits. */
  readonly sequence: number;
  readonly fragment: Uint8Array;
}

/** Whether a datagram is DTLS and not STUN, RTP or RTCP (RFC 7983 section 7). */
export function isDtls(bytes: Uint8Array): boolean {
  return bytes.length >= RECORD_HEADER_SIZE && bytes[0]! >= 20 && bytes[0]! <= 63;
}

/**
 * The records of a datagram. What is not a record ends it: invalid records are discarded silently (section 4.1.2.7).
 * Fragments are views.
 */
export function* recordsOf(datagram: Uint8Array): Generator<DtlsRecord> {
  let at = 0;
  while (datagram.length - at >= RECORD_HEADER_SIZE) {
    const version = (datagram[at + 1]! << 8) | datagram[at + 2]!;
    const length = (datagram[at + 11]! << 8) | datagram[at + 12]!;
    const start = at + RECORD_HEADER_SIZE;
    if ((version !== DTLS_1_2 && version !== DTLS_1_0) || length > datagram.length - start) return;
    yield {
      type: datagram[at]!,
      epoch: (datagram[at + 3]! << 8) | datagram[at + 4]!,
      sequence: readUint48(datagram, at + 5),
      fragment: datagram.subarray(start, start + length),
    };
    at = start + length;
  }
}

export function encodeRecord(
  type: number,
  epoch: number,
  sequence: number,
  fragment: Uint8Array,
): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_SIZE + fragment.length);
  record[0] = type;
  record[1] = DTLS_1_2 >> 8;
  record[2] = DTLS_1_2 & 0xff;
  writeSequence(record, 3, epoch, sequence);
  record[11] = fragment.length >> 8;
  record[12] = fragment.length;
  record.set(fragment, RECORD_HEADER_SIZE);
  return record;
}

/** One direction of an epoch. */
export class RecordCipher {
  readonly #aead: Aead;
  readonly #salt: Uint8Array;

  /** @param salt the four implicit bytes of the nonce (client_write_IV or server_write_IV). */
  constructor(aead: Aead, salt: Uint8Array) {
    this.#aead = aead;
    this.#salt = salt;
  }

  seal(type: number, epoch: number, sequence: number, plain: Uint8Array): Uint8Array {
    const explicit = new Uint8Array(EXPLICIT_NONCE_SIZE);
    writeSequence(explicit, 0, epoch, sequence);
    const additional = additionalOf(type, epoch, sequence, plain.length);
    return concat(explicit, this.#aead.seal(concat(this.#salt, explicit), additional, plain));
  }

  /** undefined for what is not genuine. */
  open({ type, epoch, sequence, fragment }: DtlsRecord): Uint8Array | undefined {
    const length = fragment.length - EXPLICIT_NONCE_SIZE - TAG_SIZE;
    if (length < 0) return undefined;
    const nonce = concat(this.#salt, fragment.subarray(0, EXPLICIT_NONCE_SIZE));
    const additional = additionalOf(type, epoch, sequence, length);
    return this.#aead.open(nonce, additional, fragment.subarray(EXPLICIT_NONCE_SIZE));
  }
}

function additionalOf(type: number, epoch: number, sequence: number, length: number): Uint8Array {
  const bytes = new Uint8Array(13);
  writeSequence(bytes, 0, epoch, sequence);
  bytes[8] = type;
  bytes[9] = DTLS_1_2 >> 8;
  bytes[10] = DTLS_1_2 & 0xff;
  bytes[11] = length >> 8;
  bytes[12] = length;
  return bytes;
}

function writeSequence(bytes: Uint8Array, at: number, epoch: number, sequence: number): void {
  const high = Math.floor(sequence / 0x100000000);
  bytes[at] = epoch >> 8;
  bytes[at + 1] = epoch;
  bytes[at + 2] = high >> 8;
  bytes[at + 3] = high;
  bytes[at + 4] = sequence >>> 24;
  bytes[at + 5] = sequence >>> 16;
  bytes[at + 6] = sequence >>> 8;
  bytes[at + 7] = sequence;
}

function readUint48(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 6; i++) value = value * 256 + bytes[i]!;
  return value;
}
