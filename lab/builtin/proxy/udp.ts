/** UDP sockets as both the SRT and the WebRTC side of the proxy want them. */
import { createSocket, type Socket } from 'node:dgram';
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

/**
 * At once. False when it cannot be, which the socket tells by an event.
 * @param listensAt address of the proxy.
 */
export function connectUdp(socket: Socket, { host, port }: Endpoint, listensAt: string): boolean {
  const address = sourceAddress(listensAt, host);
  socket.bind({ port: 0, exclusive: true, ...(address !== undefined && { address }) });
  socket.connect(port, host);
  try {
    socket.remoteAddress();
  } catch {
    return false;
  }
  enlarge(socket);
  return true;
}

export function isFull(socket: Socket): boolean {
  return socket.getSendQueueSize() > MAX_UNSENT_BYTES;
}

/**
 * The address that the proxy's own datagrams to an origin come from: on loopback the one that it listens at, by which
 * the nodes of a lab are told apart; elsewhere the system knows the way.
 */
export function sourceAddress(listensAt: string, origin: string): string | undefined {
  return listensAt.startsWith('127.') && origin.startsWith('127.') ? listensAt : undefined;
}
