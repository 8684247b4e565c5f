/** Whether this machine gives a run the open files that it needs: said before the run, not seen as lost clients in it. */
import { availableParallelism } from 'node:os';
import { type Shard, shareOf, WHOLE } from '../drivers/swarm/shard.ts';
import { openFilesLimit } from '../lab/runners/launch.ts';
import { UsageError } from './output.ts';

/** What a process of ours has open without a client: modules, pipes, timers, DNS. About 30 are seen. */
const SPARE = 100;
/** An HLS player asks for a playlist and a segment at a time; SRT callers share a socket, of 64 each. */
const FILES_OF_CLIENT: readonly [pattern: RegExp, files: number][] = [
  [/^srt:/i, 1 / 64],
  [/^https?:.*\.m3u8(\?|#|$)/i, 2],
  [/^wh[ei]ps?:/i, 2],
];

/** Of one client of the URL that costs most. */
export function filesOfClient(urls: readonly string[]): number {
  const filesOf = (url: string): number => FILES_OF_CLIENT.find(([pattern]) => pattern.test(url))?.[1] ?? 1;
  return Math.max(...urls.map(filesOf));
}

/** Throws UsageError with the number that is needed. `limit` is that of a process that this one starts. */
export function requireOpenFiles(
  urls: readonly string[],
  clients: number,
  { workers, shard = WHOLE }: { readonly workers?: number; readonly shard?: Shard } = {},
  limit = openFilesLimit(),
): void {
  const own = shareOf(clients, shard);
  const processes = Math.max(1, Math.min(workers ?? availableParallelism(), own));
  const each = Math.ceil(own / processes);
  const needed = Math.ceil(each * filesOfClient(urls)) + SPARE;
  if (needed <= limit) return;
  throw new UsageError(
    `${each} clients in a process need ${needed} open files, and this machine gives ${limit}. Raise the limit (ulimit -n ${needed}), or spread the clients over more --workers or shards.`,
  );
}
