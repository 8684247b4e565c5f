/** Bounds that judges use, each with the document that it comes from. Milliseconds. */

/**
 * Merged write: a node writes to a player, or to an edge, this often at the least (facts/srs.md 7.3, `mw_latency`).
 */
export const MERGED_WRITE_MS = 350;

/** Origin to edge and edge to player, a merged write each, and 100 ms for the scheduler of a busy machine. */
export const TWO_HOPS_MS = 2 * MERGED_WRITE_MS + 100;

/** The upstream connection of a stream is gone after its last player (facts/srs.md 1.2: below 1 s, 2 s under load). */
export const RELEASED_WITHIN_MS = 2000;

/** An edge that could not pull tries again after this long (facts/srs.md 1.1). */
export const PULL_RETRY_MS = 3000;

/**
 * A player of a live stream gets its first keyframe. The pull, two hops and at the most one wait for a retry; where
 * there is a GOP cache at both nodes it is a fraction of that.
 */
export const PLAYING_WITHIN_MS = PULL_RETRY_MS + TWO_HOPS_MS + 1000;

/**
 * An upstream connection that is given up and the one that follows it may both be open for the time that TCP needs
 * to take leave (RFC 9293 3.6: FIN, its answer, the peer's FIN). On loopback that is far below a millisecond; a
 * process that waits for one of two busy cores needs longer.
 */
export const HANDOVER_MS = 200;

/** By how much one player may delay another: a merged write, and the scheduler of a busy machine. */
export const FAN_OUT_DELAY_MS = MERGED_WRITE_MS + 150;

/** The players of an edge see a stream again: its retry, two hops, one GOP of a second, a second to spare. */
export const RESUMED_WITHIN_MS = PULL_RETRY_MS + TWO_HOPS_MS + 2000;
