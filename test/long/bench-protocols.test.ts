import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Topology } from '../../lab/topology.ts';
import { PROFILE_OF, PROTOCOLS } from '../../scenarios/bench/profile.ts';
import { runBench } from '../../scenarios/bench/run.ts';
import { DEFAULT_SLO } from '../../scenarios/bench/slo.ts';

const ALONE: Topology = {
  name: 'alone',
  title: 'An origin with everything',
  source: 'test/long/bench-protocols.test.ts',
  nodes: [{ name: 'origin', role: 'origin', upstreams: [], hls: true, srt: true, rtc: true }],
  entries: [
    { node: 'origin', protocol: 'rtmp', use: 'publish' },
    { node: 'origin', protocol: 'srt', use: 'publish' },
    ...PROTOCOLS.map((protocol) => ({ node: 'origin', protocol, use: 'play' }) as const),
  ],
};

test('a player of each of the five protocols has a seat, and a latency of its own kind', async () => {
  const bench = await runBench({
    runs: [{ topology: ALONE, engine: 'builtin' }],
    parts: ['latency'],
    profile: {
      ...PROFILE_OF.quick,
      players: [1],
      repetitions: 1,
      // A player begins a second behind, of SRT and WHEP once a keyframe has come.
      steadyMs: 1300,
      hlsSteadyMs: 1300,
    },
    slo: DEFAULT_SLO,
    signal: AbortSignal.timeout(60_000),
    show: () => {},
    start: {},
  });
  assert.deepEqual(bench.problems, []);
  assert.deepEqual(
    bench.latency.map(({ protocol, players, joined, failed }) => [protocol, players, joined, failed]),
    PROTOCOLS.map((protocol) => [protocol, 1, 1, 0]),
  );
  const p50 = new Map<string, number>();
  for (const { protocol, startup, steady, frames } of bench.latency) {
    assert.deepEqual([startup.count, frames.faulty], [1, 0], protocol);
    assert.ok(steady.count > 0 && frames.received > 0, protocol);
    p50.set(protocol, steady.p50!);
  }
  // WHEP has no merged write of 350 ms, SRT its latency of 120 ms; HLS is whole segments of a second behind.
  assert.ok(p50.get('webrtc')! < p50.get('srt')!, `${[...p50]}`);
  assert.ok(p50.get('srt')! >= 120, `${[...p50]}`);
  assert.ok(p50.get('hls')! > p50.get('rtmp')!, `${[...p50]}`);
});
