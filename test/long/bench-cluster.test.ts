import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Topology } from '../../lab/topology.ts';
import { judgeEconomics } from '../../reports/judge-bench-economics.ts';
import { Bench, type BenchEconomics } from '../../reports/results-bench.ts';
import { PROFILE_OF, type Profile } from '../../scenarios/bench/profile.ts';
import { runBench } from '../../scenarios/bench/run.ts';
import { DEFAULT_SLO } from '../../scenarios/bench/slo.ts';

const PAIR: Topology = {
  name: 'pair',
  title: 'Two origins that redirect, and an edge that asks the one without the stream first',
  source: 'test/long/bench-cluster.test.ts',
  nodes: [
    { name: 'origin', role: 'origin', upstreams: [], coworkers: ['other'] },
    { name: 'other', role: 'origin', upstreams: [], coworkers: ['origin'] },
    { name: 'edge', role: 'edge', upstreams: ['other', 'origin'] },
  ],
  entries: [
    { node: 'origin', protocol: 'rtmp', use: 'publish' },
    { node: 'other', protocol: 'rtmp', use: 'publish' },
    { node: 'edge', protocol: 'rtmp', use: 'play' },
  ],
};
const TINY: Profile = {
  ...PROFILE_OF.quick,
  players: [1],
  repetitions: 1,
  steadyMs: 300,
  economics: { players: [1, 4], ms: 1200, fewMs: 300 },
};

function request(signal: AbortSignal) {
  return {
    runs: [{ topology: PAIR, engine: 'builtin' as const }],
    profile: TINY,
    slo: DEFAULT_SLO,
    signal,
    show: () => {},
    start: {},
  };
}

test('a real cluster is measured: its latency, and what its origin sends with and without merged pulls', async () => {
  const lines: string[] = [];
  const bench = await runBench({
    ...request(new AbortController().signal),
    parts: ['latency', 'economics'],
    show: (line) => lines.push(line),
  });
  assert.ok(Bench.safeParse(bench).success);
  assert.deepEqual([bench.problems, bench.ladders, bench.claims], [[], [], []]);
  const [cell] = bench.latency;
  assert.deepEqual([bench.latency.length, cell!.at, cell!.joined], [1, 'edge', 1]);
  assert.ok(cell!.steady.p50! > 0 && cell!.steady.count > 0);
  assert.deepEqual(
    bench.economics.map(({ variant, requested, pulls }) => [variant, requested, pulls]),
    [
      ['merged', 4, 1],
      ['merged', 1, 1],
      ['unmerged', 4, 4],
      ['unmerged', 1, 1],
    ],
  );
  const [merged, , unmerged] = bench.economics;
  assert.deepEqual(merged!.mergers, ['edge']);
  assert.ok(merged!.perViewerByte! < unmerged!.perViewerByte!);
  // The same judgement for both: that of the mutant fails.
  const judged = (variant: BenchEconomics['variant']) =>
    judgeEconomics(
      bench.economics
        .filter((row) => row.variant === variant)
        .map((row) => ({ ...row, variant: 'merged' as const })),
    ).map(({ said }) => said.verdict);
  assert.deepEqual([judged('merged'), judged('unmerged')], [['pass'], ['fail']]);
  assert.match(lines[0]!, /^pair, builtin \| brings the cluster up$/);
});

test('what was interrupted before it began is empty, and no cluster is brought up', async () => {
  const bench = await runBench({ ...request(AbortSignal.abort()), parts: ['latency', 'claims'] });
  assert.deepEqual([bench.latency, bench.claims, bench.problems], [[], [], []]);
});

test('a cluster that does not come up is a problem of its own, and none of the others', async () => {
  const bench = await runBench({
    ...request(new AbortController().signal),
    runs: [{ topology: PAIR, engine: 'srs' }],
    start: { srsPath: '/nonexistent/srs' },
    parts: ['latency'],
  });
  assert.deepEqual(
    bench.problems.map(({ topology, part }) => [topology, part]),
    [['pair', 'start']],
  );
});
