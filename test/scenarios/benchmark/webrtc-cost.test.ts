import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isServed } from '../../../scenarios/benchmark/webrtc-cost.ts';

test('players who get less than is sent are no measurement of what players cost', () => {
  const cost = (connected: number, frames: number) => ({
    connected,
    each: { packets: 132, bits: 500_000, frames, verified: 0.5 },
  });
  assert.equal(isServed(cost(300, 25), 300, true), true);
  assert.equal(isServed(cost(299, 25), 300, true), false);
  assert.equal(isServed(cost(300, 12), 300, true), false);
  // What a server that was given sends, nobody here knows.
  assert.equal(isServed(cost(300, 12), 300, false), true);
});
