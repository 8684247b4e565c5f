import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { joinAnnexB, splitAnnexB } from '../../../protocols/h264/annexb.ts';
import { annexBToAvcc, avccToAnnexB, joinAvcc, splitAvcc } from '../../../protocols/h264/avcc.ts';

/** NAL units as they may be in Annex B: no start code inside, no zero byte at the end. */
const nalArbitrary = fc
  .uint8Array({ minLength: 1, maxLength: 60 })
  .map((bytes) =>
    bytes.map((byte, i) => (byte < 2 && i > 0 ? 0xff : byte)).map((byte, i) => (i === 0 ? byte | 1 : byte)),
  );

test('AVCC and Annex B carry the same NAL units', () => {
  fc.assert(
    fc.property(fc.array(nalArbitrary, { maxLength: 8 }), fc.constantFrom(1, 2, 4), (nals, lengthSize) => {
      const sample = joinAvcc(nals, lengthSize as 1 | 2 | 4);
      assert.deepEqual(splitAvcc(sample, 0, sample.length, lengthSize as 1 | 2 | 4), nals);
      const stream = avccToAnnexB(sample, lengthSize as 1 | 2 | 4);
      assert.deepEqual(splitAnnexB(stream), nals);
      assert.deepEqual(annexBToAvcc(stream, lengthSize as 1 | 2 | 4), sample);
    }),
  );
});

test('start codes of three and four bytes, zero bytes around them, no start code at all', () => {
  const stream = Uint8Array.of(0, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0, 3, 0, 0);
  assert.deepEqual(splitAnnexB(stream), [
    Uint8Array.of(0x67, 1),
    Uint8Array.of(0x68, 2),
    Uint8Array.of(0x65, 0, 3),
  ]);
  assert.deepEqual(splitAnnexB(Uint8Array.of(1, 2, 3)), []);
  assert.deepEqual(splitAnnexB(Uint8Array.of(0, 0, 1, 0, 0, 1)), []);
  assert.deepEqual(joinAnnexB([Uint8Array.of(9, 0xf0)]), Uint8Array.of(0, 0, 0, 1, 9, 0xf0));
});

test('lengths that do not fit are refused', () => {
  const nalLength = (run: () => unknown): void => {
    assert.throws(
      run,
      (error) => error instanceof ProtocolError && error.code === ProtocolErrorCode.NalLength,
    );
  };
  nalLength(() => splitAvcc(Uint8Array.of(0, 0, 0, 0)));
  nalLength(() => splitAvcc(Uint8Array.of(0, 0, 0, 2, 1)));
  nalLength(() => splitAvcc(Uint8Array.of(0, 0, 1)));
  nalLength(() => splitAvcc(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1)));
  nalLength(() => joinAvcc([new Uint8Array(0)]));
  nalLength(() => joinAvcc([new Uint8Array(256)], 1));
});
