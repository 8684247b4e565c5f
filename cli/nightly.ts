/** `liveproof nightly`: everything that is too long for a pull request, one step after the other. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { findDocker } from '../lab/runners/docker.ts';
import { findK6, K6_INSTALL } from '../scenarios/benchmark/k6-program.ts';
import { listenForInterrupt } from './interrupt.ts';
import { exitCodeOf, makeRunDirectory, table, UsageError } from './output.ts';
import { closeSteps, runSteps, type Step, verdictOfSteps } from './steps.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const BENCH = 'bench';

const npm = (script: string, ...args: string[]): string[] => [
  'npm',
  'run',
  '-s',
  script,
  ...(args.length === 0 ? [] : ['--', ...args]),
];

function lacksSrs(): string | undefined {
  const { SRS_BIN } = process.env;
  if (!SRS_BIN) return 'SRS_BIN names no srs binary';
  return existsSync(SRS_BIN) ? undefined : `SRS_BIN: there is no ${SRS_BIN}`;
}

async function lacksDocker(): Promise<string | undefined> {
  return findDocker().then(
    () => undefined,
    (error: Error) => error.message,
  );
}

export const NIGHT: readonly Step[] = [
  {
    name: 'tests',
    says: 'all tests of liveproof itself',
    command: npm('test'),
    timeoutMs: 20 * MINUTE,
  },
  {
    name: 'tests-long',
    says: 'tests that are too long for every day: ten thousand connections, a gate that is killed, a disk that is full',
    command: npm('test:long'),
    timeoutMs: 15 * MINUTE,
  },
  {
    name: 'gate',
    says: 'every check on every cluster, built in',
    command: npm('gate', '--out', '{out}'),
    timeoutMs: 30 * MINUTE,
  },
  {
    name: 'gate-srs',
    says: 'every check on every cluster that a real SRS can play',
    command: npm('gate', '--engine', 'srs', '--open-udp', '--out', '{out}'),
    timeoutMs: 45 * MINUTE,
    lacks: lacksSrs,
  },
  {
    name: 'gate-compose',
    says: 'every check on every cluster, in containers',
    command: npm('gate', '--runner', 'compose', '--out', '{out}'),
    timeoutMs: HOUR,
    lacks: lacksDocker,
  },
  {
    name: 'k6',
    says: 'the scripts of k6, and what a viewer costs k6 and our swarm',
    command: npm('bench:k6', '--out', '{out}'),
    timeoutMs: 10 * MINUTE,
    lacks: () => (findK6() === undefined ? `no k6: ${K6_INSTALL}` : undefined),
  },
  {
    name: 'browser',
    says: 'real players in a real browser on every cluster, and the defects that they must find',
    command: npm('test:browser', '--out', '{out}'),
    timeoutMs: 30 * MINUTE,
  },
  {
    name: 'mutants',
    says: 'every check turns red for each of its mutants',
    command: npm('mutants', '--no-healthy', '--out', '{out}'),
    timeoutMs: 2 * HOUR,
  },
  {
    name: 'truth',
    says: 'what is injected into links and streams is what is reported',
    command: npm('truth', '--json', '{out}/truth.json'),
    timeoutMs: 10 * MINUTE,
  },
  {
    name: BENCH,
    says: 'latency, the largest crowds that hold the SLO, and what origins send for what viewers get',
    command: npm('bench', '--profile', 'nightly', '--out', '{out}'),
    timeoutMs: 6 * HOUR,
  },
  {
    name: 'fuzz',
    says: 'a million random and mutated inputs for each decoder',
    command: npm('fuzz', '--inputs', '1000000', '--jobs', '2'),
    timeoutMs: 4 * HOUR,
  },
  {
    name: 'soak',
    says: 'a thousand players for an hour: memory and descriptors stay flat, every frame is counted once',
    command: npm('soak', '--duration', '1h', '--out', '{out}'),
    timeoutMs: 75 * MINUTE,
  },
];

interface NightlyOptions {
  readonly only: readonly string[];
  readonly without: readonly string[];
  readonly baseline?: string;
  readonly list?: boolean;
  readonly out?: string;
}

export function register(program: Command): void {
  program
    .command('nightly')
    .description('Everything that is too long for a pull request, one step after the other.')
    .addOption(stepOption('--only <step>', 'this step; may be given again', 'all'))
    .addOption(stepOption('--without <step>', 'leave this step out; may be given again', 'none'))
    .option(
      '--baseline <file>',
      'bench compares with the nights that are in there, and adds this one unless it failed',
    )
    .option('--list', 'show the steps and run nothing')
    .option('--out <dir>', 'where logs and reports go; a new directory below out/ when left out')
    .addHelpText(
      'after',
      `
A step that fails does not keep the next ones from running. What a step needs and this machine lacks makes it
unsupported, and the night inconclusive, unless the step is left out with --without. SRS_BIN names a real srs.
Ctrl-C interrupts the step that runs; its report, and the summary, are still written.

Exit codes: 0 every step passed; 1 a step failed; 2 wrong use; 3 a step was inconclusive or could not run here.

Examples:
  liveproof nightly
  liveproof nightly --only gate --only mutants
  liveproof nightly --only bench --baseline nights.json
  SRS_BIN=./objs/srs liveproof nightly --without gate-compose`,
    )
    .action(nightly);
}

function stepOption(flags: string, says: string, whenLeftOut: string): Option {
  return new Option(flags, says)
    .argParser((name: string, before: readonly string[]) => [...before, name])
    .default([] as readonly string[], whenLeftOut);
}

/** Throws UsageError for a name that no step has, and when nothing is left. */
export function chosenSteps({ only, without }: Pick<NightlyOptions, 'only' | 'without'>): readonly Step[] {
  const names = NIGHT.map(({ name }) => name);
  const unknown = [...only, ...without].filter((name) => !names.includes(name));
  if (unknown.length > 0)
    throw new UsageError(`No step is called ${unknown.join(' or ')}. There are ${names.join(', ')}.`);
  const steps = NIGHT.filter(
    ({ name }) => (only.length === 0 || only.includes(name)) && !without.includes(name),
  );
  if (steps.length === 0) throw new UsageError('No step is left to run.');
  return steps;
}

/** The benchmark compares with what is in the file, if there is one already, and is kept there. */
export function heldAgainst(file: string | undefined, steps: readonly Step[]): readonly Step[] {
  if (file === undefined) return steps;
  const path = resolve(file);
  const more = ['--save-baseline', path, ...(existsSync(path) ? ['--baseline', path] : [])];
  return steps.map((step) => (step.name === BENCH ? { ...step, command: [...step.command, ...more] } : step));
}

async function nightly(options: NightlyOptions): Promise<void> {
  const steps = heldAgainst(options.baseline, chosenSteps(options));
  const say = (line: string): void => console.log(line);
  if (options.list) {
    say(
      table(
        ['step', 'what it proves', 'command'],
        steps.map((s) => [s.name, s.says, s.command.join(' ')]),
      ),
    );
    return;
  }
  const directory = makeRunDirectory('nightly', options.out);
  const interruption = listenForInterrupt();
  const results = await runSteps({ steps, directory, signal: interruption.signal, say });
  await closeSteps('nightly', results, directory, say);
  interruption.release();
  process.exitCode = exitCodeOf(verdictOfSteps(results));
}
