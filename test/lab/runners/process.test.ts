import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Cluster, TapEvent } from '../../../lab/cluster.ts';
import { LabError, type LabErrorCode } from '../../../lab/errors.ts';
import { identify, type ProcessIdentity, readIdentified, readProcess } from '../../../lab/runners/proc.ts';
import { type StartOptions, startCluster } from '../../../lab/runners/process.ts';
import { edgeCluster } from '../../../lab/topologies/edge-cluster.ts';

const EDGES = ['edge-1', 'edge-2', 'edge-3'];
const runDirs: string[] = [];

function runDir(): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-cluster-'));
  runDirs.push(directory);
  return directory;
}

after(() => {
  for (const directory of runDirs) rmSync(directory, { recursive: true, force: true });
});

function start(options: Partial<StartOptions> = {}): Promise<Cluster> {
  return startCluster({ topology: edgeCluster, engine: 'builtin', runDir: runDir(), ...options });
}

/** Looks at /proc until none of them lives. */
async function allGone(identities: readonly ProcessIdentity[], withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const left = identities.filter((identity) => readIdentified(identity) !== undefined);
    if (left.length === 0) return;
    assert.ok(
      performance.now() < deadline,
      `still there after ${withinMs} ms: ${left.map(({ pid }) => pid)}`,
    );
    await delay(10);
  }
}

async function failure(attempt: Promise<Cluster>, code: LabErrorCode): Promise<LabError> {
  const error = await attempt.then(
    async (cluster) => {
      await cluster.down();
      return undefined;
    },
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof LabError, `expected a LabError, got ${error}`);
  assert.equal(error.code, code);
  return error;
}

/** A player of HTTP-FLV of which nothing but its connection matters. */
async function knock(url: string): Promise<net.Socket> {
  const { hostname, port, pathname } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  socket.resume();
  return socket;
}

function tapEvent(cluster: Cluster, type: TapEvent['type']): Promise<TapEvent> {
  return new Promise((resolve) => {
    for (const tap of cluster.taps) {
      const end = tap.subscribe((event) => {
        if (event.type !== type) return;
        end();
        resolve(event);
      });
    }
  });
}

describe('a cluster of builtin nodes', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await start();
  });
  after(() => cluster.down());

  it('has every node as a process of its own that answers for itself', async () => {
    const pids = [...cluster.nodes.values()].map((node) => node.pid);
    assert.equal(new Set(pids).size, edgeCluster.nodes.length);
    for (const name of ['origin', ...EDGES]) {
      const node = cluster.nodes.get(name)!;
      assert.equal(node.state, 'ready');
      assert.equal((await cluster.api(name).versions()).pid, String(node.pid));
      assert.ok(node.usage().rssMb > 1);
      assert.ok(existsSync(node.logFile));
    }
  });

  it('has every node out of reach of a Ctrl-C that is meant for its starter', () => {
    for (const { pid } of cluster.nodes.values()) {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
      assert.equal(group, pid);
    }
  });

  it('has everything on loopback, every node of the media on an address of its own', () => {
    const nodes = [...cluster.nodes.values()];
    assert.ok(nodes.every((node) => node.host.startsWith('127.')));
    assert.equal(new Set(nodes.map((node) => node.host)).size, nodes.length);
    for (const entry of cluster.entries)
      assert.match(entry.url('live', 's'), /^(rtmp|http|srt|whip|whep):\/\/127\./);
  });

  it('names entries, and says when there is none', () => {
    assert.equal(cluster.entry('publish', 'rtmp').node, 'origin');
    assert.equal(cluster.entry('play', 'flv').node, 'balancer');
    assert.match(cluster.entry('play', 'flv', 'edge-2').url('live', 'a'), /^http:\/\/.*\/live\/a\.flv$/);
    assert.throws(() => cluster.entry('observe', 'api', 'balancer'), { code: 'lab.unknown' });
    assert.throws(() => cluster.api('nobody'), { code: 'lab.unknown' });
  });

  it('fetches through the tap of the edge, from the address of the edge', async () => {
    const opened = tapEvent(cluster, 'open');
    const player = await knock(cluster.entry('play', 'flv').url('live', 'nobody-publishes-this'));
    const { tap } = await opened;
    const edge = cluster.nodes.get(tap.replace('>origin', ''))!;
    const released = tapEvent(cluster, 'close');
    const ips = await until(async () => {
      const clients = await cluster.api('origin').clients();
      const pulls = clients.filter((client) => !client.publish && client.name.startsWith('nobody'));
      return pulls.length > 0 ? pulls.map((client) => client.ip) : undefined;
    });
    assert.deepEqual(ips, [edge.host]);
    player.destroy();
    assert.equal((await released).tap, tap);
  });

  it('kills: the process is gone, nobody answers; restarts on the same ports with another pid', async () => {
    const edge = cluster.nodes.get('edge-1')!;
    const { ports } = edge;
    const identity = identify(edge.pid)!;
    assert.equal(await edge.ended(1), false);
    const ended = edge.ended(5000);
    await edge.kill();
    assert.equal(await ended, true);
    assert.equal(edge.state, 'exited');
    assert.equal(readIdentified(identity), undefined);
    await assert.rejects(cluster.api('edge-1').versions(), { code: 'lab.api' });
    await edge.restart();
    assert.equal(edge.state, 'ready');
    assert.deepEqual(edge.ports, ports);
    assert.notEqual(edge.pid, identity.pid);
    assert.equal((await cluster.api('edge-1').versions()).pid, String(edge.pid));
  });

  it('restarts a node that runs', async () => {
    const balancer = cluster.nodes.get('balancer')!;
    const { pid } = balancer;
    await balancer.restart();
    assert.equal(readProcess(pid), undefined);
    assert.equal(balancer.state, 'ready');
  });

  it('freezes and thaws', async () => {
    const edge = cluster.nodes.get('edge-2')!;
    edge.freeze();
    assert.equal(edge.state, 'frozen');
    await until(async () => (readProcess(edge.pid)?.state === 'T' ? true : undefined));
    let answered = false;
    const answer = cluster
      .api('edge-2')
      .versions()
      .then(() => {
        answered = true;
      });
    await delay(150);
    assert.equal(answered, false);
    edge.thaw();
    await answer;
    assert.equal(edge.state, 'ready');
  });

  it('shows a node that exits by itself', async () => {
    const edge = cluster.nodes.get('edge-3')!;
    process.kill(edge.pid, 'SIGKILL');
    await until(async () => (edge.state === 'exited' ? true : undefined));
    assert.deepEqual(edge.usage(), { rssMb: 0, cpuSeconds: 0 });
    await edge.restart();
  });

  it('goes down without a trace, frozen nodes too, and again without an error', async () => {
    const identities = [...cluster.nodes.values()].map((node) => identify(node.pid)!);
    cluster.nodes.get('origin')!.freeze();
    await cluster.down();
    assert.ok(identities.every((identity) => readIdentified(identity) === undefined));
    await cluster.down();
    await assert.rejects(knock(cluster.entry('play', 'flv').url('live', 'a')), { code: 'ECONNREFUSED' });
  });
});

describe('a cluster that does not come up', () => {
  it('says which node, with its last lines, and leaves nothing', async () => {
    const started: ProcessIdentity[] = [];
    const error = await failure(
      start({
        engine: 'srs',
        srsPath: '/bin/false',
        onProgress: ({ pid }) => {
          const identity = identify(pid);
          if (identity !== undefined) started.push(identity);
        },
      }),
      'lab.exited',
    );
    assert.match(error.node ?? '', /^(origin|edge-\d)$/);
    assert.ok(started.length > 0);
    assert.ok(started.every((identity) => readIdentified(identity) === undefined));
  });

  it('refuses a program that is not there, a port that is taken, and mutants of an engine without', async () => {
    await failure(start({ engine: 'srs', srsPath: '/nowhere/srs' }), 'lab.program');
    await failure(start({ engine: 'srs' }), 'lab.program');
    await failure(
      start({ engine: 'srs', srsPath: '/bin/true', mutants: ['media-drops-audio'] }),
      'lab.unknown',
    );
    const taken = net.createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as net.AddressInfo;
    const error = await failure(start({ basePort: port }), 'lab.port');
    assert.equal(error.node, 'balancer');
    taken.close();
  });

  it('is taken down when it is interrupted', async () => {
    const interrupted = new AbortController();
    const started: ProcessIdentity[] = [];
    await failure(
      start({
        signal: interrupted.signal,
        onProgress: ({ pid }) => {
          const identity = identify(pid);
          if (identity !== undefined) started.push(identity);
          interrupted.abort();
        },
      }),
      'lab.aborted',
    );
    assert.ok(started.length > 0);
    assert.ok(started.every((identity) => readIdentified(identity) === undefined));
  });
});

describe('mutants', () => {
  it('reach the nodes whose role they fit, and no other', async () => {
    const directory = runDir();
    const cluster = await start({
      runDir: directory,
      mutants: [
        'balancer-one-server',
        'edge-never-releases',
        'media-drops-audio',
        'origin-forgets-unpublish',
      ],
    });
    try {
      const mutantsOf = (name: string): unknown => {
        const { pid } = cluster.nodes.get(name)!;
        const config = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').at(-2)!;
        return (JSON.parse(config) as { mutants: unknown }).mutants;
      };
      assert.deepEqual(mutantsOf('origin'), ['media-drops-audio', 'origin-forgets-unpublish']);
      for (const edge of EDGES)
        assert.deepEqual(mutantsOf(edge), ['edge-never-releases', 'media-drops-audio']);
      const config = readFileSync(path.join(directory, 'balancer.cfg'), 'utf8');
      assert.equal(config.match(/^ {4}server /gm)?.length, 2);
    } finally {
      await cluster.down();
    }
  });
});

describe('a starter that crashes', () => {
  it('takes every node with it', async () => {
    const starter = spawn(
      process.execPath,
      ['--import', 'tsx', fileURLToPath(new URL('./starter.ts', import.meta.url)), runDir()],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(starter.stdout, 'data')) as [Buffer];
    const identities = (JSON.parse(String(line)) as number[]).map((pid) => identify(pid)!);
    assert.equal(identities.length, edgeCluster.nodes.length);
    starter.kill('SIGKILL');
    await once(starter, 'exit');
    await allGone(identities, 2000);
  });
});

const srsPath = process.env.SRS_BIN;
if (srsPath === undefined) {
  console.log('a cluster of real SRS: not selected, because SRS_BIN is not set');
} else {
  describe('a cluster of real SRS', () => {
    it('comes up, merges behind the tap, restarts, and goes down', async () => {
      const cluster = await start({ engine: 'srs', srsPath });
      try {
        assert.match((await cluster.api('origin').versions()).version, /^\d+\.\d+\.\d+$/);
        const opened = tapEvent(cluster, 'open');
        const url = cluster.entry('play', 'flv', 'edge-1').url('live', 'nobody-publishes-this');
        const players = await Promise.all([knock(url), knock(url)]);
        await opened;
        await until(async () => ((await cluster.api('edge-1').clients()).length === 2 ? true : undefined));
        assert.equal(
          cluster.taps.reduce((sum, tap) => sum + tap.open, 0),
          1,
        );
        const released = tapEvent(cluster, 'close');
        for (const player of players) player.destroy();
        await released;
        await cluster.nodes.get('origin')!.restart();
      } finally {
        await cluster.down();
      }
    });
  });
}

/** Asks every 10 ms until there is an answer; rejects after 5 s. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 5000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    assert.ok(performance.now() < deadline, 'not within 5 s');
    await delay(10);
  }
}
