/** What the WHEP players of one process asked for and received, counted and timed. */
import type { HttpExchange, WebRtcTransportName } from '../client.ts';
import { type HistogramCounts, LatencyHistogram } from '../measure/histogram.ts';
import type { FrameMeter } from '../measure/meter.ts';
import type { SrtpFigures } from '../webrtc/contract.ts';
import { addFigures, type RtpReceived, rtpReceived } from '../webrtc/figures.ts';
import type { WhepPlayer } from '../webrtc/player.ts';
import { addCounts } from './counts.ts';

/** Plain data: it also goes from a worker to the swarm. Counters are totals of the run. */
export interface WebRtcSnapshot {
  readonly transport: WebRtcTransportName;
  /** That were ever connected. */
  readonly players: number;
  readonly rtp: RtpReceived;
  /** All zero where the transport does not tell (libdatachannel). */
  readonly srtp: SrtpFigures;
  /** Video frames whose checksum was compared, and was right. */
  readonly framesVerified: number;
  /** Players for which a video packet was lost for good. */
  readonly playersWithLoss: number;
  /** Most lost video packets of any one player. */
  readonly worstLost: number;
  /** Offers that were posted, and those without an answer of 2xx. */
  readonly offers: { requests: number; failed: number };
  readonly problems: Record<string, number>;
}

/** Recorded since the last time; undefined where that is nothing. */
export interface WebRtcCounts {
  readonly jitter: HistogramCounts | undefined;
  readonly offerTime: HistogramCounts | undefined;
}

export class WebRtcHistograms {
  /** Interarrival jitter of video of every player at every report, in ms. */
  readonly jitter = new LatencyHistogram();
  /** From the offer to the end of its answer, in ms. */
  readonly offerTime = new LatencyHistogram();

  take(): WebRtcCounts {
    return { jitter: this.jitter.takeCounts(), offerTime: this.offerTime.takeCounts() };
  }

  add({ jitter, offerTime }: WebRtcCounts): void {
    if (jitter !== undefined) this.jitter.addCounts(jitter);
    if (offerTime !== undefined) this.offerTime.addCounts(offerTime);
  }
}

export class WebRtcMeter {
  readonly histograms = new WebRtcHistograms();
  readonly #transport: WebRtcTransportName;
  readonly #players: { player: WhepPlayer; meter: FrameMeter }[] = [];
  readonly #problems: Record<string, number> = {};
  readonly #offers = { requests: 0, failed: 0 };

  constructor(transport: WebRtcTransportName) {
    this.#transport = transport;
  }

  add(player: WhepPlayer, meter: FrameMeter): void {
    this.#players.push({ player, meter });
  }

  problem(code: string): void {
    this.#problems[code] = (this.#problems[code] ?? 0) + 1;
  }

  exchange(exchange: HttpExchange): void {
    if (exchange.kind !== 'offer') return;
    this.#offers.requests++;
    if (exchange.error !== undefined) this.#offers.failed++;
    else this.histograms.offerTime.record(exchange.endAt - exchange.sentAt);
  }

  /** Once per report: the jitters as they are now are recorded. */
  sample(): void {
    for (const { player } of this.#players) {
      if (player.closed === undefined && player.joined) this.histograms.jitter.record(player.jitterMs);
    }
  }

  snapshot(): WebRtcSnapshot {
    const rtp = rtpReceived();
    const srtp = noSrtp();
    const sums = { players: 0, playersWithLoss: 0, worstLost: 0, framesVerified: 0 };
    for (const { player, meter } of this.#players) {
      const { rtp: own, timing } = player;
      if (!Number.isNaN(timing.play)) sums.players++;
      addFigures(rtp, own);
      if (player.srtp !== undefined) addCounts(srtp, [player.srtp]);
      sums.framesVerified += meter.verified;
      if (own.lost > 0) sums.playersWithLoss++;
      sums.worstLost = Math.max(sums.worstLost, own.lost);
    }
    return {
      transport: this.#transport,
      ...sums,
      rtp,
      srtp,
      offers: { ...this.#offers },
      problems: { ...this.#problems },
    };
  }
}

function noSrtp(): SrtpFigures {
  return { opened: 0, peeked: 0, forged: 0, replayed: 0, malformed: 0 };
}

/** One out of many; undefined when none of them is WebRTC. */
export function addWebRtcSnapshots(
  snapshots: readonly (WebRtcSnapshot | undefined)[],
): WebRtcSnapshot | undefined {
  const all = snapshots.filter((snapshot) => snapshot !== undefined);
  const first = all[0];
  if (first === undefined) return undefined;
  const sum = (of: (snapshot: WebRtcSnapshot) => number): number =>
    all.reduce((total, snapshot) => total + of(snapshot), 0);
  return {
    transport: first.transport,
    players: sum((s) => s.players),
    rtp: addCounts(
      rtpReceived(),
      all.map((s) => s.rtp),
    ),
    srtp: addCounts(
      noSrtp(),
      all.map((s) => s.srtp),
    ),
    framesVerified: sum((s) => s.framesVerified),
    playersWithLoss: sum((s) => s.playersWithLoss),
    worstLost: Math.max(...all.map((s) => s.worstLost)),
    offers: { requests: sum((s) => s.offers.requests), failed: sum((s) => s.offers.failed) },
    problems: addCounts(
      {},
      all.map((s) => s.problems),
    ),
  };
}
