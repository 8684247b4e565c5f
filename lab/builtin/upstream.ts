/** An edge's connection to an origin: connect, createStream, then play or publish (facts/srs.md 1.3, 1.7). */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { ChunkReader } from '../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import {
  type Command,
  connectCommand,
  createStreamCommand,
  decodeCommand,
  encodeCommand,
  playCommand,
  publishCommand,
  redirectOf,
} from '../../protocols/rtmp/commands.ts';
import { ClientHandshake } from '../../protocols/rtmp/handshake.ts';
import { type Message, MessageAssembler } from '../../protocols/rtmp/message-assembler.ts';
import {
  AcknowledgementWindow,
  ChunkStreamId,
  decodeControlValue,
  decodeUserControl,
  encodeAck,
  encodeSetChunkSize,
  encodeUserControl,
  encodeWindowAckSize,
  MessageTypeId,
  UserControlEvent,
} from '../../protocols/rtmp/messages.ts';
import { API_VERSION, CHUNK_SIZE, SERVER_NAME, WINDOW_ACK_SIZE } from './constants.ts';

export interface UpstreamTarget {
  readonly host: string;
  readonly port: number;
  readonly app: string;
  /** With its query. */
  readonly streamName: string;
  /** The virtual host that tcUrl names in place of `host` (facts/srs.md 1.3). Default none. */
  readonly vhost?: string | undefined;
}

export interface UpstreamOptions {
  readonly target: UpstreamTarget;
  readonly use: 'play' | 'publish';
  /** Source address: origins tell edges apart by it (facts/srs.md 3.4). */
  readonly localAddress: string;
  /** For TCP, for each answer, and for silence after play. */
  readonly timeoutMs: number;
  /** Names this connection in the arguments of connect. */
  readonly id: string;
}

export interface UpstreamEvents {
  /** play or publish has been sent. */
  onStarted(): void;
  /** Media of a played stream. */
  onMessage(message: Message): void;
  /** `location` names the stream, too. */
  onRedirect(location: string): void;
  /** Everything that was written has been taken. */
  onDrain?(): void;
  /** Exactly once, also after `close`. */
  onClosed(reason: string): void;
}

const TransactionId = { connect: 1, createStream: 2, play: 0 } as const;
/** What an SRS edge asks for: 1 s. */
const BUFFER_LENGTH_MS = 1000;

export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #events: UpstreamEvents;
  readonly #socket: Socket;
  readonly #handshake = new ClientHandshake({ form: 'simple', random: (n) => randomBytes(n) });
  readonly #reader: ChunkReader;
  readonly #writer = new ChunkWriter();
  readonly #window = new AcknowledgementWindow();
  #shaken = false;
  #messageStreamId = 0;
  #reason = 'closed by the origin';
  #closing = false;

  constructor(options: UpstreamOptions, events: UpstreamEvents) {
    this.#options = options;
    this.#events = events;
    this.#reader = new ChunkReader(new MessageAssembler((message) => this.#onMessage(message)));
    const { host, port } = options.target;
    this.#socket = connect({ host, port, localAddress: options.localAddress, noDelay: true });
    this.#socket.setTimeout(options.timeoutMs, () => this.#fail(`silent for ${options.timeoutMs} ms`));
    this.#socket.on('connect', () => this.#socket.write(this.#handshake.start()));
    this.#socket.on('data', (bytes) => this.#onData(bytes));
    this.#socket.on('drain', () => events.onDrain?.());
    this.#socket.on('error', (error) => {
      this.#reason = error.message;
    });
    this.#socket.on('close', () => events.onClosed(this.#reason));
  }

  /** Bytes that the origin has not taken yet. */
  get queued(): number {
    return this.#socket.writableLength;
  }

  /** Passes a publisher's message on as it came. */
  send(message: Message): void {
    if (this.#closing || !this.#socket.writable) return;
    const { chunkStreamId, messageTypeId, timestamp, payload } = message;
    this.#socket.write(
      this.#writer.encode(chunkStreamId, messageTypeId, this.#messageStreamId, timestamp, payload),
    );
  }

  /** Ends the connection; `onClosed` comes when the origin has seen the end, or after `graceMs`. */
  close(reason: string, graceMs: number): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#reason = reason;
    if (this.#socket.connecting || graceMs === 0) {
      this.#socket.destroy();
      return;
    }
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), graceMs);
    this.#socket.on('close', () => clearTimeout(timer));
  }

  #fail(reason: string): void {
    this.#reason = reason;
    this.#closing = true;
    this.#socket.destroy();
  }

  #onData(bytes: Buffer): void {
    if (this.#closing) return;
    try {
      let start = 0;
      if (!this.#shaken) {
        const { consumed, send, done } = this.#handshake.push(bytes, 0, bytes.length);
        if (send) this.#socket.write(send);
        start = consumed;
        this.#shaken = done;
        if (done) this.#connect();
      }
      if (start < bytes.length) this.#reader.push(bytes, start, bytes.length);
      const due = this.#window.received(bytes.length);
      if (due !== undefined) this.#control(MessageTypeId.Acknowledgement, encodeAck(due));
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #connect(): void {
    const { target, id } = this.#options;
    this.#command(
      0,
      connectCommand({
        app: target.app,
        tcUrl: `rtmp://${target.vhost ?? target.host}:${target.port}/${target.app}`,
        transactionId: TransactionId.connect,
        properties: { flashVer: 'WIN 15,0,0,239', swfUrl: '', pageUrl: '' },
        args: [
          {
            srs_sig: SERVER_NAME,
            srs_server: SERVER_NAME,
            srs_version: API_VERSION.version,
            srs_pid: process.pid,
            srs_id: id,
            srs_server_ip: this.#options.localAddress,
          },
        ],
      }),
    );
  }

  #onMessage(message: Message): void {
    if (this.#closing) return;
    switch (message.messageTypeId) {
      case MessageTypeId.WindowAckSize:
        this.#window.size = decodeControlValue(message.payload);
        return;
      case MessageTypeId.UserControl: {
        const { event, a } = decodeUserControl(message.payload);
        if (event === UserControlEvent.PingRequest) {
          this.#control(MessageTypeId.UserControl, encodeUserControl(UserControlEvent.PingResponse, a));
        }
        return;
      }
      case MessageTypeId.CommandAmf0:
      case MessageTypeId.CommandAmf3:
        this.#onCommand(decodeCommand(message.payload));
        return;
      default:
        this.#events.onMessage(message);
    }
  }

  #onCommand(command: Command): void {
    const redirect = redirectOf(command);
    if (redirect) {
      const { location, withStream } = redirect;
      this.#events.onRedirect(withStream ? location : `${location}/${this.#options.target.streamName}`);
    } else if (command.name === '_error') this.#fail('refused by the origin');
    else if (command.name === '_result') this.#onResult(command);
  }

  #onResult({ transactionId, args }: Command): void {
    if (transactionId === TransactionId.connect) {
      this.#control(MessageTypeId.WindowAckSize, encodeWindowAckSize(WINDOW_ACK_SIZE));
      this.#command(0, createStreamCommand(TransactionId.createStream));
    } else if (transactionId === TransactionId.createStream) {
      this.#messageStreamId = typeof args[0] === 'number' ? args[0] : 1;
      this.#start();
    }
  }

  #start(): void {
    const { use, target } = this.#options;
    if (use === 'play') {
      this.#command(this.#messageStreamId, playCommand(TransactionId.play, target.streamName));
      this.#control(
        MessageTypeId.UserControl,
        encodeUserControl(UserControlEvent.SetBufferLength, this.#messageStreamId, BUFFER_LENGTH_MS),
      );
    } else {
      this.#command(this.#messageStreamId, publishCommand(TransactionId.play, target.streamName));
      // The origin is silent from here on; its silence means nothing.
      this.#socket.setTimeout(0);
    }
    this.#control(MessageTypeId.SetChunkSize, encodeSetChunkSize(CHUNK_SIZE));
    this.#writer.chunkSize = CHUNK_SIZE;
    this.#events.onStarted();
  }

  #command(messageStreamId: number, command: Command): void {
    this.#write(ChunkStreamId.Command, MessageTypeId.CommandAmf0, messageStreamId, encodeCommand(command));
  }

  #control(messageTypeId: number, payload: Uint8Array): void {
    this.#write(ChunkStreamId.Control, messageTypeId, 0, payload);
  }

  #write(chunkStreamId: number, messageTypeId: number, messageStreamId: number, payload: Uint8Array): void {
    if (!this.#socket.writable) return;
    this.#socket.write(this.#writer.encode(chunkStreamId, messageTypeId, messageStreamId, 0, payload));
  }
}
