import type { EntryProtocol, EntrySpec, NodeSpec, Topology } from '../topology.ts';

const PROXIES = ['proxy-1', 'proxy-2'] as const;
const ORIGINS = ['origin-1', 'origin-2', 'origin-3'] as const;

/** HAProxy has no UDP. WebRTC's signalling is HTTP; its media goes to the proxy that the answer names. */
const BALANCED_PUBLISHED: readonly EntryProtocol[] = ['rtmp', 'webrtc'];
const BALANCED_PLAYED: readonly EntryProtocol[] = ['rtmp', 'flv', 'hls', 'webrtc'];
const PUBLISHED: readonly EntryProtocol[] = ['rtmp', 'srt', 'webrtc'];
const PLAYED: readonly EntryProtocol[] = ['rtmp', 'flv', 'hls', 'srt', 'webrtc'];

const proxies: readonly NodeSpec[] = PROXIES.map((name) => ({
  name,
  role: 'proxy',
  upstreams: ORIGINS,
  redis: 'redis',
}));
const origins: readonly NodeSpec[] = ORIGINS.map((name) => ({
  name,
  role: 'origin',
  upstreams: [],
  hls: true,
  srt: true,
  rtc: true,
  registersWith: 'balancer',
}));

function entries(node: string, use: EntrySpec['use'], protocols: readonly EntryProtocol[]): EntrySpec[] {
  return protocols.map((protocol) => ({ node, protocol, use }));
}

/**
 * HAProxy in front of two proxies that share their state in a Redis; three origins that register through it; an edge in
 * front of it. The first entry of a use and protocol is the usual one: everything through HAProxy, but SRT, which is
 * UDP, through the first proxy.
 */
export const proxyRedis: Topology = {
  name: 'proxy-redis',
  title: 'SRS origin cluster: HAProxy, two proxies that share a Redis, three origins, an edge in front',
  source: 'seeds/001-origin-cluster-with-proxy.txt, Design',
  nodes: [
    { name: 'redis', role: 'redis', upstreams: [] },
    ...proxies,
    { name: 'balancer', role: 'balancer', upstreams: PROXIES },
    ...origins,
    { name: 'edge-1', role: 'edge', upstreams: ['balancer'] },
  ],
  entries: [
    ...entries('balancer', 'publish', BALANCED_PUBLISHED),
    ...[...PROXIES, ...ORIGINS].flatMap((node) => entries(node, 'publish', PUBLISHED)),
    ...entries('edge-1', 'publish', ['rtmp']),
    ...entries('balancer', 'play', BALANCED_PLAYED),
    ...PROXIES.flatMap((node) => entries(node, 'play', PLAYED)),
    ...entries('edge-1', 'play', ['rtmp', 'flv']),
    ...ORIGINS.flatMap((node) => entries(node, 'play', PLAYED)),
    ...['balancer', ...PROXIES, ...ORIGINS, 'edge-1'].flatMap((node) => entries(node, 'observe', ['api'])),
  ],
};
