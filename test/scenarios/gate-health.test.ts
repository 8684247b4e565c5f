import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GateHealth } from '../../reports/results-gate.ts';
import { GateHealthWatch, healthTogether } from '../../scenarios/gate-health.ts';
import type { HistoryEvent, MachineSeen } from '../../scenarios/history.ts';

const PLACE = { topology: 'edge-cluster', engine: 'builtin' };

const lag = (loopLagMs: number): HistoryEvent => ({ t: 0, type: 'generator', loopLagMs });
const machine = (worst: Partial<MachineSeen['worst']>, watched = true): HistoryEvent => ({
  ...{ t: 0, type: 'machine', watched, waitedMs: {} },
  worst: { waitedMs: {}, othersShare: 0, stolenMs: 0, ...worst },
});

function watched(
  events: readonly (readonly [HistoryEvent, string])[],
  boundMs?: number,
): GateHealth | undefined {
  const watch = new GateHealthWatch(boundMs);
  for (const [event, check] of events) watch.see(event, { check, ...PLACE });
  const { figures } = watch;
  return figures && GateHealth.parse(figures);
}

test('the worst loop lag and the second in which others kept a process the longest are kept, each with its check', () => {
  const health = watched([
    [lag(12), 'a/one'],
    [machine({ waitedMs: { gate: 90, origin: 300 }, othersShare: 0.5, stolenMs: 0 }), 'a/one'],
    [{ t: 0, type: 'step', step: 'players', data: {} }, 'a/two'],
    [lag(40), 'a/two'],
    [machine({ waitedMs: { gate: 20 }, othersShare: 0.1 }), 'a/two'],
    [lag(8), 'a/three'],
    [machine({ waitedMs: { gate: 700, origin: 10 }, othersShare: 0.1, stolenMs: 200 }), 'a/three'],
  ])!;
  assert.equal(health.observations, 3);
  assert.deepEqual(health.loopLag, { ms: 40, check: 'a/two', ...PLACE });
  assert.deepEqual(health.wait, {
    ...{ process: 'gate', waitedMs: 700, othersShare: 0.1, stolenMs: 200, keptMs: 270 },
    ...{ check: 'a/three', ...PLACE },
  });
  assert.deepEqual([health.boundMs, health.starved], [250, 1], 'what was stolen counts as a whole');
});

test('whoever bears more is starved less', () => {
  const events = [
    [lag(1), 'a/one'],
    [machine({ waitedMs: { origin: 600 }, othersShare: 1 }), 'a/one'],
  ] as const;
  assert.equal(watched(events)!.starved, 1);
  assert.equal(watched(events, 600)!.starved, 0);
});

test('nobody waited is known; a system that does not tell is not, and nothing was run is nothing', () => {
  assert.equal(
    watched([
      [lag(1), 'a/one'],
      [machine({}), 'a/one'],
    ])!.wait!.keptMs,
    0,
  );
  assert.equal(
    watched([
      [lag(1), 'a/one'],
      [machine({}, false), 'a/one'],
    ])!.wait,
    null,
  );
  assert.equal(watched([]), undefined);
});

test('of several gates the worst of each is kept, and counts are added', () => {
  const of = (ms: number, keptFor: number, check: string) =>
    watched([
      [lag(ms), check],
      [machine({ waitedMs: { origin: keptFor }, othersShare: 1 }), check],
    ])!;
  const unknown = watched([
    [lag(3), 'c/known'],
    [machine({}, false), 'c/known'],
  ])!;
  const { loopLag, wait, observations, starved } = healthTogether([
    unknown,
    of(40, 10, 'a/lag'),
    of(4, 900, 'b/wait'),
  ])!;
  assert.deepEqual([loopLag.check, wait!.check, observations, starved], ['a/lag', 'b/wait', 3, 1]);
  assert.equal(healthTogether([]), undefined);
});
