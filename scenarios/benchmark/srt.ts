/** `npm run bench:srt`: what SRT players with all measurements on cost, in a process of their own. */
import { availableParallelism, cpus } from 'node:os';
import { optionsOf } from './options.ts';
import { srtCost } from './srt-cost.ts';

const USAGE = `bench of SRT: cores of SRT players at 480 kbit/s
  --clients N       (1000)
  --window SECONDS  of the measurement (8)
  --help`;

const values = optionsOf(
  {
    clients: { type: 'string', default: '1000' },
    window: { type: 'string', default: '8' },
    help: { type: 'boolean', default: false },
  },
  USAGE,
);
const clients = Number(values.clients);
const windowMs = Number(values.window) * 1000;
if (values.help || !(clients > 0 && windowMs > 0)) {
  (values.help ? console.log : console.error)(USAGE);
  process.exit(values.help ? 0 : 2);
}

const { cost, floorCores, bitsPerSecond, fps, valid, findings } = await srtCost(clients, windowMs);
const { cores, receiving, loopLagP99Ms, bytesPerClient, missing, corrupt } = cost;
console.log(
  `${cpus()[0]?.model ?? 'cpu'}, ${availableParallelism()} cores, Node ${process.version}; ${clients} players ` +
    `at ${(bitsPerSecond / 1000).toFixed(0)} kbit/s, ${receiving} streaming`,
);
console.log(
  `${cores.toFixed(3)} cores; ${fps.toFixed(1)} frames/s per player; loop lag p99 ${loopLagP99Ms.toFixed(0)} ms; ` +
    `${(bytesPerClient / 1024).toFixed(0)} KiB per player; frames missing ${missing}, corrupt ${corrupt}`,
);
console.log(
  `bare callers of the same datagrams, before that: ${floorCores.toFixed(3)} cores; players take ` +
    `${(cores / floorCores).toFixed(2)} times as much`,
);
for (const { what, value, limit, ok } of findings) {
  console.log(`${ok ? 'ok  ' : 'MISS'} ${what}: ${value.toFixed(3)} (limit ${limit})`);
}
if (!valid) console.log('VOID a player did not receive at the rate of the source: the machine is too busy');
process.exitCode = !valid ? 3 : findings.every(({ ok }) => ok) && missing + corrupt === 0 ? 0 : 1;
