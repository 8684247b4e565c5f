/** Builtin nodes as child processes on free ports, and a bare RTMP peer to talk to them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { BuiltinConfig } from '../../../lab/builtin/config.ts';
import { type AmfValue, encodeAmf } from '../../../protocols/amf0/amf0.ts';
import { ChunkReader } from '../../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../../protocols/rtmp/chunk-writer.ts';
import {
  type Command,
  connectCommand,
  decodeCommand,
  encodeCommand,
} from '../../../protocols/rtmp/commands.ts';
import { ClientHandshake } from '../../../protocols/rtmp/handshake.ts';
import { type Message, MessageAssembler } from '../../../protocols/rtmp/message-assembler.ts';
import { startArgs } from '../../../runtime/entry.ts';
import { freePorts } from '../../support/ports.ts';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export interface TestNode {
  readonly config: BuiltinConfig;
  readonly process: ChildProcess;
  output: string;
  rtmp(stream: string): string;
  flv(stream: string): string;
  /** Scheme and authority of its HTTP port. */
  readonly http: string;
  api(path: string, method?: string): Promise<Record<string, unknown>>;
  /** SIGKILL; resolves when gone. */
  kill(): Promise<void>;
}

export type NodeOptions = Partial<Omit<BuiltinConfig, 'settings'>> & {
  settings?: Partial<BuiltinConfig['settings']>;
};

export async function startNode(options: NodeOptions = {}): Promise<TestNode> {
  const host = options.host ?? '127.0.0.1';
  const [rtmpPort, httpPort, apiPort] = await freePorts(host, 3);
  const config: BuiltinConfig = {
    role: 'origin',
    name: 'node',
    host,
    rtmpPort: rtmpPort!,
    httpPort: httpPort!,
    apiPort: apiPort!,
    origins: [],
    mutants: [],
    ...options,
    settings: {
      mergedWriteMs: 100,
      queueSeconds: 30,
      gopCache: true,
      hls: { fragmentSeconds: 10, windowSeconds: 60, sessions: true },
      maxConnections: 1000,
      ...options.settings,
    },
  };
  const child = spawn(process.execPath, [...startArgs('lab/builtin/main.ts'), JSON.stringify(config)], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const node: TestNode = {
    config,
    process: child,
    output: '',
    rtmp: (stream) => `rtmp://${host}:${config.rtmpPort}/live/${stream}`,
    http: `http://${host}:${config.httpPort}`,
    flv: (stream) => `http://${host}:${config.httpPort}/live/${stream}.flv`,
    api: async (path, method = 'GET') => {
      const answer = await fetch(`http://${host}:${config.apiPort}${path}`, { method });
      return (await answer.json()) as Record<string, unknown>;
    },
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
  running.add(node);
  await new Promise<void>((resolve, reject) => {
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      node.output += text;
      if (node.output.includes('ready {')) resolve();
    });
    child.on('exit', (code) => reject(new Error(`the node ended with ${code} before it was ready`)));
  });
  return node;
}

const running = new Set<TestNode>();
const peers = new Set<Socket>();

/** For `after`: whatever a test left behind. */
export async function stopAll(): Promise<void> {
  for (const socket of peers) socket.destroy();
  await Promise.all([...running].map((node) => node.kill()));
}

/** A publisher of 25 frames/s, a keyframe each second, until it is closed. Timestamps begin at `from`. */
export async function publishForever(node: TestNode, stream: string, from = 0): Promise<RtmpPeer> {
  const publisher = await RtmpPeer.publisher(node, stream);
  publisher.headers();
  let frame = 0;
  const timer = setInterval(() => {
    publisher.video(from + frame * 40, frame % 25 === 0);
    publisher.audio(from + frame * 40);
    frame++;
  }, 40);
  publisher.socket.on('close', () => clearInterval(timer));
  return publisher;
}

/** Clients of a node, by its API. */
export async function clientsOf(node: TestNode): Promise<Record<string, unknown>[]> {
  return (await node.api('/api/v1/clients/?count=1000')).clients as Record<string, unknown>[];
}

export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 4000,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs to its end, or is killed. */
export async function run(
  command: string,
  args: readonly string[],
  killAfterMs = 20_000,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, stdout, stderr };
}

export interface PeerOptions {
  readonly form?: 'simple' | 'digest';
  readonly app?: string;
  /** In tcUrl; default `app`. */
  readonly tcUrlApp?: string;
  readonly localAddress?: string;
}

/** A bare RTMP client: whatever it gets is kept, in order. */
export class RtmpPeer {
  readonly socket: Socket;
  readonly messages: Message[] = [];
  readonly commands: Command[] = [];
  readonly writer = new ChunkWriter();
  closed = false;
  #shaken = false;
  #handshake: ClientHandshake;
  #changed: () => void = () => {};

  private constructor(socket: Socket, form: 'simple' | 'digest') {
    this.socket = socket;
    peers.add(socket);
    this.#handshake = new ClientHandshake({
      form,
      random: (n) => randomBytes(n),
      hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
    });
    const reader = new ChunkReader(
      new MessageAssembler((message) => {
        this.messages.push(message);
        if (message.messageTypeId === 20) this.commands.push(decodeCommand(message.payload));
      }),
    );
    socket.on('data', (bytes) => {
      let start = 0;
      if (!this.#shaken) {
        const step = this.#handshake.push(bytes, 0, bytes.length);
        if (step.send) socket.write(step.send);
        start = step.consumed;
        this.#shaken = step.done;
      }
      if (start < bytes.length) reader.push(bytes, start, bytes.length);
      this.#changed();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#changed();
    });
  }

  /** Connected, shaken hands, and `connect` answered. */
  static async open(node: TestNode, options: PeerOptions = {}): Promise<RtmpPeer> {
    const socket = connect({
      host: node.config.host,
      port: node.config.rtmpPort,
      noDelay: true,
      ...(options.localAddress ? { localAddress: options.localAddress } : {}),
    });
    const peer = new RtmpPeer(socket, options.form ?? 'simple');
    await once(socket, 'connect');
    socket.write(peer.#handshake.start());
    await peer.until('handshake', () => peer.#shaken);
    const app = options.app ?? 'live';
    const tcUrl = `rtmp://${node.config.host}:${node.config.rtmpPort}/${options.tcUrlApp ?? app}`;
    peer.send(3, 20, 0, 0, encodeCommand(connectCommand({ app, tcUrl })));
    await peer.until('_result of connect', () => peer.commands.some(({ name }) => name === '_result'));
    return peer;
  }

  static async player(node: TestNode, stream: string, options: PeerOptions = {}): Promise<RtmpPeer> {
    const peer = await RtmpPeer.open(node, options);
    peer.command('createStream', 2);
    peer.command('play', 0, stream);
    await peer.status('NetStream.Play.Start');
    return peer;
  }

  static async publisher(node: TestNode, stream: string, options: PeerOptions = {}): Promise<RtmpPeer> {
    const peer = await RtmpPeer.open(node, options);
    peer.askToPublish(stream);
    await peer.status('NetStream.Publish.Start');
    return peer;
  }

  /** As ffmpeg and OBS do: with FCPublish. */
  askToPublish(stream: string): void {
    this.command('releaseStream', 2, stream);
    this.command('FCPublish', 3, stream);
    this.command('createStream', 4);
    this.command('publish', 5, stream, 'live');
  }

  status(code: string): Promise<void> {
    return this.until(code, () =>
      this.commands.some(
        ({ name, args }) =>
          name === 'onStatus' && (args[0] as { code?: AmfValue } | undefined)?.code === code,
      ),
    );
  }

  command(name: string, transactionId: number, ...args: AmfValue[]): void {
    const payload = encodeCommand({ name, transactionId, object: null, args });
    this.send(3, 20, name === 'play' || name === 'publish' ? 1 : 0, 0, payload);
  }

  send(csid: number, type: number, messageStreamId: number, timestamp: number, payload: Uint8Array): void {
    this.socket.write(this.writer.encode(csid, type, messageStreamId, timestamp, payload));
  }

  video(timestamp: number, keyframe: boolean, size = 200): void {
    this.send(6, 9, 1, timestamp, videoBody(timestamp, keyframe, size));
  }

  audio(timestamp: number): void {
    this.send(4, 8, 1, timestamp, Uint8Array.of(0xaf, 1, timestamp & 0xff, 0x21));
  }

  /** onMetaData and both sequence headers. */
  headers(): void {
    this.send(4, 18, 1, 0, encodeAmf(['@setDataFrame', 'onMetaData', { width: 640 }]));
    this.send(6, 9, 1, 0, VIDEO_HEADER);
    this.send(4, 8, 1, 0, AUDIO_HEADER);
  }

  media(type: 8 | 9 | 18): Message[] {
    return this.messages.filter(({ messageTypeId }) => messageTypeId === type);
  }

  /** Timestamps of the video frames that came, sequence headers left out. */
  get videoTimes(): number[] {
    return this.media(9)
      .filter(({ payload }) => payload[1] === 1)
      .map(({ timestamp }) => timestamp);
  }

  async until(what: string, condition: () => boolean, withinMs = 4000): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not within ${withinMs} ms: ${what}`)), withinMs);
      this.#changed = () => {
        const met = condition();
        if (!met && !this.closed) return;
        clearTimeout(timer);
        this.#changed = () => {};
        if (met) resolve();
        else reject(new Error(`the connection closed before: ${what}`));
      };
      this.#changed();
    });
  }

  close(): void {
    this.socket.destroy();
  }
}

/** AVCDecoderConfigurationRecord of 640x360 baseline. */
export const VIDEO_HEADER = Buffer.from(
  '17000000000142c01effe1001667' + '42c01ed900a02ff97016a0c020280000030008000003018078b16c' + '',
  'hex',
).subarray(0, 64);
export const AUDIO_HEADER = Uint8Array.of(0xaf, 0, 0x12, 0x10);

export function videoBody(timestamp: number, keyframe: boolean, size = 200): Uint8Array {
  const body = new Uint8Array(size).fill(timestamp & 0x7f);
  body.set([keyframe ? 0x17 : 0x27, 1, 0, 0, 0]);
  return body;
}

/** Reads an HTTP-FLV answer as it comes. */
export class FlvPeer {
  readonly socket: Socket;
  bytes = Buffer.alloc(0);
  closed = false;

  constructor(node: TestNode, target: string) {
    this.socket = connect({ host: node.config.host, port: node.config.httpPort });
    peers.add(this.socket);
    this.socket.write(`GET ${target} HTTP/1.1\r\nHost: ${node.config.host}\r\n\r\n`);
    this.socket.on('data', (bytes) => {
      this.bytes = Buffer.concat([this.bytes, bytes]);
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  close(): void {
    this.socket.destroy();
  }
}
