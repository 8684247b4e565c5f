/** One contract for every client of every protocol. */
import type { Playlist } from '../protocols/hls/playlist.ts';
import type { MediaSink, MediaType } from '../protocols/media.ts';

/** The states of a client. `closed` is final; every other state may go to `closed`. */
export const ClientState = {
  idle: 'idle',
  /** TCP (or UDP) on its way. */
  connecting: 'connecting',
  /** RTMP handshake; for HTTP the request is written. */
  handshaking: 'handshaking',
  /** RTMP connect, createStream, play or publish; for HTTP waiting for the header. */
  requesting: 'requesting',
  /** Media may flow. */
  streaming: 'streaming',
  closed: 'closed',
} as const;
export type ClientState = (typeof ClientState)[keyof typeof ClientState];

/** Why a client is closed. */
export const CloseReason = {
  /** `close()` was called. */
  local: 'local',
  /** The peer closed (FIN) in an orderly way. */
  remote: 'remote',
  /** The peer reset, or the network failed. */
  reset: 'reset',
  /** TCP could not be opened. */
  refused: 'refused',
  /** A phase took longer than its timeout. */
  timeout: 'timeout',
  /** The server said no (RTMP error status, HTTP status of 400 and above). */
  rejected: 'rejected',
  /** Malformed bytes from the peer. */
  protocol: 'protocol',
  /** Redirected more often than allowed, or to nowhere. */
  redirect: 'redirect',
} as const;
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

/** What a client says when it is closed. `code` is a stable slug, `detail` is for people. */
export interface Closed {
  readonly reason: CloseReason;
  /** The state in which it happened: SRS never says why, so the stage is the evidence. */
  readonly during: ClientState;
  readonly code: string;
  readonly detail: string;
}

/** Epoch milliseconds (with fraction) at which each phase was done; NaN for a phase that was not reached. */
export class PhaseTiming {
  /** `open()` was called. */
  started = Number.NaN;
  tcp = Number.NaN;
  /** RTMP: S2 received. HTTP: request written. */
  handshake = Number.NaN;
  /** RTMP: `_result` of connect (publishers: of createStream). HTTP: equals `handshake`. */
  connect = Number.NaN;
  /** RTMP: NetStream.Play.Start or Publish.Start. HTTP: header complete. */
  play = Number.NaN;
  /** First byte of a media body. */
  firstByte = Number.NaN;
  /** First complete video keyframe. */
  firstKeyframe = Number.NaN;
  /** The player model starts to play (CTA-2066: video startup). */
  firstFrameShown = Number.NaN;
  closed = Number.NaN;
}

/** One HTTP request of a client that makes many, and what became of it. Times in epoch ms; NaN where it was not reached. */
export interface HttpExchange {
  readonly kind: 'playlist' | 'segment' | 'offer' | 'delete';
  readonly url: string;
  /** The request was written. */
  readonly sentAt: number;
  /** The head was complete. */
  readonly headAt: number;
  /** The first byte of the body came. */
  readonly firstByteAt: number;
  /** The body was complete, or the exchange failed. */
  readonly endAt: number;
  /** 0 when there was no answer. */
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Of the body. */
  readonly bytes: number;
  /** A stable slug when it failed: `http.404`, `timeout.segment`, `http1.chunk`, `mpegts.packet`, … */
  readonly error: string | undefined;
}

/** Shared by as many clients as you like, so that a client costs no listeners of its own. */
export interface ClientObserver<C extends Client = Client> {
  onState?(client: C, state: ClientState, at: number): void;
  /** A redirect is about to be followed. */
  onRedirect?(client: C, location: string, at: number): void;
  /** Clients of segmented protocols: an exchange is over, well or not. */
  onExchange?(client: C, exchange: HttpExchange): void;
  /** HLS: a playlist came and was parsed; `text` is what came. */
  onPlaylist?(client: C, playlist: Playlist, exchange: HttpExchange, text: string): void;
  /** SRT: a message was sent, or is played. `bytes` from `start` on are only valid during the call. */
  onMessage?(client: C, bytes: Uint8Array, start: number, at: number): void;
  /**
   * Something that a client bears and counts: a stable slug such as `hls.stale`, `hls.sequence.backwards`, `hls.gap`,
   * `mpegts.continuity`.
   */
  onProblem?(client: C, code: string, detail: string, at: number): void;
  /** Publishers of WHIP: the server asks for a keyframe (RFC 4585 PLI, RFC 5104 FIR). */
  onKeyframeRequest?(client: C, at: number): void;
  /** Exactly once per opened client. */
  onClosed?(client: C, closed: Closed, at: number): void;
}

export interface Client {
  readonly id: number;
  readonly url: string;
  readonly state: ClientState;
  readonly timing: PhaseTiming;
  /** undefined until closed. */
  readonly closed: Closed | undefined;
  /** Bytes read from the socket. */
  readonly bytesIn: number;
  /** Once. */
  open(): void;
  /** Idempotent. */
  close(): void;
}

export interface Player extends Client {
  readonly sink: MediaSink;
  /** Stop and go on reading from the socket (a reader that has stalled). */
  pause(): void;
  resume(): void;
}

export interface Publisher extends Client {
  /** Bytes that were sent and that the system has not taken yet: the server does not read as fast as we send. */
  readonly backlog: number;
  /**
   * Sends one FLV tag body. Returns false while the socket's buffer is above its mark, as `net.Socket.write` does.
   * The body is not kept after the call returns unless the socket could not take it at once.
   */
  send(type: MediaType, timestamp: number, body: Uint8Array): boolean;
}

/** How an HLS player plays. */
export interface HlsOptions {
  /**
   * Where a live stream is begun: three target durations before its end (RFC 8216 section 6.3.3), or with its last
   * segment. Default `3-segments`.
   */
  start?: '3-segments' | 'live-edge';
  /** Tell the servers about the player (CTA-5004) in headers or in the query. Default: not at all. */
  cmcd?: 'headers' | 'query';
  /** Which variant of a master playlist: by its bandwidth, or its place from 0 on. Default `first`. */
  variant?: 'first' | 'highest' | 'lowest' | number;
  /** How often in a row a playlist or a segment is asked for again when it did not come whole. Default 4. */
  maxRetries?: number;
  /** Longest playlist. Default 1 MiB. */
  maxPlaylistBytes?: number;
}

/** `datachannel`: libdatachannel, all of ICE, DTLS and SRTP. `lite`: what a player needs of them, for thousands of players. */
export type WebRtcTransportName = 'datachannel' | 'lite';

/** How WHEP players and WHIP publishers do it. */
export interface WebRtcOptions {
  /** What carries the media; default `datachannel`. `lite` is for players only. */
  transport?: WebRtcTransportName;
  /** `lite`: of so many access units one is decrypted as a whole, and its checksum compared; 1 is all. Default 50. */
  sample?: number;
  /** Bearer token of the endpoint. */
  token?: string;
  /** Offer audio (Opus), too. Default true. */
  audio?: boolean;
  /** Players: ask for lost packets again (RFC 4585 NACK), where the answer allows it. Default true. */
  nack?: boolean;
}

/** Gets bytes as they are read and written, valid during the call. */
export interface ByteStrip {
  read(bytes: Uint8Array, length: number): void;
  wrote(bytes: Uint8Array): void;
}

/**
 * What a packet on a tape is: a datagram of SRT; one of WebRTC, that is STUN, DTLS, SRTP or SRTCP; or RTP or RTCP without
 * SRTP, where a library keeps the datagrams to itself.
 */
export type PacketForm = 'srt' | 'webrtc' | 'rtp';

/** Gets what a client sends and receives. Its own `read` and `wrote` are of clients with one TCP connection. */
export interface ByteTape extends ByteStrip {
  /** A connection is up: what follows is of that one. */
  opened(): void;
  /** Clients that make many requests, HLS, WHIP and WHEP: for one request and its answer. */
  exchange(): ByteStrip;
  /** Clients over UDP. `bytes` is one whole packet, valid during the call. */
  packet(way: 'sent' | 'received', form: PacketForm, bytes: Uint8Array): void;
}

export interface ClientOptions {
  id?: number;
  /** Default none. */
  tape?: ByteTape;
  /** Source address; the system chooses when left out. */
  localAddress?: string;
  /** For each phase up to `play`. Default 10 s (SRS waits 30 s for a peer, a viewer does not). */
  timeoutMs?: number;
  /** RTMP: the form of the handshake. Default simple. */
  handshake?: 'simple' | 'digest';
  /** How many redirects are followed. Default 3, as SRS's FLV edge does (facts/srs.md 1.5). */
  maxRedirects?: number;
  /** WebRTC: media may come from beyond loopback, though the URL is on it. Default false. */
  allowRemote?: boolean;
  /** Hosts that redirects, playlists and the Location of a session may lead to, beside that of the URL. Default none. */
  allowHosts?: readonly string[];
  hls?: HlsOptions;
  webrtc?: WebRtcOptions;
}
