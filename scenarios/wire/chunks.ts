/**
 * RTMP chunks, one at a time and exactly as asked for, right or wrong (RTMP 1.0 section 5.3). The encoder in
 * `protocols/rtmp/` chooses forms by itself; a check wants to choose them.
 */

/** Message type ids (RTMP 1.0 sections 5.4, 6.2, 7.1). */
export const MessageType = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowAcknowledgementSize: 5,
  setPeerBandwidth: 6,
  audio: 8,
  video: 9,
  data: 18,
  command: 20,
  aggregate: 22,
} as const;

/** Chunk streams as the programs of the field use them; 2 is the protocol's own (RTMP 1.0 section 5.4). */
export const ChunkStream = { control: 2, command: 3, audio: 4, data: 5, video: 6 } as const;

/** What of the message header is sent; what a form leaves out is inherited (RTMP 1.0 section 5.3.1.2). */
export type ChunkForm = 0 | 1 | 2 | 3;

const EXTENDED = 0xffffff;

export interface ChunkFields {
  readonly form: ChunkForm;
  /** 2-65599. */
  readonly chunkStreamId: number;
  /** Form 0: timestamp. Forms 1 and 2: delta. Form 3: written only where it takes the extended field. */
  readonly time?: number;
  /** Of the whole message, in bytes. Forms 0 and 1. */
  readonly length?: number;
  /** Forms 0 and 1. */
  readonly type?: number;
  /** Form 0. */
  readonly messageStreamId?: number;
}

export function basicHeader(form: ChunkForm, chunkStreamId: number): Buffer {
  if (chunkStreamId < 64) return Buffer.of((form << 6) | chunkStreamId);
  const rest = chunkStreamId - 64;
  if (rest < 256) return Buffer.of(form << 6, rest);
  return Buffer.of((form << 6) | 1, rest & 0xff, rest >> 8);
}

/** Basic header, message header of the form and, where the time asks for it, extended timestamp. */
export function chunkHeader(fields: ChunkFields): Buffer {
  const { form, chunkStreamId, time = 0, length = 0, type = 0, messageStreamId = 0 } = fields;
  const header = Buffer.alloc([11, 7, 3, 0][form]!);
  const extended = time >= EXTENDED;
  if (form < 3) header.writeUIntBE(extended ? EXTENDED : time, 0, 3);
  if (form < 2) {
    header.writeUIntBE(length, 3, 3);
    header.writeUInt8(type, 6);
  }
  if (form === 0) header.writeUInt32LE(messageStreamId, 7);
  const parts = [basicHeader(form, chunkStreamId), header];
  if (extended) {
    const field = Buffer.alloc(4);
    field.writeUInt32BE(time >>> 0);
    parts.push(field);
  }
  return Buffer.concat(parts);
}

export interface ChunkedMessage {
  readonly chunkStreamId: number;
  readonly type: number;
  readonly messageStreamId: number;
  /** Milliseconds; a delta for forms 1 and 2. */
  readonly time: number;
  readonly payload: Uint8Array;
  /** Of the first chunk; the others have form 3. Default 0. */
  readonly form?: ChunkForm;
}

/**
 * The chunks of one message, each a piece of its own, so that they can be interleaved, cut and torn. An array of
 * sizes gives each chunk its own (the last one holds for the rest), as when the chunk size changes on the way.
 */
export function chunksOf(message: ChunkedMessage, sizes: number | readonly number[]): Buffer[] {
  const { form = 0, payload, ...fields } = message;
  const chunks: Buffer[] = [];
  let at = 0;
  do {
    const size = typeof sizes === 'number' ? sizes : sizes[Math.min(chunks.length, sizes.length - 1)]!;
    const header = chunkHeader({ ...fields, form: at === 0 ? form : 3, length: payload.length });
    chunks.push(Buffer.concat([header, payload.subarray(at, at + size)]));
    at += size;
  } while (at < payload.length);
  return chunks;
}

/** A protocol control message: chunk stream 2, message stream 0 (RTMP 1.0 section 5.4). One chunk by default. */
export function controlChunk(
  type: number,
  payload: Uint8Array,
  chunkSize = Math.max(payload.length, 1),
): Buffer {
  const message = { chunkStreamId: ChunkStream.control, type, messageStreamId: 0, time: 0, payload };
  return Buffer.concat(chunksOf(message, chunkSize));
}

/** 32 bits, big endian. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
