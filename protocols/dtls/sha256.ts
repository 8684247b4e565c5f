/**
 * HMAC-SHA256 (RFC 2104, FIPS 180-4) with its key's two blocks hashed once. The key schedule of a handshake takes some
 * sixteen of a hundred bytes each, for which this is faster than as many calls into OpenSSL.
 */

const BLOCK_SIZE = 64;
export const SHA256_SIZE = 32;

/** Of the fractional parts of the roots of primes (FIPS 180-4 section 4.2.2). */
function fractions(count: number, root: (prime: number) => number): Int32Array {
  const list = new Int32Array(count);
  for (let n = 2, found = 0; found < count; n++) {
    let divisor = 2;
    while (divisor * divisor <= n && n % divisor !== 0) divisor++;
    if (divisor * divisor > n) list[found++] = (root(n) % 1) * 2 ** 32;
  }
  return list;
}

const ROUND_KEYS = fractions(64, Math.cbrt);
const INITIAL = fractions(8, Math.sqrt);

const words = new Int32Array(64);
/** The state of the hash under way. */
const state = new Int32Array(8);

function compress(bytes: Uint8Array, start: number): void {
  const w = words;
  for (let i = 0, at = start; i < 16; i++, at += 4) {
    w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!;
    const y = w[i - 2]!;
    const low = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const high = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16]! + low + w[i - 7]! + high) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const high = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const first = (h + high + (g ^ (e & (f ^ g))) + ROUND_KEYS[i]! + w[i]!) | 0;
    const low = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const second = (low + ((a & b) | (c & (a | b)))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

function afterPad(key: Uint8Array, pad: number): Int32Array {
  const block = new Uint8Array(BLOCK_SIZE).fill(pad);
  for (let i = 0; i < key.length; i++) block[i]! ^= key[i]!;
  state.set(INITIAL);
  compress(block, 0);
  return state.slice();
}

/** Of a message behind one block of the key. */
function digestBehind(begin: Int32Array, bytes: Uint8Array): Uint8Array {
  state.set(begin);
  let at = 0;
  for (; bytes.length - at >= BLOCK_SIZE; at += BLOCK_SIZE) compress(bytes, at);
  const left = bytes.length - at;
  const tail = new Uint8Array(left + 9 <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE);
  tail.set(bytes.subarray(at));
  tail[left] = 0x80;
  const bits = 8 * (BLOCK_SIZE + bytes.length);
  for (let i = 0; i < 4; i++) tail[tail.length - 1 - i] = bits >>> (8 * i);
  for (let start = 0; start < tail.length; start += BLOCK_SIZE) compress(tail, start);
  const digest = new Uint8Array(SHA256_SIZE);
  for (let i = 0; i < SHA256_SIZE; i++) digest[i] = state[i >> 2]! >>> (24 - 8 * (i & 3));
  return digest;
}

export class HmacSha256 {
  readonly #inner: Int32Array;
  readonly #outer: Int32Array;

  /** @param key at most 64 bytes. */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK_SIZE) throw new RangeError(`a key of ${key.length} bytes`);
    this.#inner = afterPad(key, 0x36);
    this.#outer = afterPad(key, 0x5c);
  }

  digest(bytes: Uint8Array): Uint8Array {
    return digestBehind(this.#outer, digestBehind(this.#inner, bytes));
  }
}
