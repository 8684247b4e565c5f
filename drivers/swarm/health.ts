/** Is the generator itself in order? A slow generator must never be reported as a slow server. */
import { wallClock } from '../measure/clock.ts';
import { LatencyHistogram } from '../measure/histogram.ts';
import { UdpDrops } from './udp-drops.ts';

/**
 * Every latency may be wrong by the lag of the worker's event loop. A third of the 350 ms by which one hop of SRS's
 * merged writing moves a frame anyway (facts/srs.md 7.3): above it, the generator would show in the percentiles.
 */
export const MAX_LOOP_LAG_P99_MS = 100;
/** Of one core, for one worker over the run: a queue that is served at 90 % waits ten times its service time. */
export const MAX_CPU_SHARE = 0.9;
/** A frame cannot arrive before it was sent: below this the publisher's clock and ours do not agree. */
export const MIN_LATENCY_MS = -2;

/**
 * How often the loop is looked at. One timer of 20 ms costs 50 wake-ups per second; `monitorEventLoopDelay` needs one
 * for the run and one for the interval, as its histograms cannot be added in Node 20.
 */
const PERIOD_MS = 20;
/**
 * Of these, between two looks at the system's clock: 240 ms. The sweep of the deadlines looks at it, too, but rests as soon
 * as every client is streaming.
 */
const CLOCK_PERIODS = 12;

/** What one worker says of itself. */
export interface WorkerHealth {
  /** Over the whole run, in ms. */
  readonly loopLagP99Ms: number;
  /** p99 since the last reading, in ms. */
  readonly loopLagMs: number;
  /** Since the last reading. */
  readonly cpuCores: number;
  /** Over the whole run. */
  readonly cpuCoresMean: number;
  readonly rssMb: number;
  /** How often the system clock was set during the run. */
  readonly clockJumps: number;
  /** Datagrams that the system dropped at sockets of the worker during the run: their receive buffers were full. */
  readonly udpDrops: number;
}

/** The shape of `GeneratorHealth` in reports/results.ts. */
export interface GeneratorFigures {
  healthy: boolean;
  reasons: string[];
  loopLagP99Ms: number;
  cpuCores: number;
  rssMb: number;
  udpDrops: number;
}

export class HealthMonitor {
  readonly #whole = new LatencyHistogram();
  readonly #interval = new LatencyHistogram();
  readonly #timer: NodeJS.Timeout;
  readonly #drops = new UdpDrops();
  #looked = performance.now();
  readonly #startedAt = performance.now();
  readonly #startCpu = process.cpuUsage();
  readonly #startJumps: number;
  #at = performance.now();
  #cpu = process.cpuUsage();

  constructor() {
    // A worker that waits for its start does not look.
    wallClock.check();
    this.#startJumps = wallClock.jumps;
    let periods = 0;
    this.#timer = setInterval(() => {
      if (++periods % CLOCK_PERIODS === 0) wallClock.check();
      const now = performance.now();
      // A loop that is held up is not looked at meanwhile: the looks that it missed count, each by what it was late.
      const late = now - this.#looked - PERIOD_MS;
      this.#interval.record(late);
      for (let missed = late - PERIOD_MS; missed > 0; missed -= PERIOD_MS) this.#interval.record(missed);
      this.#looked = now;
    }, PERIOD_MS);
    this.#timer.unref();
  }

  read(): WorkerHealth {
    const now = performance.now();
    const cpu = process.cpuUsage();
    const recent = this.#interval.takeCounts();
    if (recent !== undefined) {
      this.#interval.addCounts(recent);
      this.#whole.addCounts(recent);
    }
    const health = {
      loopLagP99Ms: this.#whole.percentile(99) ?? 0,
      loopLagMs: this.#interval.percentile(99) ?? 0,
      cpuCores: cores(this.#cpu, cpu, now - this.#at),
      cpuCoresMean: cores(this.#startCpu, cpu, now - this.#startedAt),
      rssMb: process.memoryUsage.rss() / 2 ** 20,
      clockJumps: wallClock.jumps - this.#startJumps,
      udpDrops: this.#drops.read(),
    };
    this.#interval.reset();
    this.#at = now;
    this.#cpu = cpu;
    return health;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function cores(from: NodeJS.CpuUsage, to: NodeJS.CpuUsage, ms: number): number {
  return ms <= 0 ? 0 : (to.user - from.user + to.system - from.system) / 1000 / ms;
}

/**
 * All workers together.
 * @param lowestLatencyMs of every frame of the run; Infinity when there was none.
 * @param reasons what else is known to be wrong, such as a dead worker.
 * @param incomplete frames or packets are missing: what was dropped at our own sockets may be just these.
 */
export function judgeGenerator(
  workers: readonly WorkerHealth[],
  lowestLatencyMs: number,
  reasons: readonly string[] = [],
  incomplete = false,
): GeneratorFigures {
  const found = [...reasons];
  const loopLagP99Ms = Math.max(0, ...workers.map((worker) => worker.loopLagP99Ms));
  if (loopLagP99Ms > MAX_LOOP_LAG_P99_MS) {
    found.push(`event loop lag p99 ${loopLagP99Ms.toFixed(0)} ms, at most ${MAX_LOOP_LAG_P99_MS} ms`);
  }
  const share = Math.max(0, ...workers.map((worker) => worker.cpuCoresMean));
  if (share > MAX_CPU_SHARE) {
    found.push(`a worker used ${share.toFixed(2)} of a core, at most ${MAX_CPU_SHARE}`);
  }
  const jumps = Math.max(0, ...workers.map((worker) => worker.clockJumps));
  if (jumps > 0) found.push(`the system clock was set ${jumps} times during the run`);
  const udpDrops = workers.reduce((sum, worker) => sum + worker.udpDrops, 0);
  if (udpDrops > 0 && incomplete) {
    found.push(
      `${udpDrops} datagrams were dropped at our own sockets, which were not read in time, and something is missing`,
    );
  }
  if (lowestLatencyMs < MIN_LATENCY_MS) {
    found.push(
      `a frame came ${(-lowestLatencyMs).toFixed(1)} ms before it was sent: the publisher's clock is ahead of ours`,
    );
  }
  return {
    healthy: found.length === 0,
    reasons: found,
    loopLagP99Ms,
    cpuCores: workers.reduce((sum, worker) => sum + worker.cpuCoresMean, 0),
    rssMb: workers.reduce((sum, worker) => sum + worker.rssMb, 0),
    udpDrops,
  };
}
