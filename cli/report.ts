/** `liveproof report`: renders the reports of a run again from its `results.json`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { ZodError } from 'zod';
import { Results } from '../reports/results.ts';
import { writeRun } from '../reports/write.ts';
import { UsageError } from './output.ts';

export function register(program: Command): void {
  program
    .command('report')
    .description('Write report.html, summary.md and junit.xml of a run again, from its results.json.')
    .argument('<dir>', 'the directory of a run')
    .addHelpText(
      'after',
      `
Examples:
  liveproof report out/gate-20261120-190000`,
    )
    .action(async (directory: string) => report(directory));
}

/** Prints where the page is. Throws UsageError when the directory has no results, or something else; nothing is written then. */
export async function report(directory: string, stdout: Writable = process.stdout): Promise<void> {
  await writeRun(directory, await readResults(join(directory, 'results.json')));
  stdout.write(`${join(directory, 'report.html')}\n`);
}

/** Throws UsageError when the file is not there, or something else. */
export async function readResults(file: string): Promise<Results> {
  try {
    return Results.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (error instanceof ZodError)
      throw new UsageError(`${file} is not liveproof/results@1: ${error.issues[0]?.message}`);
    throw new UsageError(`${file} cannot be read as results of a run: ${(error as Error).message}`);
  }
}
