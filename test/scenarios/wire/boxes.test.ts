import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeBoxes } from '../../../scenarios/wire/boxes.ts';

function box(type: string, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, body]);
}

/** A `tfdt` of version 0 has its time in 4 bytes, one of version 1 in 8. */
function tfdt(version: 0 | 1, time: number): Buffer {
  const body = Buffer.alloc(version === 1 ? 12 : 8);
  body[0] = version;
  if (version === 1) body.writeBigUInt64BE(BigInt(time), 4);
  else body.writeUInt32BE(time, 4);
  return box('tfdt', body);
}

const fragment = (...inTraf: readonly Buffer[]): Buffer =>
  Buffer.concat([
    box('styp', Buffer.alloc(8)),
    box('moof', box('mfhd', Buffer.alloc(8)), box('traf', box('tfhd', Buffer.alloc(8)), ...inTraf)),
    box('mdat', Buffer.alloc(100)),
  ]);

test('a fragment tells its boxes and its time, in four bytes and in eight', () => {
  assert.deepEqual(describeBoxes(fragment(tfdt(0, 4_000_000_000))), {
    boxes: 'styp moof mdat',
    decodeTime: 4_000_000_000,
  });
  assert.equal(describeBoxes(fragment(tfdt(1, 2 ** 33))).decodeTime, 2 ** 33);
});

test('an initialization has no time, nor has a fragment without the box for it, or with one cut short', () => {
  const initialization = Buffer.concat([box('ftyp', Buffer.alloc(16)), box('moov', Buffer.alloc(40))]);
  assert.deepEqual(describeBoxes(initialization), { boxes: 'ftyp moov', decodeTime: null });
  assert.equal(describeBoxes(fragment()).decodeTime, null);
  assert.equal(describeBoxes(box('moof', box('mfhd'))).decodeTime, null);
  assert.equal(describeBoxes(fragment(box('tfdt', Buffer.alloc(7)))).decodeTime, null);
  assert.equal(describeBoxes(fragment(box('tfdt', Buffer.from([1, 0, 0, 0, 0, 0, 0, 9])))).decodeTime, null);
});

test('a box that is cut off, too short for its own head or behind one of no size is no box', () => {
  const whole = fragment(tfdt(0, 7));
  assert.deepEqual(describeBoxes(whole.subarray(0, -1)), { boxes: 'styp moof ?', decodeTime: 7 });
  assert.equal(describeBoxes(Buffer.concat([whole, Buffer.from([0, 0, 0, 8])])).boxes, 'styp moof mdat ?');
  assert.equal(describeBoxes(Buffer.concat([whole, Buffer.alloc(8)])).boxes, 'styp moof mdat ?');
  assert.equal(describeBoxes(Buffer.from('<html></html>')).boxes, '?');
  assert.deepEqual(describeBoxes(Buffer.alloc(0)), { boxes: '', decodeTime: null });
});

test('the bytes may be a part of a larger buffer', () => {
  const whole = fragment(tfdt(0, 7));
  const within = Buffer.concat([Buffer.alloc(3, 0xff), whole]).subarray(3);
  assert.deepEqual(describeBoxes(within), describeBoxes(whole));
});
