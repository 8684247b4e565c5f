/** `liveproof load`: plays URLs with many clients, measures, judges. */
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import type { HlsOptions } from '../drivers/client.ts';
import { type LoadOptions, runLoad } from '../drivers/swarm/load.ts';
import { loadLine, Progress } from '../drivers/swarm/progress.ts';
import { collectEnvironment } from '../reports/environment.ts';
import { formatMs, formatNumber, formatPercent, headline } from '../reports/format.ts';
import { judgeLoad } from '../reports/judge-load.ts';
import { type HlsLoad, type Load, type Results, worstVerdict } from '../reports/results.ts';
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
  printable,
  printFindings,
  table,
  UsageError,
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
  readonly hlsStart?: string;
  readonly cmcd?: string;
  readonly hlsVariant?: string;
}

export function register(program: Command): void {
  program
    .command('load')
    .description('Play URLs with many clients; measure latency, stalls and every frame of every client.')
    .argument(
      '<url...>',
      'rtmp://…, http(s)://….flv or http(s)://….m3u8; clients are spread over several evenly',
    )
    .requiredOption('-n, --clients <N>', 'players')
    .option('--ramp <time>', 'time over which they join', '5s')
    .option('--duration <time>', 'time to measure after the ramp', '30s')
    .option('--workers <N>', 'worker processes (default: one per core)')
    .option('--out <dir>', 'directory for the report (default: out/load-<time>)')
    .option('--json', 'print results.json on stdout, and nothing else')
    .option('--allow-remote', 'load a server that is not on loopback; only one that is yours to load')
    .option(
      '--hls-start <where>',
      'HLS: begin at 3-segments before the end, or at the live-edge',
      '3-segments',
    )
    .option(
      '--hls-variant <which>',
      'HLS: first, highest or lowest, or the place in the master playlist from 0 on',
      'first',
    )
    .option('--cmcd <where>', 'HLS: tell the servers about the players (CTA-5004) in headers or query')
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
  liveproof load http://127.0.0.1:8080/live/a.m3u8 --clients 2000 --hls-start live-edge
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
  const hls = hlsOptions(options);
  const request = {
    urls,
    clients: parseCount(options.clients),
    rampMs: parseDuration(options.ramp),
    durationMs: parseDuration(options.duration),
    ...(options.workers === undefined ? {} : { workers: parseCount(options.workers) }),
    client: { ...(options.allowRemote === true ? { allowRemote: true } : {}), hls },
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

const HLS_STARTS = ['3-segments', 'live-edge'] as const;
const HLS_VARIANTS = ['first', 'highest', 'lowest'] as const;
const CMCD_MODES = ['headers', 'query'] as const;

function hlsOptions({ hlsStart, hlsVariant, cmcd }: LoadArguments): HlsOptions {
  const place = hlsVariant !== undefined && /^\d{1,4}$/.test(hlsVariant);
  return {
    ...(hlsStart !== undefined && { start: oneOf('--hls-start', hlsStart, HLS_STARTS) }),
    ...(hlsVariant !== undefined && {
      variant: place ? Number(hlsVariant) : oneOf('--hls-variant', hlsVariant, HLS_VARIANTS, ' or a number'),
    }),
    ...(cmcd !== undefined && { cmcd: oneOf('--cmcd', cmcd, CMCD_MODES) }),
  };
}

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[], also = ''): T {
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw new UsageError(`${option} is ${allowed.join(', ')}${also}; got "${printable(value)}".`);
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
      ...(figures.hls === undefined ? [] : hlsArguments(options)),
    ],
    environment: collectEnvironment(),
    findings,
    load: figures,
  };
}

/** As far as they are not the defaults. */
function hlsArguments({ hlsStart, hlsVariant, cmcd }: LoadArguments): string[] {
  return [
    ...(hlsStart === undefined || hlsStart === '3-segments' ? [] : ['--hls-start', hlsStart]),
    ...(hlsVariant === undefined || hlsVariant === 'first' ? [] : ['--hls-variant', hlsVariant]),
    ...(cmcd === undefined ? [] : ['--cmcd', cmcd]),
  ];
}

function printLoad(results: Results, directory: string, stdout: Writable): void {
  const { startup, latency, stalls, frames, generator, hls } = results.load!;
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
        [
          row('latency, steady', latency.steady),
          row('latency, join', latency.join),
          row('startup', startup),
          ...(hls === undefined
            ? []
            : [
                row('playlist requests', hls.playlists.time),
                row('segment requests', hls.segments.time),
                row('playlist staleness', hls.playlists.staleness),
              ]),
        ],
        { right: [1, 2, 3, 4, 5, 6], paint },
      ),
      '',
      `stalls     ${formatNumber(stalls.count)}, ${formatPercent(stalls.ratio)} of the time`,
      `frames     ${formatNumber(frames.received)} received, ${formatNumber(frames.missing)} missing, ${formatNumber(frames.corrupt)} corrupt, ${formatNumber(frames.duplicated)} duplicated, ${formatNumber(frames.reordered)} reordered${frames.unstamped > 0 ? `, ${formatNumber(frames.unstamped)} without a stamp` : ''}`,
      ...(hls === undefined ? [] : [hlsLine(hls)]),
      `generator  ${generator.healthy ? 'healthy' : paint('yellow', 'unhealthy')}, lag p99 ${formatMs(generator.loopLagP99Ms)}, ${formatNumber(generator.cpuCores)} cores, ${formatNumber(generator.rssMb)} MB`,
      '',
    ].join('\n')}\n`,
  );
  printFindings(results, headline(results), directory, stdout);
}

function hlsLine({ playlists, segments, retries, problems }: HlsLoad): string {
  const wrong = Object.entries(problems).map(([code, count]) => `${formatNumber(count)} ${code}`);
  return [
    `hls        ${formatNumber(playlists.requests)} playlists, ${formatNumber(segments.requests)} segments`,
    `${formatNumber(playlists.failed + segments.failed)} failed`,
    `${formatNumber(playlists.missing + segments.missing)} of them 404`,
    `${formatNumber(retries)} retries`,
    ...(wrong.length === 0 ? ['no problem'] : wrong),
  ].join(', ');
}
