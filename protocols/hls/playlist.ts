/** What an HLS playlist says (RFC 8216, draft-pantos-hls-rfc8216bis). Times in seconds, as in the playlist. */

export interface ByteRange {
  readonly length: number;
  /** Resolved: a range without an offset begins where the one before it on the same resource ended. */
  readonly offset: number;
}

/** Named, never fetched. */
export interface SegmentKey {
  readonly method: string;
  readonly uri: string | undefined;
  readonly iv: string | undefined;
  readonly keyFormat: string | undefined;
}

export interface PartialSegment {
  readonly uri: string;
  readonly duration: number;
  readonly independent: boolean;
  readonly gap: boolean;
  readonly byteRange: ByteRange | undefined;
}

export interface MediaSegment {
  /** Media sequence number. */
  readonly sequence: number;
  /** As written: relative to the playlist's URL. */
  readonly uri: string;
  readonly duration: number;
  readonly title: string;
  readonly discontinuity: boolean;
  /** Discontinuity sequence number. */
  readonly discontinuitySequence: number;
  readonly byteRange: ByteRange | undefined;
  readonly key: SegmentKey | undefined;
  readonly map: { readonly uri: string; readonly byteRange: ByteRange | undefined } | undefined;
  /** Epoch ms. */
  readonly programDateTime: number | undefined;
  readonly gap: boolean;
  readonly parts: readonly PartialSegment[];
}

export interface PreloadHint {
  readonly type: string;
  readonly uri: string;
  readonly byteRangeStart: number | undefined;
  readonly byteRangeLength: number | undefined;
}

/** A tag that is not known here: kept as it was written. */
export interface UnknownTag {
  readonly line: number;
  readonly text: string;
}

export interface MediaPlaylist {
  readonly kind: 'media';
  readonly version: number;
  readonly targetDuration: number;
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
  readonly playlistType: 'EVENT' | 'VOD' | undefined;
  /** EXT-X-ENDLIST: nothing will be added. */
  readonly endList: boolean;
  readonly independentSegments: boolean;
  readonly partTarget: number | undefined;
  readonly serverControl: Readonly<Record<string, string>> | undefined;
  readonly segments: readonly MediaSegment[];
  /** Parts after the last segment. */
  readonly parts: readonly PartialSegment[];
  readonly preloadHints: readonly PreloadHint[];
  readonly unknownTags: readonly UnknownTag[];
}

export interface Variant {
  readonly uri: string;
  readonly bandwidth: number;
  readonly averageBandwidth: number | undefined;
  readonly codecs: string | undefined;
  readonly resolution: { readonly width: number; readonly height: number } | undefined;
  readonly frameRate: number | undefined;
  /** All attributes, as written, unquoted. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Rendition {
  readonly type: string;
  readonly groupId: string;
  readonly name: string;
  readonly uri: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface MasterPlaylist {
  readonly kind: 'master';
  readonly version: number;
  readonly independentSegments: boolean;
  readonly variants: readonly Variant[];
  readonly renditions: readonly Rendition[];
  readonly unknownTags: readonly UnknownTag[];
}

export type Playlist = MasterPlaylist | MediaPlaylist;
