/** A transport stream as the audio and video of an RTMP publisher: SRS's srt_to_rtmp (facts/srs.md 8). */
import { ProtocolError } from '../../../protocols/errors.ts';
import { MediaType } from '../../../protocols/media.ts';
import { type ProgramStream, StreamType } from '../../../protocols/mpegts/psi.ts';
import { type PesHeader, TsReader } from '../../../protocols/mpegts/reader.ts';
import { AccessUnit } from '../access-unit.ts';
import { AvcFrames, sameBytes } from '../avc-frames.ts';
import { splitAdts } from './adts.ts';

/** Of PTS and DTS. */
const TICKS_PER_MS = 90;
const TICKS_WRAP = 2 ** 33;
const NONE = -1;

/** @param timestamp DTS in ms, which goes on when the 33 bits of the transport stream wrap. */
export type OnMedia = (
  type: typeof MediaType.audio | typeof MediaType.video,
  timestamp: number,
  body: Uint8Array,
) => void;

/**
 * The first H.264 stream and the first AAC stream (ADTS) of the program; others are skipped. One PES packet is one
 * access unit. NAL units keep their order; parameter sets become sequence headers when they change, and delimiters are
 * left out. What lost packets have left incomplete is left out, too, and counted.
 */
export class TsRemuxer {
  /** PES packets that were left out. */
  damaged = 0;
  /** Errors of the transport stream, after which it was read anew. */
  malformed = 0;
  readonly #onMedia: OnMedia;
  readonly #reader: TsReader;
  readonly #video = new AccessUnit();
  readonly #audio = new AccessUnit();
  #videoPid = NONE;
  #audioPid = NONE;
  readonly #frames = new AvcFrames();
  #audioConfig: Uint8Array | undefined;
  /** The last DTS, wraps counted in. */
  #ticks = Number.NaN;

  constructor(onMedia: OnMedia) {
    this.#onMedia = onMedia;
    this.#reader = new TsReader({
      onProgram: (streams) => this.#choose(streams),
      onPesBegin: (pes) => this.#unit(pes.pid)?.begin(pes.pts, pes.dts),
      onPesPayload: ({ pid }, bytes, start, end) => this.#unit(pid)?.add(bytes, start, end),
      onPesEnd: (pes) => this.#end(pes),
      onContinuity: (pid) => {
        const unit = this.#unit(pid);
        if (unit) unit.damaged = true;
      },
    });
  }

  /** Whole transport packets. Never throws. */
  push(bytes: Uint8Array): void {
    this.#guarded(() => this.#reader.push(bytes));
  }

  /** Hands over what is open. */
  end(): void {
    this.#guarded(() => this.#reader.end());
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.malformed++;
      this.#reader.reset();
      this.#videoPid = NONE;
      this.#audioPid = NONE;
    }
  }

  #choose(streams: readonly ProgramStream[]): void {
    const first = (type: StreamType): number =>
      streams.find(({ streamType }) => streamType === type)?.pid ?? NONE;
    this.#videoPid = first(StreamType.h264);
    this.#audioPid = first(StreamType.adts);
  }

  #unit(pid: number): AccessUnit | undefined {
    if (pid === this.#videoPid) return this.#video;
    return pid === this.#audioPid ? this.#audio : undefined;
  }

  #end({ pid }: PesHeader): void {
    const unit = this.#unit(pid);
    if (!unit) return;
    if (unit.damaged) this.damaged++;
    else if (unit === this.#video) this.#onVideo(unit);
    else this.#onAudio(unit);
  }

  #onVideo(unit: AccessUnit): void {
    const ticks = this.#follow(unit.dts);
    if (Number.isNaN(ticks)) return;
    const timestamp = Math.floor(ticks / TICKS_PER_MS);
    const offset = Number.isNaN(unit.pts) ? 0 : Math.round(signed33(unit.pts - unit.dts) / TICKS_PER_MS);
    for (const { body } of this.#frames.push(unit.bytes, offset)) {
      this.#onMedia(MediaType.video, timestamp, body);
    }
  }

  #onAudio(unit: AccessUnit): void {
    const ticks = this.#follow(unit.dts);
    if (Number.isNaN(ticks)) return;
    for (const { body, config, offset } of splitAdts(unit.bytes)) {
      const timestamp = Math.floor(ticks / TICKS_PER_MS + offset);
      if (!sameBytes(config, this.#audioConfig)) {
        this.#audioConfig = config;
        this.#onMedia(MediaType.audio, timestamp, config);
      }
      this.#onMedia(MediaType.audio, timestamp, body);
    }
  }

  /** Without a DTS, the time of the unit before. */
  #follow(dts: number): number {
    if (Number.isNaN(this.#ticks)) this.#ticks = dts;
    else if (!Number.isNaN(dts)) this.#ticks += signed33(dts - this.#ticks);
    return this.#ticks;
  }
}

/** The shortest way round, of 33 bits. */
function signed33(difference: number): number {
  const positive = ((difference % TICKS_WRAP) + TICKS_WRAP) % TICKS_WRAP;
  return positive >= TICKS_WRAP / 2 ? positive - TICKS_WRAP : positive;
}
