/**
 * Bundles the entry points: `node --import tsx runtime/bundle.ts`. What several of them need is in files of its own, and what
 * is imported late is loaded late. Packages are in the bundles, too: of some, hundreds of files would be loaded.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { BUNDLES, type Stamp, setCurrentBundles, stampOf } from './bundles.ts';
import { ENTRY_POINTS, ROOT } from './entry-points.ts';

/** What has binaries, or is found by where it lies, now or when a source comes to import it. */
const EXTERNAL = ['@playwright/test', 'esbuild', 'koffi', 'node-datachannel'];

/** Packages that are CommonJS require parts of Node. */
const REQUIRE =
  "import { createRequire as $createRequire } from 'node:module'; const require = $createRequire(import.meta.url);";

/** What a bundle depends on besides what is read into it; npm writes the first whenever it changes the packages. */
const BESIDES = [
  join(ROOT, 'node_modules/.package-lock.json'),
  join(ROOT, 'tsconfig.json'),
  import.meta.filename,
];

const sources: Record<string, Stamp> = {};
for (const path of BESIDES) if (existsSync(path)) sources[path] = stampOf(path);

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

const folder = `${Date.now()}-${process.pid}`;
mkdirSync(BUNDLES, { recursive: true });
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
