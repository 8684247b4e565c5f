/**
 * `node --import tsx scenarios/benchmark/webrtc-lite.ts --url whep://…`: what WHEP players cost, in this one process,
 * against a server that is given and a stream that is being published there with stamps: CPU per join, and cores per
 * 1000 players with every frame measured.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { ClientState } from '../../drivers/client.ts';
import { FrameMeter, MeterHistograms } from '../../drivers/measure/meter.ts';
import { openDatachannel } from '../../drivers/webrtc/datachannel/transport.ts';
import { webRtcSnapshot } from '../../drivers/webrtc/figures.ts';
import { liteTransport } from '../../drivers/webrtc/lite/transport.ts';
import { WhepPlayer } from '../../drivers/webrtc/player.ts';

const USAGE = `webrtc-lite: CPU of WHEP players of one process
  --url whep://…      a stream that is published with stamps; where none is, joins alone are judged
  --players N         (300)
  --ramp SECONDS      over which they join               (5)
  --window SECONDS    of the measurement                 (10)
  --transport T       lite, full or datachannel          (lite)
  --help`;

/** Required. */
const MAX_CORES_PER_1000 = 1.0;
const MAX_MS_PER_JOIN = 3;
/** After the last join begins, all are connected. */
const CONNECT_GRACE_MS = 1000;
/** The compiler has seen the code by then, as in any load of a minute. */
const SETTLE_MS = 8000;

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    players: { type: 'string', default: '300' },
    ramp: { type: 'string', default: '5' },
    window: { type: 'string', default: '10' },
    transport: { type: 'string', default: 'lite' },
    help: { type: 'boolean', default: false },
  },
});
const transports = {
  lite: () => liteTransport(),
  full: () => liteTransport({ sample: 1 }),
  datachannel: () => openDatachannel,
};
const count = Number(values.players);
const rampMs = Number(values.ramp) * 1000;
const windowMs = Number(values.window) * 1000;
const make = transports[values.transport as keyof typeof transports];
if (
  values.help ||
  values.url === undefined ||
  make === undefined ||
  !(count > 0 && rampMs > 0 && windowMs > 0)
) {
  (values.help ? console.log : console.error)(USAGE);
  process.exit(values.help ? 0 : 2);
}
const { url } = values;
const open = make();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

const histograms = new MeterHistograms();
const meters: FrameMeter[] = [];
const players: WhepPlayer[] = [];
let connectedCount = 0;
let lastConnected = Number.NaN;
const failures = new Map<string, number>();

/** Resolves when the player is connected, or has failed. */
function join(): Promise<void> {
  return new Promise((resolve) => {
    const meter = new FrameMeter(histograms);
    const player = new WhepPlayer(
      url!,
      meter,
      {},
      {
        onState: (_client, state) => {
          if (state !== ClientState.streaming) return;
          connectedCount++;
          lastConnected = performance.now();
          resolve();
        },
        onClosed: (_client, { code }) => {
          failures.set(code, (failures.get(code) ?? 0) + 1);
          resolve();
        },
      },
      open,
    );
    meter.attach(player.timing);
    meters.push(meter);
    players.push(player);
    player.open();
  });
}

const cpuMs = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000;
const totals = () => ({
  frames: meters.reduce((sum, meter) => sum + meter.received, 0),
  verified: meters.reduce((sum, meter) => sum + meter.verified, 0),
  corrupt: meters.reduce((sum, meter) => sum + meter.corrupt, 0),
  missing: meters.reduce((sum, meter) => sum + meter.continuity.missing, 0),
  ...webRtcSnapshot(players).rtp,
});

// Two players warm the compiler and make the certificate.
await Promise.all([join(), join()]);
const joinsBefore = process.cpuUsage();
const began = performance.now();
const joins: Promise<void>[] = [];
for (let i = 2; i < count; i++) {
  await sleep(began + ((i - 2) * rampMs) / count - performance.now());
  joins.push(join());
}
await Promise.all(joins);
const joinCpu = cpuMs(process.cpuUsage(joinsBefore));
const joinWall = performance.now() - began;
await sleep(SETTLE_MS);

const before = totals();
const windowBefore = process.cpuUsage();
const windowBegan = performance.now();
await sleep(windowMs);
const cpu = cpuMs(process.cpuUsage(windowBefore));
const seconds = (performance.now() - windowBegan) / 1000;
const after = totals();
const per = (name: keyof ReturnType<typeof totals>): number => (after[name] - before[name]) / seconds / count;
const cores = cpu / 1000 / seconds;
const per1000 = (cores / count) * 1000;
// While players join, those that are there play: on average half of them, over the ramp.
const playing = cores * 1000 * (joinWall / 1000) * 0.5;
const perJoin = Math.max(0, joinCpu - playing) / (count - 2);

console.log(`${cpus()[0]?.model ?? 'cpu'}, ${availableParallelism()} cores, Node ${process.version}`);
console.log(
  `${values.transport}: ${connectedCount} of ${count} connected, the last ${((lastConnected - began) / 1000).toFixed(2)} s after the first began; ` +
    `${[...failures].map(([code, times]) => `${times} ${code}`).join(', ') || 'none failed'}`,
);
console.log(
  `each: ${per('packets').toFixed(1)} packets/s, ${((per('bytes') * 8) / 1000).toFixed(0)} kbit/s, ${per('frames').toFixed(1)} frames/s, ` +
    `${per('verified').toFixed(2)} of them with their checksum compared`,
);
console.log(
  `all: missing ${after.missing}, corrupt ${after.corrupt}, lost packets ${after.lost + after.audioLost}, recovered ${after.recovered}`,
);
const latency = histograms.steady;
console.log(
  `memory: ${(process.memoryUsage().rss / 1024 / 1024).toFixed(0)} MiB; frames in the histogram: ${latency.count}`,
);
const findings = [
  { what: 'cores per 1000 players', value: per1000, limit: MAX_CORES_PER_1000 },
  { what: 'CPU per join, ms', value: perJoin, limit: MAX_MS_PER_JOIN },
  {
    what: 'all connected after, s',
    value: (lastConnected - began) / 1000,
    limit: (rampMs + CONNECT_GRACE_MS) / 1000,
  },
];
for (const { what, value, limit } of findings) {
  console.log(`${value <= limit ? 'ok  ' : 'MISS'} ${what}: ${value.toFixed(3)} (limit ${limit})`);
}
const valid = connectedCount === count;
if (!valid) console.log('VOID not every player is connected');
for (const player of players) player.close();
await Promise.all(players.map(({ leaving }) => leaving));
process.exit(valid ? (findings.every(({ value, limit }) => value <= limit) ? 0 : 1) : 3);
