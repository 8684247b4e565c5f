/** Who had the CPUs of a Linux machine, and who waited for them: proc(5). Times in ms, since the process or the machine began. */
import { readdirSync, readFileSync } from 'node:fs';

/** sysconf(_SC_CLK_TCK): 100 on every Linux that Node runs on. */
const MS_PER_TICK = 10;

export interface MachineCpu {
  /** Taken by processes, whosesoever they are. What the kernel does for itself and in interrupts is nobody's. */
  readonly processesMs: number;
  /** Taken by the hypervisor, of the CPU of which it took the most. */
  readonly stolenMs: number;
}

/**
 * Of those CPUs that this process may run on.
 * @param text of /proc/stat
 */
export function machineCpu(
  cpus: ReadonlySet<number>,
  text: string = readFileSync('/proc/stat', 'latin1'),
): MachineCpu {
  let processes = 0;
  let stolen = 0;
  for (const [, cpu, columns] of text.matchAll(/^cpu(\d+) (.*)$/gm)) {
    if (!cpus.has(Number(cpu))) continue;
    const [user = 0, nice = 0, system = 0, , , , , steal = 0] = columns!.split(' ').map(Number);
    processes += user + nice + system;
    stolen = Math.max(stolen, steal);
  }
  return { processesMs: processes * MS_PER_TICK, stolenMs: stolen * MS_PER_TICK };
}

/**
 * The CPUs that a process may run on.
 * @param text of /proc/[pid]/status
 */
export function allowedCpus(text: string = readFileSync('/proc/self/status', 'latin1')): Set<number> {
  const cpus = new Set<number>();
  for (const range of /^Cpus_allowed_list:\s*(.*)$/m.exec(text)?.[1]?.split(',') ?? []) {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    for (let cpu = first; cpu <= last; cpu++) cpus.add(cpu);
  }
  return cpus;
}

/** What a process, what it started and what became of these used; undefined when it is gone. */
export function treeCpuMs(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in brackets, may hold anything. Fields 14 to 17: utime, stime, and those of children that were waited for.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return childrenOf(pid).reduce((sum, child) => sum + (treeCpuMs(child) ?? 0), ticks * MS_PER_TICK);
  } catch {
    return undefined;
  }
}

/** Processes that its main thread has started; none where the kernel does not tell (CONFIG_PROC_CHILDREN). */
export function childrenOf(pid: number): number[] {
  return textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

/** Empty when it is gone. */
export function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/**
 * For how long a thread could have run and did not, because others had the CPUs (schedstat, the second figure);
 * undefined when it is gone, or where the kernel does not tell (CONFIG_SCHED_INFO).
 */
export function threadWaitMs(pid: number, thread = pid): number | undefined {
  const [, wait] = textOf(`/proc/${pid}/task/${thread}/schedstat`).split(' ');
  return wait === undefined ? undefined : Number(wait) / 1e6;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
