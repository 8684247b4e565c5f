/** Program specific information of a transport stream (ISO/IEC 13818-1 section 2.4.4): PAT and PMT. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

/** stream_type (table 2-34) of what live streams carry. */
export const StreamType = {
  mpeg1Audio: 0x03,
  mpeg2Audio: 0x04,
  adts: 0x0f,
  h264: 0x1b,
  hevc: 0x24,
} as const;
export type StreamType = (typeof StreamType)[keyof typeof StreamType];

export const TableId = { pat: 0x00, pmt: 0x02, firstPrivate: 0x40, stuffing: 0xff } as const;
export type TableId = (typeof TableId)[keyof typeof TableId];

/** A PAT or PMT section with its header: section_length is at most 1021 (sections 2.4.4.4 and 2.4.4.9). */
export const MAX_SECTION_SIZE = 1024;
/** table_id and section_length. */
const LENGTH_END = 3;
/** Up to and with last_section_number. */
const HEADER_SIZE = 8;
const CRC_SIZE = 4;

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  return crc;
});

/** CRC-32 of annex A: not reflected, starts with all ones, not inverted. Over data and its CRC it is 0. */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = -1;
  for (let at = start; at < end; at++) crc = (crc << 8) ^ CRC_TABLE[(crc >>> 24) ^ bytes[at]!]!;
  return crc >>> 0;
}

/**
 * Finds the sections in the payloads of one PID: in place where a section lies in one packet, else put together in a
 * buffer of 1024 bytes. Their length and CRC are checked, and nothing else.
 */
export class SectionReader {
  readonly #onSection: (bytes: Uint8Array, start: number, end: number) => void;
  #carry: Uint8Array | undefined;
  #carried = 0;
  /** Between sections nothing but a packet with payload_unit_start_indicator can begin one. */
  #open = false;

  constructor(onSection: (bytes: Uint8Array, start: number, end: number) => void) {
    this.#onSection = onSection;
  }

  /** Forgets a section that has begun: packets were lost. */
  drop(): void {
    this.#carried = 0;
    this.#open = false;
  }

  /**
   * One packet's payload.
   * @throws ProtocolError TsSection
   */
  push(bytes: Uint8Array, start: number, end: number, unitStart: boolean): void {
    let at = start;
    if (unitStart) {
      at += 1 + bytes[start]!;
      if (at > end) {
        throw new ProtocolError(
          ProtocolErrorCode.TsSection,
          `a pointer_field below ${end - start}`,
          String(bytes[start]),
        );
      }
      if (this.#open && this.#append(bytes, start + 1, at) < 0) {
        throw new ProtocolError(
          ProtocolErrorCode.TsSection,
          'the end of a section before the next one begins',
          `${this.#carried} bytes of it`,
        );
      }
      this.#open = true;
    } else if (this.#carried > 0) {
      at = this.#append(bytes, start, end);
      if (at < 0) return;
    }
    this.#sections(bytes, at, end);
  }

  #sections(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (this.#open && at < end) {
      if (bytes[at] === TableId.stuffing) {
        this.#open = false;
        return;
      }
      const size = end - at < LENGTH_END ? MAX_SECTION_SIZE : sectionSize(bytes, at);
      if (at + size > end) {
        this.#append(bytes, at, end);
        return;
      }
      this.#whole(bytes, at, at + size);
      at += size;
    }
  }

  /** Adds to a section in pieces. Returns where the bytes after it begin, or -1 when it is still not whole. */
  #append(bytes: Uint8Array, start: number, end: number): number {
    this.#carry ??= new Uint8Array(MAX_SECTION_SIZE);
    let at = start;
    let size = this.#carried < LENGTH_END ? LENGTH_END : sectionSize(this.#carry, 0);
    while (at < end) {
      this.#carry[this.#carried++] = bytes[at++]!;
      if (this.#carried === LENGTH_END) size = sectionSize(this.#carry, 0);
      if (this.#carried < size) continue;
      this.#carried = 0;
      this.#whole(this.#carry, 0, size);
      return at;
    }
    return this.#carried === 0 ? at : -1;
  }

  #whole(bytes: Uint8Array, start: number, end: number): void {
    if (crc32(bytes, start, end) !== 0) {
      const expected = crc32(bytes, start, end - CRC_SIZE).toString(16);
      const actual = uint32(bytes, end - CRC_SIZE).toString(16);
      throw new ProtocolError(ProtocolErrorCode.TsSection, `CRC_32 ${expected}`, actual);
    }
    this.#onSection(bytes, start, end);
  }
}

function sectionSize(bytes: Uint8Array, at: number): number {
  const length = ((bytes[at + 1]! & 0x0f) << 8) | bytes[at + 2]!;
  const least = HEADER_SIZE - LENGTH_END + CRC_SIZE;
  if (length < least || length > MAX_SECTION_SIZE - LENGTH_END) {
    throw new ProtocolError(
      ProtocolErrorCode.TsSection,
      `section_length from ${least} to ${MAX_SECTION_SIZE - LENGTH_END}`,
      String(length),
    );
  }
  return LENGTH_END + length;
}

/** CRC_32 as written in the section. */
export function sectionCrc(bytes: Uint8Array, end: number): number {
  return uint32(bytes, end - CRC_SIZE);
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** current_next_indicator: whether the section applies already. */
export function isCurrent(bytes: Uint8Array, start: number): boolean {
  return (bytes[start + 5]! & 1) !== 0;
}

/** program_number of a PMT, transport_stream_id of a PAT. */
export function tableIdExtension(bytes: Uint8Array, start: number): number {
  return (bytes[start + 3]! << 8) | bytes[start + 4]!;
}

export interface ProgramEntry {
  /** program_number, never 0 (which names the network PID). */
  readonly program: number;
  readonly pmtPid: number;
}

/**
 * The programs of a whole PAT section (section 2.4.4.3).
 * @throws ProtocolError TsSection
 */
export function parsePat(bytes: Uint8Array, start: number, end: number): ProgramEntry[] {
  requireTable(bytes, start, TableId.pat, 'PAT');
  const entries: ProgramEntry[] = [];
  const last = end - CRC_SIZE;
  if ((last - start - HEADER_SIZE) % 4 !== 0) {
    throw new ProtocolError(
      ProtocolErrorCode.TsSection,
      'PAT entries of 4 bytes',
      `${last - start - HEADER_SIZE} bytes`,
    );
  }
  for (let at = start + HEADER_SIZE; at < last; at += 4) {
    const program = (bytes[at]! << 8) | bytes[at + 1]!;
    if (program !== 0) entries.push({ program, pmtPid: pidAt(bytes, at + 2) });
  }
  return entries;
}

/** One elementary stream of a program. */
export interface ProgramStream {
  readonly pid: number;
  readonly streamType: number;
}

export interface Program {
  /** 0x1fff when the program has no PCR. */
  readonly pcrPid: number;
  readonly streams: readonly ProgramStream[];
}

/**
 * A whole PMT section (section 2.4.4.8). Descriptors are skipped.
 * @throws ProtocolError TsSection
 */
export function parsePmt(bytes: Uint8Array, start: number, end: number): Program {
  requireTable(bytes, start, TableId.pmt, 'PMT');
  const last = end - CRC_SIZE;
  let at = start + HEADER_SIZE;
  const need = (count: number, what: string): void => {
    if (last - at < count) {
      throw new ProtocolError(ProtocolErrorCode.TsSection, `${count} bytes of ${what}`, String(last - at));
    }
  };
  need(4, 'PMT');
  const pcrPid = pidAt(bytes, at);
  const programInfo = ((bytes[at + 2]! & 0x0f) << 8) | bytes[at + 3]!;
  at += 4;
  need(programInfo, 'program descriptors');
  at += programInfo;
  const streams: ProgramStream[] = [];
  while (at < last) {
    need(5, 'stream entry');
    const pid = pidAt(bytes, at + 1);
    streams.push({ pid, streamType: bytes[at]! });
    const streamInfo = ((bytes[at + 3]! & 0x0f) << 8) | bytes[at + 4]!;
    at += 5;
    need(streamInfo, 'stream descriptors');
    at += streamInfo;
  }
  return { pcrPid, streams };
}

function requireTable(bytes: Uint8Array, start: number, tableId: TableId, name: string): void {
  if (bytes[start] !== tableId) {
    throw new ProtocolError(
      ProtocolErrorCode.TsSection,
      `a ${name}, table_id ${tableId}`,
      String(bytes[start]),
    );
  }
  if ((bytes[start + 1]! & 0x80) === 0) {
    throw new ProtocolError(ProtocolErrorCode.TsSection, `section_syntax_indicator 1 in a ${name}`, '0');
  }
}

function pidAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x1f) << 8) | bytes[at + 1]!;
}

/** A PAT with one program, transport_stream_id 1. */
export function encodePat(entry: ProgramEntry): Uint8Array {
  const body = [entry.program >> 8, entry.program, 0xe0 | (entry.pmtPid >> 8), entry.pmtPid];
  return encodeSection(TableId.pat, 1, body);
}

/** A PMT without descriptors. */
export function encodePmt(program: number, { pcrPid, streams }: Program): Uint8Array {
  const body = [0xe0 | (pcrPid >> 8), pcrPid, 0xf0, 0];
  for (const { pid, streamType } of streams) body.push(streamType, 0xe0 | (pid >> 8), pid, 0xf0, 0);
  return encodeSection(TableId.pmt, program, body);
}

/** Version 0, current, the only section of its table. */
function encodeSection(tableId: TableId, extension: number, body: readonly number[]): Uint8Array {
  const length = HEADER_SIZE - LENGTH_END + body.length + CRC_SIZE;
  const head = [tableId, 0xb0 | (length >> 8), length, extension >> 8, extension, 0xc1, 0, 0];
  const section = Uint8Array.of(...head, ...body, 0, 0, 0, 0);
  new DataView(section.buffer).setUint32(
    section.length - CRC_SIZE,
    crc32(section, 0, section.length - CRC_SIZE),
  );
  return section;
}
