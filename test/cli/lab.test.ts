import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { noteOnHls } from '../../cli/lab-words.ts';
import { labDown } from '../../lab/daemon.ts';
import { type LabState, livingProcesses, StateFile } from '../../lab/daemon-state.ts';
import { TOPOLOGIES } from '../../lab/topologies/index.ts';
import { startArgs } from '../../runtime/entry.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-lab-'));
});

afterEach(async () => {
  await labDown(directory);
  rmSync(directory, { recursive: true });
});

// A lab is nobody's child: whoever interrupts the tests would keep it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await labDown(directory);
    rmSync(directory, { recursive: true, force: true });
    process.exit(1);
  });
}

function launch(...args: string[]): ChildProcess {
  const env = { ...process.env };
  delete env.SRS_BIN;
  return spawn(process.execPath, [...startArgs('cli/main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function outcome(child: ChildProcess): Promise<Outcome> {
  const output = { stdout: '', stderr: '' };
  child.stdout!.on('data', (bytes) => {
    output.stdout += bytes;
  });
  child.stderr!.on('data', (bytes) => {
    output.stderr += bytes;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

function liveproof(...args: string[]): Promise<Outcome> {
  return outcome(launch(...args));
}

function lab(verb: string, ...args: string[]): Promise<Outcome> {
  return liveproof('lab', verb, '--dir', directory, ...args);
}

function state(): LabState {
  const found = new StateFile(directory).read();
  assert.ok(found !== undefined, 'there is no state file');
  return found;
}

/** Resolves when a lab that is coming up has started a node. */
async function firstNode(): Promise<LabState> {
  const file = new StateFile(directory);
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; await delay(5)) {
    const found = file.read();
    if (found !== undefined && found.processes.length > 0) return found;
  }
  throw new Error('no node was started within 10 s');
}

async function nothingLeft(of: LabState, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (livingProcesses(of).length > 0) {
    assert.ok(performance.now() < deadline, `still there: ${JSON.stringify(livingProcesses(of))}`);
    await delay(10);
  }
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
      .on('error', reject);
  });
}

describe('lab', () => {
  it('comes up, stays up, refuses to start twice, shows itself, goes down, and does so again', async () => {
    const up = await lab('up', '--runner', 'process');
    assert.equal(up.code, 0, up.stderr);
    assert.match(up.stderr, /^ready: origin \(\d+ ms\)$/m);
    assert.match(up.stdout, /rtmp:\/\/127\.0\.0\.1:\d+\/live\/livestream$/m);
    assert.match(up.stdout, /http:\/\/127\.0\.0\.1:\d+\/live\/livestream\.flv$/m);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no escape sequence belongs into a pipe
    assert.doesNotMatch(up.stdout + up.stderr, /\u001b/);
    const before = state();
    assert.equal(livingProcesses(before).length, 8);
    const api = /http:\S+\/api\/v1\/versions/.exec(up.stdout)?.[0];
    assert.equal(await statusOf(api!), 200);

    const again = await lab('up', '--runner', 'process');
    assert.equal(again.code, 2);
    assert.match(again.stderr, /lab\.already-up/);
    assert.deepEqual(state(), before);

    const status = await lab('status');
    assert.equal(status.code, 0, status.stderr);
    for (const node of before.processes) {
      assert.match(status.stdout, new RegExp(`^${node.node} .* ${node.pid} +ready .* 0$`, 'm'));
    }
    const json = JSON.parse((await lab('status', '--json')).stdout) as { whole: boolean; nodes: unknown[] };
    assert.equal(json.whole, true);
    assert.equal(json.nodes.length, 7);

    const down = await lab('down');
    assert.deepEqual([down.code, down.stdout], [0, 'down\n']);
    assert.equal(livingProcesses(before).length, 0);
    assert.ok(!existsSync(path.join(directory, 'state.json')));
    assert.equal((await lab('status')).code, 3);
    const downAgain = await lab('down');
    assert.deepEqual([downAgain.code, downAgain.stdout], [0, 'no lab is up\n']);
  });

  it('tells a node that is gone, and is cleared after a crash of the daemon', async () => {
    assert.equal((await lab('up', '--runner', 'process')).code, 0);
    const before = state();
    const edge = before.processes.find((candidate) => candidate.node === 'edge-1')!;
    process.kill(edge.pid, 'SIGKILL');
    const status = await lab('status');
    assert.equal(status.code, 1);
    assert.match(status.stdout, /^edge-1 .* exited /m);
    process.kill(before.daemon.pid, 'SIGKILL');
    await nothingLeft(before, 2000);
    assert.equal((await lab('status')).code, 3);
    assert.equal((await lab('down')).code, 0);
    assert.ok(!existsSync(path.join(directory, 'state.json')));
    assert.ok(readdirSync(directory).includes('origin.log'), 'the logs are kept');
  });

  it('is taken down by an interrupt while it comes up', async () => {
    const up = launch('lab', 'up', '--runner', 'process', '--dir', directory);
    const ended = outcome(up);
    const started = await firstNode();
    up.kill('SIGINT');
    const { code, stderr } = await ended;
    assert.equal(code, 130, stderr);
    assert.equal(livingProcesses(started).length, 0);
    assert.ok(!existsSync(path.join(directory, 'state.json')));
  });

  it('is taken down when its starter is killed while it comes up', async () => {
    const up = launch('lab', 'up', '--runner', 'process', '--dir', directory);
    const started = await firstNode();
    up.kill('SIGKILL');
    await nothingLeft(started, 3000);
    assert.ok(!existsSync(path.join(directory, 'state.json')));
  });

  it('has exit code 4, the node and its last lines when it does not come up', async () => {
    const result = await lab('up', '--runner', 'process', '--engine', 'srs', '--srs', '/bin/cat');
    assert.equal(result.code, 4);
    assert.match(result.stderr, /lab\.exited: (origin|edge-\d) exited \(code 1\)/);
    assert.match(result.stderr, /cat: invalid option/);
    assert.ok(!existsSync(path.join(directory, 'state.json')));
  });

  it('has exit code 2 for wrong use', async () => {
    const results = await Promise.all([
      lab('up', '--runner', 'process', '--engine', 'srs'),
      lab('up', '--runner', 'process', '--engine', 'other'),
      lab('up', '--runner', 'process', '--base-port', '99999'),
      lab('up', '--proxy', process.execPath),
      lab('sideways'),
    ]);
    for (const { code, stderr } of results) {
      assert.equal(code, 2, stderr);
      assert.notEqual(stderr, '');
    }
  });

  it('helps with examples', async () => {
    const commands = [['lab'], ['lab', 'up'], ['lab', 'down'], ['lab', 'status']];
    for (const { code, stdout } of await Promise.all(commands.map((args) => liveproof(...args, '--help')))) {
      assert.equal(code, 0);
      assert.match(stdout, /Examples:\n {2}/);
    }
  });
});

it('who brings up edges that cut HLS is told when it is there', () => {
  const noted = TOPOLOGIES.filter((topology) => noteOnHls(topology)?.includes('answered with 404'));
  assert.deepEqual(
    noted.map(({ name }) => name),
    ['forward-cluster'],
  );
});
