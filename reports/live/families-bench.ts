/** What Prometheus is told of a benchmark: each measurement once, when it is there. */
import type { Bench, BenchEconomics, BenchLadder, BenchLatency } from '../results-bench.ts';
import { type Family, type HistogramFamily, type Labels, MEGABYTE, type NumberFamily } from './family.ts';

const KILOBYTE = 1024;

const PLACE = ['topology', 'engine', 'protocol', 'at'] as const;

function placeOf({ topology, engine, protocol, at }: Pick<BenchLadder, (typeof PLACE)[number]>): Labels {
  return { topology, engine, protocol, at };
}

const CELL = [...PLACE, 'players'];
/** At one place there are several numbers of viewers. */
const VIEWERS = [...CELL, 'pulls'];

function cellOf(cell: BenchLatency): Labels {
  return { ...placeOf(cell), players: String(cell.players) };
}

type Samples = (readonly [Labels, number])[];

function each<T>(
  of: (bench: Bench) => readonly T[],
  samples: (one: T) => Readonly<Samples>,
): NumberFamily['values'] {
  return ({ bench }) => (bench === undefined ? [] : of(bench).flatMap(samples));
}

function cells(samples: (cell: BenchLatency, labels: Labels) => Readonly<Samples>): NumberFamily['values'] {
  return each(
    ({ latency }) => latency,
    (cell) => samples(cell, cellOf(cell)),
  );
}

function ladders(
  samples: (ladder: BenchLadder, labels: Labels) => Readonly<Samples>,
): NumberFamily['values'] {
  return each(
    (bench) => bench.ladders,
    (ladder) => samples(ladder, placeOf(ladder)),
  );
}

function economics(value: (row: BenchEconomics) => number): NumberFamily['values'] {
  return each(
    (bench) => bench.economics,
    (row) => {
      const { variant, players, requested = players } = row;
      return [[{ ...placeOf(row), pulls: variant, players: String(requested) }, value(row)]];
    },
  );
}

function distributions(of: 'startup' | 'steady'): HistogramFamily['values'] {
  return ({ bench }) => (bench?.latency ?? []).map((cell) => [cellOf(cell), cell[of]] as const);
}

/** Absent where none held. */
function largest(climbs: BenchLadder['climbs']): NumberFamily['values'] {
  return ladders((ladder, labels) =>
    ladder.climbs !== climbs || ladder.largest === null ? [] : [[labels, ladder.largest]],
  );
}

/** Of servers and of the generator; absent with one step. */
function clientCost(of: (cost: BenchLadder['perClient']) => Record<string, number | null>) {
  return ladders(({ climbs, perClient }, labels) =>
    Object.entries(of(perClient)).flatMap(([side, value]) =>
      value === null ? [] : [[{ ...labels, climbs, side }, value] as const],
    ),
  );
}

const bytesOf = (kb: number | null): number | null => (kb === null ? null : kb * KILOBYTE);

export const BENCH: readonly Family[] = [
  {
    name: 'liveproof_bench_latency_seconds',
    type: 'histogram',
    help: 'Steady latency of all repetitions together, from the stamp of a frame to its arrival',
    labels: CELL,
    values: distributions('steady'),
  },
  {
    name: 'liveproof_bench_startup_seconds',
    type: 'histogram',
    help: 'From opening to the first picture of the player model, all repetitions together',
    labels: CELL,
    values: distributions('startup'),
  },
  {
    name: 'liveproof_bench_clients_total',
    type: 'counter',
    help: 'Players that joined, that never did, and that were lost after they had, all repetitions together',
    labels: [...CELL, 'outcome'],
    values: cells(({ joined, failed, dropped }, labels) =>
      Object.entries({ joined, failed, dropped }).map(([outcome, count]) => [{ ...labels, outcome }, count]),
    ),
  },
  {
    name: 'liveproof_bench_frames_total',
    type: 'counter',
    help: 'Video frames received by all players of all repetitions',
    labels: CELL,
    values: cells(({ frames }, labels) => [[labels, frames.received]]),
  },
  {
    name: 'liveproof_bench_frame_faults_total',
    type: 'counter',
    help: 'Video frames that never came, and that were corrupt or out of order',
    labels: [...CELL, 'fault'],
    values: cells(({ frames: { missing, faulty } }, labels) => [
      [{ ...labels, fault: 'missing' }, missing],
      [{ ...labels, fault: 'faulty' }, faulty],
    ]),
  },
  {
    name: 'liveproof_bench_stall_ratio',
    type: 'gauge',
    help: 'Stalled time / (played and stalled) time',
    labels: CELL,
    values: cells(({ stalls }, labels) => [[labels, stalls.ratio]]),
  },
  {
    name: 'liveproof_bench_generator_healthy',
    type: 'gauge',
    help: '1 where the machine that ran the clients was fast enough for the figures to be those of the servers',
    labels: CELL,
    values: cells(({ generator }, labels) => [[labels, generator.healthy ? 1 : 0]]),
  },
  {
    name: 'liveproof_bench_largest_players',
    type: 'gauge',
    help: 'Largest number of players that held the SLO; absent where none did',
    labels: PLACE,
    values: largest('players'),
  },
  {
    name: 'liveproof_bench_largest_publishers',
    type: 'gauge',
    help: 'Largest number of publishers that held the SLO; absent where none did',
    labels: PLACE,
    values: largest('publishers'),
  },
  {
    name: 'liveproof_bench_largest_joins_per_second',
    type: 'gauge',
    help: 'Most joins in a second that held the SLO; absent where none did',
    labels: PLACE,
    values: largest('joins'),
  },
  {
    name: 'liveproof_bench_ladder_info',
    type: 'gauge',
    help: 'Always 1; the labels tell which side gave way, and whether the largest number is exact or a lower bound',
    labels: [...PLACE, 'climbs', 'side', 'bound'],
    values: ladders(({ climbs, gaveWay, lowerBound }, labels) => [
      [{ ...labels, climbs, side: gaveWay, bound: lowerBound ? 'lower' : 'exact' }, 1],
    ]),
  },
  {
    name: 'liveproof_bench_client_cpu_cores',
    type: 'gauge',
    help: 'What one more client takes of the processors of the servers, and of the generator',
    labels: [...PLACE, 'climbs', 'side'],
    values: clientCost(({ serverCores, generatorCores }) => ({
      servers: serverCores,
      generator: generatorCores,
    })),
  },
  {
    name: 'liveproof_bench_client_memory_bytes',
    type: 'gauge',
    help: 'What one more client takes of the memory of the servers, and of the generator',
    labels: [...PLACE, 'climbs', 'side'],
    values: clientCost(({ serverKb, generatorKb }) => ({
      servers: bytesOf(serverKb),
      generator: bytesOf(generatorKb),
    })),
  },
  {
    name: 'liveproof_bench_server_cpu_cores',
    type: 'gauge',
    help: 'Of all nodes together while players of that number played, mean of the repetitions',
    labels: CELL,
    values: cells(({ server }, labels) => (server === null ? [] : [[labels, server.cores]])),
  },
  {
    name: 'liveproof_bench_server_resident_memory_bytes',
    type: 'gauge',
    help: 'Of all nodes together, mean of the repetitions',
    labels: CELL,
    values: cells(({ server }, labels) => (server === null ? [] : [[labels, server.rssMb * MEGABYTE]])),
  },
  {
    name: 'liveproof_bench_viewer_bytes_total',
    type: 'counter',
    help: 'Bytes that players read while it was counted what left the origins',
    labels: VIEWERS,
    values: economics(({ viewerBytes }) => viewerBytes),
  },
  {
    name: 'liveproof_bench_origin_bytes_total',
    type: 'counter',
    help: 'Bytes that left origins for other nodes meanwhile, by the taps',
    labels: VIEWERS,
    values: economics(({ originBytes }) => originBytes),
  },
];
