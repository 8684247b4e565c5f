/**
 * Bundles the entry points: `node --import tsx runtime/bundle.ts`. What several of them need is in files of its own, and what
 * is imported late is loaded late. Packages are in the bundles, too: of some, hundreds of files would be loaded.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { BUNDLES, setCurrentBundles, stampOf } from './bundles.ts';
import { ENTRY_POINTS, ROOT } from './entry-points.ts';

/** Processes that run from an older bundle than the current one may load the rest of it late. */
const KEPT_MS = 24 * 3_600_000;

/** What has binaries, or is found by where it lies. */
const EXTERNAL = ['@playwright/test', 'esbuild', 'fluent-ffmpeg', 'koffi', 'node-datachannel'];

/** Packages that are CommonJS require parts of Node. */
const REQUIRE =
  "import { createRequire as $createRequire } from 'node:module'; const require = $createRequire(import.meta.url);";

/** npm writes it whenever it changes the packages. */
const PACKAGES = join(ROOT, 'node_modules/.package-lock.json');

const sources: Record<string, string> = { [PACKAGES]: stampOf(PACKAGES) };

/** Notes what is read, and lets each source find what lies beside it by where it was written. */
const readSources: Plugin = {
  name: 'sources',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      sources[path] = stampOf(path);
      const meta = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
      const contents = readFileSync(path, 'utf8').replaceAll(
        /\bimport\.meta\.(url|filename|dirname)\b/g,
        (_, property) => JSON.stringify(meta[property as keyof typeof meta]),
      );
      return { contents, loader: 'ts' };
    });
  },
};

function removeOld(): void {
  for (const name of readdirSync(BUNDLES)) {
    const path = join(BUNDLES, name);
    // Others may be at the same.
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NaN);
    if (age > KEPT_MS) rmSync(path, { recursive: true, force: true });
  }
}

const folder = `${Date.now()}-${process.pid}`;
mkdirSync(BUNDLES, { recursive: true });
removeOld();
await build({
  absWorkingDir: ROOT,
  entryPoints: [...ENTRY_POINTS],
  outbase: ROOT,
  outdir: join(BUNDLES, folder),
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: EXTERNAL,
  banner: { js: REQUIRE },
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
  plugins: [readSources],
});
setCurrentBundles({ folder, sources });
