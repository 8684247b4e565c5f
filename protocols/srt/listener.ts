/** A listener of many connections on one UDP port (draft-sharabayko-srt-01 section 4.3.1). */
import { ProtocolError } from '../errors.ts';
import { type Accepted, SrtConnection, type SrtHandler } from './connection.ts';
import { CookieJar } from './cookie.ts';
import {
  decodeHandshake,
  encodeHandshake,
  type Handshake,
  HandshakeType,
  LIVE_FLAGS,
  loopbackAddress,
  MAGIC,
  MIN_SRT_VERSION,
  MTU,
  SRT_VERSION,
  SrtFlag,
} from './handshake.ts';
import { KeyRing } from './key-material.ts';
import { DEFAULT_OPTIONS, type SrtOptions } from './options.ts';
import { ControlType, controlTypeOf, destinationOf, HEADER_SIZE, isControl, timestampOf } from './packet.ts';
import { RejectReason } from './rejection.ts';

/** Where a datagram came from; what `dgram` calls rinfo fits. */
export interface SrtPeer {
  readonly address: string;
  readonly port: number;
}

/** What a caller asks for, before it is let in. */
export interface SrtRequest {
  readonly peer: SrtPeer;
  /** Empty when none was sent. */
  readonly streamId: string;
  readonly encrypted: boolean;
  readonly version: number;
  /** Latencies that the caller asks for: its own as a receiver, ours. */
  readonly receiverDelayMs: number;
  readonly senderDelayMs: number;
}

export type SrtDecision =
  | { readonly accept: true; readonly options?: Partial<SrtOptions> }
  | { readonly accept: false; readonly reason: number };

export interface SrtListenerHandler extends SrtHandler {
  /** A datagram that belongs to no connection: an answer to a handshake. */
  onAnswer(bytes: Uint8Array, peer: SrtPeer): void;
  /** Default: everyone is let in. */
  onRequest?(request: SrtRequest): SrtDecision;
  onAccepted?(connection: SrtConnection, peer: SrtPeer, request: SrtRequest, now: number): void;
}

export interface SrtListenerLimits {
  /** Default 10 000. More are rejected with `resource`. */
  readonly maxConnections: number;
  /** Connections whose caller has not sent anything since its conclusion. Default 1024; then `backlog`. */
  readonly maxHalfOpen: number;
}

interface Entry {
  readonly connection: SrtConnection;
  readonly peer: SrtPeer;
  readonly key: string;
  /** The conclusion's answer, for callers that did not get it; undefined once they have spoken. */
  answer: Uint8Array | undefined;
}

/**
 * Nothing is kept for an address before it has echoed its cookie. `receive` every datagram of the port, `tick` when
 * `deadline` has come.
 */
export class SrtListener {
  /** Handshakes that were not answered: malformed, or with a cookie that is not ours. */
  refused = 0;
  /** Datagrams for connections that are not there, or from an address that is not their peer's. */
  stray = 0;
  readonly #options: SrtOptions;
  readonly #handler: SrtListenerHandler;
  readonly #limits: SrtListenerLimits;
  readonly #cookies: CookieJar;
  readonly #random: (count: number) => Uint8Array;
  readonly #bySocketId = new Map<number, Entry>();
  readonly #byCaller = new Map<string, Entry>();
  #halfOpen = 0;
  /** The user's handler, with our own book-keeping before it. */
  readonly #connectionHandler: SrtHandler = {
    onPacketOut: (connection, bytes) => this.#handler.onPacketOut(connection, bytes),
    onData: (connection, bytes, start, now) => this.#handler.onData?.(connection, bytes, start, now),
    onClosed: (connection, closure, now) => {
      this.#forget(connection);
      this.#handler.onClosed?.(connection, closure, now);
    },
  };

  /**
   * @param random bytes that nobody can guess.
   */
  constructor(
    options: Partial<SrtOptions>,
    handler: SrtListenerHandler,
    random: (count: number) => Uint8Array,
    limits: Partial<SrtListenerLimits> = {},
  ) {
    this.#options = { ...DEFAULT_OPTIONS, ...options };
    this.#handler = handler;
    this.#random = random;
    this.#cookies = new CookieJar(random(8));
    this.#limits = { maxConnections: 10_000, maxHalfOpen: 1024, ...limits };
  }

  get connections(): number {
    return this.#bySocketId.size;
  }

  get halfOpen(): number {
    return this.#halfOpen;
  }

  receive(packet: Uint8Array, peer: SrtPeer, now: number): void {
    if (packet.length < HEADER_SIZE) {
      this.refused++;
      return;
    }
    const destination = destinationOf(packet);
    if (destination === 0) {
      this.#handshake(packet, peer, now);
      return;
    }
    const entry = this.#bySocketId.get(destination);
    if (entry === undefined || entry.peer.port !== peer.port || entry.peer.address !== peer.address) {
      this.stray++;
      return;
    }
    if (entry.answer !== undefined && !isHandshake(packet)) {
      entry.answer = undefined;
      this.#halfOpen--;
    }
    entry.connection.receive(packet, now);
  }

  /** Does what is due. Returns when it is to be called again. */
  tick(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { connection } of this.#bySocketId.values()) {
      const due = connection.deadline <= now ? connection.tick(now) : connection.deadline;
      if (due < next) next = due;
    }
    return next;
  }

  /** Shuts every connection down. */
  close(now: number): void {
    for (const { connection } of [...this.#bySocketId.values()]) connection.close(now);
  }

  #handshake(packet: Uint8Array, peer: SrtPeer, now: number): void {
    try {
      if (!isHandshake(packet)) this.stray++;
      else {
        const request = decodeHandshake(packet);
        if (request.type === HandshakeType.induction) this.#induct(request, peer, now);
        else if (request.type === HandshakeType.conclusion) this.#conclude(request, packet, peer, now);
        else this.refused++;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.refused++;
    }
  }

  /** No longer than the request, and nothing is kept. */
  #induct(request: Handshake, peer: SrtPeer, now: number): void {
    const { passphrase, keyBytes, flowWindow } = this.#options;
    const answer: Handshake = {
      version: 5,
      encryption: passphrase === undefined ? 0 : (keyBytes ?? 16) / 8,
      extensionField: MAGIC,
      initialSequence: request.initialSequence,
      mtu: MTU,
      flowWindow,
      type: HandshakeType.induction,
      socketId: request.socketId,
      cookie: this.#cookies.make(peer.address, peer.port, now),
      peerAddress: loopbackAddress(),
    };
    this.#handler.onAnswer(encodeHandshake(answer, 0, request.socketId), peer);
  }

  #conclude(request: Handshake, packet: Uint8Array, peer: SrtPeer, now: number): void {
    if (!this.#cookies.fits(request.cookie, peer.address, peer.port, now)) {
      this.refused++;
      return;
    }
    const key = `${peer.address}:${peer.port}/${request.socketId}`;
    const known = this.#byCaller.get(key);
    if (known !== undefined) {
      if (known.answer !== undefined) this.#handler.onAnswer(known.answer, peer);
      return;
    }
    const { hs } = request;
    if (request.version !== 5 || hs === undefined || hs.response || hs.version < MIN_SRT_VERSION) {
      this.#reject(request, RejectReason.version, peer);
      return;
    }
    if (this.#bySocketId.size >= this.#limits.maxConnections) {
      this.#reject(request, RejectReason.resource, peer);
      return;
    }
    if (this.#halfOpen >= this.#limits.maxHalfOpen) {
      this.#reject(request, RejectReason.backlog, peer);
      return;
    }
    const asked: SrtRequest = {
      peer: { address: peer.address, port: peer.port },
      streamId: request.streamId ?? '',
      encrypted: request.km !== undefined,
      version: hs.version,
      receiverDelayMs: hs.receiverDelay,
      senderDelayMs: hs.senderDelay,
    };
    const decision = this.#handler.onRequest?.(asked) ?? { accept: true };
    if (!decision.accept) {
      this.#reject(request, decision.reason, peer);
      return;
    }
    const options = { ...this.#options, ...decision.options };
    if (request.congestion !== undefined && request.congestion !== 'live') {
      this.#reject(request, RejectReason.congestion, peer);
      return;
    }
    const keys = openKeys(request, options);
    if (typeof keys === 'number') {
      this.#reject(request, keys, peer);
      return;
    }
    this.#accept({ request, hs, asked, options, keys, key, timestamp: timestampOf(packet), now });
  }

  #accept(given: {
    request: Handshake;
    hs: NonNullable<Handshake['hs']>;
    asked: SrtRequest;
    options: SrtOptions;
    keys: KeyRing | undefined;
    key: string;
    timestamp: number;
    now: number;
  }): void {
    const { request, hs, asked, options, keys, key, now } = given;
    const { peer } = asked;
    const receiveLatencyMs = Math.max(options.latencyMs, hs.senderDelay);
    const sendLatencyMs = Math.max(options.peerLatencyMs, hs.receiverDelay);
    const accepted: Accepted = {
      keys,
      agreement: {
        initialSequence: request.initialSequence,
        peerSocketId: request.socketId,
        peerVersion: hs.version,
        receiveLatencyMs,
        sendLatencyMs,
        timed: (hs.flags & SrtFlag.tsbpdSender) !== 0,
        tooLateDrop: options.tooLateDrop && (hs.flags & SrtFlag.tooLateDrop) !== 0,
        peerRepeatsNak: (hs.flags & SrtFlag.periodicNak) !== 0,
        peerFlowWindow: request.flowWindow,
        peerTimestamp: given.timestamp,
        peerTimestampAt: now,
      },
    };
    const socketId = this.#freeSocketId();
    const identity = { socketId, initialSequence: request.initialSequence };
    const connection = new SrtConnection(options, this.#connectionHandler, identity, now, accepted);
    const answer = encodeHandshake(
      {
        version: 5,
        encryption: (keys?.keyBytes ?? 0) / 8,
        extensionField: 0,
        initialSequence: request.initialSequence,
        mtu: MTU,
        flowWindow: options.flowWindow,
        type: HandshakeType.conclusion,
        socketId,
        cookie: request.cookie,
        peerAddress: loopbackAddress(),
        hs: {
          response: true,
          version: SRT_VERSION,
          flags: options.tooLateDrop ? LIVE_FLAGS : LIVE_FLAGS & ~SrtFlag.tooLateDrop,
          receiverDelay: receiveLatencyMs,
          senderDelay: sendLatencyMs,
        },
        ...(keys === undefined || request.km === undefined
          ? {}
          : { km: { response: true, content: request.km.content } }),
      },
      connection.timestamp(now),
      request.socketId,
    );
    const entry: Entry = { connection, peer, key, answer };
    this.#bySocketId.set(socketId, entry);
    this.#byCaller.set(key, entry);
    this.#halfOpen++;
    this.#handler.onAnswer(answer, peer);
    this.#handler.onAccepted?.(connection, peer, asked, now);
  }

  #reject(request: Handshake, reason: number, peer: SrtPeer): void {
    const answer: Handshake = {
      version: 5,
      encryption: 0,
      extensionField: 0,
      initialSequence: request.initialSequence,
      mtu: MTU,
      flowWindow: request.flowWindow,
      type: HandshakeType.failure + reason,
      socketId: request.socketId,
      cookie: request.cookie,
      peerAddress: loopbackAddress(),
    };
    this.#handler.onAnswer(encodeHandshake(answer, 0, request.socketId), peer);
  }

  #forget(connection: SrtConnection): void {
    const entry = this.#bySocketId.get(connection.socketId);
    if (entry?.connection !== connection) return;
    this.#bySocketId.delete(connection.socketId);
    this.#byCaller.delete(entry.key);
    if (entry.answer !== undefined) this.#halfOpen--;
  }

  #freeSocketId(): number {
    for (;;) {
      const bytes = this.#random(4);
      const id = ((bytes[0]! & 0x3f) << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!;
      if (id !== 0 && !this.#bySocketId.has(id)) return id;
    }
  }
}

function isHandshake(packet: Uint8Array): boolean {
  return isControl(packet) && controlTypeOf(packet) === ControlType.handshake;
}

/**
 * The keys that a caller has sent, undefined when neither end wants any; or the reason to reject it.
 * @throws ProtocolError SrtKeyMaterial
 */
function openKeys(request: Handshake, options: SrtOptions): KeyRing | undefined | number {
  const { passphrase, crypto } = options;
  const content = request.km?.content;
  if (passphrase === undefined || crypto === undefined) {
    return content === undefined ? undefined : RejectReason.unsecure;
  }
  if (content === undefined) return RejectReason.unsecure;
  return KeyRing.open(crypto, passphrase, content) ?? RejectReason.badSecret;
}
