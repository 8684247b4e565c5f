import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import type { ChunkSink, MessageHeader } from './chunk-reader.ts';

/** A whole message. `payload` is a buffer of its own, or a view into the aggregate it came in. */
export interface Message {
  chunkStreamId: number;
  messageTypeId: number;
  messageStreamId: number;
  /** Absolute, in milliseconds, 32 bit unsigned. */
  timestamp: number;
  payload: Uint8Array;
}

/** A length is only a promise: no more than this is allocated before bytes arrive. */
const firstAllocation = 64 * 1024;
/** Bytes of unfinished messages on all chunk streams of a connection. */
const maxPending = 32 * 1024 * 1024;

interface Pending {
  buffer: Uint8Array;
  received: number;
}

/**
 * Puts the pieces of a ChunkReader together to whole messages, each in a fresh buffer. Memory grows with the bytes
 * that came, not with the length that was announced.
 */
export class MessageAssembler implements ChunkSink {
  readonly #onMessage: (message: Message) => void;
  readonly #accept: ((messageTypeId: number) => boolean) | undefined;
  readonly #pending = new Map<number, Pending>();
  #pendingBytes = 0;

  /** @param accept which message types to assemble; the others are dropped without a copy. Default: all. */
  constructor(onMessage: (message: Message) => void, accept?: (messageTypeId: number) => boolean) {
    this.#onMessage = onMessage;
    this.#accept = accept;
  }

  onMessageBegin(message: MessageHeader): void {
    if (this.#accept !== undefined && !this.#accept(message.messageTypeId)) return;
    const buffer = new Uint8Array(Math.min(message.length, firstAllocation));
    this.#pending.set(message.chunkStreamId, { buffer, received: 0 });
  }

  /** @throws ProtocolError RtmpMessageSize when the unfinished messages together pass 32 MiB. */
  onMessagePayload(message: MessageHeader, bytes: Uint8Array, start: number, end: number): void {
    const pending = this.#pending.get(message.chunkStreamId);
    if (pending === undefined) return;
    const total = pending.received + end - start;
    this.#pendingBytes += end - start;
    if (this.#pendingBytes > maxPending) {
      throw new ProtocolError(
        ProtocolErrorCode.RtmpMessageSize,
        `at most ${maxPending} bytes of unfinished messages`,
        `${this.#pendingBytes} bytes`,
      );
    }
    if (total > pending.buffer.length) {
      const larger = new Uint8Array(Math.min(message.length, Math.max(total, pending.buffer.length * 2)));
      larger.set(pending.buffer.subarray(0, pending.received));
      pending.buffer = larger;
    }
    pending.buffer.set(bytes.subarray(start, end), pending.received);
    pending.received = total;
  }

  onMessageEnd(message: MessageHeader): void {
    const pending = this.#drop(message);
    if (pending === undefined) return;
    this.#onMessage({
      chunkStreamId: message.chunkStreamId,
      messageTypeId: message.messageTypeId,
      messageStreamId: message.messageStreamId,
      timestamp: message.timestamp,
      payload: pending.buffer,
    });
  }

  onMessageAbort(message: MessageHeader): void {
    this.#drop(message);
  }

  #drop(message: MessageHeader): Pending | undefined {
    const pending = this.#pending.get(message.chunkStreamId);
    if (pending === undefined) return undefined;
    this.#pending.delete(message.chunkStreamId);
    this.#pendingBytes -= pending.received;
    return pending;
  }
}

/** Type 1, length 3, timestamp 3 + 1, stream id 3: the layout of an FLV tag header. */
const subHeaderSize = 11;
const backPointerSize = 4;

/**
 * The messages inside an aggregate (RTMP 1.0 section 7.1.6). Their timestamps are moved so that the first one's is the
 * aggregate's, and their message stream is the aggregate's. The value of the back pointers is not looked at.
 * @throws ProtocolError RtmpAggregate when the parts do not fill the payload exactly, or one is itself an aggregate.
 */
export function splitAggregate(message: Message): Message[] {
  const { payload } = message;
  const parts: Message[] = [];
  let offset = 0;
  let at = 0;
  while (at < payload.length) {
    const length = payload.length - at < subHeaderSize ? 0 : uint24At(payload, at + 1);
    const next = at + subHeaderSize + length + backPointerSize;
    if (next > payload.length) {
      throw new ProtocolError(
        ProtocolErrorCode.RtmpAggregate,
        `a message of ${next - at} bytes at ${at} of the aggregate`,
        `${payload.length - at} bytes left`,
      );
    }
    const messageTypeId = payload[at]!;
    if (messageTypeId === message.messageTypeId) {
      throw new ProtocolError(
        ProtocolErrorCode.RtmpAggregate,
        'no aggregate in an aggregate',
        `one at ${at}`,
      );
    }
    const timestamp = uint24At(payload, at + 4) + payload[at + 7]! * 2 ** 24;
    if (parts.length === 0) offset = message.timestamp - timestamp;
    parts.push({
      chunkStreamId: message.chunkStreamId,
      messageTypeId,
      messageStreamId: message.messageStreamId,
      timestamp: (timestamp + offset) >>> 0,
      payload: payload.subarray(at + subHeaderSize, at + subHeaderSize + length),
    });
    at = next;
  }
  return parts;
}

function uint24At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}
