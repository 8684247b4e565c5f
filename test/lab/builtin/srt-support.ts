/** Builtin nodes with an SRT port, bare SRT callers, and a transport stream for them to send. */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { MediaSource } from '../../../drivers/measure/source.ts';
import { TsPacketizer } from '../../../drivers/srt/packetizer.ts';
import { listenerCrypto } from '../../../lab/builtin/srt/crypto.ts';
import type { SrtSettings } from '../../../lab/topology.ts';
import { type SrtClosure, SrtConnection, SrtState } from '../../../protocols/srt/connection.ts';
import type { SrtOptions } from '../../../protocols/srt/options.ts';
import { freeUdpPort } from '../../support/ports.ts';
import { type NodeOptions, ROOT, startNode, type TestNode } from './support.ts';

export const source = MediaSource.load(`${ROOT}fixtures/media/av-480k.flv`);

export interface SrtMessage {
  /** When it is to be sent, in ms. */
  readonly at: number;
  readonly payload: Uint8Array;
}

/** The source, `rounds` times over, as a publisher would send it. */
export function messages(rounds = 1): SrtMessage[] {
  const made: SrtMessage[] = [];
  let at = 0;
  const packetizer = new TsPacketizer((payload) => made.push({ at, payload: payload.slice() }));
  for (const { type, body } of source.headers) packetizer.push(type, 0, body);
  for (let round = 0; round < rounds; round++) {
    for (const { type, timestamp, body } of source.items) {
      at = round * source.duration + timestamp;
      packetizer.push(type, at, body);
    }
  }
  return made;
}

export async function startSrtNode(
  srt: SrtSettings = {},
  options: NodeOptions = {},
): Promise<TestNode & { readonly srtPort: number }> {
  const srtPort = await freeUdpPort();
  const node = await startNode({ srtPort, ...options, settings: { srt, ...options.settings } });
  return Object.assign(node, { srtPort });
}

export type SrtNode = Awaited<ReturnType<typeof startSrtNode>>;

export const publishId = (stream: string): string => `#!::r=live/${stream},m=publish`;
export const playId = (stream: string): string => `#!::r=live/${stream},m=request`;

const callers = new Set<SrtPeer>();

/** For `after`. */
export function hangUpAll(): void {
  for (const caller of callers) caller.vanish();
}

/** A caller with a socket of its own: what it gets is kept, in order. */
export class SrtPeer {
  readonly connection: SrtConnection;
  readonly socket: Socket;
  readonly payloads: Buffer[] = [];
  closure: SrtClosure | undefined;
  /** Epoch-free ms at which it closed. */
  closedAt = Number.NaN;
  /** Datagrams for which this says so are lost on their way here, or from here. */
  loses: { in?: (packet: Uint8Array) => boolean; out?: (packet: Uint8Array) => boolean } = {};
  readonly #timer: NodeJS.Timeout;
  #sender: NodeJS.Timeout | undefined;

  constructor(node: SrtNode, streamId: string, options: Partial<SrtOptions> = {}) {
    const { host } = node.config;
    this.socket = createSocket({ type: 'udp4', lookup: (name, _options, done) => done(null, name, 4) });
    callers.add(this);
    const identity = {
      socketId: 1 + (randomBytes(4).readUInt32BE() >>> 3),
      initialSequence: randomBytes(4).readUInt32BE() >>> 1,
    };
    this.connection = new SrtConnection(
      { crypto: listenerCrypto, streamId, ...options },
      {
        onPacketOut: (_connection, bytes) => {
          if (!this.loses.out?.(bytes)) this.socket.send(bytes.slice(), node.srtPort, host);
        },
        onData: (_connection, bytes, start) => this.payloads.push(Buffer.from(bytes.subarray(start))),
        onClosed: (_connection, closure, now) => {
          this.closure = closure;
          this.closedAt = now;
        },
      },
      identity,
      performance.now(),
    );
    this.socket.on('message', (packet) => {
      if (!this.loses.in?.(packet)) this.connection.receive(packet, performance.now());
    });
    this.#timer = setInterval(() => this.connection.tick(performance.now()), 5);
  }

  /** Connected, or closed before that. */
  static async open(node: SrtNode, streamId: string, options: Partial<SrtOptions> = {}): Promise<SrtPeer> {
    const peer = new SrtPeer(node, streamId, options);
    await peer.until('the handshake', () => peer.connection.state !== SrtState.handshaking);
    return peer;
  }

  get connected(): boolean {
    return this.connection.state === SrtState.connected;
  }

  get received(): Buffer {
    return Buffer.concat(this.payloads);
  }

  /** In real time, from now. */
  sendInTime(stream: readonly SrtMessage[]): void {
    const start = performance.now();
    let next = 0;
    this.#sender = setInterval(() => {
      const now = performance.now();
      while (next < stream.length && start + stream[next]!.at <= now)
        this.connection.send(stream[next++]!.payload, now);
      if (next === stream.length) clearInterval(this.#sender);
    }, 5);
  }

  async until(what: string, condition: () => boolean, withinMs = 4000): Promise<void> {
    const end = performance.now() + withinMs;
    while (!condition()) {
      if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  untilClosed(withinMs = 4000): Promise<void> {
    return this.until('the end of the connection', () => this.closure !== undefined, withinMs);
  }

  hangUp(): void {
    this.connection.close(performance.now());
    this.vanish();
  }

  /** Without a word, as a process that was killed. */
  vanish(): void {
    if (!callers.delete(this)) return;
    clearInterval(this.#timer);
    clearInterval(this.#sender);
    this.socket.close();
  }
}
