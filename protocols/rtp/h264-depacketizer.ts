/** RTP payloads of H.264 (RFC 6184, packetization modes 0 and 1) as access units in Annex B. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { isSlice, NalType, nalType } from '../h264/nal.ts';
import { MediaLayout, type MediaSink, MediaType, UNKNOWN_LENGTH } from '../media.ts';
import type { RtpPacket } from './packet.ts';

/** Section 5.2, table 1. */
export const RtpH264 = { stapA: 24, fuA: 28 } as const;

/** Video over RTP has a clock of 90 kHz (section 8.2.1). */
export const VIDEO_CLOCK = 90_000;
const TICKS_PER_MS = VIDEO_CLOCK / 1000;

const FU_START = 0x80;
const FU_END = 0x40;
const NOTHING = -1;
const START_CODE = Uint8Array.of(0, 0, 0, 1);

/**
 * Takes the packets of one source in the order of their sequence numbers and hands on what they carry as they come,
 * without a copy: one `begin` to `end` per access unit, layout Annex B. An access unit ends with its marker, or where
 * another timestamp begins (section 5.1). Its time is the RTP timestamp in ms, unwrapped and rounded down.
 *
 * `lost` says that packets before the next one will never come. The access unit that is open is damaged then; so is the
 * next one unless it begins as the ones before did: with its parameter sets, its SEI or its first slice. Damage is shown
 * to the sink as a start code with nothing behind it (MediaLayout). Access units of which no packet came are not seen.
 */
export class H264Depacketizer {
  // Plain fields: this runs for every packet of every player.
  /** Access units handed on. */
  units = 0;
  /** Of them: packets are missing. */
  damaged = 0;
  private readonly sink: MediaSink;
  private readonly fuHead = Uint8Array.of(0, 0, 0, 1, 0);
  private open = false;
  private damage = false;
  /** The packet before this one never came. */
  private gap = false;
  /** Where an access unit begins is known. */
  private joined = true;
  private timestamp = 0;
  /** Of the access unit that is left out; -1 for none. */
  private passed = NOTHING;
  /** Unwrapped timestamp of the present access unit; -1 before the first. */
  private ticks = NOTHING;
  /** nal_unit_type of the FU-A that is open; -1 for none. */
  private fragment = NOTHING;
  /** Access units of this source begin with something before the first slice, as far as was seen. */
  private leads = false;

  constructor(sink: MediaSink) {
    this.sink = sink;
    sink.layout?.(MediaLayout.annexB);
  }

  /**
   * The next packet may be one from within an access unit, whose first packets went to others, or came before there were
   * keys. That unit is left out, unless it begins with a delimiter or a sequence parameter set: nothing comes before
   * these, but one SEI may come before another.
   */
  join(): void {
    this.joined = false;
    this.passed = NOTHING;
  }

  /** Packets before the next one are missing for good. */
  lost(): void {
    this.gap = true;
  }

  /**
   * @param now when the packet came, in epoch ms.
   * @throws ProtocolError RtpH264; the access unit is then damaged, and the next packet may be pushed.
   */
  push(packet: RtpPacket, now: number): void {
    const { bytes, payloadStart: start, payloadEnd: end, timestamp } = packet;
    if (this.open && timestamp !== this.timestamp) {
      if (this.gap) this.spoil();
      this.finish(now);
    }
    // A probe or keep-alive of padding alone. What is missing before it may be the end of what is open.
    if (start === end) {
      if (this.open && this.gap) this.spoil();
      this.gap = false;
      return;
    }
    const type = nalType(bytes[start]!);
    if (!this.joined && this.passes(packet, type)) return;
    if (!this.open) this.begin(timestamp, now, bytes, start, end, type);
    else if (this.gap) this.spoil();
    this.gap = false;
    try {
      if (type === RtpH264.fuA) this.fuA(bytes, start, end);
      else this.whole(bytes, start, end, type);
    } catch (error) {
      this.spoil();
      if (packet.marker) this.finish(now);
      throw error;
    }
    if (packet.marker) this.finish(now);
  }

  /** The source has gone, or another one follows: ends what is open, as damaged, for its marker never came. */
  reset(now: number): void {
    if (this.open) {
      this.spoil();
      this.finish(now);
    }
    this.ticks = NOTHING;
    this.gap = false;
    this.leads = false;
  }

  /** Whether it is a packet of an access unit that is left out. */
  private passes({ bytes, payloadStart, payloadEnd, timestamp, marker }: RtpPacket, type: number): boolean {
    const isFirst = this.passed === NOTHING;
    if (isFirst ? isBeginning(bytes, payloadStart, payloadEnd, type) : timestamp !== this.passed) {
      this.joined = true;
      return false;
    }
    this.passed = timestamp;
    this.joined = marker;
    this.gap = false;
    return true;
  }

  private begin(
    timestamp: number,
    now: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    type: number,
  ): void {
    this.ticks = this.ticks === NOTHING ? timestamp : this.ticks + ((timestamp - this.timestamp) | 0);
    this.timestamp = timestamp;
    this.open = true;
    this.damage = false;
    this.fragment = NOTHING;
    this.sink.begin(MediaType.video, Math.floor(this.ticks / TICKS_PER_MS) >>> 0, UNKNOWN_LENGTH, now);
    const leading = isLeading(bytes, start, end, type);
    if (!this.gap) this.leads = leading;
    else if (!leading && (this.leads || !isFirstSlice(bytes, start, end, type))) this.spoil();
  }

  private spoil(): void {
    this.fragment = NOTHING;
    if (this.damage) return;
    this.damage = true;
    this.damaged++;
    this.sink.data(MediaType.video, START_CODE, 0, START_CODE.length);
  }

  private finish(now: number): void {
    if (this.fragment !== NOTHING) this.spoil();
    this.open = false;
    this.units++;
    this.sink.end(MediaType.video, now);
  }

  private whole(bytes: Uint8Array, start: number, end: number, type: number): void {
    if (this.fragment !== NOTHING) this.spoil();
    if (type === RtpH264.stapA) this.stapA(bytes, start + 1, end);
    else if (type >= 1 && type < RtpH264.stapA) this.nal(bytes, start, end);
    else malformed('a NAL unit type of 1 to 24 or 28', String(type));
  }

  private nal(bytes: Uint8Array, start: number, end: number): void {
    this.sink.data(MediaType.video, START_CODE, 0, START_CODE.length);
    this.sink.data(MediaType.video, bytes, start, end);
  }

  /** Section 5.7.1. */
  private stapA(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) malformed('a NAL unit in a STAP-A', 'none');
    let at = start;
    while (at < end) {
      const size = end - at < 2 ? 0 : (bytes[at]! << 8) | bytes[at + 1]!;
      at += 2;
      if (size === 0 || size > end - at) {
        malformed(`a NAL unit of 1 to ${Math.max(0, end - at)} bytes in a STAP-A`, String(size));
      }
      this.nal(bytes, at, at + size);
      at += size;
    }
  }

  /** Section 5.8. */
  private fuA(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 3) malformed('an FU-A of at least 3 bytes', String(end - start));
    const header = bytes[start + 1]!;
    const type = nalType(header);
    const begins = (header & FU_START) !== 0;
    const ends = (header & FU_END) !== 0;
    if (type === 0 || type >= RtpH264.stapA || (begins && ends)) {
      malformed('an FU-A of type 1 to 23 that does not begin and end at once', `FU header ${header}`);
    }
    if (begins) {
      if (this.fragment !== NOTHING) this.spoil();
      this.fragment = type;
      this.fuHead[4] = (bytes[start]! & 0xe0) | type;
      this.sink.data(MediaType.video, this.fuHead, 0, this.fuHead.length);
    } else if (this.fragment !== type) {
      // Its beginning was lost: what is left of it is of no use.
      this.spoil();
      return;
    }
    this.sink.data(MediaType.video, bytes, start + 2, end);
    if (ends) this.fragment = NOTHING;
  }
}

/** nal_unit_type of what the payload begins with. */
function firstType(bytes: Uint8Array, start: number, end: number, type: number): number {
  if (type === RtpH264.stapA) return end - start > 3 ? nalType(bytes[start + 3]!) : 0;
  if (type === RtpH264.fuA) return end - start > 1 ? nalType(bytes[start + 1]!) : 0;
  return type;
}

/** What stands before the first slice of an access unit, and nowhere else (H.264 section 7.4.1.2.3). */
function isLeading(bytes: Uint8Array, start: number, end: number, type: number): boolean {
  const first = firstType(bytes, start, end, type);
  const begins = type !== RtpH264.fuA || ((bytes[start + 1] ?? 0) & FU_START) !== 0;
  return begins && first >= 6 && first <= 9;
}

/** What nothing of its access unit stands before (section 7.4.1.2.3; a sequence parameter set where there is no delimiter). */
function isBeginning(bytes: Uint8Array, start: number, end: number, type: number): boolean {
  if (type === RtpH264.fuA && ((bytes[start + 1] ?? 0) & FU_START) === 0) return false;
  const first = firstType(bytes, start, end, type);
  return first === NalType.accessUnitDelimiter || first === NalType.sps;
}

/** A slice with first_mb_in_slice 0, which is coded as a single one bit (section 7.3.3). */
function isFirstSlice(bytes: Uint8Array, start: number, end: number, type: number): boolean {
  if (!isSlice(firstType(bytes, start, end, type))) return false;
  if (type === RtpH264.fuA && ((bytes[start + 1] ?? 0) & FU_START) === 0) return false;
  const at = type === RtpH264.stapA ? start + 4 : type === RtpH264.fuA ? start + 2 : start + 1;
  return at < end && bytes[at]! >= 0x80;
}

function malformed(expected: string, actual: string): never {
  throw new ProtocolError(ProtocolErrorCode.RtpH264, expected, actual);
}
