/** References of playlists against the URL of the playlist (RFC 3986 section 5.2): k6 has no `URL`. */

const ABSOLUTE = /^[a-z][a-z0-9+.-]*:/i;
/** Scheme with authority, path, query. A fragment names nothing that can be fetched. */
const PARTS = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)([^?#]*)(\?[^#]*)?/i;

/** @returns undefined when `base` is no URL with an authority. */
export function resolveUri(reference: string, base: string): string | undefined {
  const parts = PARTS.exec(base);
  if (parts === null) return undefined;
  const [, origin = '', path = '', query = ''] = parts;
  const wanted = reference.split('#', 1)[0]!;
  if (wanted === '') return origin + (path === '' ? '/' : path) + query;
  if (ABSOLUTE.test(wanted)) return wanted;
  if (wanted.startsWith('//')) return origin.slice(0, origin.indexOf('//')) + wanted;
  if (wanted.startsWith('?')) return origin + (path === '' ? '/' : path) + wanted;
  const [, target = '', search = ''] = /^([^?]*)(\?.*)?$/.exec(wanted)!;
  const folder = target.startsWith('/') ? '' : path.slice(0, path.lastIndexOf('/') + 1) || '/';
  return origin + withoutDots(folder + target) + search;
}

/** RFC 3986 section 5.2.4. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/');
  for (const [at, segment] of segments.entries()) {
    const last = at === segments.length - 1;
    if (segment === '..') {
      if (kept.length > 1) kept.pop();
      if (last) kept.push('');
    } else if (segment === '.') {
      if (last) kept.push('');
    } else {
      kept.push(segment);
    }
  }
  return kept.join('/');
}
