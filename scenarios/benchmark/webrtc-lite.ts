/**
 * `npm run bench:whep`: what WHEP players cost, in one process of their own: CPU per join, and cores per 1000 players
 * with every frame measured. Their server is a feeder in a process of its own, or one that is given.
 */
import { availableParallelism, cpus } from 'node:os';
import { optionsOf } from './options.ts';
import { isServed, TRANSPORT_NAMES, whepCost } from './webrtc-cost.ts';

const USAGE = `bench:whep: CPU of WHEP players of one process
  --url whep://…      a stream that is published with stamps, instead of the bench's own server
  --players N         (300)
  --ramp SECONDS      over which they join               (5)
  --window SECONDS    of the measurement                 (10)
  --warm CROWDS       that join and leave before         (3)
  --transport T       lite, full or datachannel          (lite)
  --server-pid N      of the server that is given: its CPU is told, too
  --help`;

const values = optionsOf(
  {
    url: { type: 'string' },
    players: { type: 'string', default: '300' },
    ramp: { type: 'string', default: '5' },
    window: { type: 'string', default: '10' },
    warm: { type: 'string', default: '3' },
    transport: { type: 'string', default: 'lite' },
    'server-pid': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
  USAGE,
);
const players = Number(values.players);
const rampMs = Number(values.ramp) * 1000;
const windowMs = Number(values.window) * 1000;
const warmCrowds = Number(values.warm);
const transport = TRANSPORT_NAMES.find((name) => name === values.transport);
const isMeasurable = players > 2 && rampMs > 0 && windowMs > 0 && warmCrowds >= 1;
if (values.help || transport === undefined || !isMeasurable) {
  (values.help ? console.log : console.error)(USAGE);
  process.exit(values.help ? 0 : 2);
}
const { cost, findings, serverCores } = await whepCost({
  players,
  rampMs,
  windowMs,
  transport,
  warmCrowds,
  ...(values.url !== undefined && { url: values.url }),
  ...(values['server-pid'] !== undefined && { serverPid: Number(values['server-pid']) }),
});
console.log(`${cpus()[0]?.model ?? 'cpu'}, ${availableParallelism()} cores, Node ${process.version}`);
const failed = Object.entries(cost.failures).map(([code, times]) => `${times} ${code}`);
console.log(
  `${values.transport}: ${cost.connected} of ${players} connected, the last ${cost.lastConnectedS.toFixed(2)} s after the first began; ` +
    `${failed.join(', ') || 'none failed'}; the server took ${serverCores.ramp.toFixed(2)} cores meanwhile`,
);
console.log(
  `each: ${cost.each.packets.toFixed(1)} packets/s, ${(cost.each.bits / 1000).toFixed(0)} kbit/s, ${cost.each.frames.toFixed(1)} frames/s, ` +
    `${cost.each.verified.toFixed(2)} of them with their checksum compared`,
);
console.log(
  `all: ${cost.cores.toFixed(3)} cores, the server ${serverCores.window.toFixed(2)}; missing ${cost.missing}, corrupt ${cost.corrupt}, ` +
    `lost packets ${cost.lostPackets}, recovered ${cost.recovered}; loop lag p99 ${cost.loopLagP99Ms.toFixed(0)} ms; ${cost.rssMb.toFixed(0)} MiB; ` +
    `a join of the first ${players} in the process took ${cost.msPerFirstJoin.toFixed(1)} ms of CPU, compiling included`,
);
for (const { what, value, limit, ok } of findings) {
  console.log(`${ok ? 'ok  ' : 'MISS'} ${what}: ${value.toFixed(3)} (limit ${limit})`);
}
const valid = isServed(cost, players, values.url === undefined);
const damaged = cost.missing + cost.corrupt > 0;
if (!valid) console.log('VOID not every player is connected, and receives at the rate of the source');
process.exitCode = !valid ? 3 : findings.every(({ ok }) => ok) && !damaged ? 0 : 1;
