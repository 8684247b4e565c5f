/** `npm run bench:srt`: what SRT players with all measurements on cost, in a process of their own. */
import { availableParallelism, cpus } from 'node:os';
import { MAX_PASSPHRASE, MIN_PASSPHRASE } from '../../protocols/srt/key-material.ts';
import { optionsOf } from './options.ts';
import type { ReaderResult } from './reader.ts';
import { srtCost } from './srt-cost.ts';

const USAGE = `bench of SRT: cores of SRT players at 480 kbit/s
  --clients N       (1000)
  --window SECONDS  of the measurement (8)
  --passphrase P    measures encrypted players, too (AES-128, 10 to 80 bytes), after those in the clear
  --help

example: npm run bench:srt -- --clients 300 --passphrase correcthorse`;

const values = optionsOf(
  {
    clients: { type: 'string', default: '1000' },
    window: { type: 'string', default: '8' },
    passphrase: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
  USAGE,
);
const clients = Number(values.clients);
const windowMs = Number(values.window) * 1000;
const { passphrase } = values;
const usable =
  passphrase === undefined ||
  (Buffer.byteLength(passphrase) >= MIN_PASSPHRASE && Buffer.byteLength(passphrase) <= MAX_PASSPHRASE);
if (values.help || !(clients > 0 && windowMs > 0 && usable)) {
  (values.help ? console.log : console.error)(USAGE);
  process.exit(values.help ? 0 : 2);
}

const { cost, floorCores, bitsPerSecond, fps, findings, encrypted, ...clear } = await srtCost(
  clients,
  windowMs,
  passphrase,
);
const { cores, receiving } = cost;
const valid = clear.valid && encrypted?.valid !== false;
const damaged = [cost, ...(encrypted === undefined ? [] : [encrypted.cost])].some(
  ({ missing, corrupt }) => missing + corrupt > 0,
);
console.log(
  `${cpus()[0]?.model ?? 'cpu'}, ${availableParallelism()} cores, Node ${process.version}; ${clients} players ` +
    `at ${(bitsPerSecond / 1000).toFixed(0)} kbit/s, ${receiving} streaming`,
);
console.log(line(cost, fps));
console.log(
  `bare callers of the same datagrams, before that: ${floorCores.toFixed(3)} cores; players take ` +
    `${(cores / floorCores).toFixed(2)} times as much`,
);
if (encrypted !== undefined) {
  console.log(`encrypted, after that: ${line(encrypted.cost, encrypted.fps)}`);
  console.log(
    `${encrypted.cost.receiving} streaming; encrypted players take ${(encrypted.cost.cores / cores).toFixed(2)} times as much as those in the clear`,
  );
}
for (const { what, value, limit, ok } of findings) {
  console.log(`${ok ? 'ok  ' : 'MISS'} ${what}: ${value.toFixed(3)} (limit ${limit})`);
}
if (!valid) console.log('VOID a player did not receive at the rate of the source: the machine is too busy');
process.exitCode = !valid ? 3 : findings.every(({ ok }) => ok) && !damaged ? 0 : 1;

function line({ cores, loopLagP99Ms, bytesPerClient, missing, corrupt }: ReaderResult, fps: number): string {
  return (
    `${cores.toFixed(3)} cores; ${fps.toFixed(1)} frames/s per player; loop lag p99 ${loopLagP99Ms.toFixed(0)} ms; ` +
    `${(bytesPerClient / 1024).toFixed(0)} KiB per player; frames missing ${missing}, corrupt ${corrupt}`
  );
}
