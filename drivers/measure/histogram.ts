/** Latencies of many clients in one HDR histogram: microseconds, three significant digits, mergeable. */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram as HdrHistogram,
} from 'hdr-histogram-js';

/** 2^31 - 1 us, 35 minutes: above it a latency says no more than that. */
const HIGHEST_US = 2 ** 31 - 1;
/** What the library's histogram can hold, so that files of others with longer values can be added. */
const HIGHEST_TRACKABLE_US = 3_600_000_000;

/** The layout of an HDR histogram with three digits: 2048 buckets of 1 us, then 1024 for each doubling. */
const SUB_BUCKET_BITS = 11;
const SUB_BUCKETS = 2 ** SUB_BUCKET_BITS;
const HALF_SUB_BUCKETS = SUB_BUCKETS / 2;
/** Values below 2^31. */
const RECENT_SIZE = (31 - SUB_BUCKET_BITS + 2) * HALF_SUB_BUCKETS;

/** Milliseconds; null where there is no sample. The shape of `Distribution` in reports/results.ts. */
export interface DistributionFigures {
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  readonly max: number | null;
  readonly count: number;
  readonly hdr?: string;
}

/** Part of a histogram as plain counts, from one index of the layout on. */
export interface HistogramCounts {
  readonly from: number;
  readonly counts: Uint32Array;
}

export class LatencyHistogram {
  readonly #hdr: HdrHistogram = build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_TRACKABLE_US,
    numberOfSignificantValueDigits: 3,
  });
  // Plain fields: every frame of every player is recorded.
  /** Counts that `hdr` has not got yet, by index. Allocated at the first sample. */
  private recent: Uint32Array | undefined = undefined;
  private recentCount = 0;
  /** Only `recent` from here to `to` can be other than zero. */
  private from = RECENT_SIZE;
  private to = 0;

  /**
   * Negative values count as 0, values above 35 minutes as that. Counted with the library's own bucket layout in
   * integer arithmetic: a fifth of the cost of its general `recordValue`.
   */
  record(milliseconds: number): void {
    const us = Math.round(milliseconds * 1000);
    const value = us > 0 ? (us < HIGHEST_US ? us | 0 : HIGHEST_US) : 0;
    const bucket = value < SUB_BUCKETS ? 0 : 32 - Math.clz32(value) - SUB_BUCKET_BITS;
    const index = bucket * HALF_SUB_BUCKETS + (value >>> bucket);
    this.recent ??= new Uint32Array(RECENT_SIZE);
    this.recent[index]!++;
    this.recentCount++;
    if (index < this.from) this.from = index;
    if (index >= this.to) this.to = index + 1;
  }

  /** Takes out what was recorded since the last time, in a form that is cheap to hand to another process. */
  takeCounts(): HistogramCounts | undefined {
    if (this.recentCount === 0 || this.recent === undefined) return undefined;
    const taken = { from: this.from, counts: this.recent.slice(this.from, this.to) };
    this.clearRecent();
    return taken;
  }

  /** Adds what `takeCounts` gave. */
  addCounts({ from, counts }: HistogramCounts): void {
    this.recent ??= new Uint32Array(RECENT_SIZE);
    for (let at = 0; at < counts.length; at++) {
      this.recent[from + at]! += counts[at]!;
      this.recentCount += counts[at]!;
    }
    this.from = Math.min(this.from, from);
    this.to = Math.max(this.to, from + counts.length);
  }

  private clearRecent(): void {
    this.recent?.fill(0, this.from, this.to);
    this.recentCount = 0;
    this.from = RECENT_SIZE;
    this.to = 0;
  }

  /** The library's histogram with everything in it. */
  private get hdr(): HdrHistogram {
    if (this.recentCount === 0 || this.recent === undefined) return this.#hdr;
    for (let index = this.from; index < this.to; index++) {
      const count = this.recent[index]!;
      if (count === 0) continue;
      const bucket = index < SUB_BUCKETS ? 0 : (index >>> (SUB_BUCKET_BITS - 1)) - 1;
      this.#hdr.recordValueWithCount((index - bucket * HALF_SUB_BUCKETS) * 2 ** bucket, count);
    }
    this.clearRecent();
    return this.#hdr;
  }

  get count(): number {
    return this.#hdr.totalCount + this.recentCount;
  }

  /** In milliseconds; null when nothing was recorded. */
  percentile(percent: number): number | null {
    const hdr = this.hdr;
    return hdr.totalCount === 0 ? null : hdr.getValueAtPercentile(percent) / 1000;
  }

  merge(other: LatencyHistogram): void {
    if (other.count > 0) this.#hdr.add(other.hdr);
  }

  reset(): void {
    this.#hdr.reset();
    this.clearRecent();
  }

  /** HDR histogram V2, compressed, base64: what Java's, Rust's and Go's HdrHistogram read. */
  encode(): string {
    return encodeIntoCompressedBase64(this.hdr);
  }

  /** Adds what `encode` gave. Throws when it is not a histogram. */
  mergeEncoded(encoded: string): void {
    const other = decodeFromCompressedBase64(encoded, 32);
    if (other.totalCount > 0) this.#hdr.add(other);
  }

  toDistribution(): DistributionFigures {
    const { count } = this;
    if (count === 0) return { p50: null, p90: null, p99: null, p999: null, max: null, count };
    return {
      p50: this.percentile(50),
      p90: this.percentile(90),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      // Not the exact one: what comes back from a file or a worker has no more than its bucket.
      max: this.percentile(100),
      count,
      hdr: this.encode(),
    };
  }
}
