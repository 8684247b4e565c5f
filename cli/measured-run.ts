/** What `load` and `publish` do alike: a run that shows its progress, can be interrupted, is judged and leaves its results. */
import type { Writable } from 'node:stream';
import { Progress } from '../drivers/swarm/progress.ts';
import { collectEnvironment } from '../reports/environment.ts';
import { type Finding, type Results, worstVerdict } from '../reports/results.ts';
import { ReportError, writeRun } from '../reports/write.ts';
import { type Interruption, listenForInterrupt } from './interrupt.ts';
import { goLive, type Live, type LiveArguments } from './live.ts';
import { makeRunDirectory } from './output.ts';

/** What the commands touch outside themselves. */
export interface Surroundings {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly listen: () => Interruption;
}

export const REAL_SURROUNDINGS: Surroundings = {
  stdout: process.stdout,
  stderr: process.stderr,
  listen: listenForInterrupt,
};

export interface MeasuredRun<Kind extends 'load' | 'publish'> {
  readonly kind: Kind;
  /** Undefined: the default directory. `false`: nothing is written. */
  readonly out: string | undefined | false;
  /** Runs until the signal, or by itself, and gives its figures. */
  readonly measure: (
    signal: AbortSignal,
    show: (line: string) => void,
    /** Undefined when nobody looks: figures of the moment cost something. */
    tell: ((figures: NonNullable<Results[Kind]>) => void) | undefined,
  ) => Promise<NonNullable<Results[Kind]>>;
  /** Who looks on. Default nobody. */
  readonly live?: LiveArguments;
  /** Ctrl-C is the end that was asked for. */
  readonly endless?: boolean;
  readonly judge: (figures: NonNullable<Results[Kind]>, run: { readonly interrupted: boolean }) => Finding[];
  /** The command line, made of the options that took part. */
  readonly command: (figures: NonNullable<Results[Kind]>) => string[];
}

export interface Measured {
  readonly results: Results;
  /** Undefined when nothing was written. */
  readonly directory: string | undefined;
  /** Why nothing was written that should have been: for after what was measured is shown. */
  readonly unwritten?: ReportError;
}

/** A disk that is full takes the report, not what can still be printed. */
export async function writeOrTell(directory: string, results: Results): Promise<ReportError | undefined> {
  try {
    await writeRun(directory, results);
    return undefined;
  } catch (error) {
    if (error instanceof ReportError) return error;
    throw error;
  }
}

/** Gives the signals back in any case. */
export async function measuredRun<Kind extends 'load' | 'publish'>(
  { kind, out, measure, live: watched = {}, endless = false, judge, command }: MeasuredRun<Kind>,
  { stderr, listen }: Surroundings,
): Promise<Measured> {
  const startedAt = new Date();
  const began = performance.now();
  const environment = collectEnvironment();
  const resultsOf = (findings: Finding[], figures?: NonNullable<Results[Kind]>): Results => ({
    schema: 'liveproof/results@1',
    kind,
    verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(performance.now() - began),
    interrupted: !endless && interruption.signal.aborted,
    command: ['liveproof', kind, ...(figures === undefined ? [] : command(figures))],
    environment,
    findings,
    ...(figures !== undefined && { [kind]: figures }),
  });
  const interruption = listen();
  const progress = new Progress(stderr);
  let live: Live | undefined;
  try {
    live = await goLive(resultsOf([]), watched, stderr);
    const directory = out === false ? undefined : makeRunDirectory(kind, out, startedAt);
    const figures = await measure(
      interruption.signal,
      (line) => progress.line(line),
      live && ((soFar) => live?.update(resultsOf([], soFar))),
    );
    progress.end();
    const interrupted = !endless && interruption.signal.aborted;
    const results = resultsOf(judge(figures, { interrupted }), figures);
    const unwritten = directory === undefined ? undefined : await writeOrTell(directory, results);
    await live?.finish(results);
    return unwritten === undefined ? { results, directory } : { results, directory: undefined, unwritten };
  } finally {
    await live?.close();
    progress.end();
    interruption.release();
  }
}
