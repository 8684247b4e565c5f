/** `liveproof merge`: the runs of several generators or machines as one. */
import { existsSync } from 'node:fs';
import { access, appendFile, constants, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { headline } from '../reports/format.ts';
import type { HistoryFile } from '../reports/results.ts';
import { ReportError, writeRun } from '../reports/write.ts';
import { MergeError } from '../scenarios/merge/errors.ts';
import { mergeRuns, type Run } from '../scenarios/merge/runs.ts';
import { type ExitCode, exitCodeOfRun, makeRunDirectory, printFindings, UsageError } from './output.ts';
import { readResults } from './report.ts';

const HISTORY = 'history.ndjson';

export function register(program: Command): void {
  program
    .command('merge')
    .description('Make one run of the runs of several generators or machines.')
    .argument('<dir...>', 'directories of runs: the shards of a load, or gates of different clusters')
    .option('--out <dir>', 'directory for the report (default: out/merge-<time>)')
    .addHelpText(
      'after',
      `
Shards of a load (load --shard I/N) are added: counters, histograms, every second. Percentiles are those of one big run,
and all is judged anew; what one shard judged worse stays. A shard that is missing, or that began at another time, makes
the verdict inconclusive; its directory may be named. Gates are put side by side, with their histories one after the other.
What does not belong together is refused: other URLs, other numbers of clients, a shard twice, another version.

Exit codes:
  0 pass   1 fail   2 the runs do not belong together   3 inconclusive

Examples:
  liveproof merge out/shard-0 out/shard-1 out/shard-2 --out out/all
  liveproof merge out/gate-edge out/gate-proxy`,
    )
    .action(async (directories: string[], options: { readonly out?: string }) => {
      process.exitCode = await merge(directories, options.out, process.stdout);
    });
}

/** Throws UsageError before anything is written. */
export async function merge(
  directories: readonly string[],
  out: string | undefined,
  stdout: Writable,
): Promise<ExitCode> {
  const runs: Run[] = [];
  const without: string[] = [];
  for (const directory of directories) {
    const file = join(directory, 'results.json');
    if (existsSync(file)) runs.push({ directory, results: await readResults(file) });
    else without.push(directory);
  }
  // Shards say how many there should be, so that one that is missing is told; of other runs nobody would know.
  if (without.length > 0 && !runs.some(({ results }) => results.load?.shard !== undefined)) {
    throw new UsageError(`${without[0]} has no results.json, and no other run says what it was.`);
  }
  if (out !== undefined && directories.some((directory) => resolve(directory) === resolve(out))) {
    throw new UsageError(`--out ${out} is one of the runs.`);
  }
  const command = ['liveproof', 'merge', ...directories];
  const whole = merged(runs, command);
  const notes = without.map((directory) => `${directory} has no results.json: it is left out`);
  const results = { ...whole, notes: [...(whole.notes ?? []), ...notes] };
  for (const run of runs) await requireHistory(run);
  const directory = makeRunDirectory('merge', out);
  const history = await joinHistories(runs, directory).catch(async (error: Error) => {
    if (error instanceof UsageError) throw error;
    await rm(join(directory, HISTORY), { force: true });
    throw new ReportError(directory, results.verdict, error);
  });
  await writeRun(directory, results, history === undefined ? {} : { history });
  printFindings(results, headline(results), directory, stdout);
  return exitCodeOfRun(results);
}

function merged(runs: readonly Run[], command: readonly string[]) {
  try {
    return mergeRuns(runs, command);
  } catch (error) {
    if (error instanceof MergeError) throw new UsageError(`${error.message}.`);
    throw error;
  }
}

function historyOf({ directory, results }: Run): string | undefined {
  return results.history && join(directory, results.history.file);
}

async function requireHistory(run: Run): Promise<void> {
  const file = historyOf(run);
  if (file !== undefined) await access(file, constants.R_OK).catch(refuse(run));
}

function refuse({ directory }: Run): (error: Error) => never {
  return (error) => {
    throw new UsageError(`The history of ${directory} cannot be read: ${error.message}`);
  };
}

/** One after the other; each line says which check saw it, and each event when it was. */
async function joinHistories(runs: readonly Run[], directory: string): Promise<HistoryFile | undefined> {
  const target = join(directory, HISTORY);
  await rm(target, { force: true });
  let lines = 0;
  for (const run of runs) {
    const source = historyOf(run);
    if (source === undefined) continue;
    await appendFile(target, await readFile(source).catch(refuse(run)));
    lines += run.results.history!.lines;
  }
  return lines === 0 ? undefined : { file: HISTORY, lines };
}
