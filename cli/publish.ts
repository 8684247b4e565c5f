/** `liveproof publish`: publishes stamped streams, paced by DTS, in an endless loop. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { type PublishFigures, type PublishOptions, runPublish } from '../drivers/swarm/load.ts';
import { Progress, publishLine } from '../drivers/swarm/progress.ts';
import { collectEnvironment } from '../reports/environment.ts';
import { headline } from '../reports/format.ts';
import { judgePublish } from '../reports/judge-publish.ts';
import { type Results, worstVerdict } from '../reports/results.ts';
import { writeRun } from '../reports/write.ts';
import { type Interruption, listenForInterrupt } from './interrupt.ts';
import {
  type ExitCode,
  exitCodeOf,
  makeRunDirectory,
  parseCount,
  parseDuration,
  printable,
  printFindings,
  UsageError,
} from './output.ts';
import { requireTarget } from './target.ts';

const DEFAULT_FILE = fileURLToPath(new URL('../fixtures/media/av-480k.flv', import.meta.url));

export interface PublishArguments {
  readonly streams: string;
  readonly file?: string;
  readonly duration?: string;
  readonly out?: string;
  readonly allowRemote?: boolean;
}

export function register(program: Command): void {
  program
    .command('publish')
    .description(
      'Publish stamped streams, paced by DTS, in an endless loop, until Ctrl-C or the duration is over.',
    )
    .argument('<url>', 'rtmp://…; %d in it is the number of the stream, from 1')
    .option('-n, --streams <N>', 'publishers', '1')
    .option('--file <flv>', 'H.264 in FLV, beginning with a keyframe (default: 480 kbit/s, 10 s)')
    .option('--duration <time>', 'how long (default: until Ctrl-C)')
    .option('--out <dir>', 'write a report there')
    .option('--allow-remote', 'publish to a server that is not on loopback')
    .addHelpText(
      'after',
      `
A time is a number with a unit: 500ms, 30s, 2m, 1h. Every video frame gets a stamp (stream, frame number, clock,
checksum) by which "liveproof load" measures latency and loss.

Exit codes:
  0 every stream was accepted and kept   1 one was not   2 wrong use   3 inconclusive: an unhealthy generator

Examples:
  liveproof publish rtmp://127.0.0.1/live/livestream
  liveproof publish rtmp://127.0.0.1/live/stream-%d --streams 100 --duration 2m --out out/hundred
  liveproof publish rtmp://127.0.0.1/live/mine --file mine.flv`,
    )
    .action(async (url: string, options: PublishArguments) => {
      process.exitCode = await publish(url, options);
    });
}

/** What the command touches outside itself. */
export interface PublishSurroundings {
  readonly run: (options: PublishOptions) => Promise<PublishFigures>;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly listen: () => Interruption;
}

const REAL: PublishSurroundings = {
  run: runPublish,
  stdout: process.stdout,
  stderr: process.stderr,
  listen: listenForInterrupt,
};

/** Throws UsageError before anything is started. Without a duration Ctrl-C is the end that was asked for. */
export async function publish(
  url: string,
  options: PublishArguments,
  { run, stdout, stderr, listen }: PublishSurroundings = REAL,
): Promise<ExitCode> {
  requireTarget(url, ['rtmp'], options.allowRemote === true);
  const streams = parseCount(options.streams);
  if (streams > 1 && !url.includes('%d')) {
    throw new UsageError(
      `${streams} streams need a name each: put %d into the URL, as in rtmp://127.0.0.1/live/s-%d.`,
    );
  }
  const file = options.file === undefined ? DEFAULT_FILE : resolve(options.file);
  if (!existsSync(file)) throw new UsageError(`There is no file ${printable(file)}.`);
  const durationMs = options.duration === undefined ? undefined : parseDuration(options.duration);
  const startedAt = new Date();
  const directory =
    options.out === undefined ? undefined : makeRunDirectory('publish', options.out, startedAt);
  const progress = new Progress(stderr);
  const interruption = listen();
  try {
    const figures = await run({
      url,
      streams,
      file,
      ...(durationMs === undefined ? {} : { durationMs }),
      onTick: (tick) => progress.line(publishLine(tick)),
      signal: interruption.signal,
    });
    progress.end();
    const interrupted = durationMs !== undefined && interruption.signal.aborted;
    const findings = judgePublish(figures, { interrupted });
    const results: Results = {
      schema: 'liveproof/results@1',
      kind: 'publish',
      verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
      startedAt: startedAt.toISOString(),
      durationMs: Date.now() - startedAt.getTime(),
      interrupted,
      command: [
        ...['liveproof', 'publish', url, '--streams', String(streams)],
        ...(options.file === undefined ? [] : ['--file', options.file]),
        ...(options.duration === undefined ? [] : ['--duration', options.duration]),
        ...(options.allowRemote ? ['--allow-remote'] : []),
      ],
      environment: collectEnvironment(),
      findings,
      publish: figures,
    };
    if (directory !== undefined) await writeRun(directory, results);
    printFindings(results, headline(results), directory, stdout);
    return exitCodeOf(results.verdict);
  } finally {
    progress.end();
    interruption.release();
  }
}
