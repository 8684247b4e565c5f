/** `liveproof gate`: brings a cluster up, runs the checks, judges, takes it down, writes the report. */
import { execFile } from 'node:child_process';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Cluster } from '../lab/cluster.ts';
import { LabError } from '../lab/errors.ts';
import { findProgram } from '../lab/runners/find-program.ts';
import { DEFAULT_TOPOLOGY, TOPOLOGIES, topologyByName } from '../lab/topologies/index.ts';
import type { EngineName } from '../lab/topology.ts';
import { collectEnvironment } from '../reports/environment.ts';
import { HistoryWriter } from '../reports/history-writer.ts';
import { type Finding, type Results, worstVerdict } from '../reports/results.ts';
import { writeRun } from '../reports/write.ts';
import type { Check } from '../scenarios/check.ts';
import { CHECKS } from '../scenarios/conformance/index.ts';
import { type ClusterRequest, runOnCluster } from '../scenarios/run.ts';
import { selectChecks } from '../scenarios/select.ts';
import { listenForInterrupt } from './interrupt.ts';
import {
  ExitCode,
  exitCodeOf,
  makeRunDirectory,
  type Paint,
  painter,
  paintVerdict,
  printable,
  table,
  UsageError,
} from './output.ts';

export interface ClusterOptions {
  readonly topology: string;
  readonly engine: EngineName;
  readonly srs?: string;
  readonly basePort?: number;
  readonly out?: string;
}

interface GateOptions extends ClusterOptions {
  readonly list?: boolean;
}

export function register(program: Command): void {
  addClusterOptions(
    program
      .command('gate')
      .description('Does a cluster behave? Brings it up, runs the checks, takes it down, writes the report.')
      .argument('[check...]', 'ids or globs, such as back-to-source/*; all when left out'),
  )
    .option('--list', 'show the checks and run nothing')
    .addHelpText(
      'after',
      `
Exit codes: 0 every verdict is pass; 1 a check failed; 2 wrong use or nothing selected;
3 inconclusive; 4 the cluster did not come up.

Examples:
  liveproof gate
  liveproof gate 'back-to-source/*' fan-out/spread
  liveproof gate --engine srs --srs ./objs/srs --out out/nightly
  liveproof gate --list`,
    )
    .action(gate);
}

export function addClusterOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--topology <name>', 'the cluster')
        .choices(TOPOLOGIES.map(({ name }) => name))
        .default(DEFAULT_TOPOLOGY),
    )
    .addOption(
      new Option('--engine <name>', 'the program that plays origin and edge')
        .choices(['builtin', 'srs'] satisfies EngineName[])
        .default('builtin'),
    )
    .addOption(new Option('--srs <path>', 'the srs binary for engine srs').env('SRS_BIN'))
    .option('--base-port <port>', 'first of the ports; free ones when left out', parsePort)
    .option('--out <dir>', 'where the report goes; a new directory below out/ when left out');
}

async function gate(patterns: string[], options: GateOptions): Promise<void> {
  if (options.list) {
    process.stdout.write(`${listOf(selected(patterns, CHECKS))}\n`);
    return;
  }
  const checks = selected(patterns, CHECKS, options.topology);
  await runAndReport('gate', options, async (run) =>
    runOnCluster(run.cluster, {
      checks,
      signal: run.signal,
      onFinding: (finding) => run.found(finding, `${verdictCell(run.paint, finding)}  ${lineOf(finding)}`),
      onEvent: (check, event) => run.history.append({ check, ...event }),
    }),
  );
}

/** Throws UsageError for a pattern that matches nothing, and where nothing is left for the topology. */
export function selected(
  patterns: readonly string[],
  all: readonly Check[],
  topology?: string,
): readonly Check[] {
  const { checks, unmatched } = selectChecks(all, patterns);
  if (unmatched.length > 0) {
    const lines = unmatched.map(
      ({ pattern, near }) => `No check matches "${printable(pattern)}". Near: ${near.join(', ')}.`,
    );
    throw new UsageError(lines.join('\n'));
  }
  if (topology === undefined) return checks;
  const fitting = checks.filter((check) => check.topologies.includes(topology));
  if (fitting.length === 0) throw new UsageError(`None of the selected checks is for topology ${topology}.`);
  return fitting;
}

/** What a run of checks works with. */
export interface CheckRun {
  readonly cluster: ClusterRequest;
  readonly signal: AbortSignal;
  readonly history: HistoryWriter;
  readonly paint: Paint;
  /** Keeps a finding and prints a line for it. */
  found(finding: Finding, line: string): void;
}

/**
 * Makes the directory of the run, does the work, and writes what was found, also when it is interrupted or the lab
 * gives up in the middle. Sets the exit code.
 */
export async function runAndReport(
  kind: 'gate' | 'mutants',
  options: ClusterOptions,
  work: (run: CheckRun) => Promise<unknown>,
): Promise<Results> {
  const startedAt = new Date();
  const began = performance.now();
  const directory = makeRunDirectory(kind, options.out, startedAt);
  const history = new HistoryWriter(join(directory, 'history.ndjson'));
  const interruption = listenForInterrupt(() => history.closeNow());
  const paint = painter(process.stdout);
  const findings: Finding[] = [];
  let programs: Readonly<Record<string, string>> = {};
  let failure: Error | undefined;
  try {
    await work({
      cluster: {
        topology: topologyByName(options.topology),
        engine: options.engine,
        runDir: join(directory, 'cluster'),
        ...(options.srs === undefined ? {} : { srsPath: options.srs }),
        ...(options.basePort === undefined ? {} : { basePort: options.basePort }),
        onUp: async (cluster) => {
          programs = await programsOf(cluster);
          const seconds = ((performance.now() - began) / 1000).toFixed(1);
          process.stdout.write(`${options.topology} of ${options.engine} is up after ${seconds} s\n`);
        },
      },
      signal: interruption.signal,
      history,
      paint,
      found(finding, line) {
        findings.push(finding);
        process.stdout.write(`${line}\n`);
      },
    });
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  const interrupted = interruption.signal.aborted;
  if (failure !== undefined && !interrupted) findings.push(notUp(options, failure));
  const results: Results = {
    schema: 'liveproof/results@1',
    kind,
    verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(performance.now() - began),
    interrupted,
    command: process.argv.slice(2),
    environment: collectEnvironment(programs),
    findings,
  };
  const total = `${findings.length} findings in ${(results.durationMs / 1000).toFixed(1)} s`;
  process.stdout.write(
    `\n${paintVerdict(paint, results.verdict)}: ${total}${interrupted ? ', interrupted' : ''}\n`,
  );
  await writeRun(directory, results, { history: await history.close() });
  process.stdout.write(`${relative(process.cwd(), join(directory, 'report.html'))}\n`);
  interruption.release();
  // What was not run is not passed.
  process.exitCode =
    interrupted && results.verdict === 'pass' ? ExitCode.inconclusive : exitCodeOf(results.verdict);
  if (failure !== undefined && !interrupted) throw failure;
  return results;
}

/** So that the report says, too, why there is nothing in it. */
function notUp({ topology, engine }: ClusterOptions, failure: Error): Finding {
  return {
    check: 'lab/up',
    topology,
    engine,
    verdict: 'error',
    expected: 'the cluster comes up, and stays up as long as checks run',
    actual: failure.message,
    evidence: failure instanceof LabError ? failure.log.map((detail) => ({ label: 'log', detail })) : [],
    durationMs: 0,
  };
}

const VERDICT_WIDTH = 'inconclusive'.length;

export function verdictCell(paint: Paint, { verdict }: Finding): string {
  return paintVerdict(paint, verdict) + ' '.repeat(VERDICT_WIDTH - verdict.length);
}

function lineOf(finding: Finding): string {
  const head = `${finding.check}  ${(finding.durationMs / 1000).toFixed(1)} s`;
  return finding.verdict === 'pass' ? head : `${head}${detailOf(finding)}`;
}

/** For a finding that is not what it should be. */
export function detailOf({ expected, actual }: Finding): string {
  return `\n    expected  ${printable(expected)}\n    actual    ${printable(actual)}`;
}

function listOf(checks: readonly Check[]): string {
  return table(
    ['check', 'level', 'what it proves'],
    checks.map(({ id, level, title }) => [id, level, title]),
    { paint: painter(process.stdout) },
  );
}

/** Versions of the programs that the cluster is made of. */
async function programsOf(cluster: Cluster): Promise<Record<string, string>> {
  const programs: Record<string, string> = {};
  for (const { engine, spec } of cluster.nodes.values()) {
    if (programs[engine] !== undefined || engine === 'builtin' || spec.role === 'web') continue;
    if (engine === 'haproxy') programs.haproxy = await haproxyVersion();
    else programs[engine] = (await cluster.api(spec.name).versions()).version;
  }
  return programs;
}

async function haproxyVersion(): Promise<string> {
  const program = findProgram('haproxy');
  if (program === undefined) return 'unknown';
  const { stdout } = await promisify(execFile)(program, ['-v']);
  return /version (\S+)/.exec(stdout)?.[1] ?? 'unknown';
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1024 || port > 32_000) {
    throw new InvalidArgumentError('A base port is a whole number from 1024 to 32000.');
  }
  return port;
}
