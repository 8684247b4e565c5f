import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Defect, FuzzError, fuzz } from './fuzz.ts';
import { DECODERS } from './planted.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'liveproof-fuzz-'));
after(() => rmSync(folder, { recursive: true }));

const decoder = (name: string) => DECODERS.find((one) => one.name === name)!;
const options = { inputs: 2000, seed: 1, maxMs: 30 };

function failureOf(name: string, maxMs = options.maxMs): FuzzError {
  try {
    fuzz(decoder(name), { ...options, maxMs });
  } catch (error) {
    if (error instanceof FuzzError) return error;
    throw error;
  }
  throw new Error(`${name} is not found`);
}

test('a sound decoder passes, and says how much of it was read', () => {
  const { inputs, read, slowest } = fuzz(decoder('sound'), options);
  assert.equal(inputs, 2000);
  assert.ok(read > 200 && read < 2000, `${read} read`);
  assert.ok(slowest <= 30);
});

/** Below what `slow` takes; a smallest input is looked for over hundreds of them. */
const SLOW_MS = 8;

for (const [name, says, maxMs] of [
  ['crash', /TypeError: length \d+.*planted\.ts/s, options.maxMs],
  ['slow', /ms of CPU/, SLOW_MS],
] as const satisfies readonly (readonly [Defect, RegExp, number])[]) {
  test(`${name}: found, with the smallest input`, () => {
    const failure = failureOf(name, maxMs);
    assert.equal(failure.defect, name);
    assert.match(failure.message, says);
    assert.match(failure.message, /^seed 1, input \d+/);
    assert.equal(failure.pieces[0]![0], 7);
    assert.ok(failure.pieces[0]![1]! > 200);
    assert.ok(failure.pieces[0]!.length <= 6, `${failure.pieces[0]!.length} bytes`);
  });
}

for (const name of ['growth', 'vacuous'] as const) {
  test(`${name}: found`, () => assert.equal(failureOf(name).defect, name));
}

test('the command: a decoder that hangs is ended, another one fails, inputs are kept and fail again', () => {
  const run = (...args: string[]) => {
    const self = fileURLToPath(new URL('./main.ts', import.meta.url));
    const decoders = fileURLToPath(new URL('./planted.ts', import.meta.url));
    const all = ['--import', 'tsx', self, '--decoders', decoders, '--keep', folder, ...args];
    return spawnSync(process.execPath, all, { encoding: 'utf8' });
  };
  const wanted = ['--decoder', 'hang', '--decoder', 'crash', '--decoder', 'sound'];
  const { status, stdout } = run(
    ...wanted,
    '--inputs',
    '2000',
    '--seed',
    '5',
    '--jobs',
    '3',
    '--hang-ms',
    '1500',
  );
  assert.equal(status, 1);
  assert.match(stdout, /^FAIL hang: ended by SIGKILL, seed 5$/m);
  assert.match(stdout, /^FAIL crash: crash: seed 5, input/m);
  assert.match(stdout, /^ok {3}sound: 2000 inputs/m);
  assert.match(stdout, /^failed: (hang, crash|crash, hang)$/m);
  for (const name of ['hang', 'crash']) {
    const kept = JSON.parse(readFileSync(path.join(folder, `${name}-5.json`), 'utf8'));
    assert.equal(kept.decoder, name);
    assert.match(kept.pieces[0], /^07(?:c9|[c-f]\w)/);
  }
  const again = run('--again', path.join(folder, 'crash-5.json'));
  assert.equal(again.status, 1);
  assert.match(again.stderr, /TypeError: length/);
  for (const wrong of [
    ['--decoder', 'none'],
    ['--input', '2'],
  ])
    assert.equal(run(...wrong).status, 2);
  const nothing = run('--again', path.join(folder, 'crash-6.json'));
  assert.equal(nothing.status, 2);
  assert.match(nothing.stderr, /crash-6\.json is no input that was kept: ENOENT/);
});
