/** A UDP proxy of ours on one link: it counts the datagrams that pass and, when asked to, spoils them. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Direction, UdpLinkProtocol } from '../cluster.ts';
import { seededRandom, type UdpCounts, type UdpFaults, UdpLane } from './udp-faults.ts';

export interface UdpTapOptions {
  /** Names of the two ends: the tap is called `from>to`. */
  readonly from: string;
  readonly to: string;
  /** Of a link of a cluster. */
  readonly carries?: UdpLinkProtocol;
  /** Where it listens. Port 0 is any. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly target: { readonly host: string; readonly port: number };
  /** Somebody else listens at this port on all addresses, and lets others. Default false. */
  readonly shared?: boolean;
  /** Source address of its sockets to the target. */
  readonly localAddress?: string;
  /** For all that happens by chance. Default 1. */
  readonly seed?: number;
  /** A client address is forgotten after so long without a datagram either way. Default 60 s. */
  readonly idleMs?: number;
  /** Client addresses at a time; datagrams of others are not taken, nor those of port 0 (nobody is there). Default 4096. */
  readonly maxClients?: number;
}

const DEFAULT_IDLE_MS = 60_000;
const DEFAULT_MAX_CLIENTS = 4096;
const BUFFER_BYTES = 4 * 1024 * 1024;

interface Conversation {
  readonly socket: Socket;
  /** Connected to the target. */
  ready: boolean;
  usedAt: number;
}

/** One socket to the target per client address, so that the target tells the clients apart as it would without a tap. */
export class UdpTap {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly carries: UdpLinkProtocol | undefined;
  /** Datagrams of new addresses that were not taken. */
  refused = 0;
  readonly #options: UdpTapOptions;
  readonly #socket: Socket;
  readonly #conversations = new Map<string, Conversation>();
  readonly #lanes: Record<Direction, UdpLane>;
  readonly #sweep: NodeJS.Timeout;
  #total = 0;

  constructor(options: UdpTapOptions) {
    this.name = `${options.from}>${options.to}`;
    this.from = options.from;
    this.to = options.to;
    this.carries = options.carries;
    this.#options = options;
    const seed = options.seed ?? 1;
    this.#lanes = {
      upstream: new UdpLane(seededRandom(seed)),
      downstream: new UdpLane(seededRandom(seed + 1)),
    };
    const { listen, shared = false } = options;
    this.#socket = createSocket({ type: isIPv6(listen.host) ? 'udp6' : 'udp4', reuseAddr: shared });
    this.#socket.on('message', (datagram, from) => this.#received(datagram, from));
    const idleMs = options.idleMs ?? DEFAULT_IDLE_MS;
    this.#sweep = setInterval(() => this.#forgetIdle(idleMs), idleMs / 4);
    this.#sweep.unref();
  }

  /** Resolves when it listens. */
  listen(): Promise<void> {
    const { host, port } = this.#options.listen;
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.bind({ address: host, port, exclusive: !this.#options.shared }, () => {
        this.#socket.off('error', reject);
        this.#socket.on('error', () => {});
        enlarge(this.#socket);
        resolve();
      });
    });
  }

  /** Where it listens. */
  get address(): { host: string; port: number } {
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  /** Client addresses that are remembered, and how many there have been. */
  get open(): number {
    return this.#conversations.size;
  }

  get total(): number {
    return this.#total;
  }

  /** To the target (`upstream`), and back. */
  counts(direction: Direction): Readonly<UdpCounts> {
    return this.#lanes[direction].counts;
  }

  get bytesUp(): number {
    return this.#lanes.upstream.counts.forwardedBytes;
  }

  get bytesDown(): number {
    return this.#lanes.downstream.counts.forwardedBytes;
  }

  /** Replaces what was set before; `{}` is a good link. */
  setFaults(direction: Direction, faults: UdpFaults): void {
    this.#lanes[direction].faults = faults;
  }

  /** Nothing passes, and what is on its way is lost, until `restore`. */
  cut(): void {
    for (const lane of Object.values(this.#lanes)) {
      lane.isCut = true;
      lane.drop();
    }
  }

  restore(): void {
    for (const lane of Object.values(this.#lanes)) lane.isCut = false;
  }

  /** Resolves when all sockets are closed. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    for (const lane of Object.values(this.#lanes)) lane.drop();
    const sockets = [this.#socket, ...[...this.#conversations.values()].map(({ socket }) => socket)];
    this.#conversations.clear();
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }

  #received(datagram: Buffer, from: RemoteInfo): void {
    const key = `${from.address}:${from.port}`;
    const conversation =
      from.port === 0 ? undefined : (this.#conversations.get(key) ?? this.#converse(key, from));
    if (conversation === undefined) {
      this.refused++;
      return;
    }
    conversation.usedAt = performance.now();
    this.#lanes.upstream.push(datagram, (bytes) => {
      if (this.#conversations.get(key) !== conversation) return;
      if (conversation.ready) conversation.socket.send(bytes);
      else conversation.socket.once('connect', () => conversation.socket.send(bytes));
    });
  }

  #converse(key: string, { address, port }: RemoteInfo): Conversation | undefined {
    if (this.#conversations.size >= (this.#options.maxClients ?? DEFAULT_MAX_CLIENTS)) return undefined;
    const { target, localAddress } = this.#options;
    const socket = createSocket({ type: isIPv6(target.host) ? 'udp6' : 'udp4' });
    const conversation: Conversation = { socket, ready: false, usedAt: performance.now() };
    this.#conversations.set(key, conversation);
    this.#total++;
    // A target that is not there answers by ICMP: the client sees silence, as on a real link.
    socket.on('error', () => {});
    socket.on('message', (datagram) => {
      conversation.usedAt = performance.now();
      this.#lanes.downstream.push(datagram, (bytes) => {
        if (this.#conversations.get(key) === conversation) this.#socket.send(bytes, port, address);
      });
    });
    socket.bind({ port: 0, address: localAddress }, () => {
      if (this.#conversations.get(key) !== conversation) return;
      enlarge(socket);
      socket.connect(target.port, target.host, () => {
        conversation.ready = true;
      });
    });
    return conversation;
  }

  #forgetIdle(idleMs: number): void {
    const before = performance.now() - idleMs;
    for (const [key, { socket, usedAt }] of this.#conversations) {
      if (usedAt > before) continue;
      this.#conversations.delete(key);
      socket.close();
    }
  }
}

function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES);
  } catch {
    // What the system gives will do.
  }
}
