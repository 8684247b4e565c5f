/**
 * The clock in the picture: the number of a frame as black and white cells, which a viewer can read off the screen. It
 * survives scaling and compression: the cells are large, and four of each colour, whose place is known, tell what
 * black and white have become.
 *
 * A strip across the foot of the picture, two rows of sixteen cells:
 *
 * | row | cells | what |
 * |---|---|---|
 * | 0 | 16 | the number, most significant bit first; white is 1 |
 * | 1 | 4 | white, black, white, black |
 * | 1 | 8 | CRC-8 of the two bytes of the number |
 * | 1 | 4 | black, white, black, white |
 */

export const CLOCK_COLUMNS = 16;
export const CLOCK_ROWS = 2;
export const CLOCK_CELLS = CLOCK_COLUMNS * CLOCK_ROWS;
/** Numbers are below this. */
export const CLOCK_NUMBERS = 2 ** 16;
/** Where the strip begins and how high it is, as parts of the picture's height; it is as wide as the picture. */
export const CLOCK_TOP = 280 / 360;
export const CLOCK_HEIGHT = 80 / 360;

const WHITE = [16, 18, 29, 31] as const;
const BLACK = [17, 19, 28, 30] as const;
const CHECK_AT = 20;
/** Of the 0 to 255 of a luma sample: less between black and white is no clock. */
const LEAST_CONTRAST = 96;
/** A cell is one or the other when it is out of this part of the contrast around the middle. */
const UNCLEAR = 0.3;

/** CRC-8 with the polynomial x^8 + x^2 + x + 1 (ITU-T I.432.1, the header error control of ATM), from 0xff on. */
function crc8(number: number): number {
  let crc = 0xff;
  for (const byte of [number >> 8, number & 0xff]) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1;
  }
  return crc;
}

/** The cells row by row: 1 is white. @param number is taken modulo CLOCK_NUMBERS. */
export function encodeClock(number: number): Uint8Array {
  const cells = new Uint8Array(CLOCK_CELLS);
  const value = number % CLOCK_NUMBERS;
  for (let bit = 0; bit < 16; bit++) cells[bit] = (value >> (15 - bit)) & 1;
  const crc = crc8(value);
  for (let bit = 0; bit < 8; bit++) cells[CHECK_AT + bit] = (crc >> (7 - bit)) & 1;
  for (const at of WHITE) cells[at] = 1;
  return cells;
}

/**
 * The number in a picture.
 * @param luma of the middle of each cell, row by row, 0 to 255.
 * @returns undefined where there is no clock, or not a clear one, or the check does not fit.
 */
export function decodeClock(luma: ArrayLike<number>): number | undefined {
  const mean = (cells: readonly number[]) => cells.reduce((sum, at) => sum + luma[at]!, 0) / cells.length;
  const black = mean(BLACK);
  const contrast = mean(WHITE) - black;
  if (!(contrast >= LEAST_CONTRAST)) return undefined;
  let bits = 0;
  let check = 0;
  for (let cell = 0; cell < CLOCK_CELLS; cell++) {
    const level = (luma[cell]! - black) / contrast;
    if (Math.abs(level - 0.5) < UNCLEAR / 2) return undefined;
    const bit = level > 0.5 ? 1 : 0;
    if (cell < 16) bits = (bits << 1) | bit;
    else if (cell >= CHECK_AT && cell < CHECK_AT + 8) check = (check << 1) | bit;
    else if (bit !== (WHITE.includes(cell as (typeof WHITE)[number]) ? 1 : 0)) return undefined;
  }
  return crc8(bits) === check ? bits : undefined;
}
