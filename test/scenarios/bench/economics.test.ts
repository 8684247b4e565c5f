import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../../../lab/cluster.ts';
import { TOPOLOGIES } from '../../../lab/topologies/index.ts';
import { frontsOf, mergersOf, sharesBetween } from '../../../scenarios/bench/economics.ts';

test('viewers come in where the origins are behind a link', () => {
  const fronts = Object.fromEntries(
    TOPOLOGIES.map((topology) => [
      topology.name,
      frontsOf({ topology, entries: topology.entries as unknown as Cluster['entries'] }).map(
        ({ node, protocol }) => `${node} ${protocol}`,
      ),
    ]),
  );
  assert.deepEqual(fronts, {
    'edge-cluster': ['balancer flv', 'cache hls', 'origin hls'],
    'forward-cluster': ['web flv'],
    'nginx-rtmp': [],
    'proxy-cluster': ['proxy flv', 'edge-1 flv'],
    'proxy-redis': ['balancer flv', 'edge-1 flv'],
    'coworker-cluster': ['edge-1 flv', 'edge-2 flv'],
    'local-origin': ['front-a flv', 'front-b flv'],
    'stream-manager': ['edge-1 flv', 'edge-2 flv'],
  });
});

test('who fetches once for all: edges, a local origin in their stead, a cache; a proxy and an origin do not', () => {
  const mergers = Object.fromEntries(
    TOPOLOGIES.flatMap((topology) =>
      frontsOf({ topology, entries: topology.entries as unknown as Cluster['entries'] }).map(({ node }) => [
        `${topology.name} ${node}`,
        mergersOf(topology, node).join(' '),
      ]),
    ),
  );
  assert.deepEqual(mergers, {
    'edge-cluster balancer': 'edge-1 edge-2 edge-3',
    'edge-cluster cache': 'cache',
    'edge-cluster origin': '',
    'forward-cluster web': 'edge-1 edge-2 edge-3 edge-4',
    'proxy-cluster proxy': '',
    'proxy-cluster edge-1': 'edge-1',
    'proxy-redis balancer': '',
    'proxy-redis edge-1': 'edge-1',
    'coworker-cluster edge-1': 'edge-1',
    'coworker-cluster edge-2': 'edge-2',
    'local-origin front-a': 'edge-a1 edge-a2 edge-a3',
    'local-origin front-b': 'local-b',
    'stream-manager edge-1': 'edge-1',
    'stream-manager edge-2': 'edge-2',
  });
});

test('a sample is what origins sent of what viewers got in a second; one without a byte is none', () => {
  const ticks = [
    { viewers: 500, origins: 400 },
    { viewers: 1500, origins: 500 },
    { viewers: 1500, origins: 600 },
    { viewers: 3500, origins: 1000 },
  ];
  assert.deepEqual(sharesBetween(ticks), [0.1, 0.2]);
  assert.deepEqual(sharesBetween([]), []);
});
