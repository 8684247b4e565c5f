/** What SRT and WHIP publishers of one process sent, one by one and in all. */
import type { Client } from '../client.ts';
import { SrtPublisher } from '../srt/publisher.ts';
import { WhipPublisher } from '../webrtc/publisher.ts';

/** Of one publisher. */
export interface SrtPublisherFigures {
  /** Smoothed, in ms; null as long as none is known. */
  rttMs: number | null;
  /** For the first time. */
  sent: number;
  retransmitted: number;
  /** Loss reports of the server, and the packets that they named, each time. */
  naks: number;
  reportedLost: number;
  /** Given up: too old to be of use. */
  dropped: number;
}

/** Of one publisher. */
export interface WebRtcPublisherFigures {
  /** In ms, by the server's last report (RFC 3550 section 6.4.1); null as long as none is known. */
  rttMs: number | null;
  /** Again included. */
  sent: number;
  retransmitted: number;
  /** Loss reports of the server (NACK). */
  naks: number;
  /** Asked for and not kept any more. */
  forgotten: number;
  /** Keyframes that the server asked for (PLI, FIR). */
  keyframeRequests: number;
  /** Packets of video that the server misses, by its last report. */
  reportedLost: number;
  /** Packets that could not be sent. */
  refused: number;
}

/** Round trip times in all are the mean of those that are known; else sums. */
export interface Published<T> {
  readonly total: T;
  /** In the order of the URLs. */
  readonly publishers: T[];
}

/** A protocol without a publisher is left out. */
export interface PublishedFigures {
  readonly srt?: Published<SrtPublisherFigures>;
  readonly webrtc?: Published<WebRtcPublisherFigures>;
}

export function publishedFigures(clients: readonly Client[]): PublishedFigures {
  const srt = clients.flatMap((client) => (client instanceof SrtPublisher ? [srtOf(client)] : []));
  const webrtc = clients.flatMap((client) => (client instanceof WhipPublisher ? [webRtcOf(client)] : []));
  return {
    ...(srt.length > 0 && { srt: { total: sum(srt), publishers: srt } }),
    ...(webrtc.length > 0 && { webrtc: { total: sum(webrtc), publishers: webrtc } }),
  };
}

function known(ms: number | undefined): number | null {
  return ms === undefined || Number.isNaN(ms) ? null : ms;
}

function srtOf({ srt }: SrtPublisher): SrtPublisherFigures {
  return {
    rttMs: known(srt?.rtt),
    sent: srt?.packetsSent ?? 0,
    retransmitted: srt?.retransmitsSent ?? 0,
    naks: srt?.naksReceived ?? 0,
    reportedLost: srt?.lossReported ?? 0,
    dropped: srt?.sendDropped ?? 0,
  };
}

function webRtcOf({ rtp, roundTripMs }: WhipPublisher): WebRtcPublisherFigures {
  const { packets, retransmitted, naks, forgotten, keyframeRequests, reportedLost, refused } = rtp;
  return {
    ...{ rttMs: known(roundTripMs), sent: packets, retransmitted, naks },
    ...{ forgotten, keyframeRequests, reportedLost, refused },
  };
}

function sum<T extends SrtPublisherFigures | WebRtcPublisherFigures>(all: readonly T[]): T {
  const total = { ...all[0]! };
  for (const name of Object.keys(total) as (keyof T)[]) {
    const values = all.flatMap((one) => (one[name] === null ? [] : [one[name] as number]));
    const added = values.reduce((a, b) => a + b, 0);
    total[name] = (
      name !== 'rttMs' ? added : values.length === 0 ? null : added / values.length
    ) as T[keyof T];
  }
  return total;
}
