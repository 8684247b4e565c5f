/** `liveproof nightly`: everything that is too long for a pull request, one step after the other. */
import { existsSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { findDocker } from '../lab/runners/docker.ts';
import { topologyByName } from '../lab/topologies/index.ts';
import { enginesOf } from '../lab/topology.ts';
import { findK6, K6_INSTALL } from '../scenarios/benchmark/k6-program.ts';
import { type Interruption, listenForInterrupt } from './interrupt.ts';
import { judgedByList, KNOWN_FILE, type NightStep, readKnown } from './nightly-known.ts';
import { fetchNights, heldAgainst, keepNights } from './nights.ts';
import { ExitCode, exitCodeOf, makeRunDirectory, printable, table, UsageError } from './output.ts';
import { closeSteps, runSteps, type Step, verdictOfSteps } from './steps.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const npm = (script: string, ...args: string[]): string[] => [
  'npm',
  'run',
  '-s',
  script,
  ...(args.length === 0 ? [] : ['--', ...args]),
];

function lacksSrs(): string | undefined {
  return process.env.SRS_BIN ? undefined : 'SRS_BIN names no srs binary';
}

async function lacksDocker(): Promise<string | undefined> {
  return findDocker().then(
    () => undefined,
    (error: Error) => error.message,
  );
}

/** What a part of the night measures: together they are every cluster. A run of all would be too long for a hosted machine. */
const BENCHES = [
  { name: 'bench-edge', topologies: ['edge-cluster', 'nginx-rtmp'] },
  { name: 'bench-forward', topologies: ['forward-cluster', 'local-origin'] },
  { name: 'bench-proxy', topologies: ['proxy-cluster', 'coworker-cluster'] },
  { name: 'bench-redis', topologies: ['proxy-redis', 'stream-manager'] },
] as const;
/** Above what its profile gives two clusters of two engines: a round, or a step of a ladder, that has begun goes on to its end. */
const BENCH_TIMEOUT_MS = 5.5 * HOUR;

export const NIGHT: readonly NightStep[] = [
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
    judged: 'process',
    lacks: lacksSrs,
  },
  {
    name: 'gate-compose',
    says: 'every check on every cluster, in containers',
    command: npm('gate', '--runner', 'compose', '--out', '{out}'),
    timeoutMs: HOUR,
    judged: 'compose',
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
  ...BENCHES.map(
    ({ name, topologies }): NightStep => ({
      name,
      says: `latency, the largest crowds that hold the SLO, and what origins send: ${topologies.join(', ')}`,
      command: npm(
        'bench',
        ...['--profile', 'nightly', '--out', '{out}'],
        ...topologies.flatMap((topology) => ['--topology', topology]),
      ),
      timeoutMs: BENCH_TIMEOUT_MS,
    }),
  ),
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
  readonly known: string;
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
      '--baseline <dir>',
      'each part of bench compares with the nights that are in there, and adds this one if it passed, or if they are just too few to tell',
    )
    .option('--known <file>', 'YAML: what real servers are known to fail, and clusters to lack', KNOWN_FILE)
    .option('--list', 'show the steps and run nothing')
    .option('--out <dir>', 'where logs and reports go; a new directory below out/ when left out')
    .addHelpText(
      'after',
      `
A step that fails does not keep the next ones from running. What a step needs and this machine lacks makes it
unsupported, and the night inconclusive, unless the step is left out with --without. SRS_BIN names a real srs: gate-srs judges
it, and bench measures it beside the built-in engine. gate-srs and gate-compose are red for what --known does not list.
Ctrl-C interrupts the step that runs; its report, and the summary, are still written.

Exit codes: 0 every step passed; 1 a step failed; 2 wrong use; 3 a step was inconclusive or could not run here.

Examples:
  liveproof nightly
  liveproof nightly --only gate --only mutants
  liveproof nightly --only bench-edge --baseline nights
  SRS_BIN=./objs/srs liveproof nightly --without gate-compose`,
    )
    .action(async (options: NightlyOptions) => {
      process.exitCode = await nightly(options);
    });
}

function stepOption(flags: string, says: string, whenLeftOut: string): Option {
  return new Option(flags, says)
    .argParser((name: string, before: readonly string[]) => [...before, name])
    .default([] as readonly string[], whenLeftOut);
}

/** Throws UsageError for a name that no step has, and when nothing is left. */
export function chosenSteps(
  { only, without }: Pick<NightlyOptions, 'only' | 'without'>,
  night: readonly NightStep[] = NIGHT,
): readonly NightStep[] {
  const names = NIGHT.map(({ name }) => name);
  const unknown = [...only, ...without].filter((name) => !names.includes(name));
  if (unknown.length > 0)
    throw new UsageError(`No step is called ${unknown.join(' or ')}. There are ${names.join(', ')}.`);
  const steps = night.filter(
    ({ name }) => (only.length === 0 || only.includes(name)) && !without.includes(name),
  );
  if (steps.length === 0) throw new UsageError('No step is left to run.');
  return steps;
}

/** The benchmark measures a real srs, too, in one run with the engine that is built in. */
export function withSrs<T extends Step>(steps: readonly T[], srs: string | undefined): readonly T[] {
  if (!srs) return steps;
  return steps.map((step) => {
    const bench = BENCHES.find(({ name }) => name === step.name);
    if (bench === undefined) return step;
    const engines = new Set(bench.topologies.flatMap((name) => enginesOf(topologyByName(name))));
    const more = [...engines].flatMap((engine) => ['--engine', engine]);
    return { ...step, command: [...step.command, ...more, '--open-udp'] };
  });
}

/** What the command touches outside itself. */
export interface NightSurroundings {
  readonly night: readonly NightStep[];
  readonly listen: () => Interruption;
  readonly say: (line: string) => void;
}

const REAL: NightSurroundings = {
  night: NIGHT,
  listen: listenForInterrupt,
  say: (line) => console.log(line),
};

/** Resolves with the exit code. Throws UsageError before anything is started. */
export async function nightly(
  options: NightlyOptions,
  { night, listen, say }: NightSurroundings = REAL,
): Promise<ExitCode> {
  const { baseline } = options;
  const { SRS_BIN } = process.env;
  if (SRS_BIN && !existsSync(SRS_BIN))
    throw new UsageError(`SRS_BIN names ${printable(SRS_BIN)}, which is not there.`);
  const steps = heldAgainst(baseline, withSrs(chosenSteps(options, night), SRS_BIN));
  const known = readKnown(options.known);
  if (options.list) {
    say(
      table(
        ['step', 'what it proves', 'command'],
        steps.map((s) => [s.name, s.says, s.command.join(' ')]),
      ),
    );
    return ExitCode.pass;
  }
  const directory = makeRunDirectory('nightly', options.out);
  if (baseline !== undefined) await fetchNights(baseline, directory, steps);
  const { signal, release } = listen();
  const since = Date.now();
  const run = await runSteps({ steps, directory, signal, say });
  const { results, markdown } = await judgedByList({ results: run, steps, directory, since, known, say });
  await closeSteps('nightly', results, directory, say);
  await addToSummary(directory, markdown);
  if (baseline !== undefined) await keepNights(baseline, directory, results, say, since);
  release();
  return exitCodeOf(verdictOfSteps(results));
}

async function addToSummary(directory: string, markdown: string): Promise<void> {
  const job = process.env.GITHUB_STEP_SUMMARY;
  for (const file of [join(directory, 'summary.md'), ...(job ? [job] : [])])
    if (markdown !== '') await appendFile(file, markdown);
}
