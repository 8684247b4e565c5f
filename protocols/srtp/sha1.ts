/**
 * HMAC-SHA1 (RFC 2104, FIPS 180-4) with its key's two blocks hashed once. For packets of some hundred bytes this is
 * faster than a call into OpenSSL.
 */

const BLOCK_SIZE = 64;
export const SHA1_SIZE = 20;

const words = new Int32Array(80);
/** The state of the hash under way. */
const state = new Int32Array(5);
const tail = new Uint8Array(2 * BLOCK_SIZE);

const INITIAL = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);

function compress(bytes: Uint8Array, start: number): void {
  const w = words;
  for (let i = 0, at = start; i < 16; i++, at += 4) {
    w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  rounds();
}

/** Of the block whose 16 words are in `words`. */
function rounds(): void {
  const w = words;
  for (let i = 16; i < 80; i++) {
    const mixed = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!;
    w[i] = (mixed << 1) | (mixed >>> 31);
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  for (let i = 0; i < 20; i++) {
    const next = (((a << 5) | (a >>> 27)) + (d ^ (b & (c ^ d))) + e + 0x5a827999 + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let i = 20; i < 40; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0x6ed9eba1 + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let i = 40; i < 60; i++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (d & (b | c))) + e + 0x8f1bbcdc + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let i = 60; i < 80; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0xca62c1d6 + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
}

function padded(key: Uint8Array, pad: number): Int32Array {
  const block = new Uint8Array(BLOCK_SIZE).fill(pad);
  for (let i = 0; i < key.length; i++) block[i]! ^= key[i]!;
  state.set(INITIAL);
  compress(block, 0);
  return state.slice();
}

/** By hand: for five words a call of the library costs more than all of it. */
function begin(from: Int32Array): void {
  for (let i = 0; i < 5; i++) state[i] = from[i]!;
}

export class HmacSha1 {
  readonly #inner: Int32Array;
  readonly #outer: Int32Array;

  /** @param key at most 64 bytes. */
  constructor(key: Uint8Array) {
    this.#inner = padded(key, 0x36);
    this.#outer = padded(key, 0x5c);
  }

  /**
   * Of the bytes and of the four of `suffix` behind them.
   * @returns five words, overwritten by the next call of any HmacSha1.
   */
  digest(bytes: Uint8Array, start: number, end: number, suffix: number): Int32Array {
    begin(this.#inner);
    let at = start;
    for (; end - at >= BLOCK_SIZE; at += BLOCK_SIZE) compress(bytes, at);
    let length = 0;
    while (at < end) tail[length++] = bytes[at++]!;
    tail[length++] = suffix >>> 24;
    tail[length++] = suffix >>> 16;
    tail[length++] = suffix >>> 8;
    tail[length++] = suffix;
    tail[length++] = 0x80;
    const size = length + 8 <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE;
    while (length < size - 4) tail[length++] = 0;
    const bits = 8 * (BLOCK_SIZE + end - start + 4);
    tail[size - 4] = bits >>> 24;
    tail[size - 3] = bits >>> 16;
    tail[size - 2] = bits >>> 8;
    tail[size - 1] = bits;
    compress(tail, 0);
    if (size > BLOCK_SIZE) compress(tail, BLOCK_SIZE);
    for (let i = 0; i < 5; i++) words[i] = state[i]!;
    words[5] = 0x80000000 | 0;
    for (let i = 6; i < 15; i++) words[i] = 0;
    words[15] = 8 * (BLOCK_SIZE + SHA1_SIZE);
    begin(this.#outer);
    rounds();
    return state;
  }
}
