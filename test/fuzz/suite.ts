/** Each decoder with the inputs that a test run can afford; the same in every run. `npm run fuzz` has more. */
import { test } from 'node:test';
import type { Decoder } from './decoder.ts';
import { fuzz } from './fuzz.ts';

const INPUTS = 20_000;
const SEED = 20_261_128;

export function fuzzEach(decoders: readonly Decoder[]): void {
  for (const decoder of decoders) {
    test(`${decoder.name}: ${INPUTS} inputs`, () => {
      fuzz(decoder, { inputs: INPUTS, seed: SEED });
    });
  }
}
