/**
 * `npm run bench:drivers`: what a player costs, beside a bare reader of the same bytes in the same run. The floor is
 * what Node itself needs to read a socket; the driver's own part is what is above it.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { MEDIA, measure, median, mustLive, startChild } from './children.ts';
import type { FromFeeder, ToFeeder } from './feeder.ts';
import { optionsOf } from './options.ts';
import type { ReaderKind, ReaderResult } from './reader.ts';
import { UDP_PROTOCOLS, udpCosts } from './srt-webrtc.ts';

const USAGE = `bench:drivers: cores per 1000 players, and how many times a bare reader that is
  --clients N[,N…]   crowds to measure           (500,2000,5000)
  --rounds N         repetitions, median counts  (3)
  --window SECONDS   of each measurement         (6)
  --protocol P       rtmp, flv, both of them, srt, whep or all (all)
  --udp-clients N    crowd of SRT, and of WHEP, there at most 300 (1000)
  --json FILE        write the figures too
  --help`;

/** Required: a player costs at most this many times a bare reader, at REFERENCE_CLIENTS. */
const MAX_RATIO = 2.0;
const REFERENCE_CLIENTS = 2000;
const MAX_KB_PER_CLIENT = 40;
/** Ratios of all crowd sizes lie within this of the one at REFERENCE_CLIENTS. */
const FLATNESS = 0.2;

/** Of the 350 ms between two bursts: players of a big crowd are not served in bigger groups, but more often. */
const PLAYERS_PER_PHASE = 100;

/**
 * From the last client to the window, at REFERENCE_CLIENTS: the compiler has seen the code by then, as in any load of a
 * minute. A smaller crowd needs longer to bring as many frames, up to the most that is waited.
 */
const SETTLE_MS = 6000;
const MAX_SETTLE_MS = 24_000;

const PROTOCOLS = ['rtmp', 'flv'] as const;
type Protocol = (typeof PROTOCOLS)[number];

interface Row {
  protocol: Protocol;
  clients: number;
  bareCoresPer1000: number;
  playerCoresPer1000: number;
  /** Median of the rounds' ratios. */
  ratio: number;
  ratios: number[];
  kbPerClient: number;
  heapKbPerClient: number;
  bareKbPerClient: number;
  loopLagP99Ms: number;
  missing: number;
  corrupt: number;
  /** Every client received, at the rate of the source, in every round. */
  valid: boolean;
}

const values = optionsOf(
  {
    clients: { type: 'string', default: '500,2000,5000' },
    rounds: { type: 'string', default: '3' },
    window: { type: 'string', default: '6' },
    protocol: { type: 'string', default: 'all' },
    'udp-clients': { type: 'string', default: '1000' },
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
const udpClients = Number(values['udp-clients']);
const isChosen = (protocol: string, group: readonly string[]): boolean =>
  [protocol, ...group].includes(values.protocol);
const protocols = PROTOCOLS.filter((protocol) => isChosen(protocol, ['both', 'all']));
const udp = UDP_PROTOCOLS.filter((protocol) => isChosen(protocol, ['all']));
if (
  protocols.length + udp.length === 0 ||
  ![...sizes, rounds, windowMs, udpClients].every((value) => value > 0)
) {
  console.error(USAGE);
  process.exit(2);
}

const feeder = startChild('scenarios/benchmark/feeder.ts', [MEDIA]);
const dismiss = mustLive(feeder);
const [ports] = (await once(feeder, 'message')) as [FromFeeder];
const urls: Record<Protocol, string> = {
  rtmp: `rtmp://127.0.0.1:${ports.rtmpPort}/live/bench`,
  flv: `http://127.0.0.1:${ports.flvPort}/live/bench.flv`,
};
const rate = ports.bitsPerSecond / 8;
console.log(
  `${cpus()[0]?.model ?? 'cpu'}, ${availableParallelism()} cores, Node ${process.version}; ` +
    `${(ports.bitsPerSecond / 1000).toFixed(0)} kbit/s H.264 and AAC in bursts of 350 ms; ${rounds} rounds of ${values.window} s`,
);

const rows: Row[] = [];
for (const clients of protocols.length === 0 ? [] : sizes) {
  feeder.send({ phases: Math.ceil(clients / PLAYERS_PER_PHASE) } satisfies ToFeeder);
  const measured = new Map<string, ReaderResult[]>();
  for (let round = 0; round < rounds; round++) {
    for (const protocol of protocols) {
      for (const kind of ['bare', 'player'] satisfies ReaderKind[]) {
        const key = `${protocol}/${kind}`;
        const task = {
          kind,
          url: urls[protocol],
          clients,
          rampMs: Math.max(500, clients / 2),
          settleMs: Math.min(MAX_SETTLE_MS, SETTLE_MS * Math.max(1, REFERENCE_CLIENTS / clients)),
          windowMs,
        };
        const result = await measure(task);
        measured.set(key, [...(measured.get(key) ?? []), result]);
        process.stderr.write(
          `  ${key} ${clients}, round ${round + 1}: ${((result.cores / clients) * 1000).toFixed(4)} cores per 1000\n`,
        );
      }
    }
  }
  for (const protocol of protocols) {
    const bare = measured.get(`${protocol}/bare`)!;
    const player = measured.get(`${protocol}/player`)!;
    const ratios = player.map((result, round) => result.cores / bare[round]!.cores);
    const per1000 = (results: ReaderResult[]): number =>
      (median(results.map((r) => r.cores)) / clients) * 1000;
    rows.push({
      protocol,
      clients,
      bareCoresPer1000: per1000(bare),
      playerCoresPer1000: per1000(player),
      ratio: median(ratios),
      ratios,
      kbPerClient: median(player.map((r) => r.bytesPerClient)) / 1024,
      heapKbPerClient: median(player.map((r) => r.heapPerClient)) / 1024,
      bareKbPerClient: median(bare.map((r) => r.bytesPerClient)) / 1024,
      loopLagP99Ms: Math.max(...player.map((r) => r.loopLagP99Ms)),
      missing: player.reduce((sum, r) => sum + r.missing, 0),
      corrupt: player.reduce((sum, r) => sum + r.corrupt, 0),
      valid: [...bare, ...player].every(
        (r) => r.receiving === clients && Math.abs(r.bytesPerSecond / clients / rate - 1) < 0.1,
      ),
    });
  }
}
dismiss();

const columns = [
  'protocol',
  'clients',
  'bare/1000',
  'player/1000',
  'ratio',
  'rounds',
  'KB/client',
  'heap',
  'bare KB',
  'lag p99',
  'valid',
];
console.log(columns.map((column) => column.padStart(13)).join(''));
for (const row of rows) {
  const cells = [
    row.protocol,
    row.clients,
    row.bareCoresPer1000.toFixed(4),
    row.playerCoresPer1000.toFixed(4),
    row.ratio.toFixed(2),
    row.ratios.map((ratio) => ratio.toFixed(1)).join('/'),
    row.kbPerClient.toFixed(1),
    row.heapKbPerClient.toFixed(1),
    row.bareKbPerClient.toFixed(1),
    `${row.loopLagP99Ms.toFixed(0)} ms`,
    row.valid && row.missing === 0 && row.corrupt === 0 ? 'yes' : 'NO',
  ];
  console.log(cells.map((cell) => String(cell).padStart(13)).join(''));
}

const findings = protocols.flatMap((protocol) => {
  const own = rows.filter((row) => row.protocol === protocol);
  const reference = own.find((row) => row.clients === REFERENCE_CLIENTS);
  if (reference === undefined) return [];
  return [
    { what: `${protocol}: ratio at ${REFERENCE_CLIENTS}`, value: reference.ratio, limit: MAX_RATIO },
    { what: `${protocol}: KB per client, at most`, value: reference.kbPerClient, limit: MAX_KB_PER_CLIENT },
    {
      what: `${protocol}: ratio off the reference, at most`,
      value: Math.max(...own.map((row) => Math.abs(row.ratio / reference.ratio - 1))),
      limit: FLATNESS,
    },
  ].map((finding) => ({ ...finding, ok: finding.value <= finding.limit }));
});
for (const { what, value, limit, ok } of findings) {
  console.log(`${ok ? 'ok  ' : 'MISS'} ${what}: ${value.toFixed(2)} (limit ${limit})`);
}
const costs = await udpCosts(udp, udpClients, windowMs);
for (const line of costs.lines) console.log(line);
const invalid = rows.some((row) => !row.valid) || !costs.valid;
if (invalid) console.log('VOID a client did not receive at the rate of the source: the machine is too busy');
if (values.json !== undefined) {
  const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version };
  writeFileSync(
    values.json,
    `${JSON.stringify({ machine, rows, findings: [...findings, ...costs.findings] }, null, 2)}\n`,
  );
}
const lossless = rows.every(({ missing, corrupt }) => missing + corrupt === 0);
if (!lossless) console.log('MISS frames were missing or corrupt');
const held = lossless && [...findings, ...costs.findings].every((finding) => finding.ok);
process.exitCode = invalid ? 3 : held ? 0 : 1;
