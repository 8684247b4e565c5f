/** Encryption of payloads, and the messages that carry their keys (draft-sharabayko-srt-01 sections 3.2.2 and 6). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { KeyFlag, sequenceOf, uint32, writeUint32 } from './packet.ts';

/** What a caller of this module has to bring along: the primitives of section 6. */
export interface SrtCrypto {
  /** Bytes that nobody can guess. */
  random(count: number): Uint8Array;
  /** PBKDF2 with HMAC-SHA1 (RFC 8018 section 5.2). */
  deriveKey(passphrase: string, salt: Uint8Array, iterations: number, keyBytes: number): Uint8Array;
  /** AES key wrap with the default initial value (RFC 3394 section 2.2.1). */
  wrapKey(wrappingKey: Uint8Array, keys: Uint8Array): Uint8Array;
  /** undefined when the integrity check fails (RFC 3394 section 2.2.2). */
  unwrapKey(wrappingKey: Uint8Array, wrapped: Uint8Array): Uint8Array | undefined;
  /** AES-CTR of `bytes` from `start` on, whose first counter block is `iv`; encryption and decryption are one. */
  ctr(key: Uint8Array, iv: Uint8Array, bytes: Uint8Array, start: number): Uint8Array;
}

export type KeyBytes = 16 | 24 | 32;

/** Of a passphrase, in bytes of UTF-8 (SRTO_PASSPHRASE). */
export const MIN_PASSPHRASE = 10;
export const MAX_PASSPHRASE = 80;

/** A failed KMRSP is one word of these. */
export const KeyState = { unsecured: 0, securing: 1, secured: 2, noSecret: 3, badSecret: 4 } as const;

const SALT_SIZE = 16;
const KM_HEADER_SIZE = 16;
/** Version 1, packet type 2 (KMmsg); then the signature "HAI". */
const VERSION_AND_TYPE = 0x12;
const SIGNATURE = 0x2029;
const AES_CTR = 2;
/** Stream encapsulation: MPEG-TS over SRT. */
const SRT_STREAM = 2;
const ITERATIONS = 2048;
/** Of the salt, its end is what PBKDF2 takes (section 6.1.4). */
const PBKDF2_SALT_SIZE = 8;
/** What RFC 3394 puts before the wrapped key. */
const WRAP_OVERHEAD = 8;

interface KeyMessage {
  /** Which keys are in it: 1 even, 2 odd, 3 both. */
  readonly keys: number;
  readonly keyBytes: KeyBytes;
  readonly salt: Uint8Array;
  readonly wrapped: Uint8Array;
}

/** @throws ProtocolError SrtKeyMaterial */
export function decodeKeyMessage(content: Uint8Array): KeyMessage {
  if (content.length < KM_HEADER_SIZE) throw wrong(`${KM_HEADER_SIZE} bytes or more`, content.length);
  if (content[0] !== VERSION_AND_TYPE) throw wrong('version 1 and packet type 2', content[0]!);
  const sign = (content[1]! << 8) | content[2]!;
  if (sign !== SIGNATURE) throw wrong('signature 0x2029', sign);
  const keys = content[3]! & 3;
  if (keys === 0) throw wrong('an even key, an odd key or both', 0);
  if (content[8] !== AES_CTR) throw wrong('cipher 2, AES-CTR', content[8]!);
  if (content[9] !== 0) throw wrong('authentication 0, none', content[9]!);
  const saltSize = content[14]! * 4;
  if (saltSize !== SALT_SIZE) throw wrong('a salt of 16 bytes', saltSize);
  const keyBytes = content[15]! * 4;
  if (keyBytes !== 16 && keyBytes !== 24 && keyBytes !== 32)
    throw wrong('16, 24 or 32 bytes of key', keyBytes);
  const wrapped = WRAP_OVERHEAD + keyBytes * (keys === 3 ? 2 : 1);
  const size = KM_HEADER_SIZE + SALT_SIZE + wrapped;
  if (content.length !== size) throw wrong(`${size} bytes`, content.length);
  return {
    keys,
    keyBytes,
    salt: content.slice(KM_HEADER_SIZE, KM_HEADER_SIZE + SALT_SIZE),
    wrapped: content.slice(KM_HEADER_SIZE + SALT_SIZE),
  };
}

function wrong(expected: string, actual: number): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.SrtKeyMaterial, expected, String(actual));
}

/** The state that a failed KMRSP tells; undefined when it is a whole message, which is success. */
export function failedKeyState(content: Uint8Array): number | undefined {
  return content.length === 4 ? uint32(content, 0) : undefined;
}

/** The keys of one connection: those of its caller, which encrypt both directions, and what replaced them. */
export class KeyRing {
  readonly keyBytes: KeyBytes;
  /** The parity that this side sends with. */
  active: typeof KeyFlag.even | typeof KeyFlag.odd = KeyFlag.even;
  readonly #crypto: SrtCrypto;
  readonly #passphrase: string;
  readonly #salt: Uint8Array;
  readonly #wrappingKey: Uint8Array;
  readonly #iv = new Uint8Array(16);
  #even: Uint8Array | undefined;
  #odd: Uint8Array | undefined;

  private constructor(crypto: SrtCrypto, passphrase: string, salt: Uint8Array, keyBytes: KeyBytes) {
    this.#crypto = crypto;
    this.#passphrase = passphrase;
    this.#salt = salt;
    this.keyBytes = keyBytes;
    const end = salt.subarray(salt.length - PBKDF2_SALT_SIZE);
    this.#wrappingKey = crypto.deriveKey(passphrase, end, ITERATIONS, keyBytes);
  }

  /** A new salt and a new even key. */
  static generate(crypto: SrtCrypto, passphrase: string, keyBytes: KeyBytes): KeyRing {
    const ring = new KeyRing(crypto, passphrase, crypto.random(SALT_SIZE), keyBytes);
    ring.#even = crypto.random(keyBytes);
    return ring;
  }

  /**
   * The keys of a peer's KMREQ; undefined when the passphrase is not the one that they were wrapped with.
   * @throws ProtocolError SrtKeyMaterial
   */
  static open(crypto: SrtCrypto, passphrase: string, content: Uint8Array): KeyRing | undefined {
    const message = decodeKeyMessage(content);
    const ring = new KeyRing(crypto, passphrase, message.salt, message.keyBytes);
    if (!ring.#unwrap(message)) return undefined;
    if (message.keys === KeyFlag.odd) ring.active = KeyFlag.odd;
    return ring;
  }

  /**
   * Takes the keys of a later KMREQ. Returns false when they cannot be unwrapped.
   * @throws ProtocolError SrtKeyMaterial
   */
  update(content: Uint8Array): boolean {
    const message = decodeKeyMessage(content);
    if (message.keyBytes !== this.keyBytes) throw wrong(`${this.keyBytes} bytes of key`, message.keyBytes);
    if (message.salt.every((byte, at) => byte === this.#salt[at])) return this.#unwrap(message);
    const renewed = KeyRing.open(this.#crypto, this.#passphrase, content);
    if (renewed === undefined) return false;
    this.#salt.set(renewed.#salt);
    this.#wrappingKey.set(renewed.#wrappingKey);
    this.#even = renewed.#even ?? this.#even;
    this.#odd = renewed.#odd ?? this.#odd;
    return true;
  }

  /** Makes a new key of the other parity; `switchOver` begins to send with it. */
  renew(): void {
    const key = this.#crypto.random(this.keyBytes);
    if (this.active === KeyFlag.even) this.#odd = key;
    else this.#even = key;
  }

  switchOver(): void {
    this.active = this.active === KeyFlag.even ? KeyFlag.odd : KeyFlag.even;
  }

  /** Content of KMREQ with all keys at hand. */
  message(): Uint8Array {
    const even = this.#even ?? new Uint8Array(0);
    const odd = this.#odd ?? new Uint8Array(0);
    const keys = new Uint8Array(even.length + odd.length);
    keys.set(even);
    keys.set(odd, even.length);
    const wrapped = this.#crypto.wrapKey(this.#wrappingKey, keys);
    const content = new Uint8Array(KM_HEADER_SIZE + SALT_SIZE + wrapped.length);
    content[0] = VERSION_AND_TYPE;
    content[1] = SIGNATURE >> 8;
    content[2] = SIGNATURE & 0xff;
    content[3] = (even.length > 0 ? KeyFlag.even : 0) | (odd.length > 0 ? KeyFlag.odd : 0);
    content[8] = AES_CTR;
    content[10] = SRT_STREAM;
    content[14] = SALT_SIZE / 4;
    content[15] = this.keyBytes / 4;
    content.set(this.#salt, KM_HEADER_SIZE);
    content.set(wrapped, KM_HEADER_SIZE + SALT_SIZE);
    return content;
  }

  /**
   * Encrypts or decrypts the payload of a data packet with the key that `key` names. Returns the payload alone;
   * undefined without such a key.
   */
  payload(packet: Uint8Array, headerSize: number, key: number): Uint8Array | undefined {
    const secret = key === KeyFlag.even ? this.#even : key === KeyFlag.odd ? this.#odd : undefined;
    if (secret === undefined) return undefined;
    // Section 6.2.2: the packet's number below 16 bits of block counter, then 112 bits of the salt over it.
    const iv = this.#iv;
    iv.fill(0);
    writeUint32(iv, 10, sequenceOf(packet));
    for (let at = 0; at < 14; at++) iv[at] = iv[at]! ^ this.#salt[at]!;
    return this.#crypto.ctr(secret, iv, packet, headerSize);
  }

  #unwrap(message: KeyMessage): boolean {
    const keys = this.#crypto.unwrapKey(this.#wrappingKey, message.wrapped);
    if (keys === undefined) return false;
    const { keyBytes } = this;
    if (message.keys & KeyFlag.even) this.#even = keys.slice(0, keyBytes);
    if (message.keys & KeyFlag.odd) this.#odd = keys.slice(keys.length - keyBytes);
    return true;
  }
}
