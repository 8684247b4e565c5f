/** Publishes one stream over WHIP: the H.264 of FLV bodies as RTP, and silence, for servers that want audio. */
import { randomInt } from 'node:crypto';
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import {
  AVC_HEADER_SIZE,
  AvcPacketType,
  compositionTime,
  isKeyframe,
  VideoCodec,
  videoCodec,
} from '../../protocols/flv/body.ts';
import { splitAvcc } from '../../protocols/h264/avcc.ts';
import { NalType, nalType } from '../../protocols/h264/nal.ts';
import { type AvcConfig, parseAvcConfig } from '../../protocols/h264/parameter-sets.ts';
import { MediaType } from '../../protocols/media.ts';
import { VIDEO_CLOCK } from '../../protocols/rtp/h264-depacketizer.ts';
import { H264Packetizer } from '../../protocols/rtp/h264-packetizer.ts';
import { encodeRtp } from '../../protocols/rtp/packet.ts';
import { encodeRtcp, ntpOf, parseRtcp, type RtcpMessage } from '../../protocols/rtp/rtcp.ts';
import type { SessionDescription } from '../../protocols/sdp/description.ts';
import { type ClientObserver, type ClientOptions, ClientState, type Publisher } from '../client.ts';
import { wallClock } from '../measure/clock.ts';
import type { OpenTransport, TransportMedia } from './contract.ts';
import { type RtpSent, rtpSent } from './figures.ts';
import { RtpSender } from './sender.ts';
import { WebRtcClient } from './session.ts';
import { Ticker } from './ticker.ts';

const OPUS_CLOCK = 48_000;
const OPUS_FRAME_MS = 20;
/** TOC of a CELT full-band mono frame of 20 ms, and the frame of digital silence (RFC 6716 section 3.1). */
const OPUS_SILENCE = Uint8Array.of(0xf8, 0xff, 0xfe);
/** Silence is made up for a pause of the publisher of this length at most. */
const MAX_SILENCE_MS = 500;
/**
 * SRS passes nothing on to RTMP before two reports on each track came (facts/srs.md 9.4): the second one follows soon,
 * then one a second.
 */
const SECOND_REPORT_MS = 250;
const REPORT_MS = 1000;
/** Of round trips that are believed, a minute, in 1/65536 s. */
const MAX_ROUND_TRIP = 60 * 65_536;

const ticker = new Ticker(50, () => wallClock.now());

/**
 * `whip://host[:port]/path`. The source's AAC is not sent (there is no Opus encoder here): with `webrtc.audio`, which is
 * the default, a frame of Opus silence goes out for every 20 ms of video time, when the answer accepts audio.
 * Parameter sets of the sequence header go before each keyframe that has none. A keyframe that is asked for (PLI, FIR)
 * is the next one that is sent: the observer is told, who may have one.
 */
export class WhipPublisher extends WebRtcClient implements Publisher {
  readonly rtp: RtpSent = rtpSent();
  /** By the receiver's last report on video that tells one (RFC 3550 section 6.4.1), in ms; NaN before. */
  roundTripMs = Number.NaN;
  /** UDP takes all at once. */
  readonly backlog = 0;
  readonly #ssrcs = { video: randomInt(1, 2 ** 32), audio: randomInt(1, 2 ** 32) };
  #video: RtpSender | undefined;
  #audio: RtpSender | undefined;
  #packetizer: H264Packetizer | undefined;
  #config: AvcConfig | undefined;
  /** Media time of the next silence; NaN before the first video. */
  #silenceAt = Number.NaN;
  #reportAt = 0;

  /** @param openTransport default libdatachannel. */
  constructor(
    url: string,
    options?: ClientOptions,
    observer?: ClientObserver,
    openTransport?: OpenTransport,
  ) {
    super('whip', url, options, observer, openTransport);
  }

  protected override media(): TransportMedia[] {
    const { video, audio } = this.#ssrcs;
    const silence: TransportMedia[] =
      this.options.webrtc?.audio === false ? [] : [{ kind: 'audio', ssrc: audio }];
    return [{ kind: 'video', ssrc: video }, ...silence];
  }

  protected override answered(answer: SessionDescription): void {
    const [video] = this.accepted(answer, 'video', 'h264');
    const [audio] = this.accepted(answer, 'audio', 'opus');
    if (video === undefined) {
      const actual = answer.media.map(({ kind, port }) => `${kind} on port ${port}`).join(', ');
      throw new ProtocolError(ProtocolErrorCode.SdpValue, 'H.264 in the answer', actual || 'no media');
    }
    this.#video = this.#sender(this.#ssrcs.video, video.payloadType, VIDEO_CLOCK);
    this.#packetizer = new H264Packetizer(this.#video);
    if (audio !== undefined && this.options.webrtc?.audio !== false) {
      this.#audio = this.#sender(this.#ssrcs.audio, audio.payloadType, OPUS_CLOCK);
    }
  }

  #sender(ssrc: number, payloadType: number, clockRate: number): RtpSender {
    // RFC 3550 section 5.1: both begin at random.
    const source = { ssrc, payloadType, clockRate, sequence: randomInt(2 ** 16), base: randomInt(2 ** 32) };
    return new RtpSender(source, this.rtp, (packet) => this.transport?.sendRtp(packet) ?? false);
  }

  protected override connected(): void {
    ticker.add(this);
  }

  send(type: MediaType, timestamp: number, body: Uint8Array): boolean {
    if (this.state !== ClientState.streaming) return false;
    if (type !== MediaType.video || videoCodec(body) !== VideoCodec.avc || body.length < AVC_HEADER_SIZE)
      return true;
    if (body[1] === AvcPacketType.sequenceHeader) this.#config = parseAvcConfig(body, AVC_HEADER_SIZE);
    else if (body[1] === AvcPacketType.nalUnits) this.#frame(timestamp, body);
    return true;
  }

  #frame(timestamp: number, body: Uint8Array): void {
    const now = wallClock.now();
    const [video, audio] = [this.#video!, this.#audio];
    const begins = Number.isNaN(this.#silenceAt);
    video.pace(timestamp, now);
    audio?.pace(timestamp, now);
    if (begins) {
      this.#silenceAt = timestamp;
      this.#report(now);
      this.#reportAt = now + SECOND_REPORT_MS;
    }
    const nals = splitAvcc(body, AVC_HEADER_SIZE, body.length, this.#config?.lengthSize);
    const sets = nals.some((nal) => nalType(nal[0]!) === NalType.sps) ? undefined : this.#config;
    const unit = isKeyframe(body) && sets !== undefined ? [...sets.sps, ...sets.pps, ...nals] : nals;
    const presentation = video.timestamp(timestamp + compositionTime(body));
    for (const packet of this.#packetizer!.packetize(unit, presentation)) video.send(packet);
    if (audio !== undefined) this.#silence(audio, timestamp);
  }

  #silence(audio: RtpSender, until: number): void {
    this.#silenceAt = Math.max(this.#silenceAt, until - MAX_SILENCE_MS);
    for (; this.#silenceAt <= until; this.#silenceAt += OPUS_FRAME_MS) {
      const { payloadType, ssrc, sequence } = audio;
      const timestamp = audio.timestamp(this.#silenceAt);
      audio.sequence = (sequence + 1) & 0xffff;
      audio.send(encodeRtp({ payloadType, ssrc, sequence, timestamp }, OPUS_SILENCE));
    }
  }

  onTick(now: number): void {
    if (Number.isNaN(this.#silenceAt) || now < this.#reportAt) return;
    this.#reportAt = now + REPORT_MS;
    this.#report(now);
  }

  #report(now: number): void {
    for (const sender of [this.#video, this.#audio]) {
      const report = sender?.report(now);
      if (sender === undefined || report === undefined) continue;
      const description: RtcpMessage = {
        type: 'source-description',
        chunks: [{ ssrc: sender.ssrc, cname: this.cname }],
      };
      if (this.transport?.sendRtcp(encodeRtcp([report, description]))) this.rtp.senderReports++;
    }
  }

  override onRtp(_bytes: Uint8Array, start: number, end: number): void {
    this.bytesIn += end - start;
  }

  override onRtcp(bytes: Uint8Array, start: number, end: number, now: number): void {
    this.bytesIn += end - start;
    let messages: ReturnType<typeof parseRtcp>;
    try {
      messages = parseRtcp(bytes, start, end);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.rtp.malformed++;
      return;
    }
    for (const message of messages) {
      if (message.type === 'nack') {
        this.rtp.naks++;
        const sender = message.mediaSsrc === this.#ssrcs.audio ? this.#audio : this.#video;
        for (const sequence of message.sequences) sender?.again(sequence);
      } else if (message.type === 'picture-loss' || message.type === 'full-intra-request') {
        this.rtp.keyframeRequests++;
        this.observer?.onKeyframeRequest?.(this, now);
      } else if (message.type === 'receiver-report') {
        const block = message.reports.find(({ ssrc }) => ssrc === this.#ssrcs.video);
        if (block === undefined) continue;
        this.rtp.reportedLost = block.lost;
        // The middle 32 bits of NTP time: 1/65536 s.
        const { ntpSeconds, ntpFraction } = ntpOf(now);
        const middle = (ntpSeconds << 16) | (ntpFraction >>> 16);
        const units = (middle - block.lastSr - block.delaySinceLastSr) >>> 0;
        // Rounding of what is very little may make it a little less than nothing.
        if (block.lastSr !== 0 && units < MAX_ROUND_TRIP) this.roundTripMs = (units * 1000) / 65_536;
      }
    }
  }

  protected override release(): void {
    ticker.delete(this);
    super.release();
  }
}
