import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { hmacSha1 } from '../../../../drivers/webrtc/lite/crypto.ts';

test('HMAC-SHA1 of keys and messages of every length around the blocks is the one of OpenSSL', () => {
  const bytes = randomBytes(220);
  for (const keySize of [0, 22, 32, 63, 64, 65, 256]) {
    const key = randomBytes(keySize);
    for (let length = 0; length <= 200; length++) {
      const message = bytes.subarray(5, 5 + length);
      const actual = Buffer.from(hmacSha1(key, message)).toString('hex');
      assert.equal(actual, createHmac('sha1', key).update(message).digest('hex'), `${keySize}, ${length}`);
    }
  }
});
