/**
 * SRT through the proxy (seeds/001, SRT Origin Cluster; facts/srs.md 4.3): it answers the induction, reads the stream id
 * of the conclusion, and hands the conclusion to the origin of that stream with the cookie that the origin wants. From
 * then on it passes packets on as they are: socket ids, timestamps and encryption are those of the two ends.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { ProtocolError } from '../../../protocols/errors.ts';
import { CookieJar } from '../../../protocols/srt/cookie.ts';
import {
  decodeHandshake,
  encodeHandshake,
  type Handshake,
  HandshakeType,
  inductionRequest,
} from '../../../protocols/srt/handshake.ts';
import { destinationOf, HEADER_SIZE } from '../../../protocols/srt/packet.ts';
import { RejectReason, rejectionName, rejectionOf } from '../../../protocols/srt/rejection.ts';
import { parseStreamId } from '../srt/stream-id.ts';
import type { ProxyContext, ProxyPart } from './context.ts';
import { type Backend, Refusal, RefusalCode, streamUrlOf } from './load-balancer.ts';
import {
  inductionAnswer,
  isConclusion,
  isHandshake,
  isShutdown,
  isToBeDropped,
  rejection,
  shutdown,
  writeCookie,
} from './srt-handshake.ts';
import { SrtLink } from './srt-link.ts';
import { SrtSession, SrtStage } from './srt-session.ts';
import { bindUdp, canBeAnswered, isFull, type Peer, udpSocket } from './udp.ts';

/** Callers at a time, and those of them that wait for the load balancer or an origin. */
const MAX_SESSIONS = 10_000;
const MAX_HALF_OPEN = 1024;
/** Between two looks at who is silent. */
const SWEEP_MS = 100;

export class SrtProxy implements ProxyPart {
  /** Handshakes that were not answered, and packets of no connection. */
  refused = 0;
  stray = 0;
  readonly #context: ProxyContext;
  readonly #socket: Socket;
  readonly #cookies = new CookieJar(randomBytes(8));
  /** By address and socket id of the caller. */
  readonly #byCaller = new Map<string, SrtSession>();
  /** Open ones by the socket id that their origin chose. */
  readonly #byListenerId = new Map<number, SrtSession>();
  /** By the origin's address. */
  readonly #links = new Map<string, SrtLink[]>();
  readonly #dropsPackets: boolean;
  #halfOpen = 0;
  #sweep = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #bytesUp = 0;
  #bytesDown = 0;
  /** Of the end of the proxy: callers are told, then nobody is. */
  #ending = false;
  #closed = false;

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#socket = udpSocket(context.environment.srt.host);
    this.#dropsPackets = context.mutants.has('proxy-srt-drops-packets');
  }

  get sessions(): number {
    return this.#byCaller.size;
  }

  async start(): Promise<void> {
    const { environment, log } = this.#context;
    await bindUdp(this.#socket, environment.srt);
    this.#socket.on('error', (error) => log(`srt: ${error.message}`));
    this.#socket.on('message', (packet, peer) => this.#onPacket(packet, peer));
    this.#sweeper = setInterval(() => this.#onSweep(), SWEEP_MS);
  }

  close(): void {
    if (this.#closed) return;
    this.#ending = true;
    clearInterval(this.#sweeper);
    for (const session of [...this.#byCaller.values()]) this.#end(session, 'the proxy ends');
    this.#closed = true;
    this.#socket.close();
  }

  #onPacket(packet: Buffer, peer: Peer): void {
    if (packet.length < HEADER_SIZE || !canBeAnswered(peer)) {
      this.stray++;
      return;
    }
    const destination = destinationOf(packet);
    if (destination === 0) {
      this.#onHandshake(packet, peer);
      return;
    }
    let session = this.#byListenerId.get(destination);
    while (session && (session.peer.port !== peer.port || session.peer.address !== peer.address)) {
      session = session.next;
    }
    if (!session || isHandshake(packet)) {
      this.stray++;
      return;
    }
    session.heardCaller = this.#sweep;
    if (this.#dropsPackets && isToBeDropped(packet)) return;
    const isLast = isShutdown(packet);
    if (isLast && this.#context.mutants.has('proxy-srt-keeps-shutdown')) return;
    this.#bytesUp += packet.length;
    session.link!.send(packet);
    if (isLast) this.#free(session, 'the caller left');
  }

  #onOriginPacket(session: SrtSession, packet: Buffer): void {
    session.heardOrigin = this.#sweep;
    if (isHandshake(packet)) {
      this.#guarded(() => this.#onOriginHandshake(session, packet));
      return;
    }
    if (session.stage !== SrtStage.open || (this.#dropsPackets && isToBeDropped(packet))) return;
    this.#bytesDown += packet.length;
    this.#send(packet, session.peer);
    if (isShutdown(packet)) this.#free(session, 'the origin ended it');
  }

  /** Lost when the system does not take it; `packet` is not to be changed. */
  #send(packet: Uint8Array, { address, port }: Peer): void {
    if (!this.#closed && !isFull(this.#socket)) this.#socket.send(packet, port, address);
  }

  /** What comes is anybody's: malformed handshakes are not answered. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.refused++;
    }
  }

  #onHandshake(packet: Buffer, peer: Peer): void {
    if (!isHandshake(packet)) {
      this.stray++;
      return;
    }
    this.#guarded(() => {
      const request = decodeHandshake(packet);
      const now = performance.now();
      if (request.type === HandshakeType.induction) {
        const cookie = this.#cookies.make(peer.address, peer.port, now);
        this.#send(inductionAnswer(request, cookie), peer);
      } else if (request.type === HandshakeType.conclusion && this.#isKnown(request.cookie, peer, now)) {
        this.#onConclusion(request, packet, peer);
      } else this.refused++;
    });
  }

  #isKnown(cookie: number, { address, port }: Peer, now: number): boolean {
    if (this.#context.mutants.has('proxy-srt-any-cookie')) return true;
    return this.#cookies.fits(cookie, address, port, now);
  }

  #onConclusion(request: Handshake, packet: Buffer, peer: Peer): void {
    const key = `${peer.address}:${peer.port}/${request.socketId}`;
    const known = this.#byCaller.get(key);
    if (known) {
      this.#askAgain(known);
      return;
    }
    const target = parseStreamId(request.streamId ?? '');
    const byCaller = this.#context.mutants.has('proxy-srt-picks-by-caller');
    const streamUrl =
      target &&
      streamUrlOf({
        ...(target.vhost !== undefined && { vhost: target.vhost }),
        app: target.app,
        stream: byCaller ? `${peer.port}` : target.stream.replace(/\?.*/s, ''),
      });
    const reason = this.#whyNot(request, streamUrl !== undefined);
    if (reason !== undefined || !target || streamUrl === undefined) {
      this.#context.metrics.error('srt', rejectionName(reason!));
      this.#send(rejection(request, reason!), peer);
      return;
    }
    const session = new SrtSession(key, peer, request, packet, streamUrl, target.publish, this.#sweep);
    this.#byCaller.set(key, session);
    this.#halfOpen++;
    this.#pick(session);
  }

  #whyNot(request: Handshake, hasTarget: boolean): RejectReason | undefined {
    if (!isConclusion(request)) return RejectReason.version;
    if (request.socketId === 0) return RejectReason.rogue;
    if (!hasTarget) return RejectReason.badRequest;
    if (this.#byCaller.size >= MAX_SESSIONS) return RejectReason.resource;
    return this.#halfOpen >= MAX_HALF_OPEN ? RejectReason.backlog : undefined;
  }

  /** @param instead of an origin that could not be reached. */
  #pick(session: SrtSession, instead?: Backend): void {
    this.#enterStage(session, SrtStage.picking);
    this.#context.balancer.pick(session.streamUrl, { protocol: 'srt', ...(instead && { instead }) }).then(
      (backend) => {
        if (session.stage !== SrtStage.picking) return;
        if (backend.srt) this.#induct(session, backend);
        else
          this.#reject(session, RejectReason.unavailable, `${backend.id} has no SRT`, RefusalCode.NoEndpoint);
      },
      (error: unknown) => {
        if (session.stage !== SrtStage.picking) return;
        if (error instanceof Refusal) {
          this.#reject(session, RejectReason.unavailable, error.message, error.code);
        } else this.#reject(session, RejectReason.internalServerError, String(error), 'internal');
      },
    );
  }

  #induct(session: SrtSession, backend: Backend): void {
    session.backend = backend;
    session.link = this.#linkTo(backend, session.callerId);
    session.link.sessions.set(session.callerId, session);
    this.#enterStage(session, SrtStage.inducting);
    this.#askAgain(session);
  }

  /** The first time, and whenever the caller repeats its conclusion. */
  #askAgain({ stage, link, request, conclusion }: SrtSession): void {
    if (stage === SrtStage.inducting) {
      const induction = inductionRequest(request.socketId, request.initialSequence, request.flowWindow);
      link!.send(encodeHandshake(induction, 0, 0));
    } else if (stage !== SrtStage.picking && conclusion) link!.send(conclusion);
  }

  #onOriginHandshake(session: SrtSession, packet: Buffer): void {
    const answer = decodeHandshake(packet);
    const refusal = rejectionOf(answer.type);
    if (refusal !== undefined) {
      if (session.stage === SrtStage.open) return;
      this.#send(packet, session.peer);
      this.#context.metrics.error('srt', rejectionName(refusal));
      this.#free(session, `the origin says ${rejectionName(refusal)}`);
    } else if (answer.type === HandshakeType.induction) {
      if (session.stage !== SrtStage.inducting) return;
      writeCookie(session.conclusion!, answer.cookie);
      this.#enterStage(session, SrtStage.concluding);
      this.#askAgain(session);
    } else if (answer.type === HandshakeType.conclusion) {
      if (session.stage === SrtStage.concluding) this.#open(session, answer.socketId);
      if (session.stage === SrtStage.open) this.#send(packet, session.peer);
    }
  }

  #open(session: SrtSession, listenerId: number): void {
    const { balancer, metrics, log } = this.#context;
    session.listenerId = listenerId;
    session.next = this.#byListenerId.get(listenerId);
    this.#byListenerId.set(listenerId, session);
    this.#enterStage(session, SrtStage.open);
    this.#halfOpen--;
    session.heardCaller = this.#sweep;
    session.heardOrigin = this.#sweep;
    const forget = metrics.connected('srt');
    const letGo = balancer.hold(session.streamUrl, session.backend!);
    session.release = () => {
      forget();
      letGo();
    };
    const { address, port } = session.peer;
    log(
      `srt ${session.publish ? 'publish' : 'play'} ${session.streamUrl} ${address}:${port} at ${session.backend!.id}`,
    );
  }

  #enterStage(session: SrtSession, stage: SrtStage): void {
    session.stage = stage;
    session.since = this.#sweep;
  }

  #reject(session: SrtSession, reason: number, why: string, label: string): void {
    this.#context.metrics.error('srt', label);
    if (!this.#context.mutants.has('proxy-srt-no-rejection')) {
      this.#send(rejection(session.request, reason), session.peer);
    }
    this.#free(session, `rejected with ${rejectionName(reason)}: ${why}`);
  }

  /** A publisher gets another origin, once; who plays gets nothing there (see PickOptions). */
  #onUnreachable(session: SrtSession): void {
    const { backend, publish, repicked } = session;
    this.#leaveLink(session);
    if (publish && !repicked) {
      session.repicked = true;
      this.#pick(session, backend);
    } else this.#reject(session, RejectReason.gateway, `${backend!.id} does not answer`, 'proxy.unreachable');
  }

  /** A socket to the origin on which nobody has the same socket id: callers choose theirs by chance. */
  #linkTo(backend: Backend, callerId: number): SrtLink {
    const origin = backend.srt!;
    const name = `${origin.host}:${origin.port}`;
    const links = this.#links.get(name) ?? [];
    const found = links.find(({ sessions }) => !sessions.has(callerId));
    if (found) return found;
    const link = new SrtLink(origin, this.#context.environment.srt.host, {
      onPacket: (session, packet) => this.#onOriginPacket(session, packet),
      onRefused: (refused) => this.#onRefused(refused),
    });
    links.push(link);
    this.#links.set(name, links);
    return link;
  }

  /** The origin's port is closed: whoever was connected there is not any more. */
  #onRefused(link: SrtLink): void {
    for (const session of [...link.sessions.values()]) {
      if (session.stage === SrtStage.open) this.#end(session, 'the origin has gone');
      else this.#onUnreachable(session);
    }
  }

  #leaveLink(session: SrtSession): void {
    const { link, callerId } = session;
    session.link = undefined;
    if (!link) return;
    link.sessions.delete(callerId);
    if (link.sessions.size > 0) return;
    link.close();
    const name = `${link.origin.host}:${link.origin.port}`;
    const others = (this.#links.get(name) ?? []).filter((other) => other !== link);
    if (others.length === 0) this.#links.delete(name);
    else this.#links.set(name, others);
  }

  /** Tells both ends. */
  #end(session: SrtSession, why: string): void {
    if (session.stage === SrtStage.open) {
      this.#send(shutdown(session.callerId), session.peer);
      session.link!.send(shutdown(session.listenerId));
    }
    this.#free(session, why);
  }

  #free(session: SrtSession, why: string): void {
    const { log, mutants } = this.#context;
    if (session.stage === SrtStage.open) {
      if (mutants.has('proxy-srt-never-frees') && !this.#ending) return;
      this.#forgetListenerId(session);
    } else this.#halfOpen--;
    session.stage = SrtStage.closed;
    this.#byCaller.delete(session.key);
    this.#leaveLink(session);
    session.release?.();
    log(`srt ${session.streamUrl} ${session.peer.address}:${session.peer.port}: ${why}`);
  }

  #forgetListenerId(session: SrtSession): void {
    const { listenerId, next } = session;
    let other = this.#byListenerId.get(listenerId);
    if (other === session) {
      if (next) this.#byListenerId.set(listenerId, next);
      else this.#byListenerId.delete(listenerId);
      return;
    }
    while (other && other.next !== session) other = other.next;
    if (other) other.next = next;
  }

  #onSweep(): void {
    const { metrics, timeouts } = this.#context;
    const sweep = ++this.#sweep;
    const answerBy = sweep - timeouts.srtAnswer / SWEEP_MS;
    const idleSince = sweep - timeouts.srtIdle / SWEEP_MS;
    for (const session of this.#byCaller.values()) {
      const { stage, since, heardCaller, heardOrigin } = session;
      if (stage === SrtStage.open) {
        if (heardCaller > since) session.conclusion = undefined;
        if (heardCaller < idleSince) this.#end(session, 'the caller is silent');
        else if (heardOrigin < idleSince) this.#end(session, 'the origin is silent');
      } else if (stage !== SrtStage.picking && since < answerBy) this.#onUnreachable(session);
    }
    if (this.#bytesUp > 0) metrics.bytes('srt', 'up', this.#bytesUp);
    if (this.#bytesDown > 0) metrics.bytes('srt', 'down', this.#bytesDown);
    this.#bytesUp = 0;
    this.#bytesDown = 0;
  }
}
