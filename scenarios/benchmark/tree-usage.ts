/** What a process and all its children take, from /proc (proc(5)). */
import { readFileSync } from 'node:fs';
import { readProcess } from '../../lab/runners/proc.ts';

export interface TreeUsage {
  readonly cpuSeconds: number;
  /** Proportional set size: what several share is counted once. */
  readonly pssMb: number;
}

/** Processes that are gone count nothing. */
export function treeUsage(pid: number): TreeUsage {
  let cpuSeconds = 0;
  let pssMb = 0;
  for (const one of tree(pid)) {
    cpuSeconds += readProcess(one)?.cpuSeconds ?? 0;
    pssMb += pssOf(one);
  }
  return { cpuSeconds, pssMb };
}

function tree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(tree)];
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
      .split(' ')
      .filter((text) => text !== '')
      .map(Number);
  } catch {
    return [];
  }
}

function pssOf(pid: number): number {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
    return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

const SAMPLE_MS = 500;

/** Watches a tree over a window of time. */
export class UsageWindow {
  readonly #pid: number;
  readonly #memory: number[] = [];
  #from: { readonly at: number; readonly cpuSeconds: number } | undefined;
  #to: { readonly at: number; readonly cpuSeconds: number } | undefined;
  readonly #timers: NodeJS.Timeout[] = [];

  /** From `fromMs` to `toMs` after now. */
  constructor(pid: number, fromMs: number, toMs: number) {
    this.#pid = pid;
    this.#timers.push(
      setTimeout(() => {
        this.#from = this.#look();
        this.#timers.push(setInterval(() => void this.#look(), SAMPLE_MS));
      }, fromMs),
      setTimeout(() => {
        this.#to = this.#look();
        this.close();
      }, toMs),
    );
  }

  #look(): { at: number; cpuSeconds: number } {
    const { cpuSeconds, pssMb } = treeUsage(this.#pid);
    this.#memory.push(pssMb);
    return { at: performance.now(), cpuSeconds };
  }

  /** Idempotent. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** undefined when the window did not come to its end. */
  read(): { readonly cpuCores: number; readonly memoryMb: number } | undefined {
    if (this.#from === undefined || this.#to === undefined) return undefined;
    const seconds = (this.#to.at - this.#from.at) / 1000;
    return {
      cpuCores: (this.#to.cpuSeconds - this.#from.cpuSeconds) / seconds,
      memoryMb: this.#memory.reduce((sum, mb) => sum + mb, 0) / this.#memory.length,
    };
  }
}
