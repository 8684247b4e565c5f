/** FLV files and streams as bytes (Adobe FLV v10.1, E.2 to E.4.1). */
import type { MediaType } from '../media.ts';

export const TAG_HEADER_SIZE = 11;
/** What a tag costs beside its body: header and PreviousTagSize. */
export const TAG_OVERHEAD = TAG_HEADER_SIZE + 4;

/** File header with PreviousTagSize0. `audio` and `video` are TypeFlagsAudio and TypeFlagsVideo. */
export function flvHeader(flags: { audio: boolean; video: boolean }): Uint8Array {
  const typeFlags = (flags.audio ? 4 : 0) | (flags.video ? 1 : 0);
  return Uint8Array.of(0x46, 0x4c, 0x56, 1, typeFlags, 0, 0, 0, 9, 0, 0, 0, 0);
}

/**
 * Writes the 11 bytes before a body.
 * @param timestamp milliseconds; the low 32 bits are sent.
 * @returns the offset after them.
 */
export function writeTagHeader(
  target: Uint8Array,
  at: number,
  type: MediaType,
  timestamp: number,
  bodyLength: number,
): number {
  target[at] = type;
  target[at + 1] = bodyLength >>> 16;
  target[at + 2] = bodyLength >>> 8;
  target[at + 3] = bodyLength;
  target[at + 4] = timestamp >>> 16;
  target[at + 5] = timestamp >>> 8;
  target[at + 6] = timestamp;
  target[at + 7] = timestamp >>> 24;
  target[at + 8] = 0;
  target[at + 9] = 0;
  target[at + 10] = 0;
  return at + TAG_HEADER_SIZE;
}

/** Writes the PreviousTagSize that follows a body of this length. Returns the offset after it. */
export function writePreviousTagSize(target: Uint8Array, at: number, bodyLength: number): number {
  const size = TAG_HEADER_SIZE + bodyLength;
  target[at] = size >>> 24;
  target[at + 1] = size >>> 16;
  target[at + 2] = size >>> 8;
  target[at + 3] = size;
  return at + 4;
}

/** The 11 bytes before a body, for callers that send the body without copying it. */
export function encodeTagHeader(type: MediaType, timestamp: number, bodyLength: number): Uint8Array {
  const header = new Uint8Array(TAG_HEADER_SIZE);
  writeTagHeader(header, 0, type, timestamp, bodyLength);
  return header;
}

/** The 4 bytes after a body, for callers that send the body without copying it. */
export function encodePreviousTagSize(bodyLength: number): Uint8Array {
  const size = new Uint8Array(4);
  writePreviousTagSize(size, 0, bodyLength);
  return size;
}

/** One whole tag with the PreviousTagSize after it. */
export function encodeTag(type: MediaType, timestamp: number, body: Uint8Array): Uint8Array {
  const tag = new Uint8Array(TAG_OVERHEAD + body.length);
  const at = writeTagHeader(tag, 0, type, timestamp, body.length);
  tag.set(body, at);
  writePreviousTagSize(tag, at + body.length, body.length);
  return tag;
}
