/** A metric of Prometheus, and how its values are read from the results of a run. */
import type { Distribution, Results } from '../results.ts';

export type Labels = Readonly<Record<string, string>>;

interface Named {
  /** With the unit, and `_total` when it only grows. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

export interface NumberFamily extends Named {
  readonly type: 'counter' | 'gauge';
  readonly values: (results: Results) => (readonly [Labels, number])[];
}

export interface HistogramFamily extends Named {
  readonly type: 'histogram';
  readonly values: (results: Results) => (readonly [Labels, Distribution])[];
}

export type Family = NumberFamily | HistogramFamily;

/** Results have mebibytes; Prometheus has bytes. */
export const MEGABYTE = 2 ** 20;
