import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { MessageTypeId } from './messages.ts';

/** What is known of a message. One mutable object per chunk stream, reused: copy what must outlive the call. */
export interface MessageHeader {
  readonly chunkStreamId: number;
  readonly messageTypeId: number;
  readonly messageStreamId: number;
  /** Absolute, in milliseconds, 32 bit unsigned; deltas wrap. */
  readonly timestamp: number;
  /** Payload length in bytes. */
  readonly length: number;
  /** Payload bytes delivered before this call: the offset of the piece at hand, `length` at the end. */
  readonly received: number;
}

/**
 * Takes messages as they come off the wire. Messages of different chunk streams may interleave; within one chunk
 * stream they do not. `bytes` is only valid during the call.
 */
export interface ChunkSink {
  onMessageBegin(message: MessageHeader): void;
  onMessagePayload(message: MessageHeader, bytes: Uint8Array, start: number, end: number): void;
  onMessageEnd(message: MessageHeader): void;
  /** The sender gave the message up (Abort Message); there will be no end. */
  onMessageAbort?(message: MessageHeader): void;
}

export interface ChunkLimits {
  /** Longest message, in bytes. Default 16 MiB: more than the 24 bit length field can say. */
  maxMessageSize: number;
  /** Largest chunk size a peer may set. Default 2^31 - 1: sizes above a message are all alike (section 5.4.1). */
  maxChunkSize: number;
  /** Most chunk streams a peer may use. Default 64. */
  maxChunkStreams: number;
}

const defaultLimits: ChunkLimits = {
  maxMessageSize: 2 ** 24,
  maxChunkSize: 2 ** 31 - 1,
  maxChunkStreams: 64,
};

const initialChunkSize = 128;
/** Basic header 3, message header 11, extended timestamp 4. */
const maxHeaderSize = 18;
const extendedMarker = 0xffffff;

/** Plain fields: this is read and written for every chunk of every player. */
class ChunkStream implements MessageHeader {
  chunkStreamId: number;
  messageTypeId = 0;
  messageStreamId = 0;
  timestamp = 0;
  length = 0;
  received = 0;
  /** Inside a message: begun, not ended. */
  open = false;
  /** What a type 3 chunk that begins a message adds to the timestamp. */
  delta = 0;
  /** The last type 0, 1 or 2 header carried an extended timestamp. */
  extended = false;
  /** The extended field as it was sent. */
  extendedValue = 0;
  /** The extended field was a timestamp (type 0), not a delta. */
  extendedAbsolute = false;
  /** The value of a control message, as far as it came. */
  control = 0;

  constructor(chunkStreamId: number) {
    this.chunkStreamId = chunkStreamId;
  }
}

/**
 * Splits a chunk stream into messages (RTMP 1.0 section 5.3), fed with any split of the bytes after the handshake.
 * Payload goes to the sink in place: no copy and no allocation per message. Set Chunk Size and Abort are obeyed here,
 * and shown to the sink like any other message. An error is final: the reader must not be used after it.
 *
 * Read as the programs of the field write, where the specification leaves room:
 * - A type 3 chunk that continues a message with an extended timestamp repeats the field (SRS, ffmpeg, Adobe). Old
 *   senders leave it out: when the four bytes repeat neither the field nor the timestamp, they are payload (as SRS).
 * - A type 3 chunk that begins a message after a type 0 header with an extended timestamp carries a timestamp (as
 *   SRS); after a type 1 or 2 header it carries a delta.
 * - A new chunk stream may begin with a type 1 header (librtmp's ping), with timestamp and message stream 0 before it.
 */
export class ChunkReader {
  /** Chunk size of the peer, in bytes. */
  chunkSize = initialChunkSize;
  private readonly sink: ChunkSink;
  private readonly limits: ChunkLimits;
  private readonly low: (ChunkStream | undefined)[] = new Array(64).fill(undefined);
  private readonly high = new Map<number, ChunkStream>();
  private streams = 0;
  private current: ChunkStream;
  /** The one before it: audio and video take turns, and the table above is far away in memory. */
  private previous: ChunkStream;
  /** Payload bytes still to come of the current chunk. */
  private chunkLeft = 0;
  private readonly carry = new Uint8Array(maxHeaderSize);
  private carried = 0;

  constructor(sink: ChunkSink, limits?: Partial<ChunkLimits>) {
    this.sink = sink;
    // One object for all readers that are content with it: it stays in the processor's cache.
    this.limits = limits === undefined ? defaultLimits : { ...defaultLimits, ...limits };
    this.current = new ChunkStream(0);
    this.previous = this.current;
  }

  /** @throws ProtocolError RtmpChunkHeader, RtmpChunkSize, RtmpMessageSize, RtmpChunkStreams or RtmpControl. */
  push(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    let at = this.carried === 0 ? start : this.resumeHeader(bytes, start, end);
    while (at < end) {
      if (this.chunkLeft === 0) {
        const next = this.readHeader(bytes, at, end);
        if (next < 0) {
          this.carried = 0;
          while (at < end) this.carry[this.carried++] = bytes[at++]!;
          return;
        }
        at = next;
      } else {
        const stop = end - at < this.chunkLeft ? end : at + this.chunkLeft;
        this.deliver(this.current, bytes, at, stop);
        at = stop;
      }
    }
  }

  private deliver(stream: ChunkStream, bytes: Uint8Array, start: number, end: number): void {
    this.chunkLeft -= end - start;
    this.sink.onMessagePayload(stream, bytes, start, end);
    stream.received += end - start;
    if (stream.messageTypeId <= MessageTypeId.Abort) {
      for (let at = start; at < end; at++) stream.control = ((stream.control << 8) | bytes[at]!) >>> 0;
    }
    if (stream.received === stream.length) this.finish(stream);
  }

  private finish(stream: ChunkStream): void {
    stream.open = false;
    if (stream.messageTypeId === MessageTypeId.SetChunkSize) this.setChunkSize(stream.control);
    else if (stream.messageTypeId === MessageTypeId.Abort) this.abort(stream.control);
    this.sink.onMessageEnd(stream);
  }

  /** Completes a header that was split, one byte at a time; gives back bytes that turn out to be payload. */
  private resumeHeader(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      this.carry[this.carried++] = bytes[at++]!;
      const next = this.readHeader(this.carry, 0, this.carried);
      if (next < 0) continue;
      const collected = this.carried;
      this.carried = 0;
      if (next < collected) this.push(this.carry.slice(next, collected));
      if (this.carried === 0) return at;
    }
    return at;
  }

  /** @returns where the header ends, or -1 when more bytes are needed; then nothing has changed. */
  private readHeader(bytes: Uint8Array, start: number, end: number): number {
    let at = start + 1;
    const first = bytes[start]!;
    const format = first >> 6;
    let id = first & 0x3f;
    if (id === 0) {
      if (at + 1 > end) return -1;
      id = 64 + bytes[at]!;
      at += 1;
    } else if (id === 1) {
      if (at + 2 > end) return -1;
      id = 64 + bytes[at]! + bytes[at + 1]! * 256;
      at += 2;
    }
    const { current, previous } = this;
    let stream =
      current.chunkStreamId === id ? current : previous.chunkStreamId === id ? previous : this.streamOf(id);

    if (format === 3) {
      if (stream === undefined) throw noFullHeader(format, id);
      if (stream.extended) {
        if (at + 4 > end && (!stream.open || mayRepeat(stream, bytes, at, end))) return -1;
        if (!stream.open) {
          const value = uint32At(bytes, at);
          at += 4;
          stream.extendedValue = value;
          stream.timestamp = stream.extendedAbsolute ? value : (stream.timestamp + value) >>> 0;
        } else if (mayRepeat(stream, bytes, at, end)) at += 4;
      } else if (!stream.open) {
        stream.timestamp = (stream.timestamp + stream.delta) >>> 0;
      }
    } else {
      const head = at;
      at += format === 0 ? 11 : format === 1 ? 7 : 3;
      if (at > end) return -1;
      let time = (bytes[head]! << 16) | (bytes[head + 1]! << 8) | bytes[head + 2]!;
      const extended = time === extendedMarker;
      if (extended) {
        if (at + 4 > end) return -1;
        time = uint32At(bytes, at);
        at += 4;
      }
      if (stream === undefined) {
        if (format === 2) throw noFullHeader(format, id);
        stream = this.addStream(id);
      }
      if (stream.open) {
        checkContinuation(stream, format, bytes, head);
      } else {
        stream.extended = extended;
        stream.extendedValue = time;
        stream.extendedAbsolute = format === 0;
        stream.delta = time;
        stream.timestamp = format === 0 ? time : (stream.timestamp + time) >>> 0;
        if (format < 2) {
          stream.length = (bytes[head + 3]! << 16) | (bytes[head + 4]! << 8) | bytes[head + 5]!;
          stream.messageTypeId = bytes[head + 6]!;
          if (format === 0) {
            stream.messageStreamId =
              (bytes[head + 7]! |
                (bytes[head + 8]! << 8) |
                (bytes[head + 9]! << 16) |
                (bytes[head + 10]! << 24)) >>>
              0;
          }
        }
      }
    }

    if (stream !== current) {
      this.previous = current;
      this.current = stream;
    }
    if (!stream.open) this.begin(stream);
    const left = stream.length - stream.received;
    this.chunkLeft = Math.min(left, this.chunkSize);
    if (left === 0) this.finish(stream);
    return at;
  }

  private streamOf(id: number): ChunkStream | undefined {
    return id < 64 ? this.low[id] : this.high.get(id);
  }

  private begin(stream: ChunkStream): void {
    if (stream.length > this.limits.maxMessageSize) {
      throw new ProtocolError(
        ProtocolErrorCode.RtmpMessageSize,
        `a message of at most ${this.limits.maxMessageSize} bytes`,
        `${stream.length} bytes of message type ${stream.messageTypeId}`,
      );
    }
    if (
      stream.length !== 4 &&
      (stream.messageTypeId === MessageTypeId.SetChunkSize || stream.messageTypeId === MessageTypeId.Abort)
    ) {
      throw new ProtocolError(
        ProtocolErrorCode.RtmpControl,
        `4 bytes of control message type ${stream.messageTypeId}`,
        `${stream.length} bytes`,
      );
    }
    stream.open = true;
    stream.received = 0;
    stream.control = 0;
    this.sink.onMessageBegin(stream);
  }

  private addStream(id: number): ChunkStream {
    if (this.streams >= this.limits.maxChunkStreams) {
      throw new ProtocolError(
        ProtocolErrorCode.RtmpChunkStreams,
        `at most ${this.limits.maxChunkStreams} chunk streams`,
        `one more, chunk stream ${id}`,
      );
    }
    this.streams++;
    const stream = new ChunkStream(id);
    if (id < 64) this.low[id] = stream;
    else this.high.set(id, stream);
    return stream;
  }

  private setChunkSize(size: number): void {
    if (size === 0 || size > this.limits.maxChunkSize) {
      throw new ProtocolError(
        ProtocolErrorCode.RtmpChunkSize,
        `a chunk size from 1 to ${this.limits.maxChunkSize}`,
        `${size}`,
      );
    }
    this.chunkSize = size;
  }

  private abort(id: number): void {
    const stream = this.streamOf(id);
    if (stream?.open !== true) return;
    stream.open = false;
    this.sink.onMessageAbort?.(stream);
  }
}

function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Whether the bytes at hand, four or fewer, are how the extended field or the timestamp begins. */
function mayRepeat(stream: ChunkStream, bytes: Uint8Array, at: number, end: number): boolean {
  return (
    beginsWith(stream.extendedValue, bytes, at, end) ||
    (stream.timestamp !== stream.extendedValue && beginsWith(stream.timestamp, bytes, at, end))
  );
}

function beginsWith(value: number, bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start, shift = 24; at < end && shift >= 0; at++, shift -= 8) {
    if (bytes[at] !== ((value >>> shift) & 0xff)) return false;
  }
  return true;
}

/** A message is continued with type 3 (section 5.3.1.2.4); types 1 and 2 are borne if they say the same, as SRS does. */
function checkContinuation(stream: ChunkStream, format: number, bytes: Uint8Array, head: number): void {
  if (format === 2) return;
  const length = (bytes[head + 3]! << 16) | (bytes[head + 4]! << 8) | bytes[head + 5]!;
  if (format === 1 && length === stream.length && bytes[head + 6] === stream.messageTypeId) return;
  throw new ProtocolError(
    ProtocolErrorCode.RtmpChunkHeader,
    `the rest of a message of ${stream.length} bytes on chunk stream ${stream.chunkStreamId}, ${stream.received} received`,
    `a type ${format} header of a message of ${length} bytes`,
  );
}

function noFullHeader(format: number, id: number): ProtocolError {
  return new ProtocolError(
    ProtocolErrorCode.RtmpChunkHeader,
    `a type 0 header first on chunk stream ${id}`,
    `a type ${format} header`,
  );
}
