/** What a decoder is told before the first frame: AVCDecoderConfigurationRecord and sequence parameter sets. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import type { LengthSize } from './avcc.ts';
import { NalType, nalType, unescapeRbsp } from './nal.ts';

/** ISO/IEC 14496-15 section 5.3.3.1. */
export interface AvcConfig {
  /** AVCProfileIndication. */
  readonly profile: number;
  /** profile_compatibility: the constraint_set flags. */
  readonly compatibility: number;
  /** AVCLevelIndication, ten times the level. */
  readonly level: number;
  readonly lengthSize: LengthSize;
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
}

/**
 * An AVCDecoderConfigurationRecord: what an AVC sequence header carries after its first five bytes. The parameter
 * sets are views. What follows the PPS (chroma format and bit depths of the high profiles) is not read.
 * @throws ProtocolError AvcConfig
 */
export function parseAvcConfig(bytes: Uint8Array, start = 0, end = bytes.length): AvcConfig {
  let at = start;
  const need = (count: number, what: string): void => {
    if (end - at < count) {
      throw new ProtocolError(ProtocolErrorCode.AvcConfig, `${count} bytes of ${what}`, `${end - at}`);
    }
  };
  const sets = (count: number, type: number, what: string): Uint8Array[] => {
    const found: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      need(2, `${what} length`);
      const length = (bytes[at]! << 8) | bytes[at + 1]!;
      at += 2;
      need(length, what);
      if (length === 0 || nalType(bytes[at]!) !== type) {
        const actual = length === 0 ? 'an empty one' : `type ${nalType(bytes[at]!)}`;
        throw new ProtocolError(ProtocolErrorCode.AvcConfig, `${what} of NAL type ${type}`, actual);
      }
      found.push(bytes.subarray(at, at + length));
      at += length;
    }
    return found;
  };
  need(6, 'configuration');
  if (bytes[at] !== 1) {
    throw new ProtocolError(ProtocolErrorCode.AvcConfig, 'configurationVersion 1', String(bytes[at]));
  }
  const [profile, compatibility, level] = [bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
  const lengthSize = (bytes[at + 4]! & 3) + 1;
  if (lengthSize !== 1 && lengthSize !== 2 && lengthSize !== 4) {
    throw new ProtocolError(
      ProtocolErrorCode.AvcConfig,
      'lengthSizeMinusOne 0, 1 or 3',
      String(lengthSize - 1),
    );
  }
  const spsCount = bytes[at + 5]! & 0x1f;
  at += 6;
  const sps = sets(spsCount, NalType.sps, 'SPS');
  need(1, 'PPS count');
  const ppsCount = bytes[at++]!;
  const pps = sets(ppsCount, NalType.pps, 'PPS');
  return { profile, compatibility, level, lengthSize, sps, pps };
}

/**
 * The record as bytes, without the extension of the high profiles (which decoders take from the SPS).
 * @throws ProtocolError AvcConfig when there are more or longer sets than the record can say.
 */
export function encodeAvcConfig(config: AvcConfig): Uint8Array {
  const sets = [...config.sps, ...config.pps];
  if (config.sps.length > 31 || config.pps.length > 255 || sets.some((set) => set.length > 0xffff)) {
    throw new ProtocolError(
      ProtocolErrorCode.AvcConfig,
      'at most 31 SPS and 255 PPS of at most 65535 bytes',
      `${config.sps.length} SPS, ${config.pps.length} PPS`,
    );
  }
  const out = [1, config.profile, config.compatibility, config.level, 0xfc | (config.lengthSize - 1)];
  out.push(0xe0 | config.sps.length);
  for (const set of config.sps) out.push(set.length >> 8, set.length & 0xff, ...set);
  out.push(config.pps.length);
  for (const set of config.pps) out.push(set.length >> 8, set.length & 0xff, ...set);
  return Uint8Array.from(out);
}

/** What the lab asks of a sequence parameter set (H.264 section 7.3.2.1.1). */
export interface Sps {
  /** profile_idc. */
  readonly profile: number;
  /** The byte of constraint_set flags. */
  readonly compatibility: number;
  /** level_idc, ten times the level. */
  readonly level: number;
  readonly id: number;
  /** Luma samples after cropping. */
  readonly width: number;
  readonly height: number;
  /** False for interlaced coding (frame_mbs_only_flag 0). */
  readonly progressive: boolean;
  readonly referenceFrames: number;
}

/** Profiles whose SPS carries chroma format, bit depths and scaling matrices. */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/**
 * @param nal the NAL unit, header included.
 * @throws ProtocolError ParameterSet
 */
export function parseSps(nal: Uint8Array): Sps {
  if (nal.length === 0 || nalType(nal[0]!) !== NalType.sps) {
    throw new ProtocolError(
      ProtocolErrorCode.ParameterSet,
      'an SPS',
      nal.length === 0 ? 'nothing' : `NAL byte ${nal[0]}`,
    );
  }
  const bits = new BitReader(unescapeRbsp(nal));
  const profile = bits.read(8);
  const compatibility = bits.read(8);
  const level = bits.read(8);
  const id = atMost('seq_parameter_set_id', bits.ue(), 31);
  let chromaFormat = 1;
  let separatePlanes = false;
  if (HIGH_PROFILES.has(profile)) {
    chromaFormat = atMost('chroma_format_idc', bits.ue(), 3);
    if (chromaFormat === 3) separatePlanes = bits.flag();
    atMost('bit_depth_luma_minus8', bits.ue(), 6);
    atMost('bit_depth_chroma_minus8', bits.ue(), 6);
    bits.flag(); // qpprime_y_zero_transform_bypass_flag
    if (bits.flag()) skipScalingMatrices(bits, chromaFormat === 3 ? 12 : 8);
  }
  atMost('log2_max_frame_num_minus4', bits.ue(), 12);
  const pictureOrder = atMost('pic_order_cnt_type', bits.ue(), 2);
  if (pictureOrder === 0) atMost('log2_max_pic_order_cnt_lsb_minus4', bits.ue(), 12);
  else if (pictureOrder === 1) {
    bits.flag(); // delta_pic_order_always_zero_flag
    bits.ue(); // offset_for_non_ref_pic, signed
    bits.ue(); // offset_for_top_to_bottom_field, signed
    const cycle = atMost('num_ref_frames_in_pic_order_cnt_cycle', bits.ue(), 255);
    for (let i = 0; i < cycle; i++) bits.ue();
  }
  const referenceFrames = atMost('max_num_ref_frames', bits.ue(), 16);
  bits.flag(); // gaps_in_frame_num_value_allowed_flag
  // Level 6.2 ends at 139 264 macroblocks, and a side at sqrt(8 * that).
  const widthInMbs = atMost('pic_width_in_mbs_minus1', bits.ue(), 1055) + 1;
  const heightInMapUnits = atMost('pic_height_in_map_units_minus1', bits.ue(), 1055) + 1;
  const progressive = bits.flag();
  if (!progressive) bits.flag(); // mb_adaptive_frame_field_flag
  bits.flag(); // direct_8x8_inference_flag
  const fieldFactor = progressive ? 1 : 2;
  let width = widthInMbs * 16;
  let height = heightInMapUnits * 16 * fieldFactor;
  if (bits.flag()) {
    const planes = separatePlanes ? 0 : chromaFormat;
    const unitX = planes === 1 || planes === 2 ? 2 : 1;
    const unitY = (planes === 1 ? 2 : 1) * fieldFactor;
    const [left, right, top, bottom] = [bits.ue(), bits.ue(), bits.ue(), bits.ue()];
    width -= unitX * (left + right);
    height -= unitY * (top + bottom);
    if (width <= 0 || height <= 0) {
      throw new ProtocolError(
        ProtocolErrorCode.ParameterSet,
        'a picture left after cropping',
        `${width}x${height}`,
      );
    }
  }
  return { profile, compatibility, level, id, width, height, progressive, referenceFrames };
}

/** Section 7.3.2.1.1.1: only to come out behind it. */
function skipScalingMatrices(bits: BitReader, count: number): void {
  for (let list = 0; list < count; list++) {
    if (!bits.flag()) continue;
    let next = 8;
    let last = 8;
    for (let i = 0; i < (list < 6 ? 16 : 64) && next !== 0; i++) {
      next = (last + bits.se() + 256) & 0xff;
      if (next !== 0) last = next;
    }
  }
}

function atMost(name: string, value: number, most: number): number {
  if (value > most) {
    throw new ProtocolError(ProtocolErrorCode.ParameterSet, `${name} of at most ${most}`, String(value));
  }
  return value;
}

/** Bits and Exp-Golomb codes (H.264 sections 7.2 and 9.1). */
class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  flag(): boolean {
    return this.read(1) === 1;
  }

  read(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      const byte = this.#bytes[this.#at >> 3];
      if (byte === undefined) {
        throw new ProtocolError(ProtocolErrorCode.ParameterSet, 'a whole parameter set', 'its end');
      }
      value = value * 2 + ((byte >> (7 - (this.#at & 7))) & 1);
      this.#at++;
    }
    return value;
  }

  ue(): number {
    let zeros = 0;
    while (this.read(1) === 0) {
      if (++zeros > 32) {
        throw new ProtocolError(
          ProtocolErrorCode.ParameterSet,
          'an Exp-Golomb code',
          'more than 32 leading zeros',
        );
      }
    }
    return 2 ** zeros - 1 + this.read(zeros);
  }

  se(): number {
    const code = this.ue();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }
}
