/** Session keys of SRTP and SRTCP (RFC 3711 section 4.3, RFC 7714 section 11), with a key derivation rate of 0. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { AES_BLOCK_SIZE, AES_KEY_SIZE, Aes128 } from './aes.ts';

export const SrtpTransform = {
  /** AES_CM_128_HMAC_SHA1_80: RFC 3711. */
  cm: 'AES_CM_128_HMAC_SHA1_80',
  /** AEAD_AES_128_GCM: RFC 7714. */
  gcm: 'AEAD_AES_128_GCM',
} as const;
export type SrtpTransform = (typeof SrtpTransform)[keyof typeof SrtpTransform];

export const SALT_SIZES = { [SrtpTransform.cm]: 14, [SrtpTransform.gcm]: 12 } as const;
const AUTH_KEY_SIZE = 20;
/** Where the label stands in the 14 bytes that are added to the salt (section 4.3.1). */
const LABEL_AT = 7;

/** Section 4.3.2; those of SRTCP are higher by three. */
const Label = { encryption: 0, authentication: 1, salt: 2 } as const;
const RTCP_LABELS = 3;

export interface MasterKeys {
  readonly transform: SrtpTransform;
  /** 16 bytes. */
  readonly key: Uint8Array;
  /** 14 bytes, with AES-GCM 12. */
  readonly salt: Uint8Array;
}

export interface SessionKeys {
  readonly transform: SrtpTransform;
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
  /** Empty with AES-GCM. */
  readonly authentication: Uint8Array;
}

/** @throws ProtocolError SrtpKeys for a key or a salt of another length. */
export function deriveSessionKeys(master: MasterKeys, of: 'rtp' | 'rtcp'): SessionKeys {
  const { transform } = master;
  const saltSize = SALT_SIZES[transform];
  if (master.key.length !== AES_KEY_SIZE || master.salt.length !== saltSize) {
    throw new ProtocolError(
      ProtocolErrorCode.SrtpKeys,
      `a key of ${AES_KEY_SIZE} and a salt of ${saltSize} bytes`,
      `${master.key.length} and ${master.salt.length}`,
    );
  }
  const aes = new Aes128(master.key);
  const first = of === 'rtp' ? 0 : RTCP_LABELS;
  const derive = (label: number, length: number): Uint8Array => {
    const block = new Uint8Array(AES_BLOCK_SIZE);
    block.set(master.salt);
    block[LABEL_AT]! ^= first + label;
    return keystream(aes, block, length);
  };
  return {
    transform,
    key: derive(Label.encryption, AES_KEY_SIZE),
    salt: derive(Label.salt, saltSize),
    authentication:
      transform === SrtpTransform.cm ? derive(Label.authentication, AUTH_KEY_SIZE) : new Uint8Array(0),
  };
}

/** Counter mode from `block` on, whose last 16 bits count (section 4.1.1). */
export function keystream(aes: Aes128, block: Uint8Array, length: number): Uint8Array {
  const view = new DataView(block.buffer, block.byteOffset);
  const whole = new Uint8Array(Math.ceil(length / AES_BLOCK_SIZE) * AES_BLOCK_SIZE);
  const out = new DataView(whole.buffer);
  const [w0, w1, w2, w3] = [0, 4, 8, 12].map((at) => view.getInt32(at)) as [number, number, number, number];
  for (let at = 0, counter = 0; at < length; at += AES_BLOCK_SIZE, counter++) {
    aes.encrypt(w0, w1, w2, w3 + counter);
    out.setInt32(at, aes.a);
    out.setInt32(at + 4, aes.b);
    out.setInt32(at + 8, aes.c);
    out.setInt32(at + 12, aes.d);
  }
  return whole.subarray(0, length);
}
