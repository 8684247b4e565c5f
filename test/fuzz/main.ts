/** Fuzzes decoders, each in a process of its own: `npm run fuzz -- --help`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { optionsOf } from '../../scenarios/benchmark/options.ts';
import type { Decoder } from './decoder.ts';
import { decodeOnce, FuzzError, type Fuzzed, fuzz, MAX_MS } from './fuzz.ts';
import { HANG_MS, watch } from './watchdog.ts';

const USAGE = `fuzzes the decoders of protocols, and what nodes read by themselves

  --decoder NAME   only these; may be repeated (all)
  --inputs N       of each decoder (1000000)
  --seed S         of the inputs (a new one each time; it is printed)
  --jobs N         decoders at a time (1)
  --keep DIR       where failing inputs go (out/fuzz)
  --again FILE     decodes one input that was kept
  --list           names of the decoders
  --help

An input may be refused with a typed error. Anything else fails: another error, more than ${MAX_MS} ms of CPU, memory that
grows, no return (the process is ended). Exit code 1 then, 0 when all is well, 2 for a wrong call.

examples
  npm run fuzz -- --inputs 20000
  npm run fuzz -- --decoder m3u8 --decoder sdp --seed 7
  npm run fuzz -- --again out/fuzz/m3u8-7.json`;

const SELF = fileURLToPath(import.meta.url);

/** What is kept of a failing input. */
interface Kept {
  readonly decoder: string;
  readonly seed: number;
  readonly error: string;
  /** Hexadecimal. */
  readonly pieces: readonly string[];
}

const values = optionsOf(
  {
    decoder: { type: 'string', multiple: true, default: [] },
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    keep: { type: 'string', default: 'out/fuzz' },
    again: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    /** For tests: a module with other DECODERS. */
    decoders: { type: 'string', default: fileURLToPath(new URL('./decoders/index.ts', import.meta.url)) },
    /** For tests: how long there may be no return. */
    'hang-ms': { type: 'string', default: String(HANG_MS) },
    /** This process fuzzes the decoder itself. */
    child: { type: 'boolean', default: false },
  },
  USAGE,
);

const { DECODERS: known } = (await import(pathToFileURL(values.decoders).href)) as {
  DECODERS: readonly Decoder[];
};
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const [inputs, jobs] = [Number(values.inputs), Number(values.jobs)];
const unknown = values.decoder.filter((name) => !known.some((decoder) => decoder.name === name));

function misuse(message: string): never {
  console.error(`${message}\n\n${USAGE}`);
  process.exit(2);
}

if (values.help) console.log(USAGE);
else if (values.list) console.log(known.map(({ name }) => name).join('\n'));
else if (unknown.length > 0) misuse(`no such decoder: ${unknown.join(', ')}`);
else if (!(inputs > 0 && jobs > 0 && Number.isInteger(seed)))
  misuse('--inputs, --jobs and --seed are numbers');
else if (values.again !== undefined) again(values.again);
else if (values.child) fuzzHere(known.find(({ name }) => name === values.decoder[0])!);
else await fuzzAll();

/** In processes of their own: one that has to be ended is not the end of the others. */
async function fuzzAll(): Promise<void> {
  mkdirSync(values.keep, { recursive: true });
  const names = values.decoder.length > 0 ? values.decoder : known.map(({ name }) => name);
  console.log(`${inputs} inputs each, seed ${seed}`);
  const waiting = [...names];
  const failed: string[] = [];
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const args = ['--child', '--decoder', name, '--inputs', `${inputs}`, '--seed', `${seed}`];
      const rest = ['--keep', values.keep, '--decoders', values.decoders, '--hang-ms', values['hang-ms']];
      const child = spawn(process.execPath, [...process.execArgv, SELF, ...args, ...rest], {
        stdio: 'inherit',
      });
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
      if (code === 0) continue;
      failed.push(name);
      if (signal !== null) console.log(`FAIL ${name}: ended by ${signal}, seed ${seed}`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  console.log(failed.length === 0 ? 'all well' : `failed: ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function fuzzHere(decoder: Decoder): void {
  const file = path.join(values.keep, `${decoder.name}-${seed}.json`);
  const about = { decoder: decoder.name, seed };
  const watchdog = watch(file, about, Number(values['hang-ms']));
  const started = performance.now();
  try {
    const fuzzed = fuzz(decoder, { inputs, seed, onInput: watchdog.onInput });
    console.log(`ok   ${decoder.name}: ${figures(fuzzed, performance.now() - started)}`);
  } catch (error) {
    if (!(error instanceof FuzzError)) throw error;
    console.log(`FAIL ${decoder.name}: ${error.defect}: ${error.message}`);
    process.exitCode = 1;
    if (error.pieces.length === 0) return;
    const pieces = error.pieces.map((piece) => Buffer.from(piece).toString('hex'));
    const kept: Kept = { ...about, error: error.message, pieces };
    writeFileSync(file, JSON.stringify(kept, undefined, 2));
    console.log(`  input ${pieces.join(' | ').slice(0, 2000)}\n  again: npm run fuzz -- --again ${file}`);
  } finally {
    watchdog.stop();
  }
}

function figures({ inputs: count, read, slowest, growth }: Fuzzed, ms: number): string {
  const share = ((100 * read) / count).toFixed(1);
  return `${count} inputs in ${(ms / 1000).toFixed(0)} s, ${share} % read, slowest ${slowest.toFixed(1)} ms, ${growth.toFixed(1)} MiB more`;
}

function again(file: string): void {
  let kept: Kept;
  try {
    kept = JSON.parse(readFileSync(file, 'utf8')) as Kept;
  } catch (error) {
    misuse(`${file} is no input that was kept: ${(error as Error).message}`);
  }
  const decoder = known.find(({ name }) => name === kept.decoder);
  if (decoder === undefined) misuse(`no such decoder: ${kept.decoder}`);
  const pieces = kept.pieces.map((piece) => new Uint8Array(Buffer.from(piece, 'hex')));
  const { read, ms } = decodeOnce(decoder, pieces);
  console.log(`${read ? 'read' : 'refused'} in ${ms.toFixed(1)} ms`);
}
