/**
 * `npm run bench:hls-latency`: from the publishing of a frame to a viewer's screen over HLS, by fragment length, on each
 * server that is there. The guide of seeds/004 claims 5 to 10 s at fragments of 1 s; the output says what was measured
 * and what it is made of.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import type { EngineName } from '../../lab/topology.ts';
import { renderLatencyPage } from './hls-latency-page.ts';
import { type LatencyRow, measureLatency, type Percentiles } from './hls-latency-run.ts';
import { CLAIM, DEFINITIONS, explain } from './hls-latency-words.ts';
import { optionsOf } from './options.ts';

const USAGE = `bench:hls-latency: how late HLS is, by fragment length
  --fragments S[,S…]  fragment lengths in seconds         (1,2,3)
  --engines E[,E…]    nginx-rtmp, builtin, srs            (nginx-rtmp,builtin, and srs with --srs)
  --srs PATH          an srs binary
  --watch SECONDS     how long the last player is watched (8)
  --json FILE         write the figures too
  --out DIR           write a page with a plot, latency.html
  --help`;

const ENGINES: readonly EngineName[] = ['nginx-rtmp', 'builtin', 'srs'];

export interface LatencyReport {
  readonly startedAt: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  readonly claim: typeof CLAIM;
  readonly definitions: typeof DEFINITIONS;
  readonly rows: readonly LatencyRow[];
  readonly explanation: readonly string[];
}

function usage(): never {
  console.error(USAGE);
  process.exit(2);
}

const values = optionsOf(
  {
    fragments: { type: 'string', default: '1,2,3' },
    engines: { type: 'string' },
    srs: { type: 'string' },
    watch: { type: 'string', default: '8' },
    json: { type: 'string' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
  USAGE,
);
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const fragments = values.fragments.split(',').map(Number);
const watchMs = Number(values.watch) * 1000;
const named = values.engines?.split(',') ?? ENGINES.filter((engine) => engine !== 'srs' || values.srs);
const engines = ENGINES.filter((engine) => named.includes(engine));
if (engines.length < named.length || ![...fragments, watchMs].every((value) => value > 0)) usage();
if (engines.includes('srs') && values.srs === undefined) usage();

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort());

const startedAt = new Date().toISOString();
const rows: LatencyRow[] = [];
for (const engine of engines) {
  process.stderr.write(`  ${engine}: fragments of ${fragments.join(', ')} s, side by side\n`);
  const measured = await Promise.all(
    fragments.map((fragmentSeconds) =>
      measureLatency({
        engine,
        fragmentSeconds,
        watchMs,
        signal: interrupt.signal,
        ...(values.srs === undefined ? {} : { srsPath: values.srs }),
      }),
    ),
  );
  rows.push(...measured.flat());
}

const report: LatencyReport = {
  startedAt,
  machine: { cpu: cpus()[0]?.model ?? 'cpu', cores: availableParallelism(), node: process.version },
  claim: CLAIM,
  definitions: DEFINITIONS,
  rows,
  explanation: explain(rows),
};
print(report);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
if (values.out !== undefined) {
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, 'latency.html'), renderLatencyPage(report));
}
process.exitCode = rows.every(({ frames, shown }) => frames > 0 && shown.p50 !== null) ? 0 : 3;

function print({ rows, definitions, explanation }: LatencyReport): void {
  const columns = [
    'engine',
    'fragment',
    'segment',
    'target',
    'start',
    'arrival p50',
    'p99',
    'shown p50',
    'p99',
    'stalls',
  ];
  const widths = [12, 9, 9, 8, 12, 13, 9, 11, 9, 8];
  const line = (cells: readonly string[]) =>
    console.log(cells.map((cell, i) => cell.padStart(widths[i]!)).join(''));
  line(columns);
  for (const row of rows) {
    line([
      row.engine,
      `${row.fragmentSeconds} s`,
      `${row.segmentSeconds.toFixed(2)} s`,
      `${row.targetDuration} s`,
      row.start,
      ...both(row.arrival),
      ...both(row.shown),
      String(row.stalls),
    ]);
  }
  console.log();
  for (const [name, says] of Object.entries(definitions)) console.log(`${name}: ${says}`);
  console.log();
  for (const sentence of explanation) console.log(sentence);
  for (const { engine, fragmentSeconds, start, problems } of rows) {
    for (const [code, count] of Object.entries(problems)) {
      console.log(`${engine}, ${fragmentSeconds} s, ${start}: ${code} ${count} times`);
    }
  }
}

function both({ p50, p99 }: Percentiles): string[] {
  return [p50, p99].map((ms) => (ms === null ? '-' : `${(ms / 1000).toFixed(2)} s`));
}
