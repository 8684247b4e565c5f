/** Each finding: what was expected, what came, the evidence, the source. What did not pass stands first, open. */
import { areaOf, formatSeconds, plural, proofWord } from '../format.ts';
import type { Evidence, Finding, Results } from '../results.ts';
import { hrefOf } from './href.ts';
import { type Html, html } from './html.ts';
import { renderFailover } from './timeline.ts';
import { verdictBadge } from './verdict.ts';

/** `index` is the place of the finding in the results. */
export function anchorOf(index: number): string {
  return `finding-${index + 1}`;
}

export function renderFindings(results: Results): Html {
  const all = results.findings.map((finding, index): Placed => ({ finding, index }));
  const bad = all.filter(({ finding }) => finding.verdict !== 'pass');
  const good = all.filter(({ finding }) => finding.verdict === 'pass');
  const areas = [...new Set(good.map(({ finding }) => areaOf(finding.check)))];
  return html`${
    bad.length > 0 &&
    html`<section aria-labelledby="bad">
<h2 id="bad">${results.kind === 'mutants' ? 'What is not proven' : 'What did not pass'}</h2>
${bad.map((placed) => renderFinding(placed, results.kind, true))}
</section>`
  }${
    good.length > 0 &&
    html`<section aria-labelledby="good">
<h2 id="good">${results.kind === 'mutants' ? 'What is proven' : 'What passed'} <span class="count">${plural(good.length, 'finding')}</span></h2>
${areas.map(
  (area) => html`${area !== '' && html`<h3>${area}</h3>`}
${good.filter(({ finding }) => areaOf(finding.check) === area).map((placed) => renderFinding(placed, results.kind, false))}`,
)}
</section>`
  }`;
}

interface Placed {
  readonly finding: Finding;
  readonly index: number;
}

function renderFinding({ finding, index }: Placed, kind: Results['kind'], open: boolean): Html {
  const { check, title, level, spec, topology, engine, mutant, verdict, evidence, timeline } = finding;
  const word = kind === 'mutants' && mutant !== undefined ? proofWord(verdict) : verdict;
  return html`<details class="finding ${verdict}" id="${anchorOf(index)}"${open && html` open`}>
<summary>${verdictBadge(verdict, word)}<span class="what"><span class="title">${title ?? check}</span>
<span class="where">${title !== undefined && html`<code>${check}</code>`}${
    mutant !== undefined && html`<span>mutant <code>${mutant}</code></span>`
  }${kind !== 'load' && kind !== 'publish' && html`<span>${topology}, ${engine}</span>`}${level !== undefined && html`<span>${level}</span>`}<span>${formatSeconds(finding.durationMs)}</span></span></span></summary>
<dl class="judgement">
<div><dt>Expected</dt><dd>${finding.expected}</dd></div>
<div class="actual"><dt>Actual</dt><dd>${finding.actual}</dd></div>
${spec && html`<div><dt>Source</dt><dd>${spec.says} <cite>${spec.source}, ${spec.where}</cite></dd></div>`}
</dl>
${evidence.length > 0 && renderEvidence(evidence)}
${timeline !== undefined && renderFailover(timeline)}
</details>`;
}

function renderEvidence(evidence: readonly Evidence[]): Html {
  return html`<div class="evidence" tabindex="0" role="region" aria-label="Evidence"><table><caption>Evidence</caption><tbody>
${evidence.map(
  ({ label, detail, file }) =>
    html`<tr><th scope="row">${label}</th><td>${detail}${file !== undefined && html` <a href="${hrefOf(file)}">${file}</a>`}</td></tr>`,
)}
</tbody></table></div>`;
}
