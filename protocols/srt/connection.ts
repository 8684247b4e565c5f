/** One SRT connection in live mode, without a socket and without a timer (draft-sharabayko-srt-01). */
import { ProtocolError } from '../errors.ts';
import { CallerHandshake } from './caller.ts';
import { decodeDropRequest } from './control.ts';
import { SrtFigures } from './figures.ts';
import type { KeyRing } from './key-material.ts';
import { type SrtLink, sendControl } from './link.ts';
import { DEFAULT_OPTIONS, type SrtAgreement, type SrtOptions } from './options.ts';
import {
  ControlType,
  controlSubtypeOf,
  controlTypeOf,
  HEADER_SIZE,
  informationOf,
  isControl,
  KeyFlag,
  keyFlagOf,
  timestampOf,
} from './packet.ts';
import { SrtReceiver } from './receiver.ts';
import { rejectionName } from './rejection.ts';
import { RoundTrip } from './rtt.ts';
import { SrtSender } from './sender.ts';

export const SrtState = {
  handshaking: 'handshaking',
  connected: 'connected',
  /** The peer has shut down; what was received is still played. */
  draining: 'draining',
  closed: 'closed',
} as const;
export type SrtState = (typeof SrtState)[keyof typeof SrtState];

/** Why a connection is closed. `code` is a stable slug. */
export interface SrtClosure {
  /**
   * `srt.local`, `srt.shutdown` (by the peer), `srt.peer-idle`, `srt.timeout.handshake`, `srt.rejected.<reason>`.
   */
  readonly code: string;
  /** Of a rejection. */
  readonly reason?: number;
  readonly detail: string;
}

/** Shared by as many connections as you like. */
export interface SrtHandler {
  /** A datagram for the peer. `bytes` may be reused after the call. */
  onPacketOut(connection: SrtConnection, bytes: Uint8Array): void;
  onConnected?(connection: SrtConnection, now: number): void;
  /**
   * The payload of one message, when it is to be played: `bytes` from `start` on, with `SrtOptions.pool` only valid
   * during the call, else for as long as you like.
   */
  onData?(connection: SrtConnection, bytes: Uint8Array, start: number, now: number): void;
  /** Exactly once. */
  onClosed?(connection: SrtConnection, closure: SrtClosure, now: number): void;
}

/** How an accepted connection begins: its listener has concluded the handshake. */
export interface Accepted {
  readonly agreement: SrtAgreement;
  readonly keys: KeyRing | undefined;
}

const KEEP_ALIVE_MS = 1000;
/** Subtypes of user-defined control packets: the extension types of the same names. */
const KM_REQUEST = 3;
const KM_RESPONSE = 4;
const NEVER = Number.POSITIVE_INFINITY;
/** libsrt pads control packets that have nothing to say with one word. */
const PADDING = new Uint8Array(4);

/**
 * Give it every datagram with its socket id (`receive`), and call `tick` when `deadline` has come. All times are in ms
 * with fraction, of one monotonic clock.
 */
export class SrtConnection implements SrtLink {
  state: SrtState = SrtState.handshaking;
  readonly socketId: number;
  readonly options: SrtOptions;
  readonly figures = new SrtFigures();
  readonly roundTrip = new RoundTrip();
  /** undefined until connected. */
  agreement: SrtAgreement | undefined = undefined;
  closure: SrtClosure | undefined = undefined;
  /** When `tick` has something to do; Infinity for never. */
  deadline: number;
  private readonly handler: SrtHandler;
  private readonly startedAt: number;
  private readonly caller: CallerHandshake | undefined;
  private keys: KeyRing | undefined = undefined;
  private receiver: SrtReceiver | undefined = undefined;
  private sender: SrtSender | undefined = undefined;
  private heardAt: number;
  private spokenAt: number;

  /**
   * A caller, which sends its first packet with the first `tick`; or, with `accepted`, a listener's end of a
   * connection.
   * @param socketId unique among those that share a UDP port, not 0.
   * @param initialSequence 31 bits that nobody can guess; of a caller.
   */
  constructor(
    options: Partial<SrtOptions>,
    handler: SrtHandler,
    identity: { readonly socketId: number; readonly initialSequence: number },
    now: number,
    accepted?: Accepted,
  ) {
    this.options = { ...DEFAULT_OPTIONS, ...options };
    this.handler = handler;
    this.socketId = identity.socketId;
    this.startedAt = now;
    this.heardAt = now;
    this.spokenAt = now;
    this.deadline = now;
    if (accepted === undefined) {
      this.caller = new CallerHandshake(this.options, identity.socketId, identity.initialSequence);
    } else {
      this.caller = undefined;
      this.begin(accepted, now);
    }
  }

  get peerSocketId(): number {
    return this.agreement?.peerSocketId ?? 0;
  }

  /** Bytes that were sent and still wait for pacing or for the peer's window. */
  get backlog(): number {
    return this.sender?.backlog ?? 0;
  }

  timestamp(now: number): number {
    return ((now - this.startedAt) * 1000) >>> 0;
  }

  emit(bytes: Uint8Array, now: number): void {
    this.spokenAt = now;
    this.handler.onPacketOut(this, bytes);
  }

  /**
   * A datagram of the peer, which is kept until it is played unless there is a pool for its copy. What cannot be parsed or makes no sense is counted in
   * `figures.malformed` and changes nothing.
   */
  receive(packet: Uint8Array, now: number): void {
    if (packet.length < HEADER_SIZE) {
      this.figures.malformed++;
      return;
    }
    if (this.state === SrtState.handshaking) {
      this.shake(packet, now);
      return;
    }
    if (this.state !== SrtState.connected) return;
    this.heardAt = now;
    if (!isControl(packet)) {
      this.receiver!.data(packet, now);
    } else {
      try {
        this.control(packet, now);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.figures.malformed++;
      }
    }
    this.schedule();
  }

  /** Does what is due. Returns when it is to be called again: `deadline`. */
  tick(now: number): number {
    switch (this.state) {
      case SrtState.handshaking:
        this.tickHandshake(now);
        break;
      case SrtState.connected:
        this.receiver!.tick(now);
        // Whoever is given a message may close.
        if (this.state === SrtState.connected) this.tickConnected(now);
        break;
      case SrtState.draining:
        this.receiver!.tick(now);
        if (this.receiver?.empty) this.end({ code: 'srt.shutdown', detail: 'the peer has shut down' }, now);
        break;
      case SrtState.closed:
        break;
    }
    this.schedule();
    return this.deadline;
  }

  /** One message of at most 1456 bytes. False when it is not connected, or too much waits already. */
  send(payload: Uint8Array, now: number): boolean {
    if (this.state !== SrtState.connected) return false;
    const taken = this.sender!.send(payload, now);
    this.schedule();
    return taken;
  }

  /** Tells the peer, and closes. Idempotent. */
  close(now: number): void {
    if (this.state === SrtState.closed) return;
    if (this.state === SrtState.connected) sendControl(this, ControlType.shutdown, 0, 0, PADDING, now);
    this.end({ code: 'srt.local', detail: 'close() was called' }, now);
  }

  private begin({ agreement, keys }: Accepted, now: number): void {
    this.agreement = agreement;
    this.keys = keys;
    this.sender = new SrtSender(this, this.options, agreement, keys);
    this.receiver = new SrtReceiver(this, this.options, agreement, (packet, at) => this.deliver(packet, at));
    this.state = SrtState.connected;
    this.heardAt = now;
    this.schedule();
  }

  private shake(packet: Uint8Array, now: number): void {
    if (!isControl(packet) || controlTypeOf(packet) !== ControlType.handshake) return;
    try {
      const step = this.caller!.receive(packet, now);
      if (step.kind === 'rejected') {
        const name = rejectionName(step.reason);
        this.end(
          {
            code: `srt.rejected.${name}`,
            reason: step.reason,
            detail: `the handshake was rejected: ${name}`,
          },
          now,
        );
      } else if (step.kind === 'agreed') {
        this.begin(step, now);
        this.handler.onConnected?.(this, now);
      } else if (now >= this.caller!.retryAt) {
        this.tickHandshake(now);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.figures.malformed++;
    }
    this.schedule();
  }

  private tickHandshake(now: number): void {
    const caller = this.caller!;
    if (now - this.startedAt >= this.options.connectTimeoutMs) {
      const phase = caller.concluding ? 'conclusion' : 'induction';
      const detail = `no answer to the ${phase} within ${this.options.connectTimeoutMs} ms`;
      this.end({ code: 'srt.timeout.handshake', detail }, now);
      return;
    }
    if (now >= caller.retryAt) this.emit(caller.request(this.timestamp(now), now), now);
  }

  private tickConnected(now: number): void {
    if (now - this.heardAt >= this.options.peerIdleTimeoutMs) {
      const detail = `nothing from the peer for ${this.options.peerIdleTimeoutMs} ms`;
      this.end({ code: 'srt.peer-idle', detail }, now);
      return;
    }
    this.sender!.tick(now);
    if (now - this.spokenAt >= KEEP_ALIVE_MS) sendControl(this, ControlType.keepAlive, 0, 0, PADDING, now);
  }

  private control(packet: Uint8Array, now: number): void {
    switch (controlTypeOf(packet)) {
      case ControlType.ack:
        this.sender!.ack(packet, now);
        break;
      case ControlType.nak:
        this.sender!.nak(packet, now);
        break;
      case ControlType.ackAck:
        this.receiver!.ackAck(informationOf(packet), timestampOf(packet), now);
        break;
      case ControlType.dropRequest: {
        const { first, last } = decodeDropRequest(packet);
        this.receiver!.dropRequest(first, last, now);
        break;
      }
      case ControlType.shutdown:
        this.receiver!.finish();
        this.state = SrtState.draining;
        this.tick(now);
        break;
      case ControlType.userDefined:
        this.userDefined(packet, now);
        break;
      default:
        // Keep-alive says that the peer is there; a handshake again, that our answer was lost: the listener repeats it.
        break;
    }
  }

  private userDefined(packet: Uint8Array, now: number): void {
    const subtype = controlSubtypeOf(packet);
    if (subtype === KM_RESPONSE) {
      this.sender!.keyAnswered();
    } else if (subtype === KM_REQUEST && this.keys !== undefined) {
      const content = packet.subarray(HEADER_SIZE);
      if (this.keys.update(content)) sendControl(this, ControlType.userDefined, KM_RESPONSE, 0, content, now);
    }
  }

  private deliver(packet: Uint8Array, now: number): void {
    const key = keyFlagOf(packet);
    if (this.keys === undefined && key === KeyFlag.none) {
      this.handler.onData?.(this, packet, HEADER_SIZE, now);
      return;
    }
    const payload = this.keys?.payload(packet, HEADER_SIZE, key);
    if (payload === undefined) this.figures.packetsUndecryptable++;
    else this.handler.onData?.(this, payload, 0, now);
  }

  private end(closure: SrtClosure, now: number): void {
    if (this.state === SrtState.closed) return;
    this.state = SrtState.closed;
    this.closure = closure;
    this.receiver?.close();
    this.receiver = undefined;
    this.sender = undefined;
    this.deadline = NEVER;
    this.handler.onClosed?.(this, closure, now);
  }

  private schedule(): void {
    switch (this.state) {
      case SrtState.handshaking:
        this.deadline = Math.min(
          Math.max(this.caller!.retryAt, this.startedAt),
          this.startedAt + this.options.connectTimeoutMs,
        );
        break;
      case SrtState.connected: {
        let due = this.heardAt + this.options.peerIdleTimeoutMs;
        if (this.spokenAt + KEEP_ALIVE_MS < due) due = this.spokenAt + KEEP_ALIVE_MS;
        if (this.receiver!.deadline < due) due = this.receiver!.deadline;
        if (this.sender!.deadline < due) due = this.sender!.deadline;
        this.deadline = due;
        break;
      }
      case SrtState.draining:
        this.deadline = this.receiver!.deadline;
        break;
      case SrtState.closed:
        this.deadline = NEVER;
        break;
    }
  }
}
