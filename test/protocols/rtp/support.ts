/** The frames of the fixture as NAL units, and a sink that keeps what it is given. */
import { MediaSource } from '../../../drivers/measure/source.ts';
import { AVC_HEADER_SIZE } from '../../../protocols/flv/body.ts';
import { splitAnnexB } from '../../../protocols/h264/annexb.ts';
import { splitAvcc } from '../../../protocols/h264/avcc.ts';
import { parseAvcConfig } from '../../../protocols/h264/parameter-sets.ts';
import { type MediaSink, MediaType } from '../../../protocols/media.ts';

export const source = MediaSource.load('fixtures/media/av-480k.flv');

export interface SourceFrame {
  readonly timestamp: number;
  /** Stamped; the parameter sets come before those of a keyframe. */
  readonly nals: Uint8Array[];
}

export function sourceFrames(count: number, stream = 7): SourceFrame[] {
  const header = source.headers.find(({ type }) => type === MediaType.video)!.body;
  const { sps, pps } = parseAvcConfig(header, AVC_HEADER_SIZE);
  return source.items
    .filter((item) => item.template !== undefined)
    .slice(0, count)
    .map(({ template, timestamp }, frame) => {
      const body = template!.write(stream, frame, 1_700_000_000_000 + timestamp).slice();
      const nals = splitAvcc(body, AVC_HEADER_SIZE);
      return { timestamp, nals: template!.keyframe ? [...sps, ...pps, ...nals] : nals };
    });
}

export interface KeptUnit {
  readonly timestamp: number;
  readonly bytes: Buffer;
}

/** Whole video items. */
export class KeepingSink implements MediaSink {
  readonly units: KeptUnit[] = [];
  #parts: Uint8Array[] = [];
  #timestamp = 0;

  begin(_type: MediaType, timestamp: number): void {
    this.#timestamp = timestamp;
    this.#parts = [];
  }

  data(_type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    this.#parts.push(bytes.slice(start, end));
  }

  end(): void {
    this.units.push({ timestamp: this.#timestamp, bytes: Buffer.concat(this.#parts) });
  }

  nals(index: number): Uint8Array[] {
    return splitAnnexB(this.units[index]!.bytes);
  }
}
