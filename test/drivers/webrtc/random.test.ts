import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes } from '../../../drivers/webrtc/random.ts';

test('random bytes: as many as asked for, and no byte of memory twice', () => {
  const given = new Map<ArrayBufferLike, Set<number>>();
  const values = new Set<string>();
  for (let round = 0; round < 2000; round++) {
    const bytes = randomBytes(8 + (round % 40));
    assert.equal(bytes.length, 8 + (round % 40));
    const places = given.get(bytes.buffer) ?? new Set();
    given.set(bytes.buffer, places);
    for (let at = 0; at < bytes.length; at++) {
      assert.ok(!places.has(bytes.byteOffset + at));
      places.add(bytes.byteOffset + at);
    }
    values.add(bytes.toString('hex'));
  }
  assert.equal(values.size, 2000);
  assert.equal(randomBytes(10_000).length, 10_000);
});
