/** The client of DTLS 1.2 with use_srtp: in WebRTC the side that answers or was answered `a=setup:active`. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { concat } from './bytes.ts';
import { CipherSuite, HandshakeType, nameOf, SignatureScheme, SrtpProfile } from './constants.ts';
import type { KeyShare } from './crypto.ts';
import { DtlsEndpoint } from './endpoint.ts';
import {
  decodeCertificate,
  decodeCertificateRequest,
  decodeHelloVerifyRequest,
  decodeServerHello,
  decodeServerKeyExchange,
  encodeCertificate,
  encodeCertificateVerify,
  encodeClientHello,
  encodeClientKeyExchange,
  knownGroup,
  knownScheme,
  RANDOM_SIZE,
} from './messages.ts';
import { encodeHandshake, type HandshakeMessage } from './reassembly.ts';
import { Secrets } from './secrets.ts';

const SUITES: readonly number[] = Object.values(CipherSuite);

/** The message that is due. */
const Due = {
  hello: 'ServerHello',
  certificate: 'Certificate',
  keyExchange: 'ServerKeyExchange',
  helloDone: 'ServerHelloDone',
  finished: 'Finished',
} as const;
type Due = (typeof Due)[keyof typeof Due];

export class DtlsClient extends DtlsEndpoint {
  protected override readonly flightEnd = HandshakeType.serverHelloDone;
  #due: Due = Due.hello;
  #random = new Uint8Array(0);
  #serverRandom = new Uint8Array(0);
  #cookieSeen = false;
  #extended = false;
  #peerKey = new Uint8Array(0);
  #share: KeyShare | undefined = undefined;
  #certificateRequested = false;

  /** Sends ClientHello. @param now on the owner's monotonic clock, in ms. */
  start(now: number): void {
    this.begin(now);
    this.#random = this.crypto.random(RANDOM_SIZE).slice();
    this.#hello(new Uint8Array(0));
  }

  #hello(cookie: Uint8Array): void {
    const body = encodeClientHello({
      random: this.#random,
      cookie,
      suites: SUITES,
      srtpProfiles: this.profiles,
    });
    this.add(HandshakeType.clientHello, body);
    this.sendFlight(true);
  }

  protected override handle(message: HandshakeMessage): void {
    const { type, body } = message;
    if (type === HandshakeType.helloVerifyRequest && this.#due === Due.hello && !this.#cookieSeen) {
      this.#cookieSeen = true;
      this.forgetTranscript();
      this.#hello(decodeHelloVerifyRequest(body).slice());
      return;
    }
    switch (this.#due) {
      case Due.hello:
        if (type !== HandshakeType.serverHello) this.unexpected(message, Due.hello);
        this.#serverHello(body);
        break;
      case Due.certificate:
        if (type !== HandshakeType.certificate) this.unexpected(message, Due.certificate);
        this.takeCertificate(decodeCertificate(body));
        this.#due = Due.keyExchange;
        break;
      case Due.keyExchange:
        if (type !== HandshakeType.serverKeyExchange) this.unexpected(message, Due.keyExchange);
        this.#keyExchange(body);
        break;
      case Due.helloDone:
        if (type === HandshakeType.certificateRequest && !this.#certificateRequested) {
          this.#certificateRequest(body);
          break;
        }
        if (type !== HandshakeType.serverHelloDone || body.length > 0)
          this.unexpected(message, Due.helloDone);
        this.transcript.push(encodeHandshake(message));
        this.#answer();
        return;
      case Due.finished:
        if (type !== HandshakeType.finished) this.unexpected(message, Due.finished);
        this.verifyFinished('server', body);
        this.established();
        this.#forget();
        return;
    }
    this.transcript.push(encodeHandshake(message));
  }

  #serverHello(body: Uint8Array): void {
    const hello = decodeServerHello(body);
    if (!SUITES.includes(hello.suite)) {
      negotiation('one of the cipher suites offered', nameOf(CipherSuite, hello.suite));
    }
    const [profile] = hello.srtpProfiles;
    if (hello.srtpProfiles.length !== 1 || !this.profiles.includes(profile as SrtpProfile)) {
      const names = hello.srtpProfiles.map((value) => nameOf(SrtpProfile, value));
      negotiation('one of the SRTP profiles offered', names.join(', ') || 'none');
    }
    this.profile = profile as SrtpProfile;
    this.#serverRandom = hello.random.slice();
    this.#extended = hello.extendedMasterSecret;
    this.#due = Due.certificate;
  }

  #keyExchange(body: Uint8Array): void {
    const exchange = decodeServerKeyExchange(body);
    const signed = concat(this.#random, this.#serverRandom, exchange.parameters);
    const scheme = knownScheme(exchange.scheme);
    if (!this.crypto.verify(this.peerCertificate!, scheme, signed, exchange.signature)) {
      throw new ProtocolError(
        ProtocolErrorCode.DtlsVerify,
        "a signature by the certificate's key",
        'another one',
      );
    }
    this.#share = this.crypto.keyShare(knownGroup(exchange.group));
    this.#peerKey = exchange.publicKey.slice();
    this.#due = Due.helloDone;
  }

  #certificateRequest(body: Uint8Array): void {
    const schemes = decodeCertificateRequest(body);
    if (!schemes.includes(SignatureScheme.ecdsaSha256)) {
      negotiation('a server that takes ECDSA with SHA-256', schemes.join(', '));
    }
    this.#certificateRequested = true;
  }

  /** The server's Finished says that it has our last flight; the key has done its work. */
  #forget(): void {
    this.forgetFlight();
    this.#share = undefined;
    this.#peerKey = new Uint8Array(0);
  }

  #answer(): void {
    const { identity } = this.options;
    const premaster = this.#share!.derive(this.#peerKey);
    if (this.#certificateRequested) {
      this.add(HandshakeType.certificate, encodeCertificate(identity.certificate));
    }
    this.add(HandshakeType.clientKeyExchange, encodeClientKeyExchange(this.#share!.publicKey));
    const sessionHash = this.#extended ? this.crypto.sha256(this.transcript) : undefined;
    const secrets = new Secrets(this.crypto, premaster, this.#random, this.#serverRandom, sessionHash);
    this.useSecrets(secrets, 'client');
    if (this.#certificateRequested) {
      const signature = identity.sign(concat(...this.transcript));
      this.add(
        HandshakeType.certificateVerify,
        encodeCertificateVerify(SignatureScheme.ecdsaSha256, signature),
      );
    }
    this.addFinished('client');
    this.#due = Due.finished;
    this.sendFlight(true);
  }
}

function negotiation(expected: string, actual: string): never {
  throw new ProtocolError(ProtocolErrorCode.DtlsNegotiation, expected, actual);
}
