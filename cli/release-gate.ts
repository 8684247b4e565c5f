/** `liveproof release-gate`: all clusters, every check; unsupported only what is listed. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { TOPOLOGIES } from '../lab/topologies/index.ts';
import { enginesOf } from '../lab/topology.ts';
import { judgeRelease, type ReleaseJudgement, ReleaseRules } from '../reports/judge-release.ts';
import { Results } from '../reports/results.ts';
import { UNSUPPORTED_PART } from '../scenarios/gate.ts';
import { type Interruption, listenForInterrupt } from './interrupt.ts';
import { KNOWN_FILE, logIn, readKnown } from './nightly-known.ts';
import { ExitCode, exitCodeOf, makeRunDirectory, painter, printable, UsageError } from './output.ts';
import { readRulesFile } from './rules-file.ts';
import { closeSteps, runSteps, type Step, type StepResult, verdictOfSteps } from './steps.ts';

const GATE_TIMEOUT_MS = 60 * 60_000;
/** In the repository: what the engines are known to lack. */
const RULES_FILE = 'fixtures/release-gate.yaml';

interface ReleaseOptions {
  readonly srs?: string;
  readonly rules: string;
  readonly known?: string;
  readonly out?: string;
}

export function register(program: Command): void {
  program
    .command('release-gate')
    .description('May it be released? Every check on every cluster; nothing unsupported unless it is listed.')
    .addOption(new Option('--srs <path>', 'judge this srs binary, too').env('SRS_BIN'))
    .option('--rules <file>', 'YAML: what may be unsupported, and why', RULES_FILE)
    .option('--known <file>', 'YAML: what the real SRS is known to fail, which is then not in the way')
    .option('--out <dir>', 'where the reports go; a new directory below out/ when left out')
    .addHelpText(
      'after',
      `
The built-in engine plays every cluster, then, with --srs or SRS_BIN, the real SRS those that it can play. A cluster that cannot run on
this machine is in the way of a release, and so is every verdict but pass.

Exit codes: 0 it may be released; 1 something is in the way; 2 wrong use; 3 interrupted.

Examples:
  liveproof release-gate
  liveproof release-gate --srs ./objs/srs --out out/release
  liveproof release-gate --srs ./objs/srs --known ${KNOWN_FILE}

A file of rules:
  schema: liveproof/release@1
  unsupported:
    - { check: fan-out/all-protocols, engine: srs, why: this build has no bridge from RTMP to WebRTC }`,
    )
    .action(async (options: ReleaseOptions) => {
      process.exitCode = await releaseGate(options);
    });
}

/** Topologies are named, so that one that cannot run here is a finding and no note. */
export function stepsOf(srs: string | undefined): readonly Step[] {
  const gate = (names: readonly string[], ...args: string[]): string[] => [
    ...['npm', 'run', '-s', 'liveproof', '--', 'gate', '--out', '{out}'],
    ...names.flatMap((name) => ['--topology', name]),
    ...args,
  ];
  const builtin: Step = {
    name: 'gate',
    says: 'every check on every cluster, built in',
    command: gate(TOPOLOGIES.map(({ name }) => name)),
    timeoutMs: GATE_TIMEOUT_MS,
  };
  if (srs === undefined) return [builtin];
  const playable = TOPOLOGIES.filter((topology) => enginesOf(topology).includes('srs'));
  return [
    builtin,
    {
      name: 'gate-srs',
      says: `every check on every cluster of ${srs}`,
      command: gate(
        playable.map(({ name }) => name),
        ...['--engine', 'srs', '--open-udp', '--srs', srs],
      ),
      timeoutMs: GATE_TIMEOUT_MS,
    },
  ];
}

export function readRules(file: string): ReleaseRules {
  return readRulesFile(file, ReleaseRules, 'a file of rules');
}

/** What the command touches outside itself. */
export interface ReleaseSurroundings {
  readonly stepsOf: (srs: string | undefined) => readonly Step[];
  readonly listen: () => Interruption;
  readonly say: (line: string) => void;
}

const REAL: ReleaseSurroundings = {
  stepsOf,
  listen: listenForInterrupt,
  say: (line) => console.log(line),
};

/** Resolves with the exit code. Throws UsageError before anything is started. */
export async function releaseGate(
  { srs, rules: file, known: knownFile, out }: ReleaseOptions,
  { stepsOf: steps, listen, say }: ReleaseSurroundings = REAL,
): Promise<ExitCode> {
  const rules = readRules(file);
  const known = knownFile === undefined ? [] : readKnown(knownFile).known;
  if (srs !== undefined && !existsSync(srs)) throw new UsageError(`There is no ${printable(srs)}.`);
  const directory = makeRunDirectory('release', out);
  const { signal, release } = listen();
  const since = Date.now();
  const run = await runSteps({ steps: steps(srs), directory, signal, say });
  const written = await resultsOf(directory, run, since);
  const runs = [...written].map(([name, results]) => ({ ...results, logOf: logIn(join(directory, name)) }));
  const judgement = judgeRelease(runs, rules, UNSUPPORTED_PART, known);
  await writeFile(join(directory, 'release.json'), `${JSON.stringify(judgement, null, 2)}\n`);
  sayJudgement(judgement, say);
  const judged = run.map((step) => judgedStep(step, written.get(step.name), judgement));
  await closeSteps('release gate', judged, directory, say);
  const interrupted = signal.aborted;
  release();
  if (interrupted) return ExitCode.inconclusive;
  return judgement.verdict === 'pass' ? exitCodeOf(verdictOfSteps(judged)) : ExitCode.fail;
}

/** A step is red by what is listed, too: what its findings mean is the judgement's to say, not how else it ended. */
function judgedStep(
  step: StepResult,
  written: Results | undefined,
  { verdict }: ReleaseJudgement,
): StepResult {
  const isOver = step.verdict === 'inconclusive' || step.verdict === 'fail';
  return written !== undefined && isOver && verdict === 'pass' ? { ...step, verdict } : step;
}

/**
 * A step that wrote none is missing, which its own verdict tells; what was written before `since` (ms) is of another run in the
 * same folder.
 */
export async function resultsOf(
  directory: string,
  steps: readonly Pick<StepResult, 'name'>[],
  since: number,
): Promise<Map<string, Results>> {
  const found = new Map<string, Results>();
  for (const { name } of steps) {
    const file = join(directory, name, 'results.json');
    if (!existsSync(file)) continue;
    const results = Results.parse(JSON.parse(await readFile(file, 'utf8')));
    if (Date.parse(results.startedAt) >= since) found.set(name, results);
  }
  return found;
}

function sayJudgement(
  { obstacles, allowed, unused, passed }: ReleaseJudgement,
  say: (line: string) => void,
): void {
  const paint = painter(process.stdout);
  say('');
  for (const line of allowed) say(`${paint('cyan', 'listed')}  ${printable(line)}`);
  for (const { check, why } of unused)
    say(`${paint('yellow', 'note')}  listed, and not needed: ${check} (${why})`);
  for (const line of passed) say(`${paint('yellow', 'note')}  known, and it is well: ${printable(line)}`);
  for (const line of obstacles) say(`${paint('red', 'in the way')}  ${printable(line)}`);
}
