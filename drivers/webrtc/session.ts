/**
 * What WHEP players and WHIP publishers do alike: offer, signalling, ICE and DTLS, and DELETE at the end.
 *
 * | state | what happens | timing when it is done |
 * |---|---|---|
 * | connecting | the offer is made; TCP (and TLS) to the endpoint | `tcp` |
 * | handshaking | POST of the offer, to the answer's last byte | `handshake` |
 * | requesting | ICE and DTLS | `connect` and `play` |
 * | streaming | media may flow | `firstByte`, `firstKeyframe` |
 *
 * Each of the first three has the timeout of its own.
 */
import { randomBytes } from 'node:crypto';
import { ProtocolError } from '../../protocols/errors.ts';
import type { SdpCodec, SessionDescription } from '../../protocols/sdp/description.ts';
import { parseSdp } from '../../protocols/sdp/parse.ts';
import {
  type ClientObserver,
  type ClientOptions,
  ClientState,
  CloseReason,
  type HttpExchange,
} from '../client.ts';
import { type Deadlined, forgetDeadline, watchDeadline } from '../deadlines.ts';
import { targetOf } from '../http/url.ts';
import { LifecycleClient, MAX_REDIRECTS, TIMEOUT_MS } from '../lifecycle.ts';
import { isLoopback } from '../loopback.ts';
import { wallClock } from '../measure/clock.ts';
import type { OpenTransport, TransportMedia, TransportObserver, WebRtcTransport } from './contract.ts';
import { openDatachannel } from './datachannel/transport.ts';
import { signallingUrl } from './endpoint.ts';
import { Signalling, SignallingError, type SignallingObserver } from './signalling.ts';

const LOOPBACK = '127.0.0.1';

export abstract class WebRtcClient
  extends LifecycleClient
  implements Deadlined, TransportObserver, SignallingObserver
{
  override bytesIn = 0;
  /** For the sweep. */
  deadline = 0;
  /** As sent; undefined before. */
  offer: string | undefined = undefined;
  /** As received: read, it is a hundred objects, which none of thousands of players needs once it has joined. */
  private answerText: string | undefined = undefined;
  /** Resolves when the server has answered DELETE, or was waited for long enough; undefined when there is none. */
  leaving: Promise<void> | undefined = undefined;
  /** In RTCP and, of publishers, in the offer. */
  protected readonly cname = randomBytes(9).toString('base64url');
  protected transport: WebRtcTransport | undefined = undefined;
  private readonly scheme: 'whip' | 'whep';
  private readonly openTransport: OpenTransport;
  private signalling: Signalling | undefined = undefined;
  /** The peer has ended it: there is nothing to DELETE. */
  private peerGone = false;

  constructor(
    scheme: 'whip' | 'whep',
    url: string,
    options?: ClientOptions,
    observer?: ClientObserver,
    openTransport: OpenTransport = openDatachannel,
  ) {
    super(url, options, observer);
    this.scheme = scheme;
    this.openTransport = openTransport;
  }

  /** As received, read anew each time; undefined before. */
  get answer(): SessionDescription | undefined {
    return this.answerText === undefined ? undefined : parseSdp(this.answerText);
  }

  /** What is offered, in this order. */
  protected abstract media(): TransportMedia[];
  /** The answer is there, and has a codec for each of `media()` that it accepts. Throws ProtocolError. */
  protected abstract answered(answer: SessionDescription): void;
  protected abstract connected(): void;
  abstract onRtp(bytes: Uint8Array, start: number, end: number, now: number, size?: number): void;
  abstract onRtcp(bytes: Uint8Array, start: number, end: number, now: number): void;

  protected override enter(state: ClientState): void {
    if (this.state === ClientState.closed) return;
    if (state === ClientState.streaming) forgetDeadline(this);
    else watchDeadline(this, this.options.timeoutMs ?? TIMEOUT_MS);
    super.enter(state);
  }

  onDeadline(): void {
    const detail = `${this.state} took longer than ${this.options.timeoutMs ?? TIMEOUT_MS} ms`;
    this.fail(CloseReason.timeout, `timeout.${this.state}`, detail);
  }

  protected override start(): void {
    this.enter(ClientState.connecting);
    void this.negotiate().catch((error: unknown) => this.refused(error));
  }

  private async negotiate(): Promise<void> {
    const url = signallingUrl(this.url, this.scheme);
    const {
      localAddress,
      allowRemote = false,
      allowHosts,
      maxRedirects = MAX_REDIRECTS,
      tape,
      webrtc,
    } = this.options;
    const local = isLoopback(targetOf(url).host) && !allowRemote;
    const transport = this.openTransport(
      {
        direction: this.scheme === 'whep' ? 'recvonly' : 'sendonly',
        media: this.media(),
        cname: this.cname,
        localAddress: localAddress ?? (local ? LOOPBACK : undefined),
        tape,
      },
      this,
    );
    this.transport = transport;
    const token = webrtc?.token;
    const signalling = new Signalling(url, { token, localAddress, maxRedirects, allowHosts, tape }, this);
    this.signalling = signalling;
    const offer = await transport.offer();
    if (this.over) return;
    this.offer = offer;
    const text = await signalling.post(offer);
    this.timing.handshake = wallClock.now();
    const answer = parseSdp(text);
    this.answerText = text;
    this.answered(answer);
    this.enter(ClientState.requesting);
    if (this.over) return;
    try {
      transport.setAnswer(text, answer);
    } catch (error) {
      if (systemCode(error) !== undefined) {
        this.refused(error);
        return;
      }
      const detail = messageOf(error);
      this.fail(CloseReason.protocol, 'webrtc.answer', `the answer cannot be taken: ${detail}`);
    }
  }

  private get over(): boolean {
    return this.state === ClientState.closed;
  }

  private refused(error: unknown): void {
    if (this.over) return;
    if (error instanceof SignallingError) this.fail(error.reason, error.code, error.message);
    else if (error instanceof ProtocolError) this.fail(CloseReason.protocol, error.code, error.message);
    else {
      const code = systemCode(error);
      const slug = code === undefined ? 'webrtc.transport' : `udp.${code}`;
      this.fail(CloseReason.refused, slug, messageOf(error));
    }
  }

  /** Codecs of this name that the answer accepts for this kind of media. */
  protected accepted(answer: SessionDescription, kind: string, name: string): SdpCodec[] {
    return answer.media
      .filter((media) => media.kind === kind && media.port !== 0)
      .flatMap((media) => media.codecs.filter((codec) => codec.name.toLowerCase() === name));
  }

  onSignallingOpen(at: number): void {
    if (Number.isNaN(this.timing.tcp)) this.timing.tcp = at;
    this.enter(ClientState.handshaking);
  }

  onOfferSent(): void {}

  onSignallingRedirect(location: string, at: number): boolean {
    this.observer?.onRedirect?.(this, location, at);
    if (!this.over) this.enter(ClientState.connecting);
    return !this.over;
  }

  onSignallingExchange(exchange: HttpExchange): void {
    this.observer?.onExchange?.(this, exchange);
  }

  onSignallingProblem(code: string, detail: string, at: number): void {
    this.observer?.onProblem?.(this, code, detail, at);
  }

  onConnected(): void {
    if (this.over) return;
    const now = wallClock.now();
    this.timing.connect = now;
    this.timing.play = now;
    this.connected();
    this.enter(ClientState.streaming);
  }

  onGone(code: 'webrtc.failed' | 'webrtc.lost' | 'webrtc.closed', detail: string): void {
    this.peerGone = code === 'webrtc.closed';
    const reason = this.peerGone ? CloseReason.remote : CloseReason.reset;
    this.fail(reason, `${code}.${this.state}`, detail);
  }

  /** The server is told by DELETE before the transport says goodbye: its answer shows that it knew us. */
  protected override release(): void {
    forgetDeadline(this);
    const { transport, signalling } = this;
    signalling?.abort();
    if (signalling?.resource === undefined || this.peerGone) {
      transport?.close();
      return;
    }
    this.leaving = signalling.delete().then(() => transport?.close());
  }
}

/** Of what the system says of a socket (`emfile`: this process has too many open); undefined for all other errors. */
function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && typeof syscall === 'string' ? code.toLowerCase() : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
