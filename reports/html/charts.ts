/** The columns that the plots of a load draw. */
import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import type { Distribution, Load } from '../results.ts';

export interface ChartData {
  /** x is log10(1 / (1 - percentile)): 0, 1, 2, 3 are p0, p90, p99, p99.9. Values in ms. */
  readonly percentiles: {
    readonly x: readonly number[];
    readonly steady: Column;
    readonly join: Column;
    readonly startup: Column;
  };
  readonly timeline: Readonly<Record<TimelineColumn, Column>>;
}
type Column = readonly (number | null)[];
type TimelineColumn =
  | 'second'
  | 'joined'
  | 'failed'
  | 'mbit'
  | 'latencyP50'
  | 'latencyP99'
  | 'stalls'
  | 'loopLag';

/** Points of the curve per nine. */
const POINTS_PER_NINE = 24;
const MOST_NINES = 6;
/** The scale is logarithmic: it has no zero. */
const LEAST_MS = 0.01;

export function chartData({ startup, latency, timeline }: Load): ChartData {
  const most = Math.max(startup.count, latency.join.count, latency.steady.count, 10);
  const nines = Math.min(Math.log10(most), MOST_NINES);
  const x = Array.from({ length: Math.ceil(nines * POINTS_PER_NINE) + 1 }, (_, i) => i / POINTS_PER_NINE);
  return {
    percentiles: {
      x,
      steady: curve(latency.steady, x),
      join: curve(latency.join, x),
      startup: curve(startup, x),
    },
    timeline: {
      second: timeline.map(({ second }) => second),
      joined: timeline.map(({ joined }) => joined),
      failed: timeline.map(({ failed }) => failed),
      mbit: timeline.map(({ mbitPerSecond }) => mbitPerSecond),
      latencyP50: timeline.map(({ latencyP50 }) => latencyP50),
      latencyP99: timeline.map(({ latencyP99 }) => latencyP99),
      stalls: timeline.map(({ stalls }) => stalls),
      loopLag: timeline.map(({ loopLagMs }) => loopLagMs),
    },
  };
}

/** A percentile that lies beyond the number of samples is not drawn. Without a histogram there is no curve. */
function curve({ hdr, count, max }: Distribution, x: readonly number[]): Column {
  if (hdr === undefined || max === null) return x.map(() => null);
  const histogram = decodeFromCompressedBase64(hdr, 32);
  const last = Math.log10(count) + 1 / POINTS_PER_NINE;
  const at = (nines: number) => histogram.getValueAtPercentile(100 * (1 - 10 ** -nines)) / 1000;
  return x.map((nines) => (nines > last ? null : Math.max(LEAST_MS, Math.min(at(nines), max))));
}
