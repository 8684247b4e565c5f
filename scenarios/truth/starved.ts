/** Generators that do not get the processor: nothing of it may be blamed on the server, and no frame is less late for it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism, constants, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { wallClock } from '../../drivers/measure/clock.ts';
import type { Publication } from '../../drivers/measure/publishing.ts';
import { Swarm, type SwarmFigures } from '../../drivers/swarm/swarm.ts';
import { threadWaitMs } from '../../lab/runners/proc-cpu.ts';
import { judgeLoad } from '../../reports/judge-load.ts';
import { type Rig, RigWatch, type SentFrame } from './rig.ts';
import {
  FRAME_MS,
  judgeTruth,
  type Observation,
  type RigHealth,
  type TruthProtocol,
  type TruthRow,
  WRITE_MS,
} from './rows.ts';

const PROTOCOL = 'rtmp';
export const STREAM = 'starved';
const PLAYERS = 4;
const BEFORE_MS = 1000;
const AFTER_MS = 1000;
/** Twice what a healthy generator may lag. */
const SHORT_MS = 200;
/** A third of the frames come while the reader is blocked. */
const LONG_MS = 1000;
const BUSY_MS = 4000;
const LOOK_MS = 100;
/** A frame may be later by as much without being judged wrong. */
const MAX_WAIT_MS = FRAME_MS + WRITE_MS;

export async function starvedRows(rig: Rig, protocols: readonly TruthProtocol[]): Promise<TruthRow[]> {
  if (!protocols.includes(PROTOCOL)) return [];
  const publication = await rig.publish('rtmp', STREAM);
  const rows: TruthRow[] = [];
  for (const ms of [SHORT_MS, LONG_MS]) rows.push(...(await blockedRows(rig, publication, ms)));
  const { figures } = await starvedLoad(rig, busy);
  // Whether this process was in time is not asked: it has less to do than those that are in its way.
  const health = { lagP99Ms: 0, reasons: [] };
  const seen = blame('processor taken', figures);
  return [...rows, judgeTruth(seen, health)];
}

/** The event loop of the worker stands still once. @param publication of STREAM, over RTMP. */
export async function blockedRows(rig: Rig, publication: Publication, ms: number): Promise<TruthRow[]> {
  let block = { from: Number.NaN, to: Number.NaN };
  const injected = `event loop blocked for ${ms} ms`;
  const { figures, health, from, to, waitedMs } = await starvedLoad(rig, async (pid) => {
    block = await stopped(pid, ms);
  });
  const frames = rig.sent(publication).filter(({ at }) => at > from && at < to);
  const unhealthy = {
    ...seenBy(injected, figures),
    figure: 'generator found unhealthy',
    expected: 1,
    reported: Number(!figures.generator.healthy),
  };
  const late = lateness(injected, figures, frames, block);
  return [
    judgeTruth(blame(injected, figures), health),
    judgeTruth(late, besides(health, waitedMs)),
    judgeTruth(unhealthy, health),
  ];
}

/** What a worker waited for is no part of the block, and nobody knows which frames it made late. */
export function besides(health: RigHealth, waitedMs: number | undefined): RigHealth {
  if (waitedMs !== undefined && waitedMs <= MAX_WAIT_MS) return health;
  const waited = waitedMs === undefined ? 'nobody knows how long' : `${waitedMs.toFixed(0)} ms`;
  const reason = `the worker waited ${waited} for a processor, at most ${MAX_WAIT_MS} ms`;
  return { ...health, reasons: [...health.reasons, reason] };
}

interface StarvedLoad {
  readonly figures: SwarmFigures;
  readonly health: RigHealth;
  /** For how long its worker could have run and did not, at the worst; undefined where the system does not tell. */
  readonly waitedMs: number | undefined;
  /** Of what is measured, epoch ms. */
  readonly from: number;
  readonly to: number;
}

/** @param starve keeps its one worker from working for a while. */
async function starvedLoad(rig: Rig, starve: (worker: number) => Promise<void>): Promise<StarvedLoad> {
  const urls = [rig.url(PROTOCOL, STREAM)];
  const swarm = new Swarm({ urls, clients: PLAYERS, rampMs: 0, workers: 1 });
  try {
    await swarm.start();
    await swarm.settled;
    const [pid] = swarm.pids as [number];
    const from = wallClock.now();
    const waits = new WaitWatch(pid);
    const watch = new RigWatch();
    await sleep(BEFORE_MS);
    await starve(pid);
    await sleep(AFTER_MS);
    const health = watch.read();
    const to = wallClock.now();
    const waitedMs = waits.end();
    return { figures: await swarm.stop(), health, from, to, waitedMs };
  } finally {
    await swarm.stop();
  }
}

/** What one process waits for the processors, which others have, from one look to the next. */
class WaitWatch {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #waitedMs: number | undefined;
  #worstMs: number | undefined = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#waitedMs = threadWaitMs(pid);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** The most that it was; undefined where the system does not tell. */
  end(): number | undefined {
    clearInterval(this.#timer);
    this.#look();
    return this.#worstMs;
  }

  #look(): void {
    const waitedMs = threadWaitMs(this.#pid);
    const known = waitedMs !== undefined && this.#waitedMs !== undefined && this.#worstMs !== undefined;
    this.#worstMs = known ? Math.max(this.#worstMs!, waitedMs - this.#waitedMs!) : undefined;
    this.#waitedMs = waitedMs;
  }
}

async function stopped(pid: number, ms: number): Promise<{ from: number; to: number }> {
  const from = wallClock.now();
  process.kill(pid, 'SIGSTOP');
  try {
    await sleep(ms);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  return { from, to: wallClock.now() };
}

/** Two busy neighbours for each core, all of more importance. */
async function busy(pid: number): Promise<void> {
  setPriority(pid, constants.priority.PRIORITY_LOW);
  const neighbours: ChildProcess[] = [];
  try {
    for (let i = 0; i < 2 * availableParallelism(); i++) {
      neighbours.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
    }
    await sleep(BUSY_MS);
  } finally {
    for (const neighbour of neighbours) neighbour.kill('SIGKILL');
  }
}

function seenBy(injected: string, figures: SwarmFigures) {
  return {
    protocol: PROTOCOL,
    part: 'starved',
    injected,
    unit: '',
    tolerance: 0,
    samples: figures.frames.received,
  } as const;
}

/** What the judge of a load says against the server. */
function blame(injected: string, figures: SwarmFigures): Observation {
  const { startup, join, steady, startedAt: _, protocols: __, ...rest } = figures;
  const latency = { join: join.toDistribution(), steady: steady.toDistribution() };
  const load = { ...rest, urls: [], startup: startup.toDistribution(), latency, timeline: [] };
  const findings = judgeLoad(load, { interrupted: false });
  const against = findings.filter(({ verdict }) => verdict === 'fail' || verdict === 'error').length;
  return {
    ...seenBy(injected, figures),
    figure: 'findings against the server',
    expected: 0,
    reported: against,
  };
}

/**
 * Frames that were sent while nobody read are as late as they were when somebody did, each of them: were the block counted
 * once, it would not show here.
 */
function lateness(
  injected: string,
  figures: SwarmFigures,
  frames: readonly SentFrame[],
  block: { readonly from: number; readonly to: number },
): Observation {
  const base = figures.steady.percentile(50) ?? Number.NaN;
  const late = frames
    .map(({ at }) => (at + base > block.from && at + base < block.to ? block.to - at : base))
    .sort((a, b) => a - b);
  return {
    ...seenBy(injected, figures),
    figure: 'steady latency p99',
    unit: 'ms',
    expected: late[Math.ceil(late.length * 0.99) - 1] ?? Number.NaN,
    reported: figures.steady.percentile(99),
    tolerance: MAX_WAIT_MS,
  };
}
