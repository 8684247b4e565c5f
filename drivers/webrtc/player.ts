/** Plays one WebRTC stream over WHEP into a sink: H.264 as Annex B, Opus packet by packet. */
import { randomInt } from 'node:crypto';
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import type { MediaSink } from '../../protocols/media.ts';
import type { SessionDescription } from '../../protocols/sdp/description.ts';
import type { ClientObserver, ClientOptions, Player } from '../client.ts';
import { MediaInlet } from '../inlet.ts';
import type { OpenTransport, SrtpFigures, TransportMedia } from './contract.ts';
import { type RtpReceived, rtpReceived } from './figures.ts';
import { MediaReceiver } from './receiver.ts';
import { WebRtcClient } from './session.ts';

/**
 * `whep://host[:port]/path`. `pause` drops what comes, unread and unreported, as a stalled process would; what was sent
 * meanwhile is lost to it.
 */
export class WhepPlayer extends WebRtcClient implements Player {
  readonly sink: MediaSink;
  readonly #inlet: MediaInlet;
  #receiver: MediaReceiver | undefined;
  #paused = false;

  /** @param openTransport default libdatachannel. */
  constructor(
    url: string,
    sink: MediaSink,
    options?: ClientOptions,
    observer?: ClientObserver,
    openTransport?: OpenTransport,
  ) {
    super('whep', url, options, observer, openTransport);
    this.sink = sink;
    this.#inlet = new MediaInlet(sink, this.timing);
  }

  /** What was received so far. */
  get rtp(): RtpReceived {
    return this.#receiver?.figures ?? rtpReceived();
  }

  /** What became of SRTP packets; undefined where the transport does not tell. */
  get srtp(): SrtpFigures | undefined {
    return this.transport?.figures;
  }

  /** Interarrival jitter of video (RFC 3550 section 6.4.1), in ms. */
  get jitterMs(): number {
    return this.#receiver?.jitterMs ?? 0;
  }

  get joined(): boolean {
    return !Number.isNaN(this.timing.firstKeyframe);
  }

  sendRtcp(packet: Uint8Array): boolean {
    return this.transport?.sendRtcp(packet) ?? false;
  }

  protected override media(): TransportMedia[] {
    return [{ kind: 'video' }, ...(this.options.webrtc?.audio === false ? [] : [{ kind: 'audio' as const }])];
  }

  protected override answered(answer: SessionDescription): void {
    const video = this.accepted(answer, 'video', 'h264');
    const audio = this.accepted(answer, 'audio', 'opus');
    if (video.length + audio.length === 0) {
      const actual = answer.media.map(({ kind, port }) => `${kind} on port ${port}`).join(', ');
      throw new ProtocolError(
        ProtocolErrorCode.SdpValue,
        'H.264 or Opus in the answer',
        actual || 'no media',
      );
    }
    const allows = (feedback: string): boolean => video.some((codec) => codec.feedback.includes(feedback));
    this.#receiver = new MediaReceiver(
      this.#inlet,
      {
        videoPayloadTypes: new Set(video.map(({ payloadType }) => payloadType)),
        audioPayloadTypes: new Set(audio.map(({ payloadType }) => payloadType)),
        nack: this.options.webrtc?.nack !== false && allows('nack'),
        pli: allows('nack pli'),
        cname: this.cname,
        ssrc: randomInt(1, 2 ** 32),
      },
      this,
    );
  }

  protected override connected(): void {}

  override onRtp(bytes: Uint8Array, start: number, end: number, now: number, size = end - start): void {
    if (this.#paused || this.closed !== undefined) return;
    this.bytesIn += size;
    this.#receiver?.rtp(bytes, start, end, now, size);
  }

  override onRtcp(bytes: Uint8Array, start: number, end: number, now: number): void {
    if (this.#paused || this.closed !== undefined) return;
    this.bytesIn += end - start;
    this.#receiver?.rtcp(bytes, start, end, now);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  protected override release(): void {
    this.#receiver?.close();
    super.release();
  }
}
