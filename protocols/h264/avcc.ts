/**
 * NAL units with a length before each, as in FLV and MP4 (ISO/IEC 14496-15 section 5.3.4.2), and the change to and
 * from Annex B.
 */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { joinAnnexB, splitAnnexB } from './annexb.ts';

/** NALUnitLength takes lengthSizeMinusOne + 1 bytes: 1, 2 or 4. */
export type LengthSize = 1 | 2 | 4;

/**
 * The NAL units of a sample, as views.
 * @throws ProtocolError NalLength for an empty unit, or one that runs past the end.
 */
export function splitAvcc(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
  lengthSize: LengthSize = 4,
): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let at = start;
  while (at < end) {
    if (end - at < lengthSize) {
      throw new ProtocolError(
        ProtocolErrorCode.NalLength,
        `a length of ${lengthSize} bytes`,
        `${end - at} bytes`,
      );
    }
    let length = 0;
    for (let i = 0; i < lengthSize; i++) length = length * 256 + bytes[at++]!;
    if (length === 0 || length > end - at) {
      throw new ProtocolError(
        ProtocolErrorCode.NalLength,
        `a NAL unit of 1 to ${end - at} bytes`,
        String(length),
      );
    }
    nals.push(bytes.subarray(at, at + length));
    at += length;
  }
  return nals;
}

/**
 * The sample made of these NAL units.
 * @throws ProtocolError NalLength for an empty unit, or one longer than the length field can say.
 */
export function joinAvcc(nals: readonly Uint8Array[], lengthSize: LengthSize = 4): Uint8Array {
  const most = 256 ** lengthSize - 1;
  let size = 0;
  for (const nal of nals) {
    if (nal.length === 0 || nal.length > most) {
      throw new ProtocolError(
        ProtocolErrorCode.NalLength,
        `a NAL unit of 1 to ${most} bytes`,
        String(nal.length),
      );
    }
    size += lengthSize + nal.length;
  }
  const sample = new Uint8Array(size);
  let at = 0;
  for (const nal of nals) {
    for (let shift = (lengthSize - 1) * 8; shift >= 0; shift -= 8) sample[at++] = nal.length >>> shift;
    sample.set(nal, at);
    at += nal.length;
  }
  return sample;
}

/** @throws ProtocolError NalLength */
export function avccToAnnexB(sample: Uint8Array, lengthSize: LengthSize = 4): Uint8Array {
  return joinAnnexB(splitAvcc(sample, 0, sample.length, lengthSize));
}

/** @throws ProtocolError NalLength */
export function annexBToAvcc(stream: Uint8Array, lengthSize: LengthSize = 4): Uint8Array {
  return joinAvcc(splitAnnexB(stream), lengthSize);
}
