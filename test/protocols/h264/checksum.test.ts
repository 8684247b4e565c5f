import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Checksum } from '../../../protocols/h264/checksum.ts';
import { pushInPieces } from '../flv/collect.ts';

const MASK = 0xffffffffn;
const MULTIPLIER = 0x9e3779b1n;

/** The definition, in arbitrary precision and at once. */
function reference(bytes: Uint8Array): number {
  const lanes = [0x243f6a88n, 0x85a308d3n, 0x13198a2en, 0x03707344n];
  for (let i = 0; i * 4 < bytes.length; i++) {
    let word = 0n;
    for (let k = 0; k < 4; k++) word |= BigInt(bytes[i * 4 + k] ?? 0) << BigInt(8 * k);
    lanes[i % 4] = ((lanes[i % 4]! ^ word) * MULTIPLIER) & MASK;
  }
  let hash = BigInt(bytes.length);
  for (const lane of lanes) {
    const turned = ((hash << 13n) | (hash >> 19n)) & MASK;
    hash = ((turned ^ lane) * MULTIPLIER) & MASK;
  }
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & MASK;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & MASK;
  return Number(hash ^ (hash >> 16n));
}

function checksumOf(bytes: Uint8Array, cuts: readonly number[] = []): number {
  const checksum = new Checksum();
  pushInPieces(bytes, cuts, (piece, start, end) => checksum.update(piece, start, end));
  return checksum.digest();
}

test('at any split and any alignment it is what the definition says', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(7),
      fc.array(fc.nat(), { maxLength: 20 }),
      (bytes, shift, cuts) => {
        const shifted = new Uint8Array(bytes.length + shift).subarray(shift);
        shifted.set(bytes);
        assert.equal(checksumOf(shifted, cuts), reference(bytes));
      },
    ),
    { numRuns: 1000 },
  );
});

test('every length and every single cut up to three stripes', () => {
  const bytes = Uint8Array.from({ length: 50 }, (_, i) => (i * 89 + 7) & 255);
  for (let length = 0; length <= bytes.length; length++) {
    const part = bytes.subarray(0, length);
    const expected = reference(part);
    for (let cut = 0; cut <= length; cut++)
      assert.equal(checksumOf(part, [cut]), expected, `${length}/${cut}`);
  }
});

test('pieces from different buffers are one sequence', () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 31) & 255);
  const checksum = new Checksum();
  for (let at = 0; at < bytes.length; at += 37) {
    const copy = bytes.slice(at, at + 37);
    checksum.update(copy, 0, copy.length);
  }
  assert.equal(checksum.digest(), reference(bytes));
});

test('a digest does not end the sequence, a reset does', () => {
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => i);
  const checksum = new Checksum();
  checksum.update(bytes, 0, 30);
  assert.equal(checksum.digest(), reference(bytes.subarray(0, 30)));
  checksum.update(bytes, 30, 64);
  assert.equal(checksum.digest(), reference(bytes));
  checksum.reset();
  assert.equal(checksum.digest(), reference(new Uint8Array(0)));
});

test('damage within one word always shows, and so does a lost or an added zero byte', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 4, maxLength: 100 }),
      fc.nat(),
      fc.uint8Array({ minLength: 4, maxLength: 4 }).filter((mask) => mask.some((byte) => byte !== 0)),
      (bytes, place, mask) => {
        const word = (place % Math.floor(bytes.length / 4)) * 4;
        const damaged = bytes.slice();
        for (let k = 0; k < 4; k++) damaged[word + k]! ^= mask[k]!;
        assert.notEqual(checksumOf(damaged), checksumOf(bytes));
      },
    ),
    { numRuns: 500 },
  );
  const zeros = Array.from({ length: 40 }, (_, length) => checksumOf(new Uint8Array(length)));
  assert.equal(new Set(zeros).size, zeros.length);
});
