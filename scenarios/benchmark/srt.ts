/**
 * What SRT players with all measurements on cost: `node --import tsx scenarios/benchmark/srt.ts`. The players are in
 * this process, their server in one of its own.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ClientState } from '../../drivers/client.ts';
import { FrameMeter, MeterHistograms } from '../../drivers/measure/meter.ts';
import { type srtSnapshot, totalSrt } from '../../drivers/srt/figures.ts';
import { SrtPlayer } from '../../drivers/srt/player.ts';
import { HealthMonitor } from '../../drivers/swarm/health.ts';
import type { FromSrtFeeder } from './srt-feeder.ts';

const USAGE = `bench of SRT: cores of SRT players at 480 kbit/s
  --clients N       (1000)
  --window SECONDS  of the measurement (8)
  --help`;

/** Required: cores of 1000 players. */
const CORES_PER_1000 = 0.8;
/** The compiler has seen the code by then, as in any load of a minute. */
const SETTLE_MS = 6000;
const RAMP_MS_PER_CLIENT = 4;
const RAMP_STEP_MS = 10;
/** Of a player's share of the stream: all must receive at the rate of the source. */
const MIN_RATE = 0.95;

const MEDIA = fileURLToPath(new URL('../../fixtures/media/av-480k.flv', import.meta.url));

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1000' },
    window: { type: 'string', default: '8' },
    help: { type: 'boolean', default: false },
  },
});
const clients = Number(values.clients);
const windowMs = Number(values.window) * 1000;
if (values.help || !(clients > 0 && windowMs > 0)) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}

const feeder = fork(fileURLToPath(new URL('srt-feeder.ts', import.meta.url)), [MEDIA], {
  execArgv: ['--import', import.meta.resolve('tsx')],
});
feeder.once('exit', (code) => {
  console.error(`the feeder exited with ${code}`);
  process.exit(1);
});
const [{ port, bitsPerSecond }] = (await once(feeder, 'message')) as [FromSrtFeeder];

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const histograms = new MeterHistograms();
const players: SrtPlayer[] = [];
const meters: FrameMeter[] = [];
const memory = process.memoryUsage.rss();
const started = performance.now();
while (players.length < clients) {
  const due = Math.min(clients, Math.ceil((performance.now() - started) / RAMP_MS_PER_CLIENT));
  while (players.length < due) {
    const meter = new FrameMeter(histograms);
    const player = new SrtPlayer(`srt://127.0.0.1:${port}?streamid=live/bench`, meter);
    meter.attach(player.timing);
    meters.push(meter);
    players.push(player);
    player.open();
  }
  await wait(RAMP_STEP_MS);
}
await wait(SETTLE_MS);

const sum = (of: (meter: FrameMeter) => number): number =>
  meters.reduce((total, meter) => total + of(meter), 0);
const health = new HealthMonitor();
const figures = (): ReturnType<typeof srtSnapshot> => totalSrt(players.map(({ srt }) => srt!));
const before = figures();
const framesBefore = sum(({ received }) => received);
const cpu = process.cpuUsage();
const from = performance.now();
await wait(windowMs);
const used = process.cpuUsage(cpu);
const seconds = (performance.now() - from) / 1000;
const after = figures();
const cores = (used.user + used.system) / 1e6 / seconds;
const { loopLagP99Ms } = health.read();
health.stop();

const streaming = players.filter(({ state }) => state === ClientState.streaming).length;
const fps = (sum(({ received }) => received) - framesBefore) / seconds / clients;
const packets = (after.packetsReceived - before.packetsReceived) / seconds;
const acks = (after.acksSent - before.acksSent) / seconds;
const missing = sum(({ continuity }) => continuity.missing);
const corrupt = sum(({ corrupt }) => corrupt);
console.log(
  `${cpus()[0]?.model ?? 'cpu'}, ${availableParallelism()} cores, Node ${process.version}; ${clients} players ` +
    `at ${(bitsPerSecond / 1000).toFixed(0)} kbit/s, ${streaming} streaming`,
);
console.log(
  `${cores.toFixed(3)} cores; ${(packets / clients).toFixed(1)} packets/s and ${fps.toFixed(1)} frames/s per player, ` +
    `${(acks / clients).toFixed(1)} acknowledgements/s; loop lag p99 ${loopLagP99Ms.toFixed(0)} ms; ` +
    `${((process.memoryUsage.rss() - memory) / clients / 1024).toFixed(0)} KiB per player`,
);
console.log(
  `lost ${after.packetsLost}, retransmitted ${after.retransmitsReceived}, dropped ${after.packetsDropped}, ` +
    `frames missing ${missing}, corrupt ${corrupt}; latency p50 ${histograms.steady.percentile(50)?.toFixed(0)} ms, ` +
    `p99 ${histograms.steady.percentile(99)?.toFixed(0)} ms; rtt ${after.rtt.toFixed(2)} ms`,
);
for (const player of players) player.close();
feeder.removeAllListeners('exit');
feeder.disconnect();

const limit = (CORES_PER_1000 * clients) / 1000;
const valid = streaming === clients && fps > 25 * MIN_RATE;
console.log(
  `${cores <= limit ? 'ok  ' : 'FAIL'} cores of ${clients} players: ${cores.toFixed(3)} (limit ${limit})`,
);
if (!valid) console.log('VOID a player did not receive at the rate of the source: the machine is too busy');
process.exitCode = !valid ? 3 : cores <= limit && missing + corrupt === 0 ? 0 : 1;
