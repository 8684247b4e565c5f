/** One RTMP client through the proxy: who it is, its origin, and messages both ways until either has gone. */
import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import { type AmfValue, isAmfObject } from '../../../protocols/amf0/amf0.ts';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { type Command, decodeCommand, encodeCommand, onStatus } from '../../../protocols/rtmp/commands.ts';
import type { Message } from '../../../protocols/rtmp/message-assembler.ts';
import {
  ChunkStreamId,
  decodeUserControl,
  encodeWindowAckSize,
  MessageTypeId,
  UserControlEvent,
} from '../../../protocols/rtmp/messages.ts';
import { closeSoon } from '../close-soon.ts';
import { MESSAGE_STREAM_ID, WINDOW_ACK_SIZE } from '../constants.ts';
import { ChunkRelay } from './chunk-relay.ts';
import type { ProxyContext } from './context.ts';
import { type Backend, Refusal } from './load-balancer.ts';
import { isCommand, RtmpBackend } from './rtmp-backend.ts';
import { RtmpClient } from './rtmp-client.ts';
import { identify, type RtmpIdentity, withoutToken } from './rtmp-identity.ts';

/** Origins that a publisher is offered to, one after the other, when they cannot be reached. */
const MAX_ORIGINS = 3;

const State = {
  identifying: 'identifying',
  /** The origin is being picked and asked; nothing is read from the client. */
  connecting: 'connecting',
  relaying: 'relaying',
  closed: 'closed',
} as const;
type State = (typeof State)[keyof typeof State];

export class RtmpSession {
  readonly #context: ProxyContext;
  readonly #socket: Socket;
  readonly #client: RtmpClient;
  /** From the client to the origin. */
  readonly #relay: ChunkRelay;
  readonly #onEnd: () => void;
  #state: State = State.identifying;
  readonly #stalled: NodeJS.Timeout;
  #identity: RtmpIdentity | undefined;
  /** What the client sent behind play or publish before its origin was there; it is not read any further. */
  readonly #early: Message[] = [];
  #origin: RtmpBackend | undefined;
  #originStreamId = MESSAGE_STREAM_ID;
  #release: (() => void) | undefined;

  /** @param onEnd called once: nothing is held any more. */
  constructor(context: ProxyContext, socket: Socket, onEnd: () => void) {
    this.#context = context;
    this.#socket = socket;
    this.#onEnd = onEnd;
    this.#client = new RtmpClient(socket, (request) => this.#onRequest(request));
    this.#relay = new ChunkRelay({ onMessage: (message) => this.#onClientMessage(message) });
    this.#stalled = setTimeout(() => this.close(`stalled in ${this.#state}`), context.timeouts.handshake);
    socket.on('data', (bytes) => this.#onData(bytes));
    socket.on('drain', () => this.#origin?.socket.resume());
    socket.on('error', () => {});
    socket.on('close', () => this.#onClientGone());
  }

  /** What was written to the client before still arrives. */
  close(reason: string): void {
    if (this.#state === State.closed) return;
    this.#context.log(`rtmp ${this.#identity?.shown ?? 'client'} closed: ${reason}`);
    this.#leave();
    closeSoon(this.#socket);
  }

  #onClientGone(): void {
    if (this.#state === State.closed) return;
    if (this.#context.mutants.has('proxy-keeps-backend')) {
      this.#state = State.closed;
      return;
    }
    this.#leave();
  }

  #leave(): void {
    this.#state = State.closed;
    clearTimeout(this.#stalled);
    this.#release?.();
    if (this.#origin) {
      this.#origin.close(true);
      closeSoon(this.#origin.socket);
    }
    this.#onEnd();
  }

  #onData(bytes: Buffer): void {
    if (this.#state === State.closed) return;
    this.#context.metrics.bytes('rtmp', 'up', bytes.length);
    try {
      const start = this.#client.shaken ? 0 : this.#client.shakeHands(bytes);
      if (start < bytes.length) this.#relay.reader.push(bytes, start, bytes.length);
    } catch (error) {
      this.#context.metrics.error('rtmp', 'malformed');
      this.close(error instanceof ProtocolError ? error.message : inspect(error));
      this.#socket.destroy();
      return;
    }
    if (this.#state === State.relaying) this.#flushUp();
    else this.#client.acknowledge(bytes.length);
  }

  #onClientMessage(message: Message): void {
    switch (this.#state) {
      case State.identifying:
        this.#client.onMessage(message);
        return;
      case State.connecting:
        this.#early.push(message);
        return;
      case State.relaying:
        this.#pass(message);
    }
  }

  #onRequest(request: Command): void {
    const { mutants } = this.#context;
    const identity = identify(this.#client.connectCommand, request);
    if (!identity)
      throw new ProtocolError(ProtocolErrorCode.RtmpCommand, 'an app and a stream name', request.name);
    const commands = this.#client.commands;
    commands.push(withoutToken(commands.pop()!, request, mutants));
    this.#identity = identity;
    this.#state = State.connecting;
    this.#socket.pause();
    if (mutants.has('proxy-status-early')) this.#sayStarted(identity.use);
    this.#find(identity).catch((error: unknown) => this.#refuse(error));
  }

  #refuse(error: unknown): void {
    if (this.#state === State.closed) return;
    const description = error instanceof Error ? error.message : String(error);
    this.#context.metrics.error('rtmp', error instanceof Refusal ? error.code : 'unreachable');
    this.#client.refuse({ code: 'NetStream.Failed', description });
    this.close(description);
  }

  /** A player stays with the origin of its stream; a publisher whose origin cannot be reached gets another. */
  async #find({ streamUrl, use }: RtmpIdentity): Promise<void> {
    const { balancer } = this.#context;
    let backend: Backend = await balancer.pick(streamUrl, { protocol: 'rtmp' });
    for (let tried = 1; this.#isOpen(); tried++) {
      const failure = await this.#open(backend);
      if (failure === undefined) {
        if (this.#isOpen()) this.#stayWith(streamUrl, backend);
        return;
      }
      this.#context.log(`rtmp origin ${backend.id} of ${this.#identity?.shown}: ${failure}`);
      if (use === 'play' || tried === MAX_ORIGINS) throw new Error(`the origin of the stream: ${failure}`);
      backend = await balancer.pick(streamUrl, { protocol: 'rtmp', instead: backend });
    }
  }

  /** An origin that freezes keeps the connection: whoever is served by it has to come back. */
  #stayWith(streamUrl: string, backend: Backend): void {
    const { balancer, deadOrigins } = this.#context;
    const release = balancer.hold(streamUrl, backend);
    const unwatch = deadOrigins.watch(backend, () => this.close(`origin ${backend.id} is dead`));
    this.#release = () => {
      unwatch();
      release();
    };
  }

  #isOpen(): boolean {
    return this.#state !== State.closed;
  }

  /** Resolves with undefined when messages pass or the client has gone, else with why the origin cannot be reached. */
  #open(backend: Backend): Promise<string | undefined> {
    if (!this.#isOpen()) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const origin = new RtmpBackend(
        {
          endpoint: backend.rtmp,
          form: this.#client.form,
          commands: this.#client.commands,
          createStreamId: this.#client.createStreamId!,
          clientChunkSize: this.#relay.reader.chunkSize,
          clientWindow: this.#client.window.size,
          connectMs: this.#context.timeouts.connect,
          replyMs: this.#context.timeouts.reply,
        },
        {
          onReady: (messageStreamId) => {
            this.#begin(origin, messageStreamId);
            resolve(undefined);
          },
          onData: (bytes) => {
            this.#context.metrics.bytes('rtmp', 'down', bytes);
            this.#flushDown(origin);
          },
          onMessage: (message) => this.#onOriginMessage(origin, message),
          onRefused: (command) => {
            resolve(undefined);
            this.#onRefused(command);
          },
          onDrain: () => {
            if (this.#state === State.relaying) this.#socket.resume();
          },
          onClosed: (reason, reached) => {
            if (reached) {
              resolve(undefined);
              this.close(`origin: ${reason}`);
            } else resolve(reason);
          },
        },
      );
      this.#origin = origin;
    });
  }

  /** The origin's own words, in the place where the client listens for them: its connect has been answered before. */
  #onRefused({ args }: Command): void {
    const said = args.find(isAmfObject) as Record<string, AmfValue> | undefined;
    this.#client.command(ChunkStreamId.StreamCommand, MESSAGE_STREAM_ID, {
      name: 'onStatus',
      transactionId: 0,
      object: null,
      args: [
        {
          code: 'NetConnection.Connect.Rejected',
          description: 'refused by the origin',
          ...said,
          level: 'error',
        },
      ],
    });
    this.#context.metrics.error('rtmp', 'refused');
    this.close('refused by the origin');
  }

  #begin(origin: RtmpBackend, messageStreamId: number): void {
    this.#state = State.relaying;
    clearTimeout(this.#stalled);
    this.#originStreamId = messageStreamId;
    this.#relay.begin(origin.writer.chunkSize, MESSAGE_STREAM_ID, messageStreamId);
    origin.relay.begin(this.#client.writer.chunkSize, messageStreamId, MESSAGE_STREAM_ID);
    if (origin.window.size > 0 && origin.window.size !== WINDOW_ACK_SIZE) {
      origin.relay.put(control(MessageTypeId.WindowAckSize, encodeWindowAckSize(origin.window.size)));
    }
    for (const message of this.#early.splice(0)) this.#pass(message);
    this.#flushUp();
    this.#flushDown(origin);
    if (!origin.socket.writableNeedDrain) this.#socket.resume();
  }

  /** Commands and user control messages of the client, and whatever came early. */
  #pass(message: Message): void {
    if (isCommand(message)) {
      const command = decodeCommand(message.payload);
      if (command.name === 'play' || command.name === 'publish') this.#stayWithStream(command);
      if (command.name === 'deleteStream' && this.#originStreamId !== MESSAGE_STREAM_ID) {
        const payload = encodeCommand({ ...command, args: [this.#originStreamId] });
        this.#relay.put({ ...message, payload });
        return;
      }
    }
    this.#relay.put(this.#renumbered(message, MESSAGE_STREAM_ID, this.#originStreamId));
  }

  /** Another stream may belong to another origin; who wants it on the same connection has to come again. */
  #stayWithStream(request: Command): void {
    const identity = identify(this.#client.connectCommand, request);
    if (identity?.streamUrl === this.#identity?.streamUrl) return;
    throw new ProtocolError(
      ProtocolErrorCode.RtmpCommand,
      `${this.#identity?.shown} on this connection`,
      identity?.shown ?? 'no stream',
    );
  }

  #onOriginMessage(origin: RtmpBackend, message: Message): void {
    origin.relay.put(this.#renumbered(message, this.#originStreamId, MESSAGE_STREAM_ID));
  }

  /** User control messages name the message stream in their payload. */
  #renumbered(message: Message, from: number, to: number): Message {
    if (from === to || message.messageTypeId !== MessageTypeId.UserControl) return message;
    const { event, a } = decodeUserControl(message.payload);
    if (event > UserControlEvent.StreamIsRecorded || a !== from) return message;
    const payload = message.payload.slice();
    new DataView(payload.buffer).setUint32(2, to);
    return { ...message, payload };
  }

  #flushUp(): void {
    const origin = this.#origin!;
    if (!write(origin.socket, this.#relay.take())) this.#socket.pause();
  }

  #flushDown(origin: RtmpBackend): void {
    if (!write(this.#socket, origin.relay.take())) origin.socket.pause();
  }

  #sayStarted(use: RtmpIdentity['use']): void {
    const code = use === 'play' ? 'NetStream.Play.Start' : 'NetStream.Publish.Start';
    const status = onStatus({
      level: 'status',
      code,
      description: 'Started.',
      details: 'stream',
      clientid: 'ASAICiss',
    });
    this.#client.command(ChunkStreamId.StreamCommand, MESSAGE_STREAM_ID, status);
  }
}

/** Returns whether more may follow. */
function write(socket: Socket, pieces: readonly Uint8Array[]): boolean {
  if (!socket.writable || pieces.length === 0) return true;
  if (pieces.length > 1) socket.cork();
  for (const piece of pieces) socket.write(piece);
  if (pieces.length > 1) socket.uncork();
  return !socket.writableNeedDrain;
}

function control(messageTypeId: number, payload: Uint8Array): Message {
  return { chunkStreamId: ChunkStreamId.Control, messageTypeId, messageStreamId: 0, timestamp: 0, payload };
}
