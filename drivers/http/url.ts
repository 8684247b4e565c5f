/** HTTP URLs as clients use them. */
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import type { Target } from '../socket.ts';

/** Statuses that send a client elsewhere with the same method or with GET (RFC 9110 section 15.4). */
export const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** @throws ProtocolError Url */
export function parseHttpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    throw new ProtocolError(ProtocolErrorCode.Url, 'an http:// or https:// URL', JSON.stringify(text));
  }
  return url;
}

export function targetOf(url: URL): Target {
  const tls = url.protocol === 'https:';
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (tls ? 443 : 80) : Number(url.port),
    tls,
  };
}

/** RFC 3986 section 5; undefined when that is not HTTP. */
export function resolveHttpUrl(uri: string, base: URL): URL | undefined {
  if (!URL.canParse(uri, base.href)) return undefined;
  const url = new URL(uri, base);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined;
}
