/** The caller's handshake: induction, then conclusion (draft-sharabayko-srt-01 section 4.3.1). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import {
  decodeHandshake,
  encodeHandshake,
  type Handshake,
  HandshakeType,
  inductionRequest,
  LIVE_FLAGS,
  loopbackAddress,
  MAGIC,
  MIN_SRT_VERSION,
  MTU,
  SRT_VERSION,
  SrtFlag,
} from './handshake.ts';
import { failedKeyState, type KeyBytes, KeyRing, KeyState } from './key-material.ts';
import type { SrtAgreement, SrtOptions } from './options.ts';
import { timestampOf } from './packet.ts';
import { RejectReason, rejectionOf } from './rejection.ts';

/** How often a request is repeated, as libsrt does. */
const RETRY_MS = 250;
const DEFAULT_KEY_BYTES: KeyBytes = 16;

/** What a packet of the listener led to. */
export type CallerStep =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'agreed'; readonly agreement: SrtAgreement; readonly keys: KeyRing | undefined }
  | { readonly kind: 'rejected'; readonly reason: number };

const WAITING: CallerStep = { kind: 'waiting' };

export class CallerHandshake {
  /** When the present request is to be sent again. */
  retryAt = Number.NEGATIVE_INFINITY;
  readonly initialSequence: number;
  readonly #options: SrtOptions;
  readonly #socketId: number;
  #request: Handshake;
  #keys: KeyRing | undefined;

  constructor(options: SrtOptions, socketId: number, initialSequence: number) {
    this.#options = options;
    this.#socketId = socketId;
    this.initialSequence = initialSequence;
    this.#request = inductionRequest(socketId, initialSequence, options.flowWindow);
  }

  /** The present request as a packet. */
  request(timestamp: number, now: number): Uint8Array {
    this.retryAt = now + RETRY_MS;
    return encodeHandshake(this.#request, timestamp, 0);
  }

  /** The induction has been answered. */
  get concluding(): boolean {
    return this.#request.type === HandshakeType.conclusion;
  }

  /** @throws ProtocolError SrtHandshake, SrtExtension, SrtKeyMaterial */
  receive(packet: Uint8Array, now: number): CallerStep {
    const answer = decodeHandshake(packet);
    const rejection = rejectionOf(answer.type);
    if (rejection !== undefined) return { kind: 'rejected', reason: rejection };
    if (answer.type === HandshakeType.induction) {
      if (!this.concluding) this.#conclude(answer);
      return WAITING;
    }
    if (answer.type !== HandshakeType.conclusion || !this.concluding) return WAITING;
    return this.#agree(answer, timestampOf(packet), now);
  }

  #conclude(answer: Handshake): void {
    if (answer.version !== 5 || answer.extensionField !== MAGIC) {
      throw new ProtocolError(
        ProtocolErrorCode.SrtHandshake,
        'version 5 and the magic 0x4a17',
        `version ${answer.version} and 0x${answer.extensionField.toString(16)}`,
      );
    }
    const { passphrase, crypto, latencyMs, peerLatencyMs, streamId, flowWindow, tooLateDrop } = this.#options;
    if (passphrase !== undefined && crypto !== undefined) {
      const advertised = answer.encryption * 8;
      const usual = advertised === 24 || advertised === 32 ? advertised : DEFAULT_KEY_BYTES;
      this.#keys = KeyRing.generate(crypto, passphrase, this.#options.keyBytes ?? usual);
    }
    this.#request = {
      version: 5,
      encryption: (this.#keys?.keyBytes ?? 0) / 8,
      extensionField: 0,
      initialSequence: this.initialSequence,
      mtu: MTU,
      flowWindow,
      type: HandshakeType.conclusion,
      socketId: this.#socketId,
      cookie: answer.cookie,
      peerAddress: loopbackAddress(),
      hs: {
        response: false,
        version: SRT_VERSION,
        flags: tooLateDrop ? LIVE_FLAGS : LIVE_FLAGS & ~SrtFlag.tooLateDrop,
        receiverDelay: latencyMs,
        senderDelay: peerLatencyMs,
      },
      streamId,
      ...(this.#keys === undefined ? {} : { km: { response: false, content: this.#keys.message() } }),
    };
    this.retryAt = Number.NEGATIVE_INFINITY;
  }

  #agree(answer: Handshake, timestamp: number, now: number): CallerStep {
    const { hs } = answer;
    if (hs === undefined || !hs.response) {
      throw new ProtocolError(ProtocolErrorCode.SrtHandshake, 'a conclusion with HSRSP', 'one without');
    }
    if (hs.version < MIN_SRT_VERSION) return { kind: 'rejected', reason: RejectReason.version };
    const refused = this.#keyRefusal(answer);
    if (refused !== undefined) return { kind: 'rejected', reason: refused };
    return {
      kind: 'agreed',
      keys: this.#keys,
      agreement: {
        initialSequence: this.initialSequence,
        peerSocketId: answer.socketId,
        peerVersion: hs.version,
        // The listener has taken the greater of both ends' wishes.
        receiveLatencyMs: hs.senderDelay,
        sendLatencyMs: hs.receiverDelay,
        timed: (hs.flags & SrtFlag.tsbpdSender) !== 0,
        tooLateDrop: this.#options.tooLateDrop && (hs.flags & SrtFlag.tooLateDrop) !== 0,
        peerRepeatsNak: (hs.flags & SrtFlag.periodicNak) !== 0,
        peerFlowWindow: answer.flowWindow,
        peerTimestamp: timestamp,
        peerTimestampAt: now,
      },
    };
  }

  /** With a passphrase, the listener must have unwrapped the keys. */
  #keyRefusal(answer: Handshake): number | undefined {
    if (this.#keys === undefined) return answer.km === undefined ? undefined : RejectReason.unsecure;
    if (answer.km === undefined) return RejectReason.unsecure;
    const state = failedKeyState(answer.km.content);
    if (state === undefined) return undefined;
    return state === KeyState.badSecret ? RejectReason.badSecret : RejectReason.unsecure;
  }
}
