import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilitiesOf, lacksOf } from '../../lab/runners/capabilities.ts';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import { withoutUdp } from '../../lab/topology.ts';

test('a topology without UDP has the same nodes and TCP entries, and nothing of SRT and WebRTC', () => {
  const closed = withoutUdp(edgeCluster);
  assert.deepEqual(
    closed.nodes.map(({ name }) => name),
    edgeCluster.nodes.map(({ name }) => name),
  );
  assert.ok(closed.nodes.every((node) => !('srt' in node) && !('rtc' in node)));
  const lost = [...capabilitiesOf(edgeCluster)].filter((one) => !capabilitiesOf(closed).has(one));
  assert.deepEqual(lost.sort(), ['play.srt', 'play.webrtc', 'publish.srt', 'publish.webrtc']);
  assert.deepEqual(
    [...lacksOf(edgeCluster, closed, 'for a reason')].sort(),
    lost.map((capability) => [capability, 'for a reason']),
  );
});
