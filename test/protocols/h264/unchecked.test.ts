/** Stamps whose slices were left encrypted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnnexBScanner } from '../../../protocols/h264/annexb-scanner.ts';
import { encodeStamp, leaveUnchecked } from '../../../protocols/h264/stamp.ts';

const SLICE = Uint8Array.of(0x41, 0x9a, 1, 2, 3);
const stamp = (): Uint8Array => encodeStamp({ stream: 1, frame: 9, sentAt: 1_700_000_000_000 }, [SLICE]);

function scanned(...nals: readonly Uint8Array[]): AnnexBScanner {
  const scanner = new AnnexBScanner();
  scanner.begin();
  for (const nal of nals) scanner.data(Uint8Array.of(0, 0, 1, ...nal), 0, nal.length + 3);
  scanner.end();
  return scanner;
}

test('a stamp that is left unchecked is intact with any slices, but not without, and not when it is damaged', () => {
  const blank = stamp();
  leaveUnchecked(blank, 0, blank.length);
  const head = scanned(blank, SLICE.subarray(0, 2));
  assert.deepEqual([head.intact, head.unchecked, head.frame], [true, true, 9]);
  assert.equal(scanned(blank).intact, false);
  assert.equal(scanned(blank, SLICE, new Uint8Array(0)).intact, false);
  const damaged = blank.slice();
  damaged[30] = 0x7a;
  assert.equal(scanned(damaged, SLICE).intact, false);
});

test('all others are compared as before', () => {
  const whole = scanned(stamp(), SLICE);
  assert.deepEqual([whole.intact, whole.unchecked], [true, false]);
  assert.equal(scanned(stamp(), SLICE.subarray(0, 2)).intact, false);
  for (let dashes = 1; dashes < 8; dashes++) {
    const almost = stamp().fill(0x2d, 50, 50 + dashes);
    const { intact, unchecked } = scanned(almost, SLICE);
    assert.deepEqual([intact, unchecked], [false, false]);
  }
});

test('only a whole stamp is changed', () => {
  const other = Uint8Array.from(stamp().subarray(0, 58));
  const before = other.slice();
  leaveUnchecked(other, 0, other.length);
  assert.deepEqual(other, before);
  const within = Uint8Array.of(7, 7, ...stamp(), 7);
  leaveUnchecked(within, 2, 61);
  assert.deepEqual(within.subarray(52, 60), new Uint8Array(8).fill(0x2d));
  assert.deepEqual([within[0], within[60], within[61]], [7, 0x80, 7]);
});
