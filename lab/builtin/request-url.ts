/** What a client's URL says beside app and stream, and the URL that its stream has at another node (facts/srs.md 1.3, 2). */
import { isIPv4 } from 'node:net';

export const DEFAULT_VHOST = '__defaultVhost__';

export interface RequestUrl {
  /** Of tcUrl, without its port; empty when tcUrl is no URL. */
  readonly host: string;
  /** With `?` in front; empty when there is none. */
  readonly param: string;
}

/** @param names app and stream as asked for: one of them may have the query. */
export function requestUrl(tcUrl: string, ...names: readonly string[]): RequestUrl {
  const host = /^[a-z]+:\/\/(\[[^\]]*\]|[^/:?#]*)/i.exec(tcUrl)?.[1] ?? '';
  const queries = names.map(queryOf).filter((query) => query !== '');
  return { host: host.replace(/^\[|\]$/g, ''), param: queries.length > 0 ? `?${queries.join('&')}` : '' };
}

/** The virtual host that is named, by the query or by the host of tcUrl. Undefined for an address. */
export function namedVhost({ host, param }: RequestUrl): string | undefined {
  const pairs = param.slice(1).split('&');
  const named = ['vhost=', 'domain=']
    .map((key) => pairs.find((pair) => pair.startsWith(key))?.slice(key.length))
    .find((value) => value !== undefined && value !== '');
  if (named !== undefined) return named === DEFAULT_VHOST ? undefined : named;
  return host === '' || isIPv4(host) || host.includes(':') ? undefined : host;
}

/** The query with the virtual host in it, when one is named: `srs_generate_stream_with_query`. */
export function paramWithVhost(url: RequestUrl): string {
  const vhost = namedVhost(url);
  if (vhost === undefined || /[?&](vhost|domain)=/.test(url.param)) return url.param;
  return `${url.param === '' ? '?' : `${url.param}&`}vhost=${vhost}`;
}

/** The query without the virtual host: an edge names that one in tcUrl. */
export function paramWithoutVhost({ param }: RequestUrl): string {
  const kept = param
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !pair.startsWith('vhost='));
  return kept.length > 0 ? `?${kept.join('&')}` : '';
}

/** Without what follows the first `?`. */
export function withoutQuery(name: string): string {
  const at = name.indexOf('?');
  return at < 0 ? name : name.slice(0, at);
}

function queryOf(name: string): string {
  const at = name.indexOf('?');
  return at < 0 ? '' : name.slice(at + 1);
}
