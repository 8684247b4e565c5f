/** What the proxy changes and remembers of session descriptions that pass through it (RFC 8839, RFC 8866). Pure. */
import type { Endpoint } from './load-balancer.ts';

const CANDIDATE = /^a=candidate:(\S+) ([12]) (udp) (\d+) \S+ \d+ typ \S+/i;
const GENERATION = /\sgeneration \d+/;

/**
 * Every description gets one candidate, the proxy's, in the place of its first over UDP; what else names an address or a
 * port of the origin goes: other candidates, `c=` and `m=` (RFC 8839 section 4.2.1.2), `a=rtcp`. All other lines stay as
 * they are. A description without a candidate stays without.
 */
export function withCandidate(sdp: string, { host, port }: Endpoint): string {
  const kept: string[] = [];
  let placed = false;
  for (const line of sdp.split('\n')) {
    if (line.startsWith('m=')) {
      placed = false;
      // 9 is no port (RFC 8840 section 4.1.1); 0 is no media.
      kept.push(line.replace(/^(m=\S+) (\d+)(?= )/, (all, kind, at) => (at === '0' ? all : `${kind} 9`)));
    } else if (line.startsWith('c=IN ')) kept.push(line.replace(/^c=IN \S+ [^\s/]+/, noAddress));
    else if (line.startsWith('a=rtcp:')) kept.push(line.replace(/^a=rtcp:\d+( IN \S+ [^\s/]+)?/, 'a=rtcp:9'));
    else if (line.startsWith('a=candidate:')) {
      const match = CANDIDATE.exec(line);
      if (!match || placed) continue;
      placed = true;
      const [, foundation, component, transport, priority] = match;
      const where = `${foundation} ${component} ${transport} ${priority} ${host} ${port} typ host`;
      const end = line.endsWith('\r') ? '\r' : '';
      kept.push(`a=candidate:${where}${GENERATION.exec(line)?.[0] ?? ''}${end}`);
    } else kept.push(line);
  }
  return kept.join('\n');
}

function noAddress(line: string): string {
  return line.startsWith('c=IN IP6') ? 'c=IN IP6 ::' : 'c=IN IP4 0.0.0.0';
}

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** The first of a description: all media of WHIP and WHEP are in one bundle. Undefined when there are none. */
export function iceOf(sdp: string): IceCredentials | undefined {
  const ufrag = /^a=ice-ufrag:([A-Za-z0-9+/]{4,256})\r?$/m.exec(sdp)?.[1];
  const pwd = /^a=ice-pwd:([A-Za-z0-9+/]{22,256})\r?$/m.exec(sdp)?.[1];
  return ufrag === undefined || pwd === undefined ? undefined : { ufrag, pwd };
}

/** Answers, and what trickle ICE is answered with (RFC 9725 section 4.3.1, RFC 8840). */
export function isDescription(contentType: string | undefined): boolean {
  const type = (contentType ?? '').split(';')[0]!.trim().toLowerCase();
  return type === 'application/sdp' || type === 'application/trickle-ice-sdpfrag';
}
