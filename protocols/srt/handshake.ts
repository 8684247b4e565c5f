/** SRT handshakes of version 5, and the induction of version 4 (draft-sharabayko-srt-01 sections 3.2.1 and 4.3). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { ControlType, encodeControl, HEADER_SIZE, uint32, writeUint32 } from './packet.ts';
import { SEQUENCE_MASK } from './sequence.ts';

/** Handshake types (table 4). Everything from `failure` on is a rejection. */
export const HandshakeType = {
  done: 0xfffffffd,
  agreement: 0xfffffffe,
  conclusion: 0xffffffff,
  waveHand: 0,
  induction: 1,
  failure: 1000,
} as const;

/** Extension field of an induction's answer: the listener speaks version 5 (section 4.3.1.1). */
export const MAGIC = 0x4a17;
/** Extension field of a caller's induction, and of all of version 4: UDT's datagrams. */
export const SOCKET_TYPE_DATAGRAM = 2;

export const ExtensionType = {
  hsRequest: 1,
  hsResponse: 2,
  kmRequest: 3,
  kmResponse: 4,
  streamId: 5,
  congestion: 6,
  filter: 7,
  group: 8,
} as const;

/** Which kinds of extensions follow (table 3). */
const ExtensionFlag = { hs: 1, km: 2, config: 4 } as const;

/** Flags of HSREQ and HSRSP (table 6). */
export const SrtFlag = {
  tsbpdSender: 0x01,
  tsbpdReceiver: 0x02,
  crypt: 0x04,
  tooLateDrop: 0x08,
  periodicNak: 0x10,
  retransmitFlag: 0x20,
  stream: 0x40,
  packetFilter: 0x80,
} as const;

/** What live mode asks for; `crypt` says that the field of that name is understood. */
export const LIVE_FLAGS =
  SrtFlag.tsbpdSender |
  SrtFlag.tsbpdReceiver |
  SrtFlag.crypt |
  SrtFlag.tooLateDrop |
  SrtFlag.periodicNak |
  SrtFlag.retransmitFlag;

/** The version whose behaviour this is: 1.5.1. */
export const SRT_VERSION = 0x010501;
/** Stream ids came with HSv5. */
export const MIN_SRT_VERSION = 0x010300;

export const MAX_STREAM_ID = 512;
const BODY_SIZE = 48;
const HS_EXTENSION_SIZE = 12;
/** IPv4 with UDP headers, so that a packet fits into an Ethernet frame. */
export const MTU = 1500;

export interface HsExtension {
  readonly version: number;
  readonly flags: number;
  /** In ms. */
  readonly receiverDelay: number;
  readonly senderDelay: number;
}

export interface Handshake {
  /** 4 or 5. */
  readonly version: number;
  /** Advertised key length in units of 8 bytes; 0 for none. */
  readonly encryption: number;
  /** As sent: the magic, flags, or of version 4 the socket type. Derived from the extensions when a conclusion of version 5 is encoded. */
  readonly extensionField: number;
  readonly initialSequence: number;
  readonly mtu: number;
  /** In packets. */
  readonly flowWindow: number;
  readonly type: number;
  readonly socketId: number;
  readonly cookie: number;
  readonly peerAddress: Uint8Array;
  readonly hs?: HsExtension & { readonly response: boolean };
  /** Content of KMREQ or KMRSP (key-material.ts). */
  readonly km?: { readonly response: boolean; readonly content: Uint8Array };
  readonly streamId?: string;
  readonly congestion?: string;
  /** Extensions that are not looked at: `filter`, `group` and others. */
  readonly others?: readonly number[];
}

/**
 * @param packet a control packet of type handshake, header included.
 * @throws ProtocolError SrtHandshake, SrtExtension, SrtStreamId
 */
export function decodeHandshake(packet: Uint8Array): Handshake {
  if (packet.length < HEADER_SIZE + BODY_SIZE) {
    throw new ProtocolError(
      ProtocolErrorCode.SrtHandshake,
      `${HEADER_SIZE + BODY_SIZE} bytes or more`,
      String(packet.length),
    );
  }
  const at = HEADER_SIZE;
  const version = uint32(packet, at);
  if (version !== 4 && version !== 5) {
    throw new ProtocolError(ProtocolErrorCode.SrtHandshake, 'version 4 or 5', String(version));
  }
  const type = uint32(packet, at + 20);
  const extensionField = (packet[at + 6]! << 8) | packet[at + 7]!;
  const basic = {
    version,
    encryption: (packet[at + 4]! << 8) | packet[at + 5]!,
    extensionField,
    initialSequence: uint32(packet, at + 8) & SEQUENCE_MASK,
    mtu: uint32(packet, at + 12),
    flowWindow: uint32(packet, at + 16),
    type,
    socketId: uint32(packet, at + 24),
    cookie: uint32(packet, at + 28),
    peerAddress: packet.slice(at + 32, at + 48),
  };
  const extended = version === 5 && type === HandshakeType.conclusion && extensionField !== 0;
  return extended ? { ...basic, ...decodeExtensions(packet, at + BODY_SIZE) } : basic;
}

type Extensions = Pick<Handshake, 'hs' | 'km' | 'streamId' | 'congestion' | 'others'>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function decodeExtensions(packet: Uint8Array, from: number): Extensions {
  const found: Mutable<Extensions> = {};
  const others: number[] = [];
  for (let at = from; at < packet.length; ) {
    if (at + 4 > packet.length) throw badExtension('a type and a length', `${packet.length - at} bytes`);
    const type = (packet[at]! << 8) | packet[at + 1]!;
    const size = 4 * ((packet[at + 2]! << 8) | packet[at + 3]!);
    const start = at + 4;
    at = start + size;
    if (at > packet.length) {
      throw badExtension(`extension ${type} to end by ${packet.length}`, `its end at ${at}`);
    }
    switch (type) {
      case ExtensionType.hsRequest:
      case ExtensionType.hsResponse:
        if (size < HS_EXTENSION_SIZE)
          throw badExtension(`${HS_EXTENSION_SIZE} bytes of HSREQ or HSRSP`, `${size}`);
        found.hs = {
          version: uint32(packet, start),
          flags: uint32(packet, start + 4),
          receiverDelay: (packet[start + 8]! << 8) | packet[start + 9]!,
          senderDelay: (packet[start + 10]! << 8) | packet[start + 11]!,
          response: type === ExtensionType.hsResponse,
        };
        break;
      case ExtensionType.kmRequest:
      case ExtensionType.kmResponse:
        found.km = { response: type === ExtensionType.kmResponse, content: packet.slice(start, at) };
        break;
      case ExtensionType.streamId:
        found.streamId = decodeText(packet, start, at);
        break;
      case ExtensionType.congestion:
        found.congestion = decodeText(packet, start, at);
        break;
      default:
        others.push(type);
    }
  }
  if (others.length > 0) found.others = others;
  return found;
}

/**
 * Strings are sent in words of 32 bits with the first byte last, padded with zeros (section 3.2.1.3).
 * @throws ProtocolError SrtStreamId
 */
function decodeText(packet: Uint8Array, start: number, end: number): string {
  const text = new Uint8Array(end - start);
  for (let at = start; at < end; at++) text[(at - start) ^ 3] = packet[at]!;
  let length = text.length;
  while (length > 0 && text[length - 1] === 0) length--;
  if (length > MAX_STREAM_ID) {
    throw new ProtocolError(ProtocolErrorCode.SrtStreamId, `at most ${MAX_STREAM_ID} bytes`, String(length));
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(text.subarray(0, length));
  } catch {
    throw new ProtocolError(ProtocolErrorCode.SrtStreamId, 'UTF-8', 'other bytes');
  }
}

function encodeText(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > MAX_STREAM_ID) {
    throw new ProtocolError(
      ProtocolErrorCode.SrtStreamId,
      `at most ${MAX_STREAM_ID} bytes`,
      String(bytes.length),
    );
  }
  const words = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  for (let at = 0; at < bytes.length; at++) words[at ^ 3] = bytes[at]!;
  return words;
}

function badExtension(expected: string, actual: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.SrtExtension, expected, actual);
}

/**
 * The whole packet.
 * @throws ProtocolError SrtStreamId when the stream id is too long.
 */
export function encodeHandshake(handshake: Handshake, timestamp: number, destination: number): Uint8Array {
  const parts: { type: number; content: Uint8Array }[] = [];
  let flags = 0;
  const { hs, km, streamId, congestion } = handshake;
  if (hs !== undefined) {
    flags |= ExtensionFlag.hs;
    const content = new Uint8Array(HS_EXTENSION_SIZE);
    writeUint32(content, 0, hs.version);
    writeUint32(content, 4, hs.flags);
    writeUint32(content, 8, ((hs.receiverDelay << 16) | hs.senderDelay) >>> 0);
    parts.push({ type: hs.response ? ExtensionType.hsResponse : ExtensionType.hsRequest, content });
  }
  if (km !== undefined) {
    flags |= ExtensionFlag.km;
    parts.push({
      type: km.response ? ExtensionType.kmResponse : ExtensionType.kmRequest,
      content: km.content,
    });
  }
  if (streamId !== undefined && streamId !== '') {
    flags |= ExtensionFlag.config;
    parts.push({ type: ExtensionType.streamId, content: encodeText(streamId) });
  }
  if (congestion !== undefined) {
    flags |= ExtensionFlag.config;
    parts.push({ type: ExtensionType.congestion, content: encodeText(congestion) });
  }
  const size = parts.reduce((sum, { content }) => sum + 4 + content.length, BODY_SIZE);
  const out = new Uint8Array(size);
  writeUint32(out, 0, handshake.version);
  const derived = handshake.version === 5 && handshake.type === HandshakeType.conclusion;
  const field = derived ? flags : handshake.extensionField;
  writeUint32(out, 4, ((handshake.encryption << 16) | field) >>> 0);
  writeUint32(out, 8, handshake.initialSequence);
  writeUint32(out, 12, handshake.mtu);
  writeUint32(out, 16, handshake.flowWindow);
  writeUint32(out, 20, handshake.type);
  writeUint32(out, 24, handshake.socketId);
  writeUint32(out, 28, handshake.cookie);
  out.set(handshake.peerAddress.subarray(0, 16), 32);
  let at = BODY_SIZE;
  for (const { type, content } of parts) {
    writeUint32(out, at, ((type << 16) | (content.length / 4)) >>> 0);
    out.set(content, at + 4);
    at += 4 + content.length;
  }
  return encodeControl(ControlType.handshake, 0, 0, timestamp, destination, out);
}

/** The first packet of a caller (section 4.3.1.1): version 4, so that older listeners answer too. */
export function inductionRequest(socketId: number, initialSequence: number, flowWindow: number): Handshake {
  return {
    version: 4,
    encryption: 0,
    extensionField: SOCKET_TYPE_DATAGRAM,
    initialSequence,
    mtu: MTU,
    flowWindow,
    type: HandshakeType.induction,
    socketId,
    cookie: 0,
    peerAddress: loopbackAddress(),
  };
}

/** 127.0.0.1 as libsrt writes it. Nobody reads it: the source of the datagram tells. */
export function loopbackAddress(): Uint8Array {
  const address = new Uint8Array(16);
  address.set([1, 0, 0, 127]);
  return address;
}
