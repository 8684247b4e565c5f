import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import type { NodeApi } from '../../../lab/cluster.ts';
import { type Control, ExternalNode } from '../../../lab/runners/external-node.ts';
import { topologyByName } from '../../../lab/topologies/index.ts';

const SILENT: NodeApi = {
  versions: () => Promise.reject(new Error('no answer')),
  clients: () => Promise.reject(new Error('no answer')),
  streams: () => Promise.reject(new Error('no answer')),
  kick: () => Promise.reject(new Error('no answer')),
};

function nodeOf(
  api: NodeApi,
  controls: Partial<Record<Control, () => Promise<void>>>,
  pid: () => number,
): ExternalNode {
  const spec = topologyByName('edge-cluster').nodes.find(({ name }) => name === 'origin')!;
  return new ExternalNode({
    spec,
    engine: 'srs',
    host: '127.0.0.1',
    ports: { rtmp: 1, http: 1, api: 1 },
    addresses: [],
    logFile: '',
    api,
    controls,
    whyNot: () => '',
    pid,
  });
}

function silentNode(pid: () => number): ExternalNode {
  return nodeOf(SILENT, {}, pid);
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

test('a node that is frozen is killed like any other', { timeout: 5000 }, async () => {
  let answers = true;
  const versions = async () => {
    if (!answers) throw new Error('no answer');
    return { server: 's', service: 'v', pid: '1', version: '7.0.18' };
  };
  const controls = {
    freeze: async () => {
      answers = false;
    },
    kill: async () => {},
  };
  const node = nodeOf({ ...SILENT, versions }, controls, () => 0);
  await node.meet();
  await node.freeze();
  await node.kill();
  assert.equal(node.state, 'exited');
});
