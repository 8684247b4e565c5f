/** The mutants that spoil the bytes of a segment. */

const PACKET = 188;
/** Packets of a segment that are lost at its end: a frame or two. */
const LOST_PACKETS = 20;

/** Continuity counters begin at 0 with every unit instead of going on (ISO/IEC 13818-1 section 2.4.3.3). In place. */
export function countAgainPerUnit(segment: Uint8Array): void {
  const counters = new Map<number, number>();
  for (let at = 0; at < segment.length; at += PACKET) {
    const begins = (segment[at + 1]! & 0x40) !== 0;
    const pid = ((segment[at + 1]! & 0x1f) << 8) | segment[at + 2]!;
    const counter = begins ? 0 : (counters.get(pid) ?? 0);
    counters.set(pid, counter + 1);
    segment[at + 3] = (segment[at + 3]! & 0xf0) | (counter & 0x0f);
  }
}

export function withoutTail(segment: Uint8Array): Uint8Array {
  return segment.subarray(0, Math.max(PACKET, segment.length - LOST_PACKETS * PACKET));
}
