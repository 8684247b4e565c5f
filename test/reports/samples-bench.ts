/** Pieces of a benchmark, as tests need them. */
import type {
  Bench,
  BenchEconomics,
  BenchLadder,
  BenchLatency,
  BenchStep,
} from '../../reports/results-bench.ts';
import { DEFAULT_SLO } from '../../scenarios/bench/slo.ts';

export const GENERATOR = { healthy: true, reasons: [], loopLagP99Ms: 4, cpuCores: 0.2, rssMb: 180 };
export const SERVER = {
  cores: 0.4,
  rssMb: 300,
  nodes: [{ name: 'edge-1', role: 'edge', cores: 0.4, rssMb: 300 }],
};

export function unhealthy(): BenchStep['generator'] {
  return {
    ...GENERATOR,
    healthy: false,
    reasons: ['event loop lag p99 300 ms, at most 100 ms'],
    loopLagP99Ms: 300,
  };
}

export function step(of: Partial<BenchStep> = {}): BenchStep {
  return {
    value: 100,
    holds: true,
    breaches: [],
    reasons: {},
    joinedShare: 1,
    stallRatio: 0,
    lossRatio: 0,
    latencyP99: 620,
    startupP99: 900,
    mbitPerSecond: 48,
    server: SERVER,
    machineShare: 0.4,
    generator: GENERATOR,
    ...of,
  };
}

export function latency(of: Partial<BenchLatency> = {}): BenchLatency {
  const distribution = { p50: 350, p90: 560, p99: 690, p999: 700, max: 710, count: 1000 };
  return {
    topology: 'edge-cluster',
    engine: 'builtin',
    protocol: 'rtmp',
    at: 'balancer',
    players: 100,
    repetitions: 5,
    discarded: 0,
    joined: 500,
    failed: 0,
    dropped: 0,
    reasons: {},
    startup: distribution,
    steady: distribution,
    stalls: { count: 0, ratio: 0 },
    frames: { received: 20_000, missing: 0, faulty: 0 },
    server: SERVER,
    machineShare: 0.4,
    breaches: [],
    generator: GENERATOR,
    samples: { latencyP50: [350, 352, 348, 351, 349], latencyP99: [690, 700, 680, 695, 685] },
    ...of,
  };
}

export function ladder(of: Partial<BenchLadder> = {}): BenchLadder {
  return {
    topology: 'edge-cluster',
    engine: 'builtin',
    climbs: 'players',
    protocol: 'rtmp',
    at: 'balancer',
    steps: [
      step({ value: 500 }),
      step({ value: 1000 }),
      step({ value: 2000, holds: false, breaches: ['stalled 4 %'] }),
    ],
    largest: 1000,
    failedAt: 2000,
    lowerBound: false,
    gaveWay: 'server',
    why: 'at 2000: stalled 4 %',
    perClient: { serverCores: 0.0001, serverKb: 40, generatorCores: 0.00004, generatorKb: 20 },
    ...of,
  };
}

export function economics(of: Partial<BenchEconomics> = {}): BenchEconomics {
  return {
    topology: 'edge-cluster',
    engine: 'builtin',
    protocol: 'flv',
    at: 'balancer',
    variant: 'merged',
    mergers: ['edge-1', 'edge-2', 'edge-3'],
    players: 60,
    seconds: 5,
    viewerBytes: 18_000_000,
    originBytes: 900_000,
    pulls: 3,
    perViewerByte: 0.05,
    ...of,
  };
}

export function bench(of: Partial<Bench> = {}): Bench {
  return {
    profile: 'quick',
    slo: DEFAULT_SLO,
    bitrate: 490_000,
    latency: [latency()],
    ladders: [ladder()],
    economics: [economics()],
    claims: [
      {
        id: 'latency-per-level',
        engine: 'builtin',
        source: 'SRS wiki, LowLatency',
        says: 'every level adds about 0.3 s',
        measured: '190 ms a level',
        comparison: 'holds',
        note: 'RTMP',
      },
    ],
    problems: [],
    ...of,
  };
}
