import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ProtocolError } from '../../../protocols/errors.ts';
import { decodeXorAddress, encodeXorAddress } from '../../../protocols/stun/address.ts';
import { crc32 } from '../../../protocols/stun/crc32.ts';
import {
  decodeStun,
  encodeStun,
  isStun,
  StunClass,
  type StunFields,
  StunMethod,
  verifyIntegrity,
} from '../../../protocols/stun/message.ts';
import { watchRetained } from '../../support/nothing-kept.ts';
import { mutations } from './mutate.ts';

const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array => createHmac('sha1', key).update(data).digest();
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

/** RFC 5769, the vectors that RFC 8489 appendix B refers to. */
const PASSWORD = Buffer.from('VOkJxbRl1RmTxUk/WvJxBt');
const REQUEST = hex(`000100582112a442b7e7a701bc34d686fa87dfae
  802200105354554e207465737420636c69656e74 002400046e0001ff 80290008932ff9b151263b36
  000600096576746a3a68367659202020 000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004e57a3bcf`);
const RESPONSE_IPV4 = hex(`0101003c2112a442b7e7a701bc34d686fa87dfae 8022000b7465737420766563746f7220
  002000080001a147e112a643 000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004c07d4c96`);
const RESPONSE_IPV6 = hex(`010100482112a442b7e7a701bc34d686fa87dfae 8022000b7465737420766563746f7220
  002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9 00080014a382954e4be67bf11784c97c8292c275bfe3ed41
  80280004c8fb0b4c`);

test('the check value of CRC-32', () => {
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
});

test('RFC 5769 2.1: the request', () => {
  const message = decodeStun(REQUEST);
  assert.equal(message.class, StunClass.request);
  assert.equal(message.method, StunMethod.binding);
  assert.equal(message.username, 'evtj:h6vY');
  assert.equal(message.software, 'STUN test client');
  assert.equal(message.priority, 0x6e0001ff);
  assert.equal(message.iceControlled, 0x932ff9b151263b36n);
  assert.ok(message.fingerprint);
  assert.ok(verifyIntegrity(REQUEST, message, PASSWORD, hmac));
  assert.ok(!verifyIntegrity(REQUEST, message, Buffer.from('another'), hmac));
});

test('RFC 5769 2.2 and 2.3: the responses', () => {
  const four = decodeStun(RESPONSE_IPV4);
  assert.equal(four.class, StunClass.success);
  assert.deepEqual(four.xorMappedAddress, { address: '192.0.2.1', port: 32853 });
  assert.ok(verifyIntegrity(RESPONSE_IPV4, four, PASSWORD, hmac));
  const six = decodeStun(RESPONSE_IPV6);
  assert.deepEqual(six.xorMappedAddress, { address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32853 });
  assert.ok(verifyIntegrity(RESPONSE_IPV6, six, PASSWORD, hmac));
});

test('what is encoded is decoded', () => {
  const transactionId = Uint8Array.from(randomBytes(12));
  const fields: StunFields = {
    class: StunClass.error,
    method: StunMethod.binding,
    transactionId,
    username: 'remote:löcal',
    priority: 0xfffffffe,
    useCandidate: true,
    iceControlling: 0xfedcba9876543210n,
    xorMappedAddress: { address: '127.0.0.1', port: 65535 },
    errorCode: { code: 487, reason: 'Role Conflict' },
    software: 'liveproof',
  };
  const bytes = encodeStun(fields, { key: PASSWORD, hmac });
  assert.ok(isStun(bytes));
  const { unknown, integrityAt, fingerprint, ...decoded } = decodeStun(bytes);
  assert.deepEqual(decoded, fields);
  assert.deepEqual([unknown, fingerprint], [[], true]);
  assert.ok(integrityAt > 0);
  assert.ok(verifyIntegrity(bytes, decodeStun(bytes), PASSWORD, hmac));
});

test('a message without integrity does not verify; one changed byte breaks the fingerprint', () => {
  const fields = { class: StunClass.request, method: StunMethod.binding, transactionId: new Uint8Array(12) };
  const bytes = encodeStun(fields);
  assert.ok(!verifyIntegrity(bytes, decodeStun(bytes), PASSWORD, hmac));
  bytes[10] = 1;
  assert.throws(() => decodeStun(bytes), { code: 'stun.integrity' });
});

test('attributes behind MESSAGE-INTEGRITY do not count; unknown ones that must be understood are named', () => {
  const signed = encodeStun(
    { class: StunClass.request, method: StunMethod.binding, transactionId: new Uint8Array(12), priority: 1 },
    { key: PASSWORD, hmac },
  );
  const added = Uint8Array.of(...signed.subarray(0, -8), 0, 0x25, 0, 0);
  added[3] = added.length - 20;
  const message = decodeStun(added);
  assert.equal(message.useCandidate, undefined);
  assert.ok(verifyIntegrity(added, message, PASSWORD, hmac));
  const odd = hex('00010008 2112a442 000000000000000000000000 7fff0001aa000000');
  assert.deepEqual(decodeStun(odd).unknown, [0x7fff]);
});

test('addresses of both families', () => {
  const id = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
  for (const [address, seen] of [
    ['255.254.1.0', '255.254.1.0'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['fe80::a:b', 'fe80:0:0:0:0:0:a:b'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ] as const) {
    assert.deepEqual(decodeXorAddress(encodeXorAddress({ address, port: 8000 }, id), id), {
      address: seen,
      port: 8000,
    });
  }
  for (const address of ['', '1.2.3', '1.2.3.256', '1:2:3', 'g::1', '::1::', 'host']) {
    assert.throws(() => encodeXorAddress({ address, port: 1 }, id), { code: 'stun.attribute' });
  }
});

test('malformed messages have their codes', () => {
  const cases: [string, string][] = [
    ['', 'stun.message'],
    ['000100002112a442', 'stun.message'],
    ['00010004 2112a442 000000000000000000000000', 'stun.message'],
    ['00010004 2112a442 000000000000000000000000 00240004', 'stun.attribute'],
    ['00010008 2112a442 000000000000000000000000 0024000300000000', 'stun.attribute'],
    ['00010008 2112a442 000000000000000000000000 0020000400030000', 'stun.attribute'],
    ['00010008 2112a442 000000000000000000000000 8028000400000000', 'stun.integrity'],
  ];
  for (const [bytes, code] of cases) assert.throws(() => decodeStun(hex(bytes)), { code }, bytes);
  const many = Uint8Array.of(...hex('000100842112a442000000000000000000000000'), ...new Uint8Array(132));
  assert.throws(() => decodeStun(many), { code: 'stun.attribute' });
  assert.throws(() => decodeStun(new Uint8Array(4096)), { code: 'stun.message' });
});

test('100 000 random and mutated packets are decoded or refused with a typed error, and not kept', () => {
  const assertNothingKept = watchRetained();
  let decoded = 0;
  let refused = 0;
  // Without FINGERPRINT, which would refuse nearly all of them, and with.
  const bare = [REQUEST, RESPONSE_IPV4, RESPONSE_IPV6].map((bytes) => {
    const cut = bytes.slice(0, -8);
    cut[3] = cut.length - 20;
    return cut;
  });
  for (const bytes of mutations([...bare, ...bare, REQUEST, RESPONSE_IPV4], 100_000)) {
    try {
      const message = decodeStun(bytes.subarray(0, bytes.length & ~3));
      verifyIntegrity(bytes, message, PASSWORD, hmac);
      decoded++;
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error));
      assert.match(error.code, /^stun\./);
      refused++;
    }
  }
  assertNothingKept();
  assert.equal(decoded + refused, 100_000);
  assert.ok(decoded > 0 && refused > decoded);
});
