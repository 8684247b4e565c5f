import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { repeatOf } from '../../cli/gate-options.ts';
import { EvidenceKeeper } from '../../scenarios/evidence.ts';
import type { HistoryEvent } from '../../scenarios/history.ts';
import { finding } from '../reports/samples.ts';
import { pretendCluster } from './pretend.ts';

let directory = '';
let lines = 0;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'evidence-'));
  lines = 0;
});
afterEach(() => rmSync(directory, { recursive: true }));

function keeper(): { keep: EvidenceKeeper; log: string; see: (event: HistoryEvent) => void } {
  const { cluster, nodes } = pretendCluster();
  const log = join(directory, 'origin.log');
  writeFileSync(log, 'before\n');
  for (const node of nodes.values()) Object.assign(node, { pid: process.pid, logFile: log });
  const keep = new EvidenceKeeper(
    { directory, lines: () => lines, repeat: ({ check }) => `again ${check}` },
    join(directory, 'cluster', 'edge-cluster', 'healthy'),
    'edge-cluster/healthy',
  );
  keep.watch(cluster);
  const see = (event: HistoryEvent) => {
    lines++;
    keep.see(event);
  };
  return { keep, log, see };
}

const step = (t: number, data = {}): HistoryEvent => ({ t, type: 'step', step: 'a', data });

test('a check that failed has its events, the logs of its time, and the command that repeats it', () => {
  const { keep, log, see } = keeper();
  lines = 10;
  keep.begin();
  see(step(1));
  lines = 20;
  see(step(2, { url: 'rtmp://h/live/s?token=hidden' }));
  appendFileSync(log, 'meanwhile\n');
  const { evidence } = keep.of(finding({ check: 'a/b', verdict: 'fail' }));
  const of = (label: string) => evidence.find((one) => one.label === label)!;
  assert.equal(of('run it again').detail, 'again a/b');
  assert.equal(of('history').detail, 'lines 11 to 21 of history.ndjson, those of a/b');
  const events = readFileSync(join(directory, of('history').file!), 'utf8');
  assert.deepEqual(
    events
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).t),
    [1, 2],
  );
  assert.doesNotMatch(events, /hidden/);
  const nodes = readFileSync(join(directory, of('nodes').file!), 'utf8');
  assert.match(nodes, /^== origin: builtin, process \d+, ready\n.*node.*\nmeanwhile$/m);
  assert.doesNotMatch(nodes, /before/);
  assert.equal(of('configuration').file, 'cluster/edge-cluster/healthy/');
});

test('of a long log the beginning and the end are kept, and how much is not is said', () => {
  const { keep, log } = keeper();
  keep.begin();
  appendFileSync(log, `first${'x'.repeat(200_000)}last\n`);
  const { evidence } = keep.of(finding({ check: 'a/b', verdict: 'fail' }));
  const file = evidence.find(({ label }) => label === 'nodes')!.file!;
  const nodes = readFileSync(join(directory, file), 'utf8');
  assert.match(nodes, /\nfirstx+\n\[(\d+) bytes left out\]\nx+last\n/);
  const leftOut = Number(/\[(\d+) bytes left out\]/.exec(nodes)![1]);
  assert.equal(leftOut, 200_010 - 2 * 64 * 1024);
});

test('of very many events the first and the last are kept, and how many are not is said', () => {
  const { keep, see } = keeper();
  keep.begin();
  for (let t = 0; t < 12_000; t++) see(step(t));
  const { evidence } = keep.of(finding({ check: 'a/b', verdict: 'inconclusive' }));
  const file = evidence.find(({ label }) => label === 'history')!.file!;
  const kept = readFileSync(join(directory, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual([kept.length, kept[0].t, kept.at(-1).t], [4001, 0, 11_999]);
  assert.deepEqual(kept[1000], { type: 'left-out', events: 8000 });
});

test('what passed needs no evidence, and the next check begins anew', () => {
  const { keep, see } = keeper();
  keep.begin();
  see(step(1));
  const passed = finding({ check: 'a/b', verdict: 'pass' });
  assert.equal(keep.of(passed), passed);
  keep.begin();
  const { evidence } = keep.of(finding({ check: 'a/c', verdict: 'error' }));
  assert.ok(!evidence.some(({ label }) => label === 'history'));
});

test('the command names the check, its cluster and the seed, and is safe in a shell', () => {
  const failed = finding({
    check: 'fan-out/spread',
    topology: 'edge-cluster',
    engine: 'srs',
    verdict: 'fail',
  });
  assert.equal(
    repeatOf('gate', { topology: [], srs: '/opt/my srs' }, 7, failed),
    "npm run -s liveproof -- gate fan-out/spread --topology edge-cluster --engine srs --srs '/opt/my srs' --seed 7",
  );
  assert.equal(
    repeatOf('mutants', { topology: [] }, 7, { ...failed, mutant: 'media-drops-frames' }),
    'npm run -s liveproof -- mutants fan-out/spread --topology edge-cluster --no-healthy --seed 7',
  );
});
