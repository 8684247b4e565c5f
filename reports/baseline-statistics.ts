/** Is the difference between two groups of repeated runs more than their noise? Pure, and the same every time. */

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state are plenty for resampling. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values have no median');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 1000;
/** Of the interval. A run compares some dozens of metrics: at 95 % a few of them would be called by chance. */
const CONFIDENCE = 0.99;

/**
 * Percentile bootstrap of median(after) - median(before) (Efron and Tibshirani, An Introduction to the Bootstrap, 13.3).
 */
export function differenceOfMedians(before: readonly number[], after: readonly number[], seed = 1): Interval {
  const random = seededRandom(seed);
  const resampled = (values: readonly number[]): number =>
    median(values.map(() => values[Math.floor(random() * values.length)]!));
  const differences = Array.from({ length: RESAMPLES }, () => resampled(after) - resampled(before)).toSorted(
    (a, b) => a - b,
  );
  const tail = (1 - CONFIDENCE) / 2;
  return {
    low: differences[Math.floor(tail * (RESAMPLES - 1))]!,
    high: differences[Math.ceil((1 - tail) * (RESAMPLES - 1))]!,
  };
}

/**
 * Exact two-sided permutation test (Fisher) of the rank sum: how often chance alone would put groups of this size as far
 * apart. What a bootstrap of a few runs cannot see, as it never draws what was not seen.
 */
export function permutationP(before: readonly number[], after: readonly number[]): number {
  const ranks = ranksOf([...before, ...after]);
  const seen = ranks.slice(before.length).reduce((sum, rank) => sum + rank, 0);
  const mean = ((ranks.length + 1) / 2) * after.length;
  const far = Math.abs(seen - mean) - 1e-9;
  // How many ways there are to choose so many of the ranks with a given sum; ranks may be halves.
  let ways: Map<number, number>[] = Array.from({ length: after.length + 1 }, () => new Map());
  ways[0]!.set(0, 1);
  for (const rank of ranks) {
    const next = ways.map((sums) => new Map(sums));
    for (let chosen = 0; chosen < after.length; chosen++) {
      for (const [sum, count] of ways[chosen]!) {
        const sums = next[chosen + 1]!;
        sums.set(sum + rank, (sums.get(sum + rank) ?? 0) + count);
      }
    }
    ways = next;
  }
  let all = 0;
  let extreme = 0;
  for (const [sum, count] of ways[after.length]!) {
    all += count;
    if (Math.abs(sum - mean) >= far) extreme += count;
  }
  return extreme / all;
}

/** Equal values share the mean of their ranks. */
function ranksOf(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 + 1);
}
