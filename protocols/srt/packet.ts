/** SRT packets (draft-sharabayko-srt-01 section 3): a header of 16 bytes, then a payload or control information. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

export const HEADER_SIZE = 16;

/** Control types (table 1). */
export const ControlType = {
  handshake: 0,
  keepAlive: 1,
  ack: 2,
  nak: 3,
  congestionWarning: 4,
  shutdown: 5,
  ackAck: 6,
  dropRequest: 7,
  peerError: 8,
  /** Its subtype tells: KMREQ and KMRSP, numbered as the handshake extensions are. */
  userDefined: 0x7fff,
} as const;
export type ControlType = (typeof ControlType)[keyof typeof ControlType];

/** KK: with which key a payload is encrypted (section 3.1). */
export const KeyFlag = { none: 0, even: 1, odd: 2 } as const;
export type KeyFlag = (typeof KeyFlag)[keyof typeof KeyFlag];

/** PP 11 (a message in one packet) and O, as libsrt sends in live mode. */
const SOLO_IN_ORDER = 0xe0;
const REXMIT = 0x04;

export function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export function writeUint32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

// Accessors, for those who look at every packet; they want HEADER_SIZE bytes.

export const isControl = (packet: Uint8Array): boolean => (packet[0]! & 0x80) !== 0;
export const controlTypeOf = (packet: Uint8Array): number => ((packet[0]! & 0x7f) << 8) | packet[1]!;
export const controlSubtypeOf = (packet: Uint8Array): number => (packet[2]! << 8) | packet[3]!;
/** The type-specific word of a control packet. */
export const informationOf = (packet: Uint8Array): number => uint32(packet, 4);
export const sequenceOf = (packet: Uint8Array): number => uint32(packet, 0) & 0x7fffffff;
export const keyFlagOf = (packet: Uint8Array): number => (packet[4]! >> 3) & 3;
export const isRetransmitted = (packet: Uint8Array): boolean => (packet[4]! & REXMIT) !== 0;
export const messageNumberOf = (packet: Uint8Array): number => uint32(packet, 4) & 0x3ffffff;
/** In microseconds from when its sender was made; wraps after 71 minutes. */
export const timestampOf = (packet: Uint8Array): number => uint32(packet, 8);
/** Whom it is for; 0 is a listener. */
export const destinationOf = (packet: Uint8Array): number => uint32(packet, 12);

export function writeDataHeader(
  out: Uint8Array,
  sequence: number,
  message: number,
  key: KeyFlag,
  timestamp: number,
  destination: number,
): void {
  writeUint32(out, 0, sequence);
  writeUint32(out, 4, message);
  out[4] = (out[4]! & 0x03) | SOLO_IN_ORDER | (key << 3);
  writeUint32(out, 8, timestamp);
  writeUint32(out, 12, destination);
}

export function markRetransmitted(packet: Uint8Array): void {
  packet[4] = packet[4]! | REXMIT;
}

export function writeControlHeader(
  out: Uint8Array,
  type: ControlType,
  subtype: number,
  information: number,
  timestamp: number,
  destination: number,
): void {
  out[0] = 0x80 | (type >> 8);
  out[1] = type;
  out[2] = subtype >> 8;
  out[3] = subtype;
  writeUint32(out, 4, information);
  writeUint32(out, 8, timestamp);
  writeUint32(out, 12, destination);
}

export function encodeControl(
  type: ControlType,
  subtype: number,
  information: number,
  timestamp: number,
  destination: number,
  content: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(HEADER_SIZE + content.length);
  writeControlHeader(out, type, subtype, information, timestamp, destination);
  out.set(content, HEADER_SIZE);
  return out;
}

export interface DataPacket {
  readonly kind: 'data';
  readonly sequence: number;
  /** PP: 3 is a whole message, 2 its first packet, 1 its last, 0 one in the middle. */
  readonly position: number;
  readonly inOrder: boolean;
  readonly key: number;
  readonly retransmitted: boolean;
  readonly message: number;
  readonly timestamp: number;
  readonly destination: number;
  readonly payload: Uint8Array;
}

export interface ControlPacket {
  readonly kind: 'control';
  readonly type: number;
  readonly subtype: number;
  readonly information: number;
  readonly timestamp: number;
  readonly destination: number;
  /** Control information field. */
  readonly content: Uint8Array;
}

/**
 * A whole packet; `payload` and `content` are views of it.
 * @throws ProtocolError SrtPacket when it is shorter than its header.
 */
export function decodePacket(bytes: Uint8Array): DataPacket | ControlPacket {
  if (bytes.length < HEADER_SIZE) {
    throw new ProtocolError(ProtocolErrorCode.SrtPacket, `${HEADER_SIZE} bytes or more`, `${bytes.length}`);
  }
  const timestamp = timestampOf(bytes);
  const destination = destinationOf(bytes);
  const rest = bytes.subarray(HEADER_SIZE);
  if (isControl(bytes)) {
    return {
      kind: 'control',
      type: controlTypeOf(bytes),
      subtype: controlSubtypeOf(bytes),
      information: informationOf(bytes),
      timestamp,
      destination,
      content: rest,
    };
  }
  return {
    kind: 'data',
    sequence: sequenceOf(bytes),
    position: bytes[4]! >> 6,
    inOrder: (bytes[4]! & 0x20) !== 0,
    key: keyFlagOf(bytes),
    retransmitted: isRetransmitted(bytes),
    message: messageNumberOf(bytes),
    timestamp,
    destination,
    payload: rest,
  };
}
