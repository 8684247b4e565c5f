/** Times of the proxy, in ms; `PROXY_TIMEOUTS` (JSON) changes single ones. */
export interface ProxyTimeouts {
  /** An origin is alive for so long after a heartbeat: 300 s (facts/srs.md 4.3). */
  readonly alive: number;
  /** A pick that nobody uses is forgotten. */
  readonly sticky: number;
  /** An origin that could not be reached gets no new streams for so long, or until its next heartbeat. */
  readonly suspect: number;
  /** TCP to an origin, and each of its answers while a stream is set up. */
  readonly connect: number;
  /** From an RTMP client's TCP to its play or publish: SRS, 30 s (facts/srs.md 10.2). */
  readonly handshake: number;
  /** From TCP to a complete HTTP request head: SRS, 15 s (facts/srs.md 10.2). */
  readonly httpRequest: number;
  /** An origin's answer to what is not a live stream: playlists, segments, its API. */
  readonly answer: number;
  /** Each command to Redis. */
  readonly redis: number;
}

export const DEFAULT_TIMEOUTS: ProxyTimeouts = {
  alive: 300_000,
  sticky: 600_000,
  suspect: 10_000,
  connect: 3_000,
  handshake: 30_000,
  httpRequest: 15_000,
  answer: 10_000,
  redis: 1_000,
};
