/** The kill matrix: a check that no defect can turn red proves nothing. */
import { areaOf, plural, proofWord } from '../format.ts';
import type { Finding } from '../results.ts';
import { type Bystander, killersOf } from '../results-mutants.ts';
import { anchorOf } from './findings.ts';
import { type Html, html } from './html.ts';
import { verdictBadge, verdictIcon } from './verdict.ts';

export function renderKills(findings: readonly Finding[]): Html {
  const areas = [...new Set(findings.map(({ check }) => areaOf(check)))];
  return html`<section aria-labelledby="kills">
<h2 id="kills">Kill matrix</h2>
<p>Each check must pass on the healthy cluster and turn red on every mutant that is aimed at it. An empty cell: not aimed.</p>
${areas.map((area) => renderArea(area, findings))}
</section>`;
}

function renderArea(area: string, all: readonly Finding[]): Html {
  const findings = all.filter(({ check }) => areaOf(check) === area);
  const checks = [...new Set(findings.map(({ check }) => check))];
  const mutants = [...new Set(findings.map(({ mutant }) => mutant).filter((m) => m !== undefined))];
  const id = `kills-${areaIndex(area, all)}`;
  return html`<h3 id="${id}">${area || 'checks'} <span class="count">${plural(mutants.length, 'mutant')}</span></h3>
<div class="scroll" tabindex="0" role="region" aria-labelledby="${id}">
<table class="kills">
<thead><tr><th scope="col">Check</th><th scope="col" class="healthy">healthy cluster</th>${mutants.map(
    (mutant) => html`<th scope="col" class="mutant"><span>${mutant}</span></th>`,
  )}</tr></thead>
<tbody>${checks.map(
    (check) =>
      html`<tr><th scope="row"><code>${area === '' ? check : check.slice(area.length + 1)}</code></th>${[
        undefined,
        ...mutants,
      ].map((mutant) => {
        const cells = findings.filter((finding) => finding.check === check && finding.mutant === mutant);
        return html`<td>${cells.map((finding) => renderCell(finding, all.indexOf(finding)))}</td>`;
      })}</tr>`,
  )}</tbody>
</table>
</div>`;
}

function areaIndex(area: string, all: readonly Finding[]): number {
  return [...new Set(all.map(({ check }) => areaOf(check)))].indexOf(area) + 1;
}

function renderCell(finding: Finding, index: number): Html {
  const { verdict, mutant } = finding;
  const word = mutant === undefined ? verdict : proofWord(verdict);
  const where = `${word}: ${finding.topology}, ${finding.engine}`;
  if (verdict !== 'pass')
    return html`<a href="#${anchorOf(index)}" title="${where}">${verdictBadge(verdict, word)}</a> `;
  return html`<a href="#${anchorOf(index)}" title="${where}" class="badge pass small">${verdictIcon('pass')}<span class="unseen">${word}</span></a> `;
}

/** Who else turns red: a mutant that one check alone catches hangs by that one. */
export function renderBystanders(bystanders: readonly Bystander[], findings: readonly Finding[]): Html {
  const mutants = [...new Set(bystanders.map(({ mutant }) => mutant))];
  return html`<section aria-labelledby="bystanders">
<h2 id="bystanders">Every mutant and all checks of its cluster</h2>
<p>Checks that are not aimed at a mutant may catch it, too. They have no part in the verdict.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="bystanders">
<table>
<thead><tr><th scope="col">Mutant</th><th scope="col">aimed, killed</th><th scope="col">aimed, alive</th><th scope="col">aimed, not run to its end</th><th scope="col">caught by others</th><th scope="col">not caught by</th></tr></thead>
<tbody>${mutants.map((mutant) => {
    const { killed, alive, untold, caught, others } = killersOf(mutant, findings, bystanders);
    return html`<tr><th scope="row"><code>${mutant}</code></th><td>${list(killed)}</td><td>${list(alive)}</td><td>${list(untold)}</td><td>${list(caught)}</td><td>${plural(others, 'check')}</td></tr>`;
  })}</tbody>
</table>
</div>
</section>`;
}

function list(checks: readonly string[]): Html {
  return html`${checks.map((check) => html`<code>${check}</code> `)}`;
}
