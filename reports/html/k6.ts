/** What scripts of k6 measured, and what viewers cost k6 and our swarm. */
import { formatKilobytes, formatMegabytes, formatMilliCores, formatMs, formatNumber } from '../format.ts';
import type { K6, K6Metric, ViewerCost } from '../results-k6.ts';
import { type Html, html } from './html.ts';
import { type Column, renderTable } from './table.ts';

export function renderK6({ scripts, cost }: K6): Html {
  return html`${cost && renderCost(cost)}
${scripts.map(
  ({ script, seconds, metrics }) => html`<section aria-labelledby="k6-${script}">
<h2 id="k6-${script}">k6: ${script}</h2>
<p>${formatNumber(seconds)} s. Times are in ms.</p>
<details class="data"><summary>Metrics</summary>
${renderTable({
  label: `Metrics of ${script}`,
  columns: METRIC_COLUMNS,
  rows: Object.entries(metrics).toSorted(([a], [b]) => a.localeCompare(b)),
})}
</details>
</section>`,
)}`;
}

const METRIC_COLUMNS: readonly Column<[string, K6Metric]>[] = [
  { head: 'Metric', cell: ([name]) => html`<code>${name}</code>` },
  { head: 'Figures', cell: ([, metric]) => figuresOf(metric), kind: 'words' },
];

function figuresOf({ values }: K6Metric): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${formatNumber(value)}`)
    .join(', ');
}

interface Generator extends ViewerCost {
  readonly name: string;
  readonly viewers: number;
}

const COST_COLUMNS: readonly Column<Generator>[] = [
  { head: 'Generator', cell: ({ name }) => name },
  { head: 'Cores', cell: ({ cpuCores }) => formatNumber(cpuCores), kind: 'number' },
  { head: 'Memory', cell: ({ memoryMb }) => formatMegabytes(memoryMb), kind: 'number' },
  {
    above: 'A viewer',
    head: 'cores',
    cell: ({ cpuCores, viewers }) => formatMilliCores(cpuCores / viewers),
    kind: 'number',
  },
  {
    above: 'A viewer',
    head: 'memory',
    cell: ({ memoryMb, viewers }) => formatKilobytes((memoryMb * 1024) / viewers),
    kind: 'number',
  },
  { head: 'Loaded', cell: ({ loadedMb }) => formatMegabytes(loadedMb), kind: 'number' },
  { head: 'Frames verified', cell: ({ frames }) => formatNumber(frames), kind: 'number' },
  { above: 'Latency', head: 'p50', cell: ({ latencyP50 }) => formatMs(latencyP50), kind: 'number' },
  { above: 'Latency', head: 'p99', cell: ({ latencyP99 }) => formatMs(latencyP99), kind: 'number' },
];

function renderCost({ viewers, windowSeconds, k6, swarm }: NonNullable<K6['cost']>): Html {
  return html`<section aria-labelledby="k6-cost">
<h2 id="k6-cost">What ${formatNumber(viewers)} HLS viewers cost</h2>
<p>The same crowd on the same stream, one generator after the other, over ${formatNumber(windowSeconds)} s after the ramp. Of a viewer: the whole generator divided by its viewers, so with what it takes before the first one.</p>
${renderTable({
  label: 'What viewers cost',
  columns: COST_COLUMNS,
  rows: [
    { name: 'k6', viewers, ...k6 },
    { name: 'swarm', viewers, ...swarm },
  ],
})}
</section>`;
}
