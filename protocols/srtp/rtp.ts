/** SRTP (RFC 3711 section 3.1): RTP packets in and out, per source, with rollover counter and replay window. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { deriveSessionKeys, type MasterKeys, type SessionKeys } from './keys.ts';
import { ReplayWindow } from './replay.ts';
import { PacketTransform, type SrtpCrypto } from './transform.ts';

const HEADER_SIZE = 12;
/** A session has two or three; whoever makes up more of them gets no memory for it. */
const MAX_SOURCES = 64;
/**
 * So many packets a receiver of ours waits behind a gap (drivers/webrtc/video-receiver.ts), as those of browsers do: what it
 * has asked for again is not to be taken for a replay.
 */
const WINDOW = 1024;
const HALF = 0x8000;
const WRAP = 0x10000;

/** What became of a packet. */
export const Unprotected = {
  genuine: 0,
  /** Shorter than its header and tag. */
  malformed: -1,
  /** Its tag does not fit. */
  forged: -2,
  /** It was here before, or is too old to say. */
  replayed: -3,
} as const;

/** Of an SRTP packet, or -1 when it is none: where its payload begins (RFC 3550 section 5.1). */
export function rtpPayloadStart(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < HEADER_SIZE) return -1;
  const first = bytes[start]!;
  if (first >> 6 !== 2) return -1;
  let at = start + HEADER_SIZE + 4 * (first & 0x0f);
  if ((first & 0x10) !== 0) {
    if (end - at < 4) return -1;
    at += 4 + 4 * ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return at <= end ? at : -1;
}

function sessionOf(keys: MasterKeys | SessionKeys): SessionKeys {
  return 'authentication' in keys ? keys : deriveSessionKeys(keys, 'rtp');
}

/** The index of the packet with this sequence number (appendix A): the one nearest to the highest genuine one. */
function indexOf(highest: number, sequence: number): number {
  if (highest < 0) return sequence;
  const last = highest % WRAP;
  const cycles = highest - last;
  const step = sequence - last;
  if (step < -HALF) return cycles + WRAP + sequence;
  if (step > HALF && cycles > 0) return cycles - WRAP + sequence;
  return cycles + sequence;
}

// Plain fields: every packet of every player passes here.
export class SrtpReceiver {
  /** Packets that were authenticated. */
  genuine = 0;
  forged = 0;
  replayed = 0;
  malformed = 0;
  private readonly transform: PacketTransform;
  private readonly windows = new Map<number, ReplayWindow>();
  private lastSsrc = -1;
  private lastWindow: ReplayWindow | undefined = undefined;

  /** @param keys of the session, or what they are derived from. */
  constructor(keys: MasterKeys | SessionKeys, crypto?: SrtpCrypto) {
    this.transform = new PacketTransform(sessionOf(keys), crypto);
  }

  get tagSize(): number {
    return this.transform.tagSize;
  }

  /**
   * Authenticates and decrypts in place.
   * @param payloadStart as `rtpPayloadStart` says.
   * @returns where the packet ends, without its tag; or what is wrong with it (Unprotected), and then it is unchanged.
   */
  unprotect(bytes: Uint8Array, start: number, end: number, payloadStart: number): number {
    const { transform } = this;
    const tagAt = end - transform.tagSize;
    if (payloadStart < start + HEADER_SIZE || payloadStart > tagAt) {
      this.malformed++;
      return Unprotected.malformed;
    }
    const ssrc = uint32(bytes, start + 8);
    const window = this.windowOf(ssrc);
    const sequence = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    const index = indexOf(window?.highest ?? -1, sequence);
    if (window !== undefined && !window.isNew(index)) {
      this.replayed++;
      return Unprotected.replayed;
    }
    const rollover = Math.floor(index / WRAP);
    transform.select(ssrc, rollover, sequence);
    if (transform.isGcm) {
      const plain = transform.open(bytes.subarray(payloadStart, end), bytes.subarray(start, payloadStart));
      if (plain === undefined) return this.refuse();
      bytes.set(plain, payloadStart);
    } else {
      if (!transform.isGenuine(bytes, start, tagAt, rollover)) return this.refuse();
      transform.crypt(bytes, payloadStart, tagAt);
    }
    this.genuine++;
    (window ?? this.addWindow(ssrc))?.accept(index);
    return tagAt;
  }

  /**
   * Decrypts the beginning of the payload in place, at most so many bytes, without authentication: enough to tell what
   * it is, at the cost of one block of AES per 16 bytes. The packet cannot be unprotected after that, but for `unpeek`.
   * @returns where what was decrypted ends; -1 for a packet shorter than its header and tag.
   */
  peek(bytes: Uint8Array, start: number, end: number, payloadStart: number, length: number): number {
    const tagAt = end - this.transform.tagSize;
    if (payloadStart < start + HEADER_SIZE || payloadStart > tagAt) {
      this.malformed++;
      return -1;
    }
    const ssrc = uint32(bytes, start + 8);
    const sequence = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    const index = indexOf(this.windowOf(ssrc)?.highest ?? -1, sequence);
    const last = Math.min(tagAt, payloadStart + length);
    this.transform.select(ssrc, Math.floor(index / WRAP), sequence);
    this.transform.crypt(bytes, payloadStart, last);
    return last;
  }

  /** Undoes `peek` of the same packet and length, of no other packet in between. */
  unpeek(bytes: Uint8Array, payloadStart: number, peekedEnd: number): void {
    this.transform.crypt(bytes, payloadStart, peekedEnd);
  }

  /**
   * Whether its rollover counter is not sure enough to leave it sealed: nothing of its source was genuine yet, or a window
   * has gone by since. An estimate holds for 2^15 packets after a genuine one (RFC 3711 section 3.3.1), and only those that
   * are genuine may move it: who opens the uncertain ones never loses count, whatever else it leaves sealed.
   */
  isUncertain(bytes: Uint8Array, start: number): boolean {
    const window = this.windowOf(uint32(bytes, start + 8));
    if (window === undefined) return true;
    const ahead = (((bytes[start + 2]! << 8) | bytes[start + 3]!) - window.highest) & 0xffff;
    return ahead >= WINDOW && ahead < HALF;
  }

  private refuse(): number {
    this.forged++;
    return Unprotected.forged;
  }

  private windowOf(ssrc: number): ReplayWindow | undefined {
    if (ssrc === this.lastSsrc) return this.lastWindow;
    const window = this.windows.get(ssrc);
    if (window === undefined) return undefined;
    this.lastSsrc = ssrc;
    this.lastWindow = window;
    return window;
  }

  private addWindow(ssrc: number): ReplayWindow | undefined {
    if (this.windows.size === MAX_SOURCES) return undefined;
    const window = new ReplayWindow(WINDOW);
    this.windows.set(ssrc, window);
    return window;
  }
}

export class SrtpSender {
  readonly #transform: PacketTransform;
  readonly #highest = new Map<number, number>();

  constructor(keys: MasterKeys | SessionKeys, crypto?: SrtpCrypto) {
    this.#transform = new PacketTransform(sessionOf(keys), crypto);
  }

  /**
   * A protected copy. Sequence numbers may be sent again and out of order.
   * @throws ProtocolError SrtpPacket for what is not RTP.
   */
  protect(packet: Uint8Array): Uint8Array {
    const payloadStart = rtpPayloadStart(packet, 0, packet.length);
    if (payloadStart < 0) {
      throw new ProtocolError(ProtocolErrorCode.SrtpPacket, 'an RTP packet', `${packet.length} other bytes`);
    }
    const transform = this.#transform;
    const ssrc = uint32(packet, 8);
    const sequence = (packet[2]! << 8) | packet[3]!;
    const highest = this.#highest.get(ssrc) ?? -1;
    const index = indexOf(highest, sequence);
    if (index > highest) this.#highest.set(ssrc, index);
    const rollover = Math.floor(index / WRAP);
    const out = new Uint8Array(packet.length + transform.tagSize);
    out.set(packet);
    transform.select(ssrc, rollover, sequence);
    if (transform.isGcm) {
      out.set(transform.seal(packet.subarray(payloadStart), packet.subarray(0, payloadStart)), payloadStart);
    } else {
      transform.crypt(out, payloadStart, packet.length);
      transform.sign(out, 0, packet.length, rollover);
    }
    return out;
  }
}

export function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
