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

/** Has been met; answers as long as it is told to. */
async function answeringNode(
  controls: Partial<Record<Control, () => Promise<void>>>,
): Promise<{ node: ExternalNode; answers: { now: boolean } }> {
  const answers = { now: true };
  const versions = async () => {
    if (!answers.now) throw new Error('no answer');
    return { server: 's', service: 'v', pid: '1', version: '7.0.18' };
  };
  const node = nodeOf({ ...SILENT, versions }, controls, () => 0);
  await node.meet();
  return { node, answers };
}

const fails = () => Promise.reject(new Error('time is over'));

test('a node that is frozen is killed like any other', { timeout: 5000 }, async () => {
  const { node, answers } = await answeringNode({
    freeze: async () => {
      answers.now = false;
    },
    kill: async () => {},
  });
  await node.freeze();
  await node.kill();
  assert.equal(node.state, 'exited');
});

test('a freeze that nobody waits for any more is thawed when it has happened', {
  timeout: 5000,
}, async () => {
  const done: string[] = [];
  let arrive = (): void => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const { node } = await answeringNode({
    freeze: () => arrived.then(() => void done.push('freeze')),
    thaw: async () => void done.push('thaw'),
  });
  const frozen = node.freeze();
  const thawed = node.thaw();
  arrive();
  await thawed;
  assert.deepEqual(done, ['freeze', 'thaw']);
  assert.equal(node.state, 'ready');
  await frozen;
});

test('a freeze that failed is thawed: it may have happened', { timeout: 5000 }, async () => {
  const done: string[] = [];
  const { node } = await answeringNode({ freeze: fails, thaw: async () => void done.push('thaw') });
  await assert.rejects(node.freeze(), { code: 'lab.program' });
  assert.equal(node.state, 'frozen');
  await node.thaw();
  assert.deepEqual(done, ['thaw']);
  assert.equal(node.state, 'ready');
});

test('where neither freeze nor thaw is done, the node goes on if it answers', { timeout: 5000 }, async () => {
  const { node, answers } = await answeringNode({ freeze: fails, thaw: fails });
  await assert.rejects(node.freeze());
  answers.now = false;
  await assert.rejects(node.thaw(), { code: 'lab.program' });
  assert.equal(node.state, 'frozen');
  answers.now = true;
  await node.thaw();
  assert.equal(node.state, 'ready');
});

test('a node that nobody may freeze is left alone', async () => {
  const { node } = await answeringNode({});
  await assert.rejects(node.freeze(), { code: 'lab.absent' });
  await node.thaw();
  assert.equal(node.state, 'ready');
});

test('a kill that failed may have killed: what does not answer any more is started again', async () => {
  const { node, answers } = await answeringNode({
    kill: async () => {
      answers.now = false;
      await fails();
    },
    restart: async () => {
      answers.now = true;
    },
  });
  await assert.rejects(node.kill(), { code: 'lab.program' });
  assert.equal(node.state, 'exited');
  await node.revive();
  assert.equal(node.state, 'ready');
});
