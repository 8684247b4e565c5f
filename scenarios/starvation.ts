/** Were a cluster's processes, or the gate, kept from the CPUs by somebody else? Then what is late is not their fault. */
import type { Cluster } from '../lab/cluster.ts';
import {
  allowedCpus,
  childrenOf,
  machineCpu,
  threadsOf,
  threadWaitMs,
  treeCpuMs,
} from '../lab/runners/proc-cpu.ts';
import type { Finding } from '../reports/results.ts';
import type { Starvation } from '../reports/results-starvation.ts';
import { GATE_MERGED_WRITE_MS, MERGED_WRITE_MS } from './bounds.ts';
import type { MachineSeen } from './history.ts';

/**
 * Within a second, for one process. Bounds have a merged write of 350 ms in them and the gate's clusters write every 100 ms:
 * the difference is what a bound has to spare for one hop. What was seen is in docs/measuring.md.
 */
export const MAX_WAIT_MS = MERGED_WRITE_MS - GATE_MERGED_WRITE_MS;

/** A look costs some 30 us for each process and each thread. */
const LOOK_MS = 200;
/** Waits are added up over so long. */
const WINDOW_MS = 1000;
const EVIDENCE = 'starved';
/** The name of this process among those of the nodes. */
export const GATE = 'gate';

/** Everything since some moment in the past, in ms. */
export interface CpuLook {
  /** Of the source's own clock. */
  readonly at: number;
  /** What processes used, whosesoever they are. */
  readonly processesMs: number;
  readonly stolenMs: number;
  readonly own: ReadonlyMap<string, OwnCpu>;
}

export interface OwnCpu {
  /** Another process of the same name begins at 0. */
  readonly pid: number;
  readonly usedMs: number;
  /** By thread. */
  readonly waitedMs: ReadonlyMap<number, number>;
}

/** What a watch looks at; undefined where the system does not tell. */
export type CpuSource = () => CpuLook | undefined;

/**
 * The nodes of a cluster, and this process with all that it has started: what clusters of one gate take from each other is
 * its own doing, as many of them as were asked for.
 */
export function cpuSourceOf(cluster: Cluster): CpuSource {
  if (threadWaitMs(process.pid) === undefined) return () => undefined;
  const cpus = allowedCpus();
  return () => {
    const gateWaitedMs = threadWaitMs(process.pid);
    if (gateWaitedMs === undefined) return undefined;
    const run = treeOf(process.pid);
    const gate = {
      pid: process.pid,
      usedMs: treeCpuMs(process.pid) ?? 0,
      waitedMs: new Map([[process.pid, gateWaitedMs]]),
    };
    const own = new Map<string, OwnCpu>([[GATE, gate]]);
    for (const [name, { pid, state, engine }] of cluster.nodes) {
      if (pid === 0 || state === 'exited') continue;
      // What this process has started is in what it used itself.
      const usedMs = run.has(pid) ? 0 : treeCpuMs(pid);
      if (usedMs === undefined) continue;
      // A builtin node does its work in one event loop, in the main thread.
      const threads = engine === 'builtin' ? [{ pid, thread: pid }] : threadsOfTree(pid);
      const waitedMs = new Map(threads.map((one) => [one.thread, threadWaitMs(one.pid, one.thread) ?? 0]));
      own.set(name, { pid, usedMs, waitedMs });
    }
    return { at: performance.now(), ...machineCpu(cpus), own };
  };
}

function treeOf(pid: number): Set<number> {
  return new Set([pid, ...childrenOf(pid).flatMap((child) => [...treeOf(child)])]);
}

function threadsOfTree(pid: number): { pid: number; thread: number }[] {
  const own = threadsOf(pid).map((thread) => ({ pid, thread }));
  return [...own, ...childrenOf(pid).flatMap((child) => threadsOfTree(child))];
}

/** From one look to the next. */
interface Step {
  readonly at: number;
  readonly ms: number;
  readonly processesMs: number;
  readonly ownMs: number;
  readonly stolenMs: number;
  /** Of each process the thread that waited the longest. */
  readonly waitedMs: ReadonlyMap<string, number>;
}

/** Looks on while a check runs. */
export class CpuWatch {
  readonly #source: CpuSource;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #waitedMs = new Map<string, number>();
  #last: CpuLook | undefined;
  #steps: Step[] = [];
  #worst: MachineSeen['worst'] = { waitedMs: {}, othersShare: 0, stolenMs: 0 };

  constructor(source: CpuSource) {
    this.#source = source;
    this.#last = source();
    if (this.#last !== undefined) this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  look(): void {
    const look = this.#source();
    if (look === undefined || this.#last === undefined) return;
    const step = stepBetween(this.#last, look);
    this.#last = look;
    for (const [name, ms] of step.waitedMs) this.#waitedMs.set(name, (this.#waitedMs.get(name) ?? 0) + ms);
    this.#steps = [...this.#steps.filter(({ at }) => look.at - at < WINDOW_MS), step];
    const window = windowOf(this.#steps);
    if (keptMs(window) > keptMs(this.#worst)) this.#worst = window;
  }

  end(): MachineSeen {
    clearInterval(this.#timer);
    this.look();
    return { watched: this.#last !== undefined, waitedMs: rounded(this.#waitedMs), worst: this.#worst };
  }
}

function stepBetween(from: CpuLook, to: CpuLook): Step {
  const waitedMs = new Map<string, number>();
  let ownMs = 0;
  for (const [name, now] of to.own) {
    const known = from.own.get(name);
    const before = known?.pid === now.pid ? known : undefined;
    ownMs += Math.max(0, now.usedMs - (before?.usedMs ?? 0));
    const waits = [...now.waitedMs].map(([thread, ms]) => ms - (before?.waitedMs.get(thread) ?? 0));
    waitedMs.set(name, Math.max(0, ...waits));
  }
  return {
    at: to.at,
    ms: to.at - from.at,
    processesMs: to.processesMs - from.processesMs,
    ownMs,
    stolenMs: to.stolenMs - from.stolenMs,
    waitedMs,
  };
}

function windowOf(steps: readonly Step[]): MachineSeen['worst'] {
  const sum = (of: (step: Step) => number): number => steps.reduce((total, step) => total + of(step), 0);
  // A look that was late sees more than a second: what is told is of one.
  const perWindow = Math.min(1, WINDOW_MS / sum(({ ms }) => ms));
  const waitedMs = new Map<string, number>();
  for (const step of steps) {
    for (const [name, ms] of step.waitedMs) waitedMs.set(name, (waitedMs.get(name) ?? 0) + ms * perWindow);
  }
  const processesMs = sum((step) => step.processesMs);
  const othersMs = processesMs - sum(({ ownMs }) => ownMs);
  return {
    waitedMs: rounded(waitedMs),
    othersShare: processesMs <= 0 ? 0 : Math.max(0, othersMs / processesMs),
    stolenMs: sum(({ stolenMs }) => stolenMs) * perWindow,
  };
}

function rounded(ms: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...ms].map(([name, value]) => [name, Math.round(value)]));
}

/** For how long others kept the process that waited the longest from running. */
export function keptMs({ waitedMs, othersShare, stolenMs }: MachineSeen['worst']): number {
  return Math.max(0, ...Object.values(waitedMs)) * othersShare + stolenMs;
}

/**
 * Of a check that went wrong, or could not say, while others had the CPUs nobody knows whether the cluster was late or was
 * kept from being in time. What passed all the same has passed. `seen` has what was observed while it ran, shared observations included.
 */
export function unlessStarved<O extends Pick<Finding, 'verdict' | 'expected' | 'actual' | 'evidence'>>(
  outcome: O,
  seen: readonly MachineSeen[],
  maxWaitMs = MAX_WAIT_MS,
): O & Pick<Finding, 'starvation'> {
  const { verdict, expected, actual, evidence } = outcome;
  if (verdict === 'pass' || verdict === 'unsupported') return outcome;
  if (!seen.some(({ watched }) => watched)) {
    const detail = 'not known: this system does not tell who waits for a CPU';
    return { ...outcome, evidence: [...evidence, { label: EVIDENCE, detail }] };
  }
  const worst = seen.map((one) => one.worst).reduce((a, b) => (keptMs(b) > keptMs(a) ? b : a));
  if (keptMs(worst) <= maxWaitMs) return outcome;
  const [process, waitedMs] = waitsOf(worst)[0] ?? [GATE, 0];
  const { othersShare, stolenMs } = worst;
  const kept = { waitedMs, othersShare, stolenMs, keptMs: keptMs(worst) };
  const starvation: Starvation = { wouldHaveBeen: verdict, process, ...kept, boundMs: maxWaitMs };
  return {
    ...outcome,
    verdict: 'inconclusive',
    actual: `${actual}, but others had the CPUs: ${inShort(starvation)}`,
    evidence: [
      ...evidence,
      { label: 'would have been', detail: `${verdict}: expected ${expected}; got ${actual}` },
      { label: EVIDENCE, detail: describe(worst, maxWaitMs) },
    ],
    starvation,
  };
}

/** The longest first. */
export function waitsOf({ waitedMs }: MachineSeen['worst']): [name: string, ms: number][] {
  return Object.entries(waitedMs).sort(([, a], [, b]) => b - a);
}

function inShort({ process, waitedMs, stolenMs }: Starvation): string {
  const stolen = stolenMs > 0 ? `, and the hypervisor took ${Math.round(stolenMs)} ms` : '';
  return `within a second ${process} could have run for ${waitedMs} ms and did not${stolen}`;
}

function describe(worst: MachineSeen['worst'], maxWaitMs: number): string {
  const { othersShare, stolenMs } = worst;
  const waits = waitsOf(worst);
  const share = Math.round(othersShare * 100);
  return [
    `waited for a CPU within a second, ms: ${waits.map(([name, ms]) => `${name} ${ms}`).join(', ')}`,
    `of the CPU time meanwhile ${share} % was others'; the hypervisor took ${Math.round(stolenMs)} ms`,
    `at most ${maxWaitMs} ms may be others' doing`,
  ].join('; ');
}
