/** `liveproof browser`: real players in a real browser at the entries of clusters, by Playwright. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TOPOLOGIES } from '../lab/topologies/index.ts';
import type { EngineName } from '../lab/topology.ts';
import type { Results } from '../reports/results.ts';
import { findChromium } from '../scenarios/browser/chromium.ts';
import { BROWSER_PROTOCOLS, type BrowserProtocol } from '../scenarios/browser/record.ts';
import { type BrowserRequest, environmentOf, planOf } from '../scenarios/browser/request.ts';
import { engineOption, OPEN_UDP, refuseSrsWithoutProgram } from './gate-options.ts';
import { CommandError, ExitCode, exitCodeOfRun, makeRunDirectory, UsageError } from './output.ts';
import { readResults } from './report.ts';

interface BrowserOptions {
  readonly topology: readonly string[];
  readonly protocol: readonly string[];
  readonly engine?: EngineName;
  readonly srs?: string;
  readonly openUdp?: boolean;
  readonly proofs: boolean;
  readonly out?: string;
}

/** As they are called outside. */
const PROTOCOL_OF: Readonly<Record<string, BrowserProtocol>> = { flv: 'flv', hls: 'hls', whep: 'webrtc' };

export function register(program: Command): void {
  program
    .command('browser')
    .description(
      'Do clusters play in a browser? mpegts.js, hls.js and WHEP in Chromium, beside a driver of ours.',
    )
    .addOption(
      several(
        '--topology <name>',
        'a cluster; may be given again',
        TOPOLOGIES.map(({ name }) => name),
      ),
    )
    .addOption(several('--protocol <name>', 'may be given again', Object.keys(PROTOCOL_OF)))
    .addOption(engineOption())
    .addOption(new Option('--srs <path>', 'the srs binary for engine srs').env('SRS_BIN'))
    .option('--open-udp', OPEN_UDP)
    .option('--no-proofs', 'without the clusters that have defects which the browser must find')
    .option('--out <dir>', 'where the report goes; a new directory below out/ when left out')
    .addHelpText(
      'after',
      `
A page on loopback, of another origin than the cluster, plays a stream that has a clock in its picture. What is judged: may the
page read it (CORS), the first picture, stalls, that every frame is shown once, and the latency from publisher to screen, beside that
of a driver of ours on the same URL. CHROMIUM_BIN names the browser; nothing is downloaded ("npm run setup -- browser" installs
Debian's). Screenshots, traces and records are in artefacts/ of the run.

Exit codes: 0 every verdict is pass; 1 a finding failed; 2 wrong use or nothing selected;
3 inconclusive, or a topology that was named cannot run here; 4 there is no browser.

Examples:
  npm run test:browser
  npm run test:browser -- --topology edge-cluster --protocol whep --no-proofs
  liveproof browser --engine srs --srs ./objs/srs --open-udp --topology edge-cluster`,
    )
    .action(async (options: BrowserOptions) => {
      process.exitCode = await browser(options);
    });
}

function several(flags: string, says: string, names: readonly string[]): Option {
  return new Option(flags, says)
    .choices([...names])
    .argParser((name: string, before: readonly string[]) => {
      if (!names.includes(name)) throw new InvalidArgumentError(`Allowed choices are ${names.join(', ')}.`);
      return before.includes(name) ? before : [...before, name];
    })
    .default([] as readonly string[], 'every one that can run here');
}

async function browser(options: BrowserOptions): Promise<ExitCode> {
  const chromium = findChromium();
  if (chromium === undefined) {
    throw new CommandError(
      'There is no Chromium: type `npm run setup -- browser`, or name one in CHROMIUM_BIN.',
      ExitCode.labNotUp,
    );
  }
  refuseSrsWithoutProgram([options.engine], options.srs);
  const named = options.topology.length > 0;
  const asked = {
    topologies: named ? options.topology : TOPOLOGIES.map(({ name }) => name),
    protocols:
      options.protocol.length > 0 ? options.protocol.map((name) => PROTOCOL_OF[name]!) : BROWSER_PROTOCOLS,
    ...(options.engine === undefined ? {} : { engine: options.engine }),
    ...(options.srs === undefined ? {} : { srsPath: options.srs }),
    openUdp: options.openUdp === true,
    proofs: options.proofs,
    chromium,
    command: process.argv.slice(2),
    named,
  };
  const { runs, leftOut } = planOf({ ...asked, out: '' });
  if (runs.length === 0 && !(named && leftOut.length > 0))
    throw new UsageError('No such cluster has an entry for such a protocol.');
  const out = makeRunDirectory('browser', options.out);
  const since = Date.now();
  await runPlaywright({ ...asked, out });
  const results = await resultsSince(out, since);
  process.stdout.write(
    `\n${results.verdict}${results.interrupted ? ' (interrupted)' : ''}\n${relative(process.cwd(), join(out, 'report.html'))}\n`,
  );
  return exitCodeOfRun(results);
}

/** Throws CommandError where Playwright ended before it left any: what is older is of another run with the same folder. */
export async function resultsSince(out: string, since: number): Promise<Results> {
  const file = join(out, 'results.json');
  const results = existsSync(file) ? await readResults(file) : undefined;
  if (results !== undefined && Date.parse(results.startedAt) >= since) return results;
  throw new CommandError('Playwright ended without results: what it printed says why.', ExitCode.fail);
}

const CONFIG = fileURLToPath(new URL('../scenarios/browser/playwright.config.ts', import.meta.url));

/**
 * What it found is in the results; its own exit code says less. It is of the same process group, so that a terminal tells it of
 * Ctrl-C; it is told again, as whoever signals this process alone does not. For a second after a SIGINT Playwright ignores others.
 */
async function runPlaywright(request: BrowserRequest): Promise<void> {
  const cli = createRequire(import.meta.url).resolve('@playwright/test/cli');
  const child = spawn(process.execPath, [cli, 'test', '--config', CONFIG], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...environmentOf(request) },
  });
  const tell = (): void => void child.kill('SIGINT');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, tell);
  await once(child, 'exit');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, tell);
}
