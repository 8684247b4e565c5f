/**
 * What stands where a node has been: its HTTP API answers questions for a stream as a check wants it to, and its RTMP
 * port takes players, tells what they ask for, and sends them away or leaves them without media. Origins and edges of
 * the cluster reach it as they reached the node, through the same taps.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { ClusterNode } from '../../lab/cluster.ts';
import { amfProperty, encodeAmf } from '../../protocols/amf0/amf0.ts';
import { ChunkReader } from '../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import {
  type Command,
  decodeCommand,
  encodeCommand,
  onStatus,
  playRedirectCommand,
  result,
} from '../../protocols/rtmp/commands.ts';
import { ServerHandshake } from '../../protocols/rtmp/handshake.ts';
import { MessageAssembler } from '../../protocols/rtmp/message-assembler.ts';
import { encodeUserControl, UserControlEvent } from '../../protocols/rtmp/messages.ts';
import type { CheckContext } from '../check.ts';
import { MessageType } from './chunks.ts';
import { requireReach } from './reach.ts';

/** What is sent for a question: a status, and a body of whatever form; null is never an answer. */
export type ApiAnswer = { readonly status?: number; readonly body: string } | null;

export interface StandInBehaviour {
  answer: (query: URLSearchParams) => ApiAnswer;
  /** Where a player of a stream is sent; undefined: it waits for media that never comes. */
  redirect: (play: StandInPlay) => string | undefined;
}

/** What came with connect and play. */
export interface StandInPlay {
  readonly app: string;
  readonly tcUrl: string;
  /** With its query. */
  readonly stream: string;
}

/** Steps of the history. */
export const StandInStep = { asked: 'stand-in.asked', played: 'stand-in.played' } as const;

/** The answer of a coworker: where it says that the stream is, or that it does not have it. */
export function clusterAnswerOf(origin: { readonly ip: unknown; readonly port: unknown } | null): ApiAnswer {
  const told = origin && { ...origin, vhost: '__defaultVhost__', api: '', routers: [] };
  return { body: JSON.stringify({ code: 0, data: { query: {}, origin: told } }) };
}

/** Kills the node and takes its place until the check ends; the gate starts the node again. */
export async function standIn(
  t: CheckContext,
  node: ClusterNode,
  behaviour: StandInBehaviour,
): Promise<void> {
  requireReach(t);
  const { api, rtmp } = node.ports;
  if (api === undefined || rtmp === undefined) throw new Error(`${node.spec.name} has no place to stand in`);
  await t.control(node, 'kill');
  const sockets = new Set<Socket>();
  const servers = [apiServer(t, behaviour), rtmpServer(t, behaviour)] as const;
  for (const server of servers) {
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    });
  }
  t.cleanUp(async () => {
    const closed = servers.map((server) => (server.listening ? once(server, 'close') : undefined));
    for (const server of servers) server.close();
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  });
  await Promise.all([listen(servers[0], node.host, api), listen(servers[1], node.host, rtmp)]);
}

function listen(server: Server | HttpServer, host: string, port: number): Promise<unknown> {
  server.listen({ host, port });
  return once(server, 'listening');
}

function apiServer(t: CheckContext, behaviour: StandInBehaviour): HttpServer {
  return createHttpServer((request, response) => {
    request.resume();
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stand-in');
    const { method = '' } = request;
    t.step(StandInStep.asked, { method, path: pathname, stream: searchParams.get('stream') });
    const answer = pathname === '/api/v1/clusters' ? behaviour.answer(searchParams) : { body: '{"code":0}' };
    if (answer !== null) response.writeHead(answer.status ?? 200).end(answer.body);
  });
}

function rtmpServer(t: CheckContext, behaviour: StandInBehaviour): Server {
  return createServer({ noDelay: true }, (socket) => {
    new StandInConnection(socket, (play) => {
      t.step(StandInStep.played, { ...play });
      return behaviour.redirect(play);
    });
  });
}

class StandInConnection {
  readonly #socket: Socket;
  readonly #onPlay: (play: StandInPlay) => string | undefined;
  readonly #writer = new ChunkWriter();
  #app = '';
  #tcUrl = '';

  constructor(socket: Socket, onPlay: (play: StandInPlay) => string | undefined) {
    this.#socket = socket;
    this.#onPlay = onPlay;
    const handshake = new ServerHandshake({ random: (count) => randomBytes(count), hmac });
    const reader = new ChunkReader(
      new MessageAssembler(({ messageTypeId, payload }) => {
        if (messageTypeId === MessageType.command) this.#onCommand(decodeCommand(payload));
      }),
    );
    let shaken = false;
    socket.on('data', (bytes: Buffer) => {
      try {
        let start = 0;
        if (!shaken) {
          const step = handshake.push(bytes, 0, bytes.length);
          if (step.send) socket.write(step.send);
          shaken = step.done;
          start = step.consumed;
        }
        if (shaken && start < bytes.length) reader.push(bytes, start, bytes.length);
      } catch {
        socket.destroy();
      }
    });
  }

  #onCommand({ name, transactionId, object, args }: Command): void {
    switch (name) {
      case 'connect':
        this.#app = String(amfProperty(object, 'app') ?? '');
        this.#tcUrl = String(amfProperty(object, 'tcUrl') ?? '');
        this.#command(
          0,
          result(transactionId, null, {
            level: 'status',
            code: 'NetConnection.Connect.Success',
            description: 'Connection succeeded',
          }),
        );
        return;
      case 'createStream':
        this.#command(0, result(transactionId, null, 1));
        return;
      case 'play':
        this.#play(String(args[0] ?? ''));
        return;
      default:
    }
  }

  /** In the order of SRS (facts/srs.md 2). */
  #play(stream: string): void {
    const begin = encodeUserControl(UserControlEvent.StreamBegin, 1);
    this.#send(2, MessageType.userControl, 0, begin);
    for (const code of ['NetStream.Play.Reset', 'NetStream.Play.Start']) {
      this.#command(1, onStatus({ level: 'status', code, description: code }));
    }
    this.#send(5, MessageType.data, 1, encodeAmf(['|RtmpSampleAccess', true, true]));
    const location = this.#onPlay({ app: this.#app, tcUrl: this.#tcUrl, stream });
    if (location !== undefined) this.#command(0, playRedirectCommand(location));
  }

  #command(messageStreamId: number, command: Command): void {
    this.#send(5, MessageType.command, messageStreamId, encodeCommand(command));
  }

  #send(chunkStreamId: number, type: number, messageStreamId: number, payload: Uint8Array): void {
    if (this.#socket.writable) {
      this.#socket.write(this.#writer.encode(chunkStreamId, type, messageStreamId, 0, payload));
    }
  }
}

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(data).digest();
}
