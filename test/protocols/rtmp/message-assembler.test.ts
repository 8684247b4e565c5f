import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChunkReader } from '../../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../../protocols/rtmp/chunk-writer.ts';
import { type Message, MessageAssembler } from '../../../protocols/rtmp/message-assembler.ts';
import { encodeAbort, MessageTypeId } from '../../../protocols/rtmp/messages.ts';
import { hex } from './capture.ts';

test('only accepted types, also when they share a chunk stream with others', () => {
  const messages: Message[] = [];
  const assembler = new MessageAssembler(
    (message) => messages.push(message),
    (type) => type === MessageTypeId.CommandAmf0,
  );
  new ChunkReader(assembler).push(
    hex('03 000000 000001 14 00000000 aa 03 000000 000001 08 00000000 bb 03 000000 000001 14 00000000 cc'),
  );
  assert.deepEqual(
    messages.map(({ messageTypeId, payload }) => [messageTypeId, ...payload]),
    [
      [20, 0xaa],
      [20, 0xcc],
    ],
  );
});

test('each message has a buffer of its own', () => {
  const messages: Message[] = [];
  const bytes = hex('04 000000 000002 09 01000000 aabb c4 ccdd');
  new ChunkReader(new MessageAssembler((message) => messages.push(message))).push(bytes);
  bytes.fill(0);
  assert.deepEqual(
    messages.map(({ payload }) => Buffer.from(payload).toString('hex')),
    ['aabb', 'ccdd'],
  );
  assert.ok(messages.every(({ payload }) => payload.buffer !== bytes.buffer));
});

test('a message larger than the first allocation, and more in all than may be pending at once', () => {
  const writer = new ChunkWriter();
  const payload = new Uint8Array(3 * 1024 * 1024).map((_, index) => index * 31);
  const bytes = writer.encode(4, 9, 1, 0, payload);
  const whole = new ChunkWriter().encode(2, MessageTypeId.Abort, 0, 0, encodeAbort(4));
  let count = 0;
  const reader = new ChunkReader(
    new MessageAssembler((message) => {
      if (message.messageTypeId !== 9) return;
      count++;
      assert.equal(Buffer.compare(message.payload, payload), 0);
    }),
  );
  for (let round = 0; round < 12; round++) {
    reader.push(bytes);
    // Broken off at a chunk's end, given up: it counts no longer.
    reader.push(bytes, 0, 12 + 128 + 129 * 20_000);
    reader.push(whole);
  }
  assert.equal(count, 12);
});
