/** What DTLS needs of cryptography, from whoever has it: protocols import none. */
import type { NamedGroup, SignatureScheme } from './constants.ts';

/** Of `a=fingerprint` (RFC 8122 section 5). */
export type FingerprintHash = 'sha-1' | 'sha-256' | 'sha-384' | 'sha-512';

/** AES-128-GCM with a tag of 16 bytes. */
export interface Aead {
  /** Ciphertext and tag. */
  seal(nonce: Uint8Array, additional: Uint8Array, plain: Uint8Array): Uint8Array;
  /** undefined when the tag does not fit. */
  open(nonce: Uint8Array, additional: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

/** An ephemeral key. */
export interface KeyShare {
  /** As in ServerKeyExchange and ClientKeyExchange: an uncompressed point, or 32 bytes of X25519. */
  readonly publicKey: Uint8Array;
  /** The premaster secret. Throws for a key that is not of this group. */
  derive(peer: Uint8Array): Uint8Array;
}

export interface DtlsCrypto {
  random(length: number): Uint8Array;
  sha256(parts: readonly Uint8Array[]): Uint8Array;
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  fingerprint(hash: FingerprintHash, certificate: Uint8Array): Uint8Array;
  aes128Gcm(key: Uint8Array): Aead;
  keyShare(group: NamedGroup): KeyShare;
  /** With the public key of a certificate in DER. Throws for a certificate that cannot be read. */
  verify(certificate: Uint8Array, scheme: SignatureScheme, data: Uint8Array, signature: Uint8Array): boolean;
}

/** Who we are: a certificate with an ECDSA key on P-256. */
export interface DtlsIdentity {
  /** DER. */
  readonly certificate: Uint8Array;
  /** ecdsa_secp256r1_sha256, in DER. */
  sign(data: Uint8Array): Uint8Array;
}
