import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { unescapeRbsp } from '../../../protocols/h264/nal.ts';
import { encodeAvcConfig, parseAvcConfig, parseSps } from '../../../protocols/h264/parameter-sets.ts';

/** An SPS from its fields: numbers are ue(v), strings are bits. */
function spsOf(profile: number, ...fields: (number | string)[]): Uint8Array {
  let bits = '';
  for (const field of fields) {
    if (typeof field === 'string') bits += field;
    else {
      const code = (field + 1).toString(2);
      bits += '0'.repeat(code.length - 1) + code;
    }
  }
  bits += '1';
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0');
  const bytes = bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2));
  return Uint8Array.of(0x67, profile, 0, 30, ...bytes);
}

test('picture order count type 1, which libx264 never writes', () => {
  // id, log2_max_frame_num, type 1: flag, two offsets, a cycle of 2; refs, gaps, 20x15 macroblocks, frames only.
  const sps = parseSps(spsOf(66, 0, 0, 1, '0', 1, 2, 2, 5, 6, 3, '0', 19, 14, '1', '1', '0', '0'));
  assert.deepEqual([sps.width, sps.height, sps.referenceFrames, sps.progressive], [320, 240, 3, true]);
});

test('values that no stream can have are refused', () => {
  const refused = (nal: Uint8Array): void => {
    assert.throws(
      () => parseSps(nal),
      (error) => error instanceof ProtocolError && error.code === ProtocolErrorCode.ParameterSet,
    );
  };
  refused(new Uint8Array(0));
  refused(Uint8Array.of(0x68, 1, 2, 3));
  refused(spsOf(66, 32));
  refused(spsOf(66, 0, 0, 3));
  refused(spsOf(66, 0, 0, 2, 1, '0', 100_000, 1, '1', '1', '0', '0'));
  refused(spsOf(66, 0, 0, 2, 1, '0', 0, 0, '1', '1', '1', 8, 0, 0, 0, '0'));
  refused(Uint8Array.of(0x67, 66, 0, 30, 0, 0, 0, 0, 0, 0));
});

test('garbage is refused with a ProtocolError or read as something', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(66, 100, 244), (bytes, profile) => {
      for (const parse of [
        () => parseSps(Uint8Array.of(0x67, profile, ...bytes)),
        () => parseAvcConfig(Uint8Array.of(1, ...bytes)),
      ]) {
        try {
          parse();
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }
    }),
    { numRuns: 1000 },
  );
});

test('emulation prevention bytes are taken out, and only those', () => {
  assert.deepEqual(
    unescapeRbsp(Uint8Array.of(0x67, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 0, 3)),
    Uint8Array.of(0, 0, 1, 0, 0, 0, 0, 0, 3),
  );
  assert.deepEqual(unescapeRbsp(Uint8Array.of(0x67, 0, 3, 0, 0, 3)), Uint8Array.of(0, 3, 0, 0));
  assert.deepEqual(unescapeRbsp(new Uint8Array(0)), new Uint8Array(0));
});

test('a configuration with several sets, and one that contradicts itself', () => {
  const config = {
    profile: 77,
    compatibility: 0x40,
    level: 31,
    lengthSize: 2,
    sps: [Uint8Array.of(0x67, 1), Uint8Array.of(0x67, 2, 3)],
    pps: [Uint8Array.of(0x68), Uint8Array.of(0x68, 9)],
  } as const;
  assert.deepEqual(parseAvcConfig(encodeAvcConfig(config)), config);
  const refused = (bytes: Uint8Array): void => {
    assert.throws(
      () => parseAvcConfig(bytes),
      (error) => error instanceof ProtocolError && error.code === ProtocolErrorCode.AvcConfig,
    );
  };
  refused(Uint8Array.of(2, 66, 0, 30, 0xff, 0xe0, 0));
  refused(Uint8Array.of(1, 66, 0, 30, 0xfe, 0xe0, 0));
  refused(encodeAvcConfig({ ...config, sps: config.pps }));
  refused(Uint8Array.of(1, 66, 0, 30, 0xff, 0xe1, 0, 0, 0));
  assert.throws(() => encodeAvcConfig({ ...config, sps: Array(32).fill(config.sps[0]) }), ProtocolError);
});
