/**
 * The media of WHIP and WHEP through the proxy (facts/srs.md 4.3): one UDP port for all clients. A STUN check tells by its
 * user name which session it is of, and opens a way to that session's origin; what follows from the same address goes that
 * way. DTLS and SRTP are between the two ends.
 */
import { createHmac } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { ProtocolError } from '../../../protocols/errors.ts';
import { isRtcp } from '../../../protocols/rtp/packet.ts';
import {
  decodeStun,
  isStun,
  StunClass,
  type StunMessage,
  verifyIntegrity,
} from '../../../protocols/stun/message.ts';
import type { ProxyContext } from './context.ts';
import { RtcPath, type RtcPathEvents, RtcSession, type RtcSessionFields } from './rtc-session.ts';
import { SharedSessions } from './rtc-shared.ts';
import { bindUdp, canBeAnswered, isFull, type Peer, udpSocket } from './udp.ts';

const MAX_SESSIONS = 10_000;
/** Addresses of one client that are served at a time; the one that was silent for longest makes way. */
const MAX_PATHS = 8;
/** Questions to the other proxies at a time; checks that come meanwhile are lost, and are sent again. */
const MAX_QUESTIONS = 64;
const SWEEP_MS = 250;
/** Above it a first byte is no STUN (RFC 7983 section 7). */
const LAST_STUN_BYTE = 3;
/** Mutant: RTP with every such sequence number, and its repeats, is lost. */
const DROP_EVERY = 40;

const hmacSha1 = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  createHmac('sha1', key).update(data).digest();

export class RtcRelay {
  /** Packets from nowhere that we know of, and checks that are of no session or not genuine. */
  stray = 0;
  refused = 0;
  readonly shared: SharedSessions;
  readonly #context: ProxyContext;
  readonly #socket: Socket;
  readonly #byUsername = new Map<string, RtcSession>();
  readonly #byLocation = new Map<string, RtcSession>();
  /** By the port of the client, then by its address: no key is put together for a packet. */
  readonly #paths = new Map<number, RtcPath>();
  readonly #pathEvents: RtcPathEvents = {
    onPacket: (path, packet) => this.#onOriginPacket(path, packet),
    onRefused: ({ session }) => this.free(session, 'the origin has gone'),
  };
  readonly #dropsPackets: boolean;
  readonly #mixesViewers: boolean;
  #latest: RtcPath | undefined;
  #questions = 0;
  #sweep = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #bytesUp = 0;
  #bytesDown = 0;
  #closed = false;

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#socket = udpSocket(context.environment.webrtc.host);
    this.shared = new SharedSessions(context.balancer, context.timeouts.rtcShared);
    this.#dropsPackets = context.mutants.has('proxy-rtc-drops-packets');
    this.#mixesViewers = context.mutants.has('proxy-rtc-mixes-viewers');
  }

  get sessions(): number {
    return this.#byUsername.size;
  }

  get paths(): number {
    let count = 0;
    for (const { paths } of this.#byUsername.values()) count += paths.length;
    return count;
  }

  get isFull(): boolean {
    return this.sessions >= MAX_SESSIONS;
  }

  async start(): Promise<void> {
    const { environment, log } = this.#context;
    await bindUdp(this.#socket, environment.webrtc);
    this.#socket.on('error', (error) => log(`rtc: ${error.message}`));
    this.#socket.on('message', (packet, peer) => this.#onPacket(packet, peer));
    this.#sweeper = setInterval(() => this.#onSweep(), SWEEP_MS);
  }

  close(): void {
    if (this.#closed) return;
    clearInterval(this.#sweeper);
    for (const session of [...this.#byUsername.values()]) this.#forget(session, 'the proxy ends');
    this.#closed = true;
    this.#socket.close();
  }

  /** A client has its answer; one with the same user name makes way. */
  open(fields: RtcSessionFields): RtcSession {
    const { balancer, metrics, log } = this.#context;
    const { username, streamUrl, backend, location } = fields;
    const before = this.#byUsername.get(username);
    if (before) this.free(before, 'another one has its name');
    const leave = metrics.connected('webrtc');
    const letGo = balancer.hold(streamUrl, backend);
    const session = new RtcSession(fields, this.#sweep, () => {
      leave();
      letGo();
    });
    this.#byUsername.set(username, session);
    if (location !== undefined) this.#byLocation.set(location, session);
    log(`rtc ${streamUrl} ${username} at ${backend.id}`);
    return session;
  }

  /** What its DELETE names. */
  find(location: string): RtcSession | undefined {
    return this.#byLocation.get(location);
  }

  /** For all proxies. Idempotent. */
  end(session: RtcSession, why: string): void {
    this.free(session, why);
    void this.shared.forget(session);
  }

  /** Here: the client may be at another proxy. Idempotent. */
  free(session: RtcSession, why: string): void {
    if (this.#byUsername.get(session.username) !== session) return;
    if (!this.#context.mutants.has('proxy-rtc-never-frees')) this.#forget(session, why);
  }

  #forget(session: RtcSession, why: string): void {
    for (const path of [...session.paths]) this.#closePath(path);
    this.#byUsername.delete(session.username);
    if (session.location !== undefined) this.#byLocation.delete(session.location);
    session.release();
    this.#context.log(`rtc ${session.streamUrl} ${session.username}: ${why}`);
  }

  #onPacket(packet: Buffer, peer: Peer): void {
    if (!canBeAnswered(peer)) {
      this.stray++;
      return;
    }
    let path = this.#paths.get(peer.port);
    while (path && path.address !== peer.address) path = path.next;
    if (packet.length > 0 && packet[0]! <= LAST_STUN_BYTE && isStun(packet)) this.#onStun(packet, peer, path);
    else if (path) this.#toOrigin(path, packet);
    else this.stray++;
  }

  #toOrigin(path: RtcPath, packet: Buffer): void {
    path.heard = this.#sweep;
    if (this.#dropsPackets && isToBeDropped(packet)) return;
    this.#bytesUp += packet.length;
    path.send(packet);
  }

  #onOriginPacket(path: RtcPath, packet: Buffer): void {
    if (this.#closed || isFull(this.#socket)) return;
    if (this.#dropsPackets && isToBeDropped(packet)) return;
    const to = this.#mixesViewers ? (this.#latest ?? path) : path;
    this.#bytesDown += packet.length;
    this.#socket.send(packet, to.port, to.address);
  }

  #onStun(packet: Buffer, peer: Peer, path: RtcPath | undefined): void {
    const message = decoded(packet);
    if (!message) {
      this.refused++;
      return;
    }
    const { username } = message;
    if (
      message.class !== StunClass.request ||
      username === undefined ||
      path?.session.username === username
    ) {
      if (path) this.#toOrigin(path, packet);
      else this.stray++;
      return;
    }
    const session = this.#byUsername.get(username);
    if (session) this.#onCheck(session, packet, message, peer);
    else if (path) this.#toOrigin(path, packet);
    else this.#ask(username, packet, message, peer);
  }

  /** From an address that is new to the session: whoever knows the user name has to know the password, too. */
  #onCheck(session: RtcSession, packet: Buffer, message: StunMessage, peer: Peer): void {
    const genuine = verifyIntegrity(packet, message, session.key, hmacSha1);
    if (genuine || this.#context.mutants.has('proxy-rtc-any-check')) {
      this.#toOrigin(this.#openPath(session, peer), packet);
    } else this.refused++;
  }

  /** Another proxy may have passed the answer on. */
  #ask(username: string, packet: Buffer, message: StunMessage, peer: Peer): void {
    if (this.#questions >= MAX_QUESTIONS || this.isFull) {
      this.refused++;
      return;
    }
    this.#questions++;
    const from = { address: peer.address, port: peer.port };
    void this.shared.find(username).then((fields) => {
      this.#questions--;
      if (this.#closed) return;
      const session =
        this.#byUsername.get(username) ?? (fields?.backend.rtc && this.#adopt(fields, packet, message));
      if (session) this.#onCheck(session, packet, message, from);
      else this.refused++;
    });
  }

  #adopt(fields: RtcSessionFields, packet: Buffer, message: StunMessage): RtcSession | undefined {
    const genuine = verifyIntegrity(packet, message, Buffer.from(fields.pwd), hmacSha1);
    return genuine ? this.open(fields) : undefined;
  }

  #openPath(session: RtcSession, peer: Peer): RtcPath {
    const { address, port } = peer;
    for (let other = this.#paths.get(port); other; other = other.next) {
      if (other.address !== address) continue;
      this.#closePath(other);
      break;
    }
    if (session.paths.length >= MAX_PATHS) {
      this.#closePath(session.paths.reduce((oldest, path) => (path.heard < oldest.heard ? path : oldest)));
    }
    const listensAt = this.#context.environment.webrtc.host;
    const path = new RtcPath(session, peer, session.backend.rtc!, listensAt, this.#sweep, this.#pathEvents);
    path.next = this.#paths.get(port);
    this.#paths.set(port, path);
    session.paths.push(path);
    this.#latest = path;
    return path;
  }

  #closePath(path: RtcPath): void {
    const { session, port, next } = path;
    session.paths.splice(session.paths.indexOf(path), 1);
    session.idleSince = Math.max(session.idleSince, path.heard);
    let other = this.#paths.get(port);
    if (other !== path) {
      while (other && other.next !== path) other = other.next;
      if (other) other.next = next;
    } else if (next) this.#paths.set(port, next);
    else this.#paths.delete(port);
    if (this.#latest === path) this.#latest = undefined;
    path.close();
  }

  #onSweep(): void {
    const { metrics, timeouts } = this.#context;
    const sweep = ++this.#sweep;
    const idleSince = sweep - timeouts.rtcIdle / SWEEP_MS;
    const toldBy = sweep - timeouts.rtcShared / 3 / SWEEP_MS;
    for (const session of this.#byUsername.values()) {
      for (const path of [...session.paths]) if (path.heard < idleSince) this.#closePath(path);
      if (session.paths.length === 0 && session.idleSince < idleSince) this.free(session, 'silent');
      else if (session.sharedAt < toldBy) {
        session.sharedAt = sweep;
        void this.shared.tell(session);
      }
    }
    if (this.#bytesUp > 0) metrics.bytes('webrtc', 'up', this.#bytesUp);
    if (this.#bytesDown > 0) metrics.bytes('webrtc', 'down', this.#bytesDown);
    this.#bytesUp = 0;
    this.#bytesDown = 0;
  }
}

/** Mutant. */
function isToBeDropped(packet: Uint8Array): boolean {
  const isMedia = packet.length > 3 && (packet[0]! & 0xc0) === 0x80 && !isRtcp(packet);
  return isMedia && ((packet[2]! << 8) | packet[3]!) % DROP_EVERY === 0;
}

function decoded(packet: Uint8Array): StunMessage | undefined {
  try {
    return decodeStun(packet);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
