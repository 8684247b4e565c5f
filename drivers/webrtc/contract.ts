/**
 * What carries RTP and RTCP of one WebRTC client: ICE, DTLS and SRTP, behind a door. Signalling, RTP and what is made of
 * it are on this side of it, alike for every transport.
 */
import type { SessionDescription } from '../../protocols/sdp/description.ts';
import type { ByteTape } from '../client.ts';

export const TransportState = {
  /** Made; `offer` may be asked for. */
  idle: 'idle',
  /** ICE and DTLS are on their way, or wait for the answer. */
  connecting: 'connecting',
  /** SRTP keys are there, both ways. */
  connected: 'connected',
  /** Final. */
  closed: 'closed',
} as const;
export type TransportState = (typeof TransportState)[keyof typeof TransportState];

/** One m= line of the offer. Its mid is its place, from 0 on. */
export interface TransportMedia {
  readonly kind: 'video' | 'audio';
  /** Publishers announce it (RFC 5576 section 4.1). */
  readonly ssrc?: number;
}

export interface TransportSetup {
  readonly direction: 'recvonly' | 'sendonly';
  /** In the order of the offer. All in one BUNDLE group, with rtcp-mux, `setup:actpass`. */
  readonly media: readonly TransportMedia[];
  /** Of our sources, and of our RTCP. */
  readonly cname: string;
  /** Where the UDP socket is bound, and so the only host candidate; all interfaces when left out. */
  readonly localAddress: string | undefined;
  /** Gets the packets. Default none. */
  readonly tape?: ByteTape | undefined;
}

/**
 * Called in the order in which things happened, never from within a call to the transport, never after `close()`.
 * `bytes` from `start` to `end` are only valid during the call, decrypted and authenticated.
 */
export interface TransportObserver {
  /** Once. Media may be sent from now on. */
  onConnected(): void;
  /**
   * @param now arrival in epoch ms.
   * @param size of the packet, when it is more than what was decrypted of it (lite/media-gate.ts); else left out.
   */
  onRtp(bytes: Uint8Array, start: number, end: number, now: number, size?: number): void;
  onRtcp(bytes: Uint8Array, start: number, end: number, now: number): void;
  /**
   * Once, and the last call: the connection is over, or never came about, and not by `close()`.
   * @param code `webrtc.failed` (ICE or DTLS did not come about), `webrtc.lost` (nothing comes any more) or
   * `webrtc.closed` (the peer said so: close_notify or a fatal alert).
   */
  onGone(code: 'webrtc.failed' | 'webrtc.lost' | 'webrtc.closed', detail: string): void;
}

/** What became of SRTP packets; plain data, totals of a transport's life. */
export interface SrtpFigures {
  /** Authenticated and decrypted as a whole. */
  opened: number;
  /** Of which the first bytes were decrypted at the most, without authentication. */
  peeked: number;
  /** Of those to be opened: the tag did not fit. They are not handed on. */
  forged: number;
  /** Of those to be opened: their index had come before. */
  replayed: number;
  /** Without room for a tag, or of no version of RTP. */
  malformed: number;
}

export interface WebRtcTransport {
  readonly state: TransportState;
  /** Where the transport tells. */
  readonly figures?: SrtpFigures;
  /**
   * The offer, with all of its candidates in it: nothing is trickled. H.264 of packetization mode 1 as payload type
   * VIDEO_PAYLOAD_TYPE with `nack` and `nack pli`, Opus as AUDIO_PAYLOAD_TYPE. Once.
   */
  offer(): Promise<string>;
  /**
   * Once, after the offer. Throws Error for an answer that cannot be taken.
   * @param description of it, where the caller has read it already.
   */
  setAnswer(sdp: string, description?: SessionDescription): void;
  /** One whole packet, which is not kept. False when it was not sent. */
  sendRtp(packet: Uint8Array): boolean;
  /** One compound packet, which is not kept. False when it was not sent. */
  sendRtcp(packet: Uint8Array): boolean;
  /** Says goodbye (close_notify) and lets go of all. Idempotent. */
  close(): void;
}

export type OpenTransport = (setup: TransportSetup, observer: TransportObserver) => WebRtcTransport;

/** As browsers number them; SRS answers an absent stream with just these (facts/srs.md 9.1). */
export const VIDEO_PAYLOAD_TYPE = 102;
export const AUDIO_PAYLOAD_TYPE = 111;

/** Constrained baseline of any level: what every server takes, and what is sent is what the file has. */
export const H264_FMTP = 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f';
