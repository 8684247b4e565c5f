/** The video of a stream as RTP, packetized once for all of its WHEP players. */

import { ProtocolError } from '../../../protocols/errors.ts';
import {
  AVC_HEADER_SIZE,
  AvcPacketType,
  compositionTime,
  VideoCodec,
  videoCodec,
} from '../../../protocols/flv/body.ts';
import { splitAvcc } from '../../../protocols/h264/avcc.ts';
import { NalType, nalType } from '../../../protocols/h264/nal.ts';
import { type AvcConfig, parseAvcConfig } from '../../../protocols/h264/parameter-sets.ts';
import { VIDEO_CLOCK } from '../../../protocols/rtp/h264-depacketizer.ts';
import { H264Packetizer, type RtpSource } from '../../../protocols/rtp/h264-packetizer.ts';
import { type Frame, FrameKind } from '../frame.ts';
import type { Mutants } from '../mutants.ts';
import { RtpTimeline } from './timeline.ts';

/** Payload type, sequence number and SSRC are a player's own: they are written over for each, before it is sent. */
export interface SharedPacket {
  readonly bytes: Buffer;
  /** Of the stream, 16 bit. */
  readonly sequence: number;
}

export interface SharedFrame {
  readonly packets: readonly SharedPacket[];
  readonly keyframe: boolean;
}

/** Packets that are kept for who lost them, a power of two: 10 s at 1 Mbit/s. */
const RING = 1024;
const TICKS_PER_MS = VIDEO_CLOCK / 1000;
/** Mutant. */
const DROP_EVERY = 40;

/**
 * H.264 only: other codecs have no place in the answers. The parameter sets of the sequence header go before every
 * keyframe that has none (one STAP-A), an SEI keeps its place and is a packet of its own, delimiters are left out.
 *
 * The timestamp is that of presentation, as RFC 6184 section 5.1 has it; SRS sends the decoding time (facts/srs.md 9.3),
 * which is the same as long as there are no B-frames. It goes on across publications.
 */
export class SharedPackets {
  /** Frames that could not be read. */
  malformed = 0;
  readonly timeline: RtpTimeline;
  readonly #source: RtpSource;
  readonly #packetizer: H264Packetizer;
  readonly #ring: (SharedPacket | undefined)[] = new Array(RING).fill(undefined);
  readonly #mutants: Mutants;
  #config: AvcConfig | undefined;
  #videos = 0;

  /** @param seed first timestamp, and sequence number by its lower 16 bits: RFC 3550 section 5.1 wants random ones. */
  constructor(seed: number, mutants: Mutants) {
    this.#mutants = mutants;
    this.timeline = new RtpTimeline(VIDEO_CLOCK, seed);
    this.#source = { ssrc: 0, payloadType: 0, sequence: seed & 0xffff };
    this.#packetizer = new H264Packetizer(this.#source);
  }

  /** Another publication: its parameter sets are not known, its timestamps begin somewhere. */
  begin(): void {
    this.#config = undefined;
    this.timeline.begin();
  }

  /** Takes note of a sequence header. */
  header({ payload }: Frame): void {
    if (videoCodec(payload) !== VideoCodec.avc) return;
    this.#guarded(() => {
      this.#config = parseAvcConfig(payload, AVC_HEADER_SIZE);
    });
  }

  /**
   * Undefined for what is no H.264 frame, or none that can be sent.
   * @param now monotonic, in ms.
   */
  frame(frame: Frame, now: number): SharedFrame | undefined {
    const { payload } = frame;
    if (videoCodec(payload) !== VideoCodec.avc || payload[1] !== AvcPacketType.nalUnits) return undefined;
    if (this.#mutants.has('rtc-drops-frames') && ++this.#videos % DROP_EVERY === 0) return undefined;
    return this.#guarded(() => {
      const keyframe = frame.kind === FrameKind.keyframe;
      const nals = this.#nalsOf(payload, keyframe);
      if (nals.length === 0) return undefined;
      const timestamp = this.timeline.stamp((frame.timestamp + compositionTime(payload)) * TICKS_PER_MS, now);
      const first = this.#source.sequence;
      const packets = this.#packetizer
        .packetize(nals, timestamp)
        .map((bytes, index) => this.#keep(bytes, (first + index) & 0xffff));
      return { packets, keyframe };
    });
  }

  /** A packet that was sent before; undefined when it is too old. */
  again(sequence: number): SharedPacket | undefined {
    const packet = this.#ring[sequence & (RING - 1)];
    return packet?.sequence === sequence ? packet : undefined;
  }

  #keep(bytes: Uint8Array, sequence: number): SharedPacket {
    const packet = { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), sequence };
    this.#ring[sequence & (RING - 1)] = packet;
    return packet;
  }

  #nalsOf(payload: Uint8Array, keyframe: boolean): Uint8Array[] {
    const config = this.#config;
    const nals = splitAvcc(payload, AVC_HEADER_SIZE, payload.length, config?.lengthSize).filter((nal) => {
      const type = nalType(nal[0]!);
      if (type === NalType.sei && this.#mutants.has('rtc-drops-sei')) return false;
      return type !== NalType.accessUnitDelimiter && type !== NalType.filler;
    });
    const complete = nals.some((nal) => nalType(nal[0]!) === NalType.sps);
    return keyframe && !complete && config ? [...config.sps, ...config.pps, ...nals] : nals;
  }

  #guarded<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.malformed++;
      return undefined;
    }
  }
}
