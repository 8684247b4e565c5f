/** Packet sequence numbers: 31 bits, compared across their wrap (draft-sharabayko-srt-01 section 3.1). */

export const SEQUENCE_MASK = 0x7fffffff;

/** `sequence` plus `count`, which may be negative. */
export function sequenceAdd(sequence: number, count: number): number {
  return (sequence + count) & SEQUENCE_MASK;
}

/** How many numbers `to` lies after `from`; negative when before. Right for distances below 2^30. */
export function sequenceDistance(from: number, to: number): number {
  return ((to - from) << 1) >> 1;
}

/** Message numbers have 26 bits, and 0 is none. */
export function nextMessageNumber(message: number): number {
  return message >= 0x3ffffff ? 1 : message + 1;
}
