import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type AmfObject,
  type AmfValue,
  amfProperty,
  decodeAmf,
  EcmaArray,
  encodeAmf,
  isAmfObject,
} from '../../../protocols/amf0/amf0.ts';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
}

const refused = (code: ProtocolErrorCode) => (error: unknown) =>
  error instanceof ProtocolError && error.code === code;

describe('types, written out by hand from AMF0 section 2', () => {
  const cases: [string, string, AmfValue][] = [
    ['number', '00 3ff8000000000000', 1.5],
    ['negative zero', '00 8000000000000000', -0],
    ['not a number', '00 7ff8000000000000', Number.NaN],
    ['true', '01 01', true],
    ['false', '01 00', false],
    ['string', '02 0006 6c c3a9 e4b880', 'lé一'],
    ['a byte order mark is a letter', '02 0004 efbbbf 61', '\ufeffa'],
    ['null', '05', null],
    ['undefined', '06', undefined],
    ['object', '03 0001 61 00 3ff0000000000000 0001 62 02 0000 0000 09', { a: 1, b: '' }],
    ['empty object', '03 0000 09', {}],
    ['an empty name inside an object', '03 0000 05 0001 61 05 0000 09', { '': null, a: null }],
    ['ECMA array', '08 00000001 0001 61 01 01 0000 09', EcmaArray.of({ a: true })],
    ['strict array', '0a 00000002 05 02 0001 61', [null, 'a']],
    ['empty strict array', '0a 00000000', []],
    ['date', '0b 426d1a94a2000000 0000', new Date(1e12)],
  ];
  for (const [name, text, value] of cases) {
    test(name, () => {
      const bytes = hex(text);
      assert.deepEqual(decodeAmf(bytes), [value]);
      assert.deepEqual(encodeAmf([value]), bytes);
    });
  }

  test('long string above 65535 bytes, in both directions', () => {
    const text = 'é'.repeat(32_768);
    const bytes = encodeAmf([text]);
    assert.deepEqual(bytes.subarray(0, 5), hex('0c 00010000'));
    assert.deepEqual(decodeAmf(bytes), [text]);
    assert.equal(encodeAmf(['a'.repeat(65_535)])[0], 0x02);
  });

  test('read only: XML as text, typed object as object, unsupported as undefined, a date with a time zone', () => {
    assert.deepEqual(decodeAmf(hex('0f 00000004 3c612f3e')), ['<a/>']);
    assert.deepEqual(decodeAmf(hex('10 0001 54 0001 61 05 0000 09')), [{ a: null }]);
    assert.deepEqual(decodeAmf(hex('0d')), [undefined]);
    assert.deepEqual(decodeAmf(hex('0b 0000000000000000 ffc4')), [new Date(0)]);
  });

  test('the count of an ECMA array is a hint (SRS writes 0)', () => {
    assert.deepEqual(decodeAmf(hex('08 00000000 0001 61 05 0000 09')), [EcmaArray.of({ a: null })]);
    assert.deepEqual(decodeAmf(hex('08 ffffffff 0001 61 05 0000 09')), [EcmaArray.of({ a: null })]);
  });

  test('references count objects and arrays from 0', () => {
    const [first, second] = decodeAmf(hex('0a 00000001 03 0001 61 05 0000 09  07 0001'));
    assert.deepEqual(first, [{ a: null }]);
    assert.deepEqual(second, { a: null });
  });

  test('several values', () => {
    assert.deepEqual(decodeAmf(hex('02 0001 61 05 06 01 01')), ['a', null, undefined, true]);
    assert.deepEqual(decodeAmf(new Uint8Array()), []);
  });
});

test('onMetaData as ffmpeg wrote it into an FLV that SRS sent on', () => {
  const capture = new Uint8Array(
    readFileSync(new URL('../../../fixtures/captures/srs-7.0.18/edge-pull.s2c.bin', import.meta.url)),
  );
  const start = Buffer.from(capture).indexOf('\x02\x00\x0aonMetaData', 0, 'latin1');
  assert.ok(start > 0);
  const [name, metadata, ...rest] = decodeAmf(capture.subarray(start, start + 322));
  assert.deepEqual([name, rest], ['onMetaData', []]);
  assert.ok(isAmfObject(metadata));
  assert.deepEqual(
    { ...metadata },
    {
      width: 320,
      height: 180,
      videodatarate: 117.1875,
      framerate: 25,
      videocodecid: 7,
      audiodatarate: 31.25,
      audiosamplerate: 44100,
      audiosamplesize: 16,
      stereo: false,
      audiocodecid: 10,
      encoder: 'Lavf59.27.100',
      filesize: 0,
      server: 'SRS/7.0.18(Hang)',
      server_version: '7.0.18',
    },
  );
});

describe('hostile names', () => {
  const bytes = hex('03 0009 5f5f70726f746f5f5f 03 0005 61646d696e 01 01 0000 09 0000 09');

  test('__proto__ is a name like any other', () => {
    const [value] = decodeAmf(bytes);
    assert.ok(isAmfObject(value));
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal('admin' in value, false);
    assert.deepEqual(amfProperty(value, '__proto__'), { admin: true });
    assert.deepEqual(encodeAmf([value]), bytes);
  });

  test('amfProperty sees own properties only', () => {
    assert.equal(amfProperty({}, 'toString'), undefined);
    assert.equal(amfProperty(null, 'a'), undefined);
    assert.equal(amfProperty([1], 'length'), undefined);
    assert.equal(amfProperty({ a: 1 }, 'a'), 1);
  });
});

describe('refusals', () => {
  const cases: [string, string, ProtocolErrorCode][] = [
    ['MovieClip', '04', ProtocolErrorCode.AmfMarker],
    ['RecordSet', '0e', ProtocolErrorCode.AmfMarker],
    ['AMF3', '11', ProtocolErrorCode.AmfMarker],
    ['a marker that does not exist', 'ff', ProtocolErrorCode.AmfMarker],
    ['an object end alone', '09', ProtocolErrorCode.AmfMarker],
    ['a number cut short', '00 3ff00000', ProtocolErrorCode.AmfTruncated],
    ['a string cut short', '02 0005 61', ProtocolErrorCode.AmfTruncated],
    ['an object without end', '03 0001 61 05', ProtocolErrorCode.AmfTruncated],
    ['a strict array of more than there is', '0a 00000003 05 05', ProtocolErrorCode.AmfTruncated],
    ['a strict array of 2^32 - 1', '0a ffffffff 05', ProtocolErrorCode.AmfSize],
    ['a long string of 2^32 - 1 bytes', '0c ffffffff 61', ProtocolErrorCode.AmfSize],
    ['a reference to nothing', '07 0000', ProtocolErrorCode.AmfReference],
    ['a reference to what encloses it', '0a 00000001 07 0000', ProtocolErrorCode.AmfReference],
  ];
  for (const [name, text, code] of cases) {
    test(name, () => {
      assert.throws(() => decodeAmf(hex(text)), refused(code));
    });
  }

  test('depth, at the limit and one more', () => {
    const nested = (depth: number) => hex(`${'0a00000001'.repeat(depth)}05`);
    assert.equal(decodeAmf(nested(32)).length, 1);
    assert.throws(() => decodeAmf(nested(33)), refused(ProtocolErrorCode.AmfDepth));
    assert.throws(() => decodeAmf(nested(100_000)), refused(ProtocolErrorCode.AmfDepth));
    assert.throws(() => decodeAmf(nested(3), { maxDepth: 2 }), refused(ProtocolErrorCode.AmfDepth));
  });

  test('number of values, at the limit and one more', () => {
    assert.equal(decodeAmf(hex('05 05 05'), { maxValues: 3 }).length, 3);
    assert.throws(() => decodeAmf(hex('05 05 05 05'), { maxValues: 3 }), refused(ProtocolErrorCode.AmfSize));
    assert.throws(
      () => decodeAmf(hex('02 0003 616161'), { maxStringBytes: 2 }),
      refused(ProtocolErrorCode.AmfSize),
    );
  });

  test('references that double what they refer to are counted in full', () => {
    const doubled = Array.from({ length: 40 }, (_, index) => {
      const before = index.toString(16).padStart(4, '0');
      return `0a 00000002 07 ${before} 07 ${before}`;
    });
    assert.throws(
      () => decodeAmf(hex(`0a 00000000 ${doubled.join(' ')}`)),
      refused(ProtocolErrorCode.AmfSize),
    );
  });

  test('a cycle cannot be written', () => {
    const cycle: AmfObject = {};
    cycle.self = cycle;
    assert.throws(() => encodeAmf([cycle]), refused(ProtocolErrorCode.AmfDepth));
    assert.throws(() => encodeAmf([{ ['a'.repeat(65_536)]: 1 }]), refused(ProtocolErrorCode.AmfSize));
  });
});

const { value } = fc.letrec<{ value: AmfValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.double(),
    fc.boolean(),
    fc.string({ unit: 'grapheme' }),
    fc.constant(null),
    fc.constant(undefined),
    fc.date({ noInvalidDate: false }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie('value'), { maxKeys: 5, noNullPrototype: true }),
    fc
      .dictionary(fc.string({ maxLength: 8 }), tie('value'), { maxKeys: 5, noNullPrototype: true })
      .map((properties) => EcmaArray.of(properties)),
  ),
}));

test('what is written is read back; every shorter piece of it is refused or is fewer values', () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 4 }), fc.nat(), (values, cut) => {
      const bytes = encodeAmf(values);
      assert.deepEqual(decodeAmf(bytes), values);
      if (bytes.length === 0) return;
      const piece = bytes.subarray(0, cut % bytes.length);
      try {
        assert.ok(decodeAmf(piece).length < values.length);
      } catch (error) {
        assert.ok(refused(ProtocolErrorCode.AmfTruncated)(error));
      }
    }),
    { numRuns: 300 },
  );
});

test('garbage and damage give values or a ProtocolError', () => {
  const marker = fc.integer({ min: 0, max: 0x12 });
  fc.assert(
    fc.property(
      fc.array(fc.oneof(marker, fc.constant(0), fc.nat({ max: 255 })), { maxLength: 200 }),
      (bytes) => {
        try {
          assert.ok(decodeAmf(Uint8Array.from(bytes)).length <= bytes.length);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
