/** What scripts of k6 measured, and what viewers cost k6 and our swarm. */
import { formatMs, formatNumber } from '../format.ts';
import type { K6, K6Metric, ViewerCost } from '../results-k6.ts';
import { type Html, html } from './html.ts';

export function renderK6({ scripts, cost }: K6): Html {
  return html`${cost && renderCost(cost)}
${scripts.map(
  ({ script, seconds, metrics }) => html`<section aria-labelledby="k6-${script}">
<h2 id="k6-${script}">k6: ${script}</h2>
<p>${formatNumber(seconds)} s. Times are in ms.</p>
<details class="data"><summary>Metrics</summary>
<div class="scroll" tabindex="0" role="region" aria-labelledby="k6-${script}"><table class="plain">
<thead><tr><th scope="col">Metric</th><th scope="col">Figures</th></tr></thead>
<tbody>${Object.entries(metrics)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(
      ([name, metric]) =>
        html`<tr><th scope="row"><code>${name}</code></th><td>${figuresOf(metric)}</td></tr>`,
    )}</tbody>
</table></div>
</details>
</section>`,
)}`;
}

function figuresOf({ values }: K6Metric): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${formatNumber(value)}`)
    .join(', ');
}

function renderCost({ viewers, windowSeconds, k6, swarm }: NonNullable<K6['cost']>): Html {
  const row = (
    name: string,
    { cpuCores, memoryMb, loadedMb, frames, latencyP50, latencyP99 }: ViewerCost,
  ) => html`<tr><th scope="row">${name}</th>
<td>${formatNumber(cpuCores)}</td><td>${formatNumber((cpuCores / viewers) * 1000)}</td>
<td>${formatNumber(memoryMb)}</td><td>${formatNumber(loadedMb)}</td><td>${formatNumber(frames)}</td>
<td>${formatMs(latencyP50)}, ${formatMs(latencyP99)}</td></tr>`;
  return html`<section aria-labelledby="k6-cost">
<h2 id="k6-cost">What ${formatNumber(viewers)} HLS viewers cost</h2>
<p>The same crowd on the same stream, one generator after the other, over ${formatNumber(windowSeconds)} s after the ramp.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="k6-cost"><table class="plain">
<thead><tr><th scope="col">Generator</th><th scope="col">Cores</th><th scope="col">Cores per 1000</th><th scope="col">Memory, MB</th><th scope="col">Loaded, MB</th><th scope="col">Frames verified</th><th scope="col">Latency p50, p99</th></tr></thead>
<tbody>${row('k6', k6)}${row('swarm', swarm)}</tbody>
</table></div>
</section>`;
}
