/**
 * Cookies of a listener (draft-sharabayko-srt-01 section 4.3.1.1): what an address must echo before anything is kept
 * for it. HalfSipHash-2-4 (Aumasson and Bernstein, reference implementation) of the address under a secret.
 */

/** For how long a cookie is good: this minute's and the last one's are. */
const PERIOD_MS = 60_000;

export class CookieJar {
  readonly #low: number;
  readonly #high: number;

  /** @param secret 8 bytes that nobody can guess. */
  constructor(secret: Uint8Array) {
    const view = new DataView(secret.buffer, secret.byteOffset, secret.byteLength);
    this.#low = view.getUint32(0, true);
    this.#high = view.getUint32(4, true);
  }

  /** @param now in ms, of the clock that `fits` is asked with. */
  make(address: string, port: number, now: number): number {
    return this.#hash(`${address}:${port}`, Math.floor(now / PERIOD_MS));
  }

  fits(cookie: number, address: string, port: number, now: number): boolean {
    const period = Math.floor(now / PERIOD_MS);
    const name = `${address}:${port}`;
    return cookie === this.#hash(name, period) || cookie === this.#hash(name, period - 1);
  }

  #hash(name: string, period: number): number {
    let v0 = this.#low;
    let v1 = this.#high;
    let v2 = 0x6c796765 ^ this.#low;
    let v3 = 0x74656462 ^ this.#high;
    const round = (): void => {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    };
    const take = (word: number): void => {
      v3 ^= word;
      round();
      round();
      v0 ^= word;
    };
    take(period | 0);
    for (let at = 0; at < name.length; at += 2) {
      take((name.charCodeAt(at) << 16) | (at + 1 < name.length ? name.charCodeAt(at + 1) : 0));
    }
    take(name.length << 24);
    v2 ^= 0xff;
    round();
    round();
    round();
    round();
    return (v1 ^ v3) >>> 0;
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
