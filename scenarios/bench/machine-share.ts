/** How much of the machine is busy, whoever keeps it so: proc(5), /proc/stat. */
import { readFileSync } from 'node:fs';

export interface MachineTicks {
  readonly busy: number;
  readonly all: number;
}

/** @param text of /proc/stat. */
export function machineTicks(text: string = readFileSync('/proc/stat', 'latin1')): MachineTicks {
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0] = text
    .split('\n', 1)[0]!
    .split(/ +/)
    .slice(1)
    .map(Number);
  // What the hypervisor took was not there for us either.
  const busy = user + nice + system + irq + softirq + steal;
  return { busy, all: busy + idle + wait };
}

/** 0 to 1; 0 when no time has passed. */
export function shareBetween(from: MachineTicks, to: MachineTicks): number {
  const all = to.all - from.all;
  return all <= 0 ? 0 : (to.busy - from.busy) / all;
}
