/** The lines of a playlist, and how many there may be (RFC 8216 section 4.1). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

export interface PlaylistLimits {
  /** Longest text in UTF-16 units; nothing of a longer one is looked at. Default 1 MiB. */
  maxLength: number;
  /** Default 100000. */
  maxLines: number;
  /** Media segments, and partial segments, and variants and renditions: each so many. Default 50000. */
  maxSegments: number;
}

export const defaultPlaylistLimits: PlaylistLimits = {
  maxLength: 1024 * 1024,
  maxLines: 100_000,
  maxSegments: 50_000,
};

/** One line that says something: a tag or a URI. */
export interface PlaylistLine {
  /** From 1. */
  readonly number: number;
  /** Without white space at its end. */
  readonly text: string;
  /** `#EXT…` up to its colon; '' for a URI. */
  readonly tag: string;
  /** What follows the colon; the URI. */
  readonly value: string;
}

/** @throws ProtocolError HlsSize */
export function playlistLines(text: string, maxLines: number): PlaylistLine[] {
  const written = text.split('\n', maxLines + 1);
  if (written.length > maxLines) throw tooLarge(`at most ${maxLines} lines`, 'more');
  const lines: PlaylistLine[] = [];
  for (const [index, line] of written.entries()) {
    const trimmed = line.trimEnd();
    const number = index + 1;
    if (trimmed === '') continue;
    if (trimmed[0] !== '#') lines.push({ number, text: trimmed, tag: '', value: trimmed });
    else if (trimmed.startsWith('#EXT')) {
      const colon = trimmed.indexOf(':');
      lines.push({
        number,
        text: trimmed,
        tag: colon < 0 ? trimmed : trimmed.slice(0, colon),
        value: colon < 0 ? '' : trimmed.slice(colon + 1),
      });
    }
  }
  return lines;
}

/** More of something than the limit. */
export function tooLarge(expected: string, actual: string | number): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.HlsSize, expected, String(actual));
}
