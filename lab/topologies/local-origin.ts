import type { EntryProtocol, EntrySpec, NodeSpec, Topology } from '../topology.ts';

const ORIGINS = ['origin-1', 'origin-2'] as const;
const EDGES_A = ['edge-a1', 'edge-a2', 'edge-a3'] as const;
const EDGES_B = ['edge-b1', 'edge-b2', 'edge-b3'] as const;
const MEDIA = [...ORIGINS, ...EDGES_A, 'local-b', ...EDGES_B];
const PROTOCOLS: readonly EntryProtocol[] = ['rtmp', 'flv'];

function edges(names: readonly string[], upstreams: readonly string[]): NodeSpec[] {
  return names.map((name) => ({ name, role: 'edge', upstreams }));
}

function plays(node: string): EntrySpec[] {
  return PROTOCOLS.map((protocol) => ({ node, protocol, use: 'play' }));
}

/**
 * Two hosts with three edge processes each behind an Nginx that spreads TCP connections. Those of host A fetch from the
 * two origins, each by itself; those of host B from `local-b`, which fetches from the origins. The document calls it a
 * local origin; its role is an edge: an SRS in `mode local` would not fetch at all, and with coworkers send the edges
 * away with a 302. `origin-1` speaks SRT, too, and wants no passphrase. The first entry of a use and protocol is the usual one: publish to an origin, play on host A.
 */
export const localOrigin: Topology = {
  name: 'local-origin',
  title: 'Several edge processes on a host: each fetches by itself, or all from a local origin',
  source: 'seeds/002-coworker-cluster-302.txt, the local origin',
  nodes: [
    { name: 'origin-1', role: 'origin', upstreams: [], srt: 'open', coworkers: ['origin-2'] },
    { name: 'origin-2', role: 'origin', upstreams: [], coworkers: ['origin-1'] },
    ...edges(EDGES_A, ORIGINS),
    { name: 'front-a', role: 'web', web: 'stream', upstreams: EDGES_A },
    ...edges(['local-b'], ORIGINS),
    ...edges(EDGES_B, ['local-b']),
    { name: 'front-b', role: 'web', web: 'stream', upstreams: EDGES_B },
  ],
  entries: [
    ...[...ORIGINS, 'front-a', 'front-b', ...EDGES_A, 'local-b', ...EDGES_B].map(
      (node): EntrySpec => ({ node, protocol: 'rtmp', use: 'publish' }),
    ),
    { node: 'origin-1', protocol: 'srt', use: 'publish' },
    ...['front-a', 'front-b', ...EDGES_A, ...EDGES_B, 'local-b', ...ORIGINS].flatMap(plays),
    { node: 'origin-1', protocol: 'srt', use: 'play' },
    ...MEDIA.map((node): EntrySpec => ({ node, protocol: 'api', use: 'observe' })),
  ],
};
