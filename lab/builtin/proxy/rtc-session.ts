/** A WebRTC client of an origin, by what its offer and answer have agreed on, and the ways that it comes. */
import type { Backend, Endpoint } from './load-balancer.ts';
import { OriginSocket, type Peer } from './udp.ts';

export interface RtcSessionFields {
  /** As the client's checks have it: `<ufrag of the origin>:<ufrag of the client>` (RFC 8445 section 7.2.2). */
  readonly username: string;
  /** Of the origin: what those checks are signed with. */
  readonly pwd: string;
  readonly backend: Backend;
  readonly streamUrl: string;
  /** Path and query of what ends it; undefined when the origin has not said. */
  readonly location: string | undefined;
}

export class RtcSession {
  readonly username: string;
  readonly key: Uint8Array;
  readonly pwd: string;
  readonly backend: Backend;
  readonly streamUrl: string;
  readonly location: string | undefined;
  readonly paths: RtcPath[] = [];
  /** Sweeps at which it was made, or the client was last heard of on a path that is closed; and at which the other
   * proxies were told of it. */
  idleSince: number;
  sharedAt: number;
  /** Of the load balancer, and of the metrics. */
  readonly release: () => void;

  constructor(fields: RtcSessionFields, sweep: number, release: () => void) {
    this.username = fields.username;
    this.key = Buffer.from(fields.pwd);
    this.pwd = fields.pwd;
    this.backend = fields.backend;
    this.streamUrl = fields.streamUrl;
    this.location = fields.location;
    this.idleSince = sweep;
    this.sharedAt = sweep;
    this.release = release;
  }
}

export interface RtcPathEvents {
  onPacket(path: RtcPath, packet: Buffer): void;
  /** Nothing listens there. */
  onRefused(path: RtcPath): void;
}

/**
 * From one address of the client to the origin, by a socket of its own: the origin sees as many candidates as the client
 * has, and tells its clients by their addresses. Plain fields: they are looked at for every packet.
 */
export class RtcPath {
  readonly session: RtcSession;
  readonly address: string;
  readonly port: number;
  /** Sweep at which the client was last heard of. */
  heard: number;
  /** Another path whose client has the same port. */
  next: RtcPath | undefined = undefined;
  readonly #socket: OriginSocket;

  constructor(
    session: RtcSession,
    peer: Peer,
    origin: Endpoint,
    listensAt: string,
    sweep: number,
    events: RtcPathEvents,
  ) {
    this.session = session;
    this.address = peer.address;
    this.port = peer.port;
    this.heard = sweep;
    this.#socket = new OriginSocket(origin, listensAt, {
      onPacket: (packet) => events.onPacket(this, packet),
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
