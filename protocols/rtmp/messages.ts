import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

/** Message type ids (RTMP 1.0 sections 5.4, 6.1 and 7.1). */
export const MessageTypeId = {
  SetChunkSize: 1,
  Abort: 2,
  Acknowledgement: 3,
  UserControl: 4,
  WindowAckSize: 5,
  SetPeerBandwidth: 6,
  Audio: 8,
  Video: 9,
  DataAmf3: 15,
  SharedObjectAmf3: 16,
  CommandAmf3: 17,
  DataAmf0: 18,
  SharedObjectAmf0: 19,
  CommandAmf0: 20,
  Aggregate: 22,
} as const;
export type MessageTypeId = (typeof MessageTypeId)[keyof typeof MessageTypeId];

/** Chunk stream ids that peers use by habit; only 2 is fixed (RTMP 1.0 section 5.3.1.1). */
export const ChunkStreamId = {
  Control: 2,
  Command: 3,
  Audio: 4,
  StreamCommand: 5,
  Video: 6,
} as const;

/** User control event types (RTMP 1.0 section 7.1.7). */
export const UserControlEvent = {
  StreamBegin: 0,
  StreamEof: 1,
  StreamDry: 2,
  SetBufferLength: 3,
  StreamIsRecorded: 4,
  PingRequest: 6,
  PingResponse: 7,
} as const;
export type UserControlEvent = (typeof UserControlEvent)[keyof typeof UserControlEvent];

/** Limit types of Set Peer Bandwidth (RTMP 1.0 section 5.4.5). */
export const PeerBandwidthLimit = { Hard: 0, Soft: 1, Dynamic: 2 } as const;
export type PeerBandwidthLimit = (typeof PeerBandwidthLimit)[keyof typeof PeerBandwidthLimit];

/** Payload of Set Chunk Size, in bytes from 1 to 2^31 - 1 (RTMP 1.0 section 5.4.1). */
export function encodeSetChunkSize(size: number): Uint8Array {
  return words(size);
}

/** Payload of Abort Message: the chunk stream whose partly sent message is dropped (section 5.4.2). */
export function encodeAbort(chunkStreamId: number): Uint8Array {
  return words(chunkStreamId);
}

/** Payload of Acknowledgement: bytes received so far, modulo 2^32 (section 5.4.3). */
export function encodeAck(received: number): Uint8Array {
  return words(received);
}

/** Payload of Window Acknowledgement Size, in bytes (section 5.4.4). */
export function encodeWindowAckSize(size: number): Uint8Array {
  return words(size);
}

/** Payload of Set Peer Bandwidth (section 5.4.5). */
export function encodeSetPeerBandwidth(
  size: number,
  limit: PeerBandwidthLimit = PeerBandwidthLimit.Dynamic,
): Uint8Array {
  const payload = new Uint8Array(5);
  putWord(payload, 0, size);
  payload[4] = limit;
  return payload;
}

/**
 * Payload of a user control message (section 7.1.7).
 * @param a the stream id, or the timestamp of a ping.
 * @param b the buffer length in milliseconds, for SetBufferLength only.
 */
export function encodeUserControl(event: number, a: number, b?: number): Uint8Array {
  const payload = new Uint8Array(b === undefined ? 6 : 10);
  payload[0] = event >>> 8;
  payload[1] = event;
  putWord(payload, 2, a);
  if (b !== undefined) putWord(payload, 6, b);
  return payload;
}

/** A user control message. Events that we do not know keep their number; values that are not there are 0. */
export interface UserControl {
  event: number;
  /** Stream id, or timestamp of a ping. */
  a: number;
  /** Buffer length in milliseconds, for SetBufferLength. */
  b: number;
}

const userControlLength: ReadonlyMap<number, number> = new Map([
  [UserControlEvent.StreamBegin, 6],
  [UserControlEvent.StreamEof, 6],
  [UserControlEvent.StreamDry, 6],
  [UserControlEvent.SetBufferLength, 10],
  [UserControlEvent.StreamIsRecorded, 6],
  [UserControlEvent.PingRequest, 6],
  [UserControlEvent.PingResponse, 6],
]);

/**
 * Reads a user control payload. Events outside the specification may be short (SRS sends event 26 with one byte).
 * @throws ProtocolError RtmpControl when there is no event type, or a known event lacks its values.
 */
export function decodeUserControl(payload: Uint8Array): UserControl {
  if (payload.length < 2) throw wrongLength('a user control event type (2 bytes)', payload);
  const event = payload[0]! * 256 + payload[1]!;
  const needed = userControlLength.get(event) ?? 2;
  if (payload.length < needed) throw wrongLength(`${needed} bytes of user control event ${event}`, payload);
  return {
    event,
    a: payload.length >= 6 ? wordAt(payload, 2) : 0,
    b: payload.length >= 10 ? wordAt(payload, 6) : 0,
  };
}

/**
 * Reads the value of Set Chunk Size, Abort, Acknowledgement or Window Acknowledgement Size.
 * @throws ProtocolError RtmpControl when the payload is not 4 bytes.
 */
export function decodeControlValue(payload: Uint8Array): number {
  if (payload.length !== 4) throw wrongLength('4 bytes of control message', payload);
  return wordAt(payload, 0);
}

/**
 * Reads Set Peer Bandwidth.
 * @throws ProtocolError RtmpControl when the payload is not 5 bytes.
 */
export function decodeSetPeerBandwidth(payload: Uint8Array): { size: number; limit: number } {
  if (payload.length !== 5) throw wrongLength('5 bytes of set peer bandwidth', payload);
  return { size: wordAt(payload, 0), limit: payload[4]! };
}

/**
 * Counts received bytes and says when the peer is due an Acknowledgement (section 5.4.3: once per window, sequence
 * number modulo 2^32; handshake bytes are not counted).
 */
export class AcknowledgementWindow {
  /** The peer's window in bytes; 0 until it sent one, and then nothing is due. */
  size = 0;
  #received = 0;
  #acknowledged = 0;

  /** @returns the sequence number to acknowledge now, or undefined. */
  received(bytes: number): number | undefined {
    this.#received += bytes;
    if (this.size === 0 || this.#received - this.#acknowledged < this.size) return undefined;
    this.#acknowledged = this.#received;
    return this.#received % 2 ** 32;
  }
}

function words(value: number): Uint8Array {
  const payload = new Uint8Array(4);
  putWord(payload, 0, value);
  return payload;
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function wrongLength(expected: string, payload: Uint8Array): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.RtmpControl, expected, `${payload.length} bytes`);
}
