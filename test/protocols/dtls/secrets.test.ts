import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { prf } from '../../../protocols/dtls/secrets.ts';
import { HmacSha256 } from '../../../protocols/dtls/sha256.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('HMAC-SHA256: RFC 4231 section 4.3, and all lengths around the blocks as OpenSSL has them', () => {
  const vector = new HmacSha256(Buffer.from('Jefe')).digest(Buffer.from('what do ya want for nothing?'));
  assert.equal(toHex(vector), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  for (const keySize of [0, 32, 48, 64]) {
    const key = randomBytes(keySize);
    const hmac = new HmacSha256(key);
    const bytes = randomBytes(300);
    for (let length = 0; length < 290; length++) {
      const message = bytes.subarray(7, 7 + length);
      assert.equal(toHex(hmac.digest(message)), createHmac('sha256', key).update(message).digest('hex'));
    }
  }
  assert.throws(() => new HmacSha256(randomBytes(65)), RangeError);
});

test('PRF of SHA-256: the vector of the IETF TLS list, and every length of it', () => {
  const secret = new HmacSha256(hex('9bbe436ba940f017b17652849a71db35'));
  const seed = hex('a0ba9f936cda311827a6f796ffd5198c');
  const expected =
    'e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af' +
    '0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701' +
    '87347b66';
  for (let length = 0; length <= 100; length++) {
    assert.equal(toHex(prf(secret, 'test label', seed, length)), expected.slice(0, 2 * length));
  }
});
