import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import type { NodeApi } from '../../../lab/cluster.ts';
import { ExternalNode } from '../../../lab/runners/external-node.ts';
import { topologyByName } from '../../../lab/topologies/index.ts';

const SILENT: NodeApi = {
  versions: () => Promise.reject(new Error('no answer')),
  clients: () => Promise.reject(new Error('no answer')),
  streams: () => Promise.reject(new Error('no answer')),
  kick: () => Promise.reject(new Error('no answer')),
};

function silentNode(pid: () => number): ExternalNode {
  const spec = topologyByName('edge-cluster').nodes.find(({ name }) => name === 'origin')!;
  return new ExternalNode({
    spec,
    engine: 'srs',
    host: '127.0.0.1',
    ports: { rtmp: 1, http: 1, api: 1 },
    addresses: [],
    logFile: '',
    api: SILENT,
    controls: {},
    whyNot: () => '',
    pid,
  });
}

test('a node that does not answer has not ended while its process is there; without a process to look at it has', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const node = silentNode(() => child.pid!);
  assert.equal(await node.ended(60), false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(await node.ended(0), true);
  assert.equal(await silentNode(() => 0).ended(0), true);
});
