/** Random bytes for the many short secrets of a session: one call of the library makes those of dozens of players. */
import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 4096;

let pool: Buffer = Buffer.alloc(0);
let taken = 0;

/** Part of a buffer that nobody else is given that part of, and that is never written to again. */
export function randomBytes(length: number): Buffer {
  if (length > pool.length - taken) {
    pool = randomFillSync(Buffer.allocUnsafeSlow(Math.max(POOL_BYTES, length)));
    taken = 0;
  }
  taken += length;
  return pool.subarray(taken - length, taken);
}
