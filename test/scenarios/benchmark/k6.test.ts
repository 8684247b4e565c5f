import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { resultsIn } from '../../cli/surroundings.ts';

const MAIN = fileURLToPath(new URL('../../../scenarios/benchmark/k6.ts', import.meta.url));

test('Ctrl-C leaves what was measured until then, and is no pass', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'liveproof-bench-k6-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const program = join(directory, 'k6');
  writeFileSync(program, '#!/bin/sh\necho k6 v2.2.0\n', { mode: 0o755 });
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, '--out', join(directory, 'out')], {
    stdio: 'ignore',
    env: { ...process.env, K6_BIN: program, TMPDIR: directory },
  });
  const ended = once(child, 'exit');
  // Its first cluster begins to come up.
  while (child.exitCode === null && !readdirSync(directory).some((name) => name.startsWith('liveproof-k6-')))
    await delay(5);
  child.kill('SIGINT');
  assert.deepEqual(await ended, [3, null]);
  const { verdict, interrupted, findings } = resultsIn(join(directory, 'out'));
  assert.deepEqual([verdict, interrupted], ['inconclusive', true]);
  assert.deepEqual(
    findings.map(({ check, verdict: said }) => `${check} ${said}`),
    ['k6/complete inconclusive'],
  );
});
