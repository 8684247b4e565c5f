import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  allowedCpus,
  childrenOf,
  machineCpu,
  threadsOf,
  threadWaitMs,
  treeCpuMs,
} from '../../../lab/runners/proc-cpu.ts';
import { eventually } from '../../drivers/support/observe.ts';

const STAT = `cpu  60 6 600 6000 0 5 5 9 0 0
cpu0 10 1 100 1000 7 5 5 2 0 0
cpu1 20 2 200 2000 7 0 0 4 0 0
cpu10 30 3 300 3000 7 0 0 3 0 0
intr 1
`;

test('what processes used, and what was stolen, of the CPUs that are ours', () => {
  assert.deepEqual(machineCpu(new Set([0, 1]), STAT), { processesMs: 3330, stolenMs: 40 });
  assert.deepEqual(machineCpu(new Set([10]), STAT), { processesMs: 3330, stolenMs: 30 });
  assert.deepEqual(machineCpu(new Set(), STAT), { processesMs: 0, stolenMs: 0 });
});

test('the CPUs that are ours', () => {
  assert.deepEqual([...allowedCpus('Name:\tx\nCpus_allowed_list:\t0-2,7,9-10\n')], [0, 1, 2, 7, 9, 10]);
  assert.ok(allowedCpus().size > 0);
});

test('a process is asked with what it started, also when that has ended', async () => {
  const grandchild = `
    const from = process.cpuUsage().user;
    while (process.cpuUsage().user - from < 60_000);
    process.stdin.resume();`;
  const child = `
    import { spawn } from 'node:child_process';
    const started = spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    started.on('exit', () => console.log('ended'));
    process.stdin.once('data', () => started.stdin.end()).on('end', () => process.exit());`;
  const one = spawn(process.execPath, ['--input-type=module', '-e', child], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const pid = one.pid!;
  await eventually(5000, 'a child of the child', () => childrenOf(pid).length === 1);
  const ended = once(one.stdout, 'data');
  assert.ok(threadsOf(pid).includes(pid));
  assert.ok(threadWaitMs(pid)! >= 0);
  one.stdin.write('let it end');
  await ended;
  const own = treeCpuMs(pid)!;
  assert.deepEqual(childrenOf(pid), []);
  assert.ok(own >= 80, `${own} ms of two starts of Node and a loop of 60 ms`);
  const gone = once(one, 'exit');
  one.stdin.end();
  await gone;
  assert.deepEqual([treeCpuMs(pid), threadWaitMs(pid), threadsOf(pid)], [undefined, undefined, []]);
});
