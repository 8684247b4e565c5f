/** What the rows of the Grafana dashboard are made of. */

export interface Query {
  readonly expr: string;
  /** With `{{label}}` for its value. Of a table, the head of the column; empty: its value is not shown, only its labels. */
  readonly legend: string;
  /** Of a column, where it is not that of the panel. */
  readonly unit?: string;
  /** Of a column. */
  readonly words?: Words;
}

/** What is shown for a value. */
type Words = Readonly<Record<string, { readonly text: string; readonly color: string }>>;

export interface Panel {
  readonly title: string;
  readonly says?: string;
  readonly type: 'timeseries' | 'stat' | 'bargauge' | 'table';
  /** In Grafana's words: `s`, `Bps`, `bps`, `percentunit`, `short`, `bytes`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Of a `stat`. */
  readonly words?: Words;
  /** Of a `table`: labels that are no columns. */
  readonly hides?: readonly string[];
  /** Where it is not that of its type, in Grafana's columns and rows. */
  readonly size?: { readonly w?: number; readonly h?: number };
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export const VERDICTS: Words = {
  0: { text: 'pass', color: 'green' },
  1: { text: 'unsupported', color: 'blue' },
  2: { text: 'inconclusive', color: 'orange' },
  3: { text: 'fail', color: 'red' },
  4: { text: 'error', color: 'purple' },
};

export const HEALTH: Words = {
  0: { text: 'unhealthy', color: 'orange' },
  1: { text: 'healthy', color: 'green' },
};
