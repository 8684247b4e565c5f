/** Playlists as text, in the form that SRS writes: the same tags in the same order, LF line ends. */

export interface WrittenSegment {
  readonly uri: string;
  /** Seconds; three decimals are written. */
  readonly duration: number;
  readonly discontinuity?: boolean;
}

export interface WrittenMediaPlaylist {
  /** Default 3: durations have decimals. */
  readonly version?: number;
  /** Seconds, an integer. `targetDurationOf` gives what SRS writes. */
  readonly targetDuration: number;
  /** Of the first segment. */
  readonly mediaSequence: number;
  /** Written only when given. SRS never writes it, though a removed EXT-X-DISCONTINUITY makes it due. */
  readonly discontinuitySequence?: number;
  readonly segments: readonly WrittenSegment[];
  /** Nothing will follow. Default false; SRS never writes it. */
  readonly endList?: boolean;
}

/** The ceiling of the longest segment, and at least of the configured fragment. Seconds. */
export function targetDurationOf(
  segments: readonly { readonly duration: number }[],
  fragment: number,
): number {
  return Math.ceil(segments.reduce((longest, { duration }) => Math.max(longest, duration), fragment));
}

/** @throws RangeError when a number cannot be written, or a URI would break out of its line */
export function writeMediaPlaylist(playlist: WrittenMediaPlaylist): string {
  let text = `#EXTM3U\n#EXT-X-VERSION:${whole(playlist.version ?? 3)}\n#EXT-X-MEDIA-SEQUENCE:${whole(playlist.mediaSequence)}\n`;
  if (playlist.discontinuitySequence !== undefined) {
    text += `#EXT-X-DISCONTINUITY-SEQUENCE:${whole(playlist.discontinuitySequence)}\n`;
  }
  text += `#EXT-X-TARGETDURATION:${whole(playlist.targetDuration)}\n`;
  for (const { uri, duration, discontinuity } of playlist.segments) {
    if (discontinuity) text += '#EXT-X-DISCONTINUITY\n';
    text += `#EXTINF:${seconds(duration)}, no desc\n${uriLine(uri)}\n`;
  }
  return playlist.endList ? `${text}#EXT-X-ENDLIST\n` : text;
}

export interface WrittenVariant {
  readonly uri: string;
  /** Bits per second. */
  readonly bandwidth: number;
  readonly averageBandwidth?: number;
  readonly codecs?: string;
  readonly resolution?: { readonly width: number; readonly height: number };
}

/**
 * A master playlist. SRS's own, which opens a session, has one variant with both bandwidths 1.
 * @throws RangeError when a number cannot be written, or a string would break out of its place
 */
export function writeMasterPlaylist(playlist: { readonly variants: readonly WrittenVariant[] }): string {
  let text = '#EXTM3U\n';
  for (const { uri, bandwidth, averageBandwidth, codecs, resolution } of playlist.variants) {
    text += `#EXT-X-STREAM-INF:BANDWIDTH=${whole(bandwidth)}`;
    if (averageBandwidth !== undefined) text += `,AVERAGE-BANDWIDTH=${whole(averageBandwidth)}`;
    if (codecs !== undefined) text += `,CODECS="${quotable(codecs)}"`;
    if (resolution) text += `,RESOLUTION=${whole(resolution.width)}x${whole(resolution.height)}`;
    text += `\n${uriLine(uri)}\n`;
  }
  return text;
}

function whole(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no decimal integer`);
  return value;
}

function seconds(value: number): string {
  if (!(value >= 0 && value < 1e15)) throw new RangeError(`${value} is no duration`);
  return value.toFixed(3);
}

function quotable(text: string): string {
  if (/["\p{Cc}]/u.test(text)) throw new RangeError(`${JSON.stringify(text)} cannot be quoted`);
  return text;
}

function uriLine(uri: string): string {
  if (!/^[^#\s][^\p{Cc}]*$/u.test(uri) || uri !== uri.trimEnd()) {
    throw new RangeError(`${JSON.stringify(uri)} is no line with a URI`);
  }
  return uri;
}
