import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { labDown, labStatus } from '../../../lab/daemon.ts';
import { type LabState, StateFile } from '../../../lab/daemon-state.ts';
import { identify, type ProcessIdentity } from '../../../lab/runners/proc.ts';

let directory: string;
let sleepers: ChildProcess[];

beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-daemon-'));
  sleepers = [];
});

afterEach(() => {
  for (const sleeper of sleepers) sleeper.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

/** A process that stands for a node or a daemon. */
async function sleeper(): Promise<{ child: ChildProcess; identity: ProcessIdentity }> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  sleepers.push(child);
  await once(child, 'spawn');
  return { child, identity: identify(child.pid!)! };
}

/** A process that has been there. */
async function dead(): Promise<ProcessIdentity> {
  const { child, identity } = await sleeper();
  child.kill('SIGKILL');
  await once(child, 'exit');
  return identity;
}

function stateOf(daemon: ProcessIdentity, node: ProcessIdentity): LabState {
  return {
    schema: 'liveproof/lab@1',
    phase: 'up',
    startedAt: Date.now(),
    topology: 'edge-cluster',
    engine: 'builtin',
    daemon,
    processes: [{ node: 'origin', ...node }],
    nodes: [],
    entries: [],
  };
}

describe('the state of a lab', () => {
  it('is claimed by one of two', async () => {
    const file = new StateFile(directory);
    const { identity } = await sleeper();
    file.claim(stateOf(identity, identity));
    assert.throws(() => new StateFile(directory).claim(stateOf(identity, identity)), {
      code: 'lab.already-up',
    });
    assert.deepEqual(file.read()?.daemon, identity);
  });

  it('of which no process is left is claimed anew', async () => {
    const file = new StateFile(directory);
    const gone = await dead();
    file.claim(stateOf(gone, gone));
    assert.equal(await labStatus(directory), undefined);
    const { identity } = await sleeper();
    file.claim(stateOf(identity, identity));
    assert.deepEqual(file.read()?.daemon, identity);
  });

  it('of which a node is left is not claimed', async () => {
    const file = new StateFile(directory);
    const { identity } = await sleeper();
    file.claim(stateOf(await dead(), identity));
    assert.throws(() => file.claim(stateOf(identity, identity)), /left of a lab that crashed/);
  });

  it('that cannot be understood is an error, and is not thrown away', () => {
    const file = path.join(directory, 'state.json');
    writeFileSync(file, '{"schema":"liveproof/lab@9"}');
    assert.throws(() => new StateFile(directory).read(), { code: 'lab.unknown' });
    assert.ok(existsSync(file));
  });
});

describe('lab down', () => {
  it('kills the nodes that a crashed daemon left', async () => {
    const { child, identity } = await sleeper();
    const exited = once(child, 'exit');
    new StateFile(directory).claim(stateOf(await dead(), identity));
    assert.equal(await labDown(directory), true);
    assert.deepEqual(await exited, [null, 'SIGKILL']);
    assert.equal(new StateFile(directory).read(), undefined);
  });

  it('leaves a process alone that has the pid of a node, but began at another time', async () => {
    const { child, identity } = await sleeper();
    const former = { ...identity, startTime: String(Number(identity.startTime) - 1) };
    new StateFile(directory).claim(stateOf(former, former));
    assert.equal(await labDown(directory), false);
    assert.deepEqual(identify(child.pid!), identity);
    assert.equal(new StateFile(directory).read(), undefined);
  });

  it('is content when there is no lab', async () => {
    assert.equal(await labDown(directory), false);
  });
});
