/** SRTCP (RFC 3711 section 3.4, RFC 7714 section 9): compound packets in and out, always encrypted. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { deriveSessionKeys, type MasterKeys, type SessionKeys } from './keys.ts';
import { ReplayWindow } from './replay.ts';
import { uint32 } from './rtp.ts';
import { PacketTransform, type SrtpCrypto } from './transform.ts';

/** The header of the first packet and its SSRC are never encrypted. */
const CLEAR_SIZE = 8;
const INDEX_SIZE = 4;
const ENCRYPTED = 0x80000000;
const MAX_SOURCES = 64;

function sessionOf(keys: MasterKeys | SessionKeys): SessionKeys {
  return 'authentication' in keys ? keys : deriveSessionKeys(keys, 'rtcp');
}

export class SrtcpReceiver {
  /** Not to be read: too short, a tag that does not fit, or replayed. */
  refused = 0;
  readonly #transform: PacketTransform;
  readonly #windows = new Map<number, ReplayWindow>();

  constructor(keys: MasterKeys | SessionKeys, crypto?: SrtpCrypto) {
    this.#transform = new PacketTransform(sessionOf(keys), crypto);
  }

  /** The plain compound packet; undefined, and counted, for one that is not genuine or was here before. */
  unprotect(packet: Uint8Array): Uint8Array | undefined {
    const plain = this.#open(packet);
    if (plain === undefined) this.refused++;
    return plain;
  }

  #open(packet: Uint8Array): Uint8Array | undefined {
    const transform = this.#transform;
    if (packet.length < CLEAR_SIZE + INDEX_SIZE + transform.tagSize) return undefined;
    const indexAt = packet.length - INDEX_SIZE - (transform.isGcm ? 0 : transform.tagSize);
    const word = uint32(packet, indexAt);
    const index = word & 0x7fffffff;
    const ssrc = uint32(packet, 4);
    const window = this.#windows.get(ssrc);
    if (window !== undefined && !window.isNew(index)) return undefined;
    transform.select(ssrc, index >>> 16, index & 0xffff);
    const plain = transform.isGcm
      ? this.#openGcm(packet, indexAt, word)
      : this.#openCm(packet, indexAt, word);
    if (plain === undefined) return undefined;
    if (window !== undefined) window.accept(index);
    else if (this.#windows.size < MAX_SOURCES) {
      const first = new ReplayWindow();
      first.accept(index);
      this.#windows.set(ssrc, first);
    }
    return plain;
  }

  #openCm(packet: Uint8Array, indexAt: number, word: number): Uint8Array | undefined {
    // The index is the last of what is signed: it is the four bytes behind the packet.
    const signed = packet.slice(0, packet.length - INDEX_SIZE);
    signed.set(packet.subarray(indexAt + INDEX_SIZE), indexAt);
    if (!this.#transform.isGenuine(signed, 0, indexAt, word)) return undefined;
    const plain = signed.subarray(0, indexAt);
    if (word >= ENCRYPTED) this.#transform.crypt(plain, CLEAR_SIZE, indexAt);
    return plain;
  }

  #openGcm(packet: Uint8Array, indexAt: number, word: number): Uint8Array | undefined {
    const clear = word >= ENCRYPTED ? CLEAR_SIZE : indexAt - this.#transform.tagSize;
    const additional = join(packet.subarray(0, clear), packet.subarray(indexAt));
    const plain = this.#transform.open(packet.subarray(clear, indexAt), additional);
    return plain === undefined ? undefined : join(packet.subarray(0, clear), plain);
  }
}

export class SrtcpSender {
  readonly #transform: PacketTransform;
  #index: number;

  /** @param index of the first packet. */
  constructor(keys: MasterKeys | SessionKeys, crypto?: SrtpCrypto, index = 0) {
    this.#transform = new PacketTransform(sessionOf(keys), crypto);
    this.#index = index;
  }

  /** A protected copy. @throws ProtocolError SrtpPacket for what is shorter than a header. */
  protect(packet: Uint8Array): Uint8Array {
    if (packet.length < CLEAR_SIZE) {
      throw new ProtocolError(
        ProtocolErrorCode.SrtpPacket,
        `${CLEAR_SIZE} bytes or more`,
        `${packet.length}`,
      );
    }
    const transform = this.#transform;
    const index = this.#index;
    this.#index = (index + 1) & 0x7fffffff;
    const word = (ENCRYPTED | index) >>> 0;
    const wordBytes = Uint8Array.of(word >>> 24, word >>> 16, word >>> 8, word);
    transform.select(uint32(packet, 4), index >>> 16, index & 0xffff);
    if (transform.isGcm) {
      const clear = packet.subarray(0, CLEAR_SIZE);
      const sealed = transform.seal(packet.subarray(CLEAR_SIZE), join(clear, wordBytes));
      return join(clear, sealed, wordBytes);
    }
    const out = new Uint8Array(packet.length + INDEX_SIZE + transform.tagSize);
    out.set(packet);
    transform.crypt(out, CLEAR_SIZE, packet.length);
    transform.sign(out, 0, packet.length, word);
    // The tag was written where the index belongs.
    out.copyWithin(packet.length + INDEX_SIZE, packet.length, packet.length + transform.tagSize);
    out.set(wordBytes, packet.length);
    return out;
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
