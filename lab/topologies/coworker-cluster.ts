import type { EntryProtocol, EntrySpec, NodeSpec, Topology } from '../topology.ts';

const ORIGINS = ['origin-1', 'origin-2', 'origin-3'] as const;
const PROTOCOLS: readonly EntryProtocol[] = ['rtmp', 'flv'];

const origins: readonly NodeSpec[] = ORIGINS.map((name) => ({
  name,
  role: 'origin',
  upstreams: [],
  coworkers: ORIGINS.filter((other) => other !== name),
}));

function plays(node: string): EntrySpec[] {
  return PROTOCOLS.map((protocol) => ({ node, protocol, use: 'play' }));
}

/**
 * Three origins that ask each other where a stream is, and an edge in each of two regions: `edge-1` is north, `edge-2`
 * south. Each edge begins with another origin, so that what is published in the north is not at the origin that the
 * south asks first, and a 302 comes between. The first entry of a use and protocol is the usual one: publish in the
 * north, play in the south.
 */
export const coworkerCluster: Topology = {
  name: 'coworker-cluster',
  title: 'SRS origins that redirect (RTMP 302): three coworkers, an edge in each of two regions',
  source: 'seeds/002-coworker-cluster-302.txt',
  nodes: [
    ...origins,
    { name: 'edge-1', role: 'edge', upstreams: ORIGINS },
    { name: 'edge-2', role: 'edge', upstreams: ['origin-2', 'origin-3', 'origin-1'] },
  ],
  entries: [
    ...['edge-1', 'edge-2', ...ORIGINS].map(
      (node): EntrySpec => ({ node, protocol: 'rtmp', use: 'publish' }),
    ),
    ...['edge-2', 'edge-1', ...ORIGINS].flatMap(plays),
    ...[...ORIGINS, 'edge-1', 'edge-2'].map((node): EntrySpec => ({ node, protocol: 'api', use: 'observe' })),
  ],
};
