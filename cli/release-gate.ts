/** `liveproof release-gate`: all clusters, every check; unsupported only what is listed. */
import { existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { parse } from 'yaml';
import { z } from 'zod';
import { TOPOLOGIES } from '../lab/topologies/index.ts';
import { enginesOf } from '../lab/topology.ts';
import { judgeRelease, type ReleaseJudgement, ReleaseRules } from '../reports/judge-release.ts';
import { Results } from '../reports/results.ts';
import { UNSUPPORTED_PART } from '../scenarios/gate.ts';
import { listenForInterrupt } from './interrupt.ts';
import { ExitCode, exitCodeOf, makeRunDirectory, painter, printable, UsageError } from './output.ts';
import { closeSteps, runSteps, type Step, type StepResult, verdictOfSteps } from './steps.ts';

const GATE_TIMEOUT_MS = 60 * 60_000;
/** In the repository: what the engines are known to lack. */
const RULES_FILE = 'fixtures/release-gate.yaml';

interface ReleaseOptions {
  readonly srs?: string;
  readonly rules: string;
  readonly out?: string;
}

export function register(program: Command): void {
  program
    .command('release-gate')
    .description('May it be released? Every check on every cluster; nothing unsupported unless it is listed.')
    .addOption(new Option('--srs <path>', 'judge this srs binary, too').env('SRS_BIN'))
    .option('--rules <file>', 'YAML: what may be unsupported, and why', RULES_FILE)
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

A file of rules:
  schema: liveproof/release@1
  unsupported:
    - { check: fan-out/all-protocols, engine: srs, why: this build has no bridge from RTMP to WebRTC }`,
    )
    .action(releaseGate);
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
  if (!existsSync(file)) throw new UsageError(`There is no file of rules ${printable(file)}.`);
  const wrong = (why: string): UsageError =>
    new UsageError(
      [`${printable(file)} is not a file of rules:`, ...why.split('\n').map(printable)].join('\n'),
    );
  let document: unknown;
  try {
    document = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const rules = ReleaseRules.safeParse(document);
  if (rules.success) return rules.data;
  throw wrong(z.prettifyError(rules.error));
}

async function releaseGate({ srs, rules: file, out }: ReleaseOptions): Promise<void> {
  const rules = readRules(file);
  if (srs !== undefined && !existsSync(srs)) throw new UsageError(`There is no ${printable(srs)}.`);
  const directory = makeRunDirectory('release', out);
  const interruption = listenForInterrupt();
  const say = (line: string): void => console.log(line);
  const steps = await runSteps({ steps: stepsOf(srs), directory, signal: interruption.signal, say });
  const written = await resultsOf(directory, steps);
  const judgement = judgeRelease([...written.values()], rules, UNSUPPORTED_PART);
  await writeFile(join(directory, 'release.json'), `${JSON.stringify(judgement, null, 2)}\n`);
  sayJudgement(judgement, say);
  // A step is red by an unsupported check, too: what that means is the judgement's to say.
  const judged = steps.map((step): StepResult => {
    const isJudged = written.has(step.name) && step.verdict === 'inconclusive';
    return isJudged && judgement.verdict === 'pass' ? { ...step, verdict: 'pass' } : step;
  });
  await closeSteps('release gate', judged, directory, say);
  const interrupted = interruption.signal.aborted;
  interruption.release();
  if (interrupted) process.exitCode = ExitCode.inconclusive;
  else process.exitCode = judgement.verdict === 'pass' ? exitCodeOf(verdictOfSteps(judged)) : ExitCode.fail;
}

/** A step that wrote none is missing, which its own verdict tells. */
async function resultsOf(directory: string, steps: readonly StepResult[]): Promise<Map<string, Results>> {
  const found = new Map<string, Results>();
  for (const { name } of steps) {
    const file = join(directory, name, 'results.json');
    if (existsSync(file)) found.set(name, Results.parse(JSON.parse(await readFile(file, 'utf8'))));
  }
  return found;
}

function sayJudgement({ obstacles, allowed, unused }: ReleaseJudgement, say: (line: string) => void): void {
  const paint = painter(process.stdout);
  say('');
  for (const line of allowed) say(`${paint('cyan', 'listed')}  ${printable(line)}`);
  for (const { check, why } of unused)
    say(`${paint('yellow', 'note')}  listed, and not needed: ${check} (${why})`);
  for (const line of obstacles) say(`${paint('red', 'in the way')}  ${printable(line)}`);
}
