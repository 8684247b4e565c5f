/** The mutants that spoil the bytes of a segment. */
import { encodePmt, parsePmt, StreamType, TableId } from '../../../protocols/mpegts/psi.ts';

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

/** No packet carries a PCR (ISO/IEC 13818-1 section 2.4.3.5); stuffing takes its place. In place. */
export function withoutClock(segment: Uint8Array): void {
  for (let at = 0; at < segment.length; at += PACKET) {
    const hasField = (segment[at + 3]! & 0x20) !== 0 && segment[at + 4]! > 0;
    if (!hasField || (segment[at + 5]! & 0x10) === 0) continue;
    segment[at + 5]! &= ~0x10;
    segment.fill(0xff, at + 6, at + 12);
  }
}

/** Before a section: the header of its packet and pointer_field, 0. */
const SECTION_AT = 5;

/** The PMT names AAC as MPEG-1 audio. Of packets that begin with a whole PMT, as the lab writes them. In place. */
export function renameAudio(segment: Uint8Array): void {
  for (let at = 0; at < segment.length; at += PACKET) {
    const start = at + SECTION_AT;
    if ((segment[at + 1]! & 0x40) === 0 || segment[at + 4] !== 0 || segment[start] !== TableId.pmt) continue;
    const end = start + 3 + (((segment[start + 1]! & 0x0f) << 8) | segment[start + 2]!);
    const { pcrPid, streams } = parsePmt(segment, start, end);
    const renamed = streams.map(({ pid, streamType }) => ({
      pid,
      streamType: streamType === StreamType.adts ? StreamType.mpeg1Audio : streamType,
    }));
    segment.set(
      encodePmt((segment[start + 3]! << 8) | segment[start + 4]!, { pcrPid, streams: renamed }),
      start,
    );
  }
}

/** sampling_frequency_index 3: 48 kHz (ISO/IEC 13818-7 section 6.2). In place. */
export function spoilAdts(adts: Uint8Array): void {
  adts[2] = (adts[2]! & 0xc3) | (3 << 2);
}

/** In place. */
export function damageAdts(adts: Uint8Array): void {
  adts[adts.length - 1]! ^= 0x55;
}

export function withoutTail(segment: Uint8Array): Uint8Array {
  return segment.subarray(0, Math.max(PACKET, segment.length - LOST_PACKETS * PACKET));
}
