/**
 * What client and server of DTLS 1.2 (RFC 6347) have in common: records, flights and their retransmission, alerts, and
 * the keys that come out. No sockets and no timers: datagrams go in and out, and the owner calls `tick` at `deadline`.
 */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { ReplayWindow } from '../srtp/replay.ts';
import { concat, equal } from './bytes.ts';
import { formatFingerprint } from './certificate.ts';
import { Alert, AlertLevel, ContentType, HandshakeType, nameOf, SrtpProfile } from './constants.ts';
import type { DtlsCrypto, DtlsIdentity, FingerprintHash } from './crypto.ts';
import { encodeFragment, encodeHandshake, type HandshakeMessage, Reassembler } from './reassembly.ts';
import {
  type DtlsRecord,
  encodeRecord,
  PROTECTION_SIZE,
  RECORD_HEADER_SIZE,
  RecordCipher,
  recordsOf,
} from './record.ts';
import type { Secrets } from './secrets.ts';

export const DtlsState = {
  idle: 'idle',
  handshaking: 'handshaking',
  /** The keys may be used. */
  connected: 'connected',
  /** By us, or by the peer's close_notify. */
  closed: 'closed',
  failed: 'failed',
} as const;
export type DtlsState = (typeof DtlsState)[keyof typeof DtlsState];

/** RFC 5764 section 4.2. */
const SRTP_LABEL = 'EXTRACTOR-dtls_srtp';
/** Key and salt of a profile (RFC 3711 section 8.2, RFC 7714 section 12). */
const SRTP_KEY_SIZE = 16;
const SRTP_SALT_SIZES = { [SrtpProfile.aes128CmHmacSha1_80]: 14, [SrtpProfile.aeadAes128Gcm]: 12 } as const;

/** RFC 6347 section 4.2.4.1. */
const INITIAL_TIMEOUT_MS = 1000;
const MAX_TIMEOUT_MS = 60_000;
const MAX_RETRANSMISSIONS = 6;
const MTU = 1200;
/** Handshake header and record header, with room for what protection adds. */
const FRAGMENT_OVERHEAD = RECORD_HEADER_SIZE + 12 + PROTECTION_SIZE;

export interface DtlsOptions {
  readonly crypto: DtlsCrypto;
  readonly identity: DtlsIdentity;
  /** Of the peer's certificate, from its SDP. */
  readonly fingerprint: { readonly hash: FingerprintHash; readonly value: string };
  /** In order of preference. Default: AES-CM with HMAC-SHA1, then AES-GCM. */
  readonly srtpProfiles?: readonly SrtpProfile[];
  /** Of datagrams. Default 1200 bytes. */
  readonly mtu?: number;
  /** Until the first retransmission; doubles with each. Default 1 s. */
  readonly initialTimeoutMs?: number;
  /** Default 6. */
  readonly maxRetransmissions?: number;
}

export interface DtlsHandler {
  /** May be kept. */
  send(datagram: Uint8Array): void;
  connected(): void;
  /** Once, with the error when it failed; not after `close()`. */
  ended(error: ProtocolError | undefined): void;
}

export interface SrtpKeys {
  readonly profile: SrtpProfile;
  readonly client: { readonly key: Uint8Array; readonly salt: Uint8Array };
  readonly server: { readonly key: Uint8Array; readonly salt: Uint8Array };
}

/** Of a flight: a handshake message, or ChangeCipherSpec. */
type FlightPart = HandshakeMessage | 'ChangeCipherSpec';

const ALERT_OF: Partial<Record<ProtocolErrorCode, Alert>> = {
  [ProtocolErrorCode.DtlsHandshake]: Alert.decodeError,
  [ProtocolErrorCode.DtlsUnexpected]: Alert.unexpectedMessage,
  [ProtocolErrorCode.DtlsNegotiation]: Alert.handshakeFailure,
  [ProtocolErrorCode.DtlsCertificate]: Alert.badCertificate,
  [ProtocolErrorCode.DtlsVerify]: Alert.decryptError,
};

export abstract class DtlsEndpoint {
  state: DtlsState = DtlsState.idle;
  /** On the owner's clock, in ms; Infinity while nothing is to be sent again. */
  deadline = Number.POSITIVE_INFINITY;
  retransmissions = 0;
  /** Records that were not to be used: malformed, replayed, of another epoch, not genuine. */
  discarded = 0;
  protected readonly options: DtlsOptions;
  protected readonly crypto: DtlsCrypto;
  protected readonly profiles: readonly SrtpProfile[];
  protected secrets: Secrets | undefined = undefined;
  protected profile: SrtpProfile | undefined = undefined;
  protected transcript: Uint8Array[] = [];
  protected peerCertificate: Uint8Array | undefined = undefined;
  /** Messages of the flight that is being put together. */
  protected flight: FlightPart[] = [];
  readonly #handler: DtlsHandler;
  readonly #reassembler = new Reassembler();
  readonly #window = new ReplayWindow();
  readonly #sequences = [0, 0];
  #sent: readonly FlightPart[] = [];
  #nextMessage = 0;
  #timeout: number;
  #retries = 0;
  #writeCipher: RecordCipher | undefined = undefined;
  #readCipher: RecordCipher | undefined = undefined;
  #now = 0;

  constructor(options: DtlsOptions, handler: DtlsHandler) {
    this.options = options;
    this.crypto = options.crypto;
    this.profiles = options.srtpProfiles ?? [SrtpProfile.aes128CmHmacSha1_80, SrtpProfile.aeadAes128Gcm];
    this.#handler = handler;
    this.#timeout = options.initialTimeoutMs ?? INITIAL_TIMEOUT_MS;
  }

  /** A message that is due, complete and in order. @throws ProtocolError, which ends the handshake. */
  protected abstract handle(message: HandshakeMessage): void;
  /** The last message of the peer's flight before ours: when it comes again, ours was lost. */
  protected abstract readonly flightEnd: HandshakeType;

  /** @param now on the owner's monotonic clock, in ms. */
  receive(datagram: Uint8Array, now: number): void {
    this.#now = now;
    try {
      for (const record of recordsOf(datagram)) {
        if (this.state === DtlsState.closed || this.state === DtlsState.failed) return;
        this.#record(record);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Sends the last flight again when its time is over. */
  tick(now: number): void {
    if (now < this.deadline || this.state !== DtlsState.handshaking) return;
    this.#now = now;
    if (this.#retries++ === (this.options.maxRetransmissions ?? MAX_RETRANSMISSIONS)) {
      this.#fail(
        new ProtocolError(
          ProtocolErrorCode.DtlsTimeout,
          'an answer to our flight',
          `none to ${this.#retries} of them`,
        ),
      );
      return;
    }
    this.#timeout = Math.min(this.#timeout * 2, MAX_TIMEOUT_MS);
    this.#resend();
  }

  /** Says close_notify. Idempotent. */
  close(): void {
    if (this.state === DtlsState.closed || this.state === DtlsState.failed) return;
    if (this.state !== DtlsState.idle) this.#alert(AlertLevel.warning, Alert.closeNotify);
    this.#end(DtlsState.closed);
  }

  /** RFC 5705. @throws ProtocolError DtlsUnexpected before the handshake is done. */
  exportKeyingMaterial(label: string, length: number): Uint8Array {
    if (this.state !== DtlsState.connected || this.secrets === undefined) {
      throw new ProtocolError(ProtocolErrorCode.DtlsUnexpected, 'a connection', this.state);
    }
    return this.secrets.exported(label, length);
  }

  /** RFC 5764 section 4.2. @throws ProtocolError DtlsUnexpected before the handshake is done. */
  srtpKeys(): SrtpKeys {
    const profile = this.profile ?? SrtpProfile.aes128CmHmacSha1_80;
    const saltSize = SRTP_SALT_SIZES[profile];
    const material = this.exportKeyingMaterial(SRTP_LABEL, 2 * (SRTP_KEY_SIZE + saltSize));
    const salts = 2 * SRTP_KEY_SIZE;
    return {
      profile,
      client: { key: material.slice(0, SRTP_KEY_SIZE), salt: material.slice(salts, salts + saltSize) },
      server: { key: material.slice(SRTP_KEY_SIZE, salts), salt: material.slice(salts + saltSize) },
    };
  }

  /** Puts a message into the flight and into the transcript. */
  protected add(type: HandshakeType, body: Uint8Array, epoch = 0): void {
    const message = { type, sequence: this.#nextMessage++, epoch, body };
    this.transcript.push(encodeHandshake(message));
    this.flight.push(message);
  }

  /** ChangeCipherSpec, and Finished in the new epoch. */
  protected addFinished(side: 'client' | 'server'): void {
    this.flight.push('ChangeCipherSpec');
    const body = this.secrets!.finished(side, this.crypto.sha256(this.transcript));
    this.add(HandshakeType.finished, body, 1);
  }

  /** Sends the flight, and again until the next one of the peer comes. */
  protected sendFlight(awaitsAnswer: boolean): void {
    this.#sent = this.flight;
    this.flight = [];
    this.#retries = 0;
    this.#timeout = this.options.initialTimeoutMs ?? INITIAL_TIMEOUT_MS;
    this.#transmit();
    this.deadline = awaitsAnswer ? this.#now + this.#timeout : Number.POSITIVE_INFINITY;
  }

  protected begin(now: number): void {
    this.#now = now;
    this.state = DtlsState.handshaking;
  }

  /** The handshake starts anew: nothing before a HelloVerifyRequest is hashed (RFC 6347 section 4.2.1). */
  protected forgetTranscript(): void {
    this.transcript = [];
  }

  protected useSecrets(secrets: Secrets, side: 'client' | 'server'): void {
    this.secrets = secrets;
    const keys = secrets.trafficKeys();
    const client = new RecordCipher(this.crypto.aes128Gcm(keys.clientKey), keys.clientSalt);
    const server = new RecordCipher(this.crypto.aes128Gcm(keys.serverKey), keys.serverSalt);
    this.#writeCipher = side === 'client' ? client : server;
    this.#readCipher = side === 'client' ? server : client;
  }

  protected verifyFinished(side: 'client' | 'server', body: Uint8Array): void {
    const expected = this.secrets!.finished(side, this.crypto.sha256(this.transcript));
    if (equal(body, expected)) return;
    throw new ProtocolError(ProtocolErrorCode.DtlsVerify, `Finished of the ${side}`, 'other verify_data');
  }

  protected takeCertificate(certificate: Uint8Array | undefined): void {
    if (certificate === undefined) {
      throw new ProtocolError(ProtocolErrorCode.DtlsCertificate, 'a certificate', 'none');
    }
    const { hash, value } = this.options.fingerprint;
    const actual = formatFingerprint(this.crypto.fingerprint(hash, certificate));
    if (actual !== value.toUpperCase()) {
      throw new ProtocolError(ProtocolErrorCode.DtlsCertificate, `fingerprint ${hash} ${value}`, actual);
    }
    this.peerCertificate = certificate;
  }

  protected established(): void {
    this.state = DtlsState.connected;
    this.transcript = [];
    this.deadline = Number.POSITIVE_INFINITY;
    this.#handler.connected();
  }

  /** Of the handshake that is done, what neither side can ask for any more. */
  protected forgetFlight(): void {
    this.#sent = [];
    this.peerCertificate = undefined;
  }

  protected unexpected(message: HandshakeMessage, expected: string): never {
    throw new ProtocolError(ProtocolErrorCode.DtlsUnexpected, expected, nameOf(HandshakeType, message.type));
  }

  #record(record: DtlsRecord): void {
    if (record.epoch === 0) {
      // Once there are keys, what is not protected could be from anyone.
      if (this.state === DtlsState.connected) this.discarded++;
      else this.#content(record.type, record.fragment, 0);
      return;
    }
    const plain = this.#open(record);
    if (plain === undefined) this.discarded++;
    else this.#content(record.type, plain, 1);
  }

  #open(record: DtlsRecord): Uint8Array | undefined {
    if (record.epoch !== 1 || this.#readCipher === undefined) return undefined;
    if (!this.#window.isNew(record.sequence)) return undefined;
    const plain = this.#readCipher.open(record);
    if (plain !== undefined) this.#window.accept(record.sequence);
    return plain;
  }

  #content(type: number, fragment: Uint8Array, epoch: number): void {
    switch (type) {
      case ContentType.handshake:
        if (this.state !== DtlsState.connected) this.#handshake(fragment, epoch);
        else if (fragment[0] === this.flightEnd) this.#resend();
        return;
      case ContentType.alert:
        this.#alerted(fragment);
        return;
      case ContentType.changeCipherSpec:
        // The epoch in the records says it already.
        return;
      case ContentType.applicationData:
        return;
      default:
        this.discarded++;
    }
  }

  #handshake(fragment: Uint8Array, epoch: number): void {
    const repeated = this.#reassembler.push(fragment, epoch);
    if (repeated === this.flightEnd) this.#resend();
    for (;;) {
      const message = this.#reassembler.take();
      if (message === undefined || this.state !== DtlsState.handshaking) return;
      if ((message.type === HandshakeType.finished) !== (message.epoch === 1)) {
        this.unexpected(message, 'Finished in epoch 1, and all others in epoch 0');
      }
      this.handle(message);
    }
  }

  #alerted(fragment: Uint8Array): void {
    const description = fragment[1];
    if (fragment.length !== 2 || description === undefined) {
      this.discarded++;
      return;
    }
    if (description === Alert.closeNotify) {
      this.#end(DtlsState.closed);
      this.#handler.ended(undefined);
    } else if (fragment[0] === AlertLevel.fatal) {
      this.#end(DtlsState.failed);
      this.#handler.ended(
        new ProtocolError(ProtocolErrorCode.DtlsAlert, 'no alert', nameOf(Alert, description)),
      );
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#alert(AlertLevel.fatal, ALERT_OF[error.code] ?? Alert.internalError);
    this.#end(DtlsState.failed);
    this.#handler.ended(error);
  }

  #end(state: DtlsState): void {
    this.state = state;
    this.deadline = Number.POSITIVE_INFINITY;
    this.transcript = [];
    this.#sent = [];
  }

  #alert(level: number, description: Alert): void {
    const epoch = this.state === DtlsState.connected ? 1 : 0;
    this.#handler.send(this.#seal(ContentType.alert, epoch, Uint8Array.of(level, description)));
  }

  #resend(): void {
    if (this.#sent.length === 0) return;
    this.retransmissions++;
    this.#transmit();
    if (this.state === DtlsState.handshaking) this.deadline = this.#now + this.#timeout;
  }

  /** As few datagrams as the MTU allows. */
  #transmit(): void {
    const mtu = this.options.mtu ?? MTU;
    let records: Uint8Array[] = [];
    let size = 0;
    const flush = (): void => {
      if (records.length > 0) this.#handler.send(concat(...records));
      records = [];
      size = 0;
    };
    for (const { type, epoch, content } of this.#fragments(mtu - FRAGMENT_OVERHEAD)) {
      const record = this.#seal(type, epoch, content);
      if (size + record.length > mtu) flush();
      records.push(record);
      size += record.length;
    }
    flush();
  }

  *#fragments(limit: number): Generator<{ type: ContentType; epoch: number; content: Uint8Array }> {
    for (const part of this.#sent) {
      if (part === 'ChangeCipherSpec') {
        yield { type: ContentType.changeCipherSpec, epoch: 0, content: Uint8Array.of(1) };
        continue;
      }
      const { type, sequence, epoch, body } = part;
      let start = 0;
      do {
        const end = Math.min(body.length, start + limit);
        yield {
          type: ContentType.handshake,
          epoch,
          content: encodeFragment(type, sequence, body, start, end),
        };
        start = end;
      } while (start < body.length);
    }
  }

  #seal(type: ContentType, epoch: number, content: Uint8Array): Uint8Array {
    const sequence = this.#sequences[epoch]!++;
    const cipher = epoch === 0 ? undefined : this.#writeCipher!;
    return encodeRecord(type, epoch, sequence, cipher?.seal(type, epoch, sequence, content) ?? content);
  }
}
