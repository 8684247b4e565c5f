/**
 * `npm run bench:hls`: what HLS players with all measurements on cost, beside bare readers that fetch a playlist and a
 * segment of the same bytes as often and look at nothing.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { MEDIA, measure, median, mustLive, startChild } from './children.ts';
import type { FromHlsFeeder } from './hls-feeder.ts';
import { optionsOf } from './options.ts';
import type { ReaderKind, ReaderResult } from './reader.ts';

const USAGE = `bench:hls: cores of HLS players of 2 s segments at 480 kbit/s, and how many times a bare reader that is
  --clients N[,N…]   crowds to measure           (2000)
  --rounds N         repetitions, median counts  (3)
  --window SECONDS   of each measurement         (8)
  --json FILE        write the figures too
  --help`;

/** Required: one core plays this many. */
const CLIENTS_PER_CORE = 2000;
/** From the last client to the window: the compiler has seen the code by then, as in any load of a minute. */
const SETTLE_MS = 8000;
/** So that requests are spread over a segment's time and not in step. */
const MIN_RAMP_MS = 4000;

interface Row {
  clients: number;
  bareCores: number;
  playerCores: number;
  /** Median of the rounds' ratios. */
  ratio: number;
  playerRounds: number[];
  kbPerClient: number;
  heapKbPerClient: number;
  mbitPerSecond: number;
  framesPerClientSecond: number;
  loopLagP99Ms: number;
  missing: number;
  corrupt: number;
  problems: number;
  /** Every client joined and got what the bare readers got, in every round. */
  valid: boolean;
}

const values = optionsOf(
  {
    clients: { type: 'string', default: String(CLIENTS_PER_CORE) },
    rounds: { type: 'string', default: '3' },
    window: { type: 'string', default: '8' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
  USAGE,
);
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const sizes = values.clients.split(',').map(Number);
const rounds = Number(values.rounds);
const windowMs = Number(values.window) * 1000;
if (![...sizes, rounds, windowMs].every((value) => value > 0)) {
  console.error(USAGE);
  process.exit(2);
}

const feeder = startChild('scenarios/benchmark/hls-feeder.ts', [MEDIA]);
const dismiss = mustLive(feeder);
const [{ port }] = (await once(feeder, 'message')) as [FromHlsFeeder];
const url = `http://127.0.0.1:${port}/live/bench.m3u8`;
console.log(
  `${cpus()[0]?.model ?? 'cpu'}, ${availableParallelism()} cores, Node ${process.version}; ` +
    `segments of 2 s at 480 kbit/s H.264 and AAC; ${rounds} rounds of ${values.window} s`,
);

const rows: Row[] = [];
for (const clients of sizes) {
  const measured: Record<ReaderKind, ReaderResult[]> = { bare: [], player: [] };
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['bare', 'player'] satisfies ReaderKind[]) {
      const rampMs = Math.max(MIN_RAMP_MS, clients * 2);
      const result = await measure({ kind, url, clients, rampMs, settleMs: SETTLE_MS, windowMs });
      measured[kind].push(result);
      process.stderr.write(`  ${kind} ${clients}, round ${round + 1}: ${result.cores.toFixed(3)} cores\n`);
    }
  }
  const { bare, player } = measured;
  rows.push({
    clients,
    bareCores: median(bare.map((r) => r.cores)),
    playerCores: median(player.map((r) => r.cores)),
    ratio: median(player.map((r, round) => r.cores / bare[round]!.cores)),
    playerRounds: player.map((r) => r.cores),
    kbPerClient: median(player.map((r) => r.bytesPerClient)) / 1024,
    heapKbPerClient: median(player.map((r) => r.heapPerClient)) / 1024,
    mbitPerSecond: (median(player.map((r) => r.bytesPerSecond)) * 8) / 1e6,
    framesPerClientSecond: median(player.map((r) => r.framesPerSecond)) / clients,
    loopLagP99Ms: Math.max(...player.map((r) => r.loopLagP99Ms)),
    missing: player.reduce((sum, r) => sum + r.missing, 0),
    corrupt: player.reduce((sum, r) => sum + r.corrupt, 0),
    problems: player.reduce((sum, r) => sum + r.problems, 0),
    valid: player.every(
      (r, round) =>
        r.receiving === clients && Math.abs(r.bytesPerSecond / bare[round]!.bytesPerSecond - 1) < 0.1,
    ),
  });
}
dismiss();

const columns = [
  'clients',
  'bare',
  'player',
  'ratio',
  'KB/client',
  'heap',
  'Mbit/s',
  'fps',
  'lag p99',
  'valid',
];
console.log(columns.map((column) => column.padStart(10)).join(''));
for (const row of rows) {
  const cells = [
    row.clients,
    row.bareCores.toFixed(3),
    row.playerCores.toFixed(3),
    row.ratio.toFixed(2),
    row.kbPerClient.toFixed(1),
    row.heapKbPerClient.toFixed(1),
    row.mbitPerSecond.toFixed(0),
    row.framesPerClientSecond.toFixed(1),
    `${row.loopLagP99Ms.toFixed(0)} ms`,
    row.valid && row.missing + row.corrupt + row.problems === 0 ? 'yes' : 'NO',
  ];
  console.log(cells.map((cell) => String(cell).padStart(10)).join(''));
}
const findings = rows.map((row) => {
  const limit = row.clients / CLIENTS_PER_CORE;
  return {
    what: `cores of ${row.clients} players`,
    value: row.playerCores,
    limit,
    ok: row.playerCores <= limit,
  };
});
for (const { what, value, limit, ok } of findings)
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}: ${value.toFixed(3)} (limit ${limit})`);
const lossless = rows.every((row) => row.missing + row.corrupt + row.problems === 0);
if (!lossless) console.log('FAIL frames were missing or corrupt, or players had problems');
const invalid = rows.some((row) => !row.valid);
if (invalid) console.log('VOID a client did not receive at the rate of the source: the machine is too busy');
if (values.json !== undefined) {
  const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version };
  writeFileSync(values.json, `${JSON.stringify({ machine, rows, findings }, null, 2)}\n`);
}
process.exitCode = invalid ? 3 : lossless && findings.every((finding) => finding.ok) ? 0 : 1;
