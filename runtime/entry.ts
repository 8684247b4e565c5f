/**
 * How Node runs an entry point of ours in a process of its own. tsx takes every process 0.4 s of CPU before the first line, and
 * a gate starts many: so all are bundled once, and run from there until a source changes.
 */
import { type ChildProcess, type ForkOptions, fork, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUNDLES, type Bundled, currentBundles, isThere } from './bundles.ts';
import { type EntryPoint, ROOT } from './entry-points.ts';

const BUNDLER = fileURLToPath(new URL('bundle.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');

export interface Entry {
  /** What `node` takes as the first argument that is no option. */
  readonly file: string;
  /** Options of `node` that the file needs. */
  readonly nodeArgs: readonly string[];
}

let looked: { readonly bundled: Bundled | undefined } | undefined;

/**
 * Looks once in the life of a process, and again when the bundle is gone: all that a process starts is of one state of the
 * sources, which need not be its own. Bundles where none is current (0.7 s). Where that cannot be (packages that are not ours
 * to write to, a source that is no TypeScript), tsx runs the source.
 */
export function entryOf(entryPoint: EntryPoint): Entry {
  if (looked?.bundled !== undefined && !isThere(looked.bundled)) looked = undefined;
  looked ??= { bundled: currentBundles() ?? bundleNow() };
  const { bundled } = looked;
  if (bundled === undefined) return { file: join(ROOT, entryPoint), nodeArgs: ['--import', TSX] };
  const file = join(BUNDLES, bundled.folder, entryPoint.replace(/\.ts$/, '.mjs'));
  return { file, nodeArgs: ['--enable-source-maps'] };
}

/** Starts it with a channel for messages. `execArgv` are further options of `node`. */
export function forkEntry(
  entryPoint: EntryPoint,
  args: readonly string[],
  { execArgv = [], ...options }: ForkOptions = {},
): ChildProcess {
  const { file, nodeArgs } = entryOf(entryPoint);
  return fork(file, args, { ...options, execArgv: [...nodeArgs, ...execArgv] });
}

/** The same as arguments of `node`, which those of the program follow. */
export function startArgs(entryPoint: EntryPoint): string[] {
  const { nodeArgs, file } = entryOf(entryPoint);
  return [...nodeArgs, file];
}

function bundleNow(): Bundled | undefined {
  spawnSync(process.execPath, ['--import', TSX, BUNDLER], { stdio: 'ignore' });
  return currentBundles();
}
