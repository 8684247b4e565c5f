/**
 * HLS through a proxy: a segment's URL need not name its stream, and segments of two origins that have the same name
 * are not the same. So every URL in a playlist gets `spbhid` (facts/srs.md 4.3), which here says the stream itself:
 * any proxy understands it, with or without shared state.
 */
export const STREAM_QUERY = 'spbhid';

/** Long enough for the longest stream URL. */
const MAX_ID = 2048;

/** The playlist with the stream in each of its URLs, but for those at other hosts. */
export function linkPlaylist(playlist: string, streamUrl: string): string {
  const id = Buffer.from(streamUrl).toString('base64url');
  return playlist
    .split('\n')
    .map((line) => {
      const bare = line.trimEnd();
      if (bare === '') return line;
      if (!bare.startsWith('#')) return linked(bare, id) + line.slice(bare.length);
      return line.replace(
        /(\bURI=")([^"]*)"/,
        (_, start: string, uri: string) => `${start}${linked(uri, id)}"`,
      );
    })
    .join('\n');
}

/** The stream that a request says by `spbhid`, and its target as the origin wrote it. */
export function readLink(
  target: string,
): { readonly streamUrl: string; readonly target: string } | undefined {
  const match = /[?&]spbhid=([A-Za-z0-9_-]+)(&|$)/.exec(target);
  if (!match || match[1]!.length > MAX_ID) return undefined;
  const streamUrl = Buffer.from(match[1]!, 'base64url').toString();
  if (!/^[^/]+\/.+\/[^/]+$/.test(streamUrl)) return undefined;
  const before = target.slice(0, match.index);
  const after = target.slice(match.index + match[0].length);
  const separator = after === '' ? '' : match[0].startsWith('?') ? '?' : '&';
  return { streamUrl, target: `${before}${separator}${after}` };
}

function linked(uri: string, id: string): string {
  if (uri === '' || /^([a-z][a-z0-9+.-]*:|\/\/)/i.test(uri)) return uri;
  const [, path, fragment] = /^([^#]*)(.*)$/.exec(uri)!;
  return `${path}${path!.includes('?') ? '&' : '?'}${STREAM_QUERY}=${id}${fragment}`;
}
