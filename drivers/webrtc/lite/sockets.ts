/**
 * UDP sockets that many players share. A player is told by where its datagrams come from, so players of one socket have
 * different remote addresses: a server with a port per session is played by hundreds from a few sockets; one with a
 * single port for all (SRS) tells its clients by their ports and needs one of ours for each.
 */
import { decodeStun, isStun } from '../../../protocols/stun/message.ts';
import type { DatagramReceiver, DatagramSocket } from '../../udp/contract.ts';
import { openDatagramSocket } from '../../udp/open.ts';
import type { Remote } from './ice.ts';

/** Asked for; the system grants what it is set to (net.core.rmem_max). */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** Of the receive buffer, for each player: a keyframe of some 40 packets, as the system accounts them. */
const BUFFER_PER_PLAYER = 96 * 1024;
const MAX_PLAYERS = 32;

export interface SocketUser {
  /** In the username of the peer's checks. */
  readonly ufrag: string;
  /** `bytes` may be changed, but are not kept. `at` is when they came, on the clock of `performance.now()`. */
  onDatagram(bytes: Uint8Array, remote: Remote, socket: SharedSocket, at: number): void;
}

const keyOf = ({ address, port }: Remote): string => `${address}:${port}`;

export class SharedSocket implements DatagramReceiver {
  readonly port: number;
  /** Players that play here, and offers that name this port. */
  users = 0;
  readonly #socket: DatagramSocket;
  readonly #routes = new Map<string, SocketUser>();
  readonly #ufrags: ReadonlyMap<string, SocketUser>;
  /** Where the last datagram came from, until somebody joins or goes. */
  #lastRemote: Remote | undefined = undefined;
  /** Whose datagrams those from there are: of who plays there, or else of whom the last check was for. */
  #last: SocketUser | undefined = undefined;
  #isRoute = false;
  readonly #capacity: number;
  #players = 0;
  #closed = false;

  constructor(localAddress: string, ufrags: ReadonlyMap<string, SocketUser>) {
    this.#ufrags = ufrags;
    this.#socket = openDatagramSocket({ localAddress, receiveBufferBytes: RECEIVE_BUFFER }, this);
    this.port = this.#socket.port;
    const granted = this.#socket.receiveBufferBytes;
    this.#capacity = Math.max(1, Math.min(MAX_PLAYERS, Math.floor(granted / BUFFER_PER_PLAYER)));
  }

  hasRoomFor(remotes: readonly Remote[]): boolean {
    if (this.#closed || this.#players >= this.#capacity) return false;
    return remotes.every((remote) => !this.#routes.has(keyOf(remote)));
  }

  join(user: SocketUser, remotes: readonly Remote[]): void {
    this.#players++;
    for (const remote of remotes) this.#routes.set(keyOf(remote), user);
    this.#lastRemote = undefined;
  }

  leave(user: SocketUser, remotes: readonly Remote[]): void {
    this.#players--;
    for (const remote of remotes) this.#routes.delete(keyOf(remote));
    this.forget(user);
  }

  /** Of a user whose offer named this port, too. */
  forget(user: SocketUser): void {
    if (this.#last !== user) return;
    this.#last = undefined;
    this.#lastRemote = undefined;
  }

  send(bytes: Uint8Array, remote: Remote): void {
    this.#socket.send(bytes, remote);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  onDatagram(bytes: Uint8Array, remote: Remote, at: number): void {
    if (remote !== this.#lastRemote) {
      this.#lastRemote = remote;
      this.#last = this.#routes.get(keyOf(remote));
      this.#isRoute = this.#last !== undefined;
    }
    if (!this.#isRoute) this.#last = this.#byUfrag(bytes) ?? this.#last;
    this.#last?.onDatagram(bytes, remote, this, at);
  }

  /** What the network says of one datagram is nothing to the others: who is not answered has its timeouts. */
  onError(): void {}

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

/** How many sockets a player that joins may be put on. */
const ASKED = 8;

/** The sockets of this process that are bound to one address. */
export class SocketPool {
  readonly #ufrags = new Map<string, SocketUser>();
  readonly #localAddress: string;
  /** The one whose port offers name. */
  #gate: SharedSocket | undefined = undefined;
  /** Those that were opened, or left by a player, last. */
  #recent: SharedSocket[] = [];

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  /** The socket whose port an offer may name. */
  gate(user: SocketUser): SharedSocket {
    this.#ufrags.set(user.ufrag, user);
    this.#gate ??= this.#open();
    this.#gate.users++;
    return this.#gate;
  }

  /**
   * A socket on which nobody else talks to any of these. Only a few are asked: with a server of one port every socket
   * is taken, and to look through thousands would cost more than to open one.
   */
  join(user: SocketUser, remotes: readonly Remote[]): SharedSocket {
    const socket = this.#recent.find((one) => one.hasRoomFor(remotes)) ?? this.#open();
    socket.join(user, remotes);
    socket.users++;
    return socket;
  }

  leave(user: SocketUser, socket: SharedSocket, remotes: readonly Remote[]): void {
    socket.leave(user, remotes);
    this.#remember(socket);
    this.#release(socket);
  }

  forget(user: SocketUser, gate: SharedSocket | undefined): void {
    this.#ufrags.delete(user.ufrag);
    if (gate === undefined) return;
    gate.forget(user);
    this.#release(gate);
  }

  /** Closes the socket when nobody is left on it. */
  #release(socket: SharedSocket): void {
    if (--socket.users > 0) return;
    this.#recent = this.#recent.filter((one) => one !== socket);
    if (this.#gate === socket) this.#gate = undefined;
    socket.close();
  }

  #open(): SharedSocket {
    const socket = new SharedSocket(this.#localAddress, this.#ufrags);
    this.#remember(socket);
    return socket;
  }

  #remember(socket: SharedSocket): void {
    if (!this.#recent.includes(socket)) this.#recent = [socket, ...this.#recent].slice(0, ASKED);
  }
}

const pools = new Map<string, SocketPool>();

/** @param localAddress IPv4. */
export function socketsOf(localAddress: string): SocketPool {
  let pool = pools.get(localAddress);
  if (pool === undefined) {
    pool = new SocketPool(localAddress);
    pools.set(localAddress, pool);
  }
  return pool;
}
