/** Numbers of TLS 1.2 and DTLS 1.2 that WebRTC uses, as IANA has them. */

/** RFC 6347 section 4.1. */
export const DTLS_1_0 = 0xfeff;
export const DTLS_1_2 = 0xfefd;

/** RFC 5246 section 6.2.1. */
export const ContentType = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;
export type ContentType = (typeof ContentType)[keyof typeof ContentType];

/** RFC 5246 section 7.4; RFC 6347 section 4.3.2. */
export const HandshakeType = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;
export type HandshakeType = (typeof HandshakeType)[keyof typeof HandshakeType];

/** RFC 5289 section 3.2. */
export const CipherSuite = {
  ecdheEcdsaAes128GcmSha256: 0xc02b,
  ecdheRsaAes128GcmSha256: 0xc02f,
} as const;

/** RFC 8422 section 5.1.1. */
export const NamedGroup = { secp256r1: 23, x25519: 29 } as const;
export type NamedGroup = (typeof NamedGroup)[keyof typeof NamedGroup];

/** SignatureAndHashAlgorithm (RFC 5246 section 7.4.1.4.1, RFC 8446 section 4.2.3). */
export const SignatureScheme = {
  ecdsaSha256: 0x0403,
  rsaPkcs1Sha256: 0x0401,
  rsaPssSha256: 0x0804,
} as const;
export type SignatureScheme = (typeof SignatureScheme)[keyof typeof SignatureScheme];

export const Extension = {
  supportedGroups: 10,
  ecPointFormats: 11,
  signatureAlgorithms: 13,
  useSrtp: 14,
  extendedMasterSecret: 23,
  renegotiationInfo: 0xff01,
} as const;

/** RFC 5764 section 4.1.2; RFC 7714 section 14.2. */
export const SrtpProfile = { aes128CmHmacSha1_80: 0x0001, aeadAes128Gcm: 0x0007 } as const;
export type SrtpProfile = (typeof SrtpProfile)[keyof typeof SrtpProfile];

/** RFC 5246 section 7.2. */
export const AlertLevel = { warning: 1, fatal: 2 } as const;
export const Alert = {
  closeNotify: 0,
  unexpectedMessage: 10,
  handshakeFailure: 40,
  badCertificate: 42,
  illegalParameter: 47,
  decodeError: 50,
  decryptError: 51,
  internalError: 80,
} as const;
export type Alert = (typeof Alert)[keyof typeof Alert];

export function nameOf(numbers: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(numbers).find((name) => numbers[name] === value) ?? String(value);
}
