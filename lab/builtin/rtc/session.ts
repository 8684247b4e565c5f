/** A WHIP or WHEP session: a resource that was made by POST, and goes by DELETE, by DTLS, or by silence. */
import { randomBytes, randomInt } from 'node:crypto';
import { ProtocolError } from '../../../protocols/errors.ts';
import { encodeRtcp, type OtherRtcp, parseRtcp, type RtcpMessage } from '../../../protocols/rtp/rtcp.ts';
import type { ClientConnection, ClientRecord } from '../clients.ts';
import type { Mutants } from '../mutants.ts';
import type { Library } from './library.ts';
import { type LocalMedia, type Negotiation, writeAnswer } from './negotiate.ts';
import { RtcTransport, remoteOffer } from './transport.ts';

/** What a session is for. All times are monotonic, in ms. */
export interface RtcPurpose {
  onConnected(now: number): void;
  onRtp(packet: Buffer, now: number): void;
  onRtcp(message: RtcpMessage | OtherRtcp, now: number): void;
  /** A few times a second, while connected. */
  onTick(now: number): void;
  /** The peer has a reason to send something: its silence means that it has gone. */
  readonly expectsPackets: boolean;
  /** Once. */
  close(): void;
}

export class RtcSession implements ClientConnection {
  readonly token = randomBytes(8).toString('hex');
  readonly cname = `liveproof-${randomBytes(4).toString('hex')}`;
  readonly ssrcs = {
    video: randomInt(1, 2 ** 32),
    audio: randomInt(1, 2 ** 32),
    reports: randomInt(1, 2 ** 32),
  };
  readonly negotiation: Negotiation;
  /** By user names of ICE, as SRS's are; known with the answer. */
  id = '';
  bytesRead = 0;
  bytesWritten = 0;
  purpose: RtcPurpose | undefined;
  /** As the API tells it. */
  client: ClientRecord | undefined;
  readonly #transport: RtcTransport;
  readonly #host: string;
  readonly #mutants: Mutants;
  readonly #onClosed: (session: RtcSession, reason: string) => void;
  #heardAt = performance.now();
  #closed = false;

  constructor(
    library: Library,
    where: { host: string; port: number },
    negotiation: Negotiation,
    mutants: Mutants,
    onClosed: (session: RtcSession, reason: string) => void,
  ) {
    this.negotiation = negotiation;
    this.#host = where.host;
    this.#mutants = mutants;
    this.#onClosed = onClosed;
    this.#transport = new RtcTransport(library, where.host, where.port, negotiation.use === 'play', {
      onConnected: () => {
        this.#heardAt = performance.now();
        this.purpose?.onConnected(this.#heardAt);
      },
      onRtp: (packet) => this.purpose?.onRtp(packet, this.#heard(packet)),
      onRtcp: (packet) => this.#onRtcp(packet, this.#heard(packet)),
      onGone: (reason) => this.#lost(reason),
    });
  }

  /** @throws Error when the library does not take the offer. */
  async answer(): Promise<string> {
    const { remote, use } = this.negotiation;
    const transport = await this.#transport.answer(remoteOffer(remote, use === 'play'));
    this.id = `${transport.iceUfrag}:${remote.iceUfrag}`;
    const own: LocalMedia = {
      host: this.#host,
      sessionId: String(randomInt(2 ** 47)),
      cname: this.cname,
      videoSsrc: this.ssrcs.video,
      audioSsrc: this.ssrcs.audio,
    };
    return writeAnswer(this.negotiation, transport, own, this.#mutants);
  }

  /** Copied before this returns. False when it was not sent. */
  send(packet: Buffer): boolean {
    if (!this.#transport.send(packet)) return false;
    this.bytesWritten += packet.length;
    return true;
  }

  /** A compound packet with our CNAME behind its first report (RFC 3550 section 6.1). */
  report(ssrc: number, [first, ...rest]: readonly [RtcpMessage, ...RtcpMessage[]]): void {
    const description: RtcpMessage = { type: 'source-description', chunks: [{ ssrc, cname: this.cname }] };
    const bytes = encodeRtcp([first, description, ...rest]);
    this.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  /**
   * SRS forgets a session that sent no STUN for 30 s (facts/srs.md 9.1). STUN is the library's, which does the same
   * (RFC 7675); here it is RTP and RTCP that are missed, of peers that must send some.
   */
  tick(now: number, silenceMs: number): void {
    if (this.#transport.connected) {
      this.purpose?.onTick(now);
      if (!this.purpose?.expectsPackets) this.#heardAt = now;
    }
    if (now - this.#heardAt > silenceMs) this.#lost(`silent for ${silenceMs} ms`);
  }

  destroy(): void {
    this.close('closed by the node');
  }

  /** Idempotent. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#transport.close();
    this.purpose?.close();
    this.#onClosed(this, reason);
  }

  #lost(reason: string): void {
    if (this.#mutants.has('rtc-session-kept')) return;
    if (this.#mutants.has('whip-vanished-kept') && this.negotiation.use === 'publish') return;
    this.close(reason);
  }

  #heard(packet: Buffer): number {
    this.bytesRead += packet.length;
    this.#heardAt = performance.now();
    return this.#heardAt;
  }

  #onRtcp(packet: Buffer, now: number): void {
    try {
      for (const message of parseRtcp(packet)) this.purpose?.onRtcp(message, now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
}
