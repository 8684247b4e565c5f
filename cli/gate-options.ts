/** Options of the commands that run checks, what becomes of them, and which of them go together. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TOPOLOGIES, topologyByName } from '../lab/topologies/index.ts';
import type { EngineName, Topology } from '../lab/topology.ts';
import type { Finding } from '../reports/results.ts';
import type { Check } from '../scenarios/check.ts';
import { MAX_SEED } from '../scenarios/context.ts';
import type { PlanRequest } from '../scenarios/plan.ts';
import { MAX_WAIT_MS } from '../scenarios/starvation.ts';
import type { LiveArguments } from './live.ts';
import { parseDuration, UsageError } from './output.ts';

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

export interface GateOptions extends ClusterOptions, LiveArguments {
  readonly jobs: number;
  readonly list?: boolean;
  readonly runner: RunnerName;
  readonly target?: string;
  readonly allowDisruption?: boolean;
  readonly allowRemote?: boolean;
  readonly allowHosts?: readonly string[];
}

/** SRS has no setting for their address. */
export const OPEN_UDP =
  'engine srs: SRT and WebRTC too, whose ports SRS opens on all addresses of this machine';

export function addClusterOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--topology <name>', 'a cluster; may be given again')
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
    'a program in place of our proxy, for clusters with one: it gets the PROXY_ variables of SRS’s, and origins register with it',
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
  options: ClusterOptions &
    Partial<Pick<GateOptions, 'target' | 'runner' | 'allowDisruption' | 'allowRemote' | 'allowHosts'>>,
  seed: number,
  { check, topology, engine, mutant }: Finding,
): string {
  const { srs, proxy, openUdp, target, runner, maxCpuWait } = options;
  const where = target === undefined ? ['--topology', topology] : ['--target', target, ...allowedOf(options)];
  if (target === undefined && runner === 'compose') where.push('--runner', runner);
  else if (target === undefined && mutant === undefined) where.push('--engine', engine);
  // Containers have the SRS of their image, whatever SRS_BIN says.
  const isProcess = target === undefined && runner !== 'compose';
  if (engine === 'srs' && srs !== undefined && isProcess) where.push('--srs', srs);
  if (proxy !== undefined) where.push('--proxy', proxy);
  if (openUdp) where.push('--open-udp');
  if (maxCpuWait !== undefined) where.push('--max-cpu-wait', `${maxCpuWait}ms`);
  const only = kind === 'mutants' && mutant !== undefined ? ['--no-healthy'] : [];
  const words = [
    'npm',
    'run',
    '-s',
    'liveproof',
    '--',
    kind,
    check,
    ...where,
    ...only,
    '--seed',
    String(seed),
  ];
  return words.map(quoted).join(' ');
}

/** Without them the same cluster would be refused, or its check unsupported. */
function allowedOf({
  allowRemote,
  allowDisruption,
  allowHosts,
}: Pick<GateOptions, 'allowRemote' | 'allowDisruption' | 'allowHosts'>): string[] {
  return [
    ...(allowRemote ? ['--allow-remote'] : []),
    ...(allowDisruption ? ['--allow-disruption'] : []),
    ...(allowHosts === undefined ? [] : ['--allow-hosts', allowHosts.join(',')]),
  ];
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

/** The ports of a topology are a range from here on, below the ephemeral ones. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1024 || port > 32_000) {
    throw new InvalidArgumentError('A base port is a whole number from 1024 to 32000.');
  }
  return port;
}

/** Before anything is begun: each cluster would say it for itself. A program that nobody would start is a mistake, too. */
export function refuseSrsWithoutProgram(engines: readonly (EngineName | undefined)[], srs?: string): void {
  if (engines.includes('srs') && !srs) throw new UsageError('Engine srs needs --srs PATH or SRS_BIN.');
  // SRS_BIN may be set for other commands.
  if (!engines.includes('srs') && srs !== undefined && srs !== process.env.SRS_BIN)
    throw new UsageError('--srs is of engine srs: add --engine srs.');
}

/** As of engine srs: ours, or no proxy at all, would be judged in its place. */
export function refuseProxyWithoutCluster(topologies: readonly Topology[], proxy?: string): void {
  if (proxy === undefined || topologies.some(hasProxy)) return;
  const names = TOPOLOGIES.filter(hasProxy).map(({ name }) => `--topology ${name}`);
  throw new UsageError(`--proxy is of clusters with a proxy: add ${names.join(' or ')}.`);
}

/** What only processes can be. */
export function refuseProcessOptions({ engine, srs, proxy, openUdp }: GateOptions): void {
  if (engine === 'builtin')
    throw new UsageError('Engine builtin is of runner process: containers are of images.');
  if (srs !== undefined && srs !== process.env.SRS_BIN)
    throw new UsageError('--srs is of runner process: containers have the SRS of their image.');
  if (proxy !== undefined)
    throw new UsageError('--proxy is of runner process: containers have the proxy of their image.');
  if (openUdp) throw new UsageError('--open-udp is of runner process: containers publish on loopback only.');
}

export function refuseTargetOptions({ allowDisruption, allowRemote, allowHosts }: GateOptions): void {
  if (allowHosts !== undefined)
    throw new UsageError('--allow-hosts is for --target: clusters of the lab lead nowhere else.');
  if (allowDisruption)
    throw new UsageError('--allow-disruption is for --target: clusters of the lab are ours.');
  if (allowRemote)
    throw new UsageError('--allow-remote is for --target: clusters of the lab are on loopback.');
}

/** What the target file says instead. */
export function refuseLabOptions({
  topology,
  engine,
  runner,
  srs,
  proxy,
  basePort,
  openUdp,
}: GateOptions): void {
  if (runner === 'compose')
    throw new UsageError('--runner is for clusters of the lab: nothing is started with --target.');
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

/** Throws UsageError for a proxy that none of the topologies would start. */
export function planRequest(
  checks: readonly Check[],
  { topology, engine, srs, proxy }: ClusterOptions,
): PlanRequest {
  const all = proxy === undefined ? TOPOLOGIES : TOPOLOGIES.filter(hasProxy);
  const topologies = topology.length === 0 ? all : topology.map(topologyByName);
  refuseProxyWithoutCluster(topologies, proxy);
  return {
    checks,
    topologies,
    ...(proxy === undefined ? {} : { proxyPath: proxy }),
    ...(engine === undefined ? {} : { engine }),
    ...(srs === undefined ? {} : { srsPath: srs }),
  };
}

/** Whoever brings a proxy wants to know about clusters with one. */
function hasProxy({ nodes }: Topology): boolean {
  return nodes.some(({ role }) => role === 'proxy');
}
