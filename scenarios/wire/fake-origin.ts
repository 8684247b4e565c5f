/**
 * An origin that is none, for checks of what stands in front of origins: it registers like one, remembers what comes to
 * it over HTTP and RTMP, and answers as the check says. On loopback, on ports of the system's choice.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { createServer as createHttpServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import { amfProperty } from '../../protocols/amf0/amf0.ts';
import { ChunkReader } from '../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import {
  type Command,
  decodeCommand,
  encodeCommand,
  onStatus,
  result,
} from '../../protocols/rtmp/commands.ts';
import { ServerHandshake } from '../../protocols/rtmp/handshake.ts';
import { type Message, MessageAssembler } from '../../protocols/rtmp/message-assembler.ts';
import { ChunkStreamId, MessageTypeId } from '../../protocols/rtmp/messages.ts';
import type { CheckContext } from '../check.ts';
import { requireReach } from './reach.ts';
import { wallClock } from './socket.ts';

/** Of requests and of bodies: a check asks some hundred times. */
const MAX_REQUESTS = 10_000;
const MESSAGE_STREAM = 1;

export interface SeenRequest {
  readonly method: string;
  /** As it came, with its query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

export interface FakeAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What a client wants, as an origin gets to know it. */
export interface SeenStream {
  readonly use: 'publish' | 'play';
  /** As it came, with its parameters. */
  readonly name: string;
  readonly app: string;
  readonly tcUrl: string;
  /** When it was let in or refused, epoch ms. */
  readonly answeredAt: number;
}

export interface FakeOriginOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default: 404 without content. */
  readonly answer?: (request: SeenRequest) => FakeAnswer;
  /** How it answers publish and play, and how many ms later. Default at once with NetStream.Publish.Start, or Play.Start. */
  readonly status?: (
    use: SeenStream['use'],
    name: string,
  ) => { readonly code: string; readonly afterMs: number };
}

export class FakeOrigin {
  readonly host: string;
  readonly requests: SeenRequest[] = [];
  readonly streams: SeenStream[] = [];
  readonly #http: Server;
  readonly #rtmp: NetServer;
  readonly #options: FakeOriginOptions;
  readonly #sockets = new Set<Socket>();

  private constructor(options: FakeOriginOptions) {
    this.#options = options;
    this.host = options.host ?? '127.0.0.1';
    this.#http = createHttpServer((request, response) => {
      const { method = '', url: target = '', headers } = request;
      const seen = { method, target, headers };
      if (this.requests.length < MAX_REQUESTS) this.requests.push(seen);
      request.resume();
      const { status, headers: fields = {}, body = '' } = options.answer?.(seen) ?? { status: 404 };
      response.writeHead(status, { 'Content-Length': Buffer.byteLength(body), ...fields });
      response.end(method === 'HEAD' ? '' : body);
    });
    this.#rtmp = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      new FakeRtmpPeer(socket, this.#options, this.streams);
    });
  }

  /** It is closed when the check ends. */
  static async listen(t: CheckContext, options: FakeOriginOptions = {}): Promise<FakeOrigin> {
    requireReach(t);
    const origin = new FakeOrigin(options);
    t.cleanUp(() => origin.close());
    await Promise.all([origin.#http, origin.#rtmp].map((server) => listening(server, origin.host)));
    return origin;
  }

  /** Of HTTP, which is that of its API, too. */
  get httpPort(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get rtmpPort(): number {
    return (this.#rtmp.address() as AddressInfo).port;
  }

  close(): void {
    this.#http.close();
    this.#http.closeAllConnections();
    this.#rtmp.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function listening(server: NetServer, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: 0 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** As much of an RTMP server as lets a client in: handshake, connect, createStream, one status. Media is thrown away. */
class FakeRtmpPeer {
  readonly #socket: Socket;
  readonly #options: FakeOriginOptions;
  readonly #streams: SeenStream[];
  readonly #handshake = new ServerHandshake({
    random: randomBytes,
    hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
  });
  readonly #writer = new ChunkWriter();
  readonly #reader: ChunkReader;
  #shaken = false;
  #app = '';
  #tcUrl = '';

  constructor(socket: Socket, options: FakeOriginOptions, streams: SeenStream[]) {
    this.#socket = socket;
    this.#options = options;
    this.#streams = streams;
    this.#reader = new ChunkReader(
      new MessageAssembler(
        (message) => this.#onMessage(message),
        (type) => type === MessageTypeId.CommandAmf0,
      ),
    );
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => this.#onData(bytes));
  }

  #onData(bytes: Uint8Array): void {
    try {
      let start = 0;
      if (!this.#shaken) {
        const { consumed, send, done } = this.#handshake.push(bytes);
        if (send !== undefined) this.#socket.write(send);
        if (!done) return;
        this.#shaken = true;
        start = consumed;
      }
      if (start < bytes.length) this.#reader.push(bytes, start);
    } catch {
      this.#socket.destroy();
    }
  }

  #onMessage(message: Message): void {
    const command = decodeCommand(message.payload);
    switch (command.name) {
      case 'connect':
        this.#app = textOf(amfProperty(command.object, 'app'));
        this.#tcUrl = textOf(amfProperty(command.object, 'tcUrl'));
        this.#send(0, {
          ...result(command.transactionId, { fmsVer: 'FMS/3,5,3,888', capabilities: 127 }),
          args: [{ level: 'status', code: 'NetConnection.Connect.Success', objectEncoding: 0 }],
        });
        return;
      case 'createStream':
        this.#send(0, result(command.transactionId, null, MESSAGE_STREAM));
        return;
      case 'publish':
      case 'play':
        this.#answer(command.name, textOf(command.args[0]));
    }
  }

  #answer(use: SeenStream['use'], name: string): void {
    const usual = use === 'publish' ? 'NetStream.Publish.Start' : 'NetStream.Play.Start';
    const { code, afterMs } = this.#options.status?.(use, name) ?? { code: usual, afterMs: 0 };
    const say = (): void => {
      this.#streams.push({ use, name, app: this.#app, tcUrl: this.#tcUrl, answeredAt: wallClock() });
      const level = code.endsWith('.Start') ? 'status' : 'error';
      this.#send(MESSAGE_STREAM, onStatus({ level, code, description: 'of a fake origin' }));
    };
    if (afterMs === 0) say();
    else setTimeout(say, afterMs).unref();
  }

  #send(messageStreamId: number, command: Command): void {
    const type = MessageTypeId.CommandAmf0;
    const chunk = messageStreamId === 0 ? ChunkStreamId.Command : ChunkStreamId.StreamCommand;
    this.#socket.write(this.#writer.encode(chunk, type, messageStreamId, 0, encodeCommand(command)));
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
