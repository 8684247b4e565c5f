import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Topology } from '../../lab/topology.ts';
import { Bench } from '../../reports/results-bench.ts';
import { PROFILE_OF, type Profile } from '../../scenarios/bench/profile.ts';
import { runBench } from '../../scenarios/bench/run.ts';
import { DEFAULT_SLO } from '../../scenarios/bench/slo.ts';

const PAIR: Topology = {
  name: 'pair',
  title: 'An origin and an edge',
  source: 'test/long/bench-rtmp-ladders.test.ts',
  nodes: [
    { name: 'origin', role: 'origin', upstreams: [] },
    { name: 'edge', role: 'edge', upstreams: ['origin'] },
  ],
  entries: [
    { node: 'origin', protocol: 'rtmp', use: 'publish' },
    { node: 'edge', protocol: 'rtmp', use: 'play' },
  ],
};
const TINY: Profile = {
  ...PROFILE_OF.quick,
  ladder: {
    start: { players: { rtmp: 2 }, joins: { rtmp: 8 }, publishers: { rtmp: 4 } },
    limit: 4,
    factor: 2,
    resolution: 1.4,
    budgetMs: 1000,
    steadyMs: 300,
    joinMs: 500,
  },
};

test('a real cluster is climbed: players, joins per second and publishers, up to the limit of the ladder', async () => {
  const bench = await runBench({
    runs: [{ topology: PAIR, engine: 'builtin' }],
    parts: ['concurrency'],
    profile: TINY,
    slo: DEFAULT_SLO,
    signal: AbortSignal.timeout(120_000),
    show: () => {},
    start: {},
  });
  assert.ok(Bench.safeParse(bench).success);
  assert.deepEqual([bench.problems, bench.latency, bench.absent], [[], [], undefined]);
  assert.deepEqual(
    bench.ladders.map(({ climbs, protocol, at, steps }) => [climbs, protocol, at, steps[0]!.value]),
    [
      ['players', 'rtmp', 'edge', 2],
      ['joins', 'rtmp', 'edge', 8],
      ['publishers', 'rtmp', 'origin', 4],
    ],
  );
  // The second step goes up or down by whether the first one held: a busy machine decides.
  assert.ok(bench.ladders[0]!.steps.length >= 2);
  for (const { steps, largest } of bench.ladders) {
    const held = steps.filter(({ holds }) => holds).map(({ value }) => value);
    assert.equal(largest, held.length === 0 ? null : Math.max(...held));
    for (const { joinedShare, reasons, latencyP99, mbitPerSecond } of steps) {
      assert.deepEqual([joinedShare, reasons], [1, {}]);
      assert.ok(latencyP99! > 0 && mbitPerSecond > 0);
    }
  }
});
