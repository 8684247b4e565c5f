/** A benchmark: every topology and engine, part by part. What was measured before an interruption is kept. */
import { MediaSource } from '../../drivers/measure/source.ts';
import type { Cluster } from '../../lab/cluster.ts';
import { hasNodeFor } from '../../lab/mutant-fit.ts';
import type { EngineName, Topology } from '../../lab/topology.ts';
import type { Bench, BenchLadder } from '../../reports/results-bench.ts';
import { MEDIA } from '../benchmark/children.ts';
import { measureLatency as measureHlsLatency } from '../benchmark/hls-latency-run.ts';
import { absentLadders } from './absent-ladders.ts';
import { capacityClaims, hlsClaim, levelClaim } from './claims.ts';
import { measureJoins, measurePlayers, measurePublishers } from './concurrency.ts';
import type { BenchContext } from './context.ts';
import { canBeCounted, measureEconomics } from './economics.ts';
import { beyondMachine, measureLatency } from './latency.ts';
import { measureLevels } from './levels.ts';
import { measureOneNode } from './one-node.ts';
import { type Part, PUBLISH_PROTOCOLS } from './profile.ts';
import { Site, type SiteRequest } from './site.ts';

/** Instead of a part, where a cluster did not come up. */
export const START = 'start';
const UNMERGED = 'edge-pulls-per-player';
const HLS_WATCH_MS = 3000;

export interface BenchRun {
  readonly topology: Topology;
  readonly engine: EngineName;
}

export interface BenchRequest extends BenchContext {
  readonly runs: readonly BenchRun[];
  readonly parts: readonly Part[];
  /** How every cluster is started. */
  readonly start: Omit<SiteRequest, 'topology' | 'engine' | 'signal' | 'mutant'>;
  /** Once for each cluster that is up, but those of the latencies that were published. */
  readonly onUp?: (cluster: Cluster) => Promise<void> | void;
  /** All that was measured so far, each time that it has become more. */
  readonly onMeasured?: (bench: Bench) => void;
}

/** A benchmark that has not begun. */
export function nothingMeasured({ profile, slo }: Pick<BenchRequest, 'profile' | 'slo'>): Bench {
  const { bytes, duration } = MediaSource.load(MEDIA);
  return {
    profile: profile.name,
    slo,
    bitrate: Math.round((bytes * 8 * 1000) / duration),
    latency: [],
    ladders: [],
    economics: [],
    claims: [],
    problems: [],
  };
}

/** Never rejects: what could not be measured is in `problems`. */
export async function runBench(request: BenchRequest): Promise<Bench> {
  const { runs, parts, signal } = request;
  const bench = nothingMeasured(request);
  for (const run of runs) {
    if (signal.aborted) break;
    const place = { topology: run.topology.name, engine: run.engine };
    await noting(bench, { ...place, part: START }, request, () => benchOne(run, request, bench));
  }
  if (parts.includes('claims')) {
    bench.claims.push(...capacityClaims(bench.ladders, bench.bitrate));
    for (const engine of new Set(runs.map(({ engine }) => engine))) await claimsOf(engine, request, bench);
  }
  return bench;
}

/** What one part meets does not take the others with it. */
async function noting(
  bench: Bench,
  where: { readonly topology: string; readonly engine: string; readonly part: string },
  { signal, onMeasured }: BenchRequest,
  work: () => Promise<void>,
): Promise<void> {
  if (signal.aborted) return;
  try {
    await work();
  } catch (error) {
    if (signal.aborted) return;
    bench.problems.push({ ...where, what: error instanceof Error ? error.message : String(error) });
  }
  onMeasured?.(bench);
}

async function benchOne({ topology, engine }: BenchRun, request: BenchRequest, bench: Bench): Promise<void> {
  const { parts, signal } = request;
  if (!parts.some((part) => part !== 'claims')) return;
  const context: BenchContext = {
    ...request,
    show: (line) => request.show(`${topology.name}, ${engine} | ${line}`),
  };
  const place = { topology: topology.name, engine };
  const attempt = (part: Part, work: () => Promise<void>): Promise<void> =>
    noting(bench, { ...place, part }, request, work);
  const open = (mutant?: typeof UNMERGED): Promise<Site> =>
    Site.open({ ...request.start, topology, engine, signal, ...(mutant && { mutant }) });

  context.show('brings the cluster up');
  const site = await open();
  try {
    await request.onUp?.(site.cluster);
    if (parts.includes('latency') || parts.includes('concurrency'))
      await atSeats(site, context, request, bench, attempt);
    if (parts.includes('economics') && canBeCounted(site.cluster)) {
      await attempt('economics', async () => {
        bench.economics.push(...(await measureEconomics(site, 'merged', context)));
      });
    }
  } finally {
    await site.close();
  }
  if (!parts.includes('economics') || !hasNodeFor(topology, engine, UNMERGED) || signal.aborted) return;
  await attempt('economics', async () => {
    const unmerged = await open(UNMERGED);
    try {
      bench.economics.push(...(await measureEconomics(unmerged, 'unmerged', context)));
    } finally {
      await unmerged.close();
    }
  });
}

async function atSeats(
  site: Site,
  context: BenchContext,
  { parts }: BenchRequest,
  bench: Bench,
  attempt: (part: Part, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const part = parts.includes('latency') ? 'latency' : 'concurrency';
  const seats: Awaited<ReturnType<Site['seat']>>[] = [];
  for (const protocol of site.protocols) {
    await attempt(part, async () => {
      context.show(`publishes, and waits for ${protocol}`);
      seats.push(await site.seat(protocol, context.signal));
    });
  }
  if (parts.includes('latency')) {
    await attempt('latency', async () => {
      bench.latency.push(...(await measureLatency(site, seats, context)));
      const beyond = beyondMachine(site, seats, context.profile);
      if (beyond !== undefined) throw new Error(beyond);
    });
  }
  if (!parts.includes('concurrency')) return;
  const { start } = context.profile.ladder;
  const absent = absentLadders(site.cluster, start);
  if (absent.length > 0) bench.absent = [...(bench.absent ?? []), ...absent];
  const keep = (ladder: BenchLadder): void => {
    if (ladder.steps.length > 0) bench.ladders.push(ladder);
  };
  for (const [from, climbing] of [
    [start.players, measurePlayers],
    [start.joins, measureJoins],
  ] as const) {
    for (const seat of seats) {
      const first = from[seat.protocol];
      if (first === undefined) continue;
      await attempt('concurrency', async () => {
        keep(await climbing(site, seat, first, context));
      });
    }
  }
  for (const protocol of PUBLISH_PROTOCOLS) {
    const first = start.publishers[protocol];
    if (first === undefined || !site.takes(protocol)) continue;
    await attempt('concurrency', async () => {
      keep(await measurePublishers(site, protocol, first, context));
    });
  }
}

async function claimsOf(engine: EngineName, request: BenchRequest, bench: Bench): Promise<void> {
  const { signal, show, start } = request;
  const work: (() => Promise<void>)[] = [
    async () => {
      // Its topology has encoders for every stream that is published.
      if (engine === 'nginx-rtmp') return;
      const alone = await measureOneNode({ ...start, engine, signal }, request, request.onUp);
      bench.claims.push(...capacityClaims(alone, bench.bitrate));
    },
    async () => {
      // Its topology has no edges.
      if (engine === 'nginx-rtmp') return;
      const levels = await measureLevels({ ...start, engine, signal }, request);
      if (levels !== undefined) bench.claims.push(levelClaim(levels));
    },
    async () => {
      show(`claims: latency of HLS, ${engine}`);
      const { srsPath } = start;
      const task = { engine, fragmentSeconds: 1, watchMs: HLS_WATCH_MS, signal };
      bench.claims.push(
        hlsClaim(engine, await measureHlsLatency({ ...task, ...(srsPath !== undefined && { srsPath }) })),
      );
    },
  ];
  for (const one of work) {
    await noting(bench, { topology: 'claims', engine, part: 'claims' }, request, one);
  }
}
