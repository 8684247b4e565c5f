/** One UDP socket from the proxy to the SRT port of an origin: many callers share it, told apart by their socket ids. */
import { destinationOf, HEADER_SIZE } from '../../../protocols/srt/packet.ts';
import type { Endpoint } from './load-balancer.ts';
import type { SrtSession } from './srt-session.ts';
import { OriginSocket } from './udp.ts';

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
  readonly #socket: OriginSocket;

  /** @param listensAt address of the proxy. */
  constructor(origin: Endpoint, listensAt: string, events: SrtLinkEvents) {
    this.origin = origin;
    this.#socket = new OriginSocket(origin, listensAt, {
      onPacket: (packet) => {
        const session = packet.length < HEADER_SIZE ? undefined : this.sessions.get(destinationOf(packet));
        if (session === undefined) this.stray++;
        else events.onPacket(session, packet);
      },
      onRefused: () => events.onRefused(this),
    });
  }

  /** Handed to the system, or lost: `packet` is not to be changed. */
  send(packet: Uint8Array): void {
    this.#socket.send(packet);
  }

  /** Once. */
  close(): void {
    this.#socket.close();
  }
}
