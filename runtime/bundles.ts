/** Where the bundles of the entry points are, and whether they are what the sources say. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './entry-points.ts';

/** Below the packages, so that a bundle finds those that are not in it; a checkout that shares them has a folder of its own. */
export const BUNDLES = join(
  ROOT,
  'node_modules/.cache/liveproof',
  createHash('sha256').update(ROOT).digest('hex').slice(0, 16),
);
const CURRENT = join(BUNDLES, 'current.json');

/** A node that is started again is started from the bundle that its cluster began with, as long as a night may last. */
const KEPT_MS = 24 * 3_600_000;

/** What changes with a file. */
export interface Stamp {
  readonly size: number;
  /** Epoch ms. */
  readonly time: number;
}

/** What was bundled. */
export interface Bundled {
  /** Below `BUNDLES`; has each entry point at its own path, as `.mjs`. */
  readonly folder: string;
  /** By path of each file that the bundle depends on, as it was before it was read. */
  readonly sources: Readonly<Record<string, Stamp>>;
}

export function stampOf(path: string): Stamp {
  const { size, mtimeMs: time } = statSync(path);
  return { size, time };
}

/** undefined when there is none, or a source has changed since. */
export function currentBundles(): Bundled | undefined {
  const bundled = lastBundled();
  return bundled !== undefined && isThere(bundled) && isFresh(bundled) ? bundled : undefined;
}

/** Whether its files still are. */
export function isThere({ folder }: Bundled): boolean {
  return existsSync(join(BUNDLES, folder));
}

/**
 * Takes effect at once, for whoever looks from now on. What it replaces stays for a day, what was replaced before that is
 * taken away.
 */
export function setCurrentBundles(bundled: Bundled): void {
  const replaced = lastBundled();
  if (replaced !== undefined && isThere(replaced)) touch(join(BUNDLES, replaced.folder));
  const written = join(BUNDLES, `${bundled.folder}.json`);
  writeFileSync(written, JSON.stringify(bundled));
  renameSync(written, CURRENT);
  for (const name of readdirSync(BUNDLES)) {
    if (name !== bundled.folder) removeOld(join(BUNDLES, name));
  }
}

function lastBundled(): Bundled | undefined {
  try {
    return JSON.parse(readFileSync(CURRENT, 'utf8')) as Bundled;
  } catch {
    return undefined;
  }
}

function isFresh({ sources }: Bundled): boolean {
  try {
    return Object.entries(sources).every(([path, stamp]) => isSame(stamp, stampOf(path)));
  } catch {
    return false;
  }
}

/** A layer of an image keeps whole seconds. */
function isSame(then: Stamp, now: Stamp): boolean {
  const inLayer = Math.floor(then.time / 1000) * 1000;
  return then.size === now.size && (then.time === now.time || inLayer === now.time);
}

/** What another user has left stays. */
function removeOld(path: string): void {
  try {
    if (statSync(path).mtimeMs < Date.now() - KEPT_MS) rmSync(path, { recursive: true, force: true });
  } catch {}
}

function touch(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {}
}
