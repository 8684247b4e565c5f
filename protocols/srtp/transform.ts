/** Encryption and authentication of one session key, in place: AES counter mode with HMAC-SHA1, and AES-GCM. */
import { AES_BLOCK_SIZE, Aes128 } from './aes.ts';
import { type SessionKeys, SrtpTransform } from './keys.ts';
import { HmacSha1 } from './sha1.ts';

/**
 * What a library does faster for long packets, and GCM at all. Left out, AES and SHA-1 of this folder do all, and
 * AES-GCM cannot be authenticated.
 */
export interface SrtpCrypto {
  /** AES-128 in ECB mode: blocks in, blocks out. One per key, used again and again. */
  aes128Ecb(key: Uint8Array): (blocks: Uint8Array) => Uint8Array;
  /** The first 10 bytes are used. */
  hmacSha1(key: Uint8Array, bytes: Uint8Array, suffix: Uint8Array): Uint8Array;
  aes128Gcm(key: Uint8Array): {
    seal(nonce: Uint8Array, additional: Uint8Array, plain: Uint8Array): Uint8Array;
    open(nonce: Uint8Array, additional: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  };
}

/** From so many bytes on a call into the library costs less: measured with Node 20 and OpenSSL 3. */
const LONG = 512;
const MAX_BLOCKS = 4096;
const blocks = new Uint8Array(MAX_BLOCKS * AES_BLOCK_SIZE);
const blockWords = new DataView(blocks.buffer);
const suffixBytes = new Uint8Array(4);
/** AES-GCM encrypts from the second counter on (RFC 7714 section 5, NIST SP 800-38D). */
const GCM_FIRST = 2;

export const TAG_SIZES = { [SrtpTransform.cm]: 10, [SrtpTransform.gcm]: 16 } as const;

// Plain fields: this runs for every packet.
export class PacketTransform {
  readonly tagSize: number;
  readonly isGcm: boolean;
  private readonly keys: SessionKeys;
  private readonly crypto: SrtpCrypto | undefined;
  private readonly aes: Aes128;
  private readonly hmac: HmacSha1 | undefined;
  private ecb: ((blocks: Uint8Array) => Uint8Array) | undefined = undefined;
  private gcm: ReturnType<SrtpCrypto['aes128Gcm']> | undefined = undefined;
  private readonly s0: number;
  private readonly s1: number;
  private readonly s2: number;
  private readonly s3: number;
  // The counter block of the present packet.
  private w0 = 0;
  private w1 = 0;
  private w2 = 0;
  private w3 = 0;

  constructor(keys: SessionKeys, crypto?: SrtpCrypto) {
    this.keys = keys;
    this.crypto = crypto;
    this.isGcm = keys.transform === SrtpTransform.gcm;
    this.tagSize = TAG_SIZES[keys.transform];
    this.aes = new Aes128(keys.key);
    this.hmac = this.isGcm ? undefined : new HmacSha1(keys.authentication);
    const salt = new DataView(new ArrayBuffer(AES_BLOCK_SIZE));
    keys.salt.forEach((byte, at) => {
      salt.setUint8(at, byte);
    });
    this.s0 = salt.getInt32(0);
    this.s1 = salt.getInt32(4);
    this.s2 = salt.getInt32(8);
    this.s3 = salt.getInt32(12);
  }

  /**
   * Chooses the packet: with SRTP its rollover counter and sequence number, with SRTCP the upper 16 and the lower 16
   * bits of its index.
   */
  select(ssrc: number, high: number, low: number): void {
    if (this.isGcm) {
      // 00 00 | SSRC | high | low, then the counter (RFC 7714 sections 8.1 and 9.1).
      this.w0 = this.s0 ^ (ssrc >>> 16);
      this.w1 = this.s1 ^ ((ssrc << 16) | (high >>> 16));
      this.w2 = this.s2 ^ ((high << 16) | low);
      this.w3 = GCM_FIRST;
    } else {
      // Salt, SSRC in bytes 4 to 7, the index in 8 to 13, then the counter (RFC 3711 section 4.1.1).
      this.w0 = this.s0;
      this.w1 = this.s1 ^ ssrc;
      this.w2 = this.s2 ^ high;
      this.w3 = this.s3 ^ (low << 16);
    }
  }

  /** Encrypts or decrypts in place; with GCM without looking at the tag. */
  crypt(bytes: Uint8Array, start: number, end: number): void {
    if (end - start >= LONG && this.crypto !== undefined) this.cryptLong(bytes, start, end);
    else this.cryptShort(bytes, start, end);
  }

  private cryptShort(bytes: Uint8Array, start: number, end: number): void {
    const { aes, w0, w1, w2 } = this;
    let w3 = this.w3;
    let at = start;
    for (; end - at >= AES_BLOCK_SIZE; at += AES_BLOCK_SIZE) {
      aes.encrypt(w0, w1, w2, w3++);
      xor(bytes, at, aes.a);
      xor(bytes, at + 4, aes.b);
      xor(bytes, at + 8, aes.c);
      xor(bytes, at + 12, aes.d);
    }
    if (at === end) return;
    aes.encrypt(w0, w1, w2, w3);
    for (let i = 0; at < end; i++) {
      const word = i < 4 ? aes.a : i < 8 ? aes.b : i < 12 ? aes.c : aes.d;
      bytes[at++]! ^= word >>> (24 - 8 * (i & 3));
    }
  }

  private cryptLong(bytes: Uint8Array, start: number, end: number): void {
    const count = Math.ceil((end - start) / AES_BLOCK_SIZE);
    if (count > MAX_BLOCKS) {
      this.cryptShort(bytes, start, end);
      return;
    }
    this.ecb ??= this.crypto!.aes128Ecb(this.keys.key);
    for (let i = 0, at = 0; i < count; i++, at += AES_BLOCK_SIZE) {
      blockWords.setInt32(at, this.w0);
      blockWords.setInt32(at + 4, this.w1);
      blockWords.setInt32(at + 8, this.w2);
      blockWords.setInt32(at + 12, this.w3 + i);
    }
    const stream = this.ecb(blocks.subarray(0, count * AES_BLOCK_SIZE));
    for (let at = start, i = 0; at < end; ) bytes[at++]! ^= stream[i++]!;
  }

  /** Whether the tag that begins at `end` is that of the bytes before it and of `suffix`. AES-CM only. */
  isGenuine(bytes: Uint8Array, start: number, end: number, suffix: number): boolean {
    if (end - start >= LONG && this.crypto !== undefined) {
      const tag = this.longTag(bytes, start, end, suffix);
      let difference = 0;
      for (let i = 0; i < this.tagSize; i++) difference |= tag[i]! ^ bytes[end + i]!;
      return difference === 0;
    }
    const tag = this.hmac!.digest(bytes, start, end, suffix);
    return (
      ((tag[0]! ^ int32(bytes, end)) |
        (tag[1]! ^ int32(bytes, end + 4)) |
        ((tag[2]! >>> 16) ^ ((bytes[end + 8]! << 8) | bytes[end + 9]!))) ===
      0
    );
  }

  /** Writes the tag behind the bytes. AES-CM only. */
  sign(bytes: Uint8Array, start: number, end: number, suffix: number): void {
    if (end - start >= LONG && this.crypto !== undefined) {
      bytes.set(this.longTag(bytes, start, end, suffix).subarray(0, this.tagSize), end);
      return;
    }
    const tag = this.hmac!.digest(bytes, start, end, suffix);
    for (let i = 0; i < this.tagSize; i++) bytes[end + i] = tag[i >> 2]! >>> (24 - 8 * (i & 3));
  }

  /** AES-GCM: the plain text, or undefined when it is not genuine. */
  open(sealed: Uint8Array, additional: Uint8Array): Uint8Array | undefined {
    return this.library().open(this.nonce(), additional, sealed);
  }

  /** AES-GCM: cipher text and tag. */
  seal(plain: Uint8Array, additional: Uint8Array): Uint8Array {
    return this.library().seal(this.nonce(), additional, plain);
  }

  private longTag(bytes: Uint8Array, start: number, end: number, suffix: number): Uint8Array {
    for (let i = 0; i < 4; i++) suffixBytes[i] = suffix >>> (24 - 8 * i);
    return this.crypto!.hmacSha1(this.keys.authentication, bytes.subarray(start, end), suffixBytes);
  }

  private library(): ReturnType<SrtpCrypto['aes128Gcm']> {
    if (this.crypto === undefined) throw new TypeError('AES-GCM wants SrtpCrypto');
    this.gcm ??= this.crypto.aes128Gcm(this.keys.key);
    return this.gcm;
  }

  private nonce(): Uint8Array {
    const nonce = new DataView(new ArrayBuffer(12));
    nonce.setInt32(0, this.w0);
    nonce.setInt32(4, this.w1);
    nonce.setInt32(8, this.w2);
    return new Uint8Array(nonce.buffer);
  }
}

function xor(bytes: Uint8Array, at: number, word: number): void {
  bytes[at]! ^= word >>> 24;
  bytes[at + 1]! ^= word >>> 16;
  bytes[at + 2]! ^= word >>> 8;
  bytes[at + 3]! ^= word;
}

function int32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
