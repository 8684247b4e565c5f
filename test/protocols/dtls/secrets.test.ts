import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeCrypto } from '../../../drivers/webrtc/lite/crypto.ts';
import { prf } from '../../../protocols/dtls/secrets.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

test('PRF of SHA-256: the vector of the IETF TLS list, and every length of it', () => {
  const secret = hex('9bbe436ba940f017b17652849a71db35');
  const seed = hex('a0ba9f936cda311827a6f796ffd5198c');
  const expected =
    'e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af' +
    '0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701' +
    '87347b66';
  for (let length = 0; length <= 100; length++) {
    const actual = Buffer.from(prf(nodeCrypto, secret, 'test label', seed, length)).toString('hex');
    assert.equal(actual, expected.slice(0, 2 * length));
  }
});
