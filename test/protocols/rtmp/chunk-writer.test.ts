import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ChunkWriter } from '../../../protocols/rtmp/chunk-writer.ts';
import { hex } from './capture.ts';

const long = (length: number) => 'ab'.repeat(length);

describe('bytes written out by hand from RTMP 1.0 section 5.3.1', () => {
  test('the video example of section 5.3.2.2', () => {
    assert.deepEqual(
      new ChunkWriter().encode(4, 9, 12346, 1000, hex(long(307))),
      hex(`04 0003e8 000133 09 3a300000 ${long(128)} c4 ${long(128)} c4 ${long(51)}`),
    );
  });

  test('a payload that fills its chunks has no empty chunk after it', () => {
    assert.equal(new ChunkWriter().encode(4, 9, 1, 0, new Uint8Array(256)).length, 12 + 128 + 1 + 128);
    assert.deepEqual(
      new ChunkWriter().encode(4, 9, 1, 0, new Uint8Array()),
      hex('04 000000 000000 09 01000000'),
    );
  });

  test('chunk stream ids in 1, 2 and 3 bytes', () => {
    const rest = '000000 000001 08 01000000 aa';
    for (const [id, basic] of [
      [2, '02'],
      [63, '3f'],
      [64, '0000'],
      [319, '00ff'],
      [320, '010001'],
      [65599, '01ffff'],
    ] as const) {
      assert.deepEqual(new ChunkWriter().encode(id, 8, 1, 0, hex('aa')), hex(`${basic} ${rest}`));
    }
  });

  test('extended timestamps from 2^24 - 1 on, on every chunk, modulo 2^32', () => {
    const writer = new ChunkWriter();
    assert.deepEqual(writer.encode(4, 8, 1, 0xfffffe, hex('aa')), hex('04 fffffe 000001 08 01000000 aa'));
    assert.deepEqual(
      writer.encode(4, 9, 1, 0xffffff, hex(long(129))),
      hex(`04 ffffff 000081 09 01000000 00ffffff ${long(128)} c4 00ffffff ab`),
    );
    assert.deepEqual(writer.encode(4, 8, 1, 2 ** 32 + 7, hex('aa')), hex('04 000007 000001 08 01000000 aa'));
  });

  test('without a copy: the same bytes, in views of the payload', () => {
    const payload = hex(long(300));
    const pieces = new ChunkWriter().encodeHeaders(6, 9, 1, 0x01000000, payload);
    assert.deepEqual(
      new Uint8Array(Buffer.concat(pieces)),
      new ChunkWriter().encode(6, 9, 1, 0x01000000, payload),
    );
    const views = pieces.filter((piece) => piece.buffer === payload.buffer);
    assert.deepEqual(
      views.map((view) => view.length),
      [128, 128, 44],
    );
  });

  test('compressed: each type where it says enough, and never type 3 right after type 0', () => {
    const writer = new ChunkWriter();
    const write = (...args: [type: number, stream: number, time: number, text: string]) =>
      Buffer.from(writer.encodeCompressed(4, args[0], args[1], args[2], hex(args[3]))).toString('hex');
    const expected = (text: string) => text.replaceAll(' ', '');
    assert.equal(write(8, 1, 20, 'aa'), expected('04 000014 000001 08 01000000 aa'));
    assert.equal(write(8, 1, 40, 'bb'), expected('84 000014 bb'));
    assert.equal(write(8, 1, 60, 'cc'), expected('c4 cc'));
    assert.equal(write(8, 1, 83, 'dd'), expected('84 000017 dd'));
    assert.equal(write(8, 1, 106, 'eeee'), expected('44 000017 000002 08 eeee'));
    assert.equal(write(9, 1, 106, 'ffff'), expected('44 000000 000002 09 ffff'));
    assert.equal(write(9, 2, 106, 'ffff'), expected('04 00006a 000002 09 02000000 ffff'));
    assert.equal(write(9, 2, 100, 'ffff'), expected('04 000064 000002 09 02000000 ffff'), 'back in time');
  });
});
