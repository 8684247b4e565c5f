/**
 * WebRTC in TypeScript on UDP sockets, as little of it as a player by the thousand needs: ICE towards the candidates of
 * the answer, DTLS 1.2 with use_srtp, SRTP. UDP over IPv4, one bundle, no data channels.
 */
import { randomInt } from 'node:crypto';
import { DtlsClient } from '../../../protocols/dtls/client.ts';
import { SrtpProfile } from '../../../protocols/dtls/constants.ts';
import type { DtlsEndpoint, DtlsHandler } from '../../../protocols/dtls/endpoint.ts';
import { isDtls } from '../../../protocols/dtls/record.ts';
import { DtlsServer } from '../../../protocols/dtls/server.ts';
import type { ProtocolError } from '../../../protocols/errors.ts';
import { isRtcp } from '../../../protocols/rtp/packet.ts';
import type { SessionDescription } from '../../../protocols/sdp/description.ts';
import { parseSdp } from '../../../protocols/sdp/parse.ts';
import { type MasterKeys, SrtpTransform } from '../../../protocols/srtp/keys.ts';
import { SrtcpReceiver, SrtcpSender } from '../../../protocols/srtp/rtcp.ts';
import { SrtpReceiver, SrtpSender } from '../../../protocols/srtp/rtp.ts';
import { isStun } from '../../../protocols/stun/message.ts';
import { wallClock } from '../../measure/clock.ts';
import {
  type OpenTransport,
  type SrtpFigures,
  type TransportObserver,
  type TransportSetup,
  TransportState,
  type WebRtcTransport,
} from '../contract.ts';
import { Ticker } from '../ticker.ts';
import { identityOfProcess, nodeSrtpCrypto, playersCrypto } from './crypto.ts';
import { IceAgent, type IceHandler, type Remote } from './ice.ts';
import { MediaGate } from './media-gate.ts';
import { type AnswerFields, readAnswer, writeOffer } from './offer.ts';
import { type SharedSocket, type SocketPool, type SocketUser, socketsOf } from './sockets.ts';

/** Access units of which one is decrypted as a whole. */
const SAMPLE = 50;
/** Of each player; see SamplePlan. */
const FIRST_UNITS = 2;
const ALL_INTERFACES = '0.0.0.0';
const monotonic = (): number => performance.now();

/** ICE and DTLS under way: their shortest time is 50 ms. */
const busy = new Ticker(20, monotonic);
/** Consent. */
const calm = new Ticker(500, monotonic);

const TRANSFORMS = {
  [SrtpProfile.aes128CmHmacSha1_80]: SrtpTransform.cm,
  [SrtpProfile.aeadAes128Gcm]: SrtpTransform.gcm,
} as const;

export interface LiteOptions {
  /**
   * One of so many access units, and the first two of each player, are authenticated and decrypted as a whole, and their
   * checksums compared; 1 is all of them (full mode). Default 50.
   */
  readonly sample?: number;
  /** Of DTLS, in the order of preference. Default: AES-CM with HMAC-SHA1, then AES-GCM. */
  readonly srtpProfiles?: readonly SrtpProfile[];
}

/** @throws RangeError for a sample that is not a positive whole number. */
export function liteTransport(options: LiteOptions = {}): OpenTransport {
  const sample = options.sample ?? SAMPLE;
  if (!Number.isInteger(sample) || sample < 1) throw new RangeError(`a sample of one in ${sample}`);
  return (setup, observer) => new LiteTransport(setup, observer, { ...options, sample });
}

export const openLite: OpenTransport = liteTransport();

export class LiteTransport implements WebRtcTransport, SocketUser, IceHandler, DtlsHandler {
  state: TransportState = TransportState.idle;
  private readonly setup: TransportSetup;
  private readonly observer: TransportObserver;
  private readonly options: LiteOptions & { readonly sample: number };
  private readonly ice = new IceAgent(this);
  private readonly sockets: SocketPool;
  /** Its port is in the offer. */
  private gateSocket: SharedSocket | undefined = undefined;
  private socket: SharedSocket | undefined = undefined;
  /** Where the check came in that is being answered. */
  private replySocket: SharedSocket | undefined = undefined;
  private answer: AnswerFields | undefined = undefined;
  private dtls: DtlsEndpoint | undefined = undefined;
  /** A ClientHello of a peer whose check came before ours was answered: it comes again a second later only. */
  private early: Uint8Array | undefined = undefined;
  private gate: MediaGate | undefined = undefined;
  private out: MasterKeys | undefined = undefined;
  /** Made by the first packet: players never send one. */
  private rtpOut: SrtpSender | undefined = undefined;
  private rtcpIn: SrtcpReceiver | undefined = undefined;
  private rtcpOut: SrtcpSender | undefined = undefined;

  constructor(
    setup: TransportSetup,
    observer: TransportObserver,
    options: LiteOptions & { readonly sample: number },
  ) {
    this.setup = setup;
    this.observer = observer;
    this.options = options;
    this.sockets = socketsOf(setup.localAddress ?? ALL_INTERFACES);
  }

  get ufrag(): string {
    return this.ice.ufrag;
  }

  /** What was decrypted and what was not, so far. */
  get figures(): SrtpFigures {
    return this.gate?.figures ?? { opened: 0, peeked: 0, forged: 0, replayed: 0, malformed: 0 };
  }

  async offer(): Promise<string> {
    if (this.state !== TransportState.idle) throw new Error('the transport was closed');
    this.state = TransportState.connecting;
    this.gateSocket = this.sockets.gate(this);
    return writeOffer({
      setup: this.setup,
      ufrag: this.ice.ufrag,
      pwd: this.ice.pwd,
      fingerprint: identityOfProcess().fingerprint,
      port: this.gateSocket.port,
    });
  }

  setAnswer(sdp: string, description?: SessionDescription): void {
    if (this.state !== TransportState.connecting || this.answer !== undefined) return;
    const answer = readAnswer(description ?? parseSdp(sdp));
    this.answer = answer;
    this.socket = this.sockets.join(this, answer.remotes);
    busy.add(this);
    this.ice.start(answer.ufrag, answer.pwd, answer.remotes, answer.iceLite, monotonic());
  }

  sendRtp(packet: Uint8Array): boolean {
    if (this.state !== TransportState.connected) return false;
    this.rtpOut ??= new SrtpSender(this.out!, nodeSrtpCrypto);
    return this.send(this.rtpOut.protect(packet));
  }

  sendRtcp(packet: Uint8Array): boolean {
    if (this.state !== TransportState.connected) return false;
    return this.send(this.rtcpOut!.protect(packet));
  }

  close(): void {
    if (this.state === TransportState.closed) return;
    this.dtls?.close();
    this.release();
  }

  onTick(now: number): void {
    this.ice.tick(now);
    this.dtls?.tick(now);
  }

  onDatagram(bytes: Uint8Array, remote: Remote, socket: SharedSocket, at: number): void {
    const first = bytes[0];
    if (first === undefined || this.state === TransportState.closed) return;
    this.setup.tape?.packet('received', 'webrtc', bytes);
    if (first >= 128 && first < 192) this.media(bytes, at);
    else if (isStun(bytes)) this.stun(bytes, remote, socket);
    // Parts of a handshake are kept until it is whole.
    else if (isDtls(bytes)) {
      const kept = bytes.slice();
      if (this.dtls !== undefined) this.dtls.receive(kept, monotonic());
      else if (this.answer?.passive === false) this.early = kept;
    }
  }

  private media(bytes: Uint8Array, at: number): void {
    const { gate } = this;
    // Before the keys nothing can be read.
    if (gate === undefined) return;
    const now = wallClock.at(at);
    if (!isRtcp(bytes)) {
      gate.push(bytes, now);
      return;
    }
    const plain = this.rtcpIn!.unprotect(bytes);
    if (plain !== undefined) this.observer.onRtcp(plain, 0, plain.length, now);
  }

  private stun(bytes: Uint8Array, remote: Remote, socket: SharedSocket): void {
    // Checks of a peer are answered from where they came to.
    this.replySocket = socket;
    this.ice.receive(bytes, remote, monotonic());
    this.replySocket = undefined;
  }

  sendTo(bytes: Uint8Array, remote: Remote): void {
    this.setup.tape?.packet('sent', 'webrtc', bytes);
    (this.replySocket ?? this.socket)?.send(bytes, remote);
  }

  onUsable(): void {
    if (this.dtls !== undefined || this.answer === undefined) return;
    const { fingerprint, passive } = this.answer;
    const options = {
      crypto: playersCrypto,
      identity: identityOfProcess(),
      fingerprint,
      ...(this.options.srtpProfiles !== undefined && { srtpProfiles: this.options.srtpProfiles }),
    };
    if (passive) {
      const client = new DtlsClient(options, this);
      this.dtls = client;
      client.start(monotonic());
    } else {
      this.dtls = new DtlsServer(options, this);
      if (this.early !== undefined) this.dtls.receive(this.early, monotonic());
      this.early = undefined;
    }
  }

  onExpired(detail: string): void {
    this.gone(this.state === TransportState.connected ? 'webrtc.lost' : 'webrtc.failed', detail);
  }

  send(datagram: Uint8Array): boolean {
    const { selected } = this.ice;
    if (selected === undefined || this.socket === undefined) return false;
    this.setup.tape?.packet('sent', 'webrtc', datagram);
    this.socket.send(datagram, selected);
    return true;
  }

  connected(): void {
    const keys = this.dtls!.srtpKeys();
    const transform = TRANSFORMS[keys.profile];
    const [ours, theirs] = this.answer!.passive ? [keys.client, keys.server] : [keys.server, keys.client];
    const out: MasterKeys = { transform, ...ours };
    const into: MasterKeys = { transform, ...theirs };
    const srtp = new SrtpReceiver(into, nodeSrtpCrypto);
    const plan = { sample: this.options.sample, first: FIRST_UNITS, offset: randomInt(2 ** 32) };
    this.gate = new MediaGate(srtp, this.answer!.kinds, plan, this.observer);
    this.out = out;
    this.rtcpIn = new SrtcpReceiver(into, nodeSrtpCrypto);
    this.rtcpOut = new SrtcpSender(out, nodeSrtpCrypto);
    this.state = TransportState.connected;
    busy.delete(this);
    calm.add(this);
    this.observer.onConnected();
  }

  ended(error: ProtocolError | undefined): void {
    const wasConnected = this.state === TransportState.connected;
    if (error === undefined) this.gone('webrtc.closed', 'DTLS: close_notify');
    else this.gone(wasConnected ? 'webrtc.closed' : 'webrtc.failed', `DTLS: ${error.message}`);
  }

  private gone(code: Parameters<TransportObserver['onGone']>[0], detail: string): void {
    if (this.state === TransportState.closed) return;
    this.release();
    this.observer.onGone(code, detail);
  }

  private release(): void {
    this.state = TransportState.closed;
    busy.delete(this);
    calm.delete(this);
    const { gateSocket, socket } = this;
    this.gateSocket = undefined;
    this.socket = undefined;
    if (socket !== undefined) this.sockets.leave(this, socket, this.answer!.remotes);
    this.sockets.forget(this, gateSocket);
  }
}
