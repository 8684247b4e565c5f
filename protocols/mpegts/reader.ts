/** MPEG transport streams as they arrive (ISO/IEC 13818-1 section 2.4.3): parsed in place, at any split. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import {
  hasPesHeader,
  PES_FIXED_SIZE,
  PES_HEADER_MAX,
  pesHeaderSize,
  TIMESTAMP_SIZE,
  timestampAt,
} from './pes.ts';
import {
  isCurrent,
  type ProgramStream,
  parsePat,
  parsePmt,
  SectionReader,
  sectionCrc,
  TableId,
  tableIdExtension,
} from './psi.ts';

export const TS_PACKET_SIZE = 188;
export const SYNC_BYTE = 0x47;
export const PAT_PID = 0;
export const NULL_PID = 0x1fff;
/** Lower PIDs are reserved (table 2-3). */
const FIRST_PROGRAM_PID = 0x10;
/** Lower ones are skipped without being counted, but for the PAT: DVB's tables are there (EN 300 468 section 5.1.3). */
const FIRST_FREE_PID = 0x20;
const ADAPTATION_MAX = TS_PACKET_SIZE - 5;

const UNBOUNDED = -1;

/** One object per stream, overwritten by each PES packet: copy what is to be kept. */
export interface PesHeader {
  readonly pid: number;
  /** 0x1b H.264, 0x0f AAC in ADTS, 0x24 HEVC, 0x03 and 0x04 MPEG audio (StreamType). */
  readonly streamType: number;
  /** 90 kHz, 33 bits, NaN when absent. */
  readonly pts: number;
  /** 90 kHz; `pts` when absent. */
  readonly dts: number;
  /** random_access_indicator of the packet in which it begins. */
  readonly randomAccess: boolean;
  /** The last program_clock_reference_base of the program, 90 kHz; NaN before the first. */
  readonly pcr: number;
}

export interface TsSink {
  /** The first PMT, and each one that differs from the one before. */
  onProgram?(streams: readonly ProgramStream[]): void;
  onPesBegin(pes: PesHeader): void;
  /** `bytes` is only valid during the call. */
  onPesPayload(pes: PesHeader, bytes: Uint8Array, start: number, end: number): void;
  onPesEnd(pes: PesHeader): void;
  /** Packets were lost, or repeated more than once. What came is handed on all the same. */
  onContinuity?(pid: number, expected: number, actual: number): void;
}

export interface TsLimits {
  /** Elementary streams of the program. Default 16. */
  maxStreams: number;
  /** Payload bytes of one PES packet. Default 8 MiB. */
  maxPesSize: number;
}

const Kind = { psi: 0, pes: 1, clock: 2 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

/** idle, header <-> payload; skip until the next PES packet. */
const Pes = { idle: 0, header: 1, payload: 2, skip: 3 } as const;
type Pes = (typeof Pes)[keyof typeof Pes];

/** What is known of one PID. Plain fields: written for every packet of every player. */
class Pid implements PesHeader {
  readonly pid: number;
  readonly kind: Kind;
  readonly streamType: number;
  readonly sections: SectionReader | undefined;
  pts = Number.NaN;
  dts = Number.NaN;
  randomAccess = false;
  pcr = Number.NaN;
  /** continuity_counter of the last packet with a payload; -1 when the next one may have any. */
  counter = -1;
  /** Eight bytes of that packet, by which a duplicate is told from a loss of 15 packets. */
  print = 0;
  repeated = false;
  /** random_access_indicator since the last PES packet began. */
  access = false;
  state: Pes = Pes.idle;
  /** Payload bytes that PES_packet_length still promises, or UNBOUNDED. */
  left = 0;
  size = 0;
  /** A PES header that is split over packets. */
  header: Uint8Array | undefined = undefined;
  headerSize = 0;

  constructor(pid: number, kind: Kind, streamType: number, sections?: SectionReader) {
    this.pid = pid;
    this.kind = kind;
    this.streamType = streamType;
    this.sections = sections;
  }
}

/**
 * Push parser of one program, the first that the PAT names. It copies only packets and headers that are split, and
 * allocates only when the tables change. Not to be used after it threw, but for `reset`.
 */
export class TsReader {
  // Plain fields: this runs for every packet of every player.
  packets = 0;
  /** Breaks of continuity_counter (section 2.4.3.3), a packet that comes a third time included. */
  continuityErrors = 0;
  /** Packets sent twice, which is allowed; skipped. */
  duplicates = 0;
  /** Skipped for transport_error_indicator, or for adaptation_field_control 00. */
  discarded = 0;
  /** Skipped for transport_scrambling_control or PES_scrambling_control. */
  scrambled = 0;
  /** Packets of PIDs that neither PAT nor PMT names, tables of DVB left out. */
  unreferenced = 0;
  /** PES packets that ended before PES_packet_length or within their header. */
  truncated = 0;
  /** Packets with payload that belongs to no PES packet. */
  stray = 0;
  /** PMTs after the first one that named other streams. */
  programChanges = 0;
  /** Calls of `end` for input without a PAT and a PMT of its own (RFC 8216 section 3.2 wants both in each segment). */
  withoutTables = 0;

  private readonly sink: TsSink;
  private readonly maxStreams: number;
  private readonly maxPesSize: number;
  private readonly carry = new Uint8Array(TS_PACKET_SIZE);
  private carried = 0;
  private readonly pat: Pid;
  private pids: Pid[];
  private last: Pid;
  private program = 0;
  private pmtPid = NULL_PID;
  private pcrPid = NULL_PID;
  private pcr = Number.NaN;
  /** CRC_32 of the tables in force; -1 before the first. */
  private patCrc = -1;
  private pmtCrc = -1;
  private streams: readonly ProgramStream[] | undefined = undefined;
  /** Since the last `end`. */
  private patSeen = false;
  private pmtSeen = false;
  private pesSeen = false;
  private packetsBefore = 0;
  private unreferencedBefore = 0;

  constructor(sink: TsSink, limits: Partial<TsLimits> = {}) {
    this.sink = sink;
    this.maxStreams = limits.maxStreams ?? 16;
    this.maxPesSize = limits.maxPesSize ?? 8 * 1024 * 1024;
    this.pat = new Pid(
      PAT_PID,
      Kind.psi,
      0,
      new SectionReader((bytes, start, end) => this.readPat(bytes, start, end)),
    );
    this.pids = [this.pat];
    this.last = this.pat;
  }

  /** @throws ProtocolError TsPacket, TsSection, TsPes, TsSize */
  push(bytes: Uint8Array, start = 0, end = bytes.length): void {
    let at = start;
    if (this.carried > 0) {
      at = this.fill(bytes, at, end);
      if (this.carried < TS_PACKET_SIZE) return;
      this.carried = 0;
      this.packet(this.carry, 0);
    }
    for (; end - at >= TS_PACKET_SIZE; at += TS_PACKET_SIZE) this.packet(bytes, at);
    if (at < end) this.fill(bytes, at, end);
  }

  /**
   * The input ends here: a file, or a segment that another one follows. Ends the open PES packets; the program is
   * kept, and continuity counters may start anew.
   * @throws ProtocolError TsPacket within a packet; TsSection when there were packets but no PAT and PMT so far, or
   *   none of the streams that the PMT names.
   */
  end(): void {
    if (this.carried > 0) {
      throw new ProtocolError(
        ProtocolErrorCode.TsPacket,
        `packets of ${TS_PACKET_SIZE} bytes`,
        `${this.carried} bytes at the end`,
      );
    }
    for (const pid of this.pids) {
      this.closePes(pid);
      pid.counter = -1;
      pid.sections?.drop();
    }
    const packets = this.packets - this.packetsBefore;
    const unreferenced = this.unreferenced - this.unreferencedBefore;
    const { patSeen, pmtSeen, pesSeen } = this;
    this.beginInput();
    if (packets === 0) return;
    if (!patSeen || !pmtSeen) this.withoutTables++;
    if (this.streams === undefined) {
      const expected = this.patCrc < 0 ? 'a PAT' : `a PMT of program ${this.program} on PID ${this.pmtPid}`;
      throw new ProtocolError(ProtocolErrorCode.TsSection, expected, `none in ${packets} packets`);
    }
    if (!pesSeen && unreferenced > 0) {
      throw new ProtocolError(
        ProtocolErrorCode.TsSection,
        `streams on the PIDs of the PMT: ${this.streams.map(({ pid }) => pid).join(', ')}`,
        `${unreferenced} packets on others`,
      );
    }
  }

  /** Forgets everything but the counters: what comes next is another stream. Open PES packets are not ended. */
  reset(): void {
    this.carried = 0;
    this.pids = [this.pat];
    this.last = this.pat;
    this.pat.counter = -1;
    this.pat.sections!.drop();
    this.patCrc = -1;
    this.forgetProgram();
    this.beginInput();
  }

  private beginInput(): void {
    this.patSeen = false;
    this.pmtSeen = false;
    this.pesSeen = false;
    this.packetsBefore = this.packets;
    this.unreferencedBefore = this.unreferenced;
  }

  private fill(bytes: Uint8Array, start: number, end: number): number {
    if (this.carried === 0) requireSync(bytes[start]!);
    let at = start;
    while (at < end && this.carried < TS_PACKET_SIZE) this.carry[this.carried++] = bytes[at++]!;
    return at;
  }

  private packet(bytes: Uint8Array, at: number): void {
    if (bytes[at] !== SYNC_BYTE) requireSync(bytes[at]!);
    this.packets++;
    const flags = bytes[at + 1]!;
    const number = ((flags & 0x1f) << 8) | bytes[at + 2]!;
    let pid = this.last;
    if (pid.pid !== number) {
      const found = this.find(number);
      if (found === undefined) return;
      pid = found;
      this.last = found;
    }
    const control = bytes[at + 3]!;
    if ((flags & 0x80) !== 0 || (control & 0x30) === 0) {
      this.discarded++;
      return;
    }
    let payload = at + 4;
    const end = at + TS_PACKET_SIZE;
    let discontinuity = false;
    if ((control & 0x20) !== 0) {
      const length = bytes[payload]!;
      if (length > ADAPTATION_MAX - ((control & 0x10) >> 4)) {
        throw new ProtocolError(
          ProtocolErrorCode.TsPacket,
          `an adaptation field of at most ${ADAPTATION_MAX - ((control & 0x10) >> 4)} bytes`,
          String(length),
        );
      }
      if (length > 0) discontinuity = this.adaptation(pid, bytes, payload + 1, length);
      payload += 1 + length;
    }
    if ((control & 0x10) === 0) {
      if (discontinuity) pid.counter = -1;
      return;
    }
    const counter = control & 0x0f;
    const print = uint32(bytes, end - 4) ^ uint32(bytes, end - 96);
    if (counter !== ((pid.counter + 1) & 0x0f) && pid.counter >= 0 && !discontinuity) {
      if (counter === pid.counter && print === pid.print && !pid.repeated) {
        pid.repeated = true;
        this.duplicates++;
        return;
      }
      this.continuityErrors++;
      pid.sections?.drop();
      this.sink.onContinuity?.(number, (pid.counter + 1) & 0x0f, counter);
    }
    pid.counter = counter;
    pid.print = print;
    pid.repeated = false;
    if ((control & 0xc0) !== 0) {
      this.scrambled++;
      return;
    }
    const unitStart = (flags & 0x40) !== 0;
    if (pid.kind === Kind.pes) {
      if (unitStart) this.beginPes(pid);
      this.pesBytes(pid, bytes, payload, end);
    } else if (pid.kind === Kind.psi) {
      pid.sections!.push(bytes, payload, end, unitStart);
    }
  }

  private find(number: number): Pid | undefined {
    for (const pid of this.pids) if (pid.pid === number) return pid;
    if (number >= FIRST_FREE_PID && number !== NULL_PID) this.unreferenced++;
    return undefined;
  }

  /** Section 2.4.3.5. Returns discontinuity_indicator. */
  private adaptation(pid: Pid, bytes: Uint8Array, at: number, length: number): boolean {
    const flags = bytes[at]!;
    if ((flags & 0x40) !== 0) pid.access = true;
    if ((flags & 0x10) !== 0) {
      if (length < 7) {
        throw new ProtocolError(
          ProtocolErrorCode.TsPacket,
          'an adaptation field of 7 bytes or more for a PCR',
          String(length),
        );
      }
      if (pid.pid === this.pcrPid) this.pcr = uint32(bytes, at + 1) * 2 + (bytes[at + 5]! >> 7);
    }
    return (flags & 0x80) !== 0;
  }

  private beginPes(pid: Pid): void {
    this.closePes(pid);
    pid.state = Pes.header;
    pid.headerSize = 0;
    pid.randomAccess = pid.access;
    pid.access = false;
  }

  private pesBytes(pid: Pid, bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    if (pid.state === Pes.header) {
      at = this.pesHeader(pid, bytes, at, end);
      if (at < 0) return;
    }
    if (pid.state === Pes.payload) {
      let take = end - at;
      if (pid.left >= 0) {
        if (take > pid.left) {
          take = pid.left;
          this.stray++;
        }
        pid.left -= take;
      }
      pid.size += take;
      if (pid.size > this.maxPesSize) {
        throw new ProtocolError(
          ProtocolErrorCode.TsSize,
          `at most ${this.maxPesSize} bytes in a PES packet`,
          `${pid.size} or more`,
        );
      }
      if (take > 0) this.sink.onPesPayload(pid, bytes, at, at + take);
      if (pid.left === 0) this.closePes(pid);
    } else if (pid.state === Pes.idle) {
      this.stray++;
    }
  }

  /** Returns where the payload begins, or -1 when the header goes on in the next packet. */
  private pesHeader(pid: Pid, bytes: Uint8Array, start: number, end: number): number {
    if (pid.headerSize === 0) {
      const size = pesHeaderSize(bytes, start, end - start);
      if (end - start >= size) {
        this.readPes(pid, bytes, start);
        return start + size;
      }
    }
    pid.header ??= new Uint8Array(PES_HEADER_MAX);
    const { header } = pid;
    let at = start;
    while (at < end) {
      header[pid.headerSize++] = bytes[at++]!;
      if (pid.headerSize === pesHeaderSize(header, 0, pid.headerSize)) {
        this.readPes(pid, header, 0);
        return at;
      }
    }
    return -1;
  }

  /** Section 2.4.3.7, from a header that is whole. */
  private readPes(pid: Pid, bytes: Uint8Array, at: number): void {
    if (bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) {
      const seen = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!].map((byte) => byte.toString(16)).join(' ');
      throw new ProtocolError(ProtocolErrorCode.TsPes, 'packet_start_code_prefix 0 0 1', seen);
    }
    this.pesSeen = true;
    if (!hasPesHeader(bytes[at + 3]!)) {
      pid.state = Pes.skip;
      return;
    }
    if ((bytes[at + 6]! & 0xc0) !== 0x80) {
      throw new ProtocolError(
        ProtocolErrorCode.TsPes,
        "'10' before PES_scrambling_control",
        bytes[at + 6]!.toString(16),
      );
    }
    const length = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    const headerLength = bytes[at + 8]!;
    if (length !== 0 && length < 3 + headerLength) {
      throw new ProtocolError(
        ProtocolErrorCode.TsPes,
        `PES_header_data_length of at most ${length - 3}`,
        String(headerLength),
      );
    }
    this.readTimestamps(pid, bytes, at, bytes[at + 7]! >> 6, headerLength);
    if ((bytes[at + 6]! & 0x30) !== 0) {
      this.scrambled++;
      pid.state = Pes.skip;
      return;
    }
    pid.pcr = this.pcr;
    pid.left = length === 0 ? UNBOUNDED : length - 3 - headerLength;
    pid.size = 0;
    pid.state = Pes.payload;
    this.sink.onPesBegin(pid);
  }

  private readTimestamps(pid: Pid, bytes: Uint8Array, at: number, flags: number, length: number): void {
    if (flags === 1 || length < (flags === 0 ? 0 : flags === 2 ? 5 : 10)) {
      throw new ProtocolError(
        ProtocolErrorCode.TsPes,
        'PTS_DTS_flags 00, 10 or 11 and 5 bytes of header for each',
        `flags ${flags}, ${length} bytes`,
      );
    }
    pid.pts = flags === 0 ? Number.NaN : timestampAt(bytes, at + PES_FIXED_SIZE);
    pid.dts = flags === 3 ? timestampAt(bytes, at + PES_FIXED_SIZE + TIMESTAMP_SIZE) : pid.pts;
  }

  private closePes(pid: Pid): void {
    if (pid.state === Pes.header || (pid.state === Pes.payload && pid.left > 0)) this.truncated++;
    const open = pid.state === Pes.payload;
    pid.state = Pes.idle;
    if (open) this.sink.onPesEnd(pid);
  }

  private readPat(bytes: Uint8Array, start: number, end: number): void {
    if (!isCurrent(bytes, start)) return;
    this.patSeen = true;
    const crc = sectionCrc(bytes, end);
    if (crc === this.patCrc) return;
    const first = parsePat(bytes, start, end)[0];
    this.patCrc = crc;
    if (first === undefined) return;
    if (first.program === this.program && first.pmtPid === this.pmtPid) return;
    if (first.pmtPid < FIRST_PROGRAM_PID || first.pmtPid === NULL_PID) {
      throw new ProtocolError(ProtocolErrorCode.TsSection, 'a PMT PID from 16 to 8190', String(first.pmtPid));
    }
    for (const pid of this.pids) this.closePes(pid);
    this.forgetProgram();
    this.program = first.program;
    this.pmtPid = first.pmtPid;
    const sections = new SectionReader((section, from, to) => this.readPmt(section, from, to));
    this.pids = [this.pat, new Pid(first.pmtPid, Kind.psi, 0, sections)];
  }

  private forgetProgram(): void {
    this.program = 0;
    this.pmtPid = NULL_PID;
    this.pcrPid = NULL_PID;
    this.pcr = Number.NaN;
    this.pmtCrc = -1;
    this.streams = undefined;
  }

  private readPmt(bytes: Uint8Array, start: number, end: number): void {
    if (bytes[start]! >= TableId.firstPrivate) return;
    const pmt = parsePmt(bytes, start, end);
    if (tableIdExtension(bytes, start) !== this.program || !isCurrent(bytes, start)) return;
    this.pmtSeen = true;
    const crc = sectionCrc(bytes, end);
    if (crc === this.pmtCrc) return;
    const { streams, pcrPid } = pmt;
    this.requireStreams(streams);
    this.pmtCrc = crc;
    this.pcrPid = pcrPid;
    const before = this.pids;
    const tables = before.filter((pid) => pid.kind === Kind.psi);
    this.pids = [
      ...tables,
      ...streams.map(
        ({ pid, streamType }) =>
          before.find((old) => old.pid === pid && old.kind === Kind.pes && old.streamType === streamType) ??
          new Pid(pid, Kind.pes, streamType),
      ),
    ];
    if (pcrPid !== NULL_PID && !this.pids.some(({ pid }) => pid === pcrPid)) {
      this.pids.push(new Pid(pcrPid, Kind.clock, 0));
    }
    for (const pid of before) if (!this.pids.includes(pid)) this.closePes(pid);
    const known = this.streams;
    if (known !== undefined && sameStreams(known, streams)) return;
    if (known !== undefined) this.programChanges++;
    this.streams = streams;
    this.sink.onProgram?.(streams);
  }

  private requireStreams(streams: readonly ProgramStream[]): void {
    if (streams.length > this.maxStreams) {
      throw new ProtocolError(
        ProtocolErrorCode.TsSize,
        `at most ${this.maxStreams} streams`,
        String(streams.length),
      );
    }
    const taken = new Set([this.pmtPid]);
    for (const { pid } of streams) {
      if (pid < FIRST_PROGRAM_PID || pid === NULL_PID || taken.has(pid)) {
        throw new ProtocolError(
          ProtocolErrorCode.TsSection,
          'a PID from 16 to 8190 of its own for each stream',
          String(pid),
        );
      }
      taken.add(pid);
    }
  }
}

function sameStreams(one: readonly ProgramStream[], other: readonly ProgramStream[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ pid, streamType }, at) => pid === other[at]!.pid && streamType === other[at]!.streamType)
  );
}

function requireSync(byte: number): void {
  if (byte === SYNC_BYTE) return;
  throw new ProtocolError(ProtocolErrorCode.TsPacket, 'sync_byte 47', byte.toString(16).padStart(2, '0'));
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
