import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterFigures, figuresTogether } from '../../scenarios/cluster-figures.ts';
import { pretendCheck, pretendCluster } from './pretend.ts';

test('figures of several clusters of one run are one, and lose nothing', () => {
  const checks = [pretendCheck({ id: 'a/one' }), pretendCheck({ id: 'a/two' })];
  const [one, two] = [1, 2].map((nth) => {
    const { cluster, taps, nodes } = pretendCluster();
    for (let times = 0; times < nth; times += 1) taps[0]!.change('open');
    taps[1]!.bytesDown = 100 * nth;
    nodes.get('edge-2')!.usage = () => ({ rssMb: 10 * nth, cpuSeconds: nth });
    if (nth === 2) nodes.get('edge-1')!.freeze();
    return clusterFigures(cluster, checks);
  });
  const { clusters, checks: planned, nodes, links } = figuresTogether([one!, two!]);
  assert.deepEqual([clusters, planned], [2, ['a/one', 'a/two']]);
  const node = (name: string) => nodes.find((found) => found.name === name)!;
  assert.deepEqual([node('edge-1').state, node('edge-2').state], ['frozen', 'ready']);
  assert.deepEqual([node('edge-2').cpuSeconds, node('edge-2').rssMb], [3, 20]);
  assert.equal(node('edge-2').host, '127.0.0.1, 127.0.0.1');
  const tap = (from: string) => links.find((link) => link.from === from && link.to === 'origin')!.taps[0]!;
  assert.deepEqual([tap('edge-1').open, tap('edge-1').connections, tap('edge-2').bytesDown], [3, 3, 300]);
  assert.deepEqual(
    links.map(({ from, to }) => `${from}>${to}`),
    one!.links.map(({ from, to }) => `${from}>${to}`),
  );
});

test('figures of one cluster are its own; what nobody knows of one is not lost of another', () => {
  const { cluster, nodes } = pretendCluster();
  const known = clusterFigures(cluster, []);
  assert.equal(figuresTogether([known]), known);
  nodes.get('edge-1')!.state = 'exited';
  const unknown = clusterFigures(cluster, []);
  const of = (all: readonly (typeof known)[]) =>
    figuresTogether(all).nodes.find(({ name }) => name === 'edge-1')!;
  assert.deepEqual([of([known, unknown]).cpuSeconds, of([known, unknown]).state], [0, 'exited']);
  assert.deepEqual([of([unknown, unknown]).cpuSeconds, of([unknown, unknown]).rssMb], [null, null]);
});
