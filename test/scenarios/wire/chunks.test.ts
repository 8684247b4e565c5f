import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ChunkReader } from '../../../protocols/rtmp/chunk-reader.ts';
import { type Message, MessageAssembler } from '../../../protocols/rtmp/message-assembler.ts';
import {
  basicHeader,
  chunkHeader,
  chunksOf,
  controlChunk,
  MessageType,
  uint32,
} from '../../../scenarios/wire/chunks.ts';

function read(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  new ChunkReader(new MessageAssembler((message) => messages.push({ ...message }))).push(bytes);
  return messages;
}

test('the basic header has one, two or three bytes, as RTMP 1.0 section 5.3.1.1 draws it', () => {
  assert.deepEqual([...basicHeader(0, 3)], [0x03]);
  assert.deepEqual([...basicHeader(3, 63)], [0xff]);
  assert.deepEqual([...basicHeader(1, 64)], [0x40, 0]);
  assert.deepEqual([...basicHeader(0, 319)], [0x00, 255]);
  assert.deepEqual([...basicHeader(2, 320)], [0x81, 0, 1]);
  assert.deepEqual([...basicHeader(0, 65599)], [0x01, 255, 255]);
});

test('the message header has 11, 7, 3 or 0 bytes', () => {
  const fields = { chunkStreamId: 4, time: 0x0102, length: 0x030405, type: 9, messageStreamId: 1 };
  const hex = (form: 0 | 1 | 2 | 3): string => chunkHeader({ ...fields, form }).toString('hex');
  assert.equal(hex(0), `04${'000102'}${'030405'}09${'01000000'}`);
  assert.equal(hex(1), `44${'000102'}${'030405'}09`);
  assert.equal(hex(2), `84${'000102'}`);
  assert.equal(hex(3), 'c4');
});

test('from 0xFFFFFF on the timestamp is in a field of its own, also behind type 3', () => {
  assert.equal(chunkHeader({ form: 3, chunkStreamId: 4, time: 0xfffffe }).toString('hex'), 'c4');
  assert.equal(chunkHeader({ form: 3, chunkStreamId: 4, time: 0xffffff }).toString('hex'), 'c400ffffff');
  assert.equal(
    chunkHeader({ form: 2, chunkStreamId: 4, time: 0xffffffff }).toString('hex'),
    '84ffffffffffffff',
  );
});

test('a reader gets back what chunks say, for every chunk stream form, time and size', () => {
  for (const chunkStreamId of [3, 63, 64, 319, 320, 65599]) {
    for (const time of [0, 0xfffffe, 0xffffff, 0xffffffff]) {
      const payload = randomBytes(777);
      const message = { chunkStreamId, type: MessageType.video, messageStreamId: 1, time, payload };
      const [got] = read(Buffer.concat(chunksOf(message, 128)));
      assert.equal(got?.chunkStreamId, chunkStreamId);
      assert.equal(got?.timestamp, time);
      assert.deepEqual(Buffer.from(got!.payload), payload);
    }
  }
});

test('each chunk may have a size of its own, when Set Chunk Size comes between', () => {
  const payload = randomBytes(1000);
  const video = { chunkStreamId: 6, type: MessageType.video, messageStreamId: 1, time: 40, payload };
  const chunks = chunksOf(video, [128, 128, 500]);
  assert.equal(chunks.length, 4);
  const change = controlChunk(MessageType.setChunkSize, uint32(500));
  const messages = read(Buffer.concat([...chunks.slice(0, 2), change, ...chunks.slice(2)]));
  assert.deepEqual(Buffer.from(messages.at(-1)!.payload), payload);
});

test('an empty payload is one chunk', () => {
  const payload = new Uint8Array(0);
  assert.equal(chunksOf({ chunkStreamId: 6, type: 9, messageStreamId: 1, time: 0, payload }, 128).length, 1);
});
