import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { judgeSoak, type SoakOutcome, type SoakSample } from '../../scenarios/soak/judge.ts';

/** A worker that is looked at 40 times; `at` says how it is then. */
function looks(at: (index: number) => Partial<SoakSample> = () => ({}), count = 40): SoakSample[] {
  return Array.from({ length: count }, (_, index) => ({
    second: index * 5,
    process: 'worker 1',
    // As V8 does: up and down.
    rssMb: 150 + 8 * (index % 3),
    descriptors: 520 + (index % 2),
    ...at(index),
  }));
}

const GOOD: SoakOutcome = {
  clients: { requested: 10, joined: 10, dropped: 0 },
  frames: { received: 51_000, unstamped: 0, missing: 0, duplicated: 0, reordered: 0, corrupt: 0 },
  framesOfWorst: 5050,
  latencySamples: 51_000,
  published: { all: 5300, since: 5000 },
  generator: { healthy: true, reasons: [] },
  interrupted: false,
};

const wrong = (samples: readonly SoakSample[], outcome: Partial<SoakOutcome> = {}): string[] =>
  judgeSoak(samples, { ...GOOD, ...outcome })
    .filter(({ verdict }) => verdict !== 'pass')
    .map(({ name, verdict }) => `${name} ${verdict}`);

test('a load that stays as it is passes', () => {
  assert.deepEqual(wrong(looks()), []);
  // What is taken in the first quarter is no leak.
  assert.deepEqual(wrong(looks((index) => ({ rssMb: Math.min(300, 100 + 20 * index) }))), []);
});

test('memory and descriptors that go on growing fail, in whichever process', () => {
  assert.deepEqual(wrong(looks((index) => ({ rssMb: 150 + 2 * index }))), ['worker 1: memory fail']);
  assert.deepEqual(wrong(looks((index) => ({ descriptors: 520 + index }))), ['worker 1: descriptors fail']);
  const edge = looks((index) => ({ process: 'edge-1', rssMb: 100 + 2 * index }));
  assert.deepEqual(wrong([...looks(), ...edge]), ['edge-1: memory fail']);
});

test('who was not looked at often enough is unknown', () => {
  assert.deepEqual(wrong(looks(undefined, 15)), ['worker 1: flat inconclusive']);
  assert.deepEqual(wrong([]), ['processes inconclusive']);
});

test('a process of which nothing is seen any more has not stayed as it was', () => {
  const ended = looks((index) => (index < 30 ? {} : { rssMb: 0, descriptors: 0 }));
  assert.deepEqual(wrong(ended), ['worker 1: flat inconclusive']);
  assert.deepEqual(wrong(looks((index) => (index < 30 ? {} : { descriptors: 0 }))), [
    'worker 1: flat inconclusive',
  ]);
});

test('a process that was gone before the others is not known to have stayed as it was', () => {
  const edge = looks(() => ({ process: 'edge-1' }), 30);
  assert.deepEqual(wrong([...looks(), ...edge]), ['edge-1: flat inconclusive']);
});

test('clients, frames and histograms have to add up', () => {
  assert.deepEqual(wrong(looks(), { clients: { requested: 10, joined: 10, dropped: 1 } }), ['clients fail']);
  assert.deepEqual(wrong(looks(), { latencySamples: 50_999 }), ['histograms fail']);
  assert.deepEqual(wrong(looks(), { framesOfWorst: 4900 }), ['frames fail']);
  assert.deepEqual(wrong(looks(), { frames: { ...GOOD.frames, received: 53_001 }, latencySamples: 53_001 }), [
    'frames fail',
  ]);
  for (const kind of ['missing', 'duplicated', 'reordered'] as const)
    assert.deepEqual(wrong(looks(), { frames: { ...GOOD.frames, [kind]: 1 } }), ['frames fail']);
  assert.deepEqual(wrong(looks(), { published: { all: 60, since: 60 } }), ['frames inconclusive']);
});

test('a generator that is not in order, and an end before its time, are no pass', () => {
  assert.deepEqual(wrong(looks(), { generator: { healthy: false, reasons: ['x'] } }), [
    'generator inconclusive',
  ]);
  assert.deepEqual(wrong(looks(), { generator: { healthy: false, reasons: ['x'] }, framesOfWorst: 4900 }), [
    'frames inconclusive',
    'generator inconclusive',
  ]);
  assert.deepEqual(wrong(looks(), { interrupted: true }), ['interrupted inconclusive']);
  // While players join: nobody can say whether the others would have.
  const few = { requested: 10, joined: 3, dropped: 0 };
  const early = { interrupted: true, published: { all: 200, since: 0 } };
  assert.deepEqual(wrong(looks(), { ...early, clients: few }), [
    ...['clients inconclusive', 'frames inconclusive', 'interrupted inconclusive'],
  ]);
  assert.deepEqual(wrong(looks(), { ...early, clients: { ...few, dropped: 1 } })[0], 'clients fail');
});

test('Ctrl-C while its cluster comes up is no failure, and no crash', async (t) => {
  const out = mkdtempSync(join(tmpdir(), 'liveproof-soak-'));
  t.after(() => rmSync(out, { recursive: true }));
  const main = fileURLToPath(new URL('../../scenarios/soak/main.ts', import.meta.url));
  const args = ['--import', 'tsx', main, '--clients', '2', '--duration', '5s', '--out', out];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes;
  });
  const closed = once(child, 'close');
  while (child.exitCode === null && !existsSync(join(out, 'cluster'))) await delay(5);
  child.kill('SIGINT');
  assert.deepEqual([(await closed)[0], said], [3, 'inconclusive: interrupted before the cluster was up\n']);
});
