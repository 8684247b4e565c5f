/** Whether the machine that played can be believed. */
import { formatMs, formatNumber, plural } from '../format.ts';
import type { GeneratorHealth } from '../results.ts';
import { type Html, html } from './html.ts';
import { verdictBadge } from './verdict.ts';

export function renderGenerator(generator: GeneratorHealth): Html {
  const facts: [string, string][] = [
    ['Event-loop lag p99, worst worker', formatMs(generator.loopLagP99Ms)],
    ['Processor', plural(generator.cpuCores, 'core')],
    ['Memory', `${formatNumber(generator.rssMb)} MB`],
    ...(generator.udpDrops === undefined
      ? []
      : ([['Datagrams dropped at our own sockets', formatNumber(generator.udpDrops)]] as [string, string][])),
  ];
  return html`<section aria-labelledby="generator">
<h2 id="generator">Generator ${verdictBadge(
    generator.healthy ? 'pass' : 'inconclusive',
    generator.healthy ? 'healthy' : 'unhealthy',
  )}</h2>
<p>${
    generator.healthy
      ? 'The machine that ran the clients had time to spare: the figures are those of the server.'
      : 'The machine that ran the clients was too slow to tell: its figures cannot be blamed on the server.'
  }</p>
${generator.reasons.length > 0 && html`<ul>${generator.reasons.map((reason) => html`<li>${reason}</li>`)}</ul>`}
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</section>`;
}
