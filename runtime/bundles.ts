/** Where the bundles of the entry points are, and whether they are what the sources say. */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
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

/** What changes with a file: its size and its time. */
export function stampOf(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${size} ${mtimeMs}`;
}

/** undefined when there is none, or a source has changed since. */
export function currentBundles(): Bundled | undefined {
  try {
    const bundled = JSON.parse(readFileSync(CURRENT, 'utf8')) as Bundled;
    return Object.entries(bundled.sources).every(([path, stamp]) => stampOf(path) === stamp)
      ? bundled
      : undefined;
  } catch {
    return undefined;
  }
}

/** Takes effect at once, for whoever looks from now on. */
export function setCurrentBundles(bundled: Bundled): void {
  const written = join(BUNDLES, `${bundled.folder}.json`);
  writeFileSync(written, JSON.stringify(bundled));
  renameSync(written, CURRENT);
}
