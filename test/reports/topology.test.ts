import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import { forwardCluster } from '../../lab/topologies/forward-cluster.ts';
import { TOPOLOGIES } from '../../lab/topologies/index.ts';
import { proxyRedis } from '../../lab/topologies/proxy-redis.ts';
import { renderReport } from '../../reports/html/page.ts';
import { layOut, NODE_WIDTH, type Picture, ROW } from '../../reports/html/topology-layout.ts';
import { ClusterFigures } from '../../reports/results-clusters.ts';
import { pretendFigures } from './clusters.ts';
import { finding, gate } from './samples.ts';

function columns({ nodes }: Picture): Record<string, number> {
  const places = [...new Set(nodes.map(({ x }) => x))].sort((a, b) => a - b);
  return Object.fromEntries(nodes.map(({ node, x }) => [node.name, places.indexOf(x)]));
}

for (const topology of TOPOLOGIES) {
  test(`${topology.name}: every node and link has a place of its own in the picture`, async () => {
    const figures = ClusterFigures.parse(await pretendFigures(topology));
    const picture = layOut(figures);
    assert.equal(picture.nodes.length, topology.nodes.length);
    assert.equal(picture.links.length, figures.links.length);
    assert.ok(figures.links.length >= topology.nodes.flatMap(({ upstreams }) => upstreams).length);
    for (const { node, x, y, height } of picture.nodes) {
      assert.ok(
        x >= 0 && y >= 0 && x + NODE_WIDTH <= picture.width && y + height <= picture.height,
        node.name,
      );
      for (const other of picture.nodes) {
        const apart =
          other.node === node || other.x !== x || other.y >= y + height || other.y + other.height <= y;
        assert.ok(apart, `${node.name} lies on ${other.node.name}`);
      }
    }
    for (const { end } of picture.links) {
      assert.ok(end.x >= 0);
      const near = picture.links.filter(
        (other) => other.end.x === end.x && Math.abs(other.end.y - end.y) < ROW - 1,
      );
      assert.equal(near.length, 1, 'labels lie on each other');
    }
  });
}

test('media goes from left to right: from encoders to players, whoever connects', async () => {
  const {
    balancer,
    'master-1': master,
    'slave-1': slave,
    'edge-1': edge,
    web,
  } = columns(layOut(await pretendFigures(forwardCluster)));
  assert.deepEqual([balancer, master, slave, edge, web], [0, 1, 2, 3, 4]);
  const placed = columns(layOut(await pretendFigures(proxyRedis)));
  assert.deepEqual(
    ['redis', 'origin-1', 'proxy-2', 'balancer', 'edge-1'].map((name) => placed[name]),
    [0, 0, 1, 2, 3],
  );
});

test('a link says what its taps counted; where nobody counts it is a dash, not zero', async () => {
  const page = renderReport({ ...gate(), clusters: [await pretendFigures(edgeCluster)] });
  assert.match(page, /<title>edge-1 &gt; origin\nrtmp: 2 connections, 1 open, 0 B up, 1.2 MB down<\/title>/);
  assert.match(page, />1\/2 · 1.2 MB<\/text>/);
  assert.match(page, /<title>balancer &gt; edge-1\nnot counted<\/title><path [^>]*\/><text [^>]*>—</);
  assert.match(page, /<th scope="row">balancer &gt; edge-1<\/th><td>not counted<\/td>/);
});

test('names from a target file never become markup in the picture', async () => {
  const evil = `</title><script>alert(1)</script>"}\n`;
  const topology = {
    ...edgeCluster,
    name: evil,
    title: evil,
    nodes: [{ name: evil, role: 'origin', upstreams: [evil] }],
  } as const;
  const page = renderReport({ ...gate([]), clusters: [await pretendFigures({ ...topology, entries: [] })] });
  assert.doesNotMatch(page, /<script>alert/);
  assert.match(page, /&lt;\/title&gt;&lt;script&gt;alert/);
});

test('the matrix has a dash where a check is not for a cluster, and says what was to run and did not', async () => {
  const clusters = [await pretendFigures(edgeCluster, ['a/one', 'b/two'])];
  const page = renderReport({
    ...gate([
      finding({ check: 'a/one' }),
      finding({ check: 'c/three', topology: 'other' }),
      finding({ check: 'b/two', topology: 'other' }),
    ]),
    clusters,
  });
  const row = (check: string) =>
    new RegExp(`<code class="id">${check}</code></th>(.*?)</tr>`, 's')
      .exec(page)![1]!
      .match(/(?<=>)(?:not run|not for it|pass)(?=<)/g);
  assert.deepEqual(row('c/three'), ['not for it', 'pass']);
  assert.deepEqual(row('b/two'), ['not run', 'pass']);
});
