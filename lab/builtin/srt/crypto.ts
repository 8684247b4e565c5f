/** What SRT's encryption is made of (draft-sharabayko-srt-01 section 6), by node:crypto. */
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { SrtCrypto } from '../../../protocols/srt/key-material.ts';

/** RFC 3394 section 2.2.3.1. */
const DEFAULT_INITIAL_VALUE = Buffer.alloc(8, 0xa6);

export const listenerCrypto: SrtCrypto = {
  random: (count) => randomBytes(count),
  deriveKey: (passphrase, salt, iterations, keyBytes) =>
    pbkdf2Sync(passphrase, salt, iterations, keyBytes, 'sha1'),
  wrapKey(wrappingKey, keys) {
    const cipher = createCipheriv(keyWrap(wrappingKey), wrappingKey, DEFAULT_INITIAL_VALUE);
    return Buffer.concat([cipher.update(keys), cipher.final()]);
  },
  unwrapKey(wrappingKey, wrapped) {
    const decipher = createDecipheriv(keyWrap(wrappingKey), wrappingKey, DEFAULT_INITIAL_VALUE);
    try {
      return Buffer.concat([decipher.update(wrapped), decipher.final()]);
    } catch {
      return undefined;
    }
  },
  ctr: (key, iv, bytes, start) =>
    createCipheriv(`aes-${key.length * 8}-ctr`, key, iv).update(bytes.subarray(start)),
};

function keyWrap(key: Uint8Array): string {
  return `id-aes${key.length * 8}-wrap`;
}
