/**
 * ICE (RFC 8445) of the side that offers, which is the controlling one: checks to the candidates of the answer, the
 * first that is answered is nominated and kept by consent (RFC 7675). No sockets and no timers. The peer may be lite
 * (SRS, mediasoup) or full (libdatachannel, a browser); then its own checks are answered, too.
 */
import { ProtocolError } from '../../../protocols/errors.ts';
import {
  decodeStun,
  encodeStun,
  StunClass,
  type StunMessage,
  StunMethod,
  verifyIntegrity,
} from '../../../protocols/stun/message.ts';
import { randomBytes } from '../random.ts';
import { hmacSha1 } from './crypto.ts';

/** Between checks of different candidates (RFC 8445 section 14.2). */
const PACING_MS = 50;
/** RFC 8445 section 14.3. */
const INITIAL_RTO_MS = 500;
/** RFC 8489 section 6.2.1. */
const MAX_TRIES = 7;
/** RFC 7675 section 5.1: 5 s, each time by up to a fifth more or less. */
const CONSENT_MS = 5000;
const CONSENT_SPREAD = 0.2;
const CONSENT_EXPIRES_MS = 30_000;
/** Candidates of an answer beyond these are not tried. */
const MAX_PAIRS = 16;
/** Priority of a peer-reflexive candidate made by a check (RFC 8445 section 5.1.2.1), component 1. */
const PRIORITY = 110 * 2 ** 24 + 65_535 * 2 ** 8 + 255;
const ROLE_CONFLICT = 487;

export interface Remote {
  readonly address: string;
  readonly port: number;
}

export interface IceHandler {
  sendTo(bytes: Uint8Array, remote: Remote): void;
  /** A candidate has answered: data may go there. Again when another one is chosen. */
  onUsable(remote: Remote): void;
  /** No consent for 30 s, or nothing ever answered. */
  onExpired(detail: string): void;
}

interface Transaction {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly purpose: 'check' | 'nominate' | 'consent';
  tries: number;
  nextAt: number;
}

interface Pair {
  readonly remote: Remote;
  transaction: Transaction | undefined;
  dueAt: number;
  failed: boolean;
}

export class IceAgent {
  /** Of ice-chars (RFC 8839 section 5.4). */
  readonly ufrag = randomBytes(4).toString('hex');
  readonly pwd = randomBytes(16).toString('hex');
  /** Where data goes; undefined before anything has answered. */
  selected: Remote | undefined = undefined;
  readonly #handler: IceHandler;
  readonly #key = Buffer.from(this.pwd);
  readonly #tieBreaker = randomBytes(8).readBigUInt64BE();
  #controlling = true;
  #first: Transaction['purpose'] = 'check';
  #username = '';
  #remoteKey: Uint8Array = new Uint8Array(0);
  #pairs: Pair[] = [];
  #nominated = false;
  #heardAt = Number.NaN;
  #consentAt = Number.POSITIVE_INFINITY;

  constructor(handler: IceHandler) {
    this.#handler = handler;
  }

  /**
   * @param lite the peer is: with one candidate of it there is nothing to choose, and the first check nominates.
   * @param now on a monotonic clock, in ms.
   */
  start(ufrag: string, pwd: string, remotes: readonly Remote[], lite: boolean, now: number): void {
    this.#first = lite && remotes.length === 1 ? 'nominate' : 'check';
    this.#username = `${ufrag}:${this.ufrag}`;
    this.#remoteKey = Buffer.from(pwd);
    this.#pairs = remotes.slice(0, MAX_PAIRS).map((remote, index) => ({
      remote,
      transaction: undefined,
      dueAt: now + index * PACING_MS,
      failed: false,
    }));
    this.tick(now);
  }

  tick(now: number): void {
    for (const pair of this.#pairs) {
      if (pair.failed || (this.selected !== undefined && pair.remote !== this.selected)) continue;
      if (pair.transaction === undefined) {
        if (this.selected === undefined && now >= pair.dueAt) this.#ask(pair, this.#first, now);
      } else if (now >= pair.transaction.nextAt) this.#askAgain(pair, now);
    }
    if (this.selected === undefined) {
      if (this.#pairs.length > 0 && this.#pairs.every(({ failed }) => failed)) {
        this.#pairs = [];
        this.#handler.onExpired('ICE: none of the candidates answers');
      }
      return;
    }
    if (now - this.#heardAt > CONSENT_EXPIRES_MS) {
      this.#pairs = [];
      this.selected = undefined;
      this.#handler.onExpired('ICE: no consent for 30 s');
    } else if (now >= this.#consentAt) {
      const pair = this.#pairs.find(({ remote }) => remote === this.selected);
      if (pair !== undefined) this.#ask(pair, 'consent', now);
      this.#planConsent(now);
    }
  }

  /** A STUN message; what is malformed, not for us or not genuine is ignored. */
  receive(bytes: Uint8Array, remote: Remote, now: number): void {
    let message: StunMessage;
    try {
      message = decodeStun(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return;
    }
    if (message.method !== StunMethod.binding) return;
    if (message.class === StunClass.request) this.#answer(bytes, message, remote);
    else if (message.class !== StunClass.indication) this.#answered(bytes, message, now);
  }

  #answer(bytes: Uint8Array, message: StunMessage, remote: Remote): void {
    if (message.username?.split(':')[0] !== this.ufrag) return;
    if (!verifyIntegrity(bytes, message, this.#key, hmacSha1)) return;
    const { transactionId } = message;
    const conflict = this.#controlling && message.iceControlling !== undefined;
    const reply = encodeStun(
      conflict
        ? {
            class: StunClass.error,
            method: StunMethod.binding,
            transactionId,
            errorCode: { code: ROLE_CONFLICT, reason: 'Role Conflict' },
          }
        : {
            class: StunClass.success,
            method: StunMethod.binding,
            transactionId,
            xorMappedAddress: remote,
          },
      { key: this.#key, hmac: hmacSha1 },
    );
    this.#handler.sendTo(reply, remote);
  }

  #answered(bytes: Uint8Array, message: StunMessage, now: number): void {
    const id = nameOf(message.transactionId);
    const pair = this.#pairs.find(({ transaction }) => transaction?.id === id);
    if (pair === undefined || !verifyIntegrity(bytes, message, this.#remoteKey, hmacSha1)) return;
    const { purpose } = pair.transaction!;
    pair.transaction = undefined;
    if (message.class === StunClass.error) {
      if (message.errorCode?.code === ROLE_CONFLICT) {
        this.#controlling = !this.#controlling;
        this.#ask(pair, purpose, now);
      } else if (purpose !== 'consent') pair.failed = true;
      return;
    }
    this.#heardAt = now;
    if (this.selected === undefined) {
      this.selected = pair.remote;
      this.#planConsent(now);
      this.#handler.onUsable(pair.remote);
    }
    if (!this.#nominated && purpose === 'check') this.#ask(pair, 'nominate', now);
    else if (purpose === 'nominate') this.#nominated = true;
  }

  #ask(pair: Pair, purpose: Transaction['purpose'], now: number): void {
    const transactionId = randomBytes(12);
    const role = this.#controlling
      ? { iceControlling: this.#tieBreaker }
      : { iceControlled: this.#tieBreaker };
    const bytes = encodeStun(
      {
        class: StunClass.request,
        method: StunMethod.binding,
        transactionId,
        username: this.#username,
        priority: PRIORITY,
        ...role,
        ...(this.#controlling && purpose === 'nominate' && { useCandidate: true }),
      },
      { key: this.#remoteKey, hmac: hmacSha1 },
    );
    pair.transaction = {
      id: nameOf(transactionId),
      bytes,
      purpose,
      tries: 1,
      nextAt: now + INITIAL_RTO_MS,
    };
    this.#handler.sendTo(bytes, pair.remote);
  }

  #askAgain(pair: Pair, now: number): void {
    const transaction = pair.transaction!;
    // Consent is asked for anew with the next request (RFC 7675 section 5.1).
    if (transaction.purpose === 'consent') {
      transaction.nextAt = Number.POSITIVE_INFINITY;
    } else if (transaction.tries === MAX_TRIES) {
      pair.failed = true;
    } else {
      transaction.nextAt = now + INITIAL_RTO_MS * 2 ** transaction.tries;
      transaction.tries++;
      this.#handler.sendTo(transaction.bytes, pair.remote);
    }
  }

  #planConsent(now: number): void {
    this.#consentAt = now + CONSENT_MS * (1 - CONSENT_SPREAD + 2 * CONSENT_SPREAD * Math.random());
  }
}

function nameOf(transactionId: Uint8Array): string {
  return Buffer.from(transactionId.buffer, transactionId.byteOffset, transactionId.length).toString('latin1');
}
