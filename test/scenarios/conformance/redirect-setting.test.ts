import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { coworkerCluster } from '../../../lab/topologies/coworker-cluster.ts';
import { localOrigin } from '../../../lab/topologies/local-origin.ts';
import { streamManager } from '../../../lab/topologies/stream-manager.ts';
import type { NodeSpec } from '../../../lab/topology.ts';
import type { CheckContext } from '../../../scenarios/check.ts';
import { rolesOf, threeRolesOf } from '../../../scenarios/conformance/redirect-setting.ts';

function clusterOf(specs: readonly NodeSpec[]): CheckContext {
  const nodes = new Map(specs.map((spec) => [spec.name, { spec }]));
  const ofRole = (role: string) => [...nodes.values()].filter(({ spec }) => spec.role === role);
  return { cluster: { nodes }, nodes: ofRole } as unknown as CheckContext;
}

function names(specs: readonly NodeSpec[], roles = rolesOf): string[] {
  const { asker, coworker, holder } = roles(clusterOf(specs));
  return [asker, coworker, holder].map(({ spec }) => spec.name);
}

describe('who asks whom for a stream, and who has it', () => {
  test('is by the order of the nodes', () => {
    assert.deepEqual(names(coworkerCluster.nodes), ['origin-1', 'origin-2', 'origin-3']);
    assert.deepEqual(names(streamManager.nodes), ['origin-1', 'stream-manager', 'origin-3']);
    assert.deepEqual(names(localOrigin.nodes), ['origin-1', 'origin-2', 'origin-2']);
  });

  test('has a third that has it wherever there is one, in whatever order a file names them', () => {
    const [first, second, third] = coworkerCluster.nodes as [NodeSpec, NodeSpec, NodeSpec];
    assert.deepEqual(names([first, third, second], threeRolesOf), ['origin-1', 'origin-2', 'origin-3']);
  });

  test('is no question where there are too few: the cluster lacks what the check needs', () => {
    assert.throws(() => names(localOrigin.nodes, threeRolesOf), { code: 'lab.absent' });
    assert.throws(() => names(coworkerCluster.nodes.slice(0, 1)), { code: 'lab.absent' });
  });
});
