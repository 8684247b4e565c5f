/** A crowd spread over worker processes, with one set of figures. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { forkEntry } from '../../runtime/entry.ts';
import { LatencyHistogram } from '../measure/histogram.ts';
import { Beat } from './beat.ts';
import { addCounts, addStandings, type UrlStanding } from './counts.ts';
import type { CrowdOptions, CrowdSnapshot, FrameTotals } from './crowd.ts';
import { type GeneratorFigures, judgeGenerator } from './health.ts';
import { PLAYERS_NODE_ARGS } from './heap.ts';
import type { FromWorker, Report, ToWorker } from './messages.ts';
import { addProtocolSnapshots, ProtocolHistograms, type ProtocolSnapshots } from './protocol-figures.ts';
import { type Shard, shareOf, sizeOf, WHOLE } from './shard.ts';

export interface SwarmOptions extends Omit<CrowdOptions, 'hand'> {
  /** Default: one per core, and no more than there are clients. */
  readonly workers?: number;
  /** Between ticks, in ms. Default 1000. */
  readonly reportMs?: number;
  /** `clients` are those of all shards. Default: all are here. */
  readonly shard?: Shard;
  /** When the first player is opened, epoch ms; at once when it is over. Default: at once. */
  readonly startAt?: number;
}

/** The swarm as of now. Counters are totals; what has `interval` in its name is since the last tick. */
export interface SwarmTick extends ProtocolSnapshots {
  /** Since `start`, of the reports that are the last in it. */
  readonly second: number;
  readonly requested: number;
  readonly opened: number;
  readonly joined: number;
  readonly failed: number;
  readonly dropped: number;
  readonly bytes: number;
  readonly stalls: number;
  readonly intervalMbitPerSecond: number;
  readonly intervalStalls: number;
  /** Steady-state latency in ms; null without a frame. */
  readonly intervalLatencyP50: number | null;
  readonly intervalLatencyP99: number | null;
  /** Encoded, of a shard: that of a second of all shards is made of these. */
  readonly intervalLatencyHdr?: string;
  /** Of the worst worker, p99. */
  readonly intervalLoopLagMs: number;
  readonly intervalCpuCores: number;
  readonly generator: GeneratorFigures;
}

export interface SwarmFigures {
  readonly seconds: number;
  /** Epoch ms; NaN when it never began. */
  readonly startedAt: number;
  readonly clients: { requested: number; opened: number; joined: number; failed: number; dropped: number };
  readonly reasons: Record<string, number>;
  readonly bytes: number;
  readonly frames: FrameTotals;
  readonly restarts: number;
  readonly framesOfWorst: number;
  /** `lasting`: players whose picture stood still at the end; `ofUrls`: in the order of `urls`. */
  readonly stalls: {
    count: number;
    ratio: number;
    lasting: number;
    ofUrls: UrlStanding[];
    stalledMs: number;
    watchedMs: number;
  };
  readonly startup: LatencyHistogram;
  readonly join: LatencyHistogram;
  readonly steady: LatencyHistogram;
  readonly generator: GeneratorFigures;
  readonly protocols: ProtocolSnapshots & { readonly histograms: ProtocolHistograms };
}

const REPORT_MS = 1000;
/** Ticks come this much after the workers' reports are due, so that each shows the second that it names. */
const REPORT_GRACE_MS = 200;
/** A worker that does not answer `stop` within this time is counted as dead. Closing 5000 players takes 0.3 s. */
const STOP_TIMEOUT_MS = 10_000;

interface Worker {
  readonly process: ChildProcess;
  readonly crowd: CrowdOptions;
  readonly ready: Promise<void>;
  /** Resolves when the worker is gone, or has said its last word. */
  readonly ended: Promise<void>;
  report: Report | undefined;
  settled: boolean;
  final: boolean;
  dead: boolean;
}

export class Swarm {
  readonly #options: SwarmOptions;
  readonly #onTick: ((tick: SwarmTick) => void) | undefined;
  readonly #workers: Worker[];
  readonly #startup = new LatencyHistogram();
  readonly #join = new LatencyHistogram();
  readonly #steady = new LatencyHistogram();
  readonly #interval = new LatencyHistogram();
  readonly #protocols = new ProtocolHistograms();
  #startedAt = Number.NaN;
  /** The same, epoch ms. */
  #began = Number.NaN;
  readonly #stopped = new AbortController();
  #ticks: Beat | undefined;
  #lastTick = { number: 0, bytes: 0, stalls: 0 };
  #stopping: Promise<SwarmFigures> | undefined;
  #settle: () => void = () => {};
  /** Resolves when every player of every living worker has joined or failed. */
  readonly settled: Promise<void>;

  constructor(options: SwarmOptions, onTick?: (tick: SwarmTick) => void) {
    this.#options = options;
    this.#onTick = onTick;
    const own = shareOf(options.clients, options.shard ?? WHOLE);
    const count = Math.max(1, Math.min(options.workers ?? availableParallelism(), own));
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#workers = Array.from({ length: count }, (_, index) => this.#fork(index, count));
  }

  /** Process ids of the workers. */
  get pids(): number[] {
    return this.#workers.map((worker) => worker.process.pid ?? 0);
  }

  #fork(index: number, count: number): Worker {
    const { urls, clients, rampMs, client, shard = WHOLE } = this.#options;
    const child = forkEntry('drivers/swarm/worker.ts', [], {
      execArgv: [...PLAYERS_NODE_ARGS],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    const hand = { shard, worker: { index, of: count }, urls: urls.length };
    const crowd = { urls, clients: sizeOf(clients, hand), rampMs, hand, ...(client && { client }) };
    const exited = once(child, 'exit').then(() => {});
    const worker: Worker = {
      process: child,
      crowd,
      ready: Promise.race([once(child, 'message').then(() => {}), exited]),
      ended: exited,
      report: undefined,
      settled: false,
      final: false,
      dead: false,
    };
    child.on('message', (message: FromWorker) => this.#onMessage(worker, message));
    child.on('error', () => this.#onGone(worker));
    child.once('exit', () => this.#onGone(worker));
    return worker;
  }

  #onMessage(worker: Worker, message: FromWorker): void {
    if (message.type === 'settled') {
      worker.settled = true;
      this.#checkSettled();
    } else if (message.type === 'report' || message.type === 'final') {
      worker.report = message.report;
      worker.final = message.type === 'final';
      const { startup, join, steady } = message.report.histograms;
      if (startup !== undefined) this.#startup.addCounts(startup);
      if (join !== undefined) this.#join.addCounts(join);
      if (steady !== undefined) {
        this.#steady.addCounts(steady);
        this.#interval.addCounts(steady);
      }
      this.#protocols.add(message.report.protocols);
    }
  }

  #onGone(worker: Worker): void {
    if (!worker.final && !this.#endedUnbegun) worker.dead = true;
    this.#checkSettled();
  }

  /** Stopped before the workers were told to begin: they go, and have no last word. */
  get #endedUnbegun(): boolean {
    return this.#stopping !== undefined && Number.isNaN(this.#startedAt);
  }

  #checkSettled(): void {
    if (this.#workers.every((worker) => worker.settled || worker.dead)) this.#settle();
  }

  /** Resolves when every worker has begun its ramp. */
  async start(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.ready));
    await this.#untilDue();
    if (this.#stopping !== undefined) return;
    this.#startedAt = performance.now();
    this.#began = Date.now();
    const reportMs = this.#reportMs;
    for (const worker of this.#workers) this.#tell(worker, { type: 'start', crowd: worker.crowd, reportMs });
    this.#ticks = new Beat((number) => this.#onTick?.(this.#tick(number)), {
      everyMs: reportMs,
      graceMs: REPORT_GRACE_MS,
    });
  }

  get #reportMs(): number {
    return this.#options.reportMs ?? REPORT_MS;
  }

  async #untilDue(): Promise<void> {
    const wait = (this.#options.startAt ?? 0) - Date.now();
    if (wait <= 0) return;
    await delay(wait, undefined, { signal: this.#stopped.signal }).catch(() => {});
  }

  #tell(worker: Worker, message: ToWorker): void {
    // A worker that dies now is noticed by its exit.
    if (worker.process.connected) worker.process.send(message, () => {});
  }

  #tick(number: number): SwarmTick {
    const { crowd, generator } = this.#totals();
    const ms = (number - this.#lastTick.number) * this.#reportMs;
    const healths = this.#workers.flatMap((worker) => worker.report?.health ?? []);
    const tick = {
      second: (number * this.#reportMs) / 1000,
      requested: crowd.requested,
      opened: crowd.opened,
      joined: crowd.joined,
      failed: crowd.failed,
      dropped: crowd.dropped,
      bytes: crowd.bytes,
      stalls: crowd.stalls.count,
      intervalMbitPerSecond: ((crowd.bytes - this.#lastTick.bytes) * 8) / 1000 / ms,
      intervalStalls: crowd.stalls.count - this.#lastTick.stalls,
      intervalLatencyP50: this.#interval.percentile(50),
      intervalLatencyP99: this.#interval.percentile(99),
      ...(this.#options.shard && { intervalLatencyHdr: this.#interval.encode() }),
      intervalLoopLagMs: Math.max(0, ...healths.map((health) => health.loopLagMs)),
      intervalCpuCores: healths.reduce((sum, health) => sum + health.cpuCores, 0),
      generator,
      ...protocolsOf(crowd),
    };
    this.#lastTick = { number, bytes: crowd.bytes, stalls: crowd.stalls.count };
    this.#interval.reset();
    return tick;
  }

  /** Closes every player, ends the workers and returns what was measured, also when called early. Idempotent. */
  stop(): Promise<SwarmFigures> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<SwarmFigures> {
    this.#stopped.abort();
    this.#ticks?.stop();
    const { seconds } = this;
    await Promise.all(this.#workers.map((worker) => this.#end(worker)));
    this.#settle();
    return this.figures(seconds);
  }

  /** Since `start`. */
  get seconds(): number {
    return Number.isNaN(this.#startedAt) ? 0 : (performance.now() - this.#startedAt) / 1000;
  }

  /** What the workers have reported so far. The histograms are the swarm's own: they go on. */
  figures(seconds = this.seconds): SwarmFigures {
    const { crowd, generator } = this.#totals();
    const { requested, opened, joined, failed, dropped } = crowd;
    const { count, stalledMs, watchedMs, lasting, ofUrls } = crowd.stalls;
    return {
      seconds,
      startedAt: this.#began,
      clients: { requested, opened, joined, failed, dropped },
      reasons: crowd.reasons,
      bytes: crowd.bytes,
      frames: crowd.frames,
      restarts: crowd.restarts,
      framesOfWorst: crowd.framesOfWorst,
      stalls: {
        count,
        ratio: watchedMs > 0 ? stalledMs / watchedMs : 0,
        lasting,
        ofUrls,
        stalledMs,
        watchedMs,
      },
      startup: this.#startup,
      join: this.#join,
      steady: this.#steady,
      generator,
      protocols: { ...protocolsOf(crowd), histograms: this.#protocols },
    };
  }

  async #end(worker: Worker): Promise<void> {
    if (worker.process.exitCode !== null || worker.process.signalCode !== null) return;
    const timer = setTimeout(() => worker.process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    this.#tell(worker, { type: 'stop' });
    await worker.ended;
    clearTimeout(timer);
  }

  #totals(): { crowd: CrowdSnapshot; generator: GeneratorFigures } {
    const crowd = addSnapshots(this.#workers.map(snapshotOf));
    const dead = this.#workers.filter((worker) => worker.dead).length;
    const generator = judgeGenerator(
      this.#workers.flatMap((worker) => worker.report?.health ?? []),
      crowd.lowestLatency ?? Number.POSITIVE_INFINITY,
      dead > 0 ? [`${dead} of ${this.#workers.length} worker processes died`] : [],
      isIncomplete(crowd),
    );
    return { crowd, generator };
  }
}

/** Something that was sent never came, or not in time. */
function isIncomplete({ frames, srt, webrtc }: CrowdSnapshot): boolean {
  const lost = (srt?.packets.dropped ?? 0) + (webrtc?.rtp.lost ?? 0) + (webrtc?.rtp.audioLost ?? 0);
  return frames.missing + frames.corrupt + lost > 0;
}

function protocolsOf({ hls, srt, webrtc }: CrowdSnapshot): ProtocolSnapshots {
  return { ...(hls && { hls }), ...(srt && { srt }), ...(webrtc && { webrtc }) };
}

/** The clients of a dead worker are lost: those that had joined were dropped, the others failed. */
function snapshotOf(worker: Worker): CrowdSnapshot {
  const last = worker.report?.crowd ?? empty(worker.crowd.clients);
  if (!worker.dead) return last;
  const dropped = last.joined - last.dropped;
  const failed = last.requested - last.joined - last.failed;
  return {
    ...last,
    failed: last.failed + failed,
    dropped: last.joined,
    stalls: { ...last.stalls, lasting: 0, ofUrls: [] },
    reasons: { ...last.reasons, 'worker-died': dropped + failed },
  };
}

function empty(requested: number): CrowdSnapshot {
  return {
    requested,
    opened: 0,
    joined: 0,
    failed: 0,
    dropped: 0,
    reasons: {},
    bytes: 0,
    frames: noFrames(),
    restarts: 0,
    framesOfWorst: 0,
    stalls: { count: 0, stalledMs: 0, watchedMs: 0, lasting: 0, ofUrls: [] },
    lowestLatency: null,
  };
}

function noFrames(): FrameTotals {
  return { received: 0, unstamped: 0, missing: 0, duplicated: 0, reordered: 0, corrupt: 0 };
}

/** One crowd out of many. */
export function addSnapshots(snapshots: readonly CrowdSnapshot[]): CrowdSnapshot {
  const sum = (of: (snapshot: CrowdSnapshot) => number): number =>
    snapshots.reduce((total, snapshot) => total + of(snapshot), 0);
  const lowest = snapshots.flatMap((snapshot) => snapshot.lowestLatency ?? []);
  return {
    requested: sum((s) => s.requested),
    opened: sum((s) => s.opened),
    joined: sum((s) => s.joined),
    failed: sum((s) => s.failed),
    dropped: sum((s) => s.dropped),
    reasons: addCounts(
      {},
      snapshots.map((s) => s.reasons),
    ),
    bytes: sum((s) => s.bytes),
    frames: addCounts(
      noFrames(),
      snapshots.map((s) => s.frames),
    ),
    restarts: sum((s) => s.restarts),
    framesOfWorst: snapshots.length === 0 ? 0 : Math.min(...snapshots.map((s) => s.framesOfWorst)),
    stalls: {
      count: sum((s) => s.stalls.count),
      stalledMs: sum((s) => s.stalls.stalledMs),
      watchedMs: sum((s) => s.stalls.watchedMs),
      lasting: sum((s) => s.stalls.lasting),
      ofUrls: addStandings(snapshots.map((s) => s.stalls.ofUrls)),
    },
    lowestLatency: lowest.length === 0 ? null : Math.min(...lowest),
    ...addProtocolSnapshots(snapshots),
  };
}
