/** The curve of a distribution over its percentiles. */
import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import type { Distribution } from '../results.ts';
import type { Plot, PlotSeries } from './plot.ts';

/** Points of the curve per nine. */
const POINTS_PER_NINE = 24;
const MOST_NINES = 6;
/** The scale is logarithmic: it has no zero. */
const LEAST_MS = 0.01;

/** Distributions in ms, over log10(1 / (1 - percentile)): see PlotAxis. */
export function percentilePlot(
  plot: Pick<Plot, 'name' | 'title' | 'readable'>,
  distributions: readonly (Omit<PlotSeries, 'values'> & { readonly of: Distribution })[],
): Plot {
  const most = Math.max(10, ...distributions.map(({ of }) => of.count));
  const nines = Math.min(Math.log10(most), MOST_NINES);
  const xs = Array.from({ length: Math.ceil(nines * POINTS_PER_NINE) + 1 }, (_, i) => i / POINTS_PER_NINE);
  return {
    ...plot,
    x: { scale: 'percentile' },
    xs,
    y: { unit: 'ms', scale: 'log' },
    series: distributions.map(({ of, ...series }) => ({ ...series, values: curve(of, xs) })),
  };
}

/** A percentile that lies beyond the number of samples is not drawn. Without a histogram there is no curve. */
function curve({ hdr, count, max }: Distribution, xs: readonly number[]): (number | null)[] {
  if (hdr === undefined || max === null) return xs.map(() => null);
  const histogram = decodeFromCompressedBase64(hdr, 32);
  const last = Math.log10(count) + 1 / POINTS_PER_NINE;
  const at = (nines: number) => histogram.getValueAtPercentile(100 * (1 - 10 ** -nines)) / 1000;
  return xs.map((nines) => (nines > last ? null : Math.max(LEAST_MS, Math.min(at(nines), max))));
}
