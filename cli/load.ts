/** `liveproof load`: plays URLs with many clients, measures, judges. */
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import type { HlsOptions, WebRtcOptions } from '../drivers/client.ts';
import { isHlsUrl, isWhepUrl } from '../drivers/create.ts';
import { assertPlayable, type LoadOptions, runLoad } from '../drivers/swarm/load.ts';
import { loadLine } from '../drivers/swarm/progress.ts';
import type { Shard } from '../drivers/swarm/shard.ts';
import { MAX_TIMER_MS } from '../drivers/timers.ts';
import { ProtocolError } from '../protocols/errors.ts';
import { formatMs, formatNumber, formatPercent, headline } from '../reports/format.ts';
import { judgeLoad } from '../reports/judge-load.ts';
import type { HlsLoad, Load, Results, SrtLoad, WebRtcLoad } from '../reports/results.ts';
import { maskDeep, maskSecrets } from '../reports/secrets.ts';
import { addLiveOptions, type LiveArguments } from './live.ts';
import { measuredRun, REAL_SURROUNDINGS, type Surroundings } from './measured-run.ts';
import { requireOpenFiles } from './open-files.ts';
import {
  type ExitCode,
  exitCodeOf,
  painter,
  parseCount,
  parseDuration,
  printable,
  printFindings,
  table,
  UsageError,
} from './output.ts';
import { allowHostsOption, requireTarget } from './target.ts';

const SCHEMES = ['rtmp', 'http', 'https', 'srt', 'whep', 'wheps'] as const;

export interface LoadArguments extends LiveArguments {
  readonly clients: string;
  readonly ramp: string;
  readonly duration: string;
  readonly workers?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly allowRemote?: boolean;
  readonly allowHosts?: readonly string[];
  readonly hlsStart?: string;
  readonly cmcd?: string;
  readonly hlsVariant?: string;
  readonly webrtc?: string;
  readonly webrtcSample?: string;
  readonly token?: string;
  readonly shard?: string;
  readonly startAt?: string;
}

export function register(program: Command): void {
  const command = program
    .command('load')
    .description('Play URLs with many clients; measure latency, stalls and every frame of every client.')
    .argument(
      '<url...>',
      'rtmp://…, http(s)://….flv, http(s)://….ts, http(s)://….m3u8, srt://host:port?streamid=… or whep(s)://…; clients are spread over several evenly',
    )
    .requiredOption('-n, --clients <N>', 'players, of all shards; one for each URL at the least')
    .option('--ramp <time>', 'time over which they join', '5s')
    .option('--duration <time>', 'time to measure after the ramp', '30s')
    .option('--workers <N>', 'worker processes (default: one per core)')
    .option('--out <dir>', 'directory for the report (default: out/load-<time>)')
    .option('--json', 'print results.json on stdout, and nothing else')
    .option('--allow-remote', 'load a server that is not on loopback; only one that is yours to load')
    .addOption(allowHostsOption('hosts that redirects and playlists may lead to, beside that of the URL'))
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
    .option(
      '--webrtc <transport>',
      'WHEP: lite, which decrypts what can carry a stamp and a sample of the rest, or datachannel, a full stack',
      'lite',
    )
    .option(
      '--webrtc-sample <N>',
      'WHEP, lite: of N frames one is decrypted as a whole, and its checksum compared; 1 is every frame (default: 50)',
    )
    .option('--token <token>', 'WHEP: bearer token of the endpoint');
  addLiveOptions(command)
    .option(
      '--shard <I/N>',
      'be one of N generators that make up the load together, I from 0 on; --clients counts those of all',
    )
    .option('--start-at <when>', 'ISO 8601, or seconds since 1970: when the first player is opened')
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
  liveproof load http://127.1.0.6:8080/live/a.m3u8 --clients 2000 --hls-start live-edge
  liveproof load http://127.0.0.1:8080/live/a.flv -n 1000 --dashboard :8090 --prometheus :9464
  liveproof load http://127.0.0.1:8080/live/a.flv -n 100 --json | jq .load.latency.steady
  liveproof load 'srt://127.1.0.2:10080?streamid=%23!::r=live/a,m=request&latency=200' --clients 500
  liveproof load 'whep://127.1.0.2:1985/rtc/v1/whep/?app=live&stream=a' --clients 500
  liveproof load 'whep://127.1.0.2:1985/rtc/v1/whep/?app=live&stream=a' --clients 100 --webrtc-sample 1
  liveproof load rtmp://media.example.net/live/a -n 50 --allow-remote --out out/evening
  liveproof load https://media.example.net/a.m3u8 -n 50 --allow-remote --allow-hosts '*.cdn.example.net'
  liveproof load rtmp://127.0.0.1/live/a -n 10000 --shard 0/4 --start-at $(date -d '1 minute' +%s) --out out/shard-0
  liveproof merge out/shard-0 out/shard-1 out/shard-2 out/shard-3 --out out/all`,
    )
    .action(async (urls: string[], options: LoadArguments) => {
      process.exitCode = await load(urls, options);
    });
}

/** What the command touches outside itself. */
export interface LoadSurroundings extends Surroundings {
  readonly run: (options: LoadOptions) => Promise<Load>;
}

/** Throws UsageError before anything is started. */
export async function load(
  urls: readonly string[],
  options: LoadArguments,
  { run, ...around }: LoadSurroundings = { ...REAL_SURROUNDINGS, run: runLoad },
): Promise<ExitCode> {
  const { allowRemote = false, allowHosts } = options;
  for (const url of urls) {
    requireTarget(url, SCHEMES, allowRemote, 'play');
    requirePlayable(url);
  }
  const request = {
    urls,
    clients: parseCount(options.clients),
    rampMs: parseDuration(options.ramp),
    durationMs: parseDuration(options.duration),
    ...(options.workers === undefined ? {} : { workers: parseCount(options.workers) }),
    ...(options.shard === undefined ? {} : { shard: parseShard(options.shard, options.clients) }),
    ...(options.startAt === undefined ? {} : { startAt: parseInstant(options.startAt, Date.now()) }),
    client: {
      ...(allowRemote ? { allowRemote } : {}),
      ...(allowHosts === undefined ? {} : { allowHosts }),
      hls: hlsOptions(options),
      webrtc: webRtcOptions(options),
    },
  };
  requireClients(urls, request.clients);
  requireOpenFiles(urls, request.clients, request);
  const { results, directory, unwritten } = await measuredRun(
    {
      kind: 'load',
      out: options.out,
      live: options,
      measure: (signal, show, tell) =>
        run({
          ...request,
          onTick: (tick) => show(loadLine(tick)),
          ...(tell === undefined ? {} : { onFigures: tell }),
          signal,
        }),
      judge: judgeLoad,
      command: () => [
        ...urls,
        ...['--clients', String(request.clients), '--ramp', options.ramp, '--duration', options.duration],
        ...(options.workers === undefined ? [] : ['--workers', options.workers]),
        ...(options.shard === undefined ? [] : ['--shard', options.shard]),
        ...(options.startAt === undefined ? [] : ['--start-at', options.startAt]),
        ...(allowRemote ? ['--allow-remote'] : []),
        ...(allowHosts === undefined ? [] : ['--allow-hosts', allowHosts.join(',')]),
        ...(urls.some(isHlsUrl) ? hlsArguments(options) : []),
        ...(urls.some(isWhepUrl) ? webRtcArguments(options) : []),
      ],
    },
    around,
  );
  const { stdout } = around;
  if (options.json) stdout.write(`${JSON.stringify(maskDeep(results), null, 2)}\n`);
  else printLoad(results, directory, stdout);
  if (unwritten !== undefined) throw unwritten;
  return exitCodeOf(results.verdict);
}

/** Throws UsageError for what no player is for: over HTTP the end of the path says what is played. */
function requirePlayable(url: string): void {
  try {
    assertPlayable(url);
  } catch (error) {
    if (error instanceof ProtocolError) throw new UsageError(printable(maskSecrets(error.message)));
    throw error;
  }
}

/** Throws UsageError where there are fewer than URLs: of one that nobody plays nothing would be said. */
function requireClients(urls: readonly string[], clients: number): void {
  if (clients >= urls.length) return;
  throw new UsageError(
    `--clients ${clients}: ${urls.length} URLs are played in turn, so ${urls.length} clients are the least.`,
  );
}

/** Throws UsageError. */
export function parseShard(text: string, clients: string): Shard {
  const match = /^(\d{1,6})\/(\d{1,6})$/.exec(text.trim());
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || of < 1 || index >= of) {
    throw new UsageError(`--shard is I/N, I from 0 to N-1; got "${printable(text)}".`);
  }
  if (of > parseCount(clients)) {
    throw new UsageError(`--shard ${printable(text)}: ${of} generators, but only ${clients} clients.`);
  }
  return { index, of };
}

/**
 * Epoch ms. Throws UsageError, also for what is over, as generators that begin late are no common load, and for what is
 * further away than a timer waits.
 */
export function parseInstant(text: string, now: number): number {
  const at = /^\d{9,10}(\.\d+)?$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(at)) {
    throw new UsageError(
      `--start-at is an instant such as 2026-11-28T20:00:00Z, or seconds since 1970; got "${printable(text)}".`,
    );
  }
  if (at < now) throw new UsageError(`--start-at ${printable(text)} was ${formatMs(now - at)} ago.`);
  if (at - now > MAX_TIMER_MS) {
    throw new UsageError(
      `--start-at ${printable(text)} is too far away: 24 days from now is the longest to wait.`,
    );
  }
  return at;
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

const TRANSPORTS = ['lite', 'datachannel'] as const;

function webRtcOptions({ webrtc, webrtcSample, token }: LoadArguments): WebRtcOptions {
  return {
    ...(webrtc !== undefined && { transport: oneOf('--webrtc', webrtc, TRANSPORTS) }),
    ...(webrtcSample !== undefined && { sample: parseSample(webrtcSample, webrtc) }),
    ...(token !== undefined && { token }),
  };
}

function parseSample(text: string, transport: string | undefined): number {
  if (transport === 'datachannel') {
    throw new UsageError(
      '--webrtc-sample is for --webrtc lite: datachannel decrypts and compares every frame.',
    );
  }
  if (!/^[1-9]\d{0,5}$/.test(text)) {
    throw new UsageError(
      `--webrtc-sample is a whole number from 1 to 999999, one of so many frames; got "${printable(text)}".`,
    );
  }
  return Number(text);
}

function webRtcArguments({ webrtc, webrtcSample, token }: LoadArguments): string[] {
  return [
    ...(webrtc === undefined || webrtc === 'lite' ? [] : ['--webrtc', webrtc]),
    ...(webrtcSample === undefined ? [] : ['--webrtc-sample', webrtcSample]),
    ...(token === undefined ? [] : ['--token', '***']),
  ];
}

/** As far as they are not the defaults. */
function hlsArguments({ hlsStart, hlsVariant, cmcd }: LoadArguments): string[] {
  return [
    ...(hlsStart === undefined || hlsStart === '3-segments' ? [] : ['--hls-start', hlsStart]),
    ...(hlsVariant === undefined || hlsVariant === 'first' ? [] : ['--hls-variant', hlsVariant]),
    ...(cmcd === undefined ? [] : ['--cmcd', cmcd]),
  ];
}

function printLoad(results: Results, directory: string | undefined, stdout: Writable): void {
  const { startup, latency, stalls, frames, generator, hls, srt, webrtc } = results.load!;
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
          ...(srt === undefined ? [] : [row('round trip, SRT', srt.rtt)]),
          ...(webrtc === undefined
            ? []
            : [row('offer answered', webrtc.offers.time), row('jitter, RTP', webrtc.jitter)]),
        ],
        { right: [1, 2, 3, 4, 5, 6], paint },
      ),
      '',
      `stalls     ${formatNumber(stalls.count)}, ${formatPercent(stalls.ratio)} of the time`,
      `frames     ${formatNumber(frames.received)} received, ${formatNumber(frames.missing)} missing, ${formatNumber(frames.corrupt)} corrupt, ${formatNumber(frames.duplicated)} duplicated, ${formatNumber(frames.reordered)} reordered${frames.unstamped > 0 ? `, ${formatNumber(frames.unstamped)} without a stamp` : ''}`,
      ...(hls === undefined ? [] : [hlsLine(hls)]),
      ...(srt === undefined ? [] : [srtLine(srt)]),
      ...(webrtc === undefined ? [] : [webRtcLine(webrtc)]),
      `generator  ${generator.healthy ? 'healthy' : paint('yellow', 'unhealthy')}, lag p99 ${formatMs(generator.loopLagP99Ms)}, ${formatNumber(generator.cpuCores)} cores, ${formatNumber(generator.rssMb)} MB`,
      '',
    ].join('\n')}\n`,
  );
  printFindings(results, headline(results), directory, stdout);
}

function srtLine({ packets, naks, latencyMs, problems }: SrtLoad): string {
  return [
    `srt        ${formatNumber(packets.received)} packets`,
    `${formatNumber(packets.lost)} lost on the way`,
    `${formatNumber(packets.retransmitted)} retransmitted`,
    `${formatNumber(packets.dropped)} dropped`,
    `${formatNumber(packets.belated)} belated`,
    `${formatNumber(packets.undecryptable)} undecryptable`,
    `${formatNumber(naks)} NAKs`,
    `latency ${formatMs(latencyMs)}`,
    ...problemWords(problems),
  ].join(', ');
}

function webRtcLine({ transport, rtp, srtp, framesVerified, problems }: WebRtcLoad): string {
  return [
    `webrtc     ${transport}, ${formatNumber(rtp.packets)} packets`,
    `${formatNumber(rtp.audioPackets)} of them Opus`,
    `${formatNumber(rtp.lost)} lost`,
    `${formatNumber(rtp.recovered)} recovered`,
    `${formatNumber(rtp.late)} reordered`,
    `${formatNumber(rtp.duplicated)} duplicated`,
    `${formatNumber(srtp.forged)} undecryptable`,
    `${formatNumber(rtp.nacked)} NACKed`,
    `${formatNumber(rtp.plis)} PLIs`,
    `${formatNumber(framesVerified)} frames verified`,
    ...problemWords(problems),
  ].join(', ');
}

function problemWords(problems: Readonly<Record<string, number>>): string[] {
  const wrong = Object.entries(problems).map(([code, count]) => `${formatNumber(count)} ${code}`);
  return wrong.length === 0 ? ['no problem'] : wrong;
}

function hlsLine({ playlists, segments, retries, problems }: HlsLoad): string {
  return [
    `hls        ${formatNumber(playlists.requests)} playlists, ${formatNumber(segments.requests)} segments`,
    `${formatNumber(playlists.failed + segments.failed)} failed`,
    `${formatNumber(playlists.missing + segments.missing)} of them 404`,
    `${formatNumber(retries)} retries`,
    ...problemWords(problems),
  ].join(', ');
}
