/** How a frame and a batch of frames look on the wire: the same bytes for every player of a protocol. */
import { encodeTag, flvHeader } from '../../protocols/flv/writer.ts';
import { MediaType } from '../../protocols/media.ts';
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import { CHUNK_SIZE, MESSAGE_STREAM_ID } from './constants.ts';
import type { Frame } from './frame.ts';
import type { Mutants } from './mutants.ts';

export interface Format {
  /** A new source begins, of which nothing is known. */
  begin?(): void;
  /** Encoded once, then kept with the frame. */
  encode(frame: Frame): Uint8Array;
  /** Makes one buffer of encoded frames. */
  join(parts: readonly Uint8Array[]): Uint8Array;
  /** What comes before the first frame of a player. */
  preamble(has: { audio: boolean; video: boolean }): Uint8Array;
}

/** Chunk stream ids that SRS uses towards players. */
export const CHUNK_STREAM: Record<MediaType, number> = {
  [MediaType.audio]: 7,
  [MediaType.video]: 6,
  [MediaType.script]: 5,
};

export class RtmpFormat implements Format {
  readonly #writer = new ChunkWriter();

  constructor() {
    this.#writer.chunkSize = CHUNK_SIZE;
  }

  encode(frame: Frame): Uint8Array {
    frame.rtmp ??= this.#writer.encode(
      CHUNK_STREAM[frame.type],
      frame.type,
      MESSAGE_STREAM_ID,
      frame.timestamp,
      frame.payload,
    );
    return frame.rtmp;
  }

  join(parts: readonly Uint8Array[]): Uint8Array {
    return Buffer.concat(parts);
  }

  preamble(): Uint8Array {
    return new Uint8Array(0);
  }
}

const CRLF = Buffer.from('\r\n', 'latin1');

/** One chunk of HTTP/1.1's chunked coding (RFC 9112 section 7.1); nothing of nothing, which would be the last one. */
export function chunkOf(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length === 0) return new Uint8Array(0);
  return Buffer.concat([Buffer.from(`${length.toString(16)}\r\n`, 'latin1'), ...parts, CRLF]);
}

/** FLV tags in one chunk of HTTP/1.1's chunked coding (RFC 9112 section 7.1) per write. */
export class FlvFormat implements Format {
  readonly #wrongTagSize: boolean;
  readonly #wrongFlags: boolean;

  constructor(mutants: Mutants) {
    this.#wrongTagSize = mutants.has('flv-previous-tag-size-wrong');
    this.#wrongFlags = mutants.has('flv-header-flags-wrong');
  }

  encode(frame: Frame): Uint8Array {
    if (frame.flv) return frame.flv;
    const tag = encodeTag(frame.type, frame.timestamp, frame.payload);
    if (this.#wrongTagSize) {
      new DataView(tag.buffer, tag.byteOffset).setUint32(tag.length - 4, frame.payload.length);
    }
    frame.flv = tag;
    return tag;
  }

  join(parts: readonly Uint8Array[]): Uint8Array {
    return chunkOf(parts);
  }

  preamble(has: { audio: boolean; video: boolean }): Uint8Array {
    return this.join([flvHeader(this.#wrongFlags ? { audio: true, video: false } : has)]);
  }
}
