/** What benches that measure a process of their own have in common. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { PLAYERS_NODE_ARGS } from '../../drivers/swarm/heap.ts';
import { forkEntry } from '../../runtime/entry.ts';
import type { EntryPoint } from '../../runtime/entry-points.ts';
import type { ReaderResult, ReaderTask } from './reader.ts';

export const MEDIA = fileURLToPath(new URL('../../fixtures/media/av-480k.flv', import.meta.url));

/**
 * V8's memory reducer begins some seconds after the start of a process and takes CPU, once: in the window of a bench that
 * can be more than all bare readers cost, and none of it is theirs.
 */
const STEADY = ['--no-memory-reducer'];

/** For profiles: `LIVEPROOF_BENCH_NODE_ARGS='--cpu-prof --cpu-prof-dir=/tmp/prof'`. They name the files of the bundle. */
export const PROFILE = (process.env.LIVEPROOF_BENCH_NODE_ARGS ?? '').split(' ').filter((arg) => arg !== '');

export function startChild(entryPoint: EntryPoint, args: string[] = []): ChildProcess {
  return forkEntry(entryPoint, args, {
    execArgv: ['--expose-gc', ...PLAYERS_NODE_ARGS, ...STEADY, ...PROFILE],
    serialization: 'advanced',
  });
}

/** Ends the bench when the feeder does, until the function that it returns is called. */
export function mustLive(feeder: ChildProcess): () => void {
  const died = (code: number | null): void => {
    console.error(`the feeder exited with ${code}`);
    process.exit(1);
  };
  feeder.once('exit', died);
  return () => {
    feeder.off('exit', died);
    feeder.disconnect();
  };
}

/** One measurement of reader.ts, in a process of its own. */
export async function measure(task: ReaderTask): Promise<ReaderResult> {
  const child = startChild('scenarios/benchmark/reader.ts');
  const result = await new Promise<ReaderResult>((resolve, reject) => {
    child.on('message', (message: { result?: ReaderResult; ready?: boolean }) => {
      if (message.ready) child.send(task);
      else if (message.result !== undefined) resolve(message.result);
    });
    child.once('exit', (code) => reject(new Error(`a reader exited with ${code}`)));
  });
  if (child.exitCode === null) await once(child, 'exit');
  return result;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
