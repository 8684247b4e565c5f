/** A WHIP publisher: RTP becomes the video of an RTMP publisher, and is asked for again where it is missing. */
import { ProtocolError } from '../../../protocols/errors.ts';
import { type MediaSink, MediaType } from '../../../protocols/media.ts';
import { H264Depacketizer, VIDEO_CLOCK } from '../../../protocols/rtp/h264-depacketizer.ts';
import { RtpPacket } from '../../../protocols/rtp/packet.ts';
import type { OtherRtcp, ReportBlock, RtcpMessage } from '../../../protocols/rtp/rtcp.ts';
import { AccessUnit } from '../access-unit.ts';
import { AvcFrames } from '../avc-frames.ts';
import type { Mutants } from '../mutants.ts';
import type { Publication } from '../role.ts';
import type { RtcChannel } from './channel.ts';
import { Reorder } from './reorder.ts';
import type { RtcPurpose, RtcSession } from './session.ts';

const REPORT_MS = 1000;
/** Between two looks at what is missing. */
const GAP_TICK_MS = 20;
/** Keyframes are asked for at most this often, whatever is wrong. */
const PLI_INTERVAL_MS = 1000;
/** A frame that is longer is none: without a marker it would never end. */
const MAX_UNIT = 4 * 1024 * 1024;

export interface RtcPublisherOptions {
  /** A keyframe is asked for when none came for this long: SRS `pli_for_rtmp`, 6 s (facts/srs.md 9.3). */
  readonly keyframeMs: number;
  readonly mutants: Mutants;
}

/**
 * Frames are passed on from the first keyframe on, with timestamps from 0: SRS waits for two sender reports and then
 * sends milliseconds since 1900 (facts/srs.md 9.4), which no player needs here, since the sound of a publisher is
 * Opus, which goes to WHEP players only. Frames are taken to be sent in the order of presentation, as browsers do.
 *
 * Frames with packets that never came are left out, and a keyframe is asked for.
 */
export class RtcPublisher implements RtcPurpose, MediaSink {
  readonly expectsPackets = true;
  /** Frames that were left out, and packets that could not be read. */
  damaged = 0;
  malformed = 0;
  plis = 0;
  readonly #session: RtcSession;
  readonly #publication: Publication;
  readonly #channel: RtcChannel;
  readonly #options: RtcPublisherOptions;
  readonly #packet = new RtpPacket();
  readonly #reorder: Reorder;
  readonly #depacketizer: H264Depacketizer;
  readonly #unit = new AccessUnit();
  readonly #frames = new AvcFrames();
  readonly #feedback: ReadonlySet<string>;
  readonly #videoType: number;
  readonly #audioType: number | undefined;
  #videoSsrc: number | undefined;
  #gaps: NodeJS.Timeout | undefined;
  #timestamp = 0;
  /** Of the access unit that is open. */
  #size = 0;
  #origin = Number.NaN;
  #keyframeAt = Number.NaN;
  #pliAt = Number.NEGATIVE_INFINITY;
  #reportAt = Number.NEGATIVE_INFINITY;
  #senderReport = { middle: 0, at: 0 };
  #seenDamage = 0;

  constructor(
    session: RtcSession,
    publication: Publication,
    channel: RtcChannel,
    options: RtcPublisherOptions,
  ) {
    this.#session = session;
    this.#publication = publication;
    this.#channel = channel;
    this.#options = options;
    const { video, audio } = session.negotiation;
    this.#videoType = video.codec.payloadType;
    this.#audioType = audio?.codec.payloadType;
    this.#feedback = new Set(video.codec.feedback);
    this.#depacketizer = new H264Depacketizer(this);
    this.#reorder = new Reorder(VIDEO_CLOCK, {
      onPacket: (packet) => this.#depacketize(packet),
      onLost: () => this.#depacketizer.lost(),
      onMissing: (sequences) => this.#ask(sequences),
    });
  }

  onConnected(now: number): void {
    this.#keyframeAt = now;
  }

  onRtp(bytes: Buffer, now: number): void {
    const packet = this.#packet;
    if (!this.#guarded(() => packet.read(bytes))) return;
    if (packet.payloadType === this.#audioType) this.#onAudio(packet);
    else if (packet.payloadType === this.#videoType) this.#onVideo(packet, bytes, now);
  }

  #onVideo({ ssrc, sequence, timestamp }: RtpPacket, bytes: Buffer, now: number): void {
    // One source: a simulcast layer or a retransmission stream beside it is not negotiated.
    this.#videoSsrc ??= ssrc;
    if (ssrc !== this.#videoSsrc) return;
    this.#reorder.push(bytes, sequence, timestamp, now);
    if (this.#reorder.waiting) this.#gaps ??= setInterval(() => this.#onGapTick(), GAP_TICK_MS);
  }

  #onAudio({ bytes, payloadStart, payloadEnd, timestamp, marker }: RtpPacket): void {
    this.#channel.audio(bytes.subarray(payloadStart, payloadEnd), timestamp, marker);
  }

  #onGapTick(): void {
    this.#reorder.tick(performance.now());
    if (this.#reorder.waiting) return;
    clearInterval(this.#gaps);
    this.#gaps = undefined;
  }

  #depacketize(bytes: Buffer): void {
    this.#guarded(() => {
      this.#packet.read(bytes);
      this.#depacketizer.push(this.#packet, performance.now());
    });
  }

  // MediaSink: one access unit.
  begin(_type: MediaType, timestamp: number): void {
    this.#timestamp = timestamp;
    this.#seenDamage = this.#depacketizer.damaged;
    this.#size = 0;
    this.#unit.begin(Number.NaN, Number.NaN);
  }

  data(_type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    this.#size += end - start;
    if (this.#size <= MAX_UNIT) this.#unit.add(bytes, start, end);
  }

  end(_type: MediaType, now: number): void {
    if (this.#depacketizer.damaged !== this.#seenDamage || this.#size > MAX_UNIT) {
      this.damaged++;
      this.#needKeyframe(now);
      return;
    }
    const bodies = this.#frames.push(this.#unit.bytes, 0);
    if (bodies.length === 0 && Number.isNaN(this.#origin)) this.#needKeyframe(now);
    for (const { body, kind } of bodies) {
      if (Number.isNaN(this.#origin)) this.#origin = this.#timestamp;
      if (kind === 'keyframe') this.#keyframeAt = now;
      if (kind === 'keyframe' && this.plis > 0 && this.#options.mutants.has('whip-asked-keyframe-lost'))
        continue;
      this.#publication.onMessage({
        chunkStreamId: 0,
        messageTypeId: MediaType.video,
        messageStreamId: 0,
        timestamp: (this.#timestamp - this.#origin) >>> 0,
        payload: body,
      });
    }
  }

  onRtcp(message: RtcpMessage | OtherRtcp, now: number): void {
    if (message.type !== 'sender-report' || message.ssrc !== this.#videoSsrc) return;
    const middle = ((message.ntpSeconds << 16) | (message.ntpFraction >>> 16)) >>> 0;
    this.#senderReport = { middle, at: now };
  }

  onTick(now: number): void {
    if (now - this.#keyframeAt >= this.#options.keyframeMs) {
      this.#keyframeAt = now;
      this.#needKeyframe(now);
    }
    if (this.#videoSsrc === undefined || now - this.#reportAt < REPORT_MS) return;
    this.#reportAt = now;
    const { reports } = this.#session.ssrcs;
    this.#session.report(reports, [
      { type: 'receiver-report', ssrc: reports, reports: [this.#block(this.#videoSsrc, now)] },
    ]);
  }

  close(): void {
    clearInterval(this.#gaps);
    this.#publication.close();
  }

  #block(ssrc: number, now: number): ReportBlock {
    const { tracker } = this.#reorder;
    const { middle, at } = this.#senderReport;
    return {
      ssrc,
      fractionLost: tracker.takeFractionLost(),
      lost: Math.max(0, Math.min(tracker.lost, 0x7fffff)),
      highestSequence: Math.max(0, tracker.highest) >>> 0,
      jitter: Math.round(tracker.jitter) >>> 0,
      lastSr: middle,
      delaySinceLastSr: middle === 0 ? 0 : Math.round(((now - at) * 65_536) / 1000) >>> 0,
    };
  }

  #ask(sequences: readonly number[]): void {
    if (this.#options.mutants.has('whip-no-nack')) return;
    if (this.#videoSsrc !== undefined && this.#feedback.has('nack')) {
      const { reports } = this.#session.ssrcs;
      this.#feed({ type: 'nack', ssrc: reports, mediaSsrc: this.#videoSsrc, sequences });
    }
  }

  #needKeyframe(now: number): void {
    if (this.#options.mutants.has('whip-no-pli') || !this.#feedback.has('nack pli')) return;
    if (this.#videoSsrc === undefined || now - this.#pliAt < PLI_INTERVAL_MS) return;
    this.#pliAt = now;
    this.plis++;
    const { reports } = this.#session.ssrcs;
    this.#feed({ type: 'picture-loss', ssrc: reports, mediaSsrc: this.#videoSsrc });
  }

  #feed(message: RtcpMessage): void {
    const { reports } = this.#session.ssrcs;
    this.#session.report(reports, [{ type: 'receiver-report', ssrc: reports, reports: [] }, message]);
  }

  #guarded(step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.malformed++;
      return false;
    }
  }
}
