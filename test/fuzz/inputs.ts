/** Inputs of decoders by fast-check: noise, and seeds that are changed. What fails shrinks towards an unchanged seed. */
import fc from 'fast-check';
import { Arrival, type Decoder } from './decoder.ts';

const MAX_CHANGES = 6;
const MAX_DATAGRAMS = 4;
const MAX_CUTS = 3;
const MAX_NOISE = 80;
/** Longest input, in bytes. */
const MAX_LENGTH = 64 * 1024;
/** One unit in so many is noise. */
const NOISE_EVERY = 8;

/** Lengths and counts at the edges of what fields can say. */
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** What is changed where: both are read modulo what there is. */
type Change = readonly [where: number, how: number];

export function inputsOf(decoder: Decoder): fc.Arbitrary<Uint8Array[]> {
  const seeds = decoder.seeds();
  const tokens = (decoder.tokens ?? []).map((token) => new Uint8Array(Buffer.from(token)));
  const word = fc.nat(0x7fffffff);
  const changes = fc.array(fc.tuple(word, word), { maxLength: MAX_CHANGES });
  const changed = fc
    .tuple(fc.nat(seeds.length - 1), changes)
    .map(([seed, list]) => list.reduce((bytes, change) => apply(bytes, change, seeds, tokens), seeds[seed]!));
  const unit = fc.oneof(
    { weight: NOISE_EVERY - 1, arbitrary: changed },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: MAX_NOISE }) },
  );
  switch (decoder.arrival) {
    case Arrival.datagrams:
      return fc.array(unit, { minLength: 1, maxLength: MAX_DATAGRAMS });
    case Arrival.stream:
      return fc.tuple(unit, fc.array(word, { maxLength: MAX_CUTS })).map(([bytes, at]) => cut(bytes, at));
    case Arrival.whole:
      return unit.map((bytes) => [bytes]);
  }
}

function apply(
  bytes: Uint8Array,
  [where, how]: Change,
  seeds: readonly Uint8Array[],
  tokens: readonly Uint8Array[],
): Uint8Array {
  const at = where % (bytes.length + 1);
  const value = how >>> 3;
  switch (how & 7) {
    case 0:
      return replaced(bytes, at, 1, Uint8Array.of(value));
    case 1:
      return replaced(bytes, at, 1, Uint8Array.of((bytes[at] ?? 0) ^ (1 << (value & 7))));
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return replaced(bytes, at, 1 + (value & 15), new Uint8Array(0));
    case 4:
      return replaced(bytes, at, 0, bytes.subarray(at, at + (value & 255)));
    case 5: {
      const size = 1 + (value & 3);
      const number = EXTREMES[(value >>> 2) % EXTREMES.length]!;
      return replaced(
        bytes,
        at,
        size,
        Uint8Array.from({ length: size }, (_, i) => number >>> (8 * (size - 1 - i))),
      );
    }
    case 6: {
      if (tokens.length > 0) return replaced(bytes, at, 0, tokens[value % tokens.length]!);
      return replaced(bytes, at, 4, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
    }
    default: {
      const other = seeds[value % seeds.length]!;
      const from = (value >>> 8) % (other.length + 1);
      return replaced(bytes, at, value & 31, other.subarray(from, from + 64));
    }
  }
}

function replaced(bytes: Uint8Array, at: number, count: number, by: Uint8Array): Uint8Array {
  const rest = Math.min(bytes.length, at + count);
  if (bytes.length + by.length > MAX_LENGTH) return bytes;
  const result = new Uint8Array(at + by.length + bytes.length - rest);
  result.set(bytes.subarray(0, at));
  result.set(by, at);
  result.set(bytes.subarray(rest), at + by.length);
  return result;
}

function cut(bytes: Uint8Array, words: readonly number[]): Uint8Array[] {
  const ends = words.map((word) => word % (bytes.length + 1)).sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}
