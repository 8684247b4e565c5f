/** Bodies of FLV tags as messages of MPEG-TS: what a publisher sends over SRT. */
import {
  AacPacketType,
  AVC_HEADER_SIZE,
  AvcPacketType,
  compositionTime,
  isKeyframe,
  isSequenceHeader,
  SoundFormat,
  soundFormat,
  VideoCodec,
  videoCodec,
} from '../../protocols/flv/body.ts';
import { type AvcConfig, parseAvcConfig } from '../../protocols/h264/parameter-sets.ts';
import { MediaType } from '../../protocols/media.ts';
import { adtsOfAac, annexBOfAvcc } from '../../protocols/mpegts/from-flv.ts';
import { TS_PACKET_SIZE } from '../../protocols/mpegts/reader.ts';
import { TsWriter } from '../../protocols/mpegts/writer.ts';

/** Seven packets: what fits into an Ethernet frame with all headers, and what SRT is used with everywhere. */
export const MESSAGE_SIZE = 7 * TS_PACKET_SIZE;
/** Without keyframes (audio alone) PAT and PMT are repeated as often as this, in ms of media. */
const TABLES_INTERVAL_MS = 500;
/** SoundFormat, and AACPacketType, in front of the AudioSpecificConfig. */
const AAC_HEADER_SIZE = 2;

/**
 * H.264 and AAC; bodies of anything else are left out. A video frame ends its message, so that it never waits for the
 * next one; audio waits for the video that follows, or for a full message.
 */
export class TsPacketizer {
  readonly #emit: (message: Uint8Array) => void;
  readonly #full: boolean;
  readonly #writer = new TsWriter();
  readonly #pending = new Uint8Array(MESSAGE_SIZE);
  #length = 0;
  #video: AvcConfig | undefined;
  #audio: Uint8Array | undefined;
  #tablesAt = Number.NEGATIVE_INFINITY;

  /**
   * @param emit a message of one to seven packets; its bytes are reused after the call.
   * @param full every message has seven packets, as FFmpeg sends them: fewer, and a frame's end waits for the next one.
   */
  constructor(emit: (message: Uint8Array) => void, full = false) {
    this.#emit = emit;
    this.#full = full;
  }

  /**
   * @param timestamp DTS in ms.
   * @throws ProtocolError NalLength, AvcConfig, AacConfig
   */
  push(type: MediaType, timestamp: number, body: Uint8Array): void {
    if (type === MediaType.video && videoCodec(body) === VideoCodec.avc) this.#pushVideo(timestamp, body);
    else if (type === MediaType.audio && soundFormat(body) === SoundFormat.aac)
      this.#pushAudio(timestamp, body);
  }

  #pushVideo(timestamp: number, body: Uint8Array): void {
    if (isSequenceHeader(MediaType.video, body)) {
      this.#video = parseAvcConfig(body, AVC_HEADER_SIZE);
      return;
    }
    if (this.#video === undefined || body[1] !== AvcPacketType.nalUnits) return;
    const key = isKeyframe(body);
    if (key) this.#tables(timestamp);
    const dts = timestamp * 90;
    const unit = annexBOfAvcc(body, this.#video, key);
    this.#append(this.#writer.video(unit, dts + compositionTime(body) * 90, dts, key));
    if (!this.#full) this.#flush();
  }

  #pushAudio(timestamp: number, body: Uint8Array): void {
    if (isSequenceHeader(MediaType.audio, body)) {
      this.#audio = body.slice(AAC_HEADER_SIZE);
      return;
    }
    if (this.#audio === undefined || body[1] !== AacPacketType.raw) return;
    if (this.#video === undefined && timestamp - this.#tablesAt >= TABLES_INTERVAL_MS)
      this.#tables(timestamp);
    this.#append(this.#writer.audio(adtsOfAac(body, this.#audio), timestamp * 90));
  }

  #tables(timestamp: number): void {
    this.#tablesAt = timestamp;
    this.#append(this.#writer.tables({ video: this.#video !== undefined, audio: this.#audio !== undefined }));
  }

  #append(packets: Uint8Array): void {
    for (let at = 0; at < packets.length; ) {
      const take = Math.min(MESSAGE_SIZE - this.#length, packets.length - at);
      this.#pending.set(packets.subarray(at, at + take), this.#length);
      this.#length += take;
      at += take;
      if (this.#length === MESSAGE_SIZE) this.#flush();
    }
  }

  #flush(): void {
    if (this.#length === 0) return;
    const message = this.#pending.subarray(0, this.#length);
    this.#length = 0;
    this.#emit(message);
  }
}
