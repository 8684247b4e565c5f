/** RTP packets (RFC 3550 section 5.1), read in place, and their header extensions (RFC 8285). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

/** Without CSRC list and extension. */
export const RTP_HEADER_SIZE = 12;

/** "defined by profile" of an extension with one-byte headers (RFC 8285 section 4.2). */
export const ONE_BYTE_PROFILE = 0xbede;
/** The upper 12 bits of it with two-byte headers (section 4.3). */
const TWO_BYTE_PROFILE = 0x100;
/** One-byte headers: from here on nothing is to be read (section 4.2). */
const ONE_BYTE_STOP = 15;
/** Payload types 64 to 95 with any marker, that is RTCP packet types 192 to 223 (RFC 5761 section 4). */
const RTCP_FIRST = 192;
const RTCP_LAST = 223;

const VERSION_BITS = 0x80;

/** Whether a packet of a stream that carries RTP and RTCP (rtcp-mux) is RTCP (RFC 5761 section 4). */
export function isRtcp(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  return end - start >= 2 && bytes[start + 1]! >= RTCP_FIRST && bytes[start + 1]! <= RTCP_LAST;
}

/** One packet, or one after the other in the same object: `read` overwrites all fields. */
export class RtpPacket {
  // Plain fields: every packet of every player passes here.
  bytes: Uint8Array = new Uint8Array(0);
  marker = false;
  payloadType = 0;
  /** 16 bit. */
  sequence = 0;
  /** 32 bit, in units of the payload type's clock. */
  timestamp = 0;
  ssrc = 0;
  csrcCount = 0;
  /** The 16 bits "defined by profile"; -1 without an extension. */
  extensionProfile = -1;
  extensionStart = 0;
  extensionEnd = 0;
  payloadStart = 0;
  /** Without padding. */
  payloadEnd = 0;

  /** @throws ProtocolError RtpPacket */
  read(bytes: Uint8Array, start = 0, end = bytes.length): void {
    if (end - start < RTP_HEADER_SIZE) fail(`at least ${RTP_HEADER_SIZE} bytes`, String(end - start));
    const first = bytes[start]!;
    if (first >> 6 !== 2) fail('version 2', String(first >> 6));
    this.bytes = bytes;
    this.marker = bytes[start + 1]! >= 0x80;
    this.payloadType = bytes[start + 1]! & 0x7f;
    this.sequence = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    this.timestamp = uint32(bytes, start + 4);
    this.ssrc = uint32(bytes, start + 8);
    this.csrcCount = first & 0x0f;
    let at = start + RTP_HEADER_SIZE + 4 * this.csrcCount;
    if (at > end) fail(`room for ${this.csrcCount} CSRC`, `${end - start} bytes`);
    this.extensionProfile = -1;
    this.extensionStart = at;
    this.extensionEnd = at;
    if ((first & 0x10) !== 0) {
      if (end - at < 4) fail('an extension header', `${end - at} bytes`);
      this.extensionProfile = (bytes[at]! << 8) | bytes[at + 1]!;
      const length = 4 * ((bytes[at + 2]! << 8) | bytes[at + 3]!);
      at += 4;
      if (length > end - at) fail(`an extension of at most ${end - at} bytes`, String(length));
      this.extensionStart = at;
      at += length;
      this.extensionEnd = at;
    }
    let last = end;
    if ((first & 0x20) !== 0) {
      const padding = at < end ? bytes[end - 1]! : 0;
      if (padding === 0 || padding > end - at) fail(`padding of 1 to ${end - at} bytes`, String(padding));
      last -= padding;
    }
    this.payloadStart = at;
    this.payloadEnd = last;
  }

  csrc(index: number): number {
    return uint32(
      this.bytes,
      this.extensionStart - (this.extensionProfile < 0 ? 0 : 4) - 4 * (this.csrcCount - index),
    );
  }

  /**
   * Calls `visit` for each element of the header extension. An extension of another profile has none.
   * @throws ProtocolError RtpExtension for an element that runs past the extension.
   */
  extensions(visit: (id: number, bytes: Uint8Array, start: number, end: number) => void): void {
    const { bytes, extensionProfile, extensionEnd } = this;
    const oneByte = extensionProfile === ONE_BYTE_PROFILE;
    if (!oneByte && extensionProfile >> 4 !== TWO_BYTE_PROFILE) return;
    let at = this.extensionStart;
    while (at < extensionEnd) {
      const first = bytes[at]!;
      if (first === 0) {
        at++;
        continue;
      }
      const id = oneByte ? first >> 4 : first;
      if (oneByte && id === ONE_BYTE_STOP) return;
      const header = oneByte ? 1 : 2;
      const length = oneByte ? (first & 0x0f) + 1 : (bytes[at + 1] ?? 0);
      const start = at + header;
      if (start + length > extensionEnd) {
        throw new ProtocolError(
          ProtocolErrorCode.RtpExtension,
          `an element of at most ${Math.max(0, extensionEnd - start)} bytes`,
          `id ${id} of ${length}`,
        );
      }
      visit(id, bytes, start, start + length);
      at = start + length;
    }
  }
}

export interface RtpHeader {
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly marker?: boolean;
  readonly csrcs?: readonly number[];
  readonly extensions?: readonly { readonly id: number; readonly value: Uint8Array }[];
}

/**
 * A packet. Extensions have one-byte headers when all ids are below 15 and all values 1 to 16 bytes long, else two-byte
 * headers.
 * @param padding bytes of padding, its count included; 0 for none.
 * @throws ProtocolError RtpExtension for an id outside 1 to 255 or a value longer than 255 bytes; RtpPacket for more
 * than 15 CSRC or padding above 255.
 */
export function encodeRtp(header: RtpHeader, payload: Uint8Array, padding = 0): Uint8Array {
  const csrcs = header.csrcs ?? [];
  if (csrcs.length > 15) fail('at most 15 CSRC', String(csrcs.length));
  if (padding > 255) fail('at most 255 bytes of padding', String(padding));
  const extension = header.extensions === undefined ? undefined : encodeExtension(header.extensions);
  const payloadAt = RTP_HEADER_SIZE + 4 * csrcs.length + (extension?.length ?? 0);
  const bytes = new Uint8Array(payloadAt + payload.length + padding);
  writeRtpHeader(
    bytes,
    header.payloadType,
    header.sequence,
    header.timestamp,
    header.ssrc,
    header.marker === true,
  );
  bytes[0] = VERSION_BITS | (padding > 0 ? 0x20 : 0) | (extension === undefined ? 0 : 0x10) | csrcs.length;
  let at = RTP_HEADER_SIZE;
  for (const csrc of csrcs) {
    setUint32(bytes, at, csrc);
    at += 4;
  }
  if (extension !== undefined) bytes.set(extension, at);
  bytes.set(payload, payloadAt);
  if (padding > 0) bytes[bytes.length - 1] = padding;
  return bytes;
}

/** The 12 bytes of a header without CSRC, extension and padding. */
export function writeRtpHeader(
  bytes: Uint8Array,
  payloadType: number,
  sequence: number,
  timestamp: number,
  ssrc: number,
  marker: boolean,
): void {
  bytes[0] = VERSION_BITS;
  bytes[1] = (marker ? 0x80 : 0) | payloadType;
  bytes[2] = sequence >> 8;
  bytes[3] = sequence;
  setUint32(bytes, 4, timestamp);
  setUint32(bytes, 8, ssrc);
}

function encodeExtension(elements: NonNullable<RtpHeader['extensions']>): Uint8Array {
  const oneByte = elements.every(({ id, value }) => id < 15 && value.length >= 1 && value.length <= 16);
  const header = oneByte ? 1 : 2;
  const size = elements.reduce((sum, { value }) => sum + header + value.length, 0);
  const bytes = new Uint8Array(4 + 4 * Math.ceil(size / 4));
  const profile = oneByte ? ONE_BYTE_PROFILE : TWO_BYTE_PROFILE << 4;
  bytes[0] = profile >> 8;
  bytes[1] = profile & 0xff;
  const words = (bytes.length - 4) / 4;
  bytes[2] = words >> 8;
  bytes[3] = words & 0xff;
  let at = 4;
  for (const { id, value } of elements) {
    if (id < 1 || id > 255 || value.length > 255) {
      const actual = `id ${id}, ${value.length} bytes`;
      throw new ProtocolError(
        ProtocolErrorCode.RtpExtension,
        'an id of 1 to 255 and at most 255 bytes',
        actual,
      );
    }
    if (oneByte) bytes[at] = (id << 4) | (value.length - 1);
    else {
      bytes[at] = id;
      bytes[at + 1] = value.length;
    }
    bytes.set(value, at + header);
    at += header + value.length;
  }
  return bytes;
}

export function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export function setUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function fail(expected: string, actual: string): never {
  throw new ProtocolError(ProtocolErrorCode.RtpPacket, expected, actual);
}
