import type { EntryProtocol, EntrySpec, NodeSpec, Topology } from '../topology.ts';

const ORIGINS = ['origin-1', 'origin-2', 'origin-3'] as const;
const PROTOCOLS: readonly EntryProtocol[] = ['rtmp', 'flv'];

const origins: readonly NodeSpec[] = ORIGINS.map((name) => ({
  name,
  role: 'origin',
  upstreams: [],
  coworkers: ['stream-manager'],
  reportsTo: 'stream-manager',
}));

function plays(node: string): EntrySpec[] {
  return PROTOCOLS.map((protocol) => ({ node, protocol, use: 'play' }));
}

/**
 * Three origins whose only coworker is a stream manager that keeps in a Redis what they report; two edges, each of which
 * begins with another origin. The first entry of a use and protocol is the usual one: publish at one edge, play at the
 * other.
 */
export const streamManager: Topology = {
  name: 'stream-manager',
  title: 'SRS origins that redirect (RTMP 302) by what a stream manager knows, with its state in a Redis',
  source: 'seeds/002-coworker-cluster-302.txt, the stream manager',
  nodes: [
    { name: 'redis', role: 'redis', upstreams: [] },
    { name: 'stream-manager', role: 'stream-manager', upstreams: [], redis: 'redis' },
    ...origins,
    { name: 'edge-1', role: 'edge', upstreams: ORIGINS },
    { name: 'edge-2', role: 'edge', upstreams: ['origin-2', 'origin-3', 'origin-1'] },
  ],
  entries: [
    ...['edge-1', 'edge-2', ...ORIGINS].map(
      (node): EntrySpec => ({ node, protocol: 'rtmp', use: 'publish' }),
    ),
    ...['edge-2', 'edge-1', ...ORIGINS].flatMap(plays),
    ...['stream-manager', ...ORIGINS, 'edge-1', 'edge-2'].map(
      (node): EntrySpec => ({ node, protocol: 'api', use: 'observe' }),
    ),
  ],
};
