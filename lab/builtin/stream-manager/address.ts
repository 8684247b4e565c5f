/** `host:port` as reports give it, and the names of streams. */

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Nobody can be sent there. */
const WILDCARDS = new Set(['0.0.0.0', '::', '*']);

const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45})$/;

/**
 * `host:port`, `[ipv6]:port`, or a port alone, whose host is `fallbackHost`; undefined for anything else.
 * @param fallbackHost who reports
 */
export function parseAddress(text: string, fallbackHost?: string): Address | undefined {
  const match = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const host = match[1] ?? match[2] ?? fallbackHost;
  const port = Number(match[3]);
  if (host === undefined || WILDCARDS.has(host) || !HOST.test(host) || port < 1 || port > 65_535)
    return undefined;
  return { host, port };
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** As a socket tells it, without the prefix of IPv4 in IPv6. */
export function peerOf(remoteAddress: string | undefined): string {
  return (remoteAddress ?? '').replace(/^::ffff:/, '');
}

export const DEFAULT_VHOST = '__defaultVhost__';

/** An empty vhost, and an IPv4 address, are the default one, as SRS has it (facts/srs.md 4.3). */
export function vhostOf(vhost: string): string {
  return vhost === '' || /^\d{1,3}(\.\d{1,3}){3}$/.test(vhost) ? DEFAULT_VHOST : vhost;
}

/**
 * By which a stream is known: `vhost/app/stream`. Without extension (facts/srs.md 3.6): an SRS edge whose first player
 * came over HTTP-FLV plays `stream.flv` upstream, and so its origin asks for that.
 */
export function streamKey(vhost: string, app: string, stream: string): string {
  return `${vhostOf(vhost)}/${app}/${stream.replace(/\.[^./]*$/, '')}`;
}

/** The parts of a key; an app may have slashes. */
export function partsOf(key: string): { vhost: string; app: string; stream: string } {
  const first = key.indexOf('/');
  const last = key.lastIndexOf('/');
  return { vhost: key.slice(0, first), app: key.slice(first + 1, last), stream: key.slice(last + 1) };
}
