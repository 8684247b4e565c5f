/** Which playlists tags belong to (RFC 8216 section 4.3, draft-pantos-hls-rfc8216bis section 4.4). */

const MASTER_TAGS = new Set([
  '#EXT-X-MEDIA',
  '#EXT-X-STREAM-INF',
  '#EXT-X-I-FRAME-STREAM-INF',
  '#EXT-X-SESSION-DATA',
  '#EXT-X-SESSION-KEY',
  '#EXT-X-CONTENT-STEERING',
]);

const MEDIA_TAGS = new Set([
  '#EXTINF',
  '#EXT-X-BYTERANGE',
  '#EXT-X-DISCONTINUITY',
  '#EXT-X-KEY',
  '#EXT-X-MAP',
  '#EXT-X-PROGRAM-DATE-TIME',
  '#EXT-X-GAP',
  '#EXT-X-BITRATE',
  '#EXT-X-PART',
  '#EXT-X-DATERANGE',
  '#EXT-X-TARGETDURATION',
  '#EXT-X-MEDIA-SEQUENCE',
  '#EXT-X-DISCONTINUITY-SEQUENCE',
  '#EXT-X-ENDLIST',
  '#EXT-X-PLAYLIST-TYPE',
  '#EXT-X-I-FRAMES-ONLY',
  '#EXT-X-PART-INF',
  '#EXT-X-SERVER-CONTROL',
  '#EXT-X-SKIP',
  '#EXT-X-PRELOAD-HINT',
  '#EXT-X-RENDITION-REPORT',
]);

/** The kind of playlist a tag makes a playlist; `undefined` for tags of both and unknown ones. */
export function kindOf(tag: string): 'master' | 'media' | undefined {
  if (MASTER_TAGS.has(tag)) return 'master';
  return MEDIA_TAGS.has(tag) ? 'media' : undefined;
}
