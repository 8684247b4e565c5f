import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capacityClaims, hlsClaim, levelClaim } from '../../../scenarios/bench/claims.ts';
import { perClientOf } from '../../../scenarios/bench/gave-way.ts';
import { climbFromFoot } from '../../../scenarios/bench/ladder.ts';
import type { LatencyRow } from '../../../scenarios/benchmark/hls-latency-run.ts';
import { ladder, SERVER, step } from '../../reports/samples-bench.ts';

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

test('the figures of one process tell whose they are, and how busy the machine was', () => {
  const [claim] = capacityClaims(
    [{ ...ladder({ engine: 'srs', topology: 'one-node', largest: 800 }), machineShare: 0.42 }],
    490_000,
  );
  assert.equal(claim!.id, 'players-per-core/rtmp/one-node');
  assert.equal(claim!.measured, '10000 per core, 40 kB each, up to 800 at a time');
  assert.match(
    claim!.note,
    /of a process that is alone; no core was driven to its end, and 42 % of the machine’s/,
  );
  assert.doesNotMatch(claim!.note, /all its nodes|is not SRS/);
});

test('a ladder with one step that held says nothing about a core', () => {
  const perClient = { serverCores: null, serverKb: null, generatorCores: null, generatorKb: null };
  assert.equal(capacityClaims([ladder({ perClient })], 490_000)[0]!.comparison, 'not-measured');
});

test('of a ladder that ends at its first rung a core’s players are told, too: a lower rung is tried', async () => {
  // SRS on two cores: the generator gave way at the second rung, and there was no time to come between the two.
  const options = { start: 500, limit: 4000, factor: 2, resolution: 1.4 };
  const { steps } = await climbFromFoot({ ...options, isOver: () => true }, async (value) => {
    const server = { ...SERVER, cores: 0.1 + value / 5000, rssMb: 200 + value / 50 };
    return step({ value, holds: value <= 500, server });
  });
  const only = ladder({ engine: 'srs', largest: 500, perClient: perClientOf(steps.slice(0, 1)) });
  assert.equal(capacityClaims([only], 490_000)[0]!.comparison, 'not-measured');
  const [claim] = capacityClaims([ladder({ ...only, perClient: perClientOf(steps) })], 490_000);
  assert.equal(claim!.comparison, 'beside');
  // Of memory nothing: the lower rung came after the higher ones.
  assert.equal(claim!.measured, '5000 per core, up to 500 at a time');
});

test('what is less than the noise of the machine is not called a client’s share', () => {
  const perClient = { serverCores: -0.0001, serverKb: 1, generatorCores: 0, generatorKb: 0 };
  const [claim] = capacityClaims([ladder({ perClient })], 490_000);
  assert.deepEqual(
    [claim!.comparison, claim!.measured],
    ['not-measured', 'the servers took no more for more clients: less than other work on the machine hides'],
  );
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
