/** Stamped MPEG-TS segments out of an FLV source, for a bench's or a test's own server. */
import { type MediaSource, SourceCursor } from '../../drivers/measure/source.ts';
import { compositionTime } from '../../protocols/flv/body.ts';
import { parseAvcConfig } from '../../protocols/h264/parameter-sets.ts';
import { MediaType } from '../../protocols/media.ts';
import { adtsOfAac, annexBOfAvcc } from '../../protocols/mpegts/from-flv.ts';
import { TsWriter } from '../../protocols/mpegts/writer.ts';

/** Before the AVCDecoderConfigurationRecord, and before the AudioSpecificConfig, in the body of a sequence header. */
const AVC_HEADER_SIZE = 5;
const AAC_HEADER_SIZE = 2;

export class SegmentMaker {
  readonly #cursor: SourceCursor;
  readonly #writer = new TsWriter();
  readonly #avc: ReturnType<typeof parseAvcConfig>;
  readonly #aac: Uint8Array;
  readonly #stream: number;
  #parts: Uint8Array[];
  /** Video frames written so far. */
  frames = 0;

  /** @param stream id in the stamps. */
  constructor(source: MediaSource, stream: number) {
    const header = (type: MediaType): Uint8Array => source.headers.find((item) => item.type === type)!.body;
    this.#cursor = new SourceCursor(source);
    this.#avc = parseAvcConfig(header(MediaType.video).subarray(AVC_HEADER_SIZE));
    this.#aac = header(MediaType.audio).subarray(AAC_HEADER_SIZE);
    this.#stream = stream;
    this.#parts = [this.#writer.tables()];
  }

  /** Of what is written next, in ms from 0. */
  get timestamp(): number {
    return this.#cursor.timestamp;
  }

  /** Writes all with a DTS below `until`, stamped with `sentAt` (epoch ms). */
  write(until: number, sentAt: number): void {
    const cursor = this.#cursor;
    for (; cursor.timestamp < until; cursor.advance()) {
      const { item, timestamp } = cursor;
      const dts = timestamp * 90;
      if (item.type === MediaType.audio) {
        this.#parts.push(this.#writer.audio(adtsOfAac(item.body, this.#aac), dts));
      } else if (item.template !== undefined) {
        const { keyframe } = item.template;
        const body = item.template.write(this.#stream, this.frames++, sentAt);
        const pts = dts + compositionTime(body) * 90;
        this.#parts.push(this.#writer.video(annexBOfAvcc(body, this.#avc, keyframe), pts, dts, keyframe));
      }
    }
  }

  /** The segment that was written since the last cut. */
  cut(): Buffer {
    const segment = Buffer.concat(this.#parts);
    this.#parts = [this.#writer.tables()];
    return segment;
  }
}
