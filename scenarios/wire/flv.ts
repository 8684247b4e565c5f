/**
 * Reads FLV as it is, mistakes included: `protocols/flv/reader.ts` stops at the first one, a check wants to tell
 * every field (FLV v10.1 Annex E.2-E.4).
 */

export interface WireFlvHeader {
  readonly signature: string;
  readonly version: number;
  readonly hasAudio: boolean;
  readonly hasVideo: boolean;
  /** The six bits that must be zero. */
  readonly reservedFlags: number;
  readonly dataOffset: number;
  readonly previousTagSize0: number;
}

export interface WireFlvTag {
  /** 8 audio, 9 video, 18 script data; only a broken file has others. */
  readonly type: number;
  /** The three upper bits of the type byte: reserved, and the filter bit. */
  readonly flags: number;
  readonly timestamp: number;
  readonly streamId: number;
  readonly dataSize: number;
  readonly body: Uint8Array;
  /** As it stands behind the tag. */
  readonly previousTagSize: number;
}

export interface WireFlv {
  readonly header: WireFlvHeader | undefined;
  /** Complete ones, with their PreviousTagSize. */
  readonly tags: readonly WireFlvTag[];
  /** What is left: the beginning of a tag. */
  readonly rest: number;
}

const HEADER_SIZE = 9;
const TAG_HEADER_SIZE = 11;
const SIZE_FIELD = 4;

/** As much as there is. */
export function walkFlv(bytes: Uint8Array): WireFlv {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.length < HEADER_SIZE + SIZE_FIELD) return { header: undefined, tags: [], rest: view.length };
  const flags = view[4]!;
  const header: WireFlvHeader = {
    signature: view.toString('latin1', 0, 3),
    version: view[3]!,
    hasAudio: (flags & 4) !== 0,
    hasVideo: (flags & 1) !== 0,
    reservedFlags: flags & ~5,
    dataOffset: view.readUInt32BE(5),
    previousTagSize0: view.readUInt32BE(HEADER_SIZE),
  };
  const tags: WireFlvTag[] = [];
  let at = HEADER_SIZE + SIZE_FIELD;
  while (at + TAG_HEADER_SIZE <= view.length) {
    const dataSize = view.readUIntBE(at + 1, 3);
    const bodyAt = at + TAG_HEADER_SIZE;
    const sizeAt = bodyAt + dataSize;
    if (sizeAt + SIZE_FIELD > view.length) break;
    tags.push({
      type: view[at]! & 0x1f,
      flags: view[at]! & 0xe0,
      timestamp: ((view[at + 7]! << 24) | view.readUIntBE(at + 4, 3)) >>> 0,
      streamId: view.readUIntBE(at + 8, 3),
      dataSize,
      body: view.subarray(bodyAt, sizeAt),
      previousTagSize: view.readUInt32BE(sizeAt),
    });
    at = sizeAt + SIZE_FIELD;
  }
  return { header, tags, rest: view.length - at };
}
