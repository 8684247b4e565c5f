/** `liveproof gate`: brings a cluster up, runs the checks, judges, takes it down, writes the report. */
import { join, relative } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Cluster } from '../lab/cluster.ts';
import { LabError } from '../lab/errors.ts';
import { requireProfile, STANDIN, startCompose } from '../lab/runners/compose.ts';
import { findDocker } from '../lab/runners/docker.ts';
import { usualEngine } from '../lab/runners/external.ts';
import { TOPOLOGIES, topologyByName } from '../lab/topologies/index.ts';
import type { EngineName, Topology } from '../lab/topology.ts';
import { collectEnvironment } from '../reports/environment.ts';
import { type HistoryLine, HistoryWriter } from '../reports/history-writer.ts';
import { type Finding, type Results, worstVerdict } from '../reports/results.ts';
import type { ClusterFigures } from '../reports/results-clusters.ts';
import type { Bystander } from '../reports/results-mutants.ts';
import { writeRun } from '../reports/write.ts';
import type { Check } from '../scenarios/check.ts';
import { clusterFigures, figuresTogether } from '../scenarios/cluster-figures.ts';
import { CHECKS } from '../scenarios/conformance/index.ts';
import { MAX_SEED, randomSeed } from '../scenarios/context.ts';
import { UNSUPPORTED_PART } from '../scenarios/gate.ts';
import type { HistoryEvent } from '../scenarios/history.ts';
import { type LeftOut, type Plan, type PlannedRun, type PlanRequest, planGate } from '../scenarios/plan.ts';
import { runPlan } from '../scenarios/plan-run.ts';
import type { Attach } from '../scenarios/run.ts';
import { selectChecks } from '../scenarios/select.ts';
import { MAX_WAIT_MS } from '../scenarios/starvation.ts';
import { attachTarget, noteOfTarget, targetOf } from './gate-target.ts';
import { listenForInterrupt } from './interrupt.ts';
import { HEALTHY_JOBS, jobsOption, Pieces } from './jobs.ts';
import { addLiveOptions, goLive, type Live, type LiveArguments } from './live.ts';
import {
  ExitCode,
  exitCodeOf,
  makeRunDirectory,
  type Paint,
  painter,
  paintVerdict,
  parseDuration,
  printable,
  shown,
  table,
  UsageError,
} from './output.ts';
import { versionsOf } from './programs.ts';
import { allowHostsOption } from './target.ts';

export interface ClusterOptions {
  /** Names; every topology when empty. */
  readonly topology: readonly string[];
  /** Each topology's usual one when left out. */
  readonly engine?: EngineName;
  readonly srs?: string;
  /** Takes the place of the builtin proxy. */
  readonly proxy?: string;
  readonly openUdp?: boolean;
  readonly basePort?: number;
  readonly out?: string;
  readonly seed?: number;
  /** In ms. */
  readonly maxCpuWait?: number;
}

interface GateOptions extends ClusterOptions, LiveArguments {
  readonly jobs: number;
  readonly list?: boolean;
  readonly runner: RunnerName;
  readonly target?: string;
  readonly allowDisruption?: boolean;
  readonly allowRemote?: boolean;
  readonly allowHosts?: readonly string[];
}

export function register(program: Command): void {
  const command = addClusterOptions(
    program
      .command('gate')
      .description('Do clusters behave? Brings each up, runs its checks, takes it down, writes the report.')
      .argument('[check...]', 'ids or globs, such as back-to-source/*; all when left out'),
  );
  addLiveOptions(command)
    .addOption(
      jobsOption(
        'clusters that run side by side; a topology has several when no other is left to begin',
        HEALTHY_JOBS,
      ),
    )
    .addOption(seedOption())
    .addOption(proxyOption())
    .option('--list', 'show the checks and run nothing')
    .addOption(runnerOption().default('process'))
    .option('--target <file>', 'a cluster that runs already, described in a YAML file (docs/targets.md)')
    .option(
      '--allow-disruption',
      'with --target: kill, freeze and restart its nodes, kick clients, send floods',
    )
    .option('--allow-remote', 'with --target: a cluster that is not on loopback; only one that is yours')
    .addOption(allowHostsOption('with --target: hosts that it may lead to, beside those of the file'))
    .addHelpText(
      'after',
      `
Exit codes: 0 every verdict is pass; 1 a check failed; 2 wrong use or nothing selected;
3 inconclusive, or a topology that was named cannot run here; 4 a cluster did not come up.

Examples:
  liveproof gate
  liveproof gate --topology forward-cluster --topology nginx-rtmp
  liveproof gate 'back-to-source/*' fan-out/spread
  liveproof gate --engine srs --srs ./objs/srs --out out/nightly
  liveproof gate --proxy ./srs-proxy
  liveproof gate --runner compose --topology edge-cluster
  liveproof gate --target staging.yaml --allow-remote
  liveproof gate --dashboard :8090
  liveproof gate --list

A target file, of an edge cluster on this machine, one edge of which may be killed; the rest is in docs/targets.md:
  schema: liveproof/target@1
  name: staging
  topology: edge-cluster
  nodes:
    - { name: origin, host: 127.0.0.1, ports: { rtmp: 1935, http: 8080, api: 1985 } }
    - name: edge-1
      host: 127.0.0.1
      ports: { rtmp: 11935, http: 18080, api: 11985 }
      addresses: [127.0.0.11]   # from which it fetches, as the API of the origin tells it
      controls: { kill: [docker, kill, edge-1], restart: [docker, start, edge-1] }
    - name: edge-2
      host: 127.0.0.1
      ports: { rtmp: 21935, http: 28080, api: 21985 }
      addresses: [127.0.0.12]`,
    )
    .action(gate);
}

/** Who looks on sees the links of the clusters that are up so often, in ms. */
const LOOK_EVERY_MS = 1000;

/** SRS has no setting for their address. */
export const OPEN_UDP =
  'engine srs: SRT and WebRTC too, whose ports SRS opens on all addresses of this machine';

export function addClusterOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--topology <name>', 'a cluster; may be given again (default: every one that can run here)')
        .choices(TOPOLOGIES.map(({ name }) => name))
        .argParser(collectTopologies)
        .default([] as readonly string[], 'every one that can run here'),
    )
    .addOption(engineOption())
    .addOption(new Option('--srs <path>', 'the srs binary for engine srs').env('SRS_BIN'))
    .option('--open-udp', OPEN_UDP)
    .option('--base-port <port>', 'first of the ports; free ones when left out', parsePort)
    .option(
      '--max-cpu-wait <time>',
      `what others may take from a process of the cluster, or the gate, within a second, before a failure says nothing (default: ${MAX_WAIT_MS}ms)`,
      parseDuration,
    )
    .option('--out <dir>', 'where the report goes; a new directory below out/ when left out');
}

export function proxyOption(): Option {
  return new Option(
    '--proxy <path>',
    'a program in place of our proxy: it gets the PROXY_ variables of SRS’s, and origins register with it',
  );
}

export function seedOption(): Option {
  return new Option(
    '--seed <number>',
    'decides the names of streams (default: another one every time)',
  ).argParser(parseSeed);
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d{1,10}$/.test(text) || seed > MAX_SEED)
    throw new InvalidArgumentError(`A seed is a whole number from 0 to ${MAX_SEED}.`);
  return seed;
}

/** Just this check, on a cluster of the same kind. */
export function repeatOf(
  kind: 'gate' | 'mutants',
  options: ClusterOptions & Partial<Pick<GateOptions, 'target' | 'runner'>>,
  seed: number,
  { check, topology, engine, mutant }: Finding,
): string {
  const { srs, proxy, openUdp, target, runner, maxCpuWait } = options;
  const where = target === undefined ? ['--topology', topology] : ['--target', target];
  if (target === undefined && runner === 'compose') where.push('--runner', runner);
  else if (target === undefined && mutant === undefined) where.push('--engine', engine);
  if (engine === 'srs' && srs !== undefined && target === undefined) where.push('--srs', srs);
  if (proxy !== undefined) where.push('--proxy', proxy);
  if (openUdp) where.push('--open-udp');
  if (maxCpuWait !== undefined) where.push('--max-cpu-wait', `${maxCpuWait}ms`);
  const only = kind === 'mutants' && mutant !== undefined ? ['--no-healthy'] : [];
  return ['liveproof', kind, check, ...where, ...only, '--seed', String(seed)].map(quoted).join(' ');
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function collectTopologies(name: string, before: readonly string[]): readonly string[] {
  const names = TOPOLOGIES.map((topology) => topology.name);
  if (!names.includes(name)) throw new InvalidArgumentError(`Allowed choices are ${names.join(', ')}.`);
  return before.includes(name) ? before : [...before, name];
}

export type RunnerName = 'process' | 'compose';

export function runnerOption(): Option {
  return new Option(
    '--runner <name>',
    'process: child processes on loopback; compose: containers, as in docker-compose.yml',
  ).choices(['process', 'compose'] satisfies RunnerName[]);
}

export function engineOption(): Option {
  return new Option(
    '--engine <name>',
    'the program that plays the media roles; when left out builtin, and nginx-rtmp for the cluster of that name',
  ).choices(['builtin', 'srs', 'nginx-rtmp'] satisfies EngineName[]);
}

async function gate(patterns: string[], options: GateOptions): Promise<void> {
  if (options.list) {
    process.stdout.write(`${listOf(selected(patterns, CHECKS, options.topology))}\n`);
    return;
  }
  const work = {
    line: (finding: Finding, paint: Paint) => `${verdictCell(paint, finding)}  ${lineOf(finding)}`,
    event: (check: string, event: HistoryEvent, { topology }: PlannedRun) => ({
      check,
      topology: topology.name,
      ...event,
    }),
  };
  if (options.target === undefined) {
    refuseTargetOptions(options);
    if (options.runner === 'compose') {
      await runAndReport('gate', options, { ...work, ...(await composeWork(patterns, options)) });
      return;
    }
    const checks = selected(patterns, CHECKS, options.topology);
    const { basePort, jobs } = options;
    await runAndReport('gate', options, {
      ...work,
      plan: planGate(planRequest(checks, options)),
      // Clusters side by side cannot have the same ports.
      jobs: basePort === undefined ? jobs : 1,
    });
    return;
  }
  const given = { ...options, target: options.target };
  const target = targetOf(given);
  refuseLabOptions(options);
  const topology = topologyByName(target.topology);
  const checks = selected(patterns, CHECKS, [topology.name]);
  const plan = planGate({
    checks,
    topologies: [topology],
    engine: target.engine ?? usualEngine(topology),
    isRunnable: () => {},
  });
  await runAndReport('gate', options, {
    ...work,
    plan,
    attach: attachTarget(target, given),
    notes: [noteOfTarget(target, given)],
  });
}

/** Containers take the place of processes: the checks of those topologies that docker-compose.yml has. */
async function composeWork(
  patterns: readonly string[],
  options: GateOptions,
): Promise<Pick<Work, 'plan' | 'attach' | 'notes'>> {
  refuseProcessOptions(options);
  const { engine: version, compose, composeVersion } = await findDocker();
  const checks = selected(patterns, CHECKS, options.topology);
  const { topologies } = planRequest(checks, options);
  const runs = topologies.flatMap((topology) =>
    planGate({
      checks,
      topologies: [topology],
      engine: options.engine ?? usualEngine(topology),
      isRunnable: ({ name }) => requireProfile(name),
    }),
  );
  return {
    plan: { runs: runs.flatMap((plan) => plan.runs), leftOut: runs.flatMap((plan) => plan.leftOut) },
    attach: ({ topology, settings, runDir, signal }) =>
      startCompose({
        topology,
        settings,
        runDir,
        signal,
        project: `liveproof-gate-${process.pid}`,
        direct: process.platform === 'linux',
        ...(options.basePort === undefined ? {} : { basePort: options.basePort }),
      }).then(({ cluster }) => cluster),
    notes: [`runner compose: Docker ${version}, ${compose.join(' ')} ${composeVersion}`],
  };
}

/** What only processes can be. */
function refuseProcessOptions({ engine, srs, openUdp }: GateOptions): void {
  if (engine === 'builtin')
    throw new UsageError('Engine builtin is of runner process: containers are of images.');
  if (srs !== undefined && srs !== process.env.SRS_BIN)
    throw new UsageError('--srs is of runner process: containers have the SRS of their image.');
  if (openUdp) throw new UsageError('--open-udp is of runner process: containers publish on loopback only.');
}

function refuseTargetOptions({ allowDisruption, allowRemote, allowHosts }: GateOptions): void {
  if (allowHosts !== undefined)
    throw new UsageError('--allow-hosts is for --target: clusters of the lab lead nowhere else.');
  if (allowDisruption)
    throw new UsageError('--allow-disruption is for --target: clusters of the lab are ours.');
  if (allowRemote)
    throw new UsageError('--allow-remote is for --target: clusters of the lab are on loopback.');
}

/** What the target file says instead. */
function refuseLabOptions({ topology, engine, srs, proxy, basePort, openUdp }: GateOptions): void {
  if (proxy !== undefined)
    throw new UsageError('--proxy is for clusters of the lab: nothing is started with --target.');
  if (topology.length > 0) throw new UsageError('--topology is what the target file says: leave it out.');
  if (engine !== undefined) throw new UsageError('--engine is what the target file says: leave it out.');
  // SRS_BIN may be set for other commands.
  if (srs !== undefined && srs !== process.env.SRS_BIN)
    throw new UsageError('--srs is for clusters of the lab: nothing is started with --target.');
  if (basePort !== undefined || openUdp)
    throw new UsageError('--base-port and --open-udp are for clusters of the lab.');
}

export function planRequest(
  checks: readonly Check[],
  { topology, engine, srs, proxy }: ClusterOptions,
): PlanRequest {
  const all = proxy === undefined ? TOPOLOGIES : TOPOLOGIES.filter(hasProxy);
  return {
    checks,
    topologies: topology.length === 0 ? all : topology.map(topologyByName),
    ...(proxy === undefined ? {} : { proxyPath: proxy }),
    ...(engine === undefined ? {} : { engine }),
    ...(srs === undefined ? {} : { srsPath: srs }),
  };
}

/** Whoever brings a proxy wants to know about clusters with one. */
function hasProxy({ nodes }: Topology): boolean {
  return nodes.some(({ role }) => role === 'proxy');
}

/** Throws UsageError for a pattern that matches nothing, and where nothing is left for the topologies, if any are named. */
export function selected(
  patterns: readonly string[],
  all: readonly Check[],
  topologies: readonly string[] = [],
): readonly Check[] {
  const { checks, unmatched } = selectChecks(all, patterns);
  if (unmatched.length > 0) {
    const lines = unmatched.map(
      ({ pattern, near }) => `No check matches "${printable(pattern)}". Near: ${near.join(', ')}.`,
    );
    throw new UsageError(lines.join('\n'));
  }
  if (topologies.length === 0) return checks;
  const fitting = checks.filter((check) => check.topologies.some((name) => topologies.includes(name)));
  if (fitting.length === 0) {
    throw new UsageError(`None of the selected checks is for ${topologies.join(' or ')}.`);
  }
  return fitting;
}

/** What differs between the commands that run checks. */
export interface Work {
  readonly plan: Plan;
  /** See PlanRun. Default 1. */
  readonly jobs?: number;
  /** Default runner `process`. */
  readonly attach?: Attach;
  /** For the report, beside those that a run makes by itself. */
  readonly notes?: readonly string[];
  /** Printed when a run begins. */
  heading?(run: PlannedRun): string;
  /** Printed for a finding. */
  line(finding: Finding, paint: Paint): string;
  /** A line of the history. */
  event(check: string, event: HistoryEvent, run: PlannedRun): HistoryLine;
}

/**
 * Makes the directory of the run, carries the plan out, and writes what was found, also when it is interrupted or a
 * cluster does not come up. Sets the exit code.
 */
export async function runAndReport(
  kind: 'gate' | 'mutants',
  options: ClusterOptions & LiveArguments,
  work: Work,
): Promise<Results> {
  let live: Live | undefined;
  const show = async (begun: Results): Promise<Live | undefined> => {
    live = await goLive(begun, options, process.stderr);
    return live;
  };
  try {
    return await carryOut(kind, options, work, show);
  } finally {
    await live?.close();
  }
}

async function carryOut(
  kind: 'gate' | 'mutants',
  options: ClusterOptions,
  work: Work,
  show: (begun: Results) => Promise<Live | undefined>,
): Promise<Results> {
  const startedAt = new Date();
  const began = performance.now();
  // In the order of the plan, whichever run ends first; those of no run come first.
  const findingsOf = new Map<PlannedRun | undefined, Finding[]>([[undefined, []]]);
  for (const run of work.plan.runs) findingsOf.set(run, []);
  const environment = collectEnvironment();
  const programs: Record<string, string> = {};
  const notes = new Set<string>(work.notes);
  const bystanders: Bystander[] = [];
  const figures = new Map<PlannedRun, Map<Cluster, ClusterFigures>>();
  const clustersUp = new Map<Cluster, PlannedRun>();
  const measure = (cluster: Cluster, run: PlannedRun): void => {
    const known = figures.get(run) ?? new Map<Cluster, ClusterFigures>();
    figures.set(run, known.set(cluster, clusterFigures(cluster, run.checks)));
  };
  let interrupted = false;
  const resultsNow = (): Results => {
    const findings = [...findingsOf].flatMap(([run, found]) => inOrder(found, run));
    const clusters = work.plan.runs
      .flatMap((run) => figures.get(run) ?? [])
      .map((ofRun) => figuresTogether([...ofRun.values()]));
    return {
      schema: 'liveproof/results@1',
      kind,
      verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
      startedAt: startedAt.toISOString(),
      durationMs: Math.round(performance.now() - began),
      interrupted,
      ...(notes.size === 0 ? {} : { notes: [...notes] }),
      command: process.argv.slice(2),
      environment: { ...environment, programs: { ...programs } },
      findings,
      ...(bystanders.length === 0 ? {} : { bystanders: [...bystanders] }),
      ...(clusters.length === 0 ? {} : { clusters }),
    };
  };
  const live = await show(resultsNow());
  const look = (): void => {
    for (const [cluster, run] of clustersUp) measure(cluster, run);
    live?.update(resultsNow());
  };
  const looking = live && setInterval(look, LOOK_EVERY_MS).unref();
  const directory = makeRunDirectory(kind, options.out, startedAt);
  const { seed = randomSeed() } = options;
  const history = new HistoryWriter(join(directory, 'history.ndjson'));
  const interruption = listenForInterrupt(() => history.closeNow());
  const paint = painter(process.stdout);
  const say = (line: string): boolean => process.stdout.write(`${line}\n`);
  let failure: Error | undefined;
  const pieces = new Pieces<PlannedRun | undefined>(say);
  const found = (finding: Finding, run?: PlannedRun): void => {
    findingsOf.get(run)?.push(finding);
    for (const { label, detail } of finding.evidence) {
      if (label === UNSUPPORTED_PART)
        notes.add(`${finding.check} of ${finding.engine}, unsupported: ${detail}`);
    }
    pieces.tell(run, work.line(finding, paint));
    if (live !== undefined) look();
  };
  for (const topology of work.plan.leftOut) {
    if (options.topology.includes(topology.topology.name)) found(cannotRun(topology));
    else notes.add(noteOf(topology));
  }
  for (const note of notes) say(`${paint('yellow', 'note')}  ${note}`);
  await runPlan({
    runs: work.plan.runs,
    runDir: join(directory, 'cluster'),
    signal: interruption.signal,
    ...(options.srs === undefined ? {} : { srsPath: options.srs }),
    ...(options.proxy === undefined ? {} : { proxyPath: options.proxy }),
    openUdp: options.openUdp === true,
    ...(options.basePort === undefined ? {} : { basePort: options.basePort }),
    jobs: work.jobs ?? 1,
    seed,
    ...(options.maxCpuWait === undefined ? {} : { maxWaitMs: options.maxCpuWait }),
    evidence: {
      directory,
      lines: () => history.lines,
      repeat: (finding) => repeatOf(kind, options, seed, finding),
    },
    ...(work.attach === undefined ? {} : { attach: work.attach }),
    onStart(run) {
      pieces.begin(run);
      const heading = work.heading?.(run);
      if (heading !== undefined) pieces.tell(run, heading);
    },
    onEnd: (run) => pieces.end(run),
    async onUp(cluster, run, { nth, afterMs }) {
      const { topology, engine, mutant } = run;
      if (mutant !== undefined) return;
      clustersUp.set(cluster, run);
      const versions = await versionsOf(cluster);
      Object.assign(programs, versions);
      for (const [image, version] of Object.entries(versions)) {
        if (version.startsWith(STANDIN))
          notes.add(`${image} is a ${version}: nothing is proven of the real one`);
      }
      const which = nth === 1 ? '' : `, cluster ${nth} beside it,`;
      pieces.tell(run, `${topology.name} of ${engine}${which} is up after ${(afterMs / 1000).toFixed(1)} s`);
    },
    onChecked(cluster, run) {
      clustersUp.delete(cluster);
      if (run.mutant === undefined) measure(cluster, run);
    },
    onFinding: found,
    onBystander({ check, topology, engine, verdict }, { mutant }) {
      if (mutant !== undefined) bystanders.push({ check, topology, engine, mutant, verdict });
    },
    onEvent(check, event, run) {
      try {
        history.append(work.event(check, event, run));
      } catch {
        // The disk refused: `close` says so. The checks have events of their own, and go on.
      }
    },
    onFailure(error, run) {
      failure ??= error;
      found(notUp(run, error), run);
    },
  });
  clearInterval(looking);
  interrupted = interruption.signal.aborted;
  const written = await history.close().catch((error: Error) => {
    const note = `history.ndjson is not whole: ${error.message}`;
    notes.add(note);
    say(`${paint('yellow', 'note')}  ${note}`);
    return undefined;
  });
  const results = resultsNow();
  const { findings } = results;
  const total = `${findings.length} findings in ${(results.durationMs / 1000).toFixed(1)} s`;
  say(`\n${paintVerdict(paint, results.verdict)}: ${total}${interrupted ? ', interrupted' : ''}`);
  await writeRun(directory, results, written === undefined ? {} : { history: written });
  await live?.finish(results);
  say(relative(process.cwd(), join(directory, 'report.html')));
  interruption.release();
  // What was not run is not passed.
  process.exitCode =
    interrupted && results.verdict === 'pass' ? ExitCode.inconclusive : exitCodeOf(results.verdict);
  if (failure !== undefined && !interrupted) throw failure;
  if (work.plan.runs.length === 0 && findings.length === 0) process.exitCode = ExitCode.labNotUp;
  return results;
}

function noteOf({ topology, reason }: LeftOut): string {
  return `${topology.name} is left out: ${reason}`;
}

/** A topology that was asked for by name. */
function cannotRun({ topology, engine, reason }: LeftOut): Finding {
  return {
    check: 'lab/up',
    topology: topology.name,
    engine,
    verdict: 'unsupported',
    expected: 'the cluster can be brought up on this machine',
    actual: reason,
    evidence: [],
    durationMs: 0,
  };
}

/** As the run has its checks, whichever of its clusters ended one first; what the lab says comes before. */
function inOrder(findings: readonly Finding[], run: PlannedRun | undefined): Finding[] {
  const places = new Map(run?.checks.map(({ id }, place) => [id, place]));
  const placeOf = ({ check }: Finding): number => places.get(check) ?? -1;
  return findings.toSorted((a, b) => placeOf(a) - placeOf(b));
}

/** So that the report says, too, why there is nothing in it. */
function notUp({ topology, engine, mutant }: PlannedRun, failure: Error): Finding {
  return {
    check: 'lab/up',
    topology: topology.name,
    engine,
    ...(mutant === undefined ? {} : { mutant }),
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
  return `\n    expected  ${shown(expected)}\n    actual    ${shown(actual)}`;
}

function listOf(checks: readonly Check[]): string {
  return table(
    ['check', 'level', 'topologies', 'what it proves'],
    checks.map(({ id, level, topologies, title }) => [id, level, topologies.join(', '), title]),
    { paint: painter(process.stdout) },
  );
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1024 || port > 32_000) {
    throw new InvalidArgumentError('A base port is a whole number from 1024 to 32000.');
  }
  return port;
}
