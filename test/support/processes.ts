/** The processes that a process has started, and whether they are gone: proc(5). */
import { readdirSync, readFileSync } from 'node:fs';
import { identify, type ProcessIdentity, readIdentified } from '../../lab/runners/proc.ts';
import { eventually } from '../drivers/support/observe.ts';

export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

/** Every process below `pid`, by the parents that proc(5) tells. */
export function descendantsOf(pid: number): ProcessIdentity[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = parentOf(name);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  for (const next = [pid]; next.length > 0; ) {
    const below = children.get(next.pop()!) ?? [];
    found.push(...below);
    next.push(...below);
  }
  return found.flatMap((one) => identify(one) ?? []);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

export async function gone(identities: readonly ProcessIdentity[], ms: number): Promise<void> {
  await eventually(
    ms,
    `the end of ${identities.map(({ pid }) => `${pid} ${commandOf(pid)}`).join(', ')}`,
    () => identities.every((identity) => readIdentified(identity) === undefined),
  );
}
