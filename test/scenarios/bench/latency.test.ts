import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatencyHistogram } from '../../../drivers/measure/histogram.ts';
import { beyondMachine, measureLatency } from '../../../scenarios/bench/latency.ts';
import type { Measured, Task } from '../../../scenarios/bench/measure.ts';
import { PROFILE_OF, type Profile } from '../../../scenarios/bench/profile.ts';
import type { Seat, Site } from '../../../scenarios/bench/site.ts';
import { DEFAULT_SLO } from '../../../scenarios/bench/slo.ts';
import { GENERATOR, SERVER, unhealthy } from '../../reports/samples-bench.ts';

const SITE = {
  cluster: { topology: { name: 'pair' }, engine: 'builtin' },
  mostPlayers: () => 500,
} as unknown as Site;

function seat(protocol: Seat['protocol']): Seat {
  return { protocol, url: protocol, entry: { node: 'edge' } } as unknown as Seat;
}

function measured(
  latencyMs: number,
  generator: Omit<Measured['generator'], 'udpDrops'> = GENERATOR,
): Measured {
  const histogram = new LatencyHistogram();
  histogram.record(latencyMs);
  return {
    seconds: 1,
    clients: { requested: 1, opened: 1, joined: 1, failed: 0, dropped: 0 },
    reasons: {},
    bytes: 1,
    frames: { received: 25, missing: 0, faulty: 0 },
    stalls: { count: 0, ratio: 0, lasting: 0, ofUrls: [], stalledMs: 0, watchedMs: 1000 },
    startup: histogram,
    steady: histogram,
    slo: { joinedShare: 1, stallRatio: 0, lossRatio: 0, latencyP99: latencyMs, startupP99: latencyMs },
    server: SERVER,
    machineShare: 0.1,
    generator: { ...generator, udpDrops: 0 },
  };
}

/** @param of what the measurement of that number, from 0, comes to. */
async function run(profile: Partial<Profile>, of: (number: number) => Measured = () => measured(100)) {
  const taken: string[] = [];
  const cells = await measureLatency(
    SITE,
    [seat('rtmp'), seat('flv')],
    {
      profile: { ...PROFILE_OF.quick, players: [1, 100, 200, 1000], repetitions: 3, ...profile },
      slo: DEFAULT_SLO,
      signal: new AbortController().signal,
      show: () => {},
    },
    async ({ players, urls }: Task) => {
      taken.push(`${players} ${urls[0]}`);
      return of(taken.length - 1);
    },
  );
  return { taken, cells };
}

test('repetitions are interleaved: every measurement of a round comes before any of the next', async () => {
  const { taken, cells } = await run({});
  const round = ['1 rtmp', '1 flv', '100 rtmp', '100 flv', '200 rtmp', '200 flv'];
  // More players than an entry can take are not asked of it.
  assert.deepEqual(taken, [...round, ...round, ...round]);
  assert.deepEqual(
    cells.map(({ players, protocol, repetitions }) => `${players} ${protocol} ${repetitions}`),
    round.map((cell) => `${cell} 3`),
  );
});

test('what drifts from round to round meets all measurements alike', async () => {
  const { cells } = await run({}, (number) => measured(100 + 100 * Math.floor(number / 6)));
  for (const { samples } of cells) {
    assert.deepEqual(
      samples.latencyP50!.map((value) => Math.round(value / 100)),
      [1, 2, 3],
    );
  }
});

test('with the time over no further round begins', async () => {
  const { taken } = await run({ latencyBudgetMs: -1 });
  assert.deepEqual(taken, []);
});

test('a repetition with an unhealthy generator is told, and gives no sample', async () => {
  const { cells } = await run({ players: [100] }, (number) =>
    number < 2 ? measured(900, unhealthy()) : measured(100),
  );
  for (const { repetitions, discarded, samples, breaches } of cells) {
    assert.deepEqual([repetitions, discarded, samples.latencyP50!.length, breaches], [2, 1, 2, []]);
  }
});

test('what the open files of this machine are not enough for is told', () => {
  const beyond = (players: number[]) => beyondMachine(SITE, [seat('rtmp'), seat('flv')], { players });
  assert.equal(beyond([1, 100, 500]), undefined);
  assert.match(beyond([1, 100, 1000])!, /^players: 1000 of rtmp, 1000 of flv, .* enough for 500: raise/);
});
