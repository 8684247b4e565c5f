/**
 * The row of the benchmark. It tells each figure once, when it was measured, and never again: there is no rate to ask for,
 * and what counts is the last that was said in the time that is looked at, be the run over or not. Pure.
 */
import { HEALTH, type Query, type Row, VERDICTS } from './grafana-panel.ts';

/** Labels that the whole row can be narrowed to. */
export const BENCH_VARIABLES = [
  { name: 'topology', label: 'Benchmark: cluster', metric: 'liveproof_bench_ladder_info' },
  { name: 'engine', label: 'engine', metric: 'liveproof_bench_ladder_info' },
  { name: 'players', label: 'players', metric: 'liveproof_bench_stall_ratio' },
] as const;

const PLACE = 'topology, engine, protocol, at';
const CELL = `${PLACE}, players`;
const OF_PLACE = 'topology=~"$topology",engine=~"$engine"';
const OF_CELL = `${OF_PLACE},players=~"$players"`;
const PLACE_LEGEND = '{{topology}} {{engine}} {{protocol}} at {{at}}';

function last(metric: string, matchers: string): string {
  return `last_over_time(${metric}{${matchers}}[$__range])`;
}

function ofCell(metric: string, more = ''): string {
  return `sum by (${CELL}) (${last(metric, OF_CELL + more)})`;
}

function quantiles(metric: string, of: string, quantiles: readonly number[]): Query[] {
  return quantiles.map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le, ${CELL}) (${last(`${metric}_bucket`, OF_CELL)}))`,
    legend: `${of} p${quantile * 100}`,
    unit: 's',
  }));
}

const FAULTS = 'liveproof_bench_frame_faults_total';
const FRAMES = 'liveproof_bench_frames_total';
const LARGEST = 'liveproof_bench_largest';

function largest(metric: string): Query[] {
  return [{ expr: `max by (${PLACE}) (${last(metric, OF_PLACE)})`, legend: PLACE_LEGEND }];
}

function costOfClient(metric: string): Query[] {
  return [
    {
      expr: `max by (${PLACE}, climbs, side) (${last(metric, OF_PLACE)})`,
      legend: `${PLACE_LEGEND}, {{climbs}}: {{side}}`,
    },
  ];
}

export const BENCH_ROW: Row = {
  title: 'liveproof bench: what was measured so far (--prometheus)',
  panels: [
    {
      title: 'Verdict of the benchmark',
      says: 'The worst so far. Each number of players has to hold the SLO, and viewers must not multiply what leaves the origins.',
      type: 'stat',
      unit: 'short',
      queries: [
        {
          expr: 'max(liveproof_verdict and on (instance, job) liveproof_run_info{kind="bench"})',
          legend: '',
        },
      ],
      words: VERDICTS,
    },
    {
      title: 'Generator, at its worst',
      says: 'Unhealthy: some figures are not those of the servers; the table says which.',
      type: 'stat',
      unit: 'short',
      queries: [{ expr: `min(${last('liveproof_bench_generator_healthy', OF_CELL)})`, legend: '' }],
      words: HEALTH,
    },
    {
      title: 'Players of all repetitions',
      type: 'stat',
      unit: 'short',
      queries: [
        {
          expr: `sum by (outcome) (${last('liveproof_bench_clients_total', OF_CELL)})`,
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Video frames missing or faulty',
      type: 'stat',
      unit: 'percentunit',
      queries: [{ expr: `sum(${last(FAULTS, OF_CELL)}) / sum(${last(FRAMES, OF_CELL)})`, legend: '' }],
    },
    {
      title: 'Latency and startup, by protocol and players',
      says: 'Steady latency from the stamp of a frame to its arrival; startup to the first picture of the player model. All repetitions together.',
      type: 'table',
      unit: 'short',
      queries: [
        ...quantiles('liveproof_bench_latency_seconds', 'latency', [0.5, 0.9, 0.99, 0.999]),
        ...quantiles('liveproof_bench_startup_seconds', 'startup', [0.5, 0.99]),
        { expr: ofCell('liveproof_bench_stall_ratio'), legend: 'stalled', unit: 'percentunit' },
        {
          expr: `${ofCell(FAULTS, ',fault="missing"')} / ${ofCell(FRAMES)}`,
          legend: 'frames missing',
          unit: 'percentunit',
        },
        { expr: ofCell('liveproof_bench_server_cpu_cores'), legend: 'cores of servers' },
        {
          expr: ofCell('liveproof_bench_server_resident_memory_bytes'),
          legend: 'memory of servers',
          unit: 'bytes',
        },
        { expr: ofCell('liveproof_bench_generator_healthy'), legend: 'generator', words: HEALTH },
      ],
    },
    {
      title: 'Most players that held the SLO',
      type: 'bargauge',
      unit: 'short',
      queries: largest(`${LARGEST}_players`),
    },
    {
      title: 'Most publishers that held the SLO',
      type: 'bargauge',
      unit: 'short',
      queries: largest(`${LARGEST}_publishers`),
    },
    {
      title: 'Most joins in a second that held the SLO',
      type: 'bargauge',
      unit: 'short',
      queries: largest(`${LARGEST}_joins_per_second`),
    },
    {
      title: 'Which side gave way',
      says: 'A lower bound: the cluster may carry more, as not it gave way.',
      type: 'table',
      unit: 'short',
      queries: [
        {
          expr: `max by (${PLACE}, climbs, side, bound) (${last('liveproof_bench_ladder_info', OF_PLACE)})`,
          legend: '',
        },
      ],
      size: { w: 12, h: 8 },
    },
    {
      title: 'Bytes that leave the origins for a byte of the viewers',
      says: 'With merged pulls it falls with every viewer; with a pull for each it is 1 and more.',
      type: 'bargauge',
      unit: 'percentunit',
      queries: [
        {
          expr: ['origin', 'viewer']
            .map((of) => `sum by (${CELL}, pulls) (${last(`liveproof_bench_${of}_bytes_total`, OF_PLACE)})`)
            .join(' / '),
          legend: `${PLACE_LEGEND}, {{players}} viewers, {{pulls}}`,
        },
      ],
      size: { w: 12 },
    },
    {
      title: 'Cores for one client more, of the servers and of the generator',
      type: 'bargauge',
      unit: 'none',
      queries: costOfClient('liveproof_bench_client_cpu_cores'),
      size: { w: 12 },
    },
    {
      title: 'Memory for one client more, of the servers and of the generator',
      type: 'bargauge',
      unit: 'bytes',
      queries: costOfClient('liveproof_bench_client_memory_bytes'),
      size: { w: 12 },
    },
  ],
};
