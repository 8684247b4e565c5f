/** Where the bundles of the entry points are, and whether they are what the sources say. */
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './entry-points.ts';

/** Below the packages, so that a bundle finds them; a checkout that shares them with others has a folder of its own. */
export const BUNDLES = join(ROOT, 'node_modules/.cache/liveproof', ROOT.replaceAll(/[^\w.]+/g, '-'));
const CURRENT = join(BUNDLES, 'current.json');

/** What was bundled. */
export interface Bundled {
  /** Below `BUNDLES`; has each entry point at its own path, as `.mjs`. */
  readonly folder: string;
  /** By path of the source, what `stampOf` said of it before it was read. */
  readonly sources: Readonly<Record<string, string>>;
}

/** What changes with a file: its size and its time, in seconds, as layers of an image keep no more. */
export function stampOf(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${size} ${Math.floor(mtimeMs / 1000)}`;
}

/** undefined when there is none, or a source has changed since. */
export function currentBundles(): Bundled | undefined {
  try {
    const bundled = JSON.parse(readFileSync(CURRENT, 'utf8')) as Bundled;
    const isCurrent = Object.entries(bundled.sources).every(([path, stamp]) => stampOf(path) === stamp);
    return isCurrent && isThere(bundled) ? bundled : undefined;
  } catch {
    return undefined;
  }
}

/** Old ones are taken away (`bundle.ts`). */
export function isThere({ folder }: Bundled): boolean {
  return existsSync(join(BUNDLES, folder));
}

/** Takes effect at once, for whoever looks from now on. */
export function setCurrentBundles(bundled: Bundled): void {
  const written = join(BUNDLES, `${bundled.folder}.json`);
  writeFileSync(written, JSON.stringify(bundled));
  renameSync(written, CURRENT);
}
