/** `liveproof publish`: publishes stamped streams, paced by DTS, in an endless loop. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { MediaSource } from '../drivers/measure/source.ts';
import { TsPacketizer } from '../drivers/srt/packetizer.ts';
import { type PublishFigures, type PublishOptions, runPublish } from '../drivers/swarm/load.ts';
import { hasNumber, numbered } from '../drivers/swarm/numbered.ts';
import { publishLine } from '../drivers/swarm/progress.ts';
import { MediaType } from '../protocols/media.ts';
import { headline } from '../reports/format.ts';
import { judgePublish } from '../reports/judge-publish.ts';
import { addLiveOptions, type LiveArguments } from './live.ts';
import { measuredRun, REAL_SURROUNDINGS, type Surroundings } from './measured-run.ts';
import { requireOpenFiles } from './open-files.ts';
import {
  type ExitCode,
  exitCodeOf,
  parseCount,
  parseDuration,
  printable,
  printFindings,
  UsageError,
} from './output.ts';
import { allowHostsOption, requireTarget } from './target.ts';

const DEFAULT_FILE = fileURLToPath(new URL('../fixtures/media/av-480k.flv', import.meta.url));

export interface PublishArguments extends LiveArguments {
  readonly streams: string;
  readonly file?: string;
  readonly duration?: string;
  readonly out?: string;
  readonly allowRemote?: boolean;
  readonly allowHosts?: readonly string[];
  readonly token?: string;
}

export function register(program: Command): void {
  const command = program
    .command('publish')
    .description(
      'Publish stamped streams, paced by DTS, in an endless loop, until Ctrl-C or the duration is over.',
    )
    .argument(
      '<url>',
      'rtmp://…, srt://host:port?streamid=… or whip(s)://…; %d in it is the number of the stream, from 1',
    )
    .option('-n, --streams <N>', 'publishers', '1')
    .option('--file <flv>', 'H.264 in FLV, beginning with a keyframe (default: 480 kbit/s, 10 s)')
    .option('--duration <time>', 'how long (default: until Ctrl-C)')
    .option('--out <dir>', 'write a report there')
    .option('--token <token>', 'WHIP: bearer token of the endpoint')
    .option('--allow-remote', 'publish to a server that is not on loopback')
    .addOption(allowHostsOption('hosts that redirects and playlists may lead to, beside that of the URL'));
  addLiveOptions(command)
    .addHelpText(
      'after',
      `
A time is a number with a unit: 500ms, 30s, 2m, 1h. Every video frame gets a stamp (stream, frame number, clock,
checksum) by which "liveproof load" measures latency and loss.

Exit codes:
  0 every stream was accepted, kept and taken: nothing that was due waited for longer than 5 s until the server read
  1 one was not   2 wrong use   3 inconclusive: an unhealthy generator

Examples:
  liveproof publish rtmp://127.0.0.1/live/livestream
  liveproof publish rtmp://127.0.0.1/live/stream-%d --streams 100 --duration 2m --out out/hundred
  liveproof publish rtmp://127.0.0.1/live/mine --file mine.flv --prometheus :9465
  liveproof publish 'srt://127.1.0.2:10080?streamid=%23!::r=live/s-%d,m=publish' --streams 10
  liveproof publish 'whip://127.1.0.2:1985/rtc/v1/whip/?app=live&stream=livestream'`,
    )
    .action(async (url: string, options: PublishArguments) => {
      process.exitCode = await publish(url, options);
    });
}

/** What the command touches outside itself. */
export interface PublishSurroundings extends Surroundings {
  readonly run: (options: PublishOptions) => Promise<PublishFigures>;
}

const SCHEMES = ['rtmp', 'srt', 'whip', 'whips'] as const;

/** Throws UsageError before anything is started. Without a duration Ctrl-C is the end that was asked for. */
export async function publish(
  url: string,
  options: PublishArguments,
  { run, ...around }: PublishSurroundings = { ...REAL_SURROUNDINGS, run: runPublish },
): Promise<ExitCode> {
  const { allowRemote = false, allowHosts, token } = options;
  const streams = parseCount(options.streams);
  requireTarget(numbered(url, 1), SCHEMES, allowRemote, 'publish');
  if (streams > 1 && !hasNumber(url)) {
    throw new UsageError(
      `${streams} streams need a name each: put %d into the URL, as in rtmp://127.0.0.1/live/s-%d.`,
    );
  }
  const file = options.file === undefined ? DEFAULT_FILE : resolve(options.file);
  requirePublishable(file, url);
  const durationMs = options.duration === undefined ? undefined : parseDuration(options.duration);
  requireOpenFiles([url], streams, { workers: 1 });
  const { results, directory, unwritten } = await measuredRun(
    {
      kind: 'publish',
      out: options.out ?? false,
      endless: durationMs === undefined,
      live: options,
      measure: (signal, show, tell) =>
        run({
          url,
          streams,
          file,
          client: {
            allowRemote,
            ...(allowHosts && { allowHosts }),
            ...(token !== undefined && { webrtc: { token } }),
          },
          ...(durationMs === undefined ? {} : { durationMs }),
          onTick: (tick) => show(publishLine(tick)),
          ...(tell === undefined ? {} : { onFigures: tell }),
          signal,
        }),
      judge: judgePublish,
      command: () => [
        ...[url, '--streams', String(streams)],
        ...(options.file === undefined ? [] : ['--file', options.file]),
        ...(options.duration === undefined ? [] : ['--duration', options.duration]),
        ...(token === undefined ? [] : ['--token', '***']),
        ...(allowRemote ? ['--allow-remote'] : []),
        ...(allowHosts === undefined ? [] : ['--allow-hosts', allowHosts.join(',')]),
      ],
    },
    around,
  );
  printFindings(results, headline(results), directory, around.stdout);
  if (unwritten !== undefined) throw unwritten;
  return exitCodeOf(results.verdict);
}

/** Throws UsageError for a file that publishers cannot send. */
function requirePublishable(file: string, url: string): void {
  if (!existsSync(file)) throw new UsageError(`There is no file ${printable(file)}.`);
  try {
    const { headers, items } = MediaSource.load(file);
    if (url.startsWith('srt:')) {
      const packetizer = new TsPacketizer(() => {});
      const firsts = [MediaType.audio, MediaType.video].flatMap(
        (type) => items.find((item) => item.type === type) ?? [],
      );
      for (const { type, timestamp, body } of [...headers, ...firsts]) packetizer.push(type, timestamp, body);
    }
  } catch (error) {
    throw new UsageError(
      `${printable(file)} cannot be published: ${printable((error as Error).message)}. It is to be H.264 in FLV: ffmpeg -i FILE -c:v libx264 -c:a aac -f flv mine.flv makes it.`,
    );
  }
}
