import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Beat, type BeatClock } from '../../../drivers/swarm/beat.ts';

/** Timers come when they are told to. */
class Clock implements BeatClock {
  ms = 1000.25;
  #due = 0;
  #run: (() => void) | undefined;

  now(): number {
    return this.ms;
  }

  wait(run: () => void, ms: number): () => void {
    this.#run = run;
    this.#due = this.ms + ms;
    return () => {
      this.#run = undefined;
    };
  }

  get waits(): boolean {
    return this.#run !== undefined;
  }

  fire(lateMs: number): void {
    this.ms = this.#due + lateMs;
    this.#run?.();
  }
}

/** Of each beat its number, and how much after the start it came. */
function beating(options: { everyMs: number; graceMs?: number }): {
  clock: Clock;
  beats: [number, number][];
} {
  const clock = new Clock();
  const start = clock.ms;
  const beats: [number, number][] = [];
  new Beat((beat) => beats.push([beat, clock.ms - start]), { ...options, clock });
  return { clock, beats };
}

test('beat: an hour of timers that are all late, or early, has every number once, and each at its time', () => {
  for (const late of [0, 0.9, 2, -0.9]) {
    const { clock, beats } = beating({ everyMs: 1000, graceMs: 200 });
    for (let i = 0; i < 3600; i++) clock.fire(late);
    for (const [index, [beat, at]] of beats.entries()) {
      assert.equal(beat, index + 1);
      assert.ok(Math.abs(at - (200 + beat * 1000 + late)) < 1e-6, `${beat} at ${at}`);
    }
  }
});

test('beat: those that passed while the process was held up are one, the last, and the next is in time', () => {
  const { clock, beats } = beating({ everyMs: 1000 });
  for (const late of [0, 3400, 0, 999, 0]) clock.fire(late);
  assert.deepEqual(beats, [
    [1, 1000],
    [5, 5400],
    [6, 6000],
    [7, 7999],
    [8, 8000],
  ]);
});

test('beat: one that is stopped by its own beat comes no more', () => {
  const clock = new Clock();
  const beat = new Beat(() => beat.stop(), { everyMs: 1000, clock });
  assert.equal(clock.waits, true);
  clock.fire(0);
  assert.equal(clock.waits, false);
});
