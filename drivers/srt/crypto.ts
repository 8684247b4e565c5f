/** What SRT's encryption is made of, by node:crypto. */
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { SrtCrypto } from '../../protocols/srt/key-material.ts';

/** Default initial value of RFC 3394 section 2.2.3.1. */
const WRAP_IV = Buffer.alloc(8, 0xa6);

export const nodeCrypto: SrtCrypto = {
  random: (count) => randomBytes(count),
  deriveKey: (passphrase, salt, iterations, keyBytes) =>
    pbkdf2Sync(passphrase, salt, iterations, keyBytes, 'sha1'),
  wrapKey(wrappingKey, keys) {
    const cipher = createCipheriv(`id-aes${wrappingKey.length * 8}-wrap`, wrappingKey, WRAP_IV);
    return Buffer.concat([cipher.update(keys), cipher.final()]);
  },
  unwrapKey(wrappingKey, wrapped) {
    const decipher = createDecipheriv(`id-aes${wrappingKey.length * 8}-wrap`, wrappingKey, WRAP_IV);
    try {
      return Buffer.concat([decipher.update(wrapped), decipher.final()]);
    } catch {
      return undefined;
    }
  },
  ctr: (key, iv, bytes, start) =>
    createCipheriv(`aes-${key.length * 8}-ctr`, key, iv).update(bytes.subarray(start)),
};
