/** Behaviours that players and publishers can see, with the place each comes from. Times in ms. */

export interface Timeouts {
  /** From TCP accept to the play or publish command: SRS waits 30 s (facts/srs.md 10.2). */
  readonly handshake: number;
  /** From Publish.Start to the first media message: SRS `firstpkt_timeout`, 20 s (10.2). */
  readonly publishFirst: number;
  /** Silence of a publisher: SRS `normal_timeout`, 5 s, looked at every 5 s (10.2). */
  readonly publishSilence: number;
  /** From the end of a publication, or of a play, to what the same connection wants next: SRS waits 3 min (10.2). */
  readonly republish: number;
  /** From TCP accept to a complete HTTP request head: 15 s (10.2). */
  readonly httpRequest: number;
  /** Edge: TCP connect to an origin, each answer of it, and silence after play: 5 s (1.1). */
  readonly upstream: number;
  /** Edge: pause between two attempts: 3 s (1.1). */
  readonly upstreamRetry: number;
  /** Master: TCP connect to a slave, and each answer of it: 3 s (5). */
  readonly forwardConnect: number;
  /** Master: pause between two attempts: 3 s (5). */
  readonly forwardRetry: number;
  /** Silence of an SRT publisher, from its handshake on: 5 s (8). */
  readonly srtPublishSilence: number;
  /** Nothing from an SRT caller, keep-alives included: SRS `peer_idle_timeout`, 10 s (8). */
  readonly srtPeerIdle: number;
  /** Origin: each coworker that is asked where a stream is: 30 s (2). */
  readonly coworker: number;
  /** Origin: a player that was sent elsewhere is closed after this long, unless it says something: 3 s (2). */
  readonly redirected: number;
  /** Origin: the answer of a hook: 30 s (10.2). */
  readonly hook: number;
  /** Nothing from a WebRTC client that has to send something: SRS `stun_timeout`, 30 s (9.1). */
  readonly rtcSilence: number;
  /** A WHIP publisher that sent no keyframe for this long is asked for one: SRS `pli_for_rtmp`, 6 s (9.3). */
  readonly rtcKeyframe: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  handshake: 30_000,
  publishFirst: 20_000,
  publishSilence: 5_000,
  republish: 180_000,
  httpRequest: 15_000,
  upstream: 5_000,
  upstreamRetry: 3_000,
  forwardConnect: 3_000,
  forwardRetry: 3_000,
  srtPublishSilence: 5_000,
  srtPeerIdle: 10_000,
  coworker: 30_000,
  redirected: 3_000,
  hook: 30_000,
  rtcSilence: 30_000,
  rtcKeyframe: 6_000,
};

/** What a server of the SRS kind announces after connect (captures/srs-7.0.18/ffmpeg-play.s2c.bin). */
export const WINDOW_ACK_SIZE = 2_500_000;
export const CHUNK_SIZE = 60_000;

/** Every stream gets this message stream id, so that its bytes are the same for all players (SRS does so too). */
export const MESSAGE_STREAM_ID = 1;

/** SRS `gop_cache_max_frames`: the cache is emptied when it would grow beyond (facts/srs.md 7.2). */
export const GOP_CACHE_MAX_FRAMES = 2500;

/** Audio messages after the last video one at which a stream counts as audio only: SRS source.cpp, 115. */
export const AUDIO_ONLY_AFTER = 115;

/** The players of a stream are written to in this many phases of the merged-write interval: the load is even. */
export const WRITE_PHASES = 8;

/** Shared buffers that a player who was behind gets in one go. */
export const CATCH_UP_BUFFERS = 8;

/** A stream without publisher and players is forgotten after this long: SRS, 3 s (facts/srs.md 1.1). */
export const STREAM_LINGER_MS = 3_000;

/** Redirects that an edge follows in a row, before it pauses as after any other failure (facts/srs.md 1.5). */
export const MAX_REDIRECTS = 3;

/** Bytes waiting for an origin at which a forwarded publisher is given up. */
export const FORWARD_QUEUE_BYTES = 16 * 1024 * 1024;

/** Bytes waiting for a slave above which frames are kept in the queue that drops by time. */
export const FORWARD_HIGH_WATER = 1024 * 1024;

/** What is left of a stream's HLS is taken away this long after its end: SRS `hls_dispose` (facts/srs.md 6.1). */
export const HLS_DISPOSE_SECONDS = 120;

/** HLS sessions beyond these are refused: each is a line in the table of clients. */
export const MAX_HLS_SESSIONS = 50_000;

/** An HTTP client that takes nothing of its answer is given up after this long: SRS, 30 s (facts/srs.md 1.1). */
export const HTTP_SEND_TIMEOUT_MS = 30_000;

/** The longest HTTP request head that is read. */
export const HTTP_HEAD_BYTES = 16 * 1024;

/** The form of the API that is served, as `/api/v1/versions` tells it: SRS 7.0. */
export const API_VERSION = { major: 7, minor: 0, revision: 18, version: '7.0.18' } as const;

export const SERVER_NAME = 'liveproof';
