/** The proxy's connection to an origin on behalf of one RTMP client: everything that the client said, said again. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { ChunkWriter } from '../../../protocols/rtmp/chunk-writer.ts';
import { type Command, decodeCommand } from '../../../protocols/rtmp/commands.ts';
import { ClientHandshake, type HandshakeForm } from '../../../protocols/rtmp/handshake.ts';
import type { Message } from '../../../protocols/rtmp/message-assembler.ts';
import {
  AcknowledgementWindow,
  ChunkStreamId,
  decodeControlValue,
  encodeAck,
  encodeSetChunkSize,
  encodeWindowAckSize,
  MessageTypeId,
} from '../../../protocols/rtmp/messages.ts';
import { hmacSha256 } from '../rtmp-connection.ts';
import { ChunkRelay } from './chunk-relay.ts';
import type { Endpoint } from './load-balancer.ts';

export interface BackendRequest {
  readonly endpoint: Endpoint;
  readonly form: HandshakeForm;
  /** connect and what came after it, as the client sent it, in its order; the last is play or publish. */
  readonly commands: readonly Message[];
  /** Of createStream among these. */
  readonly createStreamId: number;
  /** Of what the client sends, in bytes: its messages will pass in chunks of that size. */
  readonly clientChunkSize: number;
  /** What the client wants to be acknowledged; 0 when it did not say. */
  readonly clientWindow: number;
  /** For TCP. */
  readonly connectMs: number;
  /** For each answer. */
  readonly replyMs: number;
}

export interface BackendEvents {
  /** play or publish has been sent on this message stream; from now on messages come. */
  onReady(messageStreamId: number): void;
  /** `relay.take()` has something to write; only after `onReady`. */
  onData(bytes: number): void;
  /** A command or user control message, after `onReady`. */
  onMessage(message: Message): void;
  /** connect or createStream was refused. */
  onRefused(command: Command): void;
  onDrain(): void;
  /** Once, unless it was closed before. `reached`: it had answered connect. */
  onClosed(reason: string, reached: boolean): void;
}

const Stage = {
  handshake: 'handshake',
  connect: 'connect',
  createStream: 'createStream',
  ready: 'ready',
  closed: 'closed',
} as const;
type Stage = (typeof Stage)[keyof typeof Stage];

export class RtmpBackend {
  readonly socket: Socket;
  /** From the origin to the client. */
  readonly relay: ChunkRelay;
  /** Of what is written to the origin until chunks are relayed. */
  readonly writer = new ChunkWriter();
  /** What the origin wants to be acknowledged. */
  readonly window = new AcknowledgementWindow();
  readonly #request: BackendRequest;
  readonly #events: BackendEvents;
  readonly #handshake: ClientHandshake;
  #stage: Stage = Stage.handshake;
  #reason = 'closed by the origin';
  #timer: NodeJS.Timeout;

  constructor(request: BackendRequest, events: BackendEvents) {
    this.#request = request;
    this.#events = events;
    this.#handshake = new ClientHandshake({
      form: request.form,
      random: (n) => randomBytes(n),
      hmac: hmacSha256,
    });
    this.relay = new ChunkRelay({ onMessage: (message) => this.#onMessage(message) });
    this.#timer = setTimeout(() => this.#fail(`no connection in ${request.connectMs} ms`), request.connectMs);
    const { host, port } = request.endpoint;
    this.socket = connect({ host, port, noDelay: true });
    this.socket.on('connect', () => this.#onConnected());
    this.socket.on('data', (bytes) => this.#onData(bytes));
    this.socket.on('drain', () => events.onDrain());
    this.socket.on('error', (error) => {
      this.#reason = error.message;
    });
    this.socket.on('close', () => this.#onClose());
  }

  get ready(): boolean {
    return this.#stage === Stage.ready;
  }

  /** Says nothing any more; what was written still goes out when `flush`. */
  close(flush: boolean): void {
    if (this.#stage === Stage.closed) return;
    const connected = !this.socket.connecting;
    this.#stage = Stage.closed;
    clearTimeout(this.#timer);
    if (flush && connected) this.socket.destroySoon();
    else this.socket.destroy();
  }

  #onConnected(): void {
    const { replyMs } = this.#request;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(`no answer in ${replyMs} ms to ${this.#stage}`), replyMs);
    this.socket.write(this.#handshake.start());
  }

  #fail(reason: string): void {
    this.#reason = reason;
    this.socket.destroy();
  }

  #onClose(): void {
    clearTimeout(this.#timer);
    const stage = this.#stage;
    if (stage === Stage.closed) return;
    this.#stage = Stage.closed;
    this.#events.onClosed(this.#reason, stage === Stage.createStream || stage === Stage.ready);
  }

  #onData(bytes: Buffer): void {
    if (this.#stage === Stage.closed) return;
    try {
      const start = this.#stage === Stage.handshake ? this.#shakeHands(bytes) : 0;
      if (start < bytes.length) this.relay.reader.push(bytes, start, bytes.length);
    } catch (error) {
      this.#fail(`malformed: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    if (this.ready) this.#events.onData(bytes.length);
    else this.#acknowledge(bytes.length);
  }

  #shakeHands(bytes: Buffer): number {
    const { consumed, send, done } = this.#handshake.push(bytes, 0, bytes.length);
    if (send) this.socket.write(send);
    if (done) {
      this.#advance(Stage.connect);
      this.#send(this.#request.commands[0]!);
    }
    return consumed;
  }

  /** Until the client acknowledges by itself. */
  #acknowledge(bytes: number): void {
    const due = this.window.received(bytes);
    if (due !== undefined) this.#control(MessageTypeId.Acknowledgement, encodeAck(due));
  }

  #advance(stage: Stage): void {
    this.#stage = stage;
    this.#timer.refresh();
  }

  #onMessage(message: Message): void {
    if (this.#stage === Stage.ready) this.#events.onMessage(message);
    else if (message.messageTypeId === MessageTypeId.WindowAckSize) {
      this.window.size = decodeControlValue(message.payload);
    } else if (isCommand(message)) this.#onAnswer(decodeCommand(message.payload));
  }

  #onAnswer(command: Command): void {
    const { name, transactionId, args } = command;
    if (name !== '_result' && name !== '_error') return;
    const awaited =
      this.#stage === Stage.connect
        ? decodeCommand(this.#request.commands[0]!.payload).transactionId
        : this.#request.createStreamId;
    if (transactionId !== awaited) return;
    if (name === '_error') {
      this.#events.onRefused(command);
      return;
    }
    if (this.#stage === Stage.connect) this.#prepare();
    else this.#start(typeof args[0] === 'number' ? args[0] : 1);
  }

  /** What the client said between connect and play or publish. */
  #prepare(): void {
    this.#advance(Stage.createStream);
    if (this.#request.clientWindow > 0) {
      this.#control(MessageTypeId.WindowAckSize, encodeWindowAckSize(this.#request.clientWindow));
    }
    const { clientChunkSize } = this.#request;
    if (clientChunkSize !== this.writer.chunkSize) {
      this.#control(MessageTypeId.SetChunkSize, encodeSetChunkSize(clientChunkSize));
      this.writer.chunkSize = clientChunkSize;
    }
    for (const message of this.#request.commands.slice(1, -1)) this.#send(message);
  }

  #start(messageStreamId: number): void {
    this.#stage = Stage.ready;
    clearTimeout(this.#timer);
    const last = this.#request.commands.at(-1)!;
    this.#send({ ...last, messageStreamId });
    this.#events.onReady(messageStreamId);
  }

  #control(messageTypeId: number, payload: Uint8Array): void {
    this.#send({
      chunkStreamId: ChunkStreamId.Control,
      messageTypeId,
      messageStreamId: 0,
      timestamp: 0,
      payload,
    });
  }

  #send({ chunkStreamId, messageTypeId, messageStreamId, payload }: Message): void {
    if (!this.socket.writable) return;
    this.socket.write(this.writer.encode(chunkStreamId, messageTypeId, messageStreamId, 0, payload));
  }
}

export function isCommand({ messageTypeId }: Message): boolean {
  return messageTypeId === MessageTypeId.CommandAmf0 || messageTypeId === MessageTypeId.CommandAmf3;
}
