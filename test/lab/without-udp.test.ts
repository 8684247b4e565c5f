import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilitiesOf, lacksOf } from '../../lab/runners/capabilities.ts';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import { proxyCluster } from '../../lab/topologies/proxy-cluster.ts';
import { withoutProxiedSrt, withoutUdp } from '../../lab/topology.ts';

test('a topology without UDP has the same nodes and TCP entries, and nothing of SRT and WebRTC', () => {
  const closed = withoutUdp(edgeCluster);
  assert.deepEqual(
    closed.nodes.map(({ name }) => name),
    edgeCluster.nodes.map(({ name }) => name),
  );
  assert.ok(closed.nodes.every((node) => !('srt' in node) && !('rtc' in node)));
  const lost = [...capabilitiesOf(edgeCluster)].filter((one) => !capabilitiesOf(closed).has(one));
  assert.deepEqual(lost.sort(), ['play.srt', 'play.webrtc', 'publish.srt', 'publish.webrtc']);
});

test('a topology without SRT through proxies has none at the origins that register with them either', () => {
  const played = withoutProxiedSrt(proxyCluster);
  assert.ok(played.nodes.every((node) => !('srt' in node)));
  assert.ok(played.nodes.some((node) => node.rtc));
  const reasons = lacksOf(proxyCluster, played, 'for a reason');
  assert.deepEqual([...reasons].sort(), [
    ['play.srt', 'for a reason'],
    ['publish.srt', 'for a reason'],
  ]);
  assert.deepEqual(withoutProxiedSrt(edgeCluster), edgeCluster);
});
