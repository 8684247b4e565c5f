/** What the last message on a chunk stream said, for the headers that refer to it. */
interface Previous {
  messageTypeId: number;
  messageStreamId: number;
  timestamp: number;
  length: number;
  /** Undefined after a type 0 header: what a type 3 header then means is read in more than one way. */
  delta: number | undefined;
}

const extendedMarker = 0xffffff;
const wholeHeader = 0;
const sameStream = 1;
const sameLength = 2;
const continuation = 3;

/**
 * Writes messages as chunks (RTMP 1.0 section 5.3). Set `chunkSize` when the Set Chunk Size message has been written,
 * not before. Message lengths are below 2^24, chunk stream ids from 2 to 65599; timestamps are taken modulo 2^32.
 */
export class ChunkWriter {
  /** In bytes. */
  chunkSize = 128;
  readonly #previous = new Map<number, Previous>();

  /**
   * One message: a type 0 header first, type 3 for the rest, each with the extended timestamp where there is one.
   * Independent of what was written before, so that many receivers with the same chunk size can share the bytes. Do
   * not mix it with `encodeCompressed` on one chunk stream.
   */
  encode(
    chunkStreamId: number,
    messageTypeId: number,
    messageStreamId: number,
    timestamp: number,
    payload: Uint8Array,
  ): Uint8Array {
    const time = timestamp >>> 0;
    const size = headerSize(chunkStreamId, wholeHeader, time);
    const head = new Uint8Array(size);
    putHeader(head, 0, chunkStreamId, wholeHeader, time, payload.length, messageTypeId, messageStreamId);
    return this.#join(head, chunkStreamId, time, payload);
  }

  /** As `encode`, with the shortest header that follows from the last message on the chunk stream (types 0 to 3). */
  encodeCompressed(
    chunkStreamId: number,
    messageTypeId: number,
    messageStreamId: number,
    timestamp: number,
    payload: Uint8Array,
  ): Uint8Array {
    const time = timestamp >>> 0;
    const previous = this.#previous.get(chunkStreamId);
    let format: number = wholeHeader;
    let field = time;
    const delta = previous === undefined ? 0 : (time - previous.timestamp) >>> 0;
    if (previous !== undefined && previous.messageStreamId === messageStreamId && delta < extendedMarker) {
      const alike = previous.length === payload.length && previous.messageTypeId === messageTypeId;
      format = !alike ? sameStream : previous.delta === delta ? continuation : sameLength;
      field = delta;
    }
    this.#previous.set(chunkStreamId, {
      messageTypeId,
      messageStreamId,
      timestamp: time,
      length: payload.length,
      delta: format === wholeHeader ? undefined : delta,
    });
    const head = new Uint8Array(headerSize(chunkStreamId, format, field));
    putHeader(head, 0, chunkStreamId, format, field, payload.length, messageTypeId, messageStreamId);
    return this.#join(head, chunkStreamId, field, payload);
  }

  /** As `encode`, without a copy: headers and views of the payload in turn, to be written in this order. */
  encodeHeaders(
    chunkStreamId: number,
    messageTypeId: number,
    messageStreamId: number,
    timestamp: number,
    payload: Uint8Array,
  ): Uint8Array[] {
    const time = timestamp >>> 0;
    const head = new Uint8Array(headerSize(chunkStreamId, wholeHeader, time));
    putHeader(head, 0, chunkStreamId, wholeHeader, time, payload.length, messageTypeId, messageStreamId);
    if (payload.length === 0) return [head];
    if (payload.length <= this.chunkSize) return [head, payload];
    const next = continuationHeader(chunkStreamId, time);
    const pieces: Uint8Array[] = [head];
    for (let at = 0; at < payload.length; at += this.chunkSize) {
      if (at > 0) pieces.push(next);
      pieces.push(payload.subarray(at, Math.min(at + this.chunkSize, payload.length)));
    }
    return pieces;
  }

  #join(head: Uint8Array, chunkStreamId: number, field: number, payload: Uint8Array): Uint8Array {
    const chunks = Math.max(1, Math.ceil(payload.length / this.chunkSize));
    const next = continuationHeader(chunkStreamId, field);
    const bytes = new Uint8Array(head.length + payload.length + (chunks - 1) * next.length);
    bytes.set(head);
    let to = head.length;
    for (let at = 0; at < payload.length; at += this.chunkSize) {
      if (at > 0) {
        bytes.set(next, to);
        to += next.length;
      }
      const piece = payload.subarray(at, Math.min(at + this.chunkSize, payload.length));
      bytes.set(piece, to);
      to += piece.length;
    }
    return bytes;
  }
}

/** The header that begins a message and says all of it (type 0), for who writes the payload, of `length` bytes, itself. */
export function messageHeader(
  chunkStreamId: number,
  messageTypeId: number,
  messageStreamId: number,
  timestamp: number,
  length: number,
): Uint8Array {
  const time = timestamp >>> 0;
  const header = new Uint8Array(headerSize(chunkStreamId, wholeHeader, time));
  putHeader(header, 0, chunkStreamId, wholeHeader, time, length, messageTypeId, messageStreamId);
  return header;
}

/** The header of every further chunk of a message (type 3). @param field timestamp, or delta, that it began with. */
export function continuationHeader(chunkStreamId: number, field: number): Uint8Array {
  const header = new Uint8Array(headerSize(chunkStreamId, continuation, field));
  putHeader(header, 0, chunkStreamId, continuation, field, 0, 0, 0);
  return header;
}

function headerSize(chunkStreamId: number, format: number, field: number): number {
  const basic = chunkStreamId < 64 ? 1 : chunkStreamId < 320 ? 2 : 3;
  const message = format === wholeHeader ? 11 : format === sameStream ? 7 : format === sameLength ? 3 : 0;
  return basic + message + (field >= extendedMarker ? 4 : 0);
}

/** @param field the timestamp of a type 0 message, the delta of the others. */
function putHeader(
  to: Uint8Array,
  start: number,
  chunkStreamId: number,
  format: number,
  field: number,
  length: number,
  messageTypeId: number,
  messageStreamId: number,
): void {
  let at = start;
  if (chunkStreamId < 64) {
    to[at++] = (format << 6) | chunkStreamId;
  } else if (chunkStreamId < 320) {
    to[at++] = format << 6;
    to[at++] = chunkStreamId - 64;
  } else {
    to[at++] = (format << 6) | 1;
    to[at++] = (chunkStreamId - 64) & 0xff;
    to[at++] = (chunkStreamId - 64) >> 8;
  }
  if (format <= sameLength) {
    const short = Math.min(field, extendedMarker);
    to[at++] = short >> 16;
    to[at++] = short >> 8;
    to[at++] = short;
  }
  if (format <= sameStream) {
    to[at++] = length >> 16;
    to[at++] = length >> 8;
    to[at++] = length;
    to[at++] = messageTypeId;
  }
  if (format === wholeHeader) {
    to[at++] = messageStreamId;
    to[at++] = messageStreamId >>> 8;
    to[at++] = messageStreamId >>> 16;
    to[at++] = messageStreamId >>> 24;
  }
  if (field >= extendedMarker) {
    to[at++] = field >>> 24;
    to[at++] = field >>> 16;
    to[at++] = field >>> 8;
    to[at] = field;
  }
}
