/** STUN messages (RFC 8489), with what ICE puts into them (RFC 8445 section 16.1). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { COOKIE_BYTES, decodeXorAddress, encodeXorAddress, type StunAddress } from './address.ts';
import { crc32 } from './crc32.ts';

export const STUN_HEADER_SIZE = 20;
export const TRANSACTION_ID_SIZE = 12;

/** Section 5. */
export const StunClass = { request: 0, indication: 1, success: 2, error: 3 } as const;
export type StunClass = (typeof StunClass)[keyof typeof StunClass];

export const StunMethod = { binding: 1 } as const;

/** Section 18.3; RFC 8445 section 20.1. */
export const StunAttribute = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  software: 0x8022,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const;

/** HMAC-SHA1 of RFC 2104. */
export type HmacSha1 = (key: Uint8Array, data: Uint8Array) => Uint8Array;

export interface StunLimits {
  /** Bytes of a message. Default 2048: what ICE sends has less than 200. */
  readonly messageBytes: number;
  readonly attributes: number;
}

const LIMITS: StunLimits = { messageBytes: 2048, attributes: 32 };

const FINGERPRINT_XOR = 0x5354554e;
const INTEGRITY_SIZE = 20;
/** Section 14.3: a username has fewer than 509 bytes. */
const MAX_USERNAME = 508;

export interface StunFields {
  readonly class: StunClass;
  readonly method: number;
  readonly transactionId: Uint8Array;
  /** `<remote ufrag>:<local ufrag>` in ICE. */
  readonly username?: string;
  readonly priority?: number;
  readonly useCandidate?: boolean;
  /** Tie-breaker. */
  readonly iceControlling?: bigint;
  readonly iceControlled?: bigint;
  readonly xorMappedAddress?: StunAddress;
  readonly errorCode?: { readonly code: number; readonly reason: string };
  readonly software?: string;
}

export interface StunMessage extends StunFields {
  /** Types of attributes that must be understood (below 0x8000) and that are not known here. */
  readonly unknown: readonly number[];
  /** Where MESSAGE-INTEGRITY begins in the bytes that were decoded; -1 without one. */
  readonly integrityAt: number;
  readonly fingerprint: boolean;
}

/** Whether a datagram is STUN and not DTLS, RTP or RTCP (RFC 7983 section 7, and the magic cookie). */
export function isStun(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  return (
    end - start >= STUN_HEADER_SIZE &&
    bytes[start]! < 4 &&
    bytes[start + 4] === 0x21 &&
    bytes[start + 5] === 0x12 &&
    bytes[start + 6] === 0xa4 &&
    bytes[start + 7] === 0x42
  );
}

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder();

type Draft = { -readonly [Key in keyof StunMessage]: StunMessage[Key] };

/**
 * One whole message. Its integrity is not checked: see `verifyIntegrity`. What stands behind MESSAGE-INTEGRITY, but for
 * FINGERPRINT, is ignored (section 14.5).
 * @throws ProtocolError StunMessage, StunAttribute; StunIntegrity for a FINGERPRINT that does not fit.
 */
export function decodeStun(bytes: Uint8Array, limits: StunLimits = LIMITS): StunMessage {
  if (bytes.length > limits.messageBytes) {
    fail(ProtocolErrorCode.StunMessage, `at most ${limits.messageBytes} bytes`, `${bytes.length}`);
  }
  if (!isStun(bytes)) fail(ProtocolErrorCode.StunMessage, 'a STUN header', `${bytes.length} other bytes`);
  const length = uint16(bytes, 2);
  if (length !== bytes.length - STUN_HEADER_SIZE || (length & 3) !== 0) {
    fail(ProtocolErrorCode.StunMessage, `length ${bytes.length - STUN_HEADER_SIZE}, in words`, `${length}`);
  }
  const type = uint16(bytes, 0);
  const message: Draft = {
    class: (((type >> 7) & 2) | ((type >> 4) & 1)) as StunClass,
    method: ((type & 0x3e00) >> 2) | ((type & 0xe0) >> 1) | (type & 0x0f),
    transactionId: bytes.slice(8, STUN_HEADER_SIZE),
    unknown: [],
    integrityAt: -1,
    fingerprint: false,
  };
  let at = STUN_HEADER_SIZE;
  for (let count = 0; at < bytes.length; count++) {
    if (count === limits.attributes) {
      fail(ProtocolErrorCode.StunAttribute, `at most ${limits.attributes} attributes`, 'more');
    }
    const size = uint16(bytes, at + 2);
    const start = at + 4;
    if (size > bytes.length - start) {
      fail(ProtocolErrorCode.StunAttribute, `at most ${bytes.length - start} bytes`, `${size}`);
    }
    attribute(message, bytes, at, start, start + size);
    at = start + ((size + 3) & ~3);
  }
  return message;
}

function attribute(message: Draft, bytes: Uint8Array, at: number, start: number, end: number): void {
  const type = uint16(bytes, at);
  if (type === StunAttribute.fingerprint) {
    expectSize(type, start, end, 4);
    if (end !== bytes.length) {
      fail(ProtocolErrorCode.StunAttribute, 'FINGERPRINT as the last attribute', 'more behind it');
    }
    const expected = (crc32(bytes, 0, at) ^ FINGERPRINT_XOR) >>> 0;
    const actual = uint32(bytes, start);
    if (actual !== expected) fail(ProtocolErrorCode.StunIntegrity, `FINGERPRINT ${expected}`, `${actual}`);
    message.fingerprint = true;
    return;
  }
  if (message.integrityAt >= 0) return;
  switch (type) {
    case StunAttribute.messageIntegrity:
      expectSize(type, start, end, INTEGRITY_SIZE);
      message.integrityAt = at;
      break;
    case StunAttribute.username:
      if (end - start > MAX_USERNAME) {
        fail(
          ProtocolErrorCode.StunAttribute,
          `a username of at most ${MAX_USERNAME} bytes`,
          `${end - start}`,
        );
      }
      message.username = utf8Decoder.decode(bytes.subarray(start, end));
      break;
    case StunAttribute.software:
      message.software = utf8Decoder.decode(bytes.subarray(start, end));
      break;
    case StunAttribute.priority:
      expectSize(type, start, end, 4);
      message.priority = uint32(bytes, start);
      break;
    case StunAttribute.useCandidate:
      expectSize(type, start, end, 0);
      message.useCandidate = true;
      break;
    case StunAttribute.iceControlling:
      expectSize(type, start, end, 8);
      message.iceControlling = uint64(bytes, start);
      break;
    case StunAttribute.iceControlled:
      expectSize(type, start, end, 8);
      message.iceControlled = uint64(bytes, start);
      break;
    case StunAttribute.xorMappedAddress:
      message.xorMappedAddress = decodeXorAddress(bytes.subarray(start, end), message.transactionId);
      break;
    case StunAttribute.errorCode: {
      if (end - start < 4) fail(ProtocolErrorCode.StunAttribute, 'ERROR-CODE of 4 bytes', `${end - start}`);
      const code = (bytes[start + 2]! & 7) * 100 + bytes[start + 3]!;
      message.errorCode = { code, reason: utf8Decoder.decode(bytes.subarray(start + 4, end)) };
      break;
    }
    default:
      if (type < 0x8000) message.unknown = [...message.unknown, type];
  }
}

/**
 * Whether MESSAGE-INTEGRITY is there and right (section 14.5).
 * @param key the password of the one who is asked, in ICE (short-term credential, section 9.1.1).
 */
export function verifyIntegrity(
  bytes: Uint8Array,
  message: StunMessage,
  key: Uint8Array,
  hmac: HmacSha1,
): boolean {
  const at = message.integrityAt;
  if (at < 0) return false;
  const signed = bytes.slice(0, at);
  setUint16(signed, 2, at + 4 + INTEGRITY_SIZE - STUN_HEADER_SIZE);
  const expected = hmac(key, signed);
  let difference = 0;
  for (let i = 0; i < INTEGRITY_SIZE; i++) difference |= expected[i]! ^ bytes[at + 4 + i]!;
  return difference === 0;
}

/**
 * A message with FINGERPRINT, and with MESSAGE-INTEGRITY when there is a key.
 * @throws ProtocolError StunAttribute for an address that is none, StunMessage for a transaction id that is not 12 bytes.
 */
export function encodeStun(
  fields: StunFields,
  integrity?: { readonly key: Uint8Array; readonly hmac: HmacSha1 },
): Uint8Array {
  const { transactionId } = fields;
  if (transactionId.length !== TRANSACTION_ID_SIZE) {
    fail(
      ProtocolErrorCode.StunMessage,
      `a transaction id of ${TRANSACTION_ID_SIZE}`,
      `${transactionId.length}`,
    );
  }
  const attributes = attributesOf(fields);
  const plain = attributes.reduce((sum, [, value]) => sum + 4 + ((value.length + 3) & ~3), STUN_HEADER_SIZE);
  const total = plain + (integrity === undefined ? 0 : 4 + INTEGRITY_SIZE) + 8;
  const bytes = new Uint8Array(total);
  const { method } = fields;
  const classBits = ((fields.class & 2) << 7) | ((fields.class & 1) << 4);
  setUint16(bytes, 0, ((method & 0xf80) << 2) | ((method & 0x70) << 1) | (method & 0x0f) | classBits);
  bytes.set(COOKIE_BYTES, 4);
  bytes.set(transactionId, 8);
  let at = STUN_HEADER_SIZE;
  for (const [type, value] of attributes) at = put(bytes, at, type, value);
  if (integrity !== undefined) {
    setUint16(bytes, 2, at + 4 + INTEGRITY_SIZE - STUN_HEADER_SIZE);
    const digest = integrity.hmac(integrity.key, bytes.subarray(0, at));
    at = put(bytes, at, StunAttribute.messageIntegrity, digest);
  }
  setUint16(bytes, 2, total - STUN_HEADER_SIZE);
  const fingerprint = new Uint8Array(4);
  setUint32(fingerprint, 0, crc32(bytes, 0, at) ^ FINGERPRINT_XOR);
  put(bytes, at, StunAttribute.fingerprint, fingerprint);
  return bytes;
}

function attributesOf(fields: StunFields): [number, Uint8Array][] {
  const list: [number, Uint8Array][] = [];
  const { username, priority, iceControlling, iceControlled, xorMappedAddress, errorCode, software } = fields;
  if (software !== undefined) list.push([StunAttribute.software, utf8Encoder.encode(software)]);
  if (errorCode !== undefined) {
    const reason = utf8Encoder.encode(errorCode.reason);
    const value = new Uint8Array(4 + reason.length);
    value[2] = Math.floor(errorCode.code / 100);
    value[3] = errorCode.code % 100;
    value.set(reason, 4);
    list.push([StunAttribute.errorCode, value]);
  }
  if (username !== undefined) list.push([StunAttribute.username, utf8Encoder.encode(username)]);
  if (priority !== undefined) {
    const value = new Uint8Array(4);
    setUint32(value, 0, priority);
    list.push([StunAttribute.priority, value]);
  }
  if (iceControlling !== undefined) list.push([StunAttribute.iceControlling, encodeUint64(iceControlling)]);
  if (iceControlled !== undefined) list.push([StunAttribute.iceControlled, encodeUint64(iceControlled)]);
  if (fields.useCandidate) list.push([StunAttribute.useCandidate, new Uint8Array(0)]);
  if (xorMappedAddress !== undefined) {
    list.push([StunAttribute.xorMappedAddress, encodeXorAddress(xorMappedAddress, fields.transactionId)]);
  }
  return list;
}

function put(bytes: Uint8Array, at: number, type: number, value: Uint8Array): number {
  setUint16(bytes, at, type);
  setUint16(bytes, at + 2, value.length);
  bytes.set(value, at + 4);
  return at + 4 + ((value.length + 3) & ~3);
}

function expectSize(type: number, start: number, end: number, size: number): void {
  if (end - start === size) return;
  fail(ProtocolErrorCode.StunAttribute, `${size} bytes in attribute ${type}`, `${end - start}`);
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function uint64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(uint32(bytes, at)) << 32n) | BigInt(uint32(bytes, at + 4));
}

function setUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

function setUint32(bytes: Uint8Array, at: number, value: number): void {
  setUint16(bytes, at, value >>> 16);
  setUint16(bytes, at + 2, value);
}

function encodeUint64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  setUint32(bytes, 0, Number((value >> 32n) & 0xffffffffn));
  setUint32(bytes, 4, Number(value & 0xffffffffn));
  return bytes;
}

function fail(code: ProtocolErrorCode, expected: string, actual: string): never {
  throw new ProtocolError(code, expected, actual);
}
