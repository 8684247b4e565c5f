/** How one end of a connection behaves; the names of libsrt's options are in brackets. */
import type { KeyBytes, SrtCrypto } from './key-material.ts';
import type { PacketPool } from './packet-pool.ts';

export interface SrtOptions {
  /** Receiving: from sending to delivery, at the least; the greater of both ends counts (SRTO_RCVLATENCY). Default 120. */
  readonly latencyMs: number;
  /** Least latency that the peer is asked for (SRTO_PEERLATENCY). Default 0. */
  readonly peerLatencyMs: number;
  /** Callers: told to the listener in the handshake (SRTO_STREAMID). Default none. */
  readonly streamId: string;
  /** 10 to 80 bytes; without one nothing is encrypted (SRTO_PASSPHRASE). */
  readonly passphrase: string | undefined;
  /** Of a caller; without it what the listener advertises, or 16 (SRTO_PBKEYLEN). */
  readonly keyBytes: KeyBytes | undefined;
  /** Needed with a passphrase. */
  readonly crypto: SrtCrypto | undefined;
  /** For the whole handshake (SRTO_CONNTIMEO). Default 3000. */
  readonly connectTimeoutMs: number;
  /** Without any packet for this long the peer is gone (SRTO_PEERIDLETIMEO). Default 5000. */
  readonly peerIdleTimeoutMs: number;
  /** Give up what comes too late, both ways (SRTO_TLPKTDROP). Default true. */
  readonly tooLateDrop: boolean;
  /** Packets that may be unacknowledged, and that are held for delivery (SRTO_FC). Default 8192. */
  readonly flowWindow: number;
  /** Bytes per second, headers included, retransmissions too (SRTO_MAXBW). Default 125 000 000. */
  readonly maxBandwidth: number;
  /** Instead of maxBandwidth: what is sent by the user, measured, and this share more in % (SRTO_OHEADBW). */
  readonly overheadPercent: number | undefined;
  /** Packets that are encrypted with one key (SRTO_KMREFRESHRATE). Default 2^24. */
  readonly keyRefreshPackets: number;
  /** By how many packets a new key is told beforehand (SRTO_KMPREANNOUNCE). Default 2^12. */
  readonly keyAnnouncePackets: number;
  /** Received packets are copied into it until they are played. Default none: they are held as they came. */
  readonly pool: PacketPool | undefined;
}

export const DEFAULT_OPTIONS: SrtOptions = {
  latencyMs: 120,
  peerLatencyMs: 0,
  streamId: '',
  passphrase: undefined,
  keyBytes: undefined,
  crypto: undefined,
  connectTimeoutMs: 3000,
  peerIdleTimeoutMs: 5000,
  tooLateDrop: true,
  flowWindow: 8192,
  maxBandwidth: 125_000_000,
  overheadPercent: undefined,
  keyRefreshPackets: 2 ** 24,
  keyAnnouncePackets: 2 ** 12,
  pool: undefined,
};

/** What two ends have agreed on. */
export interface SrtAgreement {
  readonly initialSequence: number;
  readonly peerSocketId: number;
  /** The peer's version, as 0x010501. */
  readonly peerVersion: number;
  readonly receiveLatencyMs: number;
  readonly sendLatencyMs: number;
  /** Deliver by time: without it in order, as soon as possible. */
  readonly timed: boolean;
  readonly tooLateDrop: boolean;
  /** The peer repeats its loss reports. */
  readonly peerRepeatsNak: boolean;
  readonly peerFlowWindow: number;
  /** Of the packet that concluded the handshake, in microseconds, and when it came. */
  readonly peerTimestamp: number;
  readonly peerTimestampAt: number;
}
