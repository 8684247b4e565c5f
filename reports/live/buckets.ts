/** Distributions of a run as Prometheus histograms: the same samples, counted below fixed edges. */
import { decodeFromCompressedBase64, JsHistogram } from 'hdr-histogram-js';
import type { Distribution } from '../results.ts';

/**
 * Upper edges, in seconds. 0.35 is SRS's merged write: what a hop may hold a frame back. From 1 s on segments of HLS are
 * told apart.
 */
export const BUCKET_SECONDS = [
  ...[0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75],
  ...[1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 60],
] as const;

export interface Buckets {
  /** How many samples are at most that of the edge of the same place; the last one is all of them. */
  readonly cumulative: readonly number[];
  readonly count: number;
  /** Seconds. */
  readonly sum: number;
}

/** A value counts as the lowest of those that the HDR histogram does not tell apart (three significant digits). */
export function bucketsOf({ hdr, count }: Distribution): Buckets {
  const counts = [...BUCKET_SECONDS, Number.POSITIVE_INFINITY].map(() => 0);
  let sum = 0;
  const histogram = hdr === undefined ? undefined : decodeFromCompressedBase64(hdr, 32);
  if (histogram instanceof JsHistogram) {
    let edge = 0;
    for (let index = 0; index < histogram.countsArrayLength; index++) {
      const samples = histogram.getCountAtIndex(index);
      if (samples === 0) continue;
      const us = histogram.valueFromIndex(index);
      while (edge < BUCKET_SECONDS.length && us > BUCKET_SECONDS[edge]! * 1e6) edge++;
      counts[edge]! += samples;
      sum += (samples * histogram.medianEquivalentValue(us)) / 1e6;
    }
  }
  let below = 0;
  return { cumulative: counts.map((samples) => (below += samples)), count, sum };
}
