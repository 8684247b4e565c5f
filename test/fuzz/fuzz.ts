/** Feeds a decoder with inputs: it may refuse them with a typed error, and nothing else. */
import fc from 'fast-check';
import { ProtocolError } from '../../protocols/errors.ts';
import { retained } from '../support/memory.ts';
import type { Decoder } from './decoder.ts';
import { inputsOf } from './inputs.ts';

/** No input may hold a process up for longer. */
export const MAX_MS = 100;
/** What may be kept of all inputs together, in MiB: caches and compiled code. */
const MAX_GROWTH = 8;
/** A tenth of the inputs comes before the memory is looked at. */
const WARM_UP = 0.1;
const READ_PER_THOUSAND = 10;

export const Defect = {
  /** Another error than a typed one. */
  crash: 'crash',
  /** An input took more than MAX_MS. */
  slow: 'slow',
  growth: 'growth',
  /** Hardly any input is read: the seeds are not what the decoder decodes. */
  vacuous: 'vacuous',
} as const;
export type Defect = (typeof Defect)[keyof typeof Defect];

export interface Fuzzed {
  readonly inputs: number;
  /** Inputs that were decoded without an error. */
  readonly read: number;
  /** Of one input, in ms. */
  readonly slowest: number;
  /** In MiB. */
  readonly growth: number;
}

export class FuzzError extends Error {
  override readonly name = 'FuzzError';
  readonly defect: Defect;
  /** The smallest input that shows it; empty where no single one does. */
  readonly pieces: readonly Uint8Array[];

  constructor(defect: Defect, message: string, pieces: readonly Uint8Array[] = [], options?: ErrorOptions) {
    super(message, options);
    this.defect = defect;
    this.pieces = pieces;
  }
}

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  /** Default MAX_MS. */
  readonly maxMs?: number;
  /** Before each input. */
  readonly onInput?: (pieces: readonly Uint8Array[]) => void;
}

/** Throws FuzzError. */
export function fuzz(decoder: Decoder, { inputs, seed, maxMs, onInput }: FuzzOptions): Fuzzed {
  const figures = { read: 0, slowest: 0 };
  const arbitrary = inputsOf(decoder);
  const run = (count: number, runSeed: number): void => {
    const property = fc.property(arbitrary, (pieces) => {
      onInput?.(pieces);
      const { read, ms } = decodeOnce(decoder, pieces, maxMs);
      if (read) figures.read++;
      figures.slowest = Math.max(figures.slowest, ms);
    });
    const details = fc.check(property, { numRuns: count, seed: runSeed });
    if (!details.failed) return;
    const pieces = details.counterexample![0];
    const cause = withStack(decoder, pieces, maxMs) ?? details.errorInstance;
    const defect = cause instanceof FuzzError ? cause.defect : Defect.crash;
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new FuzzError(defect, `seed ${seed}, input ${details.numRuns}: ${text}`, pieces, { cause });
  };
  const before = Math.ceil(inputs * WARM_UP);
  // Most inputs are refused, and a stack is most of what an error costs.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  let held: number;
  try {
    run(before, seed);
    held = retained();
    run(inputs - before, seed + 1);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  const growth = retained() - held;
  if (growth > MAX_GROWTH) {
    throw new FuzzError(Defect.growth, `seed ${seed}: ${growth.toFixed(1)} MiB are kept of ${inputs} inputs`);
  }
  const needed = (inputs * (decoder.readPerThousand ?? READ_PER_THOUSAND)) / 1000;
  if (figures.read < needed) {
    throw new FuzzError(Defect.vacuous, `seed ${seed}: ${figures.read} of ${inputs} inputs were read`);
  }
  return { inputs, growth, ...figures };
}

const STACK = 20;

/** What a failing input throws, once more. */
function withStack(decoder: Decoder, pieces: readonly Uint8Array[], maxMs?: number): unknown {
  Error.stackTraceLimit = STACK;
  try {
    decodeOnce(decoder, pieces, maxMs);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Throws what is no typed error, and FuzzError for an input that takes too long. */
export function decodeOnce(
  decoder: Decoder,
  pieces: readonly Uint8Array[],
  maxMs = MAX_MS,
): { read: boolean; ms: number } {
  const started = performance.now();
  const read = isRead(decoder, pieces);
  const ms = performance.now() - started;
  if (ms <= maxMs) return { read, ms };
  // The machine may have had other things to do: what counts is the CPU time, three times.
  const times = [0, 1, 2].map(() => {
    const from = process.cpuUsage();
    isRead(decoder, pieces);
    const { user, system } = process.cpuUsage(from);
    return (user + system) / 1000;
  });
  const least = Math.min(...times);
  if (least > maxMs) throw new FuzzError(Defect.slow, `${least.toFixed(0)} ms of CPU`, pieces);
  return { read, ms: least };
}

function isRead(decoder: Decoder, pieces: readonly Uint8Array[]): boolean {
  try {
    decoder.decode(pieces);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError || decoder.errors?.some((kind) => error instanceof kind)) return false;
    throw error;
  }
}
