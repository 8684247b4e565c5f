/**
 * An RTMP client for checks: one method per legal exchange, and beside them `raw` and the chunk writers for whatever
 * no client should send. It waits for what it asks for and keeps every message of the server.
 */
import type { AmfObject, AmfValue } from '../../protocols/amf0/amf0.ts';
import { ChunkReader } from '../../protocols/rtmp/chunk-reader.ts';
import { type Command, decodeCommand, encodeCommand } from '../../protocols/rtmp/commands.ts';
import { type Message, MessageAssembler } from '../../protocols/rtmp/message-assembler.ts';
import { type ChunkedMessage, ChunkStream, chunksOf, controlChunk, MessageType, uint32 } from './chunks.ts';
import {
  answersDigest,
  BLOCK_SIZE,
  type DigestScheme,
  digestC1,
  digestC2,
  echoMistakes,
  findDigest,
  RTMP_VERSION,
  simpleC1,
  simpleC2,
} from './handshake.ts';
import { WireError, WireErrorCode, WireSocket, type WireTarget, wallClock } from './socket.ts';

export interface WireMessage extends Message {
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface WireCommand extends Command {
  readonly at: number;
  readonly messageStreamId: number;
  /** Index in `messages`: the order in which the server sent. */
  readonly index: number;
}

export type HandshakeForm = 'simple' | DigestScheme;

/** `whole`: C0C1, then C2; `trickled`: every byte by itself; `coalesced`: C2 in one write with what follows it. */
export type HandshakeDelivery = 'whole' | 'trickled' | 'coalesced';

/** What the server answered to C0 and C1, verified without our own handshake codec. */
export interface HandshakeAnswer {
  readonly version: number;
  /** Bytes of S2 that do not echo C1; the four bytes of the time of reading are free. */
  readonly echoMistakes: number;
  /** S1 holds a digest that verifies. */
  readonly s1Digest: boolean;
  /** S2 ends with the digest that answers C1's. False for the simple form, whose C1 has none. */
  readonly s2Digest: boolean;
}

export interface HandshakeOptions {
  /** Default simple. */
  readonly form?: HandshakeForm;
  /** Default whole. */
  readonly delivery?: HandshakeDelivery;
  /** Sent right behind C2; with `coalesced` in the same write. */
  readonly followedBy?: Uint8Array;
}

/** What is kept of one server, in bytes of payload. A check watches seconds of a small stream. */
const KEPT_BYTES = 64 * 1024 * 1024;
const ANSWER_SIZE = 1 + 2 * BLOCK_SIZE;
/** One request, one answer, on loopback or LAN. SRS answers at once; a busy machine may take a while. */
const REPLY_WITHIN_MS = 3000;
const OUT_CHUNK_SIZE = 128;

export class WireRtmp {
  readonly socket: WireSocket;
  /** Everything the server sent after the handshake, in order. */
  readonly messages: WireMessage[] = [];
  readonly #target: WireTarget;
  readonly #reader: ChunkReader;
  #answer: Buffer<ArrayBuffer> = Buffer.alloc(0);
  #handshaken = false;
  #kept = 0;
  #problem: unknown;
  /** Of chunks that the legal methods send; `setChunkSize` changes it. */
  chunkSize = OUT_CHUNK_SIZE;

  private constructor(socket: WireSocket, target: WireTarget) {
    this.socket = socket;
    this.#target = target;
    this.#reader = new ChunkReader(new MessageAssembler((message) => this.#onMessage(message)));
    socket.onBytes = (bytes) => this.#onBytes(bytes);
  }

  /** TCP only. @throws WireError(Refused) */
  static async open(target: WireTarget): Promise<WireRtmp> {
    return new WireRtmp(await WireSocket.open(target), target);
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** C0 and C1; returns C1. */
  sendC0C1(form: HandshakeForm = 'simple'): Buffer {
    const c1 = form === 'simple' ? simpleC1() : digestC1(form);
    this.raw(Buffer.concat([Buffer.of(RTMP_VERSION), c1]));
    return c1;
  }

  /** The whole handshake. What the server answered is verified, not judged. @throws WireError */
  async handshake(options: HandshakeOptions = {}): Promise<HandshakeAnswer> {
    const { form = 'simple', delivery = 'whole', followedBy = Buffer.alloc(0) } = options;
    const c1 = form === 'simple' ? simpleC1() : digestC1(form);
    const c0c1 = Buffer.concat([Buffer.of(RTMP_VERSION), c1]);
    if (delivery === 'trickled') await this.socket.trickle(c0c1);
    else this.raw(c0c1);

    const answer = await this.serverAnswer();
    const s1 = answer.subarray(1, 1 + BLOCK_SIZE);
    const s2 = answer.subarray(1 + BLOCK_SIZE);
    const c1Digest = findDigest(c1, 'client')?.digest;
    const s1Digest = findDigest(s1, 'server')?.digest;
    const c2 = form === 'simple' || s1Digest === undefined ? simpleC2(s1, 0) : digestC2(s1Digest);
    if (delivery === 'trickled') {
      await this.socket.trickle(c2);
      this.raw(followedBy);
    } else if (delivery === 'coalesced') {
      this.raw(Buffer.concat([c2, followedBy]));
    } else {
      this.raw(c2);
      this.raw(followedBy);
    }
    return {
      version: answer[0]!,
      echoMistakes: echoMistakes(c1, s2),
      s1Digest: s1Digest !== undefined,
      s2Digest: c1Digest !== undefined && answersDigest(s2, 'server', c1Digest),
    };
  }

  /** S0, S1 and S2. */
  serverAnswer(): Promise<Buffer> {
    return this.socket.until('S0, S1 and S2', REPLY_WITHIN_MS, () =>
      this.#answer.length >= ANSWER_SIZE ? this.#answer : undefined,
    );
  }

  /** One message in as many chunks as `chunkSize` asks for. */
  message(message: ChunkedMessage): void {
    this.raw(Buffer.concat(chunksOf(message, this.chunkSize)));
  }

  /** Set Chunk Size, and from here on chunks of that size. */
  setChunkSize(size: number): void {
    this.raw(controlChunk(MessageType.setChunkSize, uint32(size), this.chunkSize));
    this.chunkSize = size;
  }

  command(
    name: string,
    transactionId: number,
    object: AmfValue,
    args: readonly AmfValue[],
    messageStreamId = 0,
  ): void {
    this.raw(this.commandBytes(name, transactionId, object, args, messageStreamId));
  }

  /** The chunks of a command, for those who send it together with something else. */
  commandBytes(
    name: string,
    transactionId: number,
    object: AmfValue,
    args: readonly AmfValue[],
    messageStreamId = 0,
  ): Buffer {
    const payload = encodeCommand({ name, transactionId, object, args: [...args] });
    const chunkStreamId = ChunkStream.command;
    const message = { chunkStreamId, type: MessageType.command, messageStreamId, time: 0, payload };
    return Buffer.concat(chunksOf(message, this.chunkSize));
  }

  connectBytes(app: string, transactionId = 1): Buffer {
    const tcUrl = `rtmp://${this.#target.host}:${this.#target.port}/${app}`;
    const object = { app, flashVer: 'FMLE/3.0 (compatible; liveproof)', tcUrl, objectEncoding: 0 };
    return this.commandBytes('connect', transactionId, object, []);
  }

  /** Sends connect and resolves with the answer. @throws WireError */
  async connect(app: string, transactionId = 1): Promise<WireCommand> {
    this.raw(this.connectBytes(app, transactionId));
    return await this.replyTo(transactionId);
  }

  /** Sends createStream and resolves with the id of the message stream. @throws WireError */
  async createStream(transactionId = 2): Promise<number> {
    this.command('createStream', transactionId, null, []);
    const reply = await this.replyTo(transactionId);
    const id = reply.args[0];
    if (reply.name === '_result' && typeof id === 'number') return id;
    throw new WireError(
      WireErrorCode.Closed,
      'a message stream',
      `${reply.name} ${JSON.stringify(reply.args)}`,
    );
  }

  /** Sends publish, as Flash does: without releaseStream and FCPublish before it. */
  publish(messageStreamId: number, stream: string, transactionId = 5): void {
    this.command('publish', transactionId, null, [stream, 'live'], messageStreamId);
  }

  play(messageStreamId: number, stream: string, transactionId = 4): void {
    this.command('play', transactionId, null, [stream], messageStreamId);
  }

  /** Handshake, connect, createStream, publish and NetStream.Publish.Start. @throws WireError */
  async startPublish(app: string, stream: string): Promise<number> {
    const id = await this.startStream(app);
    this.publish(id, stream);
    await this.status('NetStream.Publish.Start');
    return id;
  }

  /** Handshake, connect, createStream, play and NetStream.Play.Start. @throws WireError */
  async startPlay(app: string, stream: string): Promise<number> {
    const id = await this.startStream(app);
    this.play(id, stream);
    await this.status('NetStream.Play.Start');
    return id;
  }

  /** Handshake, connect, createStream. @throws WireError */
  async startStream(app: string): Promise<number> {
    await this.handshake();
    await this.connect(app);
    return await this.createStream();
  }

  /** Every command that came so far, decoded. */
  commands(): WireCommand[] {
    return this.messages.flatMap((message, index) =>
      message.messageTypeId === MessageType.command
        ? [
            {
              ...decodeCommand(message.payload),
              at: message.at,
              messageStreamId: message.messageStreamId,
              index,
            },
          ]
        : [],
    );
  }

  /** `_result` or `_error` to a transaction. @throws WireError */
  replyTo(transactionId: number): Promise<WireCommand> {
    return this.until(`the answer to transaction ${transactionId}`, REPLY_WITHIN_MS, () =>
      this.commands().find(
        ({ name, transactionId: id }) => (name === '_result' || name === '_error') && id === transactionId,
      ),
    );
  }

  /** An onStatus with this code, other than SRS's onFCPublish, which has the same code. @throws WireError */
  status(code: string, withinMs = REPLY_WITHIN_MS): Promise<WireCommand> {
    return this.until(code, withinMs, () => this.commands().find((command) => statusCode(command) === code));
  }

  /** See WireSocket.until. Rejects with ProtocolError when the server's bytes cannot be read. */
  until<T>(what: string, withinMs: number, probe: () => T | undefined): Promise<T> {
    return this.socket.until(what, withinMs, () => {
      if (this.#problem !== undefined) throw this.#problem;
      return probe();
    });
  }

  close(): void {
    this.socket.close();
  }

  #onBytes(bytes: Uint8Array): void {
    if (this.#problem !== undefined) return;
    try {
      if (!this.#handshaken) {
        const missing = ANSWER_SIZE - this.#answer.length;
        this.#answer = Buffer.concat([this.#answer, bytes.subarray(0, missing)]);
        this.#handshaken = this.#answer.length === ANSWER_SIZE;
        if (bytes.length > missing) this.#reader.push(bytes, missing, bytes.length);
      } else {
        this.#reader.push(bytes, 0, bytes.length);
      }
    } catch (error) {
      this.#problem = error;
    }
  }

  #onMessage(message: Message): void {
    this.#kept += message.payload.length;
    if (this.#kept > KEPT_BYTES) {
      throw new WireError(WireErrorCode.Flooded, `at most ${KEPT_BYTES} bytes`, `${this.#kept} bytes`);
    }
    this.messages.push({ ...message, at: wallClock() });
  }
}

/** A field of the information object of a status or an answer, when it is text. */
export function infoOf(info: AmfValue, field: 'code' | 'level'): string | undefined {
  if (typeof info !== 'object' || info === null || !(field in info)) return undefined;
  const value = (info as AmfObject)[field];
  return typeof value === 'string' ? value : undefined;
}

/** `code` of an onStatus. */
export function statusCode(command: Command): string | undefined {
  return command.name === 'onStatus' ? infoOf(command.args[0], 'code') : undefined;
}
