/** Mutants of SRT that change, hide or remember packets. */
import { TS_PACKET_SIZE } from '../../../protocols/mpegts/reader.ts';
import { HandshakeType } from '../../../protocols/srt/handshake.ts';
import type { SrtCrypto } from '../../../protocols/srt/key-material.ts';
import {
  ControlType,
  controlTypeOf,
  HEADER_SIZE,
  isControl,
  uint32,
  writeUint32,
} from '../../../protocols/srt/packet.ts';
import { RejectReason } from '../../../protocols/srt/rejection.ts';
import type { Mutants } from '../mutants.ts';

/** Of a handshake's body: type; and where HSREQ has its delays when it comes first, as libsrt sends it. */
const TYPE_AT = HEADER_SIZE + 20;
const FIRST_EXTENSION_AT = HEADER_SIZE + 48;
const VERSION_REJECTED = HandshakeType.failure + RejectReason.version;
const HSREQ = 1;
const DELAYS_AT = FIRST_EXTENSION_AT + 12;

const DROP_EVERY_TS_PACKET = 500;
const SWAP_EVERY_MESSAGE = 50;
/** About what a socket of libsrt takes. */
const REMEMBERED_BYTES = 8192;

export interface DatagramFaults {
  /** False: the node is not to see it. May change it. */
  incoming(packet: Uint8Array): boolean;
  /** False: it is not to be sent. */
  outgoing(packet: Uint8Array): boolean;
  /** May change the answer to a handshake. */
  answer(packet: Uint8Array): void;
}

export function datagramFaults(mutants: Mutants): DatagramFaults | undefined {
  const deaf = mutants.has('srt-loss-not-recovered');
  const mute = mutants.has('srt-no-nak');
  const hasty = mutants.has('srt-latency-ignored');
  const hoards = mutants.has('srt-handshake-flood-grows');
  const ageless = mutants.has('srt-admits-old-versions');
  if (!deaf && !mute && !hasty && !hoards && !ageless) return undefined;
  const remembered: Uint8Array[] = [];
  return {
    incoming(packet) {
      const type = handshakeType(packet);
      if (hoards && type === HandshakeType.induction)
        remembered.push(new Uint8Array(REMEMBERED_BYTES).fill(1));
      if (hasty && type === HandshakeType.conclusion) forgetDelays(packet);
      return !(deaf && isLossReport(packet));
    },
    outgoing: (packet) => !(mute && isLossReport(packet)),
    answer(packet) {
      if (ageless && handshakeType(packet) === VERSION_REJECTED)
        writeUint32(packet, TYPE_AT, HandshakeType.conclusion);
    },
  };
}

/** Changes the payload of a publisher, or its order. */
export function payloadFaults(
  mutants: Mutants,
): ((payload: Uint8Array, pass: (payload: Uint8Array) => void) => void) | undefined {
  if (mutants.has('srt-drops-ts-packets')) return dropTsPackets();
  return mutants.has('srt-swaps-packets') ? swapMessages() : undefined;
}

/** Keys that cannot be unwrapped are taken for zeros: every passphrase is as good as another. */
export function gullible(crypto: SrtCrypto): SrtCrypto {
  return {
    ...crypto,
    unwrapKey: (wrappingKey, wrapped) =>
      crypto.unwrapKey(wrappingKey, wrapped) ?? new Uint8Array(Math.max(0, wrapped.length - 8)),
  };
}

function dropTsPackets(): (payload: Uint8Array, pass: (payload: Uint8Array) => void) => void {
  let count = 0;
  return (payload, pass) => {
    for (let at = 0; at < payload.length; at += TS_PACKET_SIZE) {
      if (++count % DROP_EVERY_TS_PACKET !== 0) continue;
      const rest = Buffer.concat([payload.subarray(0, at), payload.subarray(at + TS_PACKET_SIZE)]);
      count += (payload.length - at) / TS_PACKET_SIZE - 1;
      if (rest.length > 0) pass(rest);
      return;
    }
    pass(payload);
  };
}

function swapMessages(): (payload: Uint8Array, pass: (payload: Uint8Array) => void) => void {
  let count = 0;
  let held: Uint8Array | undefined;
  return (payload, pass) => {
    if (++count % SWAP_EVERY_MESSAGE === 0) {
      held = payload;
      return;
    }
    pass(payload);
    if (held) pass(held);
    held = undefined;
  };
}

function handshakeType(packet: Uint8Array): number | undefined {
  const isHandshake =
    packet.length >= FIRST_EXTENSION_AT &&
    isControl(packet) &&
    controlTypeOf(packet) === ControlType.handshake;
  return isHandshake ? uint32(packet, TYPE_AT) : undefined;
}

function forgetDelays(packet: Uint8Array): void {
  const first = packet.length >= DELAYS_AT + 4 ? uint32(packet, FIRST_EXTENSION_AT) >>> 16 : 0;
  if (first === HSREQ) writeUint32(packet, DELAYS_AT, 0);
}

function isLossReport(packet: Uint8Array): boolean {
  return packet.length >= HEADER_SIZE && isControl(packet) && controlTypeOf(packet) === ControlType.nak;
}
