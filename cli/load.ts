/** `liveproof load`: plays URLs with many clients, measures, judges. */
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { type LoadOptions, runLoad } from '../drivers/swarm/load.ts';
import { loadLine, Progress } from '../drivers/swarm/progress.ts';
import { collectEnvironment } from '../reports/environment.ts';
import { formatMs, formatNumber, formatPercent, headline } from '../reports/format.ts';
import { judgeLoad } from '../reports/judge-load.ts';
import { type Load, type Results, worstVerdict } from '../reports/results.ts';
import { maskDeep } from '../reports/secrets.ts';
import { writeRun } from '../reports/write.ts';
import { type Interruption, listenForInterrupt } from './interrupt.ts';
import {
  type ExitCode,
  exitCodeOf,
  makeRunDirectory,
  painter,
  parseCount,
  parseDuration,
  printFindings,
  table,
} from './output.ts';
import { requireTarget } from './target.ts';

const SCHEMES = ['rtmp', 'http', 'https'] as const;

export interface LoadArguments {
  readonly clients: string;
  readonly ramp: string;
  readonly duration: string;
  readonly workers?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly allowRemote?: boolean;
}

export function register(program: Command): void {
  program
    .command('load')
    .description('Play URLs with many clients; measure latency, stalls and every frame of every client.')
    .argument('<url...>', 'rtmp://… or http(s)://….flv; clients are spread over several evenly')
    .requiredOption('-n, --clients <N>', 'players')
    .option('--ramp <time>', 'time over which they join', '5s')
    .option('--duration <time>', 'time to measure after the ramp', '30s')
    .option('--workers <N>', 'worker processes (default: one per core)')
    .option('--out <dir>', 'directory for the report (default: out/load-<time>)')
    .option('--json', 'print results.json on stdout, and nothing else')
    .option('--allow-remote', 'load a server that is not on loopback; only one that is yours to load')
    .addHelpText(
      'after',
      `
A time is a number with a unit: 500ms, 30s, 2m, 1h. Latency and loss are measured by the stamp that
"liveproof publish" adds to every frame; a stream without it ends inconclusive.
Ctrl-C ends the load early and still writes what was measured; twice quits at once.

Exit codes:
  0 pass   1 players or frames were lost   2 wrong use   3 inconclusive: an unhealthy generator, no stamps, Ctrl-C

Examples:
  liveproof load rtmp://127.0.0.1/live/livestream --clients 1000
  liveproof load rtmp://127.0.0.1/live/a http://127.0.0.1:8080/live/a.flv --clients 5000 --ramp 10s --duration 2m
  liveproof load http://127.0.0.1:8080/live/a.flv -n 100 --json | jq .load.latency.steady
  liveproof load rtmp://media.example.net/live/a -n 50 --allow-remote --out out/evening`,
    )
    .action(async (urls: string[], options: LoadArguments) => {
      process.exitCode = await load(urls, options);
    });
}

/** What the command touches outside itself. */
export interface LoadSurroundings {
  readonly run: (options: LoadOptions) => Promise<Load>;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly listen: () => Interruption;
}

const REAL: LoadSurroundings = {
  run: runLoad,
  stdout: process.stdout,
  stderr: process.stderr,
  listen: listenForInterrupt,
};

/** Throws UsageError before anything is started. */
export async function load(
  urls: readonly string[],
  options: LoadArguments,
  { run, stdout, stderr, listen }: LoadSurroundings = REAL,
): Promise<ExitCode> {
  for (const url of urls) requireTarget(url, SCHEMES, options.allowRemote === true);
  const request = {
    urls,
    clients: parseCount(options.clients),
    rampMs: parseDuration(options.ramp),
    durationMs: parseDuration(options.duration),
    ...(options.workers === undefined ? {} : { workers: parseCount(options.workers) }),
    ...(options.allowRemote === true ? { client: { allowRemote: true } } : {}),
  };
  const startedAt = new Date();
  const directory = makeRunDirectory('load', options.out, startedAt);
  const progress = new Progress(stderr);
  const interruption = listen();
  try {
    const figures = await run({
      ...request,
      onTick: (tick) => progress.line(loadLine(tick)),
      signal: interruption.signal,
    });
    progress.end();
    const results = resultsOf(figures, startedAt, interruption.signal.aborted, options, request);
    await writeRun(directory, results);
    if (options.json) stdout.write(`${JSON.stringify(maskDeep(results), null, 2)}\n`);
    else printLoad(results, directory, stdout);
    return exitCodeOf(results.verdict);
  } finally {
    progress.end();
    interruption.release();
  }
}

function resultsOf(
  figures: Load,
  startedAt: Date,
  interrupted: boolean,
  options: LoadArguments,
  { urls, clients }: { readonly urls: readonly string[]; readonly clients: number },
): Results {
  const findings = judgeLoad(figures, { interrupted });
  return {
    schema: 'liveproof/results@1',
    kind: 'load',
    verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    interrupted,
    command: [
      'liveproof',
      'load',
      ...urls,
      ...['--clients', String(clients), '--ramp', options.ramp, '--duration', options.duration],
      ...(options.workers === undefined ? [] : ['--workers', options.workers]),
      ...(options.allowRemote ? ['--allow-remote'] : []),
    ],
    environment: collectEnvironment(),
    findings,
    load: figures,
  };
}

function printLoad(results: Results, directory: string, stdout: Writable): void {
  const { startup, latency, stalls, frames, generator } = results.load!;
  const paint = painter(stdout);
  const row = (name: string, of: Load['startup']) => [
    name,
    ...[of.p50, of.p90, of.p99, of.p999, of.max].map(formatMs),
    formatNumber(of.count),
  ];
  stdout.write(
    `${[
      '',
      table(
        ['', 'p50', 'p90', 'p99', 'p99.9', 'max', 'samples'],
        [row('latency, steady', latency.steady), row('latency, join', latency.join), row('startup', startup)],
        { right: [1, 2, 3, 4, 5, 6], paint },
      ),
      '',
      `stalls     ${formatNumber(stalls.count)}, ${formatPercent(stalls.ratio)} of the time`,
      `frames     ${formatNumber(frames.received)} received, ${formatNumber(frames.missing)} missing, ${formatNumber(frames.corrupt)} corrupt, ${formatNumber(frames.duplicated)} duplicated, ${formatNumber(frames.reordered)} reordered${frames.unstamped > 0 ? `, ${formatNumber(frames.unstamped)} without a stamp` : ''}`,
      `generator  ${generator.healthy ? 'healthy' : paint('yellow', 'unhealthy')}, lag p99 ${formatMs(generator.loopLagP99Ms)}, ${formatNumber(generator.cpuCores)} cores, ${formatNumber(generator.rssMb)} MB`,
      '',
    ].join('\n')}\n`,
  );
  printFindings(results, headline(results), directory, stdout);
}
