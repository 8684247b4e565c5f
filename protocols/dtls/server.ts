/** The server of DTLS 1.2 with use_srtp (`a=setup:passive`). It wants a certificate of the client, as WebRTC does. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { concat, equal } from './bytes.ts';
import { CipherSuite, HandshakeType, SignatureScheme } from './constants.ts';
import type { KeyShare } from './crypto.ts';
import { DtlsEndpoint, type DtlsHandler, type DtlsOptions } from './endpoint.ts';
import {
  type ClientHello,
  decodeCertificate,
  decodeCertificateVerify,
  decodeClientHello,
  decodeClientKeyExchange,
  encodeCertificate,
  encodeCertificateRequest,
  encodeHelloVerifyRequest,
  encodeServerHello,
  encodeServerKeyExchange,
  keyParameters,
  knownGroup,
  knownScheme,
  RANDOM_SIZE,
} from './messages.ts';
import { encodeHandshake, type HandshakeMessage } from './reassembly.ts';
import { Secrets } from './secrets.ts';

export interface DtlsServerOptions extends DtlsOptions {
  /**
   * Proves that the client is where it says (RFC 6347 section 4.2.1): 32 bytes of the owner's, and the client's
   * address. Default: without, as where ICE has proved it.
   */
  readonly cookie?: { readonly secret: Uint8Array; readonly peer: Uint8Array };
}

const Due = {
  hello: 'ClientHello',
  certificate: 'Certificate',
  keyExchange: 'ClientKeyExchange',
  certificateVerify: 'CertificateVerify',
  finished: 'Finished',
} as const;
type Due = (typeof Due)[keyof typeof Due];

export class DtlsServer extends DtlsEndpoint {
  #due: Due = Due.hello;
  #random = new Uint8Array(0);
  #clientRandom = new Uint8Array(0);
  #share: KeyShare | undefined = undefined;
  #extended = false;
  readonly #cookie: DtlsServerOptions['cookie'];

  constructor(options: DtlsServerOptions, handler: DtlsHandler) {
    super(options, handler);
    this.#cookie = options.cookie;
  }

  protected override get flightEnd(): HandshakeType {
    return this.#due === Due.finished ? HandshakeType.finished : HandshakeType.clientHello;
  }

  override receive(datagram: Uint8Array, now: number): void {
    if (this.state === 'idle') this.begin(now);
    super.receive(datagram, now);
  }

  protected override handle(message: HandshakeMessage): void {
    const { type, body } = message;
    switch (this.#due) {
      case Due.hello:
        if (type !== HandshakeType.clientHello) this.unexpected(message, Due.hello);
        this.#clientHello(message);
        return;
      case Due.certificate:
        if (type !== HandshakeType.certificate) this.unexpected(message, Due.certificate);
        this.takeCertificate(decodeCertificate(body));
        this.#due = Due.keyExchange;
        break;
      case Due.keyExchange:
        if (type !== HandshakeType.clientKeyExchange) this.unexpected(message, Due.keyExchange);
        this.transcript.push(encodeHandshake(message));
        this.#keyExchange(body);
        return;
      case Due.certificateVerify:
        if (type !== HandshakeType.certificateVerify) this.unexpected(message, Due.certificateVerify);
        this.#certificateVerify(body);
        break;
      case Due.finished:
        if (type !== HandshakeType.finished) this.unexpected(message, Due.finished);
        this.verifyFinished('client', body);
        this.transcript.push(encodeHandshake(message));
        this.addFinished('server');
        this.sendFlight(false);
        this.established();
        return;
    }
    this.transcript.push(encodeHandshake(message));
  }

  #clientHello(message: HandshakeMessage): void {
    const hello = decodeClientHello(message.body);
    if (this.#cookie !== undefined) {
      const { secret, peer } = this.#cookie;
      const cookie = this.crypto.hmacSha256(secret, concat(peer, hello.random));
      if (!equal(hello.cookie, cookie)) {
        this.add(HandshakeType.helloVerifyRequest, encodeHelloVerifyRequest(cookie));
        this.forgetTranscript();
        this.sendFlight(false);
        return;
      }
    }
    this.transcript.push(encodeHandshake(message));
    this.#answer(hello);
  }

  #answer(hello: ClientHello): void {
    const suite = CipherSuite.ecdheEcdsaAes128GcmSha256;
    if (!hello.suites.includes(suite)) {
      negotiation(
        'ECDHE-ECDSA-AES128-GCM-SHA256',
        hello.suites.map((value) => value.toString(16)).join(', '),
      );
    }
    if (!hello.schemes.includes(SignatureScheme.ecdsaSha256)) {
      negotiation('ECDSA with SHA-256', hello.schemes.join(', '));
    }
    const profile = this.profiles.find((known) => hello.srtpProfiles.includes(known));
    if (profile === undefined)
      negotiation('an SRTP profile in common', hello.srtpProfiles.join(', ') || 'none');
    this.profile = profile;
    const group = knownGroup(hello.groups.find((value) => isKnown(value)));
    this.#extended = hello.extendedMasterSecret;
    this.#clientRandom = hello.random.slice();
    this.#random = this.crypto.random(RANDOM_SIZE).slice();
    this.#share = this.crypto.keyShare(group);
    const { identity } = this.options;
    const parameters = keyParameters(group, this.#share.publicKey);
    const signature = identity.sign(concat(this.#clientRandom, this.#random, parameters));
    this.add(
      HandshakeType.serverHello,
      encodeServerHello({
        random: this.#random,
        suite,
        srtpProfile: profile,
        extendedMasterSecret: this.#extended,
      }),
    );
    this.add(HandshakeType.certificate, encodeCertificate(identity.certificate));
    this.add(
      HandshakeType.serverKeyExchange,
      encodeServerKeyExchange(parameters, SignatureScheme.ecdsaSha256, signature),
    );
    this.add(HandshakeType.certificateRequest, encodeCertificateRequest());
    this.add(HandshakeType.serverHelloDone, new Uint8Array(0));
    this.#due = Due.certificate;
    this.sendFlight(true);
  }

  #keyExchange(body: Uint8Array): void {
    const premaster = this.#share!.derive(decodeClientKeyExchange(body));
    const sessionHash = this.#extended ? this.crypto.sha256(this.transcript) : undefined;
    const secrets = new Secrets(this.crypto, premaster, this.#clientRandom, this.#random, sessionHash);
    this.useSecrets(secrets, 'server');
    this.#due = Due.certificateVerify;
  }

  #certificateVerify(body: Uint8Array): void {
    const { scheme, signature } = decodeCertificateVerify(body);
    const signed = concat(...this.transcript);
    if (!this.crypto.verify(this.peerCertificate!, knownScheme(scheme), signed, signature)) {
      throw new ProtocolError(
        ProtocolErrorCode.DtlsVerify,
        "a signature by the certificate's key",
        'another one',
      );
    }
    this.#due = Due.finished;
  }
}

function isKnown(group: number): boolean {
  try {
    knownGroup(group);
    return true;
  } catch {
    return false;
  }
}

function negotiation(expected: string, actual: string): never {
  throw new ProtocolError(ProtocolErrorCode.DtlsNegotiation, expected, actual);
}
