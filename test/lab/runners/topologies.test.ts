import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Cluster } from '../../../lab/cluster.ts';
import { hasNodeFor } from '../../../lab/mutant-fit.ts';
import { type StartOptions, startCluster } from '../../../lab/runners/process.ts';
import { httpGet } from '../../../lab/runners/readiness.ts';
import { edgeCluster } from '../../../lab/topologies/edge-cluster.ts';
import { forwardCluster } from '../../../lab/topologies/forward-cluster.ts';
import { TOPOLOGIES } from '../../../lab/topologies/index.ts';
import { nginxRtmp } from '../../../lab/topologies/nginx-rtmp.ts';
import { enginesOf, type Topology } from '../../../lab/topology.ts';
import { leavesNothing } from './one-stream.ts';

async function start(
  t: TestContext,
  topology: Topology,
  options: Partial<StartOptions> = {},
): Promise<{ cluster: Cluster; runDir: string }> {
  const runDir = mkdtempSync(path.join(os.tmpdir(), 'liveproof-topology of a lab-'));
  const cluster = await startCluster({ topology, engine: enginesOf(topology)[0]!, runDir, ...options });
  t.after(async () => {
    await cluster.down();
    rmSync(runDir, { recursive: true, force: true });
  });
  return { cluster, runDir };
}

/** The others carry a stream in one-stream-*.test.ts. */
const STARTED_HERE = [edgeCluster, forwardCluster, nginxRtmp];

describe('every topology', () => {
  for (const topology of STARTED_HERE) {
    it(`${topology.name} comes up with its usual engine, and leaves no process and no port`, async (t) => {
      const { cluster } = await start(t, topology);
      assert.deepEqual(
        [...cluster.nodes.values()].map(({ spec, state }) => `${spec.name} ${state}`),
        topology.nodes.map(({ name }) => `${name} ready`),
      );
      await leavesNothing(cluster);
    });
  }

  it('has nodes whose upstreams exist, and entries at its nodes', () => {
    for (const { name, nodes, entries } of TOPOLOGIES) {
      const names = new Set(nodes.map((node) => node.name));
      assert.equal(names.size, nodes.length, name);
      const named = nodes.flatMap(({ upstreams, coworkers = [], registersWith, reportsTo, redis }) => [
        ...upstreams,
        ...coworkers,
        ...[registersWith, reportsTo, redis].filter((other) => other !== undefined),
      ]);
      assert.deepEqual(
        named.filter((other) => !names.has(other)),
        [],
        name,
      );
      assert.ok(
        entries.every(({ node }) => names.has(node)),
        name,
      );
    }
  });
});

describe('the forward cluster', () => {
  it('has its entries, its capabilities, and a tap on every link of masters, edges and Nginx', async (t) => {
    const { cluster, runDir } = await start(t, forwardCluster, {
      mutants: ['balancer-one-master', 'web-round-robin'],
    });
    assert.equal(cluster.entry('publish', 'rtmp').node, 'balancer');
    for (const protocol of ['flv', 'hls'] as const) assert.equal(cluster.entry('play', protocol).node, 'web');
    for (const capability of [
      'forward',
      'balancer',
      'play.hls',
      'observe.requests',
      'observe.upstream',
    ] as const) {
      assert.ok(cluster.capabilities.has(capability), capability);
    }
    assert.ok(!cluster.capabilities.has('cache'));
    const links = cluster.taps.map(({ from, to }) => `${from}>${to}`);
    assert.equal(links.length, 2 * 4 + 4 * 6 + 4);
    assert.ok(
      ['master-2>slave-3', 'edge-4>master-1', 'edge-1>slave-4', 'web>edge-2'].every((l) => links.includes(l)),
    );

    const balancer = readFileSync(path.join(runDir, 'balancer.cfg'), 'utf8');
    assert.deepEqual(balancer.match(/server master-\d/g), ['server master-1']);
    const nginx = readFileSync(path.join(runDir, 'web.conf'), 'utf8');
    assert.doesNotMatch(nginx, /^ +(ip_hash|hash)\b/m);

    const web = cluster.nodes.get('web')!;
    const { pid } = web;
    await web.restart();
    assert.notEqual(web.pid, pid);
    assert.equal((await httpGet(web.host, web.ports.api!, '/pid')).trim(), String(web.pid));
    assert.throws(() => cluster.api('web'), { code: 'lab.unknown' });
  });
});

describe('engines and mutants', () => {
  it('are refused where they do not fit', async () => {
    const refused = (options: Partial<StartOptions>) =>
      assert.rejects(
        startCluster({ topology: edgeCluster, engine: 'builtin', runDir: '/nowhere', ...options }),
        { code: 'lab.unknown' },
      );
    await refused({ engine: 'nginx-rtmp' });
    await refused({ mutants: ['web-ip-hash'] });
  });

  it('fit by role, by kind of Nginx and by engine', () => {
    assert.equal(hasNodeFor(edgeCluster, 'builtin', 'cache-404'), true);
    assert.equal(hasNodeFor(edgeCluster, 'srs', 'cache-404'), true);
    assert.equal(hasNodeFor(forwardCluster, 'builtin', 'cache-404'), false);
    assert.equal(hasNodeFor(edgeCluster, 'builtin', 'web-ip-hash'), false);
    assert.equal(hasNodeFor(forwardCluster, 'builtin', 'web-ip-hash'), true);
    assert.equal(hasNodeFor(forwardCluster, 'builtin', 'origin-forgets-unpublish'), true);
    assert.equal(hasNodeFor(forwardCluster, 'srs', 'origin-forgets-unpublish'), false);
  });
});
