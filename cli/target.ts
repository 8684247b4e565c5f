/** Which URLs a command may drive: load on a machine of somebody else needs to be asked for. */

import { isIPv6 } from 'node:net';
import { Option } from 'commander';
import { isLoopback } from '../drivers/loopback.ts';
import { parseSrtUrl } from '../drivers/srt/url.ts';
import { signallingUrl } from '../drivers/webrtc/endpoint.ts';
import { ProtocolError } from '../protocols/errors.ts';
import { parseRtmpUrl } from '../protocols/rtmp/url.ts';
import { maskSecrets } from '../reports/secrets.ts';
import { printable, UsageError } from './output.ts';

/**
 * Throws UsageError for a URL whose scheme is not one of `schemes`, that cannot be parsed, or whose host is not on
 * loopback unless `allowRemote`. A name counts as remote, except localhost: what it resolves to may change.
 */
export function requireTarget(
  url: string,
  schemes: readonly string[],
  allowRemote: boolean,
  purpose: 'play' | 'publish',
): void {
  const scheme = /^([a-z]+):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined || !schemes.includes(scheme)) {
    throw new UsageError(
      `A URL of ${schemes.map((s) => `${s}://`).join(' or ')} is needed; got "${printable(maskSecrets(url))}".`,
    );
  }
  const host = hostOf(url, scheme, purpose);
  if (allowRemote || isLoopback(host)) return;
  throw new UsageError(
    `${printable(host)} is not on loopback. Many clients can take a server down: add --allow-remote if it is yours to load.`,
  );
}

/** `--allow-hosts a,b`, which may be given again. */
export function allowHostsOption(says: string): Option {
  return new Option('--allow-hosts <host,…>', `${says}; *.example.net is all below it`).argParser(
    (text: string, before: readonly string[] = []) => [...before, ...parseHosts(text)],
  );
}

/** A name, an address of IPv4, or all names below one. */
const HOST = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

/** Throws UsageError. */
export function parseHosts(text: string): string[] {
  const hosts = text.split(',').map((host) => host.trim());
  const wrong = hosts.find((host) => !HOST.test(host) && !isIPv6(host));
  if (wrong === undefined) return hosts;
  throw new UsageError(`--allow-hosts is names or addresses without a port; got "${printable(wrong)}".`);
}

/** Read by the same rules as the clients read it. */
function hostOf(url: string, scheme: string, purpose: 'play' | 'publish'): string {
  try {
    if (scheme === 'rtmp') return parseRtmpUrl(url).host;
    if (scheme === 'srt') return parseSrtUrl(url, purpose === 'play' ? 'request' : 'publish').host;
    const http = /^wh[ei]p/.test(scheme)
      ? signallingUrl(url, purpose === 'play' ? 'whep' : 'whip')
      : new URL(url);
    return http.hostname.replace(/^\[(.*)\]$/, '$1');
  } catch (error) {
    if (error instanceof ProtocolError) throw new UsageError(printable(maskSecrets(error.message)));
    if (error instanceof TypeError) throw new UsageError(`Not a URL: "${printable(maskSecrets(url))}".`);
    throw error;
  }
}
