import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breachesOf, DEFAULT_SLO, type SloFigures } from '../../../scenarios/bench/slo.ts';

const GOOD: SloFigures = {
  joinedShare: 1,
  stallRatio: 0,
  lossRatio: 0,
  latencyP99: 700,
  startupP99: 900,
};

test('what is at the bound is held, what is beyond it is told with both figures', () => {
  const { joined, stalls, loss, latencyMs, startupMs } = DEFAULT_SLO;
  const edge = {
    joinedShare: joined,
    stallRatio: stalls,
    lossRatio: loss,
    latencyP99: latencyMs.rtmp!,
    startupP99: startupMs,
  };
  assert.deepEqual(breachesOf(edge, DEFAULT_SLO, 'rtmp', 'join'), []);
  const beyond = {
    joinedShare: 0.9989,
    stallRatio: 0.0101,
    lossRatio: 0.0011,
    latencyP99: 3001,
    startupP99: 2001,
  };
  assert.deepEqual(breachesOf(beyond, DEFAULT_SLO, 'rtmp', 'join'), [
    '99.89 % joined, at least 99.9 %',
    'stalled 1.01 % of the time, at most 1 %',
    '0.11 % of the frames lost, at most 0.1 %',
    'latency p99 3001 ms, at most 3000 ms',
    'startup p99 2001 ms, at most 2000 ms',
  ]);
});

test('players that only play are not asked how fast they joined', () => {
  assert.deepEqual(breachesOf({ ...GOOD, startupP99: 60_000 }, DEFAULT_SLO, 'flv', 'play'), []);
});

test('each protocol has a latency of its own', () => {
  assert.deepEqual(breachesOf({ ...GOOD, latencyP99: 600 }, DEFAULT_SLO, 'srt', 'play'), []);
  assert.deepEqual(breachesOf({ ...GOOD, latencyP99: 600 }, DEFAULT_SLO, 'webrtc', 'play'), [
    'latency p99 600 ms, at most 400 ms',
  ]);
});

test('what is unknown is never held', () => {
  assert.deepEqual(breachesOf({ ...GOOD, latencyP99: null, startupP99: null }, DEFAULT_SLO, 'rtmp', 'join'), [
    'latency unknown: nothing was measured',
    'startup unknown: nothing was measured',
  ]);
});

test('a share of nothing is not held', () => {
  const nothing = { joinedShare: Number.NaN, stallRatio: Number.NaN, lossRatio: Number.NaN };
  assert.equal(breachesOf({ ...GOOD, ...nothing }, DEFAULT_SLO, 'rtmp', 'join').length, 3);
});
