import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAILOVER_ORIGIN } from '../../../scenarios/conformance/failover-origin.ts';
import { FailoverStep } from '../../../scenarios/failover-steps.ts';
import { Timeline } from './timeline.ts';

const DOWN = 5000;

interface Answer {
  readonly status: number;
  readonly bytes?: number;
}

/** What the cache answers while its origin is down; undefined: it was not asked. */
function answered(playlist: Answer | undefined, segment: Answer | undefined, isBack = true) {
  const timeline = new Timeline().control(2000, 'origin', 'kill');
  for (const [name, answer] of Object.entries({ playlist, segment })) {
    if (answer === undefined) continue;
    const { status, bytes = status === 200 ? 1000 : 0 } = answer;
    timeline.history.append({
      ...{ t: DOWN, type: 'http.exchange', client: `${name}-without-origin`, kind: 'other', method: 'GET' },
      ...{ url: `http://127.0.0.1/${name}`, sentAt: DOWN, headAt: DOWN, firstByteAt: DOWN },
      ...{ status, headers: {}, bytes, error: null },
    });
  }
  if (isBack) timeline.step(6000, FailoverStep.cured, { what: 'origin' });
  const check = FAILOVER_ORIGIN.find(({ id }) => id === 'failover/cache-origin-killed')!;
  // Of viewers there is nothing here: what the cache answers comes first.
  return check
    .judge(timeline.history)
    .filter(({ expected }) => expected.includes('cache'))
    .map(({ verdict }) => verdict);
}

test('no playlist, and the segment, of a cache whose origin is down', () => {
  assert.deepEqual(answered({ status: 502 }, { status: 200 }), ['pass', 'pass']);
  assert.deepEqual(answered({ status: 504 }, { status: 200 }), ['pass', 'pass']);
});

test('an old playlist fails, and so does one that is not there, as if the stream had ended', () => {
  assert.deepEqual(answered({ status: 200 }, { status: 200 }), ['fail', 'pass']);
  assert.deepEqual(answered({ status: 404 }, { status: 200 }), ['fail', 'pass']);
});

test('a segment that is not kept, or is empty, fails', () => {
  assert.deepEqual(answered({ status: 502 }, { status: 502 }), ['pass', 'fail']);
  assert.deepEqual(answered({ status: 502 }, { status: 200, bytes: 0 }), ['pass', 'fail']);
});

test('a cache that was not asked for both, or whose origin nobody saw come back, tells nothing', () => {
  assert.deepEqual(answered(undefined, { status: 200 }), ['inconclusive']);
  assert.deepEqual(answered({ status: 502 }, undefined), ['inconclusive']);
  assert.deepEqual(answered({ status: 502 }, { status: 200 }, false), ['inconclusive']);
});
