/** One UDP socket from the proxy to the SRT port of an origin: many callers share it, told apart by their socket ids. */
import type { Socket } from 'node:dgram';
import { destinationOf, HEADER_SIZE } from '../../../protocols/srt/packet.ts';
import type { Endpoint } from './load-balancer.ts';
import type { SrtSession } from './srt-session.ts';
import { connectUdp, isFull, udpSocket } from './udp.ts';

export interface SrtLinkEvents {
  onPacket(session: SrtSession, packet: Buffer): void;
  /** Nothing listens there; the link is not used any more. */
  onRefused(link: SrtLink): void;
}

export class SrtLink {
  readonly origin: Endpoint;
  /** By the socket id of the caller, which is where the origin's packets go to. */
  readonly sessions = new Map<number, SrtSession>();
  /** Packets for nobody. */
  stray = 0;
  readonly #socket: Socket;
  #usable: boolean;

  /** @param listensAt address of the proxy. */
  constructor(origin: Endpoint, listensAt: string, events: SrtLinkEvents) {
    this.origin = origin;
    const socket = udpSocket(origin.host);
    this.#socket = socket;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Of one datagram that is lost, but for these: the port is closed, or the socket never was.
      if (error.code === 'ECONNREFUSED' || error.syscall === 'bind' || error.syscall === 'connect') {
        events.onRefused(this);
      }
    });
    socket.on('message', (packet) => {
      const session = packet.length < HEADER_SIZE ? undefined : this.sessions.get(destinationOf(packet));
      if (session === undefined) this.stray++;
      else events.onPacket(session, packet);
    });
    this.#usable = connectUdp(socket, origin, listensAt);
  }

  /** Handed to the system, or lost: `packet` is not to be changed. */
  send(packet: Uint8Array): void {
    if (this.#usable && !isFull(this.#socket)) this.#socket.send(packet);
  }

  /** Once. */
  close(): void {
    this.#usable = false;
    this.#socket.close();
  }
}
