/** One measurement: players join, play for a while, and leave; what they saw, and what everybody took for it. */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LatencyHistogram } from '../../drivers/measure/histogram.ts';
import type { CrowdClientOptions } from '../../drivers/swarm/crowd.ts';
import { type GeneratorFigures, HealthMonitor, judgeGenerator } from '../../drivers/swarm/health.ts';
import { Swarm, type SwarmFigures, type SwarmTick } from '../../drivers/swarm/swarm.ts';
import type { Cluster } from '../../lab/cluster.ts';
import type { BenchServer } from '../../reports/results-bench.ts';
import { machineTicks, shareBetween } from './machine-share.ts';
import type { Site } from './site.ts';
import type { SloFigures } from './slo.ts';

export interface Task {
  readonly site: Site;
  readonly urls: readonly string[];
  readonly players: number;
  readonly rampMs: number;
  /** Counts from when everybody has joined or failed, or SETTLED_WITHIN_MS after the ramp. */
  readonly steadyMs: number;
  readonly client?: CrowdClientOptions;
  readonly signal: AbortSignal;
  readonly onTick?: (tick: SwarmTick) => void;
}

export interface Measured {
  readonly seconds: number;
  readonly clients: SwarmFigures['clients'];
  readonly reasons: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly frames: { received: number; missing: number; faulty: number };
  readonly stalls: SwarmFigures['stalls'];
  readonly startup: LatencyHistogram;
  readonly steady: LatencyHistogram;
  readonly slo: SloFigures;
  readonly server: BenchServer;
  readonly machineShare: number;
  readonly generator: GeneratorFigures;
}

/** Who has not joined by then after the ramp does not hold the others up. */
const SETTLED_WITHIN_MS = 5000;

/**
 * So many take a tenth of a core over RTMP, a third over WHEP (docs/measuring.md). Every process more takes as long to start
 * as a short measurement takes.
 */
const PLAYERS_PER_WORKER = 250;

/** Undefined when the signal came first: half a measurement is none. */
export async function measure(task: Task): Promise<Measured | undefined> {
  const { site, urls, players, rampMs, steadyMs, client, signal, onTick } = task;
  if (signal.aborted) return undefined;
  const workers = Math.min(availableParallelism(), Math.ceil(players / PLAYERS_PER_WORKER));
  const swarm = new Swarm({ urls, clients: players, rampMs, workers, ...(client && { client }) }, onTick);
  let own: HealthMonitor | undefined;
  try {
    await site.revive(signal);
    await swarm.start();
    // Taps and the publisher are in this process: when it is late, so are the frames.
    own = new HealthMonitor();
    await sleep(rampMs, undefined, { signal });
    await Promise.race([swarm.settled, sleep(SETTLED_WITHIN_MS, undefined, { signal })]);
    const from = new Watch(site.cluster);
    await sleep(steadyMs, undefined, { signal });
    const taken = from.until();
    const mine = own.read();
    return measured(await swarm.stop(), taken, judgeGenerator([mine], Number.POSITIVE_INFINITY, site.lost));
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    own?.stop();
    await swarm.stop();
  }
}

/** What the nodes of a cluster, and the machine, took from now on. */
export class Watch {
  readonly #cluster: Cluster;
  readonly #at = performance.now();
  readonly #ticks = machineTicks();
  readonly #cpu: ReadonlyMap<string, number>;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#cpu = new Map([...cluster.nodes].map(([name, node]) => [name, node.usage().cpuSeconds]));
  }

  until(): { server: BenchServer; machineShare: number } {
    const seconds = (performance.now() - this.#at) / 1000;
    const nodes = [...this.#cluster.nodes].map(([name, node]) => {
      const { cpuSeconds, rssMb } = node.usage();
      const { role } = node.spec;
      return { name, role, cores: Math.max(0, cpuSeconds - this.#cpu.get(name)!) / seconds, rssMb };
    });
    return {
      server: {
        cores: nodes.reduce((sum, { cores }) => sum + cores, 0),
        rssMb: nodes.reduce((sum, { rssMb }) => sum + rssMb, 0),
        nodes,
      },
      machineShare: shareBetween(this.#ticks, machineTicks()),
    };
  }
}

function measured(
  figures: SwarmFigures,
  taken: { server: BenchServer; machineShare: number },
  own: GeneratorFigures,
): Measured {
  const { seconds, clients, reasons, bytes, stalls, startup, steady, generator } = figures;
  const { received, missing, reordered, duplicated, corrupt } = figures.frames;
  const faulty = reordered + duplicated + corrupt;
  return {
    seconds,
    clients,
    reasons,
    bytes,
    frames: { received, missing, faulty },
    stalls,
    startup,
    steady,
    slo: {
      joinedShare: clients.requested === 0 ? 0 : (clients.joined - clients.dropped) / clients.requested,
      stallRatio: stalls.ratio,
      lossRatio: received === 0 ? 1 : (missing + faulty) / (received + missing),
      latencyP99: steady.percentile(99),
      startupP99: startup.percentile(99),
    },
    ...taken,
    generator: {
      ...generator,
      healthy: generator.healthy && own.healthy,
      reasons: [...generator.reasons, ...own.reasons.map((reason) => `the bench’s own process: ${reason}`)],
    },
  };
}
