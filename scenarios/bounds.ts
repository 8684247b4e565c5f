/** Bounds that judges use, each with the document that it comes from. Milliseconds. */

/**
 * Merged write: a node writes to a player, or to an edge, this often at the least (facts/srs.md 7.3, `mw_latency`).
 */
export const MERGED_WRITE_MS = 350;

/**
 * Of the nodes of the gate's clusters (scenarios/run.ts): checks wait for frames all the time, and 350 ms would be half of
 * their duration.
 */
export const GATE_MERGED_WRITE_MS = 100;

/** Origin to edge and edge to player, a merged write each, and 100 ms for the scheduler of a busy machine. */
export const TWO_HOPS_MS = 2 * MERGED_WRITE_MS + 100;

/** The upstream connection of a stream is gone after its last player (facts/srs.md 1.2: below 1 s, 2 s under load). */
export const RELEASED_WITHIN_MS = 2000;

/** An edge that could not pull tries again after this long (facts/srs.md 1.1). */
export const PULL_RETRY_MS = 3000;

/** An edge gives an origin up whose host does not answer at all (facts/srs.md 1.1, connect timeout). */
export const PULL_CONNECT_MS = 5000;

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

/** A master that could not forward to a slave tries again after this long (facts/srs.md 5). */
export const FORWARD_RETRY_MS = 3000;

/** A forwarder looks into its queue this often (facts/srs.md 5: it waits 500 ms for bytes, then sends). */
export const FORWARD_PULSE_MS = 500;

/** From the master through the slave to its player: a pulse, a merged write at each, 150 ms for the scheduler. */
export const FORWARD_DELAY_MS = FORWARD_PULSE_MS + 2 * MERGED_WRITE_MS + 150;

/** A stream that is published is at every slave: the forwarder begins at once, so that no retry is in it. */
export const FORWARDED_WITHIN_MS = FORWARD_DELAY_MS + 1000;

/** A stream is back at a slave that a master can reach again: one retry, one GOP of a second until a keyframe. */
export const FORWARD_RESUMED_WITHIN_MS = FORWARD_RETRY_MS + 1000 + FORWARD_DELAY_MS;

/** A stream is gone from every slave: the forwarder ends with the publisher, at the latest with its pulse. */
export const FORWARD_ENDED_WITHIN_MS = FORWARD_PULSE_MS + 1500;

/**
 * A connection to a server that is down is given to another one after `retries` waits of a second, where it is not
 * known yet that it is down (HAProxy 2.6 Configuration Manual, "retries" and "option redispatch"; seeds/003: 3).
 */
export const REDISPATCHED_WITHIN_MS = 3 * 1000;

/**
 * An edge that asks an origin which does not have the stream waits 5 s, then 3 s, then asks the next one
 * (facts/srs.md 1.4).
 */
export const ABSENT_ORIGIN_MS = 5000 + PULL_RETRY_MS;

/** What the gate's clusters are started with (scenarios/run.ts), so that a check need not wait for SRS's 10 s and 60 s. */
export const HLS_FRAGMENT_MS = 1000;
export const HLS_WINDOW_MS = 6000;

/**
 * A new playlist comes no later than this many target durations after the one before it (RFC 8216 6.2.1).
 */
export const HLS_UPDATE_TARGETS = 1.5;

/** A segment is written and listed, and found by a check that asks every 100 ms, on a busy machine. */
export const HLS_LISTED_MS = 500;

/**
 * From the first frame to a playlist with a segment: a fragment rounded up to whole GOPs of a second, the keyframe that
 * closes it (facts/srs.md 6.2), and the way to the file.
 */
export const HLS_AVAILABLE_MS = Math.ceil(HLS_FRAGMENT_MS / 1000) * 1000 + MERGED_WRITE_MS + HLS_LISTED_MS;

/** The last segment is closed when the publisher leaves (facts/srs.md 6.2), not when a timer runs out. */
export const HLS_CLOSED_MS = MERGED_WRITE_MS + HLS_LISTED_MS;

/** A cache keeps a playlist half a fragment: with more a player stands still (facts/srs.md 6.5). */
export const HLS_PLAYLIST_LIFE_MS = HLS_FRAGMENT_MS / 2;

/** That a stream is not there is forgotten: Nginx counts in whole seconds, and 1 s may last almost 2 (facts/srs.md 6.5). */
export const HLS_ABSENT_LIFE_MS = 2000;

/** Of all SRT listeners in the gate's clusters (scenarios/run.ts), so that a check can come with another or with none. */
export const SRT_PASSPHRASE = 'liveproof-gate';

/**
 * Least latency of what SRT publishers send and of what SRT players are sent, in the gate's clusters: two that differ,
 * as do SRS's own 120 and 0 ms (facts/srs.md 8).
 */
export const SRT_RECEIVE_LATENCY_MS = 150;
export const SRT_PEER_LATENCY_MS = 100;

/** Of SRT listeners in the gate's clusters: half of SRS's default, and as long as it bears a silent publisher. */
export const SRT_PEER_IDLE_MS = 5000;

/** A caller that has vanished is forgotten; servers look for such once a second or so. */
export const SRT_FORGOTTEN_WITHIN_MS = SRT_PEER_IDLE_MS + 1500;

/** An SRT caller that is not wanted is let in and closed (facts/srs.md 8); its server looks every 10 ms. */
export const SRT_CLOSED_WITHIN_MS = 1000;

/**
 * By how much less than the latency a message may have been under way: the clock of the sender is known from the
 * handshake, which came through sockets, too, and clocks count in whole milliseconds.
 */
export const SRT_EARLY_MS = 20;

/** What comes on top of the latency: a frame in MPEG-TS ends where the next one begins, 40 ms later, and two loops. */
export const SRT_LATE_MS = 40 + 2 * 10 + 100;

/** In the gate's clusters, so that a check need not wait for SRS's 30 s and 6 s. */
export const RTC_STUN_TIMEOUT_SECONDS = 5;
export const RTC_PLI_SECONDS = 1;

/**
 * A WebRTC client that has vanished is forgotten. SRS looks every 5 s (facts/srs.md 9.1), a builtin node ten times a
 * second (lab/builtin/rtc/server.ts); a second and more for the API, and a busy machine.
 */
const RTC_FORGOTTEN_BY_SRS_MS = (RTC_STUN_TIMEOUT_SECONDS + 5 + 1) * 1000;
const RTC_FORGOTTEN_BY_BUILTIN_MS = RTC_STUN_TIMEOUT_SECONDS * 1000 + 1500;

/** By the engine of the node: what is not ours is given the time of SRS. */
export function rtcForgottenWithinMs(engine: string): number {
  return engine === 'builtin' ? RTC_FORGOTTEN_BY_BUILTIN_MS : RTC_FORGOTTEN_BY_SRS_MS;
}

/** The longest of these. */
export const RTC_FORGOTTEN_AT_LAST_MS = Math.max(RTC_FORGOTTEN_BY_SRS_MS, RTC_FORGOTTEN_BY_BUILTIN_MS);

/** A publisher is asked for a keyframe: a second to notice, a second to spare. */
export const RTC_PLI_WITHIN_MS = RTC_PLI_SECONDS * 1000 + 2000;

/** Offer, ICE and DTLS; key generation and two round trips, on a busy machine. */
export const RTC_CONNECTED_WITHIN_MS = 1500;

/**
 * Client and server know each by themselves that DTLS is done, from the other one's last packet: who is connected is so
 * for the server, too, within a write of the gate's clusters.
 */
export const RTC_JOINED_WITHIN_MS = GATE_MERGED_WRITE_MS;

/** There is no GOP cache for WebRTC (facts/srs.md 9.3): a GOP of a second. */
export const RTC_PLAYING_WITHIN_MS = RTC_CONNECTED_WITHIN_MS + 1000 + 500;

/** An edge waits 3 s after every attempt, whatever became of it (facts/srs.md 1.1): per stream one within a second. */
export const RETRIES_PER_SECOND = 1;

/** An edge whose origin says nothing any more gives it up after this long (facts/srs.md 1.1). */
export const PULL_SILENCE_MS = 5000;

/**
 * A publisher is looked at so long after it has begun, and then every 5 s; one of whom nothing has come since the last
 * look is given up (facts/srs.md 10.2: firstpkt_timeout, normal_timeout).
 */
export const PUBLISHER_FIRST_LOOK_MS = 20_000;
export const PUBLISHER_LOOK_MS = 5000;

/** The players of an edge whose origin has fallen silent: its patience, then as with one that is gone. */
export const RESUMED_AFTER_SILENCE_MS = PULL_SILENCE_MS + RESUMED_WITHIN_MS;

/**
 * HAProxy finds a server down: two checks in a row that fail, every 500 ms and then 100 ms, each after at most 1 s
 * (lab/render/haproxy.ts: inter, fastinter, fall, timeout check); 500 ms for a busy machine.
 */
export const BALANCER_NOTICES_MS = 500 + 1000 + 100 + 1000 + 500;

/** A viewer who is cut off comes back at once (scenarios/habits.ts) and is at another edge: a pull, a keyframe. */
export const RETURNED_WITHIN_MS = PLAYING_WITHIN_MS;

/**
 * In the gate's clusters, so that a check need not wait for SRS's 9 s and the Go proxy's 300 s (facts/srs.md 4.2, 4.3): an
 * origin tells, or is asked by a stream manager, that it lives, and is dead without a sign of life for so long.
 */
export const ORIGIN_HEARTBEAT_MS = 500;
export const ORIGIN_ALIVE_MS = 2000;

/** An origin that has died is answered by a stream manager no more; half a second for its last sign, under way. */
export const ORIGIN_DEAD_WITHIN_MS = ORIGIN_ALIVE_MS + 500;

/** A stream manager knows of a publisher that comes or goes: a hook, which comes at once (facts/srs.md 10.5). */
export const REPORTED_WITHIN_MS = 1000;

/** A play of what no coworker has ends (facts/srs.md 2: below 1 s); half of that for a 302 on the way. */
export const ABSENT_ENDS_WITHIN_MS = 1500;

/** A stream manager that was started anew has read its state, and asked the origins whether they live. */
export const MANAGER_KNOWS_WITHIN_MS = 1000;

/** A stream manager has found its Redis again, and told it what it missed. */
export const REDIS_BACK_WITHIN_MS = 3000;

/** An origin has asked its coworkers and answers a player: two HTTP requests on a LAN (facts/srs.md 2: below 1 s). */
export const COWORKER_WITHIN_MS = ABSENT_ENDS_WITHIN_MS;

/** A player that was sent elsewhere and says nothing is closed after 3 s (facts/srs.md 2); half a second for the close. */
export const REDIRECTED_CLOSED_WITHIN_MS = 3000 + 500;

/** Such a player says something, and is closed. */
export const REDIRECTED_HEARD_WITHIN_MS = 1000;

/**
 * A player at an edge that has to follow a 302 gets its first keyframe: as at any edge, without the pause of a retry
 * (facts/srs.md 2: an edge reconnects at once).
 */
export const REDIRECTED_PLAYING_WITHIN_MS = COWORKER_WITHIN_MS + TWO_HOPS_MS;

/** So many 302s in a row are followed at the most (RFC 9110 15.4 tells of the five of RFC 2068 10.3); then a retry's pause. */
export const REDIRECTS_IN_A_ROW = 5;

/**
 * An edge whose origin falls silent asks again after 5 s and a pause of 3 s (facts/srs.md 1.4), and may be at an origin
 * that is down first; then a 302, and a GOP of a second.
 */
export const MOVED_WITHIN_MS = ABSENT_ORIGIN_MS + PULL_RETRY_MS + REDIRECTED_PLAYING_WITHIN_MS + 1000;

/** The same of an edge that may ask where it was sent astray once more, as the next of its origins. */
export const ASTRAY_WITHIN_MS = 2 * ABSENT_ORIGIN_MS + REDIRECTED_PLAYING_WITHIN_MS + 1000;
