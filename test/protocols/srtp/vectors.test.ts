import assert from 'node:assert/strict';
import { createCipheriv, createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { nodeSrtpCrypto } from '../../../drivers/webrtc/lite/crypto.ts';
import { Aes128 } from '../../../protocols/srtp/aes.ts';
import { deriveSessionKeys, keystream, SrtpTransform } from '../../../protocols/srtp/keys.ts';
import { SrtcpReceiver, SrtcpSender } from '../../../protocols/srtp/rtcp.ts';
import { rtpPayloadStart, SrtpReceiver, SrtpSender } from '../../../protocols/srtp/rtp.ts';
import { HmacSha1 } from '../../../protocols/srtp/sha1.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const MASTER = {
  transform: SrtpTransform.cm,
  key: hex('e1f97a0d3e018be0d64fa32c06de4139'),
  salt: hex('0ec675ad498afeebb6960b3aabe6'),
};

test('FIPS 197 appendix B, and random blocks as OpenSSL has them', () => {
  const block = (aes: Aes128): string =>
    [aes.a, aes.b, aes.c, aes.d].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  const aes = new Aes128(hex('2b7e151628aed2a6abf7158809cf4f3c'));
  aes.encrypt(0x3243f6a8, 0x885a308d, 0x313198a2, 0xe0370734);
  assert.equal(block(aes), '3925841d02dc09fbdc118597196a0b32');
  for (let i = 0; i < 200; i++) {
    const [key, plain] = [randomBytes(16), randomBytes(16)];
    const random = new Aes128(key);
    random.encrypt(plain.readInt32BE(0), plain.readInt32BE(4), plain.readInt32BE(8), plain.readInt32BE(12));
    assert.equal(block(random), createCipheriv('aes-128-ecb', key, null).update(plain).toString('hex'));
  }
});

test('HMAC-SHA1 of all lengths around the blocks, as OpenSSL has it', () => {
  const key = randomBytes(20);
  const hmac = new HmacSha1(key);
  const bytes = randomBytes(300);
  for (let length = 0; length < 290; length++) {
    const digest = Buffer.alloc(20);
    hmac.digest(bytes, 7, 7 + length, 0xdeadbeef).forEach((word, i) => {
      digest.writeInt32BE(word, 4 * i);
    });
    const expected = createHmac('sha1', key)
      .update(bytes.subarray(7, 7 + length))
      .update(hex('deadbeef'));
    assert.deepEqual(digest, expected.digest());
  }
});

test('RFC 3711 B.2: key stream of AES-CM', () => {
  const aes = new Aes128(hex('2b7e151628aed2a6abf7158809cf4f3c'));
  const stream = keystream(aes, hex('f0f1f2f3f4f5f6f7f8f9fafbfcfd0000'), 48);
  assert.equal(
    toHex(stream),
    'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
  );
});

test('RFC 3711 B.3: derived keys', () => {
  const keys = deriveSessionKeys(MASTER, 'rtp');
  assert.equal(toHex(keys.key), 'c61e7a93744f39ee10734afe3ff7a087');
  assert.equal(toHex(keys.salt), '30cbbc08863d8c85d49db34a9ae1');
  assert.equal(toHex(keys.authentication), 'cebe321f6ff7716b6fd4ab49af256a156d38baa4');
  assert.throws(() => deriveSessionKeys({ ...MASTER, salt: new Uint8Array(12) }, 'rtp'), {
    code: 'srtp.keys',
  });
});

test('the packets of libsrtp: AES_CM_128_HMAC_SHA1_80', () => {
  const plain = hex('800f1234decafbadcafebabeabababababababababababababababab');
  const sealed = '800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb';
  assert.equal(toHex(new SrtpSender(MASTER).protect(plain)), sealed);
  const bytes = hex(sealed);
  const end = new SrtpReceiver(MASTER).unprotect(bytes, 0, bytes.length, 12);
  assert.equal(toHex(bytes.subarray(0, end)), toHex(plain));
});

test('the RTCP packet of libsrtp: AES_CM_128_HMAC_SHA1_80', () => {
  const plain = hex('81c8000bcafebabeabababababababababababababababab');
  const sealed = '81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798';
  assert.equal(toHex(new SrtcpSender(MASTER, undefined, 1).protect(plain)), sealed);
  assert.equal(toHex(new SrtcpReceiver(MASTER).unprotect(hex(sealed))!), toHex(plain));
});

/** RFC 7714 section 16, whose keys are those of the session. */
const GCM_KEYS = {
  transform: SrtpTransform.gcm,
  key: hex('000102030405060708090a0b0c0d0e0f'),
  salt: hex('517569642070726f2071756f'),
  authentication: new Uint8Array(0),
};
const GCM_PLAIN = `8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e69732064
  697669736120696e207061727465732074726573`;
const GCM_SEALED = `8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bca
  be633bd50d294e6f42a5f47a51c7d19b36de3adf8833 899d7f27beb16a9152cf765ee4390cce`;

test('RFC 7714 16.1: AEAD_AES_128_GCM', () => {
  const sender = new SrtpSender(GCM_KEYS, nodeSrtpCrypto);
  assert.equal(toHex(sender.protect(hex(GCM_PLAIN))), toHex(hex(GCM_SEALED)));
  const receiver = new SrtpReceiver(GCM_KEYS, nodeSrtpCrypto);
  const bytes = hex(GCM_SEALED);
  // A look at the beginning needs no library, and can be taken back.
  const peeked = new SrtpReceiver(GCM_KEYS).peek(bytes, 0, bytes.length, 12, 20);
  assert.equal(toHex(bytes.subarray(0, peeked)), toHex(hex(GCM_PLAIN).subarray(0, 32)));
  const whole = hex(GCM_SEALED);
  const end = receiver.unprotect(whole, 0, whole.length, rtpPayloadStart(whole, 0, whole.length));
  assert.equal(toHex(whole.subarray(0, end)), toHex(hex(GCM_PLAIN)));
});

test('RFC 7714 17.1: SRTCP with AEAD_AES_128_GCM', () => {
  const plain = hex(`81c8000d4d617273 4e5450314e545032525450200000042a0000e930
    4c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef`);
  const sealed = hex(`81c8000d4d617273 63e94885dcdab67ca727d7662f6b7e997ff5c0f7
    6c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4`);
  assert.equal(toHex(new SrtcpSender(GCM_KEYS, nodeSrtpCrypto, 0x5d4).protect(plain)), toHex(sealed));
  assert.equal(toHex(new SrtcpReceiver(GCM_KEYS, nodeSrtpCrypto).unprotect(sealed)!), toHex(plain));
});
