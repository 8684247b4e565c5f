/** Source addresses for many clients towards loopback. */
import { isSrtUrl, isWebRtcUrl } from '../create.ts';

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

/** Clients of SRT and WebRTC share UDP sockets, each of which has one address, with so many neighbours. */
const CLIENTS_PER_ADDRESS = 64;

/**
 * The source address of a client among many in one process: its own over TCP, that of its neighbours over UDP. None for
 * WebRTC when media may come from elsewhere (`allowRemote`): a socket on loopback could not reach it.
 * @param index within the process, from 0 on.
 * @param numberOf a client of the process among those of all processes. Default: there is one process.
 */
export function clientSource(
  url: string,
  index: number,
  {
    numberOf = (place) => place,
    allowRemote = false,
  }: { numberOf?: (index: number) => number; allowRemote?: boolean } = {},
): string | undefined {
  const webrtc = isWebRtcUrl(url);
  if (webrtc && allowRemote) return undefined;
  const place = webrtc || isSrtUrl(url) ? Math.floor(index / CLIENTS_PER_ADDRESS) : index;
  return loopbackSource(url, numberOf(place));
}
