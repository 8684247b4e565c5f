import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineTicks, shareBetween } from '../../../scenarios/bench/machine-share.ts';

// proc(5): user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice; guest is in user already.
const BEFORE = 'cpu  100 10 50 800 20 5 5 10 7 0\ncpu0 1 2 3\n';
const AFTER = 'cpu  160 10 80 880 30 5 15 20 9 0\ncpu0 4 5 6\n';

test('busy is what was neither idle nor waiting for a disk', () => {
  assert.deepEqual(machineTicks(BEFORE), { busy: 180, all: 1000 });
  assert.equal(shareBetween(machineTicks(BEFORE), machineTicks(AFTER)), 110 / 200);
  assert.equal(shareBetween(machineTicks(BEFORE), machineTicks(BEFORE)), 0);
});

test('this machine tells', () => {
  const { busy, all } = machineTicks();
  assert.ok(busy > 0 && all >= busy);
});
