/** Latencies of many clients in one HDR histogram: microseconds, three significant digits, mergeable. */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram as HdrHistogram,
} from 'hdr-histogram-js';

/** Above one hour a latency says no more than that. */
const HIGHEST_US = 3_600_000_000;

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

export class LatencyHistogram {
  readonly #hdr: HdrHistogram = build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
  });
  // Plain fields: every frame of every player is recorded.
  /** Counts that `hdr` has not got yet, by index. Allocated at the first sample. */
  private recent: Uint32Array | undefined = undefined;
  private recentCount = 0;

  /**
   * Negative values count as 0. Counted here first, with the library's own bucket layout in integer arithmetic: a
   * fifth of the cost of its general `recordValue`.
   */
  record(milliseconds: number): void {
    const us = Math.round(milliseconds * 1000);
    if (us >= 2 ** 31) {
      this.#hdr.recordValue(Math.min(us, HIGHEST_US));
      return;
    }
    const value = us > 0 ? us | 0 : 0;
    const bucket = value < SUB_BUCKETS ? 0 : 32 - Math.clz32(value) - SUB_BUCKET_BITS;
    this.recent ??= new Uint32Array(RECENT_SIZE);
    this.recent[bucket * HALF_SUB_BUCKETS + (value >>> bucket)]!++;
    this.recentCount++;
  }

  /** The library's histogram with everything in it. */
  private get hdr(): HdrHistogram {
    if (this.recentCount === 0 || this.recent === undefined) return this.#hdr;
    for (const [index, count] of this.recent.entries()) {
      if (count === 0) continue;
      const bucket = Math.max(0, Math.floor(index / HALF_SUB_BUCKETS) - 1);
      this.#hdr.recordValueWithCount((index - bucket * HALF_SUB_BUCKETS) * 2 ** bucket, count);
    }
    this.recent.fill(0);
    this.recentCount = 0;
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
    this.recent?.fill(0);
    this.recentCount = 0;
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
