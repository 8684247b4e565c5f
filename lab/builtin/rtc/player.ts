/** A WHEP player: shared packets with its own header fields, retransmissions, and sender reports. */
import { randomInt } from 'node:crypto';
import { RTP_HEADER_SIZE, setUint32 } from '../../../protocols/rtp/packet.ts';
import { ntpOf, type OtherRtcp, type RtcpMessage } from '../../../protocols/rtp/rtcp.ts';
import type { Mutants } from '../mutants.ts';
import type { RtcChannel } from './channel.ts';
import type { SharedFrame, SharedPacket } from './packets.ts';
import type { RtcPurpose, RtcSession } from './session.ts';
import type { RtpTimeline } from './timeline.ts';

const REPORT_MS = 1000;
/** A receiver of media reports at least this often (RFC 3550 section 6.2: 5 s, and half as much again). */
const SENDS_FOR_MS = 7500;

/** One of its two sources. */
class Source {
  readonly ssrc: number;
  readonly payloadType: number;
  packets = 0;
  octets = 0;

  constructor(ssrc: number, payloadType: number) {
    this.ssrc = ssrc;
    this.payloadType = payloadType;
  }

  /** In place: the packet is another one's next. */
  address({ bytes }: Pick<SharedPacket, 'bytes'>, sequence: number): Buffer {
    bytes[1] = (bytes[1]! & 0x80) | this.payloadType;
    bytes[2] = sequence >> 8;
    bytes[3] = sequence;
    setUint32(bytes, 8, this.ssrc);
    return bytes;
  }

  count({ length }: Buffer): void {
    this.packets++;
    this.octets += length - RTP_HEADER_SIZE;
  }
}

export class RtcPlayer implements RtcPurpose {
  /** Keyframes that it asked for: a publisher that reads a file has none to give. */
  plis = 0;
  retransmitted = 0;
  readonly #session: RtcSession;
  readonly #channel: RtcChannel;
  readonly #mutants: Mutants;
  readonly #onLeft: () => void;
  readonly #video: Source;
  readonly #audio: Source | undefined;
  /** From a sequence number of the stream to one of this player, modulo 2^16. */
  #shift = 0;
  /** The first one that this holds for. */
  #since = 0;
  /** Its next one. */
  #sequence = 0;
  #audioSequence = randomInt(2 ** 16);
  /** Has been sent something: the shift is known. */
  #joined = false;
  #waiting = true;
  /** Mutant: a keyframe was kept from it. */
  #skipped = false;
  #sentAt = Number.NEGATIVE_INFINITY;
  #reportAt = Number.NEGATIVE_INFINITY;

  /** @param onLeft once. */
  constructor(session: RtcSession, channel: RtcChannel, mutants: Mutants, onLeft: () => void) {
    this.#session = session;
    this.#channel = channel;
    this.#mutants = mutants;
    this.#onLeft = onLeft;
    const { video, audio } = session.negotiation;
    this.#video = new Source(session.ssrcs.video, video.codec.payloadType);
    this.#audio = audio && new Source(session.ssrcs.audio, audio.codec.payloadType);
  }

  get expectsPackets(): boolean {
    return performance.now() - this.#sentAt < SENDS_FOR_MS;
  }

  onConnected(): void {
    this.#channel.add(this);
  }

  /** It begins with a keyframe: there is no GOP cache, as with SRS (facts/srs.md 9.3). */
  onFrame({ packets, keyframe }: SharedFrame, now: number): void {
    if (this.#waiting) {
      if (!keyframe && !this.#mutants.has('rtc-no-keyframe-first')) return;
      if (!this.#skipped && this.#mutants.has('rtc-skips-first-keyframe')) {
        this.#skipped = true;
        return;
      }
      this.#waiting = false;
      const next = this.#joined ? this.#sequence : randomInt(2 ** 16);
      this.#shift = next - packets[0]!.sequence;
      this.#since = next & 0xffff;
      this.#joined = true;
    }
    for (const packet of packets) {
      const sequence = (packet.sequence + this.#shift) & 0xffff;
      const bytes = this.#video.address(packet, sequence);
      this.#sequence = (sequence + 1) & 0xffff;
      this.#video.count(bytes);
      this.#session.send(bytes);
    }
    this.#sent(now);
  }

  /** From the first video on. */
  onAudio(packet: Buffer, now: number): void {
    if (this.#audio === undefined || this.#waiting) return;
    const bytes = this.#audio.address({ bytes: packet }, this.#audioSequence);
    this.#audioSequence = (this.#audioSequence + 1) & 0xffff;
    this.#audio.count(bytes);
    this.#session.send(bytes);
    this.#sent(now);
  }

  /** Another publication begins: its first frame is a keyframe, or is not sent. */
  onRepublish(): void {
    this.#waiting = true;
  }

  onRtp(): void {}

  onRtcp(message: RtcpMessage | OtherRtcp): void {
    if (message.type === 'picture-loss' || message.type === 'full-intra-request') this.plis++;
    if (message.type !== 'nack' || message.mediaSsrc !== this.#video.ssrc) return;
    if (!this.#joined || this.#mutants.has('rtc-nack-ignored')) return;
    for (const sequence of message.sequences) {
      if (((sequence - this.#since) & 0xffff) >= 0x8000) continue;
      const packet = this.#channel.packets.again((sequence - this.#shift) & 0xffff);
      if (packet && this.#session.send(this.#video.address(packet, sequence))) this.retransmitted++;
    }
  }

  onTick(now: number): void {
    if (this.expectsPackets && now - this.#reportAt >= REPORT_MS) this.#report(now);
  }

  close(): void {
    this.#channel.remove(this);
    this.#onLeft();
  }

  /** The first one at once: audio and video can be told to belong together. */
  #sent(now: number): void {
    this.#sentAt = now;
    if (this.#reportAt === Number.NEGATIVE_INFINITY) this.#report(now);
  }

  #report(now: number): void {
    this.#reportAt = now;
    this.#reportOf(this.#video, this.#channel.packets.timeline, now);
    if (this.#audio) this.#reportOf(this.#audio, this.#channel.audioTimeline, now);
  }

  #reportOf({ ssrc, packets, octets }: Source, timeline: RtpTimeline, now: number): void {
    const rtpTimestamp = timeline.at(now);
    if (packets === 0 || rtpTimestamp === undefined) return;
    this.#session.report(ssrc, [
      {
        type: 'sender-report',
        ssrc,
        ...ntpOf(Date.now()),
        rtpTimestamp,
        packets: packets >>> 0,
        octets: octets >>> 0,
        reports: [],
      },
    ]);
  }
}
