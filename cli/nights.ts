/** The nights that passed before, one file for each part of bench: `liveproof nightly --baseline DIR`. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Results } from '../reports/results.ts';
import type { Step, StepResult } from './steps.ts';

const isBench = ({ name }: Pick<Step, 'name'>): boolean => name.startsWith('bench-');
const fileOf = (folder: string, { name }: Pick<Step, 'name'>): string =>
  join(resolve(folder), `${name}.json`);

/** Of the night that goes on: bench would keep an inconclusive run, and a night does not. */
const SAVED = '.nights.json';

/** Parts of bench compare with what is in the folder, if there is something already, and are kept beside their reports. */
export function heldAgainst<T extends Step>(folder: string | undefined, steps: readonly T[]): readonly T[] {
  if (folder === undefined) return steps;
  return steps.map((step) => {
    if (!isBench(step)) return step;
    const file = fileOf(folder, step);
    const more = ['--save-baseline', `{out}${SAVED}`, ...(existsSync(file) ? ['--baseline', file] : [])];
    return { ...step, command: [...step.command, ...more] };
  });
}

/** So that what is saved has the nights before in it. */
export async function fetchNights(
  folder: string,
  directory: string,
  steps: readonly Pick<Step, 'name'>[],
): Promise<void> {
  for (const step of steps.filter(isBench)) {
    const file = fileOf(folder, step);
    const saved = join(directory, `${step.name}${SAVED}`);
    // Of another night in the same directory.
    await rm(saved, { force: true });
    if (existsSync(file)) await copyFile(file, saved);
  }
}

/**
 * Of parts that passed, and of those that did but for a baseline of too few nights: nothing is compared with a night that failed,
 * or of which nobody can say. Results before `since` (ms) are of another night.
 */
export async function keepNights(
  folder: string,
  directory: string,
  results: readonly Pick<StepResult, 'name' | 'verdict'>[],
  say: (line: string) => void,
  since = 0,
): Promise<void> {
  await mkdir(resolve(folder), { recursive: true });
  for (const result of results.filter(isBench)) {
    const saved = join(directory, `${result.name}${SAVED}`);
    const file = fileOf(folder, result);
    const open = await openIn(result, join(directory, result.name), since);
    if (open !== undefined || !existsSync(saved)) {
      say(`baseline: ${result.name} is not kept, as ${open ?? 'it saved nothing'}`);
      continue;
    }
    // Whole or not at all: the next night reads it.
    await copyFile(saved, `${file}.part`);
    await rename(`${file}.part`, file);
    say(`baseline: ${file}`);
  }
}

/**
 * Why a part is not kept; undefined when it is: where it passed, or where nothing is open but changes that are none before the baseline
 * has more nights. Were these not kept, a machine that drifts would never have so many.
 */
async function openIn(
  { verdict }: Pick<StepResult, 'verdict'>,
  folder: string,
  since: number,
): Promise<string | undefined> {
  if (verdict === 'pass') return undefined;
  const open = `it is ${verdict}`;
  const file = join(folder, 'results.json');
  if (verdict !== 'inconclusive' || !existsSync(file)) return open;
  const { findings, interrupted, startedAt, bench } = Results.parse(JSON.parse(await readFile(file, 'utf8')));
  if (interrupted || Date.parse(startedAt) < since || bench?.comparison === undefined) return open;
  const others = findings.filter(({ check }) => check !== 'bench/baseline');
  if (others.some(({ verdict: other }) => other !== 'pass')) return open;
  const { baseline, changes, absent, sameMachine, differs } = bench.comparison;
  if (!sameMachine)
    return `it is of another machine or profile than the nights before (${differs.join(', ')}): remove ${baseline} to begin anew`;
  const isEarly = absent.length === 0 && changes.length > 0 && changes.every(({ says }) => says !== 'worse');
  return isEarly ? undefined : open;
}
