/** HTTP-TS: transport stream packets in one chunk of HTTP/1.1's chunked coding per write. */
import { ProtocolError } from '../../protocols/errors.ts';
import { chunkOf, type Format } from './format.ts';
import { type Frame, FrameKind } from './frame.ts';
import { TsEncoder } from './hls/ts-encoder.ts';
import type { Mutants } from './mutants.ts';

/** Without video the tables come before every 25th frame of sound, which is half a second. */
const AUDIO_PER_TABLES = 25;
const NOTHING = new Uint8Array(0);

/**
 * The tables stand before every keyframe, with which a player's GOP begins. What cannot be carried (other codecs, frames
 * before their header, malformed bodies) is left out.
 */
export class TsFormat implements Format {
  readonly #encoder = new TsEncoder(new Set());
  readonly #withoutTables: boolean;
  #sounds = 0;

  constructor(mutants: Mutants) {
    this.#withoutTables = mutants.has('http-ts-no-tables');
  }

  begin(): void {
    this.#encoder.forget();
    this.#sounds = 0;
  }

  encode(frame: Frame): Uint8Array {
    frame.ts ??= this.#packets(frame);
    return frame.ts;
  }

  join(parts: readonly Uint8Array[]): Uint8Array {
    return chunkOf(parts);
  }

  preamble(): Uint8Array {
    return NOTHING;
  }

  #packets(frame: Frame): Uint8Array {
    try {
      switch (frame.kind) {
        case FrameKind.metadata:
          return NOTHING;
        case FrameKind.audioHeader:
        case FrameKind.videoHeader:
          this.#encoder.header(frame);
          return NOTHING;
        default: {
          const packets = this.#encoder.encode(frame);
          if (packets === undefined) return NOTHING;
          return this.#wantsTables(frame) ? Buffer.concat([this.#encoder.tables(), packets]) : packets;
        }
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return NOTHING;
    }
  }

  #wantsTables(frame: Frame): boolean {
    if (this.#withoutTables) return false;
    if (this.#encoder.hasVideo) return frame.kind === FrameKind.keyframe;
    return this.#sounds++ % AUDIO_PER_TABLES === 0;
  }
}
