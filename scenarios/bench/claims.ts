/** Published figures beside ours. Pure. Sources: SRS trunk/doc/PERFORMANCE.md, its wiki, and the guides in seeds/. */
import type { BenchClaim } from '../../reports/results-bench.ts';
import type { LatencyRow } from '../benchmark/hls-latency-run.ts';
import { CLAIM as HLS_CLAIM } from '../benchmark/hls-latency-words.ts';
import type { Levels } from './levels.ts';
import { type Capacity, ONE_NODE } from './one-node.ts';

/** One process of SRS on one core; the stream had 600 kbit/s (doc/PERFORMANCE.md, tables of 2021). */
const PUBLISHED = [
  {
    climbs: 'players',
    protocol: 'rtmp',
    clients: 4000,
    share: 0.94,
    mb: 419,
    says: 'SRS 4.0.105: 4000 RTMP players on 94 % of a core',
  },
  {
    climbs: 'publishers',
    protocol: 'rtmp',
    clients: 2300,
    share: 0.89,
    mb: 1100,
    says: 'SRS 4.0.105: 2300 RTMP publishers on 89 % of a core',
  },
  {
    climbs: 'players',
    protocol: 'webrtc',
    clients: 1000,
    share: 0.9,
    mb: 180,
    says: 'SRS 4.0.105: 1000 WebRTC players on 90 % of a core',
  },
] as const;
const PUBLISHED_BITRATE = 600_000;
const PERFORMANCE = 'SRS trunk/doc/PERFORMANCE.md';

/** SRS wiki, LowLatency. */
const PER_LEVEL_MS = 300;
/** A level is a wait for a merged write of 350 ms at the most, and on average of half of it: within this it holds. */
const LEVEL_TOLERANCE_MS = 150;

/** What a core would carry, from what one more client takes. */
export function capacityClaims(capacities: readonly Capacity[], bitrate: number): BenchClaim[] {
  return PUBLISHED.flatMap(({ climbs, protocol, clients, share, mb, says }) => {
    const own = capacities.filter((one) => one.climbs === climbs && one.protocol === protocol);
    return own.map((capacity): BenchClaim => {
      const { topology, engine, perClient, largest, machineShare } = capacity;
      const busy =
        machineShare === undefined
          ? ''
          : `, and ${Math.round(machineShare * 100)} % of the machine’s were busy with this and whatever else ran`;
      const whose =
        topology === ONE_NODE
          ? 'a process that is alone'
          : `${topology}, of all its nodes together, balancer and origin included`;
      const common = {
        id: `${climbs}-per-core/${protocol}/${topology}`,
        engine,
        source: PERFORMANCE,
        says: `${says} (${mb} MB): ${Math.round(clients / share)} per core, at ${PUBLISHED_BITRATE / 1000} kbit/s`,
      };
      if (perClient.serverCores === null || perClient.serverCores <= 0) {
        return {
          ...common,
          comparison: 'not-measured',
          measured:
            perClient.serverCores === null
              ? 'fewer than two numbers of clients held the SLO'
              : 'the servers took no more for more clients: less than other work on the machine hides',
          note: 'what a client takes is told by the difference of two numbers of them',
        };
      }
      const { serverKb } = perClient;
      const each = serverKb === null ? '' : `, ${Math.round(serverKb)} kB each`;
      return {
        ...common,
        comparison: 'beside',
        measured: `${Math.round(1 / perClient.serverCores)} per core${each}, up to ${largest} at a time`,
        note: `by the CPU time of one more client of ${whose}; no core was driven to its end${busy}. The stream has ${Math.round(bitrate / 1000)} kbit/s${engine === 'srs' ? '' : `, and ${engine} is not SRS`}`,
      };
    });
  });
}

export function levelClaim({ engine, latency, healthy }: Levels): BenchClaim {
  const told = latency
    .map(({ node, p50 }) => `${node} ${p50 === null ? '–' : Math.round(p50)} ms`)
    .join(', ');
  const common = {
    id: 'latency-per-level',
    engine,
    source: 'SRS wiki, LowLatency',
    says: `every level of a cluster adds about ${PER_LEVEL_MS / 1000} s to the latency of RTMP`,
    note: 'RTMP at an origin, at an edge, and at an edge of that edge, at the same time; merged writes of 350 ms at each (SRS’s default)',
  };
  const first = latency[0]?.p50;
  const last = latency.at(-1)?.p50;
  if (!healthy || first == null || last == null) {
    const measured = healthy ? `not at every level: ${told}` : `with an unhealthy generator: ${told}`;
    return { ...common, comparison: 'not-measured', measured };
  }
  const perLevel = (last - first) / (latency.length - 1);
  return {
    ...common,
    comparison: Math.abs(perLevel - PER_LEVEL_MS) <= LEVEL_TOLERANCE_MS ? 'holds' : 'differs',
    measured: `${Math.round(perLevel)} ms a level, at the median: ${told}`,
  };
}

/** @param rows of fragments of 1 s. */
export function hlsClaim(engine: string, rows: readonly LatencyRow[]): BenchClaim {
  const usual = rows.find(({ start }) => start === '3-segments');
  const { fromSeconds, toSeconds, source } = HLS_CLAIM;
  const common = {
    id: 'hls-latency',
    engine,
    source,
    says: `HLS with fragments of ${HLS_CLAIM.fragmentSeconds} s is ${fromSeconds} to ${toSeconds} s late`,
    note: 'from the publishing of a frame until a player shows it that begins three target durations back (RFC 8216 6.3.3); without camera, encoder, ladder and screen. Keyframes are 1 s apart here: npm run bench:hls-latency has more',
  };
  if (usual?.shown.p50 == null) {
    return { ...common, comparison: 'not-measured', measured: 'no frame was shown' };
  }
  const seconds = usual.shown.p50 / 1000;
  return {
    ...common,
    comparison: seconds >= fromSeconds && seconds <= toSeconds ? 'holds' : 'differs',
    measured: `${seconds.toFixed(1)} s at the median, ${(usual.shown.p99! / 1000).toFixed(1)} s at the 99th percentile`,
  };
}
