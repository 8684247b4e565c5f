/** Playlists as players read them (RFC 8216 section 4, draft-pantos-hls-rfc8216bis section 4). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { defaultPlaylistLimits, type PlaylistLimits, playlistLines, tooLarge } from './lines.ts';
import { parseMaster } from './parse-master.ts';
import { parseMedia } from './parse-media.ts';
import type { Playlist } from './playlist.ts';
import { kindOf } from './tags.ts';

export type { PlaylistLimits } from './lines.ts';

/**
 * A master or a media playlist.
 *
 * As lenient as players are: a byte order mark, CRLF, trailing white space, spaces in attribute lists and URIs
 * without EXTINF (ignored) pass; `lintPlaylist` names them. A tag not known here is kept in `unknownTags`;
 * EXT-X-SKIP too, and the segments after it are numbered as if the skipped ones were there.
 * @throws ProtocolError HlsSize above a limit; HlsSignature when it does not begin with #EXTM3U or has a NUL;
 *   HlsKind when it is both master and media playlist, or neither; HlsTag for a value that cannot be read, and for
 *   a media playlist without EXT-X-TARGETDURATION or a variant without URI.
 */
export function parsePlaylist(text: string, limits: Partial<PlaylistLimits> = {}): Playlist {
  const bounds = { ...defaultPlaylistLimits, ...limits };
  if (text.length > bounds.maxLength) throw tooLarge(`at most ${bounds.maxLength} characters`, text.length);
  const body = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (!/^#EXTM3U[\t ]*(?:\r?\n|$)/.test(body)) {
    throw new ProtocolError(
      ProtocolErrorCode.HlsSignature,
      '#EXTM3U as the first line',
      JSON.stringify(body.slice(0, 40)),
    );
  }
  if (body.includes('\0')) throw new ProtocolError(ProtocolErrorCode.HlsSignature, 'lines of text', 'a NUL');

  const lines = playlistLines(body, bounds.maxLines);
  let master = false;
  let media = false;
  for (const { tag } of lines) {
    const kind = kindOf(tag);
    master ||= kind === 'master';
    media ||= kind === 'media';
  }
  if (master === media) {
    throw new ProtocolError(
      ProtocolErrorCode.HlsKind,
      'a master playlist or a media playlist',
      master ? 'tags of both' : 'tags of neither',
    );
  }
  return master ? parseMaster(lines, bounds) : parseMedia(lines, bounds);
}
