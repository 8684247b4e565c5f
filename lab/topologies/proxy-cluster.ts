import type { EntryProtocol, EntrySpec, NodeSpec, Topology } from '../topology.ts';

const ORIGINS = ['origin-1', 'origin-2', 'origin-3'] as const;

const PUBLISHED: readonly EntryProtocol[] = ['rtmp', 'srt', 'webrtc'];
const PLAYED: readonly EntryProtocol[] = ['rtmp', 'flv', 'hls', 'srt', 'webrtc'];

const origins: readonly NodeSpec[] = ORIGINS.map((name) => ({
  name,
  role: 'origin',
  upstreams: [],
  hls: true,
  srt: true,
  rtc: true,
  registersWith: 'proxy',
}));

function entries(node: string, use: EntrySpec['use'], protocols: readonly EntryProtocol[]): EntrySpec[] {
  return protocols.map((protocol) => ({ node, protocol, use }));
}

/**
 * A proxy that keeps its state in memory, three origins that register with it, and an edge in front of it. The first
 * entry of a use and protocol is the usual one: everything through the proxy.
 */
export const proxyCluster: Topology = {
  name: 'proxy-cluster',
  title: 'SRS origin cluster: a proxy, three origins that register with it, an edge in front',
  source: 'seeds/001-origin-cluster-with-proxy.txt',
  nodes: [
    { name: 'proxy', role: 'proxy', upstreams: ORIGINS },
    ...origins,
    { name: 'edge-1', role: 'edge', upstreams: ['proxy'] },
  ],
  entries: [
    ...entries('proxy', 'publish', PUBLISHED),
    ...ORIGINS.flatMap((node) => entries(node, 'publish', PUBLISHED)),
    ...entries('edge-1', 'publish', ['rtmp']),
    ...entries('proxy', 'play', PLAYED),
    ...entries('edge-1', 'play', ['rtmp', 'flv']),
    ...ORIGINS.flatMap((node) => entries(node, 'play', PLAYED)),
    ...['proxy', ...ORIGINS, 'edge-1'].flatMap((node) => entries(node, 'observe', ['api'])),
  ],
};
