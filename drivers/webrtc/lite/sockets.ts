/**
 * UDP sockets that many players share. A player is told by where its datagrams come from, so players of one socket have
 * different remote addresses: a server with a port per session is played by hundreds from a few sockets; one with a
 * single port for all (SRS) tells its clients by their ports and needs one of ours for each.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { decodeStun, isStun } from '../../../protocols/stun/message.ts';
import type { Remote } from './ice.ts';

/** Asked for; the system grants what it is set to (net.core.rmem_max). */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** Of the receive buffer, for each player: a keyframe of some 40 packets, as the system accounts them. */
const BUFFER_PER_PLAYER = 96 * 1024;
const MAX_PLAYERS = 32;

export interface SocketUser {
  /** In the username of the peer's checks. */
  readonly ufrag: string;
  /** `bytes` may be changed, but is not kept. */
  onDatagram(bytes: Uint8Array, remote: Remote, socket: SharedSocket): void;
}

const keyOf = ({ address, port }: Remote): string => `${address}:${port}`;

export class SharedSocket {
  readonly port: number;
  /** Players that play here, and offers that name this port. */
  users = 0;
  readonly #socket: Socket;
  readonly #routes = new Map<string, SocketUser>();
  readonly #ufrags: ReadonlyMap<string, SocketUser>;
  /** The only route, or the one used last. */
  #last: SocketUser | undefined = undefined;
  #lastAddress = '';
  #lastPort = -1;
  readonly #capacity: number;
  #players = 0;
  #closed = false;

  constructor(localAddress: string, ufrags: ReadonlyMap<string, SocketUser>) {
    this.#ufrags = ufrags;
    // Addresses are literals: without the resolver, binding and sending are done when the call returns.
    const lookup = (
      host: string,
      _options: unknown,
      done: (error: Error | null, address: string, family: number) => void,
    ): void => done(null, host, 4);
    this.#socket = createSocket({ type: 'udp4', lookup: lookup as never });
    // What the network says of one datagram is nothing to the others: who is not answered has its timeouts.
    this.#socket.on('error', () => undefined);
    this.#socket.on('message', (bytes, remote) => this.#received(bytes, remote));
    this.#socket.bind({ address: localAddress, port: 0 });
    this.port = this.#socket.address().port;
    this.#socket.setRecvBufferSize(RECEIVE_BUFFER);
    const granted = this.#socket.getRecvBufferSize();
    this.#capacity = Math.max(1, Math.min(MAX_PLAYERS, Math.floor(granted / BUFFER_PER_PLAYER)));
  }

  hasRoomFor(remotes: readonly Remote[]): boolean {
    if (this.#closed || this.#players >= this.#capacity) return false;
    return remotes.every((remote) => !this.#routes.has(keyOf(remote)));
  }

  join(user: SocketUser, remotes: readonly Remote[]): void {
    this.#players++;
    for (const remote of remotes) this.#routes.set(keyOf(remote), user);
  }

  leave(user: SocketUser, remotes: readonly Remote[]): void {
    this.#players--;
    for (const remote of remotes) this.#routes.delete(keyOf(remote));
    if (this.#last === user) this.#last = undefined;
  }

  send(bytes: Uint8Array, { address, port }: Remote): void {
    // The callback takes what the system has against this datagram: it is lost, as any may be.
    if (!this.#closed) this.#socket.send(bytes, port, address, ignore);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #received(bytes: Uint8Array, remote: RemoteInfo): void {
    if (this.#last === undefined || remote.port !== this.#lastPort || remote.address !== this.#lastAddress) {
      const user = this.#routes.get(keyOf(remote)) ?? this.#byUfrag(bytes);
      if (user === undefined) return;
      this.#last = user;
      this.#lastPort = remote.port;
      this.#lastAddress = remote.address;
    }
    this.#last.onDatagram(bytes, remote, this);
  }

  /** Checks of a peer come from wherever it has an address, and to the port that the offer named. */
  #byUfrag(bytes: Uint8Array): SocketUser | undefined {
    if (!isStun(bytes)) return undefined;
    try {
      return this.#ufrags.get(decodeStun(bytes).username?.split(':')[0] ?? '');
    } catch {
      return undefined;
    }
  }
}

function ignore(): void {}

/** The sockets of this process. */
class SocketPool {
  readonly #ufrags = new Map<string, SocketUser>();
  readonly #sockets = new Map<string, Set<SharedSocket>>();

  /** The socket whose port an offer may name. */
  gate(localAddress: string, user: SocketUser): SharedSocket {
    this.#ufrags.set(user.ufrag, user);
    const [first] = this.#of(localAddress);
    return hold(first ?? this.#open(localAddress));
  }

  /** A socket on which nobody else talks to any of these. */
  join(localAddress: string, user: SocketUser, remotes: readonly Remote[]): SharedSocket {
    let socket: SharedSocket | undefined;
    for (const one of this.#of(localAddress)) {
      if (!one.hasRoomFor(remotes)) continue;
      socket = one;
      break;
    }
    socket ??= this.#open(localAddress);
    socket.join(user, remotes);
    return hold(socket);
  }

  forget(user: SocketUser): void {
    this.#ufrags.delete(user.ufrag);
  }

  /** Closes the socket when nobody is left on it. */
  release(localAddress: string, socket: SharedSocket): void {
    socket.users--;
    if (socket.users > 0) return;
    this.#of(localAddress).delete(socket);
    socket.close();
  }

  #of(localAddress: string): Set<SharedSocket> {
    let sockets = this.#sockets.get(localAddress);
    if (sockets === undefined) {
      sockets = new Set();
      this.#sockets.set(localAddress, sockets);
    }
    return sockets;
  }

  #open(localAddress: string): SharedSocket {
    const socket = new SharedSocket(localAddress, this.#ufrags);
    this.#of(localAddress).add(socket);
    return socket;
  }
}

function hold(socket: SharedSocket): SharedSocket {
  socket.users++;
  return socket;
}

export const sockets = new SocketPool();
