/** The audio and the video of a transport stream as media, for the sinks that take FLV and RTMP too. */
import { MediaLayout, type MediaSink, MediaType, UNKNOWN_LENGTH } from '../media.ts';
import { type ProgramStream, StreamType } from './psi.ts';
import { type PesHeader, type TsLimits, TsReader, type TsSink } from './reader.ts';

const NONE = -1;

function mediaType(streamType: number): MediaType | undefined {
  switch (streamType) {
    case StreamType.h264:
      return MediaType.video;
    case StreamType.adts:
    case StreamType.mpeg1Audio:
    case StreamType.mpeg2Audio:
      return MediaType.audio;
    default:
      return undefined;
  }
}

/**
 * The first H.264 stream and the first audio stream (ADTS or MPEG audio) of the program; others are skipped. One PES
 * packet is one `begin` to `end`: an access unit of video, one or more frames of audio. Timestamps are DTS / 90,
 * rounded down; a PES packet without one has that of the PES packet before it.
 */
export class TsMediaReader {
  /** Its counters say what was skipped or wrong. */
  readonly reader: TsReader;
  /** PES packets that were handed on. */
  units = 0;

  // Plain fields: this runs for every packet of every player.
  private readonly sink: MediaSink;
  private now = Number.NaN;
  private videoPid = NONE;
  private audioPid = NONE;
  private videoTimestamp = 0;
  private audioTimestamp = 0;

  /** @param onContinuity packets of a PID were lost (TsSink). */
  constructor(
    sink: MediaSink,
    onContinuity?: (pid: number, expected: number, actual: number) => void,
    limits: Partial<TsLimits> = {},
  ) {
    this.sink = sink;
    const tsSink: TsSink = {
      onProgram: (streams) => this.choose(streams),
      onPesBegin: (pes) => this.begin(pes),
      onPesPayload: (pes, bytes, start, end) => {
        if (pes.pid === this.videoPid) this.sink.data(MediaType.video, bytes, start, end);
        else if (pes.pid === this.audioPid) this.sink.data(MediaType.audio, bytes, start, end);
      },
      onPesEnd: (pes) => {
        if (pes.pid === this.videoPid) this.sink.end(MediaType.video, this.now);
        else if (pes.pid === this.audioPid) this.sink.end(MediaType.audio, this.now);
      },
      ...(onContinuity === undefined ? {} : { onContinuity }),
    };
    this.reader = new TsReader(tsSink, limits);
    sink.layout?.(MediaLayout.annexB);
  }

  /**
   * @param now arrival of these bytes in epoch milliseconds, handed on to the sink.
   * @throws ProtocolError TsPacket, TsSection, TsPes, TsSize; then only `reset` makes it usable again.
   */
  push(bytes: Uint8Array, start: number, end: number, now: number): void {
    this.now = now;
    this.reader.push(bytes, start, end);
  }

  /**
   * The end of a segment: ends what is open. The program and its streams go on in the next segment.
   * @throws ProtocolError TsPacket, TsSection
   */
  end(now: number): void {
    this.now = now;
    this.reader.end();
  }

  /** After an error, or before segments of another stream. What is open is not ended; the next `begin` starts anew. */
  reset(): void {
    this.reader.reset();
    this.videoPid = NONE;
    this.audioPid = NONE;
  }

  private choose(streams: readonly ProgramStream[]): void {
    const first = (type: MediaType): number =>
      streams.find(({ streamType }) => mediaType(streamType) === type)?.pid ?? NONE;
    this.videoPid = first(MediaType.video);
    this.audioPid = first(MediaType.audio);
  }

  private begin(pes: PesHeader): void {
    const { dts } = pes;
    if (pes.pid === this.videoPid) {
      this.units++;
      if (!Number.isNaN(dts)) this.videoTimestamp = Math.floor(dts / 90) >>> 0;
      this.sink.begin(MediaType.video, this.videoTimestamp, UNKNOWN_LENGTH, this.now);
    } else if (pes.pid === this.audioPid) {
      this.units++;
      if (!Number.isNaN(dts)) this.audioTimestamp = Math.floor(dts / 90) >>> 0;
      this.sink.begin(MediaType.audio, this.audioTimestamp, UNKNOWN_LENGTH, this.now);
    }
  }
}
