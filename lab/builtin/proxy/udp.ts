/** UDP sockets as both the SRT and the WebRTC side of the proxy want them. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Endpoint } from './load-balancer.ts';

/** As much as the system gives (net.core.rmem_max). */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
/** What the system has not taken of one socket; beyond it datagrams are lost, as on a link that is full. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

/** Where a datagram came from; what `dgram` calls rinfo fits. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** Hosts are addresses: without the resolver, a socket is bound, connected and written to when the call returns. */
export function udpSocket(host: string): Socket {
  const type = isIPv6(host) ? 'udp6' : 'udp4';
  return createSocket({ type, lookup: literal as never });
}

function literal(
  host: string,
  _options: unknown,
  done: (error: null, address: string, family: number) => void,
) {
  done(null, host, isIPv6(host) ? 6 : 4);
}

/** Resolves when it is bound, with large buffers. */
export function bindUdp(socket: Socket, { host, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.off('error', reject);
      enlarge(socket);
      resolve();
    });
  });
}

function enlarge(socket: Socket): void {
  socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
  socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
}

/** Port 0 means that nobody wants an answer (RFC 768); Node throws at who sends one there. */
export function canBeAnswered({ port }: Peer): boolean {
  return port !== 0;
}

export function isFull(socket: Socket): boolean {
  return socket.getSendQueueSize() > MAX_UNSENT_BYTES;
}

/**
 * The address that the proxy's own datagrams to an origin come from: on loopback the one that it listens at, by which
 * the nodes of a lab are told apart; elsewhere the system knows the way.
 */
export function sourceAddress(listensAt: string, origin: string): string | undefined {
  return listensAt.startsWith(LOOPBACK) && origin.startsWith(LOOPBACK) ? listensAt : undefined;
}

export interface OriginSocketEvents {
  onPacket(packet: Buffer): void;
  /** Nothing listens there, or the way is not there: it is not used any more. */
  onRefused(): void;
}

/**
 * From the proxy to a UDP port of an origin, and back. Connected: the system keeps strangers out and tells of a port that
 * is closed. On loopback that has to wait for the first answer, which comes from 127.0.0.1 whatever address a server that
 * listens on all of them was asked at (seen of SRS 7.0.18, SRT and WebRTC): where it comes from is where the origin is.
 */
export class OriginSocket {
  readonly #origin: Endpoint;
  readonly #events: OriginSocketEvents;
  readonly #socket: Socket;
  #connected = false;
  #closed = false;

  /** @param listensAt address of the proxy. */
  constructor(origin: Endpoint, listensAt: string, events: OriginSocketEvents) {
    this.#origin = origin;
    this.#events = events;
    const socket = udpSocket(origin.host);
    this.#socket = socket;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Of one datagram that is lost, but for these: the port is closed, or the socket never was.
      const { code, syscall } = error;
      if (code === 'ECONNREFUSED' || syscall === 'bind' || syscall === 'connect') events.onRefused();
    });
    socket.on('message', (packet, from) => this.#onMessage(packet, from));
    const address = sourceAddress(listensAt, origin.host);
    socket.bind({ port: 0, exclusive: true, ...(address !== undefined && { address }) });
    if (!isAlias(origin.host)) this.#connect(origin.host);
    if (isBound(socket)) enlarge(socket);
  }

  /** Handed to the system, or lost: `packet` is not to be changed. */
  send(packet: Uint8Array): void {
    if (this.#closed || isFull(this.#socket)) return;
    if (this.#connected) this.#socket.send(packet);
    else if (isAlias(this.#origin.host)) this.#socket.send(packet, this.#origin.port, this.#origin.host);
  }

  /** Once. */
  close(): void {
    this.#closed = true;
    this.#socket.close();
  }

  #onMessage(packet: Buffer, { address, port }: RemoteInfo): void {
    if (!this.#connected) {
      if (port !== this.#origin.port || !address.startsWith(LOOPBACK)) return;
      this.#connect(address);
    }
    this.#events.onPacket(packet);
  }

  #connect(host: string): void {
    this.#socket.connect(this.#origin.port, host);
    this.#connected = isConnected(this.#socket);
  }
}

const LOOPBACK = '127.';

function isAlias(host: string): boolean {
  return host.startsWith(LOOPBACK) && host !== '127.0.0.1';
}

function isBound(socket: Socket): boolean {
  try {
    socket.address();
    return true;
  } catch {
    return false;
  }
}

function isConnected(socket: Socket): boolean {
  try {
    socket.remoteAddress();
    return true;
  } catch {
    return false;
  }
}
