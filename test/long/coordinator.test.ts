import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ExitCode } from '../../cli/output.ts';
import { startArgs } from '../../runtime/entry.ts';
import { temporary } from '../cli/surroundings.ts';
import { within } from '../drivers/support/observe.ts';
import { commandOf, descendantsOf, gone } from '../support/processes.ts';

function liveproof(...args: string[]) {
  return spawn(process.execPath, [...startArgs('cli/main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
}

describe('the coordinator', () => {
  it('of a gate, by SIGKILL in the middle of a check: no node, no balancer, no helper is left', async (t) => {
    const gate = liveproof(
      'gate',
      'back-to-source/lazy',
      '--topology',
      'edge-cluster',
      '--out',
      temporary(t),
    );
    t.after(() => gate.kill('SIGKILL'));
    let said = '';
    for (const stream of [gate.stdout, gate.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    const up = new Promise<void>((resolve) => {
      gate.stdout.on('data', () => said.includes('is up after') && resolve());
    });
    await within(60_000, `the cluster; ${said}`, up);
    const below = descendantsOf(gate.pid!);
    assert.ok(below.filter(({ pid }) => commandOf(pid).includes('builtin/main.')).length >= 4, said);
    assert.ok(below.some(({ pid }) => commandOf(pid).includes('haproxy')));
    gate.kill('SIGKILL');
    await gone(below, 5000);
  });

  it('of a gate whose disk is full says so, keeps its verdict and leaves nothing half-written', async (t) => {
    if (process.getuid?.() !== 0) {
      t.diagnostic(
        'a small disk is mounted by root only: /dev/full stands for it in test/harness/disk-full.test.ts',
      );
      return;
    }
    const disk = mkdtempSync(join(tmpdir(), 'liveproof-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
    t.after(() => {
      execFileSync('umount', [disk]);
      rmdirSync(disk);
    });
    const out = join(disk, 'run');
    const gate = liveproof('gate', 'back-to-source/lazy', '--topology', 'edge-cluster', '--out', out);
    t.after(() => gate.kill('SIGKILL'));
    let said = '';
    for (const stream of [gate.stdout, gate.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    const [code] = (await within(90_000, 'the end of the gate', once(gate, 'exit'))) as [number];
    assert.equal(code, ExitCode.inconclusive, said);
    assert.match(said, /the report could not be written to .*ENOSPC.*the verdict was pass/);
    assert.doesNotMatch(said, /^ +at /m);
    const left = readdirSync(out).filter((name) => !['cluster', 'history.ndjson'].includes(name));
    assert.deepEqual(left, []);
  });
});
