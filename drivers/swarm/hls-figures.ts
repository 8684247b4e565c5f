/** What the HLS players of one process do with playlists and segments, counted and timed. */
import type { Playlist } from '../../protocols/hls/playlist.ts';
import type { HttpExchange } from '../client.ts';
import type { HlsPlayer } from '../hls/player.ts';
import { type HistogramCounts, LatencyHistogram } from '../measure/histogram.ts';
import { addCounts } from './counts.ts';

/** Plain data; totals of the run. */
export interface RequestTotals {
  requests: number;
  /** Without a whole, readable answer. */
  failed: number;
  /** Of them: answered with 404. */
  missing: number;
  /** Of bodies. */
  bytes: number;
}

/** Plain data: it also goes from a worker to the swarm. Counters are totals of the run. */
export interface HlsSnapshot {
  readonly playlists: RequestTotals;
  readonly segments: RequestTotals;
  /** Requests made again because the answer was missing or not whole. */
  readonly retries: number;
  /** Requests that went out once more because the server had closed the connection that was kept. */
  readonly resends: number;
  /** Players that played to the end of the stream. */
  readonly finished: number;
  /** By code. */
  readonly problems: Record<string, number>;
  /** The longest that any media playlist named, in ms. */
  readonly targetDurationMs: number;
}

/** Recorded since the last time; undefined where that is nothing. */
export interface HlsCounts {
  readonly playlistTime: HistogramCounts | undefined;
  readonly segmentTime: HistogramCounts | undefined;
  readonly staleness: HistogramCounts | undefined;
}

/** Three distributions in ms, filled by the players of one process or by the reports of many. */
export class HlsHistograms {
  /** From the request to the end of the body, of whole answers. */
  readonly playlistTime = new LatencyHistogram();
  readonly segmentTime = new LatencyHistogram();
  /** For how long a media playlist had been the same when it came, as its player saw it. */
  readonly staleness = new LatencyHistogram();

  take(): HlsCounts {
    return {
      playlistTime: this.playlistTime.takeCounts(),
      segmentTime: this.segmentTime.takeCounts(),
      staleness: this.staleness.takeCounts(),
    };
  }

  add({ playlistTime, segmentTime, staleness }: HlsCounts): void {
    if (playlistTime !== undefined) this.playlistTime.addCounts(playlistTime);
    if (segmentTime !== undefined) this.segmentTime.addCounts(segmentTime);
    if (staleness !== undefined) this.staleness.addCounts(staleness);
  }
}

export class HlsMeter {
  readonly histograms = new HlsHistograms();
  readonly playlists = noRequests();
  readonly segments = noRequests();
  readonly problems: Record<string, number> = {};
  finished = 0;
  targetDurationMs = 0;
  readonly #players: HlsPlayer[] = [];

  add(player: HlsPlayer): void {
    this.#players.push(player);
  }

  exchange(exchange: HttpExchange): void {
    const playlist = exchange.kind === 'playlist';
    const totals = playlist ? this.playlists : this.segments;
    totals.requests++;
    totals.bytes += exchange.bytes;
    if (exchange.error !== undefined) {
      totals.failed++;
      if (exchange.status === 404) totals.missing++;
      return;
    }
    const { playlistTime, segmentTime } = this.histograms;
    (playlist ? playlistTime : segmentTime).record(exchange.endAt - exchange.sentAt);
  }

  playlist(playlist: Playlist, ageMs: number): void {
    if (playlist.kind !== 'media') return;
    this.histograms.staleness.record(ageMs);
    this.targetDurationMs = Math.max(this.targetDurationMs, playlist.targetDuration * 1000);
  }

  problem(code: string): void {
    this.problems[code] = (this.problems[code] ?? 0) + 1;
  }

  snapshot(): HlsSnapshot {
    let retries = 0;
    let resends = 0;
    for (const player of this.#players) {
      retries += player.retries;
      resends += player.resends;
    }
    return {
      playlists: { ...this.playlists },
      segments: { ...this.segments },
      retries,
      resends,
      finished: this.finished,
      problems: { ...this.problems },
      targetDurationMs: this.targetDurationMs,
    };
  }
}

function noRequests(): RequestTotals {
  return { requests: 0, failed: 0, missing: 0, bytes: 0 };
}

/** One out of many; undefined when none of them is HLS. */
export function addHlsSnapshots(snapshots: readonly (HlsSnapshot | undefined)[]): HlsSnapshot | undefined {
  const all = snapshots.filter((snapshot) => snapshot !== undefined);
  if (all.length === 0) return undefined;
  const sum = (of: (snapshot: HlsSnapshot) => number): number =>
    all.reduce((total, snapshot) => total + of(snapshot), 0);
  return {
    playlists: addCounts(
      noRequests(),
      all.map((s) => s.playlists),
    ),
    segments: addCounts(
      noRequests(),
      all.map((s) => s.segments),
    ),
    retries: sum((s) => s.retries),
    resends: sum((s) => s.resends),
    finished: sum((s) => s.finished),
    problems: addCounts(
      {},
      all.map((s) => s.problems),
    ),
    targetDurationMs: Math.max(...all.map((s) => s.targetDurationMs)),
  };
}
