import type { EntrySpec, NodeSpec, Topology } from '../topology.ts';

const EDGES = ['edge-1', 'edge-2', 'edge-3'] as const;

const edges: readonly NodeSpec[] = EDGES.map((name) => ({ name, role: 'edge', upstreams: ['origin'] }));

/** RTMP and HTTP-FLV players of one node. */
function plays(node: string): EntrySpec[] {
  return [
    { node, protocol: 'rtmp', use: 'play' },
    { node, protocol: 'flv', use: 'play' },
  ];
}

/**
 * One origin, three edges, one load balancer: the origin service, edge deployment and SLB of the document. The origin
 * cuts HLS into a folder that an Nginx serves, as the document's shared volume; a second Nginx is a cache in front of
 * the origin's own HTTP server. The origin speaks SRT and
 * WebRTC (WHIP, WHEP) as well. The first entry of a use and protocol is the usual one: publish to the origin, play
 * through the balancer, HLS through the Nginx of the folder.
 */
export const edgeCluster: Topology = {
  name: 'edge-cluster',
  title: 'SRS edge cluster: one origin, three edges behind HAProxy, HLS through Nginx',
  source: 'seeds/000-edge-cluster-on-kubernetes.txt, steps 1 to 3, 5 and 6',
  nodes: [
    { name: 'origin', role: 'origin', upstreams: [], hls: true, srt: true, rtc: true },
    ...edges,
    { name: 'balancer', role: 'balancer', upstreams: EDGES },
    { name: 'web', role: 'web', web: 'files', upstreams: ['origin'] },
    { name: 'cache', role: 'web', web: 'cache', upstreams: ['origin'] },
  ],
  entries: [
    { node: 'origin', protocol: 'rtmp', use: 'publish' },
    { node: 'balancer', protocol: 'rtmp', use: 'publish' },
    ...EDGES.map((node): EntrySpec => ({ node, protocol: 'rtmp', use: 'publish' })),
    { node: 'origin', protocol: 'srt', use: 'publish' },
    { node: 'origin', protocol: 'webrtc', use: 'publish' },
    ...plays('balancer'),
    ...EDGES.flatMap(plays),
    ...plays('origin'),
    ...['web', 'cache', 'origin'].map((node): EntrySpec => ({ node, protocol: 'hls', use: 'play' })),
    { node: 'origin', protocol: 'srt', use: 'play' },
    { node: 'origin', protocol: 'webrtc', use: 'play' },
    { node: 'origin', protocol: 'api', use: 'observe' },
    ...EDGES.map((node): EntrySpec => ({ node, protocol: 'api', use: 'observe' })),
  ],
};
