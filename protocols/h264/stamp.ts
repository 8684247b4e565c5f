/**
 * The stamp: one SEI NAL unit (H.264 Annex D, user_data_unregistered) in every access unit, by which any reader of
 * any protocol knows the frame, its age and whether it is undamaged.
 *
 * | bytes | what |
 * |---|---|
 * | `06` | NAL header: nal_ref_idc 0, SEI |
 * | `05 37` | payload type user_data_unregistered, payload size 55 |
 * | 16 | our UUID, without zero bytes |
 * | 1 | ASCII `1`, the version of this format |
 * | 8 | stream id, lower-case hexadecimal, uint32 |
 * | 8 | frame number, uint32 |
 * | 14 | the publisher's clock in microseconds since the epoch |
 * | 8 | checksum |
 * | `80` | rbsp_trailing_bits |
 *
 * 59 bytes in all. There is no zero byte among them, so no path needs emulation prevention; and the length keeps away
 * from 256 to 511, which SRS would take for a start code (facts/srs.md 9.7).
 *
 * The checksum (checksum.ts) covers the 31 bytes from the version to the clock, then every slice NAL unit (types 1 to
 * 5) of the access unit in order, without length prefixes. So it verifies the stamp as well, and survives servers that
 * add or move parameter sets and delimiters.
 *
 * The stamp stands after the access unit delimiter and the parameter sets and before the first slice: SRS drops what
 * stands before the parameter sets on its way from RTC to RTMP.
 */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import {
  AVC_HEADER_SIZE,
  AvcPacketType,
  isKeyframe,
  VideoCodec,
  VideoFrameType,
  videoCodec,
} from '../flv/body.ts';
import { joinAvcc, type LengthSize, splitAvcc } from './avcc.ts';
import { Checksum } from './checksum.ts';
import { isSlice, NalType, nalType } from './nal.ts';
import { wordsOf } from './words.ts';

/** user_data_unregistered UUID of the stamp: 6c697665-7072-4f6f-a66d-7374616d7031. */
export const STAMP_UUID: Uint8Array = Uint8Array.of(
  ...[0x6c, 0x69, 0x76, 0x65, 0x70, 0x72, 0x4f, 0x6f],
  ...[0xa6, 0x6d, 0x73, 0x74, 0x61, 0x6d, 0x70, 0x31],
);
/** Bytes of the NAL unit. A length prefix comes on top. */
export const STAMP_SIZE = 59;

const VERSION = 0x31;
const PAYLOAD_TYPE = 5;
const PAYLOAD_SIZE = 55;
const TRAILING_BITS = 0x80;
const UUID_AT = 3;
const VERSION_AT = 19;
const STREAM_AT = 20;
const FRAME_AT = 28;
const CLOCK_AT = 36;
const CHECKSUM_AT = 50;
const TRAILING_AT = 58;
/** In place of each digit of a checksum that there is nothing to compare with. */
const DASH = 0x2d;

const [ZERO, NINE, LETTER_A, LETTER_F] = [0x30, 0x39, 0x61, 0x66] as const;
const HEX_DIGITS = Uint8Array.from([...'0123456789abcdef'], (digit) => digit.charCodeAt(0));
const FOUR_DASHES = 0x2d2d2d2d;

const UUID_WORDS = new DataView(STAMP_UUID.buffer);
const UUID0 = UUID_WORDS.getUint32(0);
const UUID1 = UUID_WORDS.getUint32(4);
const UUID2 = UUID_WORDS.getUint32(8);
const UUID3 = UUID_WORDS.getUint32(12);

export interface Stamp {
  /** uint32. */
  readonly stream: number;
  /** uint32. */
  readonly frame: number;
  /** The publisher's clock in epoch milliseconds; microseconds are kept. */
  readonly sentAt: number;
}

const checksum = new Checksum();

function writeHex(target: Uint8Array, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    target[i] = HEX_DIGITS[rest & 15]!;
    rest >>>= 4;
  }
}

function writeConstants(target: Uint8Array, at: number): void {
  target[at] = NalType.sei;
  target[at + 1] = PAYLOAD_TYPE;
  target[at + 2] = PAYLOAD_SIZE;
  target.set(STAMP_UUID, at + UUID_AT);
  target[at + VERSION_AT] = VERSION;
  target[at + TRAILING_AT] = TRAILING_BITS;
}

function writeFields(target: Uint8Array, at: number, stream: number, frame: number, sentAt: number): void {
  const micros = Math.round(sentAt * 1000);
  const high = Math.floor(micros / 0x10000000);
  writeHex(target, at + STREAM_AT, 8, stream);
  writeHex(target, at + FRAME_AT, 8, frame);
  writeHex(target, at + CLOCK_AT, 7, high);
  writeHex(target, at + CLOCK_AT + 7, 7, micros - high * 0x10000000);
}

/**
 * The stamp as a NAL unit, for any packing.
 * @param slices the slice NAL units of the access unit, in order, without length prefixes or start codes.
 */
export function encodeStamp(stamp: Stamp, slices: readonly Uint8Array[]): Uint8Array {
  const nal = new Uint8Array(STAMP_SIZE);
  writeConstants(nal, 0);
  writeFields(nal, 0, stamp.stream, stamp.frame, stamp.sentAt);
  checksum.reset();
  checksum.update(nal, VERSION_AT, CHECKSUM_AT);
  for (const slice of slices) checksum.update(slice, 0, slice.length);
  writeHex(nal, CHECKSUM_AT, 8, checksum.digest());
  return nal;
}

/** Whether these bytes are a whole NAL unit of the stamp's kind; its fields may still be damaged. */
export function isStamp(nal: Uint8Array): boolean {
  return nal.length === STAMP_SIZE && hasStampAt(nal, 0);
}

function hasStampAt(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === NalType.sei &&
    bytes[at + 1] === PAYLOAD_TYPE &&
    bytes[at + 2] === PAYLOAD_SIZE &&
    uint32(bytes, at + UUID_AT) === UUID0 &&
    uint32(bytes, at + UUID_AT + 4) === UUID1 &&
    uint32(bytes, at + UUID_AT + 8) === UUID2 &&
    uint32(bytes, at + UUID_AT + 12) === UUID3
  );
}

/**
 * Where a stamp was authenticated by other means (SRTP) and the slices cannot be read because they were left encrypted:
 * if these bytes are a whole stamp, its checksum becomes eight dashes. It is then taken for intact without a comparison,
 * and `unchecked`. No damage makes eight dashes by itself.
 */
export function leaveUnchecked(nal: Uint8Array, start: number, end: number): void {
  if (end - start === STAMP_SIZE && hasStampAt(nal, start))
    nal.fill(DASH, start + CHECKSUM_AT, start + TRAILING_AT);
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/**
 * A frame that is published many times over (by N publishers, in a loop). Everything but the stamp's fields is laid
 * out once; stamping writes them into the same buffer. A stamp that the frame already had is taken out.
 */
export class StampTemplate {
  /** The whole FLV body, with room for the stamp. Overwritten by each `write`. */
  readonly body: Uint8Array;
  readonly keyframe: boolean;
  /** Where the stamp's NAL unit begins in `body`. */
  readonly stampAt: number;
  readonly #slices: readonly { readonly start: number; readonly end: number }[];

  private constructor(body: Uint8Array, nals: readonly Uint8Array[], lengthSize: LengthSize) {
    const firstSlice = nals.findIndex((nal) => isSlice(nalType(nal[0]!)));
    const before = nals.slice(0, firstSlice).findLastIndex((nal) => leadsAccessUnit(nalType(nal[0]!))) + 1;
    const stamp = new Uint8Array(STAMP_SIZE);
    writeConstants(stamp, 0);
    const laidOut = [...nals.slice(0, before), stamp, ...nals.slice(before)];
    const sample = joinAvcc(laidOut, lengthSize);
    this.body = new Uint8Array(AVC_HEADER_SIZE + sample.length);
    this.body.set(body.subarray(0, AVC_HEADER_SIZE));
    this.body.set(sample, AVC_HEADER_SIZE);
    this.keyframe = isKeyframe(body);
    const slices: { start: number; end: number }[] = [];
    let stampAt = 0;
    let at = AVC_HEADER_SIZE;
    for (const nal of laidOut) {
      const start = at + lengthSize;
      at = start + nal.length;
      if (nal === stamp) stampAt = start;
      else if (isSlice(nalType(nal[0]!))) slices.push({ start, end: at });
    }
    this.stampAt = stampAt;
    this.#slices = slices;
  }

  /**
   * @param body an FLV video tag body, which is copied.
   * @returns undefined for a body without slices: sequence headers, end of sequence, other codecs than AVC.
   * @throws ProtocolError NalLength
   */
  static of(body: Uint8Array, lengthSize: LengthSize = 4): StampTemplate | undefined {
    if (videoCodec(body) !== VideoCodec.avc || body[1] !== AvcPacketType.nalUnits) return undefined;
    if (body.length < AVC_HEADER_SIZE) {
      throw new ProtocolError(
        ProtocolErrorCode.NalLength,
        `an AVC body of at least ${AVC_HEADER_SIZE} bytes`,
        String(body.length),
      );
    }
    const nals = splitAvcc(body, AVC_HEADER_SIZE, body.length, lengthSize).filter((nal) => !isStamp(nal));
    if (!nals.some((nal) => isSlice(nalType(nal[0]!)))) return undefined;
    return new StampTemplate(body, nals, lengthSize);
  }

  /**
   * Stamps the frame in place and returns `body`: send it, or copy it, before the next call.
   * @param stream uint32.
   * @param frame uint32; higher bits are cut off.
   * @param sentAt epoch milliseconds with fraction.
   */
  write(stream: number, frame: number, sentAt: number): Uint8Array {
    const { body, stampAt } = this;
    writeFields(body, stampAt, stream, frame, sentAt);
    checksum.reset();
    checksum.update(body, stampAt + VERSION_AT, stampAt + CHECKSUM_AT);
    for (const { start, end } of this.#slices) checksum.update(body, start, end);
    writeHex(body, stampAt + CHECKSUM_AT, 8, checksum.digest());
    return body;
  }
}

/** What H.264 section 7.4.1.2.3 puts before SEI in an access unit. */
function leadsAccessUnit(type: number): boolean {
  return (
    type === NalType.accessUnitDelimiter ||
    type === NalType.sps ||
    type === NalType.pps ||
    type === NalType.spsExtension ||
    type === NalType.subsetSps
  );
}

/**
 * A stamped copy of one FLV video tag body; the body itself where there is nothing to stamp. For many stamps on one
 * frame use StampTemplate.
 * @throws ProtocolError NalLength
 */
export function insertStamp(body: Uint8Array, stamp: Stamp, lengthSize: LengthSize = 4): Uint8Array {
  return StampTemplate.of(body, lengthSize)?.write(stamp.stream, stamp.frame, stamp.sentAt) ?? body;
}

/**
 * What is known of one access unit when its end has come, however it is packed; and the reading of its stamp. A
 * packing finds the NAL units: the stamp goes to `readStamp`, the slices behind it into `checksum`.
 */
export abstract class StampedUnit {
  // Plain fields: these are written for every frame of every player.
  /** A coded keyframe, not a sequence header. */
  keyframe = false;
  /** A sequence header. */
  config = false;
  /** Carries our SEI before its first slice. The first one counts. */
  stamped = false;
  /** Stamped, and the checksum is right: only then the three fields below can be trusted. */
  intact = false;
  /** The stamp says that there is nothing to compare its checksum with: see `leaveUnchecked`. */
  unchecked = false;
  /** Ends too early, or has a NAL unit that is empty or runs past its end. */
  malformed = false;
  stream = 0;
  frame = 0;
  /** The publisher's clock in epoch milliseconds with fraction. */
  sentAt = 0;
  /** CompositionTime in milliseconds, signed; 0 when the packing does not carry it or the codec is not AVC. */
  compositionTime = 0;
  protected sliceSeen = false;
  protected readonly checksum = new Checksum();
  /** The version and the trailing bits of the stamp are right. */
  private framed = false;
  /** The digits of the checksum as they were sent. */
  private expectedHigh = 0;
  private expectedLow = 0;

  abstract begin(length: number): void;
  abstract data(bytes: Uint8Array, start: number, end: number): void;
  abstract end(): void;

  protected clear(): void {
    this.keyframe = false;
    this.config = false;
    this.stamped = false;
    this.intact = false;
    this.unchecked = false;
    this.malformed = false;
    this.stream = 0;
    this.frame = 0;
    this.sentAt = 0;
    this.compositionTime = 0;
    this.sliceSeen = false;
  }

  /**
   * A NAL unit of STAMP_SIZE bytes before the first slice, which may be the stamp. Its fields are read as if they were
   * hexadecimal: whatever else they are is damage, which the checksum tells.
   */
  protected readStamp(bytes: Uint8Array, at: number): void {
    if (!hasStampAt(bytes, at)) return;
    const { view, offset } = wordsOf(bytes);
    const origin = at + offset;
    this.stamped = true;
    this.framed = bytes[at + VERSION_AT] === VERSION && bytes[at + TRAILING_AT] === TRAILING_BITS;
    this.stream = hex8(view, origin + STREAM_AT);
    this.frame = hex8(view, origin + FRAME_AT);
    // Two numbers of seven digits: the last of each group of four begins the next one.
    const high = hex8(view, origin + CLOCK_AT - 1) & 0xfffffff;
    const low = hex8(view, origin + CLOCK_AT + 6) & 0xfffffff;
    this.sentAt = (high * 0x10000000 + low) / 1000;
    this.expectedHigh = view.getInt32(origin + CHECKSUM_AT);
    this.expectedLow = view.getInt32(origin + CHECKSUM_AT + 4);
    this.unchecked = this.expectedHigh === FOUR_DASHES && this.expectedLow === FOUR_DASHES;
    if (this.unchecked && !hasDigits(bytes, at + STREAM_AT, at + CHECKSUM_AT)) this.framed = false;
    this.checksum.reset();
    this.checksum.update(bytes, at + VERSION_AT, at + CHECKSUM_AT);
  }

  /** Whether the stamp and all slices that went into the checksum are as they were sent. */
  protected isVerified(): boolean {
    if (!this.stamped || !this.framed || !this.sliceSeen) return false;
    if (this.unchecked) return true;
    const digest = this.checksum.digest();
    return hexOf(digest >>> 16) === this.expectedHigh && hexOf(digest & 0xffff) === this.expectedLow;
  }
}

const Scan = { header: 0, length: 1, nal: 2, slice: 3, stamp: 4, skip: 5, ignore: 6 } as const;
type Scan = (typeof Scan)[keyof typeof Scan];

/**
 * Reads the stamp of an FLV video tag body as its pieces come, split anywhere: `begin`, `data` any number of times,
 * `end`, and then the fields are those of this body. Never throws, keeps no media and allocates nothing per frame.
 */
export class AccessUnitScanner extends StampedUnit {
  // Plain fields: this runs over every byte of every player.
  private readonly lengthSize: LengthSize;
  private state: Scan = Scan.ignore;
  /** Bytes of the body that no NAL unit has claimed yet. */
  private bodyLeft = 0;
  private nalLength = 0;
  private nalLeft = 0;
  /** Bytes of a header, a length or a stamp seen so far, and their value. */
  private have = 0;
  private value = 0;
  /** A stamp that is split between two pieces. */
  private carry: Uint8Array | undefined = undefined;

  constructor(options: { lengthSize?: LengthSize } = {}) {
    super();
    this.lengthSize = options.lengthSize ?? 4;
  }

  /** @param length bytes of the body. */
  begin(length: number): void {
    this.clear();
    this.state = Scan.header;
    this.bodyLeft = length;
    this.have = 0;
    this.value = 0;
  }

  data(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      switch (this.state) {
        case Scan.length:
          if (this.have === 0 && this.lengthSize === 4 && end - at >= 4) {
            this.beginNal(uint32(bytes, at));
            at += 4;
          } else {
            this.value = this.value * 256 + bytes[at++]!;
            if (++this.have === this.lengthSize) this.beginNal(this.value);
          }
          break;
        case Scan.nal:
          this.chooseNal(bytes[at]!);
          break;
        case Scan.slice: {
          const take = Math.min(this.nalLeft, end - at);
          this.checksum.update(bytes, at, at + take);
          at += take;
          this.nalLeft -= take;
          if (this.nalLeft === 0) this.state = Scan.length;
          break;
        }
        case Scan.skip: {
          const take = Math.min(this.nalLeft, end - at);
          at += take;
          this.nalLeft -= take;
          if (this.nalLeft === 0) this.state = Scan.length;
          break;
        }
        case Scan.stamp:
          if (this.have === 0 && end - at >= STAMP_SIZE) {
            this.stampWhole(bytes, at);
            at += STAMP_SIZE;
          } else {
            at = this.carryStamp(bytes, at, end);
          }
          break;
        case Scan.header:
          if (this.have === 0 && end - at >= AVC_HEADER_SIZE && isCodedAvc(bytes, at)) {
            this.wholeHeader(bytes, at);
            at += AVC_HEADER_SIZE;
          } else {
            this.headerByte(bytes[at++]!);
          }
          break;
        case Scan.ignore:
          return;
      }
    }
  }

  end(): void {
    const whole = this.state === Scan.length && this.have === 0 && this.bodyLeft === 0;
    if (!whole && this.state !== Scan.ignore) this.malformed = true;
    this.intact = whole && this.isVerified();
    this.state = Scan.ignore;
  }

  private wholeHeader(bytes: Uint8Array, at: number): void {
    this.bodyLeft -= AVC_HEADER_SIZE;
    this.keyframe = bytes[at]! >> 4 === VideoFrameType.key;
    this.compositionTime = ((bytes[at + 2]! << 24) >> 8) | (bytes[at + 3]! << 8) | bytes[at + 4]!;
    this.state = Scan.length;
  }

  private headerByte(byte: number): void {
    this.bodyLeft--;
    switch (this.have++) {
      case 0:
        this.value = byte;
        if ((byte & 0x80) !== 0) {
          // ExVideoTagHeader: PacketType in place of the codec.
          const packetType = byte & 0x0f;
          this.config = packetType === 0;
          this.keyframe =
            ((byte >> 4) & 7) === VideoFrameType.key &&
            packetType !== 0 &&
            packetType !== 2 &&
            packetType !== 4;
          this.state = Scan.ignore;
        } else if ((byte & 0x0f) !== VideoCodec.avc && (byte & 0x0f) !== VideoCodec.hevc) {
          this.keyframe = byte >> 4 === VideoFrameType.key;
          this.state = Scan.ignore;
        }
        return;
      case 1:
        this.config = byte === AvcPacketType.sequenceHeader;
        this.keyframe = this.value >> 4 === VideoFrameType.key && byte === AvcPacketType.nalUnits;
        if (byte !== AvcPacketType.nalUnits || (this.value & 0x0f) !== VideoCodec.avc)
          this.state = Scan.ignore;
        this.value = 0;
        return;
      case 2:
        this.value = (byte << 24) >> 8;
        return;
      case 3:
        this.value |= byte << 8;
        return;
      default:
        this.compositionTime = this.value | byte;
        this.have = 0;
        this.value = 0;
        this.state = Scan.length;
    }
  }

  private beginNal(length: number): void {
    this.have = 0;
    this.value = 0;
    this.bodyLeft -= this.lengthSize + length;
    if (length === 0 || this.bodyLeft < 0) {
      this.malformed = true;
      this.state = Scan.ignore;
      return;
    }
    this.nalLength = length;
    this.nalLeft = length;
    this.state = Scan.nal;
  }

  private chooseNal(firstByte: number): void {
    if (isSlice(nalType(firstByte))) {
      this.sliceSeen = true;
      this.state = this.stamped ? Scan.slice : Scan.skip;
    } else if (
      firstByte === NalType.sei &&
      this.nalLength === STAMP_SIZE &&
      !this.stamped &&
      !this.sliceSeen
    ) {
      this.state = Scan.stamp;
    } else {
      this.state = Scan.skip;
    }
  }

  private stampWhole(bytes: Uint8Array, at: number): void {
    this.have = 0;
    this.state = Scan.length;
    this.readStamp(bytes, at);
  }

  private carryStamp(bytes: Uint8Array, start: number, end: number): number {
    this.carry ??= new Uint8Array(STAMP_SIZE);
    let at = start;
    while (at < end && this.have < STAMP_SIZE) this.carry[this.have++] = bytes[at++]!;
    if (this.have === STAMP_SIZE) this.stampWhole(this.carry, 0);
    return at;
  }
}

/** Whether a body begins here that is an access unit of AVC in the classic form of FLV. */
function isCodedAvc(bytes: Uint8Array, at: number): boolean {
  return (bytes[at]! & 0x8f) === VideoCodec.avc && bytes[at + 1] === AvcPacketType.nalUnits;
}

/** Whether all are `0` to `9` or `a` to `f`: for a stamp without a checksum to tell. */
function hasDigits(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const digit = bytes[at]!;
    if (digit < ZERO || digit > LETTER_F || (digit > NINE && digit < LETTER_A)) return false;
  }
  return true;
}

/** Eight hexadecimal digits. */
function hex8(view: DataView, at: number): number {
  return ((hex4(view.getInt32(at)) << 16) | hex4(view.getInt32(at + 4))) >>> 0;
}

/** Four hexadecimal digits in one word, all at once: `a` to `f` have bit 6, and 1 to 6 in their low half. */
function hex4(digits: number): number {
  const values = (digits & 0x0f0f0f0f) + Math.imul((digits >>> 6) & 0x01010101, 9);
  const pairs = (values | (values >>> 4)) & 0x00ff00ff;
  return (pairs | (pairs >>> 8)) & 0xffff;
}

/** The other way round: the digits of a number of 16 bits in one word, signed as getInt32 gives it. */
function hexOf(value: number): number {
  const pairs = (value | (value << 8)) & 0x00ff00ff;
  const values = (pairs | (pairs << 4)) & 0x0f0f0f0f;
  const letters = ((values + 0x06060606) >>> 4) & 0x01010101;
  return (values + 0x30303030 + Math.imul(letters, 0x27)) | 0;
}
