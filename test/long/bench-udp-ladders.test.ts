import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Capability } from '../../lab/cluster.ts';
import type { Topology } from '../../lab/topology.ts';
import { absentLadders } from '../../scenarios/bench/absent-ladders.ts';
import { PROFILE_OF } from '../../scenarios/bench/profile.ts';
import { runBench } from '../../scenarios/bench/run.ts';
import { DEFAULT_SLO } from '../../scenarios/bench/slo.ts';

const ALONE: Topology = {
  name: 'alone',
  title: 'An origin with SRT and WebRTC',
  source: 'test/long/bench-udp-ladders.test.ts',
  nodes: [{ name: 'origin', role: 'origin', upstreams: [], srt: true, rtc: true }],
  entries: (['rtmp', 'srt', 'webrtc'] as const).flatMap((protocol) => [
    { node: 'origin', protocol, use: 'publish' },
    { node: 'origin', protocol, use: 'play' },
  ]),
};

test('joins and publishers are climbed over SRT and WebRTC, too', async () => {
  const quick = PROFILE_OF.quick;
  const bench = await runBench({
    runs: [{ topology: ALONE, engine: 'builtin' }],
    parts: ['concurrency'],
    profile: {
      ...quick,
      ladder: {
        ...quick.ladder,
        start: { players: {}, joins: { webrtc: 2 }, publishers: { srt: 1, webrtc: 1 } },
        limit: 1,
        budgetMs: 100,
        // A player begins a second behind, once a keyframe has come.
        steadyMs: 1300,
        joinMs: 500,
      },
    },
    slo: DEFAULT_SLO,
    signal: new AbortController().signal,
    show: () => {},
    start: {},
  });
  assert.deepEqual(bench.problems, []);
  assert.deepEqual(
    bench.ladders.map(({ climbs, protocol, steps }) => [climbs, protocol, steps[0]!.value]),
    [
      ['joins', 'webrtc', 2],
      ['publishers', 'srt', 1],
      ['publishers', 'webrtc', 1],
    ],
  );
  for (const { climbs, protocol, steps } of bench.ladders) {
    const { joinedShare, reasons, latencyP99, startupP99, mbitPerSecond } = steps[0]!;
    assert.deepEqual([joinedShare, reasons], [1, {}], `${climbs} of ${protocol}`);
    assert.ok(latencyP99! > 0 && startupP99! > 0 && mbitPerSecond > 0, `${climbs} of ${protocol}`);
  }
});

test('what an engine lacks of what its topology offers is told with the reason; what neither has is not asked', () => {
  const why = 'SRS opens its UDP ports on all addresses';
  const lacks = new Map<Capability, string>([
    ['publish.srt', why],
    ['play.srt', why],
  ]);
  const start = { players: { rtmp: 1, srt: 1 }, joins: { webrtc: 1 }, publishers: { rtmp: 1, srt: 1 } };
  const place = { topology: 'alone', engine: 'srs' };
  assert.deepEqual(absentLadders({ topology: ALONE, engine: 'srs', lacks }, start), [
    { ...place, climbs: 'players', protocol: 'srt', why },
    { ...place, climbs: 'publishers', protocol: 'srt', why },
  ]);
  assert.deepEqual(absentLadders({ topology: ALONE, engine: 'srs' }, start), []);
});
