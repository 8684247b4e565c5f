import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../../../lab/cluster.ts';
import { TOPOLOGIES } from '../../../lab/topologies/index.ts';
import { frontsOf } from '../../../scenarios/bench/economics.ts';

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
    'edge-cluster': ['balancer flv', 'cache hls'],
    'forward-cluster': ['web flv'],
    'nginx-rtmp': [],
    'proxy-cluster': ['proxy flv', 'edge-1 flv'],
    'proxy-redis': ['balancer flv', 'edge-1 flv'],
    'coworker-cluster': ['edge-1 flv', 'edge-2 flv'],
    'local-origin': ['front-a flv', 'front-b flv'],
    'stream-manager': ['edge-1 flv', 'edge-2 flv'],
  });
});
