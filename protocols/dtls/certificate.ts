/** A self-signed certificate (RFC 5280 section 4.1), in as little DER (X.690) as that takes; and fingerprints. */
import { concat } from './bytes.ts';

const Tag = {
  integer: 0x02,
  bitString: 0x03,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
} as const;

/** 1.2.840.10045.4.3.2 */
const ECDSA_WITH_SHA256 = Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
/** 2.5.4.3 */
const COMMON_NAME = Uint8Array.of(0x55, 0x04, 0x03);
const V3 = Uint8Array.of(2);

export interface CertificateFields {
  /** SubjectPublicKeyInfo, in DER. */
  readonly publicKey: Uint8Array;
  /** 1 to 20 bytes, the first of them 0x01 to 0x7f. */
  readonly serial: Uint8Array;
  readonly commonName: string;
  /** Epoch milliseconds; before 2050. */
  readonly notBefore: number;
  readonly notAfter: number;
}

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  const length =
    content.length < 128
      ? Uint8Array.of(content.length)
      : content.length < 256
        ? Uint8Array.of(0x81, content.length)
        : Uint8Array.of(0x82, content.length >> 8, content.length);
  return concat(Uint8Array.of(tag), length, content);
}

function utcTime(at: number): Uint8Array {
  const digits = new Date(at).toISOString().replace(/\D/g, '').slice(2, 14);
  return der(Tag.utcTime, new TextEncoder().encode(`${digits}Z`));
}

/** @param sign ecdsa-with-SHA256 over its argument, in DER, with the key that `publicKey` belongs to. */
export function selfSignedCertificate(
  fields: CertificateFields,
  sign: (data: Uint8Array) => Uint8Array,
): Uint8Array {
  const algorithm = der(Tag.sequence, der(Tag.oid, ECDSA_WITH_SHA256));
  const commonName = der(Tag.utf8String, new TextEncoder().encode(fields.commonName));
  const name = der(Tag.sequence, der(Tag.set, der(Tag.sequence, der(Tag.oid, COMMON_NAME), commonName)));
  const toBeSigned = der(
    Tag.sequence,
    der(Tag.version, der(Tag.integer, V3)),
    der(Tag.integer, fields.serial),
    algorithm,
    name,
    der(Tag.sequence, utcTime(fields.notBefore), utcTime(fields.notAfter)),
    name,
    fields.publicKey,
  );
  const signature = der(Tag.bitString, Uint8Array.of(0), sign(toBeSigned));
  return der(Tag.sequence, toBeSigned, algorithm, signature);
}

/** As in `a=fingerprint` (RFC 8122 section 5): upper-case hexadecimal with colons. */
export function formatFingerprint(digest: Uint8Array): string {
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':');
}
