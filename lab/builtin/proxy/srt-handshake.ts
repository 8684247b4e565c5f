/** The packets of SRT that the proxy writes itself, or looks into (draft-sharabayko-srt-01 sections 3.2 and 4.3.1). */
import {
  encodeHandshake,
  type Handshake,
  HandshakeType,
  loopbackAddress,
  MAGIC,
  MIN_SRT_VERSION,
  MTU,
} from '../../../protocols/srt/handshake.ts';
import {
  ControlType,
  controlTypeOf,
  encodeControl,
  HEADER_SIZE,
  isControl,
  sequenceOf,
  writeUint32,
} from '../../../protocols/srt/packet.ts';

/** Of the SYN cookie, in a handshake packet (section 3.2.1). */
const COOKIE_OFFSET = HEADER_SIZE + 28;
/** libsrt closes on it whatever its content; four bytes are what libsrt sends. */
const SHUTDOWN_CONTENT = new Uint8Array(4);
/** Mutant: data packets with every such sequence number, and their repeats, are lost. */
const DROP_EVERY = 64;

/** No longer than the request, so that nobody can be flooded by it. No key length is advertised: the origin knows. */
export function inductionAnswer(request: Handshake, cookie: number): Uint8Array {
  return encodeHandshake(
    { ...plain(request), type: HandshakeType.induction, extensionField: MAGIC, cookie },
    0,
    request.socketId,
  );
}

/** @param reason of rejection.ts */
export function rejection(request: Handshake, reason: number): Uint8Array {
  return encodeHandshake({ ...plain(request), type: HandshakeType.failure + reason }, 0, request.socketId);
}

function plain({ initialSequence, flowWindow, socketId, cookie, type }: Handshake): Handshake {
  return {
    version: 5,
    encryption: 0,
    extensionField: 0,
    initialSequence,
    mtu: MTU,
    flowWindow,
    type,
    socketId,
    cookie,
    peerAddress: loopbackAddress(),
  };
}

/** Whether a conclusion is one of SRT 1.3 or later, the first that has stream ids. */
export function isConclusion({ version, hs }: Handshake): boolean {
  return version === 5 && hs !== undefined && !hs.response && hs.version >= MIN_SRT_VERSION;
}

export function writeCookie(conclusion: Uint8Array, cookie: number): void {
  writeUint32(conclusion, COOKIE_OFFSET, cookie);
}

export function shutdown(destination: number): Uint8Array {
  return encodeControl(ControlType.shutdown, 0, 0, 0, destination, SHUTDOWN_CONTENT);
}

export function isHandshake(packet: Uint8Array): boolean {
  return isControl(packet) && controlTypeOf(packet) === ControlType.handshake;
}

export function isShutdown(packet: Uint8Array): boolean {
  return isControl(packet) && controlTypeOf(packet) === ControlType.shutdown;
}

/** Mutant. */
export function isToBeDropped(packet: Uint8Array): boolean {
  return !isControl(packet) && sequenceOf(packet) % DROP_EVERY === 0;
}
