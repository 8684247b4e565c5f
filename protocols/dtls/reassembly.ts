/** Handshake messages in fragments (RFC 6347 sections 4.2.2 and 4.2.3): put in order, joined, and cut. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { ByteReader, concat, number } from './bytes.ts';

export const HANDSHAKE_HEADER_SIZE = 12;

/** A chain of certificates is the longest message there is. */
const MAX_MESSAGE = 16_384;
/** Messages of a flight may overtake each other; none has more than this. */
const MAX_AHEAD = 8;
/** Of all messages that are not complete. */
const MAX_BUFFERED = 65_536;

export interface HandshakeMessage {
  readonly type: number;
  /** message_seq. */
  readonly sequence: number;
  /** Of the records it came in, or goes in: 1 is protected. */
  readonly epoch: number;
  readonly body: Uint8Array;
}

interface Partial {
  readonly type: number;
  readonly epoch: number;
  readonly body: Uint8Array;
  /** 1 for each byte that came. */
  readonly came: Uint8Array;
  missing: number;
}

/** The header as it goes into the hash of the handshake: as if the message were whole (section 4.2.6). */
export function encodeHandshake({ type, sequence, body }: Omit<HandshakeMessage, 'epoch'>): Uint8Array {
  return encodeFragment(type, sequence, body, 0, body.length);
}

export function encodeFragment(
  type: number,
  sequence: number,
  body: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  return concat(
    number(1, type),
    number(3, body.length),
    number(2, sequence),
    number(3, start),
    number(3, end - start),
    body.subarray(start, end),
  );
}

export class Reassembler {
  /** message_seq of the message that is due. */
  next = 0;
  #buffered = 0;
  readonly #partial = new Map<number, Partial>();

  /**
   * Takes the fragments in a record.
   * @returns the type of a message that was complete before, when one came again: a retransmission; else -1.
   * @throws ProtocolError DtlsHandshake
   */
  push(record: Uint8Array, epoch: number): number {
    const reader = new ByteReader(record, 'handshake fragment');
    let repeated = -1;
    while (reader.left > 0) {
      const type = reader.number(1);
      const length = reader.number(3);
      const sequence = reader.number(2);
      const offset = reader.number(3);
      const fragment = reader.vector(3);
      if (length > MAX_MESSAGE) fail(`a message of at most ${MAX_MESSAGE} bytes`, `${length}`);
      if (offset + fragment.length > length)
        fail(`a fragment within ${length} bytes`, `${offset}+${fragment.length}`);
      if (sequence < this.next) repeated = type;
      else if (sequence < this.next + MAX_AHEAD) this.#store(type, sequence, epoch, length, offset, fragment);
    }
    return repeated;
  }

  /** The message that is due, when it is complete. */
  take(): HandshakeMessage | undefined {
    const partial = this.#partial.get(this.next);
    if (partial === undefined || partial.missing > 0) return undefined;
    this.#partial.delete(this.next);
    this.#buffered -= partial.body.length;
    const { type, epoch, body } = partial;
    return { type, epoch, sequence: this.next++, body };
  }

  #store(
    type: number,
    sequence: number,
    epoch: number,
    length: number,
    offset: number,
    fragment: Uint8Array,
  ): void {
    let partial = this.#partial.get(sequence);
    if (partial === undefined) {
      if (this.#buffered + length > MAX_BUFFERED) fail(`at most ${MAX_BUFFERED} bytes that wait`, 'more');
      partial = { type, epoch, body: new Uint8Array(length), came: new Uint8Array(length), missing: length };
      this.#partial.set(sequence, partial);
      this.#buffered += length;
    }
    if (partial.type !== type || partial.body.length !== length) {
      fail(
        `type ${partial.type} of ${partial.body.length} bytes in message ${sequence}`,
        `${type} of ${length}`,
      );
    }
    partial.body.set(fragment, offset);
    for (let at = offset; at < offset + fragment.length; at++) {
      if (partial.came[at] === 0) {
        partial.came[at] = 1;
        partial.missing--;
      }
    }
  }
}

function fail(expected: string, actual: string): never {
  throw new ProtocolError(ProtocolErrorCode.DtlsHandshake, expected, actual);
}
