/**
 * AES-128 (FIPS 197), one block at a time, on words. For a few blocks this is faster than a call into OpenSSL, which
 * is why it exists: most packets are decrypted for their first 16 bytes alone. It is not for secrets: tables are looked
 * up by key and data.
 */

const SBOX = new Uint8Array(256);
const T0 = new Int32Array(256);
const T1 = new Int32Array(256);
const T2 = new Int32Array(256);
const T3 = new Int32Array(256);

/** Multiplication by x in GF(2^8). */
const double = (value: number): number => ((value << 1) ^ ((value >> 7) * 0x11b)) & 0xff;

for (let value = 1, inverse = 1; ; ) {
  // value runs through all powers of 3, inverse through those of its reciprocal (0xf6).
  const spread = inverse | (inverse << 8);
  const rotated = inverse ^ (spread >> 7) ^ (spread >> 6) ^ (spread >> 5) ^ (spread >> 4);
  SBOX[value] = (rotated & 0xff) ^ 0x63;
  value ^= double(value);
  inverse ^= inverse << 1;
  inverse ^= inverse << 2;
  inverse ^= inverse << 4;
  inverse &= 0xff;
  if ((inverse & 0x80) !== 0) inverse ^= 0x09;
  if (value === 1) break;
}
SBOX[0] = 0x63;

for (let i = 0; i < 256; i++) {
  const s = SBOX[i]!;
  const s2 = double(s);
  const word = (s2 << 24) | (s << 16) | (s << 8) | (s2 ^ s);
  T0[i] = word;
  T1[i] = (word >>> 8) | (word << 24);
  T2[i] = (word >>> 16) | (word << 16);
  T3[i] = (word >>> 24) | (word << 8);
}

const ROUNDS = 10;
const KEY_WORDS = 4 * (ROUNDS + 1);

export const AES_KEY_SIZE = 16;
export const AES_BLOCK_SIZE = 16;

// Plain fields: this runs for every packet.
export class Aes128 {
  /** The last block, as four big-endian words. */
  a = 0;
  b = 0;
  c = 0;
  d = 0;
  private readonly keys = new Int32Array(KEY_WORDS);

  /** @param key 16 bytes. */
  constructor(key: Uint8Array) {
    const { keys } = this;
    for (let i = 0; i < 4; i++) {
      keys[i] = (key[4 * i]! << 24) | (key[4 * i + 1]! << 16) | (key[4 * i + 2]! << 8) | key[4 * i + 3]!;
    }
    let constant = 1;
    for (let i = 4; i < KEY_WORDS; i++) {
      let word = keys[i - 1]!;
      if (i % 4 === 0) {
        word =
          (SBOX[(word >> 16) & 0xff]! << 24) |
          (SBOX[(word >> 8) & 0xff]! << 16) |
          (SBOX[word & 0xff]! << 8) |
          SBOX[word >>> 24]!;
        word ^= constant << 24;
        constant = double(constant);
      }
      keys[i] = keys[i - 4]! ^ word;
    }
  }

  /** Encrypts the block of these words into `a` to `d`. */
  encrypt(w0: number, w1: number, w2: number, w3: number): void {
    const { keys } = this;
    let a = w0 ^ keys[0]!;
    let b = w1 ^ keys[1]!;
    let c = w2 ^ keys[2]!;
    let d = w3 ^ keys[3]!;
    let at = 4;
    for (let round = 1; round < ROUNDS; round++) {
      const e = T0[a >>> 24]! ^ T1[(b >> 16) & 0xff]! ^ T2[(c >> 8) & 0xff]! ^ T3[d & 0xff]! ^ keys[at]!;
      const f = T0[b >>> 24]! ^ T1[(c >> 16) & 0xff]! ^ T2[(d >> 8) & 0xff]! ^ T3[a & 0xff]! ^ keys[at + 1]!;
      const g = T0[c >>> 24]! ^ T1[(d >> 16) & 0xff]! ^ T2[(a >> 8) & 0xff]! ^ T3[b & 0xff]! ^ keys[at + 2]!;
      d = T0[d >>> 24]! ^ T1[(a >> 16) & 0xff]! ^ T2[(b >> 8) & 0xff]! ^ T3[c & 0xff]! ^ keys[at + 3]!;
      a = e;
      b = f;
      c = g;
      at += 4;
    }
    this.a = last(a, b, c, d) ^ keys[at]!;
    this.b = last(b, c, d, a) ^ keys[at + 1]!;
    this.c = last(c, d, a, b) ^ keys[at + 2]!;
    this.d = last(d, a, b, c) ^ keys[at + 3]!;
  }
}

function last(a: number, b: number, c: number, d: number): number {
  return (
    (SBOX[a >>> 24]! << 24) |
    (SBOX[(b >> 16) & 0xff]! << 16) |
    (SBOX[(c >> 8) & 0xff]! << 8) |
    SBOX[d & 0xff]!
  );
}
