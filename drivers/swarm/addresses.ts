/** Source addresses for many clients towards loopback. */

/** Hosts per network and networks per second octet, without 0 and 255, which look like networks and broadcasts. */
const SPAN = 254;
/** The first second octet; nodes of a lab live below 127.16. */
const FIRST_SECOND_OCTET = 16;
const SECOND_OCTETS = 240;

/** Names are left out: what they mean, and in which family, the resolver says later. */
const LOOPBACK = /^[a-z]+:\/\/127(?:\.\d{1,3}){3}(?:[:/?]|$)/i;

/**
 * An address in 127.0.0.0/8 of its own for each number, so that the ports of one address do not run out. Numbers that
 * follow each other are in different /24s, which is what a balancer hashes by that looks at addresses (nginx ip_hash).
 * @returns undefined when the target is not on loopback: the system then chooses.
 */
export function loopbackSource(url: string, number: number): string | undefined {
  if (!LOOPBACK.test(url)) return undefined;
  const network = 1 + (number % SPAN);
  const host = 1 + (Math.floor(number / SPAN) % SPAN);
  const second = FIRST_SECOND_OCTET + (Math.floor(number / (SPAN * SPAN)) % SECOND_OCTETS);
  return `127.${second}.${network}.${host}`;
}
