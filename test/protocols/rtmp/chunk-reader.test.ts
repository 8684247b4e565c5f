import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { type ChunkLimits, ChunkReader, type MessageHeader } from '../../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../../protocols/rtmp/chunk-writer.ts';
import { MessageAssembler } from '../../../protocols/rtmp/message-assembler.ts';
import { type CaptureName, captures, chunks, hex, messagesOf, type Side } from './capture.ts';

/** Everything that a sink sees, with payload pieces of one message joined. */
class Recorder {
  readonly events: string[] = [];
  readonly #payload = new Map<number, number[]>();

  onMessageBegin(message: MessageHeader): void {
    assert.equal(message.received, 0);
    this.events.push(`begin ${describeMessage(message)}`);
    this.#payload.set(message.chunkStreamId, []);
  }

  onMessagePayload(message: MessageHeader, bytes: Uint8Array, start: number, end: number): void {
    assert.ok(start < end, 'no empty pieces');
    const payload = this.#payload.get(message.chunkStreamId)!;
    assert.equal(message.received, payload.length);
    payload.push(...bytes.subarray(start, end));
  }

  onMessageEnd(message: MessageHeader): void {
    const payload = this.#payload.get(message.chunkStreamId)!;
    assert.deepEqual([message.received, message.length], [payload.length, payload.length]);
    this.events.push(`end ${describeMessage(message)} ${Buffer.from(payload).toString('hex')}`);
  }

  onMessageAbort(message: MessageHeader): void {
    this.events.push(`abort ${describeMessage(message)} after ${message.received}`);
  }
}

/** chunk stream : type : message stream @ timestamp */
function describeMessage(message: MessageHeader): string {
  return `${message.chunkStreamId}:${message.messageTypeId}:${message.messageStreamId}@${message.timestamp}`;
}

function read(bytes: Uint8Array, limits?: Partial<ChunkLimits>): string[] {
  const recorder = new Recorder();
  new ChunkReader(recorder, limits).push(bytes);
  return recorder.events;
}

/** Only the ends: message and payload. */
function ends(text: string): string[] {
  return read(hex(text))
    .filter((event) => event.startsWith('end '))
    .map((event) => event.slice(4));
}

const refused = (code: ProtocolErrorCode) => (error: unknown) =>
  error instanceof ProtocolError && error.code === code;

describe('headers, written out by hand from RTMP 1.0 section 5.3.1', () => {
  test('the audio example of section 5.3.2.1: type 0, type 2, then type 3 with the same delta', () => {
    const payload = '00'.repeat(32);
    const message = (time: number) => `3:8:12345@${time} ${payload}`;
    assert.deepEqual(
      ends(`03 0003e8 000020 08 39300000 ${payload} 83 000014 ${payload} c3 ${payload} c3 ${payload}`),
      [message(1000), message(1020), message(1040), message(1060)],
    );
  });

  test('the video example of section 5.3.2.2: 307 bytes in chunks of 128, 128 and 51', () => {
    const piece = (length: number) => 'ab'.repeat(length);
    assert.deepEqual(ends(`04 0003e8 000133 09 3a300000 ${piece(128)} c4 ${piece(128)} c4 ${piece(51)}`), [
      `4:9:12346@1000 ${piece(307)}`,
    ]);
  });

  test('type 1 changes length and type; type 2 the delta; type 3 after type 0 adds its timestamp', () => {
    assert.deepEqual(
      ends(`
        04 00001a 000001 08 01000000 a0  c4 a1
        44 000005 000002 09 b0b1  84 000007 b2b3  c4 b4b5
        04 000003 000001 08 02000000 a2`),
      ['4:8:1@26 a0', '4:8:1@52 a1', '4:9:1@57 b0b1', '4:9:1@64 b2b3', '4:9:1@71 b4b5', '4:8:2@3 a2'],
    );
  });

  test('basic headers of 1, 2 and 3 bytes, and two spellings of one chunk stream', () => {
    const rest = '000001 000001 08 00000000 ff';
    assert.deepEqual(ends(`02 ${rest} 3f ${rest} 00 00 ${rest} 00ff ${rest} 010001 ${rest} 01ffff ${rest}`), [
      '2:8:0@1 ff',
      '63:8:0@1 ff',
      '64:8:0@1 ff',
      '319:8:0@1 ff',
      '320:8:0@1 ff',
      '65599:8:0@1 ff',
    ]);
    assert.deepEqual(ends(`00 06 ${rest} c1 0600 ee`), ['70:8:0@1 ff', '70:8:0@2 ee']);
  });

  test('a new chunk stream may begin with type 1, as librtmp does for a ping', () => {
    assert.deepEqual(ends('42 000000 000006 04 0006 00000d0f'), ['2:4:0@0 000600000d0f']);
  });

  test('a message without payload', () => {
    assert.deepEqual(ends('04 000001 000000 09 01000000 c4 c4'), ['4:9:1@1 ', '4:9:1@2 ', '4:9:1@3 ']);
  });

  test('deltas wrap at 2^32', () => {
    assert.deepEqual(ends('04 ffffff 000001 09 01000000 fffffff0 aa 84 000020 bb'), [
      '4:9:1@4294967280 aa',
      '4:9:1@16 bb',
    ]);
    assert.deepEqual(ends('04 ffffff 000001 09 01000000 fffffff0 aa 84 000008 bb c4 cc c4 dd').slice(2), [
      '4:9:1@0 cc',
      '4:9:1@8 dd',
    ]);
  });
});

describe('extended timestamps', () => {
  const long = (length: number) => '11'.repeat(length);

  test('exactly 2^24 - 1 is extended too', () => {
    assert.deepEqual(ends('04 ffffff 000001 09 01000000 00ffffff aa'), ['4:9:1@16777215 aa']);
  });

  test('repeated on type 3 chunks', () => {
    assert.deepEqual(ends(`04 ffffff 000083 09 01000000 01000000 ${long(128)} c4 01000000 aabbcc`), [
      `4:9:1@16777216 ${long(128)}aabbcc`,
    ]);
  });

  test('left out on type 3 chunks: what is there is payload, also when it begins alike or ends early', () => {
    const first = `04 ffffff 000083 09 01000000 01000000 ${long(128)}`;
    assert.deepEqual(ends(`${first} c4 aabbcc`), [`4:9:1@16777216 ${long(128)}aabbcc`]);
    assert.deepEqual(ends(`${first} c4 0100aa 04 000000 000001 08 01000000 ee`), [
      `4:9:1@16777216 ${long(128)}0100aa`,
      '4:8:1@0 ee',
    ]);
  });

  test('a delta on type 1, repeated as the delta (ffmpeg) or as the timestamp', () => {
    const first = '04 000005 000001 09 01000000 aa';
    const second = `44 ffffff 000082 09 01000000 ${long(128)}`;
    const expected = ['4:9:1@5 aa', `4:9:1@16777221 ${long(128)}bbcc`];
    assert.deepEqual(ends(`${first} ${second} c4 01000000 bbcc`), expected);
    assert.deepEqual(ends(`${first} ${second} c4 01000005 bbcc`), expected);
  });

  test('a type 3 chunk that begins a message: a timestamp after type 0, a delta after type 1', () => {
    assert.deepEqual(ends('04 ffffff 000001 08 01000000 01000000 aa c4 01000017 bb'), [
      '4:8:1@16777216 aa',
      '4:8:1@16777239 bb',
    ]);
    assert.deepEqual(
      ends('04 000005 000001 08 01000000 99 44 ffffff 000001 08 01000000 aa c4 01000000 bb').slice(1),
      ['4:8:1@16777221 aa', '4:8:1@33554437 bb'],
    );
  });

  test('a plain header ends it', () => {
    assert.deepEqual(ends('04 ffffff 000001 08 01000000 01000000 aa 84 000017 bb c4 cc'), [
      '4:8:1@16777216 aa',
      '4:8:1@16777239 bb',
      '4:8:1@16777262 cc',
    ]);
  });
});

describe('several chunk streams', () => {
  const piece = (byte: string, length: number) => byte.repeat(length);

  test('interleaved messages', () => {
    assert.deepEqual(
      read(
        hex(
          `06 000001 000082 09 01000000 ${piece('aa', 128)} 04 000002 000001 08 01000000 bb c6 ${piece('cc', 2)}`,
        ),
      ),
      ['begin 6:9:1@1', 'begin 4:8:1@2', 'end 4:8:1@2 bb', `end 6:9:1@1 ${piece('aa', 128)}cccc`],
    );
  });

  test('a new chunk size in the middle of a message holds from its next chunk', () => {
    assert.deepEqual(
      ends(`
        06 000001 000106 09 01000000 ${piece('aa', 128)}
        02 000000 000004 01 00000000 00000084
        c6 ${piece('bb', 132)} c6 ${piece('cc', 2)}`),
      ['2:1:0@0 00000084', `6:9:1@1 ${piece('aa', 128)}${piece('bb', 132)}cccc`],
    );
  });

  test('a chunk size of 1, in which Set Chunk Size itself comes in four chunks', () => {
    assert.deepEqual(
      ends(`
        02 000000 000004 01 00000000 00000001
        42 000000 000004 01 00 c2 00 c2 00 c2 80
        06 000001 000080 09 01000000 ${piece('aa', 128)}`),
      ['2:1:0@0 00000001', '2:1:0@0 00000080', `6:9:1@1 ${piece('aa', 128)}`],
    );
  });

  test('Abort drops the partly received message, and the chunk stream goes on', () => {
    assert.deepEqual(
      read(
        hex(`
        06 000001 000082 09 01000000 ${piece('aa', 128)}
        02 000000 000004 02 00000000 00000006
        86 000009 ${piece('bb', 128)} c6 bbbb`),
      ),
      [
        'begin 6:9:1@1',
        'begin 2:2:0@0',
        'abort 6:9:1@1 after 128',
        'end 2:2:0@0 00000006',
        'begin 6:9:1@10',
        `end 6:9:1@10 ${piece('bb', 130)}`,
      ],
    );
  });

  test('Abort of a chunk stream that is idle or unknown changes nothing', () => {
    assert.deepEqual(
      ends('02 000000 000004 02 00000000 00000006 c2 00000002 06 000001 000001 09 01000000 aa'),
      ['2:2:0@0 00000006', '2:2:0@0 00000002', '6:9:1@1 aa'],
    );
  });

  test('a message may be continued with a type 1 header that says the same', () => {
    assert.deepEqual(ends(`06 000001 000082 09 01000000 ${piece('aa', 128)} 46 000000 000082 09 bbbb`), [
      `6:9:1@1 ${piece('aa', 128)}bbbb`,
    ]);
  });
});

describe('refusals', () => {
  const cases: [string, string, ProtocolErrorCode][] = [
    ['type 3 on a new chunk stream', 'c4', ProtocolErrorCode.RtmpChunkHeader],
    ['type 2 on a new chunk stream', '84 000001', ProtocolErrorCode.RtmpChunkHeader],
    [
      'type 0 inside a message',
      `06 000001 000082 09 01000000 ${'aa'.repeat(128)} 06 000001 000082 09 01000000`,
      ProtocolErrorCode.RtmpChunkHeader,
    ],
    [
      'another length inside a message',
      `06 000001 000082 09 01000000 ${'aa'.repeat(128)} 46 000001 000083 09`,
      ProtocolErrorCode.RtmpChunkHeader,
    ],
    ['a chunk size of 0', '02 000000 000004 01 00000000 00000000', ProtocolErrorCode.RtmpChunkSize],
    [
      'a chunk size with its first bit set',
      '02 000000 000004 01 00000000 80000080',
      ProtocolErrorCode.RtmpChunkSize,
    ],
    ['Set Chunk Size of 3 bytes', '02 000000 000003 01 00000000 000080', ProtocolErrorCode.RtmpControl],
    ['Set Chunk Size without payload', '02 000000 000000 01 00000000', ProtocolErrorCode.RtmpControl],
    ['Abort of 5 bytes', '02 000000 000005 02 00000000 0000000400', ProtocolErrorCode.RtmpControl],
  ];
  for (const [name, text, code] of cases) {
    test(name, () => {
      assert.throws(() => read(hex(text)), refused(code));
    });
  }

  test('limits: message size, chunk size, chunk streams', () => {
    const message = hex('04 000000 000101 09 01000000');
    assert.throws(() => read(message, { maxMessageSize: 256 }), refused(ProtocolErrorCode.RtmpMessageSize));
    assert.equal(read(message, { maxMessageSize: 257 }).length, 1);
    const chunkSize = hex('02 000000 000004 01 00000000 00010001');
    assert.throws(() => read(chunkSize, { maxChunkSize: 65536 }), refused(ProtocolErrorCode.RtmpChunkSize));
    const streams = (count: number) =>
      hex(
        Array.from(
          { length: count },
          (_, index) => `00 ${index.toString(16).padStart(2, '0')} 000000000000 09 01000000`,
        ).join(''),
      );
    assert.equal(read(streams(64)).length, 128);
    assert.throws(() => read(streams(65)), refused(ProtocolErrorCode.RtmpChunkStreams));
  });

  test('lengths that are only announced take no memory', () => {
    const writer = new ChunkWriter();
    const assembler = new MessageAssembler(() => assert.fail('no message is whole'));
    const reader = new ChunkReader(assembler);
    const before = process.memoryUsage().arrayBuffers;
    for (let id = 3; id < 67; id++) {
      const chunk = writer.encode(id, 9, 1, 0, new Uint8Array(128));
      const lengthAt = id < 64 ? 4 : 5;
      chunk.set([0xff, 0xff, 0xff], lengthAt);
      reader.push(chunk);
    }
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 8 * 1024 * 1024, `${grown} bytes for 1 GiB announced`);
  });

  test('unfinished messages together are bounded', () => {
    const assembler = new MessageAssembler(() => assert.fail('no message is whole'));
    const piece = new Uint8Array(1024 * 1024);
    const headers = [4, 5, 6].map((chunkStreamId) => ({
      chunkStreamId,
      messageTypeId: 9,
      messageStreamId: 1,
      timestamp: 0,
      length: 15 * 1024 * 1024,
      received: 0,
    }));
    for (const header of headers) assembler.onMessageBegin(header);
    const fill = (): void => {
      for (const header of headers) {
        for (let count = 0; count < 14; count++) assembler.onMessagePayload(header, piece, 0, piece.length);
      }
    };
    assert.throws(fill, refused(ProtocolErrorCode.RtmpMessageSize));
  });
});

describe('any split gives the same', () => {
  const bothSides = captures.flatMap((name) => [[name, 'c2s'] as const, [name, 's2c'] as const]);

  function readSplit(bytes: Uint8Array, sizes: readonly number[]): string[] {
    const recorder = new Recorder();
    const reader = new ChunkReader(recorder);
    // One buffer for all pushes, as a socket reads: what a sink keeps of it is overwritten.
    const shared = new Uint8Array(4096);
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const size = Math.min(sizes[turn % sizes.length]!, bytes.length - at);
      const offset = turn % 7;
      shared.set(bytes.subarray(at, at + size), offset);
      reader.push(shared, offset, offset + size);
      shared.fill(0xee);
      at += size;
    }
    return recorder.events;
  }

  for (const [name, side] of bothSides) {
    test(`${name}.${side}, byte by byte and at random`, () => {
      const bytes = chunks(name, side).subarray(0, 40_000);
      const whole = read(bytes);
      assert.ok(whole.length > 6, `${whole.length} events`);
      assert.deepEqual(readSplit(bytes, [1]), whole);
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 9 }), (sizes) => {
          assert.deepEqual(readSplit(bytes, sizes), whole);
        }),
        { numRuns: 6 },
      );
    });
  }

  const message = fc.record({
    chunkStreamId: fc.constantFrom(3, 4, 63, 64, 319, 320, 65599),
    messageTypeId: fc.constantFrom(8, 9, 18, 20),
    messageStreamId: fc.constantFrom(0, 1, 0xfffffffe),
    timestamp: fc.oneof(
      fc.constantFrom(0, 0xfffffe, 0xffffff, 0x1000000, 0xffffffff),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.integer({ min: 0, max: 100 }),
    ),
    payload: fc.uint8Array({ maxLength: 300 }),
  });

  test('what the writer writes, in each of its ways, with extended timestamps', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 12 }),
        fc.constantFrom('encode', 'encodeCompressed', 'encodeHeaders' as const),
        fc.constantFrom(1, 2, 100, 128, 4096),
        fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 5 }),
        (messages, way, chunkSize, sizes) => {
          const writer = new ChunkWriter();
          const set = writer.encode(2, 1, 0, 0, Uint8Array.of(0, 0, chunkSize >> 8, chunkSize));
          writer.chunkSize = chunkSize;
          const pieces = messages.flatMap(
            ({ chunkStreamId, messageTypeId, messageStreamId, timestamp, payload }) =>
              writer[way](chunkStreamId, messageTypeId, messageStreamId, timestamp, payload),
          );
          const bytes = new Uint8Array(Buffer.concat([set, ...pieces]));
          const got = messagesOf(bytes).slice(1);
          assert.deepEqual(
            got.map((one) => ({ ...one, payload: [...one.payload] })),
            messages.map((one) => ({ ...one, payload: [...one.payload] })),
          );
          assert.deepEqual(readSplit(bytes, sizes), read(bytes));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('extended timestamps left out on type 3 chunks', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 129, maxLength: 600 }),
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 5 }),
        (payload, sizes) => {
          const whole = new ChunkWriter().encode(4, 9, 1, 0x01000000, payload);
          const pieces = [whole.subarray(0, 16 + 128)];
          for (let at = 16 + 128; at < whole.length; at += 5 + 128) {
            pieces.push(whole.subarray(at, at + 1), whole.subarray(at + 5, at + 5 + 128));
          }
          const bytes = new Uint8Array(Buffer.concat([...pieces, hex('04 000000 000001 08 01000000 ee')]));
          const events = read(bytes);
          assert.deepEqual(readSplit(bytes, sizes), events);
          assert.equal(events[1], `end 4:9:1@16777216 ${Buffer.from(payload).toString('hex')}`);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('hostile bytes', () => {
  /** Reads to the end or to a ProtocolError; anything else is thrown on. Bytes delivered never exceed bytes fed. */
  function survive(bytes: Uint8Array, sizes: readonly number[]): ProtocolErrorCode | undefined {
    let delivered = 0;
    const count = (_: MessageHeader, __: Uint8Array, start: number, end: number): void => {
      delivered += end - start;
    };
    const assembler = new MessageAssembler(() => {});
    const reader = new ChunkReader({
      onMessageBegin: (header) => assembler.onMessageBegin(header),
      onMessagePayload: (header, piece, start, end) => {
        count(header, piece, start, end);
        assembler.onMessagePayload(header, piece, start, end);
      },
      onMessageEnd: (header) => assembler.onMessageEnd(header),
      onMessageAbort: (header) => assembler.onMessageAbort(header),
    });
    try {
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const end = Math.min(bytes.length, at + sizes[turn % sizes.length]!);
        reader.push(bytes, at, end);
        at = end;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return error.code;
    } finally {
      assert.ok(delivered <= bytes.length);
    }
    return undefined;
  }

  test('random garbage', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3000 }),
        fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 4 }),
        (bytes, sizes) => {
          assert.equal(
            survive(bytes, sizes),
            survive(bytes, [bytes.length + 1]),
            'the same end at any split',
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('recordings with bytes changed, removed and doubled', () => {
    const codes = new Set<ProtocolErrorCode | undefined>();
    fc.assert(
      fc.property(
        fc.constantFrom<[CaptureName, Side]>(
          ['srs-7.0.18/ffmpeg-play', 's2c'],
          ['nginx-rtmp-1.2.2/ffmpeg-publish-extended', 'c2s'],
          ['nginx-rtmp-1.2.2/ffmpeg-play', 's2c'],
        ),
        fc.array(
          fc.record({
            at: fc.nat({ max: 9000 }),
            kind: fc.constantFrom('change', 'remove', 'double' as const),
            value: fc.nat({ max: 255 }),
          }),
          { minLength: 1, maxLength: 12 },
        ),
        fc.integer({ min: 1, max: 2000 }),
        ([name, side], damages, size) => {
          const bytes = [...chunks(name, side).subarray(0, 10_000)];
          for (const { at, kind, value } of damages) {
            if (kind === 'change') bytes[at] = value;
            else if (kind === 'remove') bytes.splice(at, 1 + (value % 16));
            else bytes.splice(at, 0, ...bytes.slice(at, at + 1 + (value % 16)));
          }
          codes.add(survive(Uint8Array.from(bytes), [size]));
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(codes.size > 1, 'some damage is seen');
  });
});
