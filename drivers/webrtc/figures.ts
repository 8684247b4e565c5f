/** What WebRTC clients count of RTP, per client and for many of them. */

/** Plain data; totals of the run. */
export interface RtpReceived {
  /** RTP packets of known payload types, duplicates included. */
  packets: number;
  /** Bytes of them, with their headers, without SRTP's tag, UDP and IP. */
  bytes: number;
  videoPackets: number;
  audioPackets: number;
  /** Video packets that never came, or came too late to be of use. */
  lost: number;
  /** Video packets that were missing and came in time: retransmitted or reordered. */
  recovered: number;
  /** Came after one with a higher sequence number. */
  late: number;
  duplicated: number;
  /** Audio packets that never came. */
  audioLost: number;
  /** Access units with a packet missing. */
  damaged: number;
  /** Sequence numbers that were asked for again, each time. */
  nacked: number;
  plis: number;
  /** Packets that could not be read. */
  malformed: number;
  /** Packets of payload types that the answer does not name. */
  unknown: number;
  /** Times the SSRC changed or its sequence jumped. */
  restarts: number;
}

/**
 * Written out, as each player counts every packet in one: objects that are spread from others have a hidden class of
 * their own each in V8 of Node 20, and every count would be looked up.
 */
export function rtpReceived(): RtpReceived {
  return {
    packets: 0,
    bytes: 0,
    videoPackets: 0,
    audioPackets: 0,
    lost: 0,
    recovered: 0,
    late: 0,
    duplicated: 0,
    audioLost: 0,
    damaged: 0,
    nacked: 0,
    plis: 0,
    malformed: 0,
    unknown: 0,
    restarts: 0,
  };
}

/** Plain data; totals of the run. */
export interface RtpSent {
  packets: number;
  bytes: number;
  /** Packets that the transport did not take. */
  refused: number;
  retransmitted: number;
  /** Requests for packets that came (NACK). */
  naks: number;
  /** Sequence numbers asked for that are not kept any more. */
  forgotten: number;
  /** PLI and FIR received. */
  keyframeRequests: number;
  senderReports: number;
  /** The receiver's last report on video: packets lost since the beginning, by its count. */
  reportedLost: number;
  malformed: number;
}

export function rtpSent(): RtpSent {
  return {
    packets: 0,
    bytes: 0,
    refused: 0,
    retransmitted: 0,
    naks: 0,
    forgotten: 0,
    keyframeRequests: 0,
    senderReports: 0,
    reportedLost: 0,
    malformed: 0,
  };
}

/** Of many players; it also goes from a worker to the swarm. */
export interface WebRtcSnapshot {
  readonly rtp: RtpReceived;
  /** Interarrival jitter of video over all players, in ms: the middle one and the highest. */
  readonly jitterMs: { readonly median: number; readonly highest: number };
}

/** @param players each with what it received and its jitter of video in ms. */
export function webRtcSnapshot(
  players: readonly { readonly rtp: RtpReceived; readonly jitterMs: number }[],
): WebRtcSnapshot {
  const rtp = rtpReceived();
  for (const player of players) addFigures(rtp, player.rtp);
  const jitters = players.map(({ jitterMs }) => jitterMs).sort((a, b) => a - b);
  return { rtp, jitterMs: { median: jitters[jitters.length >> 1] ?? 0, highest: jitters.at(-1) ?? 0 } };
}

/** Adds each figure of `more` to that of `total`. */
export function addFigures<T extends RtpReceived | RtpSent>(total: T, more: T): void {
  for (const name of Object.keys(total) as (keyof T)[]) {
    total[name] = ((total[name] as number) + (more[name] as number)) as T[keyof T];
  }
}
