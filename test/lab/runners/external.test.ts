import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Cluster } from '../../../lab/cluster.ts';
import { LabError } from '../../../lab/errors.ts';
import { attachExternal, type Owner } from '../../../lab/runners/external.ts';
import { parseTarget, type Target } from '../../../lab/runners/target.ts';
import { describeTarget, type Running, running } from './somebody-else.ts';

function targetOf(there: Running, changes?: (name: string) => object): Target {
  return parseTarget(describeTarget(there, changes), 'a.yaml');
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.fail('it did not reject'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof LabError, String(error));
  return error.code;
}

describe('a cluster that somebody else started', () => {
  let there: Running;
  before(async () => {
    there = await running();
  });
  after(() => there.end());

  test('has what its file gives, and says why it has no more', async () => {
    const cluster = await attachExternal({ target: targetOf(there), allowHosts: ['cdn.example.net'] });
    assert.ok(cluster.leadsTo?.includes(there.cluster.nodes.get('origin')!.host), 'to hosts of the file');
    assert.ok(cluster.leadsTo?.includes('cdn.example.net'), 'to hosts that the user named');
    assert.ok(cluster.capabilities.has('publish.rtmp') && cluster.capabilities.has('observe.pulls'));
    assert.ok(!cluster.capabilities.has('observe.upstream'));
    assert.match(cluster.lacks?.get('observe.upstream') ?? '', /without a tap/);
    assert.equal(cluster.lacks?.get('control.process'), 'the file has no controls');
    assert.equal(
      (await cluster.api('edge-1').versions()).pid,
      String(there.cluster.nodes.get('edge-1')!.pid),
    );
    assert.throws(() => cluster.api('balancer'), { code: 'lab.absent' });
    assert.throws(() => cluster.entry('play', 'srt'), { code: 'lab.absent' });
    await cluster.down();
    assert.equal(there.cluster.nodes.get('origin')!.state, 'ready');
  });

  test('is not told apart by addresses that nobody gave, or that two nodes share', async () => {
    const none = await attachExternal({
      target: targetOf(there, (name) => (name === 'edge-2' ? { addresses: [] } : {})),
    });
    assert.ok(!none.capabilities.has('observe.pulls'));
    assert.match(none.lacks?.get('observe.pulls') ?? '', /from which addresses edge-2 fetch/);
    const shared = await attachExternal({
      target: targetOf(there, (name) => (name.startsWith('edge') ? { addresses: ['127.0.0.1'] } : {})),
    });
    assert.match(
      shared.lacks?.get('observe.pulls') ?? '',
      /edge-1 and edge-2 come from the same address, 127\.0\.0\.1/,
    );
  });

  test('is left alone where nobody allowed more', async () => {
    const touched: string[] = [];
    const target = targetOf(there, () => ({ controls: { kill: ['false'], restart: ['false'] } }));
    const cluster = await attachExternal({ target });
    const edge = cluster.nodes.get('edge-1')!;
    assert.equal(cluster.lacks?.get('control.process'), '--allow-disruption was not said');
    assert.equal(cluster.protectedBy, '--allow-disruption was not said');
    for (const act of [() => edge.kill(), () => edge.restart(), () => cluster.api('origin').kick('1')]) {
      touched.push(await codeOf(act()));
    }
    assert.deepEqual(touched, ['lab.absent', 'lab.absent', 'lab.absent']);
    assert.equal(there.cluster.nodes.get('edge-1')!.state, 'ready');
  });

  test('is controlled by commands that no shell sees', async (t) => {
    const { url, end } = await controller(there.cluster);
    t.after(end);
    const target = targetOf(there, (name) => ({
      controls: {
        kill: ask(`${url}/kill/${name}?$(touch shell)`),
        restart: ask(`${url}/restart/${name}?$(touch shell)`),
        freeze: ask(`${url}/freeze/${name}?$(touch shell)`),
        thaw: ask(`${url}/thaw/${name}?$(touch shell)`),
      },
    }));
    const cluster = await attachExternal({ target, directory: there.directory, allowDisruption: true });
    assert.ok(cluster.capabilities.has('control.process'));
    const [edge, real] = [cluster.nodes.get('edge-1')!, there.cluster.nodes.get('edge-1')!];
    const before = real.pid;
    await edge.freeze();
    assert.equal(real.state, 'frozen');
    await edge.thaw();
    await edge.kill();
    assert.equal(edge.state, 'exited');
    assert.equal(real.state, 'exited');
    await edge.restart();
    assert.equal(edge.state, 'ready');
    assert.notEqual(real.pid, before);
    assert.equal(await edge.ended(0), false);
  });

  test('has its commands run where no Ctrl-C of this terminal reaches them', async () => {
    const leadsItsGroup =
      "process.exit(fs.readFileSync('/proc/self/stat', 'utf8').split(' ')[4] == process.pid ? 0 : 1)";
    const freeze = [process.execPath, '-e', leadsItsGroup];
    const target = targetOf(there, () => ({ controls: { freeze, thaw: ['true'] } }));
    const cluster = await attachExternal({ target, allowDisruption: true });
    await cluster.nodes.get('origin')!.freeze();
    await cluster.down();
  });

  test('is left with every node alive that a check killed, whichever does not come back', async (t) => {
    const { url, end } = await controller(there.cluster);
    t.after(end);
    const target = targetOf(there, (name) => ({
      controls: {
        kill: ask(`${url}/kill/${name}`),
        restart: name === 'edge-1' ? ['false'] : ask(`${url}/restart/${name}`),
      },
    }));
    const cluster = await attachExternal({ target, allowDisruption: true });
    const untouched = there.cluster.nodes.get('origin')!.pid;
    for (const name of ['edge-1', 'edge-2']) await cluster.nodes.get(name)!.kill();
    assert.equal(await codeOf(cluster.down()), 'lab.program');
    assert.equal(cluster.nodes.get('edge-2')!.state, 'ready');
    assert.equal(there.cluster.nodes.get('edge-2')!.state, 'ready');
    assert.equal(there.cluster.nodes.get('origin')!.pid, untouched);
    await there.cluster.nodes.get('edge-1')!.restart();
  });

  test('is left with every node going on that can, whichever does not', async () => {
    const target = targetOf(there, (name) => ({
      controls: { freeze: ['true'], thaw: [name === 'edge-1' ? 'false' : 'true'] },
    }));
    const cluster = await attachExternal({ target, allowDisruption: true });
    const frozen = ['origin', 'edge-1', 'edge-2'].map((name) => cluster.nodes.get(name)!);
    for (const node of frozen) await node.freeze();
    assert.equal(await codeOf(cluster.down()), 'lab.program');
    assert.deepEqual(
      frozen.map(({ state }) => state),
      ['ready', 'frozen', 'ready'],
    );
  });

  test('is taken down by who owns it, even if what a check left frozen does not go on', async () => {
    const asked: string[] = [];
    const owner: Owner = {
      readyWithinMs: 5000,
      killed: 'refuses',
      controls: () => ({ freeze: async () => {}, thaw: () => Promise.reject(new Error('it is not paused')) }),
      pid: () => 0,
      logFile: () => '',
      versions: async () => ({}),
      down: async () => {
        asked.push('down');
      },
    };
    const cluster = await attachExternal({ target: targetOf(there), allowDisruption: true, owner });
    await cluster.nodes.get('origin')!.freeze();
    await cluster.down();
    assert.deepEqual(asked, ['down']);
  });

  test('whose node was started anew behind our back has one that ended', async () => {
    const cluster = await attachExternal({ target: targetOf(there) });
    await there.cluster.nodes.get('edge-3')!.restart();
    assert.equal(await codeOf(cluster.api('edge-3').versions()), 'lab.exited');
    const edge = cluster.nodes.get('edge-3')!;
    assert.equal(await edge.ended(0), true);
    // A supervisor has brought it back: that is waited for, where nobody gave a command.
    await edge.restart();
    assert.equal(edge.state, 'ready');
  });

  test('tells which node does not answer', async () => {
    const target = targetOf(there, (name) => (name === 'edge-2' ? { ports: { rtmp: 1, api: 1 } } : {}));
    const signal = AbortSignal.abort();
    assert.equal(await codeOf(attachExternal({ target, signal })), 'lab.aborted');
  });
});

/** A command that asks for it. */
function ask(url: string): string[] {
  return [process.execPath, '-e', 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1))', url];
}

/** Does to the nodes what it is asked for: `GET /kill/edge-1`. */
async function controller(cluster: Cluster): Promise<{ url: string; end(): void }> {
  const server = createServer((request, response) => {
    const [, action = '', name = ''] = request.url!.split('?')[0]!.split('/');
    const node = cluster.nodes.get(name)!;
    void Promise.resolve(node[action as 'kill' | 'restart' | 'freeze' | 'thaw']()).then(
      () => response.end(),
      () => response.writeHead(500).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, end: () => server.close() };
}
