/** A media segment of HLS as it came: an MPEG transport stream, read packet by packet. */
import { MediaRecorder, type RecordedItem } from '../../drivers/measure/recorder.ts';
import { ProtocolError } from '../../protocols/errors.ts';
import { splitAnnexB } from '../../protocols/h264/annexb.ts';
import { Checksum } from '../../protocols/h264/checksum.ts';
import { NalType, nalType } from '../../protocols/h264/nal.ts';
import { type MediaSink, MediaType } from '../../protocols/media.ts';
import { TsMediaReader } from '../../protocols/mpegts/media.ts';
import { StreamType } from '../../protocols/mpegts/psi.ts';
import { type PesHeader, TS_PACKET_SIZE, TsReader, type TsSink } from '../../protocols/mpegts/reader.ts';

const NULL_PID = 0x1fff;
/** ADTS, ISO/IEC 13818-7 6.2: header without and with a CRC. */
const ADTS_HEADER = 7;
const ADTS_HEADER_WITH_CRC = 9;
/** ISO/IEC 13818-7 table 35, sampling_frequency_index. */
const FREQUENCIES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];
/** What stands before a raw frame in FLV: AAC is always announced as 44 kHz, 16 bit, stereo (FLV v10.1 E.4.2.1). */
const FLV_RAW_AAC = Uint8Array.of(0xaf, 1);

export interface AudioFrame {
  /** Bytes without the ADTS header; -1: here it is no ADTS any more. */
  readonly size: number;
  /** The checksum that it has as the body of an FLV tag, which is how a publisher sends it. */
  readonly sum: number;
  /** PTS in ms, of the first frame of a PES packet; NaN for those behind it. */
  readonly at: number;
}

export interface SegmentSeen {
  /** Complete packets of 188 bytes. */
  readonly packets: number;
  /** What it cannot be read for: a stable code; null when it is whole. */
  readonly error: string | null;
  /** PAT and PMT come before everything else. */
  readonly tablesFirst: boolean;
  /** The first picture is a keyframe. */
  readonly keyFirst: boolean;
  /** Breaks of the continuity counters within it. */
  readonly breaks: number;
  /** `pid:counter` of the first and the last packet with a payload of every PID. */
  readonly firstCounters: string;
  readonly lastCounters: string;
  readonly frames: readonly RecordedItem[];
  readonly audio: readonly AudioFrame[];
  /** stream_type of everything that the PMT names, in hexadecimal: `1b 0f`. */
  readonly streams: string;
  /** What ADTS says of the sound, `object-type/frequency/channels`, each once: `2/44100/2`. */
  readonly adts: string;
  /** A PCR comes with the first picture or before it, and is not later than its DTS. */
  readonly clocked: boolean;
  /** SPS and PPS are in the access unit of the first picture. */
  readonly parameterSets: boolean;
  /** PTS of the pictures in ms, in their order. */
  readonly shownAt: readonly number[];
}

/** Never throws; what was read before an error is told. */
export function readSegment(bytes: Uint8Array, sequence: number): SegmentSeen {
  const frames: RecordedItem[] = [];
  const audio: AudioFrame[] = [];
  const kinds = new Set<string>();
  const recorder = new MediaRecorder((item) => {
    if (item.kind === 'video') frames.push(item);
  });
  const sink = new WithAudio(recorder, audio, kinds);
  const reader = new TsMediaReader(sink);
  recorder.segment(sequence);
  let error: string | null = null;
  try {
    reader.push(bytes, 0, bytes.length, 0);
    reader.end(0);
  } catch (thrown) {
    if (!(thrown instanceof ProtocolError)) throw thrown;
    error = thrown.code;
  }
  const { packets, unreferenced, withoutTables, continuityErrors, truncated } = reader.reader;
  if (error === null && packets === 0) error = 'empty';
  if (error === null && truncated > 0) error = 'pes.truncated';
  const { first, last } = countersOf(bytes);
  return {
    packets,
    error,
    tablesFirst: packets > 0 && unreferenced === 0 && withoutTables === 0,
    keyFirst: frames[0]?.key ?? false,
    breaks: continuityErrors,
    firstCounters: shown(first),
    lastCounters: shown(last),
    frames,
    audio,
    adts: [...kinds].join(' '),
    ...describeProgram(bytes),
  };
}

/** What the PES headers and the PMT say. Read apart from the frames, and as far as it can be read. */
function describeProgram(
  bytes: Uint8Array,
): Pick<SegmentSeen, 'streams' | 'clocked' | 'parameterSets' | 'shownAt'> {
  const program = new ProgramSink();
  try {
    const reader = new TsReader(program);
    reader.push(bytes);
    reader.end();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  const { streams, clocked, shownAt } = program;
  return { streams, clocked, shownAt, parameterSets: program.hasParameterSets };
}

class ProgramSink implements TsSink {
  streams = '';
  clocked = false;
  readonly shownAt: number[] = [];
  readonly #first: Uint8Array[] = [];

  onProgram(streams: Parameters<NonNullable<TsSink['onProgram']>>[0]): void {
    this.streams = streams.map(({ streamType }) => streamType.toString(16).padStart(2, '0')).join(' ');
  }

  onPesBegin({ streamType, pts, dts, pcr }: PesHeader): void {
    if (streamType !== StreamType.h264) return;
    if (this.shownAt.length === 0) this.clocked = pcr <= dts;
    this.shownAt.push(Math.floor(pts / 90));
  }

  onPesPayload({ streamType }: PesHeader, bytes: Uint8Array, start: number, end: number): void {
    if (streamType === StreamType.h264 && this.shownAt.length === 1)
      this.#first.push(bytes.slice(start, end));
  }

  onPesEnd(): void {}

  get hasParameterSets(): boolean {
    const types = splitAnnexB(Buffer.concat(this.#first)).map((nal) => nalType(nal[0] ?? 0));
    return types.includes(NalType.sps) && types.includes(NalType.pps);
  }
}

/** Hands everything on, and takes the frames of ADTS apart. */
class WithAudio implements MediaSink {
  readonly #next: MediaRecorder;
  readonly #frames: AudioFrame[];
  readonly #kinds: Set<string>;
  #pieces: Uint8Array[] = [];
  #at = Number.NaN;

  constructor(next: MediaRecorder, frames: AudioFrame[], kinds: Set<string>) {
    this.#next = next;
    this.#frames = frames;
    this.#kinds = kinds;
  }

  layout(...layout: Parameters<MediaRecorder['layout']>): void {
    this.#next.layout(...layout);
  }

  begin(type: MediaType, timestamp: number, length: number): void {
    if (type === MediaType.audio) {
      this.#pieces = [];
      this.#at = timestamp;
    }
    this.#next.begin(type, timestamp, length);
  }

  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    if (type === MediaType.audio) this.#pieces.push(bytes.slice(start, end));
    this.#next.data(type, bytes, start, end);
  }

  end(type: MediaType, now: number): void {
    if (type === MediaType.audio) this.#takeApart(Buffer.concat(this.#pieces));
    this.#next.end(type, now);
  }

  /** What is no ADTS ends it with a frame of size -1. */
  #takeApart(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const frame = adtsFrameAt(bytes, at);
      if (frame === undefined) {
        this.#frames.push({ size: -1, sum: 0, at: this.#at });
        return;
      }
      const { kind, start, end } = frame;
      const sum = new Checksum();
      sum.update(FLV_RAW_AAC, 0, FLV_RAW_AAC.length);
      sum.update(bytes, start, end);
      this.#kinds.add(kind);
      this.#frames.push({ size: end - start, sum: sum.digest(), at: at === 0 ? this.#at : Number.NaN });
      at = end;
    }
  }
}

/** Of the ADTS frame that begins there: what its header says, and where its raw data is. */
function adtsFrameAt(
  bytes: Uint8Array,
  at: number,
): { kind: string; start: number; end: number } | undefined {
  if (bytes.length - at < ADTS_HEADER || bytes[at] !== 0xff || (bytes[at + 1]! & 0xf6) !== 0xf0)
    return undefined;
  const end = at + (((bytes[at + 3]! & 0x03) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5));
  const start = at + ((bytes[at + 1]! & 1) === 1 ? ADTS_HEADER : ADTS_HEADER_WITH_CRC);
  if (end < start || end > bytes.length) return undefined;
  const frequency = FREQUENCIES[(bytes[at + 2]! >> 2) & 0x0f] ?? 0;
  const channels = ((bytes[at + 2]! & 1) << 2) | (bytes[at + 3]! >> 6);
  return { kind: `${(bytes[at + 2]! >> 6) + 1}/${frequency}/${channels}`, start, end };
}

function countersOf(bytes: Uint8Array): { first: Map<number, number>; last: Map<number, number> } {
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  for (let at = 0; at + TS_PACKET_SIZE <= bytes.length; at += TS_PACKET_SIZE) {
    const pid = ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
    const hasPayload = (bytes[at + 3]! & 0x10) !== 0;
    if (!hasPayload || pid === NULL_PID) continue;
    const counter = bytes[at + 3]! & 0x0f;
    if (!first.has(pid)) first.set(pid, counter);
    last.set(pid, counter);
  }
  return { first, last };
}

function shown(counters: ReadonlyMap<number, number>): string {
  return [...counters].map(([pid, counter]) => `${pid}:${counter}`).join(' ');
}
