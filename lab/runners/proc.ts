/** What Linux tells about a process: proc(5), /proc/[pid]/stat and /proc/[pid]/status. */
import { readFileSync } from 'node:fs';

export interface ProcessFacts {
  /** Clock ticks after boot. With the pid it names a process for good: pids are used again, start times are not. */
  readonly startTime: string;
  /** R running, S sleeping, T stopped, Z zombie, and others. */
  readonly state: string;
  readonly rssMb: number;
  readonly cpuSeconds: number;
}

/** A process, and no other that has its pid later. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

/** sysconf(_SC_CLK_TCK): 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** undefined when there is no such process, or only what is left of it (a zombie). */
export function readProcess(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in brackets, may hold anything: fields are counted from the last bracket; the state is field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (number: number): string => fields[number - 3] ?? '';
    if (field(3) === 'Z' || field(3) === 'X') return undefined;
    const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return {
      startTime: field(22),
      state: field(3),
      rssMb: Number(rss?.[1] ?? 0) / 1024,
      cpuSeconds: (Number(field(14)) + Number(field(15))) / TICKS_PER_SECOND,
    };
  } catch {
    return undefined;
  }
}

/** The process as it is to be remembered; undefined when it is gone. */
export function identify(pid: number): ProcessIdentity | undefined {
  const facts = readProcess(pid);
  return facts === undefined ? undefined : { pid, startTime: facts.startTime };
}

/** Its facts, if it is still the same process. */
export function readIdentified(identity: ProcessIdentity): ProcessFacts | undefined {
  const facts = readProcess(identity.pid);
  return facts?.startTime === identity.startTime ? facts : undefined;
}
