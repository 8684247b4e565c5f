import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type GateOptions,
  planRequest,
  refuseLabOptions,
  refuseProcessOptions,
  refuseProxyWithoutCluster,
  refuseSrsWithoutProgram,
  repeatOf,
} from '../../cli/gate-options.ts';
import { chooseRunner, requireImages, upInContainers } from '../../cli/lab-compose.ts';
import { refuseSrs } from '../../cli/mutants.ts';
import { UsageError } from '../../cli/output.ts';
import { LabError } from '../../lab/errors.ts';
import { topologyByName } from '../../lab/topologies/index.ts';
import type { Topology } from '../../lab/topology.ts';
import { finding } from '../reports/samples.ts';
import { srsBin } from './surroundings.ts';

const GATE: GateOptions = { topology: [], jobs: 1, runner: 'process' };

test('a program that nothing would start is wrong use: the built-in nodes are not what was to be judged', (t) => {
  srsBin(t, undefined);
  for (const engines of [[], [undefined], ['builtin' as const]])
    assert.throws(() => refuseSrsWithoutProgram(engines, './objs/srs'), UsageError);
  assert.throws(() => refuseSrsWithoutProgram(['srs']), UsageError);
  refuseSrsWithoutProgram(['builtin', 'srs'], './objs/srs');
  refuseSrsWithoutProgram([undefined]);
  srsBin(t, './objs/srs');
  refuseSrsWithoutProgram([undefined], './objs/srs');
  assert.throws(() => refuseSrsWithoutProgram([undefined], './other/srs'), UsageError);
  refuseSrs({ srs: './objs/srs' });
  assert.throws(() => refuseSrs({ srs: './other/srs' }), { name: 'UsageError', message: /not --srs\.$/ });
  assert.throws(() => refuseSrs({ engine: 'srs' }), { name: 'UsageError', message: /not --engine srs\.$/ });
});

test('a proxy that no cluster would start is wrong use: what was to be judged has no part in it', () => {
  const wrong = {
    name: 'UsageError',
    message: '--proxy is of clusters with a proxy: add --topology proxy-cluster or --topology proxy-redis.',
  };
  const [edge, proxies] = ['edge-cluster', 'proxy-cluster'].map(topologyByName) as [Topology, Topology];
  assert.throws(() => refuseProxyWithoutCluster([edge], './proxy'), wrong);
  refuseProxyWithoutCluster([edge]);
  refuseProxyWithoutCluster([edge, proxies], './proxy');
  const gate = { ...GATE, proxy: './proxy' };
  assert.throws(() => planRequest([], { ...gate, topology: [edge.name] }), wrong);
  const { topologies } = planRequest([], gate);
  assert.deepEqual(
    topologies.map(({ name }) => name),
    ['proxy-cluster', 'proxy-redis'],
  );
  assert.deepEqual(planRequest([], { ...gate, topology: [edge.name, proxies.name] }).topologies, [
    edge,
    proxies,
  ]);
});

test('what containers or a cluster that runs already would not look at is wrong use', () => {
  refuseProcessOptions({ ...GATE, runner: 'compose' });
  assert.throws(() => refuseProcessOptions({ ...GATE, runner: 'compose', proxy: './proxy' }), {
    name: 'UsageError',
    message: /--proxy is of runner process/,
  });
  refuseLabOptions({ ...GATE, target: 'target.yaml' });
  assert.throws(() => refuseLabOptions({ ...GATE, target: 'target.yaml', runner: 'compose' }), {
    name: 'UsageError',
    message: /--runner is for clusters of the lab/,
  });
});

test('containers are of the engine of their images, and of no other that was asked for', async () => {
  requireImages(topologyByName('edge-cluster'), 'srs');
  requireImages(topologyByName('nginx-rtmp'), 'nginx-rtmp');
  const wrong = {
    name: 'LabError',
    message: /containers of nginx-rtmp are of engine 'nginx-rtmp', not 'srs'/,
  };
  assert.throws(() => requireImages(topologyByName('nginx-rtmp'), 'srs'), wrong);
  const options = { dir: 'never', runner: 'compose', topology: 'nginx-rtmp', engine: 'srs' } as const;
  await assert.rejects(upInContainers(options), LabError);
});

test('SRS_BIN, which is for other commands, does not keep a lab from containers', async (t) => {
  srsBin(t, './objs/srs');
  const options = { dir: 'never', topology: 'edge-cluster', srs: './objs/srs' };
  for (const engine of [{}, { engine: 'srs' } as const]) {
    const { runner } = await chooseRunner({ ...options, ...engine, runner: 'compose' });
    assert.equal(runner, 'compose');
  }
  const meant = await chooseRunner({ ...options, engine: 'srs' });
  assert.deepEqual(meant, { runner: 'process', why: 'SRS_BIN is of this runner' });
  await assert.rejects(chooseRunner({ ...options, srs: './other', runner: 'compose' }), UsageError);
});

test('the command that repeats a check may do what the gate might', () => {
  const target = { ...GATE, target: 'staging.yaml' };
  const repeated = (more: Partial<GateOptions>): string =>
    repeatOf('gate', { ...target, ...more }, 7, finding({ check: 'failover/edge-killed' }));
  assert.equal(
    repeated({}),
    'npm run -s liveproof -- gate failover/edge-killed --target staging.yaml --seed 7',
  );
  assert.equal(
    repeated({
      allowRemote: true,
      allowDisruption: true,
      allowHosts: ['a.example.net', '*.cdn.example.net'],
    }),
    "npm run -s liveproof -- gate failover/edge-killed --target staging.yaml --allow-remote --allow-disruption --allow-hosts 'a.example.net,*.cdn.example.net' --seed 7",
  );
  const srs = finding({ engine: 'srs' });
  assert.equal(
    repeatOf('gate', { ...GATE, runner: 'compose', srs: '/of/SRS_BIN' }, 7, srs),
    'npm run -s liveproof -- gate back-to-source/merged-per-edge --topology edge-cluster --runner compose --seed 7',
  );
});
