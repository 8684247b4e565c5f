/** Times of the proxy, in ms; `PROXY_TIMEOUTS` (JSON) changes single ones. */
export interface ProxyTimeouts {
  /** An origin is alive for so long after a heartbeat: 300 s (facts/srs.md 4.3). */
  readonly alive: number;
  /** A pick that nobody uses is forgotten. */
  readonly sticky: number;
  /** An origin that could not be reached gets no new streams for so long, or until its next heartbeat. */
  readonly suspect: number;
  /**
   * TCP to an origin: a host that is gone refuses nobody. Long enough for a SYN that is lost, which is sent again after 1 s
   * (RFC 6298, 2.1); short enough for a publisher to be let in elsewhere before it gives up.
   */
  readonly connect: number;
  /** Each answer of an origin while a stream is set up, and each of its API. */
  readonly reply: number;
  /** From an RTMP client's TCP to its play or publish: SRS, 30 s (facts/srs.md 10.2). */
  readonly handshake: number;
  /** From TCP to a complete HTTP request head: SRS, 15 s (facts/srs.md 10.2). */
  readonly httpRequest: number;
  /** An origin's answer to what is not a live stream: playlists and segments. */
  readonly answer: number;
  /** Each command to Redis. */
  readonly redis: number;
  /** An origin's answers to the handshake of an SRT caller, who waits 3 s for all of it (SRTO_CONNTIMEO). */
  readonly srtAnswer: number;
  /** Nothing of one end of an SRT connection, keep-alives included: SRS `peer_idle_timeout`, 10 s (facts/srs.md 8). */
  readonly srtIdle: number;
  /** Nothing of a WebRTC client, who has to ask for consent every 5 s: SRS `stun_timeout`, 30 s (facts/srs.md 9.2). */
  readonly rtcIdle: number;
  /** The other proxies are told of a WebRTC session for so long; again and again while it lasts (facts/srs.md 4.3). */
  readonly rtcShared: number;
}

export const DEFAULT_TIMEOUTS: ProxyTimeouts = {
  alive: 300_000,
  sticky: 600_000,
  suspect: 10_000,
  connect: 1_500,
  reply: 3_000,
  handshake: 30_000,
  httpRequest: 15_000,
  answer: 10_000,
  redis: 1_000,
  srtAnswer: 1_000,
  srtIdle: 10_000,
  rtcIdle: 30_000,
  rtcShared: 120_000,
};
