/** NAL units (H.264 sections 7.3.1 and 7.4.1). */

/** nal_unit_type. */
export const NalType = {
  nonIdrSlice: 1,
  slicePartitionA: 2,
  slicePartitionB: 3,
  slicePartitionC: 4,
  idrSlice: 5,
  sei: 6,
  sps: 7,
  pps: 8,
  accessUnitDelimiter: 9,
  endOfSequence: 10,
  endOfStream: 11,
  filler: 12,
  spsExtension: 13,
  prefix: 14,
  subsetSps: 15,
} as const;
export type NalType = (typeof NalType)[keyof typeof NalType];

export function nalType(firstByte: number): number {
  return firstByte & 0x1f;
}

/** Whether it carries coded picture data of the base layer (types 1 to 5). */
export function isSlice(type: number): boolean {
  return type >= NalType.nonIdrSlice && type <= NalType.idrSlice;
}

/** The RBSP: the bytes after the NAL header without emulation prevention bytes (section 7.4.1.1). */
export function unescapeRbsp(nal: Uint8Array): Uint8Array {
  const rbsp = new Uint8Array(Math.max(0, nal.length - 1));
  let length = 0;
  let zeros = 0;
  for (let i = 1; i < nal.length; i++) {
    const byte = nal[i]!;
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    rbsp[length++] = byte;
  }
  return rbsp.subarray(0, length);
}
