/** The headers of PES packets (ISO/IEC 13818-1 sections 2.4.3.6 and 2.4.3.7). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

/** Up to PES_packet_length; up to PES_header_data_length; and with as many bytes as that can say. */
const PES_PREFIX_SIZE = 6;
export const PES_FIXED_SIZE = 9;
export const PES_HEADER_MAX = PES_FIXED_SIZE + 255;
/** A PTS or a DTS. */
export const TIMESTAMP_SIZE = 5;
/** What PES_packet_length can say; 0 stands for more, in video only. */
const MAX_PES_LENGTH = 0xffff;
const WRAP = 2 ** 33;

/** False for padding, private_stream_2 and such (table 2-21): what follows PES_packet_length is no header. */
export function hasPesHeader(streamId: number): boolean {
  switch (streamId) {
    case 0xbc:
    case 0xbe:
    case 0xbf:
    case 0xf0:
    case 0xf1:
    case 0xf2:
    case 0xf8:
    case 0xff:
      return false;
    default:
      return true;
  }
}

/** Of the header that begins at `at`; PES_HEADER_MAX as long as the `have` bytes of it do not tell. */
export function pesHeaderSize(bytes: Uint8Array, at: number, have: number): number {
  if (have >= PES_FIXED_SIZE && hasPesHeader(bytes[at + 3]!)) return PES_FIXED_SIZE + bytes[at + 8]!;
  if (have >= PES_PREFIX_SIZE && !hasPesHeader(bytes[at + 3]!)) return PES_PREFIX_SIZE;
  return PES_HEADER_MAX;
}

/**
 * 33 bits in 5 bytes, each part followed by a marker_bit.
 * @throws ProtocolError TsPes
 */
export function timestampAt(bytes: Uint8Array, at: number): number {
  if ((bytes[at]! & bytes[at + 2]! & bytes[at + 4]! & 1) === 0) {
    throw new ProtocolError(ProtocolErrorCode.TsPes, 'three marker_bits in a time stamp', 'one that is 0');
  }
  const low =
    (bytes[at + 1]! << 22) | ((bytes[at + 2]! >> 1) << 15) | (bytes[at + 3]! << 7) | (bytes[at + 4]! >> 1);
  return ((bytes[at]! >> 1) & 7) * 0x40000000 + low;
}

/**
 * The header of a PES packet with `size` bytes of payload; with a DTS only where it differs from the PTS.
 * @throws RangeError for more than PES_packet_length can say, but for video.
 */
export function encodePesHeader(
  streamId: number,
  size: number,
  pts: number,
  dts: number,
  video: boolean,
): Uint8Array {
  const both = modulo33(pts) !== modulo33(dts);
  const timestamps = both ? 2 * TIMESTAMP_SIZE : TIMESTAMP_SIZE;
  const header = new Uint8Array(PES_FIXED_SIZE + timestamps);
  const length = 3 + timestamps + size;
  if (length > MAX_PES_LENGTH && !video) {
    throw new RangeError(
      `at most ${MAX_PES_LENGTH - 3 - timestamps} bytes of audio in a PES packet: ${size}`,
    );
  }
  const written = length > MAX_PES_LENGTH ? 0 : length;
  header.set([0, 0, 1, streamId, written >> 8, written & 0xff]);
  // data_alignment_indicator: an access unit begins here.
  header[6] = 0x84;
  header[7] = both ? 0xc0 : 0x80;
  header[8] = timestamps;
  writeTimestamp(header, PES_FIXED_SIZE, both ? 3 : 2, pts);
  if (both) writeTimestamp(header, PES_FIXED_SIZE + TIMESTAMP_SIZE, 1, dts);
  return header;
}

function writeTimestamp(target: Uint8Array, at: number, prefix: number, value: number): void {
  const whole = modulo33(value);
  const low = whole % 0x40000000;
  target[at] = (prefix << 4) | (Math.floor(whole / 0x40000000) << 1) | 1;
  target[at + 1] = low >> 22;
  target[at + 2] = (low >> 14) | 1;
  target[at + 3] = low >> 7;
  target[at + 4] = (low << 1) | 1;
}

/** 33 bits, also of a negative number. */
export function modulo33(value: number): number {
  return ((Math.floor(value) % WRAP) + WRAP) % WRAP;
}
