/** What a transport stream carries, whole, and transport streams with what they should carry. */
import { readFileSync } from 'node:fs';
import { isSequenceHeader } from '../../../protocols/flv/body.ts';
import { encodeTag, flvHeader } from '../../../protocols/flv/writer.ts';
import { parseAvcConfig } from '../../../protocols/h264/parameter-sets.ts';
import { StampTemplate } from '../../../protocols/h264/stamp.ts';
import { type MediaSink, MediaType } from '../../../protocols/media.ts';
import { adtsOfAac, annexBOfAvcc } from '../../../protocols/mpegts/from-flv.ts';
import { type PesHeader, type TsLimits, TsReader, type TsSink } from '../../../protocols/mpegts/reader.ts';
import { TsWriter, type TsWriterOptions } from '../../../protocols/mpegts/writer.ts';
import { pushInPieces, readTags, type Tag } from '../flv/collect.ts';

export interface PesSeen extends PesHeader {
  readonly payload: Uint8Array;
}

/** Every call of a TsReader, and those that should not have been made. */
export class PesCollector implements TsSink {
  readonly programs: string[] = [];
  readonly pes: PesSeen[] = [];
  readonly breaks: [number, number, number][] = [];
  readonly faults: string[] = [];
  readonly #open = new Map<number, { header: PesHeader; pieces: Buffer[] }>();

  onProgram(streams: readonly { pid: number; streamType: number }[]): void {
    this.programs.push(streams.map(({ pid, streamType }) => `${pid}:${streamType}`).join(' '));
  }

  onPesBegin({ pid, streamType, pts, dts, randomAccess, pcr }: PesHeader): void {
    if (this.#open.has(pid)) this.faults.push(`begin inside of a packet of ${pid}`);
    this.#open.set(pid, { header: { pid, streamType, pts, dts, randomAccess, pcr }, pieces: [] });
  }

  onPesPayload({ pid }: PesHeader, bytes: Uint8Array, start: number, end: number): void {
    const open = this.#open.get(pid);
    if (open === undefined) this.faults.push(`payload outside of a packet of ${pid}`);
    if (end <= start) this.faults.push('empty payload');
    open?.pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  onPesEnd({ pid }: PesHeader): void {
    const open = this.#open.get(pid);
    if (open === undefined) this.faults.push(`end outside of a packet of ${pid}`);
    this.#open.delete(pid);
    if (open !== undefined)
      this.pes.push({ ...open.header, payload: new Uint8Array(Buffer.concat(open.pieces)) });
  }

  onContinuity(pid: number, expected: number, actual: number): void {
    this.breaks.push([pid, expected, actual]);
  }

  of(streamType: number): PesSeen[] {
    return this.pes.filter((pes) => pes.streamType === streamType);
  }
}

export interface TsRead {
  readonly seen: PesCollector;
  readonly reader: TsReader;
}

export function readTs(
  bytes: Uint8Array,
  cuts: readonly number[] = [],
  limits: Partial<TsLimits> = {},
): TsRead {
  const seen = new PesCollector();
  const reader = new TsReader(seen, limits);
  pushInPieces(bytes, cuts, (piece, start, end) => reader.push(piece, start, end));
  reader.end();
  return { seen, reader };
}

/** Counters of a reader that are not zero, `packets` left out. */
export function counts(reader: TsReader): Record<string, number> {
  const { continuityErrors, duplicates, discarded, scrambled, unreferenced, truncated } = reader;
  const { stray, programChanges, withoutTables } = reader;
  const all = { continuityErrors, duplicates, discarded, scrambled, unreferenced, truncated };
  const rest = { stray, programChanges, withoutTables };
  return Object.fromEntries(Object.entries({ ...all, ...rest }).filter(([, count]) => count !== 0));
}

/** Frames of a payload of ADTS, by their aac_frame_length. Throws when they do not fill it. */
export function splitAdts(adts: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < adts.length; ) {
    const length = ((adts[at + 3]! & 3) << 11) | (adts[at + 4]! << 3) | (adts[at + 5]! >> 5);
    if (adts[at] !== 0xff || length < 7 || at + length > adts.length)
      throw new Error(`no ADTS frame at ${at}`);
    frames.push(adts.subarray(at, at + length));
    at += length;
  }
  return frames;
}

/** A body of a MediaSink with unknown length. */
export interface BodySeen {
  readonly type: MediaType;
  readonly timestamp: number;
  readonly length: number;
  readonly body: Uint8Array;
}

export class BodyCollector implements MediaSink {
  readonly layouts: string[] = [];
  readonly bodies: BodySeen[] = [];
  readonly #open = new Map<MediaType, { timestamp: number; length: number; pieces: Buffer[] }>();

  layout(layout: string): void {
    this.layouts.push(layout);
  }

  begin(type: MediaType, timestamp: number, length: number): void {
    this.#open.set(type, { timestamp, length, pieces: [] });
  }

  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    this.#open.get(type)!.pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  end(type: MediaType): void {
    const { timestamp, length, pieces } = this.#open.get(type)!;
    this.bodies.push({ type, timestamp, length, body: new Uint8Array(Buffer.concat(pieces)) });
  }
}

export const FIXTURE = new URL('../../../fixtures/media/av-480k.flv', import.meta.url).pathname;

export function capture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../../../fixtures/captures/${name}`, import.meta.url)));
}

/** Stream id and clock of the stamps in `stampedTags`. */
export const STREAM = 7;
export const CLOCK = 1_795_200_644_123.456;

/** The tags of the fixture, with a stamp in each video frame. */
export function stampedTags(): Tag[] {
  let frame = 0;
  return readTags(new Uint8Array(readFileSync(FIXTURE))).map(({ type, timestamp, body }) => {
    const template = type === MediaType.video ? StampTemplate.of(body) : undefined;
    return {
      type,
      timestamp,
      body: template?.write(STREAM, frame++, CLOCK + timestamp).slice() ?? body,
    };
  });
}

export function flvOf(tags: readonly Tag[]): Uint8Array {
  const bodies = tags.map(({ type, timestamp, body }) => encodeTag(type, timestamp, body));
  return new Uint8Array(Buffer.concat([flvHeader({ audio: true, video: true }), ...bodies]));
}

/** Whether a tag is audio or video and not a header. */
export function isMedia({ type, body }: Tag): boolean {
  return type !== MediaType.script && !isSequenceHeader(type, body);
}

/** What our writer makes of FLV tags, with tables once per second. */
export function muxTs(tags: readonly Tag[], options: TsWriterOptions = {}): Uint8Array {
  const writer = new TsWriter(options);
  const header = (type: MediaType): Uint8Array =>
    tags.find((tag) => tag.type === type && isSequenceHeader(type, tag.body))!.body;
  const avc = parseAvcConfig(header(MediaType.video), 5);
  const aac = header(MediaType.audio).subarray(2);
  const parts: Uint8Array[] = [];
  for (const tag of tags.filter(isMedia)) {
    const dts = tag.timestamp * 90;
    if (tag.type === MediaType.audio) {
      parts.push(writer.audio(adtsOfAac(tag.body, aac), dts));
      continue;
    }
    const key = tag.body[0]! >> 4 === 1;
    if (key) parts.push(writer.tables());
    parts.push(writer.video(annexBOfAvcc(tag.body, avc, key), dts, dts, key));
  }
  return new Uint8Array(Buffer.concat(parts));
}
