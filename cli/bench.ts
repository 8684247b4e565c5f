/** `liveproof bench`: how far clusters carry, at what latency, and whether that has changed. */
import { existsSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ZodError } from 'zod';
import { Progress } from '../drivers/swarm/progress.ts';
import type { Cluster } from '../lab/cluster.ts';
import { LabError } from '../lab/errors.ts';
import { checkRunnable } from '../lab/runners/launchers.ts';
import { DEFAULT_TOPOLOGY, TOPOLOGIES, topologyByName } from '../lab/topologies/index.ts';
import { type EngineName, enginesOf } from '../lab/topology.ts';
import {
  type Baseline,
  baselineOf,
  compareWith,
  metricsOf,
  readBaseline,
  writeBaseline,
} from '../reports/baseline.ts';
import { collectEnvironment } from '../reports/environment.ts';
import {
  formatKilobytes,
  formatMegabytes,
  formatMilliCores,
  formatMs,
  formatNumber,
  formatPercent,
  headline,
} from '../reports/format.ts';
import { changeWords, judgeBench, toldChanges } from '../reports/judge-bench.ts';
import { type Results, worstVerdict } from '../reports/results.ts';
import type { Bench, BenchSlo } from '../reports/results-bench.ts';
import { maskDeep } from '../reports/secrets.ts';
import { hasLinks } from '../scenarios/bench/economics.ts';
import {
  PARTS,
  type Part,
  PROFILE_OF,
  PROFILES,
  PROTOCOLS,
  type Profile,
  type ProfileName,
} from '../scenarios/bench/profile.ts';
import {
  type BenchRequest,
  type BenchRun,
  nothingMeasured,
  runBench,
  START,
} from '../scenarios/bench/run.ts';
import { DEFAULT_SLO } from '../scenarios/bench/slo.ts';
import {
  OPEN_UDP,
  parsePort,
  proxyOption,
  refuseProxyWithoutCluster,
  refuseSrsWithoutProgram,
} from './gate-options.ts';
import { addLiveOptions, goLive, type Live, type LiveArguments } from './live.ts';
import { REAL_SURROUNDINGS, type Surroundings, writeOrTell } from './measured-run.ts';
import {
  CommandError,
  ExitCode,
  exitCodeOf,
  makeRunDirectory,
  painter,
  parseCount,
  parseDuration,
  printable,
  printFindings,
  table,
  UsageError,
} from './output.ts';
import { versionsOf } from './programs.ts';

export interface BenchArguments extends LiveArguments {
  readonly profile: ProfileName;
  /** Names. Empty: the profile's. */
  readonly topology: readonly string[];
  /** Each topology's usual one when empty. */
  readonly engine: readonly EngineName[];
  readonly only: readonly Part[];
  readonly repetitions?: string;
  readonly slo?: string;
  readonly baseline?: string;
  readonly saveBaseline?: string;
  readonly srs?: string;
  readonly proxy?: string;
  readonly openUdp?: boolean;
  readonly basePort?: number;
  readonly out?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program.command('bench');
  command
    .description('How far do clusters carry, at what latency? Measures, and compares with a baseline.')
    .addOption(
      new Option('--profile <name>', 'quick: within five minutes; nightly: longer, further, every topology')
        .choices([...PROFILES])
        .default('quick'),
    )
    .addOption(
      new Option('--topology <name>', 'a cluster; may be given again')
        .choices(TOPOLOGIES.map(({ name }) => name))
        .argParser(collected(TOPOLOGIES.map(({ name }) => name)))
        .default([], `quick: ${DEFAULT_TOPOLOGY}; nightly: every one that can run here`),
    )
    .addOption(
      new Option('--engine <name>', 'the program that plays the media roles; may be given again')
        .choices(['builtin', 'srs', 'nginx-rtmp'] satisfies EngineName[])
        .argParser(collected(['builtin', 'srs', 'nginx-rtmp']))
        .default([], 'builtin, and nginx-rtmp for the cluster of that name'),
    )
    .addOption(
      new Option('--only <part>', 'a part; may be given again')
        .choices([...PARTS])
        .argParser(collected(PARTS))
        .default([], 'all'),
    )
    .option('--repetitions <N>', 'of every latency measurement (default: 5)')
    .option('--slo <terms>', `what must be held (default: ${sloWords(DEFAULT_SLO)})`)
    .option('--baseline <file>', 'compare with this; a metric that is worse beyond the noise is a failure')
    .option(
      '--save-baseline <file>',
      'write the figures there, beside those of the last four runs on the same machine',
    )
    .addOption(new Option('--srs <path>', 'the srs binary for engine srs').env('SRS_BIN'))
    .addOption(proxyOption())
    .option('--open-udp', OPEN_UDP)
    .option('--base-port <port>', 'first of the ports; free ones when left out', parsePort)
    .option('--out <dir>', 'where the report goes; a new directory below out/ when left out')
    .option('--json', 'print results.json on stdout, and nothing else');
  addLiveOptions(command)
    .addHelpText(
      'after',
      `
Parts:
  latency      startup and steady latency, stalls and loss of every protocol, at several numbers of players
  concurrency  the most players, publishers and joins per second that hold the SLO, and who gave way; players of every
               protocol, and in nightly publishers of RTMP, SRT and WHIP and joins of every protocol (quick: RTMP)
  economics    what leaves the origins for 1, 10, 100 viewers, with and without merged pulls; fails where it multiplies
  claims       published figures with ours beside them: what a core carries by one process alone (with concurrency, too, by
               each cluster), latency by level and of HLS
Ctrl-C keeps what was measured, and the result says so; twice quits at once.
Figures of a busy machine are no figures of the cluster: docs/benchmark.md says how to read them.

Exit codes: 0 pass; 1 the SLO is broken where it is asked for, viewers multiply what leaves the origins, or something is worse
than the baseline; 2 wrong use; 3 inconclusive: an unhealthy generator, a baseline of another machine or of fewer than three
runs, Ctrl-C; 4 a cluster did not come up.

Examples:
  liveproof bench
  liveproof bench --only latency --topology proxy-cluster
  liveproof bench --engine builtin --engine srs --srs ./objs/srs
  liveproof bench --topology proxy-cluster --proxy ./srs-proxy
  liveproof bench --only concurrency --slo joined=1,stalls=0.001,latency=1s
  liveproof bench --save-baseline baseline.json && liveproof bench --baseline baseline.json
  liveproof bench --profile nightly --out out/nightly --dashboard :8090`,
    )
    .action(async (options: BenchArguments) => {
      process.exitCode = await bench(options);
    });
}

function collected<T extends string>(
  choices: readonly T[],
): (value: string, before: readonly T[]) => readonly T[] {
  return (value, before) => {
    const chosen = choices.find((choice) => choice === value);
    if (chosen === undefined) throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
    return before.includes(chosen) ? before : [...before, chosen];
  };
}

/** What the command touches outside itself. */
export interface BenchSurroundings extends Surroundings {
  readonly run: (request: BenchRequest) => Promise<Bench>;
}

/** Throws UsageError, and LabError for a topology that was named and cannot run here, before anything is started. */
export async function bench(
  options: BenchArguments,
  { run, stdout, stderr, listen }: BenchSurroundings = { ...REAL_SURROUNDINGS, run: runBench },
): Promise<ExitCode> {
  const profile = profileOf(options);
  const slo = sloOf(options.slo);
  const parts = options.only.length === 0 ? PARTS : options.only;
  const { runs, notes } = runsOf(options);
  refuseEconomicsWithoutLinks(parts, runs);
  const baseline = options.baseline === undefined ? undefined : await baselineIn(options.baseline);
  const save = options.saveBaseline;
  const kept = save !== undefined && existsSync(save) ? await baselineIn(save) : undefined;
  const startedAt = new Date();
  const began = performance.now();
  const directory = makeRunDirectory('bench', options.out, startedAt);
  const progress = new Progress(stderr);
  const interruption = listen();
  const programs: Record<string, string> = {};
  /** Until it is over, what has no figure yet is compared with nothing. */
  const resultsOf = (measured: Bench, isOver = false): Results => {
    const interrupted = interruption.signal.aborted;
    const environment = collectEnvironment(programs);
    const durationMs = Math.round(performance.now() - began);
    const isComparable = isOver || Object.keys(metricsOf(measured)).length > 0;
    const compared: Bench = {
      ...measured,
      ...(baseline &&
        isComparable && { comparison: compareWith(baseline, options.baseline!, measured, environment) }),
    };
    const findings = judgeBench(compared, { interrupted, durationMs });
    return {
      schema: 'liveproof/results@1',
      kind: 'bench',
      verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
      startedAt: startedAt.toISOString(),
      durationMs,
      interrupted,
      ...(notes.length > 0 && { notes }),
      command: ['liveproof', 'bench', ...commandOf(options, runs)],
      environment,
      findings,
      bench: compared,
    };
  };
  let live: Live | undefined;
  try {
    live = await goLive(resultsOf(nothingMeasured({ profile, slo })), options, stderr);
    const figures = await run({
      runs,
      parts,
      profile,
      slo,
      signal: interruption.signal,
      show: (line) => progress.line(line),
      start: startOf(options),
      onUp: async (cluster: Cluster) => void Object.assign(programs, await versionsOf(cluster)),
      onMeasured: (measured) => live?.update(resultsOf(measured)),
    });
    progress.end();
    const results = resultsOf(figures, true);
    const compared = results.bench!;
    await live?.finish(results);
    const unwritten = await writeOrTell(directory, results);
    const unfit = save === undefined ? undefined : unfitForBaseline(results);
    let unsaved: CommandError | undefined;
    if (save !== undefined && unfit === undefined && unwritten === undefined) {
      const { startedAt: at, environment } = results;
      unsaved = await saveOrTell(save, baselineOf(figures, { startedAt: at, environment }, kept));
    }
    if (options.json) stdout.write(`${JSON.stringify(maskDeep(results), null, 2)}\n`);
    else {
      stdout.write(`\n${tables(compared, stdout)}\n`);
      printFindings(results, headline(results), unwritten === undefined ? directory : undefined, stdout);
      if (save !== undefined && unwritten === undefined && unsaved === undefined)
        stdout.write(`baseline: ${unfit === undefined ? save : `not saved, ${unfit}`}\n`);
    }
    if (unwritten !== undefined) throw unwritten;
    if (unsaved !== undefined) throw unsaved;
    if (figures.problems.some(({ part }) => part === START)) return ExitCode.labNotUp;
    return exitCodeOf(results.verdict);
  } finally {
    progress.end();
    interruption.release();
    await live?.close();
  }
}

/** What cannot be written takes the baseline, not what can still be printed. */
async function saveOrTell(file: string, baseline: Baseline): Promise<CommandError | undefined> {
  try {
    await writeBaseline(file, baseline);
    return undefined;
  } catch (error) {
    const why = printable((error as Error).message);
    return new CommandError(`The baseline could not be written: ${why}.`, ExitCode.inconclusive);
  }
}

/** Why nothing can be compared with it. */
function unfitForBaseline({ interrupted, verdict, bench: figures }: Results): string | undefined {
  if (interrupted) return 'as the run was interrupted';
  if (verdict === 'fail' || verdict === 'error') return 'as the run failed';
  if (Object.keys(metricsOf(figures!)).length === 0) return 'as no repetition had a healthy generator';
  return undefined;
}

function profileOf({ profile, repetitions }: BenchArguments): Profile {
  const chosen = PROFILE_OF[profile];
  return repetitions === undefined ? chosen : { ...chosen, repetitions: parseCount(repetitions) };
}

/** Every topology with every engine that was named and can play it. */
function runsOf(options: BenchArguments): { runs: BenchRun[]; notes: string[] } {
  const { topology: named, engine: engines, profile } = options;
  refuseSrsWithoutProgram(engines, options.srs);
  const chosen =
    named.length > 0 ? named : profile === 'quick' ? [DEFAULT_TOPOLOGY] : TOPOLOGIES.map(({ name }) => name);
  const runs: BenchRun[] = [];
  const notes: string[] = [];
  for (const topology of chosen.map(topologyByName)) {
    const possible = enginesOf(topology);
    const wanted =
      engines.length === 0 ? possible.slice(0, 1) : possible.filter((one) => engines.includes(one));
    if (wanted.length === 0) notes.push(`${topology.name} is not played by ${engines.join(', ')}`);
    for (const engine of wanted) {
      try {
        checkRunnable(topology, engine, programsOf(options));
        runs.push({ topology, engine });
      } catch (error) {
        if (!(error instanceof LabError) || named.length > 0) throw error;
        notes.push(`${topology.name} of ${engine} was left out: ${error.message}`);
      }
    }
  }
  if (runs.some(({ engine }) => engine === 'srs') && options.openUdp !== true) {
    notes.push(
      'SRS plays neither SRT nor WebRTC here: it opens their ports on all addresses, so only with --open-udp',
    );
  }
  if (runs.length === 0) throw new UsageError(`Nothing is selected: ${notes.join('; ')}.`);
  refuseProxyWithoutCluster(
    runs.map(({ topology }) => topology),
    options.proxy,
  );
  return { runs, notes };
}

/** Nothing would be measured, and nothing said. */
function refuseEconomicsWithoutLinks(parts: readonly Part[], runs: readonly BenchRun[]): void {
  if (parts.some((part) => part !== 'economics') || runs.some(({ topology }) => hasLinks(topology))) return;
  const names = runs.map(({ topology }) => topology.name).join(', ');
  throw new UsageError(
    `economics counts what nodes fetch from origins, and in ${names} none does: add --topology ${DEFAULT_TOPOLOGY}.`,
  );
}

function programsOf({ srs, proxy }: BenchArguments) {
  return { ...(srs !== undefined && { srsPath: srs }), ...(proxy !== undefined && { proxyPath: proxy }) };
}

function startOf(options: BenchArguments): BenchRequest['start'] {
  const { openUdp, basePort } = options;
  return {
    ...programsOf(options),
    ...(openUdp !== undefined && { openUdp }),
    ...(basePort !== undefined && { basePort }),
  };
}

async function baselineIn(file: string): Promise<Baseline> {
  try {
    return await readBaseline(file);
  } catch (error) {
    if (error instanceof ZodError)
      throw new UsageError(`${file} is not liveproof/baseline@1: ${error.issues[0]?.message}`);
    throw new UsageError(`${file} cannot be read as a baseline: ${(error as Error).message}`);
  }
}

const RATIOS = ['joined', 'stalls', 'loss'] as const;

/** `joined=0.999,stalls=0.01,loss=0.001,latency=3s,startup=2s`, or `latency.srt=500ms`; what is left out is the default. */
export function sloOf(text: string | undefined): BenchSlo {
  const slo = { ...DEFAULT_SLO, latencyMs: { ...DEFAULT_SLO.latencyMs } };
  for (const term of text === undefined ? [] : text.split(',')) {
    const [name = '', value = ''] = term.split('=');
    const ratio = RATIOS.find((one) => one === name);
    const protocol = PROTOCOLS.find((one) => name === `latency.${one}`);
    if (ratio !== undefined) slo[ratio] = ratioOf(name, value);
    else if (name === 'startup') slo.startupMs = parseDuration(value);
    else if (name === 'latency') for (const one of PROTOCOLS) slo.latencyMs[one] = parseDuration(value);
    else if (protocol !== undefined) slo.latencyMs[protocol] = parseDuration(value);
    else {
      const names = [...RATIOS, 'startup', 'latency', ...PROTOCOLS.map((one) => `latency.${one}`)];
      throw new UsageError(
        `--slo has terms ${names.join(', ')}, each as name=value; got "${printable(term)}".`,
      );
    }
  }
  return slo;
}

function ratioOf(name: string, value: string): number {
  const ratio = /^(?:0|1|0?\.\d+)$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(ratio))
    throw new UsageError(`--slo ${name} is a ratio from 0 to 1; got "${printable(value)}".`);
  return ratio;
}

function sloWords({ joined, stalls, loss, startupMs, latencyMs }: BenchSlo): string {
  const latencies = Object.entries(latencyMs).map(([protocol, ms]) => `latency.${protocol}=${ms}ms`);
  return [
    `joined=${joined}`,
    `stalls=${stalls}`,
    `loss=${loss}`,
    `startup=${startupMs}ms`,
    ...latencies,
  ].join(',');
}

/** As far as they are not the defaults. */
function commandOf(options: BenchArguments, runs: readonly BenchRun[]): string[] {
  const each = (name: string, values: readonly string[]): string[] =>
    values.flatMap((value) => [name, value]);
  const one = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [name, value];
  return [
    ...(options.profile === 'quick' ? [] : ['--profile', options.profile]),
    ...each('--topology', options.topology),
    ...each('--engine', options.engine),
    ...each('--only', options.only),
    ...one('--repetitions', options.repetitions),
    ...one('--slo', options.slo),
    ...one('--baseline', options.baseline),
    ...one('--save-baseline', options.saveBaseline),
    ...(runs.some(({ engine }) => engine === 'srs') ? one('--srs', options.srs) : []),
    ...one('--proxy', options.proxy),
    ...(options.openUdp ? ['--open-udp'] : []),
  ];
}

const SAID_IN = { worse: 'red', better: 'green', inconclusive: 'yellow', noise: 'dim' } as const;

function tables(figures: Bench, stdout: Writable): string {
  const paint = painter(stdout);
  const parts = [latencyTable, ladderTable, economicsTable].flatMap((of) => of(figures));
  const claims = figures.claims.map(
    ({ says, measured, engine, comparison }) =>
      `${comparison}  ${says}\n  ${paint('dim', `${engine}: ${measured}`)}`,
  );
  const changes = toldChanges(figures.comparison?.changes ?? []).map(
    (change) => `${paint(SAID_IN[change.says], change.says)}  ${change.metric}: ${changeWords(change)}`,
  );
  return [
    ...parts.map(({ head, rows, right }) => table(head, rows, { right, paint })),
    ...(claims.length > 0 ? [claims.join('\n')] : []),
    ...(changes.length > 0 ? [changes.join('\n')] : []),
    '',
  ].join('\n\n');
}

interface Rows {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly right: readonly number[];
}

function latencyTable({ latency }: Bench): Rows[] {
  if (latency.length === 0) return [];
  return [
    {
      head: [
        'cluster',
        'engine',
        'protocol',
        'players',
        'startup p50',
        'p90',
        'p99',
        'p99.9',
        'latency p50',
        'p90',
        'p99',
        'p99.9',
        'stalls',
        'lost',
        'servers',
      ],
      rows: latency.map(
        ({ topology, engine, protocol, players, startup, steady, stalls, frames, server, generator }) => [
          topology,
          engine,
          protocol,
          formatNumber(players),
          ...[startup, steady].flatMap(({ p50, p90, p99, p999 }) => [p50, p90, p99, p999].map(formatMs)),
          formatPercent(stalls.ratio),
          formatNumber(frames.missing + frames.faulty),
          `${server === null ? '' : `${formatNumber(server.cores)} cores, ${formatMegabytes(server.rssMb)}`}${generator.healthy ? '' : ' (generator unhealthy)'}`,
        ],
      ),
      right: [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    },
  ];
}

function ladderTable({ ladders }: Bench): Rows[] {
  if (ladders.length === 0) return [];
  return [
    {
      head: [
        'cluster',
        'engine',
        'most',
        'protocol',
        '',
        'gave way',
        'servers, a client',
        '',
        'generator, a client',
        '',
      ],
      rows: ladders.map(({ topology, engine, climbs, protocol, largest, lowerBound, gaveWay, perClient }) => [
        topology,
        engine,
        climbs === 'joins' ? 'joins/s' : climbs,
        protocol,
        `${lowerBound && largest !== null ? '≥ ' : ''}${formatNumber(largest)}`,
        gaveWay,
        formatMilliCores(perClient.serverCores),
        formatKilobytes(perClient.serverKb),
        formatMilliCores(perClient.generatorCores),
        formatKilobytes(perClient.generatorKb),
      ]),
      right: [4, 6, 7, 8, 9],
    },
  ];
}

function economicsTable({ economics }: Bench): Rows[] {
  if (economics.length === 0) return [];
  return [
    {
      head: [
        'cluster',
        'engine',
        'played at',
        'protocol',
        'pulls',
        'players',
        'viewers got',
        'origins sent',
        'of that',
        'connections',
      ],
      rows: economics.map(
        ({
          topology,
          engine,
          at,
          protocol,
          variant,
          players,
          viewerBytes,
          originBytes,
          perViewerByte,
          pulls,
        }) => [
          topology,
          engine,
          at,
          protocol,
          variant,
          formatNumber(players),
          `${(viewerBytes / 1e6).toFixed(1)} MB`,
          `${(originBytes / 1e6).toFixed(2)} MB`,
          perViewerByte === null ? '—' : formatPercent(perViewerByte),
          formatNumber(pulls),
        ],
      ),
      right: [5, 6, 7, 8, 9],
    },
  ];
}
