/** The nights that passed before, one file for each part of bench: `liveproof nightly --baseline DIR`. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
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

/** Only of parts that passed: nothing is compared with a night that failed, or of which nobody can say. */
export async function keepNights(
  folder: string,
  directory: string,
  results: readonly Pick<StepResult, 'name' | 'verdict'>[],
  say: (line: string) => void,
): Promise<void> {
  await mkdir(resolve(folder), { recursive: true });
  for (const result of results.filter(isBench)) {
    const saved = join(directory, `${result.name}${SAVED}`);
    const file = fileOf(folder, result);
    if (result.verdict !== 'pass' || !existsSync(saved)) {
      const why = result.verdict === 'pass' ? 'it saved nothing' : `it is ${result.verdict}`;
      say(`baseline: ${result.name} is not kept, as ${why}`);
      continue;
    }
    // Whole or not at all: the next night reads it.
    await copyFile(saved, `${file}.part`);
    await rename(`${file}.part`, file);
    say(`baseline: ${file}`);
  }
}
