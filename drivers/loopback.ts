/** What "on this machine" means, for those who may load nothing else, and where a server may lead them. */

/** 127.0.0.0/8 (RFC 1122 3.2.1.3), ::1 (RFC 4291 2.5.3), localhost (RFC 6761 6.3). */
export function isLoopback(host: string): boolean {
  if (host === '::1' || /^(.+\.)?localhost$/i.test(host)) return true;
  const bytes = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1);
  return bytes?.every((byte) => Number(byte) <= 255) ?? false;
}

/** A source address of loopback reaches nobody else: whoever is led away from there goes without. */
export function sourceFor(host: string, localAddress: string | undefined): string | undefined {
  const stuck = localAddress !== undefined && isLoopback(localAddress) && !isLoopback(host);
  return stuck ? undefined : localAddress;
}

/**
 * Whether a server at `from` may lead a client to `to`, by a redirect, a playlist or the Location of a session: to itself,
 * about this machine when it is there, and to the hosts that the user named. `*.example.net` is every name below that one.
 */
export function mayLead(from: string, to: string, allowed: readonly string[] = []): boolean {
  const [origin, target] = [from.toLowerCase(), to.toLowerCase()];
  if (target === origin || (isLoopback(origin) && isLoopback(target))) return true;
  return allowed.some((host) => {
    const name = host.toLowerCase();
    return name.startsWith('*.') ? target.endsWith(name.slice(1)) : target === name;
  });
}
