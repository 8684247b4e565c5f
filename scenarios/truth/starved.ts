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
/** Of the figure that is judged: the frame that came first while nobody read, and when the origin wrote it. */
const TOLERANCE_MS = FRAME_MS + WRITE_MS;
/** Before and after the block, in which what the worker waits for a processor makes frames late as well. */
const BESIDES_MS = 300;

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
  const { figures, health, from, to, waits } = await starvedLoad(rig, async (pid) => {
    block = await stopped(pid, ms);
  });
  const waitedMs = waits.between(block.from - BESIDES_MS, block.to + BESIDES_MS);
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
    judgeLate(late, health, waitedMs),
    judgeTruth(unhealthy, health),
  ];
}

/**
 * What the worker waited for a processor beside the block makes frames later, and nobody knows which: a figure that is too high
 * by no more than that is not the meter's fault. A wait beyond the tolerance, or one that the system does not tell of, leaves
 * nothing to be judged.
 */
export function judgeLate(late: Observation, health: RigHealth, waitedMs: number | undefined): TruthRow {
  const row = judgeTruth(late, health);
  const off = (late.reported ?? Number.NaN) - late.expected;
  const isJudged =
    waitedMs !== undefined &&
    waitedMs <= late.tolerance &&
    (row.verdict !== 'fail' || !(off > 0 && off <= late.tolerance + waitedMs));
  if (isJudged) return row;
  const waited = waitedMs === undefined ? 'nobody knows how long' : `${waitedMs.toFixed(0)} ms`;
  return judgeTruth(late, {
    ...health,
    reasons: [...health.reasons, `the worker waited ${waited} for a processor`],
  });
}

interface StarvedLoad {
  readonly figures: SwarmFigures;
  readonly health: RigHealth;
  readonly waits: WaitWatch;
  /** Of what is measured, epoch ms. */
  readonly from: number;
  readonly to: number;
}

/** @param starve keeps its one worker from working for a while. */
async function starvedLoad(rig: Rig, starve: (worker: number) => Promise<void>): Promise<StarvedLoad> {
  const urls = [rig.url(PROTOCOL, STREAM)];
  const swarm = new Swarm({ urls, clients: PLAYERS, rampMs: 0, workers: 1 });
  let waits: WaitWatch | undefined;
  try {
    await swarm.start();
    await swarm.settled;
    const [pid] = swarm.pids as [number];
    const from = wallClock.now();
    waits = new WaitWatch(pid);
    const watch = new RigWatch();
    await sleep(BEFORE_MS);
    await starve(pid);
    await sleep(AFTER_MS);
    const health = watch.read();
    const to = wallClock.now();
    waits.look();
    return { figures: await swarm.stop(), health, from, to, waits };
  } finally {
    waits?.end();
    await swarm.stop();
  }
}

/** For how long a process could have run and did not, because others had the processors. */
class WaitWatch {
  readonly #pid: number;
  readonly #looks: { at: number; waitedMs: number | undefined }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.look();
  }

  look(): void {
    this.#looks.push({ at: wallClock.now(), waitedMs: threadWaitMs(this.#pid) });
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** From the last look before to the first one after, epoch ms; undefined where the system does not tell. */
  between(from: number, to: number): number | undefined {
    const before = this.#looks.findLast(({ at }) => at <= from) ?? this.#looks[0];
    const after = this.#looks.find(({ at }) => at >= to) ?? this.#looks.at(-1);
    if (before?.waitedMs === undefined || after?.waitedMs === undefined) return undefined;
    return after.waitedMs - before.waitedMs;
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
    tolerance: TOLERANCE_MS,
  };
}
