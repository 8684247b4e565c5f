/** Whether a gate can be believed: it runs players and publishers itself, on the machine of its clusters. */
import { formatMs, formatNumber, formatPercent, plural } from '../format.ts';
import type { GateHealth } from '../results-gate.ts';
import { type Html, html } from './html.ts';
import { verdictBadge } from './verdict.ts';

export function renderGateHealth(health: GateHealth): Html {
  const { loopLag, wait, boundMs, observations, starved } = health;
  const word = wait === null ? 'not known' : starved === 0 ? 'healthy' : 'kept from the CPUs';
  return html`<section aria-labelledby="generator">
<h2 id="generator">Generator ${verdictBadge(word === 'healthy' ? 'pass' : 'inconclusive', word)}</h2>
<p>${sayingOf(health)}</p>
<dl class="facts">
<div><dt>Event loop of the gate held up, at the worst</dt><dd>${formatMs(loopLag.ms)}<span class="block soft">${placeOf(loopLag)}</span></dd></div>
${
  wait !== null &&
  html`<div><dt>Longest kept from a CPU by others, in any second</dt><dd>${formatMs(wait.keptMs)}, at most ${formatMs(boundMs)}<span class="block soft">${placeOf(wait)}</span></dd></div>
<div><dt>In that second</dt><dd>${wait.process} waited ${formatMs(wait.waitedMs)}<span class="block soft">${formatPercent(wait.othersShare)} of the CPU time was others’; the hypervisor took ${formatMs(wait.stolenMs)}</span></dd></div>`
}
<div><dt>Observed</dt><dd>${plural(observations, 'time')}${wait !== null && `, ${formatNumber(starved)} of them above the bound`}</dd></div>
</dl>
</section>`;
}

function sayingOf({ wait, starved }: GateHealth): string {
  if (wait === null) {
    return 'This system does not tell who waits for a CPU: nobody knows whether the gate and its nodes were kept from their work.';
  }
  return starved === 0
    ? 'The gate, with its players and publishers, and the nodes of its clusters had the CPUs when they needed them.'
    : 'Others on this machine had the CPUs for a while: a check that did not pass meanwhile is inconclusive.';
}

function placeOf({ check, topology, engine, mutant }: Omit<GateHealth['loopLag'], 'ms'>): string {
  return [check, topology, engine, ...(mutant === undefined ? [] : [`mutant ${mutant}`])].join(', ');
}
