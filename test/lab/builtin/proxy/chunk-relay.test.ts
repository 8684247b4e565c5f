import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkRelay } from '../../../../lab/builtin/proxy/chunk-relay.ts';
import { ChunkReader } from '../../../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../../../protocols/rtmp/chunk-writer.ts';
import { type Message, MessageAssembler } from '../../../../protocols/rtmp/message-assembler.ts';
import { encodeSetChunkSize, MessageTypeId } from '../../../../protocols/rtmp/messages.ts';

const FROM = 1;
const TO = 7;

const message = fc.record({
  chunkStreamId: fc.constantFrom(3, 4, 6, 70, 400),
  messageTypeId: fc.constantFrom(8, 9, 18, 20, 4, 3),
  messageStreamId: fc.constantFrom(0, FROM),
  timestamp: fc.oneof(fc.nat(2 ** 24), fc.constantFrom(0xfffffe, 0xffffff, 0x1000000, 2 ** 32 - 1)),
  length: fc.oneof(fc.nat(300), fc.nat(9000)),
  chunkSize: fc.option(fc.integer({ min: 1, max: 5000 }), { freq: 6, nil: undefined }),
});

/** As a peer would send them: compressed headers, chunk sizes that change in between. */
function written(messages: readonly Message[], sizes: readonly (number | undefined)[]): Uint8Array {
  const writer = new ChunkWriter();
  const bytes: Uint8Array[] = [];
  for (const [
    index,
    { chunkStreamId, messageTypeId, messageStreamId, timestamp, payload },
  ] of messages.entries()) {
    const size = sizes[index];
    if (size !== undefined) {
      bytes.push(writer.encode(2, MessageTypeId.SetChunkSize, 0, 0, encodeSetChunkSize(size)));
      writer.chunkSize = size;
    }
    bytes.push(writer.encodeCompressed(chunkStreamId, messageTypeId, messageStreamId, timestamp, payload));
  }
  return Buffer.concat(bytes);
}

function collector(): { messages: Message[]; reader: ChunkReader } {
  const messages: Message[] = [];
  const reader = new ChunkReader(new MessageAssembler((one) => messages.push(one)));
  return { messages, reader };
}

test('what comes in goes out, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 12 }),
      fc.array(fc.nat(2000), { minLength: 1, maxLength: 20 }),
      fc.nat(4),
      (shapes, cuts, before) => {
        const messages = shapes.map(({ length, chunkSize: _, ...rest }, index) => ({
          ...rest,
          payload: new Uint8Array(length).fill(index + 1),
        }));
        const bytes = written(
          messages,
          shapes.map(({ chunkSize }) => chunkSize),
        );
        const kept: Message[] = [];
        const relay = new ChunkRelay({
          onMessage: (one) => {
            if (kept.length < before) kept.push(one);
            else relay.put(one);
            if (kept.length === before) relay.begin(128, FROM, TO);
          },
        });
        if (before === 0) relay.begin(128, FROM, TO);
        const { messages: got, reader } = collector();
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const end = Math.min(bytes.length, at + 1 + cuts[cut % cuts.length]!);
          relay.reader.push(bytes, at, end);
          for (const piece of relay.take()) reader.push(piece);
          at = end;
        }
        const early = withoutSizes(kept).length;
        assert.deepEqual(withoutSizes(got).map(plain), messages.slice(early).map(moved).map(plain));
      },
    ),
  );
});

function withoutSizes(messages: readonly Message[]): Message[] {
  return messages.filter(({ messageTypeId }) => messageTypeId !== MessageTypeId.SetChunkSize);
}

function moved(one: Message): Message {
  return { ...one, messageStreamId: one.messageStreamId === FROM ? TO : one.messageStreamId };
}

function plain({ payload, ...rest }: Message): Record<string, unknown> {
  return { ...rest, length: payload.length, sum: payload.reduce((sum, byte) => sum + byte, 0) };
}

test('a message passes before it is whole, and its payload is not copied', () => {
  const relay = new ChunkRelay({ onMessage: () => assert.fail('media is not put together') });
  const { messages, reader } = collector();
  relay.begin(128, FROM, TO);
  const writer = new ChunkWriter();
  const size = writer.encode(2, MessageTypeId.SetChunkSize, 0, 0, encodeSetChunkSize(60_000));
  relay.reader.push(size);
  writer.chunkSize = 60_000;
  const bytes = writer.encode(6, 9, FROM, 40, new Uint8Array(40_000).fill(5));
  const half = bytes.subarray(0, 20_000);
  relay.reader.push(half);
  const out = relay.take();
  assert.ok(out.some((piece) => piece.buffer === half.buffer && piece.length > 19_000));
  for (const piece of out) reader.push(piece);
  relay.reader.push(bytes, 20_000);
  for (const piece of relay.take()) reader.push(piece);
  assert.equal(messages.at(-1)?.payload.length, 40_000);
});

test('chunks of two messages that interleave stay apart, and an aborted one is forgotten', () => {
  const relay = new ChunkRelay({ onMessage: (one) => relay.put(one) });
  const { messages, reader } = collector();
  relay.begin(128, FROM, TO);
  const writer = new ChunkWriter();
  const audio = writer.encode(4, 8, FROM, 1, new Uint8Array(200).fill(1));
  const video = writer.encode(6, 9, FROM, 2, new Uint8Array(200).fill(2));
  const first = 12 + 128;
  const abort = writer.encode(2, MessageTypeId.Abort, 0, 0, Uint8Array.of(0, 0, 0, 6));
  const pieces = [audio.subarray(0, first), video.subarray(0, first), audio.subarray(first), abort];
  relay.reader.push(Buffer.concat([...pieces, writer.encode(6, 9, FROM, 3, Uint8Array.of(9))]));
  for (const piece of relay.take()) reader.push(piece);
  const media = messages.filter(({ messageTypeId }) => messageTypeId !== MessageTypeId.Abort);
  assert.deepEqual(
    media.map(({ messageTypeId, payload }) => [messageTypeId, payload.length]),
    [
      [8, 200],
      [9, 1],
    ],
  );
});
