import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Checksum } from '../../../protocols/h264/checksum.ts';
import { fastBuffer, kernel } from '../../../protocols/h264/checksum-kernel.ts';

function sumOf(bytes: Uint8Array, start: number, end: number, cuts: readonly number[]): number {
  const checksum = new Checksum();
  const edges = [
    start,
    ...cuts.map((cut) => start + (cut % (end - start + 1))).toSorted((a, b) => a - b),
    end,
  ];
  for (const [index, edge] of edges.slice(1).entries()) checksum.update(bytes, edges[index]!, edge);
  return checksum.digest();
}

test('WebAssembly is used here', () => {
  assert.notEqual(kernel, undefined);
  assert.equal(fastBuffer.buffer, kernel?.buffer);
  assert.equal(fastBuffer.length, 65_536);
});

test('bytes in the fast buffer have the same checksum as anywhere else, at any place and split', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 500 }),
      fc.nat({ max: 40 }),
      fc.array(fc.nat(), { maxLength: 4 }),
      (bytes, offset, cuts) => {
        fastBuffer.set(bytes, offset);
        const expected = sumOf(bytes, 0, bytes.length, []);
        assert.equal(sumOf(fastBuffer, offset, offset + bytes.length, cuts), expected);
      },
    ),
    { numRuns: 500 },
  );
});

test('to the last byte of the fast buffer', () => {
  const bytes = Uint8Array.from({ length: fastBuffer.length }, (_, i) => (i * 31) & 0xff);
  fastBuffer.set(bytes);
  assert.equal(sumOf(fastBuffer, 0, fastBuffer.length, []), sumOf(bytes, 0, bytes.length, []));
});
