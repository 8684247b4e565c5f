/** A media segment of HLS as it came: an MPEG transport stream, read packet by packet. */
import { MediaRecorder, type RecordedItem } from '../../drivers/measure/recorder.ts';
import { ProtocolError } from '../../protocols/errors.ts';
import { type MediaSink, MediaType } from '../../protocols/media.ts';
import { TsMediaReader } from '../../protocols/mpegts/media.ts';
import { TS_PACKET_SIZE } from '../../protocols/mpegts/reader.ts';

const NULL_PID = 0x1fff;
/** ADTS, ISO/IEC 13818-7 6.2: header without and with a CRC. */
const ADTS_HEADER = 7;
const ADTS_HEADER_WITH_CRC = 9;

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
  /** Bytes of every AAC frame, without its header. */
  readonly audio: readonly number[];
}

/** Never throws; what was read before an error is told. */
export function readSegment(bytes: Uint8Array, sequence: number): SegmentSeen {
  const frames: RecordedItem[] = [];
  const audio: number[] = [];
  const recorder = new MediaRecorder((item) => {
    if (item.kind === 'video') frames.push(item);
  });
  const sink = new WithAudio(recorder, audio);
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
  };
}

/** Hands everything on, and takes the frames of ADTS apart. */
class WithAudio implements MediaSink {
  readonly #next: MediaRecorder;
  readonly #sizes: number[];
  #pieces: Uint8Array[] = [];

  constructor(next: MediaRecorder, sizes: number[]) {
    this.#next = next;
    this.#sizes = sizes;
  }

  layout(...layout: Parameters<MediaRecorder['layout']>): void {
    this.#next.layout(...layout);
  }

  begin(type: MediaType, timestamp: number, length: number): void {
    if (type === MediaType.audio) this.#pieces = [];
    this.#next.begin(type, timestamp, length);
  }

  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    if (type === MediaType.audio) this.#pieces.push(bytes.slice(start, end));
    this.#next.data(type, bytes, start, end);
  }

  end(type: MediaType, now: number): void {
    if (type === MediaType.audio) this.#sizes.push(...adtsSizes(Buffer.concat(this.#pieces)));
    this.#next.end(type, now);
  }
}

/** aac_frame_length without the header, of every frame; what is no ADTS ends it with a -1. */
function adtsSizes(bytes: Uint8Array): number[] {
  const sizes: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < ADTS_HEADER || bytes[at] !== 0xff || (bytes[at + 1]! & 0xf6) !== 0xf0) {
      return [...sizes, -1];
    }
    const length = ((bytes[at + 3]! & 0x03) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
    const header = (bytes[at + 1]! & 1) === 1 ? ADTS_HEADER : ADTS_HEADER_WITH_CRC;
    if (length < header || at + length > bytes.length) return [...sizes, -1];
    sizes.push(length - header);
    at += length;
  }
  return sizes;
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
