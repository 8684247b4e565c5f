/**
 * Passes an RTMP chunk stream on, chunk by chunk, as it comes: payload is neither put together nor copied. Every
 * message gets a whole header, because the one before it on its chunk stream may have been ours; chunks stay of the
 * size that the sender chose, which the receiver has to be told first.
 */
import { ChunkReader, type ChunkSink, type MessageHeader } from '../../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter, continuationHeader, messageHeader } from '../../../protocols/rtmp/chunk-writer.ts';
import { type Message, MessageAssembler } from '../../../protocols/rtmp/message-assembler.ts';
import { encodeSetChunkSize, MessageTypeId } from '../../../protocols/rtmp/messages.ts';

/** Payload below this is copied together with its header: one write for many small pieces. */
const COPY_BELOW = 1024;

/** A message of which the rest is still to come, on its chunk stream. */
interface Passing {
  /** Payload left of the chunk that has been begun. */
  left: number;
  readonly next: Uint8Array;
}

export interface RelayOptions {
  /** What is not passed on by itself: everything at first, then commands and user control messages. */
  onMessage(message: Message): void;
}

export class ChunkRelay implements ChunkSink {
  readonly reader: ChunkReader;
  readonly #assembler: MessageAssembler;
  readonly #writer = new ChunkWriter();
  readonly #passing = new Map<number, Passing>();
  #open = false;
  #out: Uint8Array[] = [];
  #small: Uint8Array[] = [];
  #smallBytes = 0;
  #from = -1;
  #to = -1;

  constructor({ onMessage }: RelayOptions) {
    this.#assembler = new MessageAssembler(onMessage);
    this.reader = new ChunkReader(this);
  }

  /**
   * From now on messages pass, those of message stream `from` as of `to`. Puts the chunk size first when the receiver
   * has another.
   */
  begin(receiverChunkSize: number, from: number, to: number): void {
    if (this.#open) return;
    this.#open = true;
    this.#from = from;
    this.#to = to;
    if (receiverChunkSize !== this.reader.chunkSize) {
      const size = encodeSetChunkSize(this.reader.chunkSize);
      this.#writer.chunkSize = receiverChunkSize;
      this.#append(this.#writer.encode(2, MessageTypeId.SetChunkSize, 0, 0, size));
    }
  }

  /** Puts a whole message in; between chunks only, as in `onMessage`. */
  put({ chunkStreamId, messageTypeId, messageStreamId, timestamp, payload }: Message): void {
    this.#writer.chunkSize = this.reader.chunkSize;
    this.#append(
      this.#writer.encode(chunkStreamId, messageTypeId, this.#mapped(messageStreamId), timestamp, payload),
    );
  }

  /** What is to be written now, in this order. */
  take(): Uint8Array[] {
    this.#flushSmall();
    const out = this.#out;
    this.#out = [];
    return out;
  }

  onMessageBegin(message: MessageHeader): void {
    if (!this.#open || isAssembled(message.messageTypeId)) {
      this.#assembler.onMessageBegin(message);
      return;
    }
    const { chunkStreamId, messageTypeId, messageStreamId, timestamp, length } = message;
    this.#append(
      messageHeader(chunkStreamId, messageTypeId, this.#mapped(messageStreamId), timestamp, length),
    );
    this.#passing.set(chunkStreamId, {
      left: this.reader.chunkSize,
      next: continuationHeader(chunkStreamId, timestamp),
    });
  }

  onMessagePayload(message: MessageHeader, bytes: Uint8Array, start: number, end: number): void {
    const passing = this.#passing.get(message.chunkStreamId);
    if (!passing) {
      this.#assembler.onMessagePayload(message, bytes, start, end);
      return;
    }
    if (passing.left === 0) {
      this.#append(passing.next);
      passing.left = this.reader.chunkSize;
    }
    passing.left -= end - start;
    this.#append(bytes.subarray(start, end));
  }

  onMessageEnd(message: MessageHeader): void {
    if (!this.#passing.delete(message.chunkStreamId)) this.#assembler.onMessageEnd(message);
  }

  onMessageAbort(message: MessageHeader): void {
    if (!this.#passing.delete(message.chunkStreamId)) this.#assembler.onMessageAbort(message);
  }

  #mapped(messageStreamId: number): number {
    return messageStreamId === this.#from ? this.#to : messageStreamId;
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length < COPY_BELOW) {
      this.#small.push(bytes);
      this.#smallBytes += bytes.length;
      return;
    }
    this.#flushSmall();
    this.#out.push(bytes);
  }

  #flushSmall(): void {
    if (this.#smallBytes === 0) return;
    this.#out.push(this.#small.length === 1 ? this.#small[0]! : Buffer.concat(this.#small, this.#smallBytes));
    this.#small = [];
    this.#smallBytes = 0;
  }
}

/** Rare, small, and of interest to the proxy. */
function isAssembled(messageTypeId: number): boolean {
  return (
    messageTypeId === MessageTypeId.CommandAmf0 ||
    messageTypeId === MessageTypeId.CommandAmf3 ||
    messageTypeId === MessageTypeId.UserControl
  );
}
