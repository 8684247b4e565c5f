/** All that a WHEP player makes of RTP and RTCP: media for its sink, reports and requests for the server. */
import { ProtocolError } from '../../protocols/errors.ts';
import { type MediaSink, MediaType } from '../../protocols/media.ts';
import { VIDEO_CLOCK } from '../../protocols/rtp/h264-depacketizer.ts';
import { RtpPacket } from '../../protocols/rtp/packet.ts';
import { encodeRtcp, parseRtcp, type ReportBlock, type RtcpMessage } from '../../protocols/rtp/rtcp.ts';
import { Arrival, SequenceTracker } from '../../protocols/rtp/sequence.ts';
import { wallClock } from '../measure/clock.ts';
import { type RtpReceived, rtpReceived } from './figures.ts';
import { Ticker } from './ticker.ts';
import { type VideoFeedback, VideoReceiver } from './video-receiver.ts';

/** Opus over RTP has a clock of 48 kHz at any rate (RFC 7587 section 4.1). */
const OPUS_CLOCK = 48_000;
const REPORT_MS = 1000;
/** Servers pass a PLI on to the publisher: one a second is what browsers, too, ask for at most. */
const PLI_INTERVAL_MS = 1000;

const PAYLOAD_TYPES = 128;
/** What a payload type is to us; Opus is the only audio that is asked for. */
const Payload = { unknown: 0, video: 1, audio: 2 } as const;

/** Reports and keyframes. */
const slow = new Ticker(250, () => wallClock.now());
/** Gaps: soon enough for a retransmission to be of use. */
const urgent = new Ticker(20, () => wallClock.now());

export interface ReceiverOptions {
  readonly videoPayloadTypes: ReadonlySet<number>;
  readonly audioPayloadTypes: ReadonlySet<number>;
  readonly nack: boolean;
  readonly pli: boolean;
  readonly cname: string;
  /** Of our own reports. */
  readonly ssrc: number;
}

export interface ReceiverOwner {
  sendRtcp(packet: Uint8Array): boolean;
  /** The first whole keyframe has come. */
  readonly joined: boolean;
}

class AudioReceiver {
  ssrc = -1;
  tracker = new SequenceTracker(OPUS_CLOCK);
  /** Of the sources, and of the sequences, before the present one. */
  lostBefore = 0;
  ticks = 0;
  timestamp = 0;
}

interface SeenReport {
  readonly middle: number;
  readonly at: number;
}

export class MediaReceiver implements VideoFeedback {
  readonly figures: RtpReceived = rtpReceived();
  readonly video: VideoReceiver;
  private readonly audio = new AudioReceiver();
  private readonly sink: MediaSink;
  private readonly options: ReceiverOptions;
  private readonly owner: ReceiverOwner;
  private readonly packet = new RtpPacket();
  /** By payload type. */
  private readonly payloads = new Uint8Array(PAYLOAD_TYPES);
  /** The last sender report of each of our two sources; never more than two. */
  private readonly senderReports = new Map<number, SeenReport>();
  private pliAt = Number.NEGATIVE_INFINITY;
  private reportAt: number;
  private readonly gaps = { onTick: (now: number): void => this.fillGaps(now) };

  constructor(sink: MediaSink, options: ReceiverOptions, owner: ReceiverOwner) {
    this.sink = sink;
    this.options = options;
    this.owner = owner;
    for (const type of options.videoPayloadTypes) this.payloads[type] = Payload.video;
    for (const type of options.audioPayloadTypes) this.payloads[type] = Payload.audio;
    this.video = new VideoReceiver(sink, this.figures, this, options.nack);
    this.reportAt = wallClock.now() + REPORT_MS;
    slow.add(this);
  }

  /** Interarrival jitter of video, in ms. */
  get jitterMs(): number {
    return (this.video.tracker.jitter * 1000) / VIDEO_CLOCK;
  }

  /** No more reports and requests. */
  close(): void {
    slow.delete(this);
    urgent.delete(this.gaps);
  }

  /**
   * One packet; a malformed one is counted, and nothing else becomes of it.
   * @param size when it is more than what can be read of it.
   */
  rtp(bytes: Uint8Array, start: number, end: number, now: number, size = end - start): void {
    const { packet, figures } = this;
    try {
      packet.read(bytes, start, end);
    } catch (error) {
      this.malformed(error);
      return;
    }
    const payload = this.payloads[packet.payloadType];
    if (payload === Payload.video) {
      figures.videoPackets++;
      this.video.push(packet, start, end, now);
      // A frame is complete and no keyframe among what came: the server may have to be asked for one.
      if (packet.marker && !this.owner.joined) this.needKeyframe(packet.ssrc);
    } else if (payload === Payload.audio) {
      figures.audioPackets++;
      this.opus(packet, size > end - start, now);
    } else {
      figures.unknown++;
      return;
    }
    figures.packets++;
    figures.bytes += size;
  }

  rtcp(bytes: Uint8Array, start: number, end: number, now: number): void {
    let messages: ReturnType<typeof parseRtcp>;
    try {
      messages = parseRtcp(bytes, start, end);
    } catch (error) {
      this.malformed(error);
      return;
    }
    for (const message of messages) {
      if (message.type !== 'sender-report') continue;
      if (message.ssrc !== this.video.ssrc && message.ssrc !== this.audio.ssrc) continue;
      const middle = ((message.ntpSeconds << 16) | (message.ntpFraction >>> 16)) >>> 0;
      this.senderReports.set(message.ssrc, { middle, at: now });
      if (this.senderReports.size > 2) this.forgetReports();
    }
  }

  /** Those of sources that others have followed. */
  private forgetReports(): void {
    for (const ssrc of this.senderReports.keys()) {
      if (ssrc !== this.video.ssrc && ssrc !== this.audio.ssrc) this.senderReports.delete(ssrc);
    }
  }

  onTick(now: number): void {
    if (now < this.reportAt) return;
    this.reportAt = now + REPORT_MS;
    this.report(now);
  }

  onGap(): void {
    urgent.add(this.gaps);
  }

  private fillGaps(now: number): void {
    this.video.tick(now);
    if (!this.video.waiting) urgent.delete(this.gaps);
  }

  sendNack(ssrc: number, sequences: readonly number[]): void {
    this.send([{ type: 'nack', ssrc: this.options.ssrc, mediaSsrc: ssrc, sequences }]);
  }

  needKeyframe(ssrc: number): void {
    const now = wallClock.now();
    if (!this.options.pli || now - this.pliAt < PLI_INTERVAL_MS) return;
    this.pliAt = now;
    this.figures.plis++;
    this.send([{ type: 'picture-loss', ssrc: this.options.ssrc, mediaSsrc: ssrc }]);
  }

  /**
   * One Opus packet per RTP packet (RFC 7587 section 4.2), in the order of arrival.
   * @param sealed its payload was left encrypted: the sink gets a packet without bytes.
   */
  private opus(packet: RtpPacket, sealed: boolean, now: number): void {
    const { audio, figures, sink } = this;
    if (packet.ssrc !== audio.ssrc) {
      if (audio.ssrc !== -1) figures.restarts++;
      audio.lostBefore += audio.tracker.lost;
      audio.ssrc = packet.ssrc;
      audio.tracker = new SequenceTracker(OPUS_CLOCK);
      audio.ticks = packet.timestamp;
      audio.timestamp = packet.timestamp;
    }
    const { lost } = audio.tracker;
    const arrival = audio.tracker.push(packet.sequence, packet.timestamp, now);
    if (arrival === Arrival.restart) {
      figures.restarts++;
      audio.lostBefore += lost;
    }
    figures.audioLost = audio.lostBefore + audio.tracker.lost;
    if (arrival === Arrival.duplicate) figures.duplicated++;
    if (arrival === Arrival.duplicate || arrival === Arrival.jump) return;
    if (arrival === Arrival.late) figures.late++;
    audio.ticks += (packet.timestamp - audio.timestamp) | 0;
    audio.timestamp = packet.timestamp;
    const length = packet.payloadEnd - packet.payloadStart;
    if (length === 0 && !sealed) return;
    sink.begin(MediaType.audio, Math.floor(audio.ticks / (OPUS_CLOCK / 1000)) >>> 0, length, now);
    if (length > 0) sink.data(MediaType.audio, packet.bytes, packet.payloadStart, packet.payloadEnd);
    sink.end(MediaType.audio, now);
  }

  private report(now: number): void {
    const reports = [
      ...(this.video.tracker.started ? [this.block(this.video.ssrc, this.video.tracker, now)] : []),
      ...(this.audio.tracker.started ? [this.block(this.audio.ssrc, this.audio.tracker, now)] : []),
    ];
    if (reports.length > 0) this.send([{ type: 'receiver-report', ssrc: this.options.ssrc, reports }]);
  }

  private block(ssrc: number, tracker: SequenceTracker, now: number): ReportBlock {
    const seen = this.senderReports.get(ssrc);
    return {
      ssrc,
      fractionLost: tracker.takeFractionLost(),
      lost: Math.min(tracker.lost, 0x7fffff),
      highestSequence: tracker.highest >>> 0,
      jitter: Math.round(tracker.jitter) >>> 0,
      lastSr: seen?.middle ?? 0,
      delaySinceLastSr: seen === undefined ? 0 : Math.round(((now - seen.at) * 65_536) / 1000) >>> 0,
    };
  }

  /** As a compound packet: rtcp-rsize is not offered (RFC 3550 section 6.1). */
  private send(messages: RtcpMessage[]): void {
    const { ssrc, cname } = this.options;
    const report: RtcpMessage[] =
      messages[0]?.type === 'receiver-report' ? [] : [{ type: 'receiver-report', ssrc, reports: [] }];
    const description: RtcpMessage = { type: 'source-description', chunks: [{ ssrc, cname }] };
    const [first, ...rest] = [...report, ...messages];
    this.owner.sendRtcp(encodeRtcp([first!, description, ...rest]));
  }

  private malformed(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.figures.malformed++;
  }
}
