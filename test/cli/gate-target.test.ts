import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { coworkerCluster } from '../../lab/topologies/coworker-cluster.ts';
import type { Topology } from '../../lab/topology.ts';
import { startArgs } from '../../runtime/entry.ts';
import { describeTarget, running } from '../lab/runners/somebody-else.ts';
import { resultsIn, temporary } from './surroundings.ts';

/** Two of the three origins of the topology, which ask each other, and its edges. */
const TWO_COWORKERS: Topology = {
  ...coworkerCluster,
  nodes: coworkerCluster.nodes
    .filter(({ name }) => name !== 'origin-2')
    .map(({ coworkers, upstreams, ...node }) => ({
      ...node,
      upstreams: upstreams.filter((name) => name !== 'origin-2'),
      ...(coworkers === undefined ? {} : { coworkers: coworkers.filter((name) => name !== 'origin-2') }),
    })),
  entries: coworkerCluster.entries.filter(({ node }) => node !== 'origin-2'),
};

describe('gate --target', () => {
  test('is not fooled by an edge that pulls per player', async (t) => {
    const there = await running(['edge-pulls-per-player']);
    t.after(() => there.end());
    const out = temporary(t);
    const file = join(out, 'target.yaml');
    writeFileSync(file, describeTarget(there));
    // Other tests have the CPUs meanwhile.
    const run = await liveproof(
      'gate',
      'back-to-source/*',
      '--target',
      file,
      '--out',
      out,
      '--max-cpu-wait',
      '1m',
    );
    assert.equal(run.code, 1, run.stdout + run.stderr);
    const { findings, notes = [] } = resultsIn(out);
    const verdicts = new Map(findings.map(({ check, verdict }) => [check, verdict]));
    assert.equal(verdicts.get('back-to-source/merged-per-edge'), 'fail');
    assert.equal(verdicts.get('back-to-source/one-per-edge-and-stream'), 'fail');
    assert.equal(verdicts.get('back-to-source/merged-under-herd'), 'unsupported');
    assert.match(
      notes.join(),
      /target somebody else’s \(target\.yaml\), judged as edge-cluster: .* not disrupted/,
    );
  });

  test('passes a healthy one, by the checks that it can have', async (t) => {
    const there = await running();
    t.after(() => there.end());
    const out = temporary(t);
    const file = join(out, 'target.yaml');
    writeFileSync(file, describeTarget(there));
    const run = await liveproof('gate', 'back-to-source/merged-per-edge', '--target', file, '--out', out);
    assert.equal(run.code, 0, run.stdout + run.stderr);
  });

  test('judges coworkers by those of the file: two of the three, and origins of names of their own', async (t) => {
    const there = await running([], TWO_COWORKERS);
    t.after(() => there.end());
    const out = temporary(t);
    const file = join(out, 'target.yaml');
    for (const own of [{}, { 'origin-1': 'o1', 'origin-3': 'o3' } as Record<string, string>]) {
      writeFileSync(
        file,
        describeTarget(there, (name) => (own[name] === undefined ? {} : { name: own[name], role: 'origin' })),
      );
      const run = await liveproof('gate', 'redirect/on-the-wire', '--target', file, '--out', out);
      assert.equal(run.code, 0, run.stdout + run.stderr);
    }
  });

  test('does not kill the origin with the stream where a third is to be asked and there are two', async (t) => {
    const there = await running([], TWO_COWORKERS);
    t.after(() => there.end());
    const out = temporary(t);
    const file = join(out, 'target.yaml');
    // Never run: it is seen before that there is no third.
    const controls = { kill: ['false'], restart: ['false'] };
    writeFileSync(
      file,
      describeTarget(there, () => ({ controls })),
    );
    const checks = ['redirect/dead-coworker', 'redirect/stale-answer', 'redirect/published-meanwhile'];
    const run = await liveproof('gate', ...checks, '--target', file, '--out', out, '--allow-disruption');
    assert.equal(run.code, 3, run.stdout + run.stderr);
    for (const { check, verdict, actual } of resultsIn(out).findings) {
      assert.equal(verdict, 'unsupported', check);
      assert.match(actual, /origin-1 and origin-3 are all there are/);
    }
  });

  test('asks before it goes to another machine, and before it breaks anything of the lab', async (t) => {
    const file = join(temporary(t), 'target.yaml');
    writeFileSync(
      file,
      `schema: liveproof/target@1
name: far
topology: edge-cluster
nodes:
  - { name: origin, host: media.example.net, ports: { rtmp: 1935 } }
  - { name: edge-1, host: 192.0.2.1, ports: { rtmp: 1935 } }
  - { name: edge-2, host: 127.0.0.1, ports: { rtmp: 1935 } }`,
    );
    const far = await liveproof('gate', '--target', file);
    assert.equal(far.code, 2);
    assert.match(far.stderr, /media\.example\.net, 192\.0\.2\.1: not on loopback\. .*--allow-remote/);
    const ours = await liveproof('gate', '--allow-disruption');
    assert.equal(ours.code, 2);
    assert.match(ours.stderr, /--allow-disruption is for --target/);
  });
});

async function liveproof(
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child: ChildProcess = spawn(process.execPath, [...startArgs('cli/main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}
