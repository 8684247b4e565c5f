import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CLOCK_CELLS,
  CLOCK_NUMBERS,
  decodeClock,
  encodeClock,
} from '../../../protocols/picture/clock-code.ts';

const numbers = fc.integer({ min: 0, max: CLOCK_NUMBERS - 1 });

/** What a camera, or a lossy codec in a narrow range, makes of it: black at `black`, white at `white`, some noise. */
function seen(number: number, black: number, white: number, noise: readonly number[] = []): number[] {
  return [...encodeClock(number)].map((cell, at) => (cell ? white : black) + (noise[at] ?? 0));
}

test('a number is what it was, whatever black and white have become', () => {
  fc.assert(
    fc.property(
      numbers,
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 190, max: 255 }),
      fc.array(fc.integer({ min: -15, max: 15 }), { minLength: CLOCK_CELLS, maxLength: CLOCK_CELLS }),
      (number, black, white, noise) => assert.equal(decodeClock(seen(number, black, white, noise)), number),
    ),
  );
});

test('one cell of the other colour, or two or three, is no number', () => {
  fc.assert(
    fc.property(
      numbers,
      fc.uniqueArray(fc.nat(CLOCK_CELLS - 1), { minLength: 1, maxLength: 3 }),
      (number, wrong) => {
        const luma = seen(number, 16, 235).map((level, at) => (wrong.includes(at) ? 251 - level : level));
        assert.equal(decodeClock(luma), undefined);
      },
    ),
  );
});

test('a cell that is neither black nor white is no number', () => {
  fc.assert(
    fc.property(numbers, fc.nat(15), (number, grey) => {
      const luma = seen(number, 0, 255);
      luma[grey] = 128;
      assert.equal(decodeClock(luma), undefined);
    }),
  );
});

test('a picture without a clock has none: one colour, stripes, the negative of a clock', () => {
  for (const level of [0, 16, 128, 255])
    assert.equal(decodeClock(new Array(CLOCK_CELLS).fill(level)), undefined);
  assert.equal(decodeClock(Array.from({ length: CLOCK_CELLS }, (_, at) => (at % 2 ? 255 : 0))), undefined);
  assert.equal(decodeClock(seen(77, 255, 0)), undefined);
  assert.equal(decodeClock([]), undefined);
});

test('numbers begin again after the last one', () => {
  assert.deepEqual(encodeClock(CLOCK_NUMBERS + 3), encodeClock(3));
});
