/** Latency of every protocol at several sizes, in repetitions that are interleaved: what drifts meets all alike. */
import { LatencyHistogram } from '../../drivers/measure/histogram.ts';
import { addCounts } from '../../drivers/swarm/counts.ts';
import type { BenchLatency, BenchServer, BenchSlo } from '../../reports/results-bench.ts';
import type { BenchContext } from './context.ts';
import { type Measured, measure } from './measure.ts';
import type { Profile, Protocol } from './profile.ts';
import type { Seat, Site } from './site.ts';
import { breachesOf } from './slo.ts';

const LEAST_RAMP_MS = 250;

interface Cell {
  readonly seat: Seat;
  readonly players: number;
  readonly runs: Measured[];
}

/**
 * Cells of which nothing was measured before an interruption are left out.
 * @param take one measurement; for tests of their order.
 */
export async function measureLatency(
  site: Site,
  seats: readonly Seat[],
  context: BenchContext,
  take: typeof measure = measure,
): Promise<BenchLatency[]> {
  const { profile, signal } = context;
  const cells = profile.players.flatMap((players) =>
    seats
      .filter(({ entry }) => players <= site.mostPlayers(entry))
      .map((seat): Cell => ({ seat, players, runs: [] })),
  );
  const alone = cells.filter(({ players }) => players === 1);
  const crowds = cells.filter(({ players }) => players > 1);
  const deadline = performance.now() + profile.latencyBudgetMs;
  for (let round = 0; round < profile.repetitions && !signal.aborted; round++) {
    if (performance.now() > deadline) break;
    const words = `latency, round ${round + 1} of ${profile.repetitions}`;
    // One player keeps nobody busy: those of all protocols play side by side.
    context.show(`${words}: 1 player of each protocol`);
    await Promise.all(alone.map((cell) => run(site, cell, context, take)));
    for (const cell of crowds) {
      context.show(`${words}: ${cell.players} players of ${cell.seat.protocol}`);
      await run(site, cell, context, take);
    }
  }
  return cells.filter(({ runs }) => runs.length > 0).map((cell) => summary(site, cell, context.slo));
}

/** What a latency is wanted of and this machine cannot have, in words; undefined where there is nothing. */
export function beyondMachine(
  site: Pick<Site, 'mostPlayers'>,
  seats: readonly Seat[],
  { players }: Pick<Profile, 'players'>,
): string | undefined {
  const cells = seats.flatMap(({ protocol, entry }) => {
    const most = site.mostPlayers(entry);
    return players.filter((count) => count > most).map((count) => ({ count, protocol, most }));
  });
  if (cells.length === 0) return undefined;
  const wanted = cells.map(({ count, protocol }) => `${count} of ${protocol}`).join(', ');
  const most = Math.min(...cells.map((cell) => cell.most));
  return `players: ${wanted}, and the open files of a process here are enough for ${most}: raise the limit (ulimit -n)`;
}

async function run(
  site: Site,
  { seat, players, runs }: Cell,
  { profile, signal }: BenchContext,
  take: typeof measure,
): Promise<void> {
  const measured = await take({
    site,
    urls: [seat.url],
    players,
    rampMs: rampOf(players, profile),
    steadyMs: steadyOf(seat.protocol, profile),
    ...(seat.hls && { client: { hls: seat.hls } }),
    signal,
  });
  if (measured !== undefined) runs.push(measured);
}

export function rampOf(players: number, { joinRate }: Pick<Profile, 'joinRate'>): number {
  return Math.max(LEAST_RAMP_MS, Math.round((players / joinRate) * 1000));
}

export function steadyOf(protocol: Protocol, { steadyMs, hlsSteadyMs }: Profile): number {
  return protocol === 'hls' ? hlsSteadyMs : steadyMs;
}

/** Of the repetitions with a healthy generator, when there are any: the others say nothing about the cluster. */
function summary({ cluster }: Site, { seat, players, runs: all }: Cell, slo: BenchSlo): BenchLatency {
  const healthy = all.filter(({ generator }) => generator.healthy);
  const runs = healthy.length > 0 ? healthy : all;
  const sum = (of: (run: Measured) => number): number => runs.reduce((total, run) => total + of(run), 0);
  const mean = (of: (run: Measured) => number): number => sum(of) / runs.length;
  const merged = (of: (run: Measured) => LatencyHistogram): LatencyHistogram => {
    const all = new LatencyHistogram();
    for (const run of runs) all.merge(of(run));
    return all;
  };
  const [startup, steady] = [merged((run) => run.startup), merged((run) => run.steady)];
  const figures = {
    joinedShare: mean((run) => run.slo.joinedShare),
    stallRatio: mean((run) => run.slo.stallRatio),
    lossRatio: mean((run) => run.slo.lossRatio),
    latencyP99: steady.percentile(99),
    startupP99: startup.percentile(99),
  };
  return {
    topology: cluster.topology.name,
    engine: cluster.engine,
    protocol: seat.protocol,
    at: seat.entry.node,
    players,
    repetitions: runs.length,
    discarded: all.length - runs.length,
    joined: sum((run) => run.clients.joined),
    failed: sum((run) => run.clients.failed),
    dropped: sum((run) => run.clients.dropped),
    reasons: addCounts(
      {},
      runs.map((run) => ({ ...run.reasons })),
    ),
    startup: startup.toDistribution(),
    steady: steady.toDistribution(),
    stalls: { count: sum((run) => run.stalls.count), ratio: figures.stallRatio },
    frames: {
      received: sum((run) => run.frames.received),
      missing: sum((run) => run.frames.missing),
      faulty: sum((run) => run.frames.faulty),
    },
    // Of what is side by side nobody can tell who took it.
    server: players === 1 ? null : meanServer(runs.map((run) => run.server)),
    machineShare: mean((run) => run.machineShare),
    breaches: breachesOf(figures, slo, seat.protocol, 'play'),
    generator: worstGenerator(runs),
    samples: samplesOf(healthy, players > 1),
  };
}

function meanServer(servers: readonly BenchServer[]): BenchServer {
  const mean = (of: (server: BenchServer) => number): number =>
    servers.reduce((sum, server) => sum + of(server), 0) / servers.length;
  return {
    cores: mean(({ cores }) => cores),
    rssMb: mean(({ rssMb }) => rssMb),
    nodes: servers[0]!.nodes.map(({ name, role }, index) => ({
      name,
      role,
      cores: mean(({ nodes }) => nodes[index]!.cores),
      rssMb: mean(({ nodes }) => nodes[index]!.rssMb),
    })),
  };
}

function worstGenerator(runs: readonly Measured[]): BenchLatency['generator'] {
  const all = runs.map((run) => run.generator);
  return {
    healthy: all.every(({ healthy }) => healthy),
    reasons: [...new Set(all.flatMap(({ reasons }) => reasons))],
    loopLagP99Ms: Math.max(...all.map(({ loopLagP99Ms }) => loopLagP99Ms)),
    cpuCores: Math.max(...all.map(({ cpuCores }) => cpuCores)),
    rssMb: Math.max(...all.map(({ rssMb }) => rssMb)),
    udpDrops: Math.max(...all.map(({ udpDrops }) => udpDrops)),
  };
}

function samplesOf(runs: readonly Measured[], isAlone: boolean): Record<string, number[]> {
  const of = (value: (run: Measured) => number | null): number[] =>
    runs.map(value).filter((sample) => sample !== null);
  return {
    latencyP50: of(({ steady }) => steady.percentile(50)),
    latencyP99: of(({ steady }) => steady.percentile(99)),
    startupP50: of(({ startup }) => startup.percentile(50)),
    stallRatio: of(({ slo }) => slo.stallRatio),
    lossRatio: of(({ slo }) => slo.lossRatio),
    ...(isAlone && {
      serverCores: of(({ server }) => server.cores),
      serverMb: of(({ server }) => server.rssMb),
    }),
  };
}
