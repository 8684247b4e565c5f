/** What the SRT players of one process received, counted. */
import { ClientState } from '../client.ts';
import { type HistogramCounts, LatencyHistogram } from '../measure/histogram.ts';
import type { SrtPlayer } from '../srt/player.ts';
import { addCounts } from './counts.ts';

/** Packet counters; plain data, totals of the run. */
export interface SrtPackets {
  /** For the first time. */
  received: number;
  /** Of those with the retransmission flag. */
  retransmitted: number;
  /** Missing when their turn in the sequence came, retransmitted or not later on. */
  lost: number;
  /** Of the lost: came by themselves after all. */
  reordered: number;
  /** Never delivered: not there when they were to be played. */
  dropped: number;
  /** Came after their turn to be played. */
  belated: number;
  duplicated: number;
  undecryptable: number;
  malformed: number;
}

/** Of one player; counters are totals of its life. */
export interface SrtPlayerFigures {
  /** Smoothed round trip time in ms, the last one of a player that is gone; null where none is known. */
  readonly rttMs: number | null;
  readonly lost: number;
  readonly dropped: number;
  readonly belated: number;
  /** Loss reports that it sent. */
  readonly naks: number;
}

/** Plain data: it also goes from a worker to the swarm. Counters are totals of the run. */
export interface SrtSnapshot {
  /** That were ever connected. */
  readonly players: number;
  readonly packets: SrtPackets;
  /** Loss reports that players sent. */
  readonly naks: number;
  /** Players for which a packet was lost on the way, and for which one was dropped. */
  readonly playersWithLoss: number;
  readonly playersWithDrops: number;
  /** Most dropped packets of any one player. */
  readonly worstDropped: number;
  /** Ten at the most, the worst first (`worstPlayers`). */
  readonly worst: SrtPlayerFigures[];
  /** Agreed with the server, in ms; of several the highest. 0 without a player. */
  readonly latencyMs: number;
  readonly problems: Record<string, number>;
}

/** Recorded since the last time; undefined where that is nothing. */
export interface SrtCounts {
  readonly rtt: HistogramCounts | undefined;
}

export class SrtHistograms {
  /** Smoothed round trip time of every player at every report, in ms. */
  readonly rtt = new LatencyHistogram();

  take(): SrtCounts {
    return { rtt: this.rtt.takeCounts() };
  }

  add({ rtt }: SrtCounts): void {
    if (rtt !== undefined) this.rtt.addCounts(rtt);
  }
}

export class SrtMeter {
  readonly histograms = new SrtHistograms();
  readonly #problems: Record<string, number> = {};
  readonly #players: SrtPlayer[] = [];
  /** Highest that was agreed on: a player that is gone knows no more. */
  #latencyMs = 0;

  add(player: SrtPlayer): void {
    this.#players.push(player);
  }

  problem(code: string): void {
    this.#problems[code] = (this.#problems[code] ?? 0) + 1;
  }

  /** Once per report: the round trip times as they are now are recorded. */
  sample(): void {
    for (const { roundTripMs, state } of this.#players) {
      if (state !== ClientState.closed && !Number.isNaN(roundTripMs)) this.histograms.rtt.record(roundTripMs);
    }
  }

  snapshot(): SrtSnapshot {
    const packets = noPackets();
    const sums = { players: 0, naks: 0, playersWithLoss: 0, playersWithDrops: 0, worstDropped: 0 };
    const figures: SrtPlayerFigures[] = [];
    for (const { counters, latency, timing, roundTripMs } of this.#players) {
      if (!Number.isNaN(timing.play)) sums.players++;
      if (latency !== undefined) this.#latencyMs = Math.max(this.#latencyMs, latency.receive);
      if (counters === undefined) continue;
      packets.received += counters.packetsReceived;
      packets.retransmitted += counters.retransmitsReceived;
      packets.lost += counters.packetsLost;
      packets.reordered += counters.packetsReordered;
      packets.dropped += counters.packetsDropped;
      packets.belated += counters.packetsBelated;
      packets.duplicated += counters.packetsDuplicated;
      packets.undecryptable += counters.packetsUndecryptable;
      packets.malformed += counters.malformed;
      sums.naks += counters.naksSent;
      if (counters.packetsLost > 0) sums.playersWithLoss++;
      if (counters.packetsDropped > 0) sums.playersWithDrops++;
      sums.worstDropped = Math.max(sums.worstDropped, counters.packetsDropped);
      if (Number.isNaN(timing.play)) continue;
      figures.push({
        rttMs: Number.isNaN(roundTripMs) ? null : roundTripMs,
        lost: counters.packetsLost,
        dropped: counters.packetsDropped,
        belated: counters.packetsBelated,
        naks: counters.naksSent,
      });
    }
    const worst = worstPlayers(figures);
    return { ...sums, worst, packets, latencyMs: this.#latencyMs, problems: { ...this.#problems } };
  }
}

const WORST_PLAYERS = 10;

/** Those who missed most first: dropped packets, then belated, lost, loss reports, and the round trip time. */
export function worstPlayers(players: readonly SrtPlayerFigures[]): SrtPlayerFigures[] {
  return players
    .toSorted(
      (a, b) =>
        b.dropped - a.dropped ||
        b.belated - a.belated ||
        b.lost - a.lost ||
        b.naks - a.naks ||
        (b.rttMs ?? 0) - (a.rttMs ?? 0),
    )
    .slice(0, WORST_PLAYERS);
}

function noPackets(): SrtPackets {
  return {
    ...{ received: 0, retransmitted: 0, lost: 0, reordered: 0, dropped: 0, belated: 0 },
    ...{ duplicated: 0, undecryptable: 0, malformed: 0 },
  };
}

/** One out of many; undefined when none of them is SRT. */
export function addSrtSnapshots(snapshots: readonly (SrtSnapshot | undefined)[]): SrtSnapshot | undefined {
  const all = snapshots.filter((snapshot) => snapshot !== undefined);
  if (all.length === 0) return undefined;
  const sum = (of: (snapshot: SrtSnapshot) => number): number =>
    all.reduce((total, snapshot) => total + of(snapshot), 0);
  return {
    players: sum((s) => s.players),
    packets: addCounts(
      noPackets(),
      all.map((s) => s.packets),
    ),
    naks: sum((s) => s.naks),
    playersWithLoss: sum((s) => s.playersWithLoss),
    playersWithDrops: sum((s) => s.playersWithDrops),
    worstDropped: Math.max(...all.map((s) => s.worstDropped)),
    worst: worstPlayers(all.flatMap((s) => s.worst)),
    latencyMs: Math.max(...all.map((s) => s.latencyMs)),
    problems: addCounts(
      {},
      all.map((s) => s.problems),
    ),
  };
}
