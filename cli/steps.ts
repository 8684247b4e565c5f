/** Commands that run one after the other, each to its end: what a night and a release are made of. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { killGroup } from '../lab/runners/process-group.ts';
import { formatSeconds } from '../reports/format.ts';
import { type Verdict, worstVerdict } from '../reports/results.ts';
import { ExitCode, painter, paintVerdict, table } from './output.ts';
import { jobSummary } from './steps-summary.ts';

export interface Step {
  /** Stable slug; the name of its log and of its folder. */
  readonly name: string;
  /** What it proves, for the list and the summary. */
  readonly says: string;
  /** Program and arguments; no shell reads them. `{out}` is the folder of the step. */
  readonly command: readonly string[];
  /** A step that is not over by then is ended, and is an `error`. ms. */
  readonly timeoutMs: number;
  /** Says what is missing for it here; undefined when nothing is. Default nothing. */
  readonly lacks?: () => Promise<string | undefined> | string | undefined;
}

export interface StepResult {
  readonly name: string;
  readonly says: string;
  readonly verdict: Verdict;
  /** In words: an exit code, what is missing, or the time that was over. */
  readonly why: string;
  readonly durationMs: number;
}

export interface StepsRequest {
  readonly steps: readonly Step[];
  /** Of the run: logs and the steps' own folders go below it. */
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** Working directory of the commands. Default that of this process. */
  readonly cwd?: string;
}

/** From Ctrl-C, or a step's end by time, to the end by force; a lab is taken down and a report written meanwhile. */
const GRACE_MS = 20_000;

const VERDICT_OF: Readonly<Record<number, Verdict>> = {
  [ExitCode.pass]: 'pass',
  [ExitCode.fail]: 'fail',
  [ExitCode.usage]: 'error',
  [ExitCode.inconclusive]: 'inconclusive',
  [ExitCode.labNotUp]: 'error',
};

/**
 * Resolves with one result per step, in order. A step that fails does not keep the next ones from running; after an abort the
 * one that runs is interrupted and the rest are `inconclusive`. What cannot run here is `unsupported`, never left out.
 */
export async function runSteps({ steps, directory, signal, say, cwd }: StepsRequest): Promise<StepResult[]> {
  const paint = painter(process.stdout);
  const results: StepResult[] = [];
  for (const [i, step] of steps.entries()) {
    const { name, says } = step;
    const began = performance.now();
    const result = (verdict: Verdict, why: string): StepResult => ({
      name,
      says,
      verdict,
      why,
      durationMs: Math.round(performance.now() - began),
    });
    const missing = signal.aborted ? undefined : await step.lacks?.();
    let done: StepResult;
    if (signal.aborted) done = result('inconclusive', 'interrupted before it began');
    else if (missing !== undefined) done = result('unsupported', missing);
    else {
      say(`${paint('dim', `${i + 1}/${steps.length}`)} ${paint('bold', name)}: ${says}`);
      const { verdict, why } = await runStep(step, directory, signal, cwd);
      done = result(verdict, why);
    }
    results.push(done);
    say(`  ${paintVerdict(paint, done.verdict)}  ${name}, ${formatSeconds(done.durationMs)}: ${done.why}`);
  }
  return results;
}

async function runStep(
  { name, command, timeoutMs }: Step,
  directory: string,
  signal: AbortSignal,
  cwd: string | undefined,
): Promise<{ verdict: Verdict; why: string }> {
  const [program = '', ...args] = command.map((word) => word.replaceAll('{out}', join(directory, name)));
  // A group of its own: what it started ends with it, and Ctrl-C of a terminal reaches it once, from here.
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(cwd && { cwd }),
  });
  const logged = writeLog(child, join(directory, `${name}.log`));
  let ended: 'overdue' | 'interrupted' | undefined;
  const end = (why: 'overdue' | 'interrupted') => {
    ended ??= why;
    killGroup(child.pid, 'SIGINT');
    setTimeout(() => killGroup(child.pid, 'SIGKILL'), GRACE_MS).unref();
  };
  const timer = setTimeout(end, timeoutMs, 'overdue');
  const onAbort = () => end('interrupted');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const code = await new Promise<number | NodeJS.Signals>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status, by) => resolve(status ?? by ?? 'SIGKILL'));
    });
    killGroup(child.pid, 'SIGKILL');
    await logged;
    if (ended === 'overdue') return { verdict: 'error', why: `not over after ${formatSeconds(timeoutMs)}` };
    if (ended === 'interrupted') return { verdict: 'inconclusive', why: 'interrupted' };
    if (typeof code === 'string') return { verdict: 'error', why: `ended by ${code}` };
    return { verdict: VERDICT_OF[code] ?? 'error', why: `exit code ${code}` };
  } catch (error) {
    return { verdict: 'error', why: (error as Error).message };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

async function writeLog(child: ChildProcess, path: string): Promise<void> {
  const log = createWriteStream(path);
  await Promise.allSettled(
    [child.stdout!, child.stderr!].map((stream) => pipeline(stream, log, { end: false })),
  );
  await new Promise<void>((resolve) => log.end(resolve));
}

/** Steps that nobody could run are no pass. */
export function verdictOfSteps(results: readonly StepResult[]): Verdict {
  return worstVerdict(results.map(({ verdict }) => verdict));
}

/**
 * Prints the table, and writes `summary.md` and `steps.json`. On GitHub (GITHUB_STEP_SUMMARY) the summary of the job gets
 * it as well, with those of the steps.
 */
export async function closeSteps(
  title: string,
  results: readonly StepResult[],
  directory: string,
  say: (line: string) => void,
): Promise<void> {
  const verdict = verdictOfSteps(results);
  const summary = markdownOf(title, verdict, results);
  await writeFile(join(directory, 'summary.md'), summary);
  await writeFile(
    join(directory, 'steps.json'),
    `${JSON.stringify({ title, verdict, steps: results }, null, 2)}\n`,
  );
  const job = process.env.GITHUB_STEP_SUMMARY;
  if (job) await appendFile(job, await jobSummary(summary, results, directory));
  const paint = painter(process.stdout);
  const rows = results.map((step) => [
    step.name,
    paintVerdict(paint, step.verdict),
    formatSeconds(step.durationMs),
    step.why,
  ]);
  say(`\n${table(['step', 'verdict', 'time', ''], rows, { right: [2], paint })}`);
  say(`\n${paintVerdict(paint, verdict)}: ${title}`);
  say(relative(process.cwd(), join(directory, 'summary.md')));
}

export function markdownOf(title: string, verdict: Verdict, results: readonly StepResult[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  return [
    `# ${title}: ${verdict}`,
    '',
    '| step | verdict | time | |',
    '|---|---|---|---|',
    ...results.map(
      (step) =>
        `| ${step.name}: ${cell(step.says)} | **${step.verdict}** | ${formatSeconds(step.durationMs)} | ${cell(step.why)} |`,
    ),
    '',
  ].join('\n');
}
