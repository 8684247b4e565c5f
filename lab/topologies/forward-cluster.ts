import type { EntryProtocol, EntrySpec, NodeSpec, Topology } from '../topology.ts';

const MASTERS = ['master-1', 'master-2'] as const;
const SLAVES = ['slave-1', 'slave-2', 'slave-3', 'slave-4'] as const;
const EDGES = ['edge-1', 'edge-2', 'edge-3', 'edge-4'] as const;
const ORIGINS = [...MASTERS, ...SLAVES];

const masters: readonly NodeSpec[] = MASTERS.map((name) => ({ name, role: 'master', upstreams: SLAVES }));
const slaves: readonly NodeSpec[] = SLAVES.map((name) => ({ name, role: 'slave', upstreams: [] }));
const edges: readonly NodeSpec[] = EDGES.map((name) => ({
  name,
  role: 'edge',
  upstreams: ORIGINS,
  hls: true,
}));

function plays(node: string, protocols: readonly EntryProtocol[]): EntrySpec[] {
  return protocols.map((protocol) => ({ node, protocol, use: 'play' }));
}

/**
 * HAProxy in front of two masters, each of which forwards to four slaves; four edges that fetch from all six and cut
 * HLS; Nginx in front of the edges. The first entry of a use and protocol is the usual one: publish through HAProxy,
 * play HTTP-FLV and HLS through Nginx. RTMP is played from the edges: the document has no RTMP balancer in front of
 * them.
 */
export const forwardCluster: Topology = {
  name: 'forward-cluster',
  title: 'SRS forward cluster: HAProxy, two masters, four slaves, four edges, Nginx',
  source: 'seeds/003-forward-cluster-haproxy-nginx.txt',
  nodes: [
    ...masters,
    ...slaves,
    ...edges,
    { name: 'balancer', role: 'balancer', upstreams: MASTERS },
    { name: 'web', role: 'web', web: 'balancer', upstreams: EDGES },
  ],
  entries: [
    { node: 'balancer', protocol: 'rtmp', use: 'publish' },
    ...MASTERS.map((node): EntrySpec => ({ node, protocol: 'rtmp', use: 'publish' })),
    ...plays('web', ['flv', 'hls']),
    ...EDGES.flatMap((node) => plays(node, ['rtmp', 'flv', 'hls'])),
    ...ORIGINS.flatMap((node) => plays(node, ['rtmp', 'flv'])),
    ...[...ORIGINS, ...EDGES].map((node): EntrySpec => ({ node, protocol: 'api', use: 'observe' })),
  ],
};
