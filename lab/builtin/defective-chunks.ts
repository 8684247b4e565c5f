/** The mutants that misread chunks: a sink between the chunk reader and the one that makes messages of them. */
import type { ChunkReader, ChunkSink, MessageHeader } from '../../protocols/rtmp/chunk-reader.ts';
import { MessageTypeId } from '../../protocols/rtmp/messages.ts';
import type { Mutants } from './mutants.ts';

export function misreadsChunks(mutants: Mutants): boolean {
  return (
    mutants.has('rtmp-chunk-size-ignored') ||
    mutants.has('rtmp-chunk-size-at-next-message') ||
    mutants.has('rtmp-interleaving-mixed')
  );
}

export class DefectiveChunkSink implements ChunkSink {
  /** Set right after construction; the reader needs its sink first. */
  reader: ChunkReader | undefined;
  readonly #sink: ChunkSink;
  readonly #mutants: Mutants;
  /** Media and command messages that have begun, in order, with the bytes still to come. */
  readonly #open = new Map<MessageHeader, number>();
  #chunkSize = 0;
  #chunkSizes = 0;
  #later = 0;

  constructor(sink: ChunkSink, mutants: Mutants) {
    this.#sink = sink;
    this.#mutants = mutants;
  }

  onMessageBegin(message: MessageHeader): void {
    if (message.messageTypeId === MessageTypeId.SetChunkSize) this.#chunkSize = this.reader!.chunkSize;
    else this.#open.set(message, message.length);
    this.#sink.onMessageBegin(message);
  }

  onMessagePayload(message: MessageHeader, bytes: Uint8Array, start: number, end: number): void {
    const last = this.#mutants.has('rtmp-interleaving-mixed') ? [...this.#open.keys()].at(-1) : undefined;
    const taker = last ?? message;
    const room = this.#open.get(taker);
    if (room === undefined) {
      this.#sink.onMessagePayload(message, bytes, start, end);
      return;
    }
    const taken = Math.min(room, end - start);
    this.#open.set(taker, room - taken);
    if (taken > 0) this.#sink.onMessagePayload(taker, bytes, start, start + taken);
  }

  onMessageEnd(message: MessageHeader): void {
    if (message.messageTypeId === MessageTypeId.SetChunkSize) this.#onChunkSize();
    else this.#open.delete(message);
    this.#sink.onMessageEnd(message);
    if (this.#later > 0 && this.#open.size === 0) {
      this.reader!.chunkSize = this.#later;
      this.#later = 0;
    }
  }

  onMessageAbort(message: MessageHeader): void {
    this.#open.delete(message);
    this.#sink.onMessageAbort?.(message);
  }

  #onChunkSize(): void {
    const reader = this.reader!;
    this.#chunkSizes++;
    if (this.#mutants.has('rtmp-chunk-size-ignored') && this.#chunkSizes > 1) {
      reader.chunkSize = this.#chunkSize;
    } else if (this.#mutants.has('rtmp-chunk-size-at-next-message') && this.#open.size > 0) {
      this.#later = reader.chunkSize;
      reader.chunkSize = this.#chunkSize;
    }
  }
}
