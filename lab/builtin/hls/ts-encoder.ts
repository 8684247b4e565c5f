/** Frames of one stream as packets of a transport stream: H.264 and AAC, as SRS takes them into HLS. */
import {
  AacPacketType,
  AVC_HEADER_SIZE,
  AvcPacketType,
  compositionTime,
  isExVideo,
  SoundFormat,
  soundFormat,
  VideoCodec,
  videoCodec,
} from '../../../protocols/flv/body.ts';
import { type AvcConfig, parseAvcConfig } from '../../../protocols/h264/parameter-sets.ts';
import { adtsOfAac, annexBOfAvcc } from '../../../protocols/mpegts/from-flv.ts';
import { TsWriter } from '../../../protocols/mpegts/writer.ts';
import { type Frame, FrameKind } from '../frame.ts';
import type { Mutants } from '../mutants.ts';
import { damageAdts, spoilAdts } from './segment-faults.ts';

/** Before the AudioSpecificConfig of an AAC sequence header. */
const AAC_HEADER_SIZE = 2;
/** Mutant: how much later sound is, in 90 kHz. */
const LATE = 45_000;

export class TsEncoder {
  /** One for all segments: continuity counters go on. */
  readonly #writer = new TsWriter();
  readonly #mutants: Mutants;
  #video: { readonly config: AvcConfig; readonly body: Uint8Array } | undefined;
  #audio: { readonly config: Uint8Array; readonly body: Uint8Array } | undefined;

  /** Mutant: the parameter sets have been written. */
  #hadSets = false;

  constructor(mutants: Mutants) {
    this.#mutants = mutants;
  }

  get hasVideo(): boolean {
    return this.#video !== undefined;
  }

  /** Whether frames of this kind can be in a segment: their header has come, and names a codec that is known here. */
  carries(frame: Frame): boolean {
    return (frame.kind === FrameKind.audio ? this.#audio : this.#video) !== undefined;
  }

  /**
   * Takes a sequence header.
   * @returns whether it is another one than before.
   * @throws ProtocolError AvcConfig
   */
  header(frame: Frame): boolean {
    const body = frame.payload;
    if (frame.kind === FrameKind.videoHeader) {
      if (this.#video && equal(this.#video.body, body)) return false;
      this.#video = undefined;
      if (!isExVideo(body) && videoCodec(body) === VideoCodec.avc) {
        this.#video = { config: parseAvcConfig(body, AVC_HEADER_SIZE), body };
      }
    } else {
      if (this.#audio && equal(this.#audio.body, body)) return false;
      this.#audio = undefined;
      if (soundFormat(body) === SoundFormat.aac)
        this.#audio = { config: body.subarray(AAC_HEADER_SIZE), body };
    }
    return true;
  }

  /** The publisher has left, and its headers with it. */
  forget(): void {
    this.#video = undefined;
    this.#audio = undefined;
  }

  /** PAT and PMT. */
  tables(): Uint8Array {
    return this.#writer.tables({ video: this.#video !== undefined, audio: this.#audio !== undefined });
  }

  /**
   * Timestamps are the publisher's, times 90 (facts/srs.md 6.2).
   * @returns undefined for what HLS does not carry here: other codecs, and frames whose header is missing.
   * @throws ProtocolError of the body
   */
  encode(frame: Frame): Uint8Array | undefined {
    const { payload, timestamp } = frame;
    const dts = timestamp * 90;
    if (frame.kind === FrameKind.audio) {
      if (!this.#audio || soundFormat(payload) !== SoundFormat.aac) return undefined;
      if (payload[1] !== AacPacketType.raw) return undefined;
      const adts = this.#spoil(adtsOfAac(payload, this.#audio.config));
      return this.#writer.audio(adts, this.#mutants.has('hls-audio-late') ? dts + LATE : dts);
    }
    if (!this.#video || isExVideo(payload) || videoCodec(payload) !== VideoCodec.avc) return undefined;
    if (payload[1] !== AvcPacketType.nalUnits) return undefined;
    const key = frame.kind === FrameKind.keyframe;
    const withSets = key && !(this.#hadSets && this.#mutants.has('hls-parameter-sets-once'));
    this.#hadSets ||= withSets;
    const accessUnit = annexBOfAvcc(payload, this.#video.config, withSets);
    return this.#writer.video(accessUnit, dts + compositionTime(payload) * 90, dts, key);
  }

  #spoil(adts: Uint8Array): Uint8Array {
    if (this.#mutants.has('hls-wrong-adts')) spoilAdts(adts);
    if (this.#mutants.has('hls-audio-damaged')) damageAdts(adts);
    return adts;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
