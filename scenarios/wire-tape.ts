/** The first and the last of what a client sent and received, in hex and as what it means. */
import type { ByteStrip, ByteTape, PacketForm } from '../drivers/client.ts';
import { ChunkReader, type MessageHeader } from '../protocols/rtmp/chunk-reader.ts';
import { decodeCommand } from '../protocols/rtmp/commands.ts';
import { MessageTypeId } from '../protocols/rtmp/messages.ts';
import { ExchangeTape } from './exchange-tape.ts';
import { hexOf } from './hex.ts';
import { PacketTape } from './packet-tape.ts';

/** Kept of the beginning, and as much of the end, of each direction. */
const KEPT_BYTES = 4096;
/** C0 C1 C2, and S0 S1 S2: RTMP 1.0 section 5.2. */
const HANDSHAKE_BYTES = 1 + 2 * 1536;
const LONGEST_COMMAND = 16 * 1024;

/** One direction. */
class Strip {
  total = 0;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);

  add(bytes: Uint8Array, length: number): void {
    const missing = KEPT_BYTES - this.#head.length;
    if (missing > 0) this.#head = Buffer.concat([this.#head, bytes.subarray(0, Math.min(missing, length))]);
    const from = Math.max(Math.min(length, Math.max(0, missing)), length - KEPT_BYTES);
    if (from < length)
      this.#tail = Buffer.concat([this.#tail, bytes.subarray(from, length)]).subarray(-KEPT_BYTES);
    this.total += length;
  }

  get head(): Buffer {
    return this.#head;
  }

  get tail(): Buffer {
    return this.#tail;
  }
}

/**
 * Of one TCP connection the latest: a client that follows a redirect begins anew. Of many requests, and of packets, those
 * of the client's life.
 */
export class WireTape implements ByteTape {
  readonly url: string;
  #read = new Strip();
  #written = new Strip();
  readonly #exchanges: ExchangeTape;
  readonly #packets: PacketTape;

  /** @param now in ms. Default a monotonic clock. */
  constructor(url: string, now: () => number = () => performance.now()) {
    this.url = url;
    this.#exchanges = new ExchangeTape(now);
    this.#packets = new PacketTape(now);
  }

  opened(): void {
    this.#read = new Strip();
    this.#written = new Strip();
  }

  read(bytes: Uint8Array, length: number): void {
    this.#read.add(bytes, length);
  }

  wrote(bytes: Uint8Array): void {
    this.#written.add(bytes, bytes.length);
  }

  exchange(): ByteStrip {
    return this.#exchanges.begin();
  }

  packet(way: 'sent' | 'received', form: PacketForm, bytes: Uint8Array): void {
    this.#packets.add(way, form, bytes);
  }

  get isEmpty(): boolean {
    return !this.#isConnection && this.#exchanges.total + this.#packets.total === 0;
  }

  get #isConnection(): boolean {
    return this.#read.total + this.#written.total > 0;
  }

  describe(): string {
    return [
      ...(this.#isConnection
        ? [directionOf('sent', this.#written, this.url), directionOf('received', this.#read, this.url)]
        : []),
      ...(this.#exchanges.total > 0 ? [this.#exchanges.describe()] : []),
      ...(this.#packets.total > 0 ? [this.#packets.describe()] : []),
    ].join('\n');
  }
}

function directionOf(way: string, { total, head, tail }: Strip, url: string): string {
  const meaning = url.startsWith('rtmp') ? messagesIn(head) : headIn(head);
  const tailAt = total - tail.length;
  return [
    `-- ${way}: ${total} bytes`,
    ...meaning.map((line) => `   ${line}`),
    `-- ${way}, from byte 0`,
    hexOf(head, 0),
    ...(tail.length === 0 ? [] : [`-- ${way}, from byte ${tailAt}`, hexOf(tail, tailAt)]),
  ].join('\n');
}

/** The head of a request or an answer. */
function headIn(bytes: Buffer): string[] {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return bytes.length === 0 ? [] : ['no whole HTTP head'];
  return bytes.toString('latin1', 0, end).split('\r\n');
}

/** What follows the handshake: one line per message, of commands with what they say. */
function messagesIn(bytes: Buffer): string[] {
  if (bytes.length <= HANDSHAKE_BYTES) return [`handshake: ${bytes.length} of ${HANDSHAKE_BYTES} bytes`];
  const lines = [`handshake: ${HANDSHAKE_BYTES} bytes`];
  let payload: Buffer[] = [];
  const reader = new ChunkReader({
    onMessageBegin: () => {
      payload = [];
    },
    onMessagePayload: (_, piece, start, end) => {
      payload.push(Buffer.from(piece.subarray(start, end)));
    },
    onMessageEnd: (message) => {
      lines.push(lineOf(message, Buffer.concat(payload)));
    },
  });
  try {
    reader.push(bytes, HANDSHAKE_BYTES);
  } catch (error) {
    lines.push(`then no chunk: ${error instanceof Error ? error.message : String(error)}`);
  }
  return lines;
}

function lineOf(message: MessageHeader, payload: Buffer): string {
  const { chunkStreamId, messageTypeId, messageStreamId, timestamp, length } = message;
  const where = `chunk stream ${chunkStreamId}, message stream ${messageStreamId}, ${timestamp} ms, ${length} bytes`;
  return `type ${messageTypeId}: ${where}${messageTypeId === MessageTypeId.CommandAmf0 ? `: ${wordsOf(payload)}` : ''}`;
}

function wordsOf(payload: Buffer): string {
  if (payload.length > LONGEST_COMMAND) return 'too long to be shown';
  try {
    return JSON.stringify(decodeCommand(payload));
  } catch (error) {
    return `no command: ${error instanceof Error ? error.message : String(error)}`;
  }
}
