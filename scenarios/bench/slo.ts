/** The service level that a load must hold, and what of it a measurement breaks. Pure. */
import type { BenchSlo } from '../../reports/results-bench.ts';

/**
 * - joined, loss: ours. One viewer, and one frame, in a thousand: at 25 frames/s one frame in 40 s.
 * - stalls: 1 % more of buffering costs live viewers three minutes (Dobrian and others, Understanding the Impact of Video
 *   Quality on User Engagement, SIGCOMM 2011).
 * - latencyMs: the upper ends of what is published: RTMP 0.8 to 3 s (SRS wiki, LowLatency), HTTP-FLV 1 to 3 s, SRT 0.5 to
 *   1 s, WebRTC 50 to 400 ms (a maintainer, SRS PR #4651), HLS 5 to 10 s (seeds/004).
 * - startupMs: viewers begin to leave after 2 s (Krishnan and Sitaraman, Video Stream Quality Impacts Viewer Behavior, IMC 2012).
 */
export const DEFAULT_SLO: BenchSlo = {
  joined: 0.999,
  stalls: 0.01,
  loss: 0.001,
  latencyMs: { rtmp: 3000, flv: 3000, hls: 10_000, srt: 1000, webrtc: 400 },
  startupMs: 2000,
};

export interface SloFigures {
  readonly joinedShare: number;
  readonly stallRatio: number;
  readonly lossRatio: number;
  /** Null when no frame was measured: that breaks the SLO, as what is unknown is never good. */
  readonly latencyP99: number | null;
  readonly startupP99: number | null;
}

/** What a load is asked: `play` for latency, stalls, loss and joins; `join` for startup as well. */
export type SloScope = 'play' | 'join';

/** Every broken term, in words; empty when the SLO is held. A share of nothing is no number, and breaks its term. */
export function breachesOf(figures: SloFigures, slo: BenchSlo, protocol: string, scope: SloScope): string[] {
  const { joinedShare, stallRatio, lossRatio, latencyP99, startupP99 } = figures;
  const latency = slo.latencyMs[protocol];
  return [
    ...(!(joinedShare >= slo.joined)
      ? [`${percent(joinedShare)} joined, at least ${percent(slo.joined)}`]
      : []),
    ...(!(stallRatio <= slo.stalls)
      ? [`stalled ${percent(stallRatio)} of the time, at most ${percent(slo.stalls)}`]
      : []),
    ...(!(lossRatio <= slo.loss)
      ? [`${percent(lossRatio)} of the frames lost, at most ${percent(slo.loss)}`]
      : []),
    ...(latency === undefined ? [] : tooLong('latency', latencyP99, latency)),
    ...(scope === 'join' ? tooLong('startup', startupP99, slo.startupMs) : []),
  ];
}

function tooLong(what: string, p99: number | null, most: number): string[] {
  if (p99 === null) return [`${what} unknown: nothing was measured`];
  return p99 > most ? [`${what} p99 ${Math.round(p99)} ms, at most ${most} ms`] : [];
}

/** Not rounded to the bound that it misses. */
function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(4))} %`;
}
