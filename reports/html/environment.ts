/** Where the run took place, and what else it left behind. */
import { formatNumber } from '../format.ts';
import type { Results } from '../results.ts';
import { type Html, html } from './html.ts';

export function renderEnvironment({ environment, history }: Results): Html {
  const facts: [string, string][] = [
    ['liveproof', environment.liveproof],
    ['Node', environment.node],
    ['System', environment.os],
    ['Processor', `${environment.cores} × ${environment.cpu}`],
    ['Memory', `${environment.memoryGb} GB`],
    ...Object.entries(environment.programs),
  ];
  return html`<section aria-labelledby="environment">
<h2 id="environment">Environment</h2>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}${
    history &&
    html`<div><dt>History</dt><dd><code>${history.file}</code>, ${formatNumber(history.lines)} events</dd></div>`
  }</dl>
</section>`;
}
