/** A plot that charts.js draws with uPlot, and where its figures stand for those who do not see it. */
import { type Html, html, jsonBlock } from './html.ts';

/** Null where nothing is known: the line has a gap there. */
export type Column = readonly (number | null)[];

export interface PlotAxis {
  /** Stands behind each number: `ms`, `Mbit/s`, or nothing. */
  readonly unit?: string;
  /** Stands beside the axis. */
  readonly label?: string;
  /** In the legend, of x only. Default its label, or its unit. */
  readonly name?: string;
  /**
   * `percentile`, of x only: values are log10(1 / (1 - percentile)), so that 0, 1, 2, 3 are p0, p90, p99, p99.9 and the worst
   * cases have room. Default `linear`, which begins at zero for y.
   */
  readonly scale?: 'linear' | 'log' | 'percentile';
}

export interface PlotSeries {
  readonly label: string;
  readonly values: Column;
  /** A colour and a kind of line of its own, `--series-1` to `--series-6`. Default its place among the series. */
  readonly style?: 1 | 2 | 3 | 4 | 5 | 6;
  /** The ground below the line is tinted (styles 1 and 3). Default false. */
  readonly filled?: boolean;
  /** Each value is marked: for curves of few measurements. Default false. */
  readonly points?: boolean;
}

export interface Plot {
  /** Unique on the page: letters, digits and dashes. */
  readonly name: string;
  readonly title: string;
  /** Where the same figures can be read: `in the table above`. */
  readonly readable: string;
  readonly x: PlotAxis;
  readonly xs: readonly number[];
  readonly y: PlotAxis;
  readonly series: readonly PlotSeries[];
  /** Plots with the same word move their cursors together. Default alone. */
  readonly together?: string;
  /** `small` for several side by side, in an element of class `plots`. Default `wide`. */
  readonly size?: 'wide' | 'small';
}

export function renderPlot(plot: Plot): Html {
  const { name, title, readable, size = 'wide' } = plot;
  return html`<figure><figcaption>${title}</figcaption>
<div class="plot${size === 'small' && ' small'}" data-plot="${name}" role="img" aria-label="${`${title}. The figures are ${readable}.`}"></div>
${jsonBlock(`plot-${name}`, plot)}</figure>`;
}

/** Whether the markup has plots, so that the page needs what draws them. */
export function hasPlots(markup: Html): boolean {
  return markup.toString().includes(' data-plot="');
}
