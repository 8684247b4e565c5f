import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Schedule, Scheduled } from '../../../drivers/srt/schedule.ts';
import type { SrtConnection } from '../../../protocols/srt/connection.ts';
import { eventually } from '../support/observe.ts';

/** As much of a connection as a schedule sees. */
class Pretend {
  deadline: number;
  ticks = 0;
  private readonly onTick: (now: number) => number;

  constructor(deadline: number, onTick: (now: number) => number) {
    this.deadline = deadline;
    this.onTick = onTick;
  }

  tick(now: number): number {
    this.ticks++;
    this.deadline = this.onTick(now);
    return this.deadline;
  }

  scheduled(): Scheduled {
    return new Scheduled(this as unknown as SrtConnection);
  }
}

const NEVER = Number.POSITIVE_INFINITY;

test('each is called when it is due, whoever is added and removed meanwhile, and those of far deadlines are not', async () => {
  const schedule = new Schedule();
  const now = performance.now();
  const late = new Pretend(NEVER, () => NEVER);
  const lateOne = late.scheduled();
  const added = new Pretend(now, () => NEVER);
  const removed = new Pretend(now + 60_000, () => NEVER);
  const removedOne = removed.scheduled();
  const soon = Array.from({ length: 100 }, (_, index) => new Pretend(now + index / 10, () => NEVER));
  const adds = new Pretend(now + 5, () => {
    schedule.add(added.scheduled());
    schedule.remove(removedOne);
    schedule.remove(removedOne);
    return NEVER;
  });
  schedule.add(removedOne);
  schedule.add(lateOne);
  for (const one of [...soon.slice(0, 50), adds, ...soon.slice(50)]) schedule.add(one.scheduled());
  await eventually(2000, 'all that is due was called', () =>
    [...soon, adds, added].every(({ ticks }) => ticks > 0),
  );
  assert.ok([...soon, adds, added].every(({ ticks }) => ticks === 1));
  assert.deepEqual([late.ticks, removed.ticks], [0, 0]);
  late.deadline = performance.now() + 5;
  schedule.wake(lateOne);
  await eventually(2000, 'the late one was called', () => late.ticks === 1);
});
