import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capacityClaims, hlsClaim, levelClaim } from '../../../scenarios/bench/claims.ts';
import type { LatencyRow } from '../../../scenarios/benchmark/hls-latency-run.ts';
import { ladder } from '../../reports/samples-bench.ts';

test('a core’s players are what one more of them takes, beside the published ones', () => {
  const [claim, ...more] = capacityClaims([ladder()], 490_000);
  assert.deepEqual(
    [claim!.id, claim!.comparison, more],
    ['players-per-core/rtmp/edge-cluster', 'beside', []],
  );
  assert.equal(
    claim!.says,
    'SRS 4.0.105: 4000 RTMP players on 94 % of a core (419 MB): 4255 per core, at 600 kbit/s',
  );
  assert.equal(claim!.measured, '10000 per core, 40 kB each, up to 1000 at a time');
  assert.match(claim!.note, /490 kbit\/s, and builtin is not SRS$/);
});

test('a ladder with one step that held says nothing about a core', () => {
  const perClient = { serverCores: null, serverKb: null, generatorCores: null, generatorKb: null };
  assert.equal(capacityClaims([ladder({ perClient })], 490_000)[0]!.comparison, 'not-measured');
});

test('ladders that nothing was published about have no claim', () => {
  assert.deepEqual(capacityClaims([ladder({ protocol: 'flv' }), ladder({ climbs: 'joins' })], 490_000), []);
});

test('the levels of a cluster hold, or differ, by what each adds', () => {
  const of = (...p50: (number | null)[]) =>
    levelClaim({
      engine: 'srs',
      latency: p50.map((ms, level) => ({ node: `level-${level}`, p50: ms })),
      healthy: true,
    });
  assert.deepEqual(
    [of(170, 340, 620).comparison, of(170, 340, 620).measured],
    ['holds', '225 ms a level, at the median: level-0 170 ms, level-1 340 ms, level-2 620 ms'],
  );
  assert.equal(of(10, 15, 20).comparison, 'differs');
  assert.equal(of(170, null, null).comparison, 'not-measured');
  assert.equal(levelClaim({ engine: 'srs', latency: [], healthy: false }).comparison, 'not-measured');
});

test('HLS is 5 to 10 s late, or it is not', () => {
  const row = (p50: number | null): LatencyRow => ({
    engine: 'builtin',
    fragmentSeconds: 1,
    start: '3-segments',
    segmentSeconds: 1,
    targetDuration: 1,
    players: 6,
    frames: 100,
    arrival: { p50: 1000, p99: 1900 },
    shown: { p50, p99: p50 },
    stalls: 0,
    problems: {},
  });
  assert.deepEqual(
    [row(6000), row(3500), row(null)].map((one) => hlsClaim('builtin', [one]).comparison),
    ['holds', 'differs', 'not-measured'],
  );
  assert.equal(hlsClaim('builtin', []).comparison, 'not-measured');
});
