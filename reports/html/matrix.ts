/** Checks by (topology, engine), grouped by area. */
import { areaOf, UNKNOWN } from '../format.ts';
import type { Finding } from '../results.ts';
import type { ClusterFigures } from '../results-clusters.ts';
import { anchorOf } from './findings.ts';
import { type Html, html } from './html.ts';
import { verdictBadge } from './verdict.ts';

/** With the clusters a check that is not for one of them is told from a check that was not run. */
export function renderMatrix(findings: readonly Finding[], clusters: readonly ClusterFigures[] = []): Html {
  const columns = [...new Map(findings.map((finding) => [columnOf(finding), finding])).values()];
  const areas = [...new Set(findings.map(({ check }) => areaOf(check)))];
  if (findings.length === 0) return html`<section><h2>Checks</h2><p>Nothing was judged.</p></section>`;
  return html`<section aria-labelledby="checks">
<h2 id="checks">Checks</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="checks">
<table class="matrix">
<thead><tr><th scope="col">Check</th>${columns.map(
    ({ topology, engine }) => html`<th scope="col">${topology} <span class="engine">${engine}</span></th>`,
  )}</tr></thead>
${areas.map((area) => renderArea(area, findings, columns, clusters))}
</table>
</div>
</section>`;
}

function columnOf({ topology, engine }: Pick<Finding, 'topology' | 'engine'>): string {
  return JSON.stringify([topology, engine]);
}

function renderArea(
  area: string,
  findings: readonly Finding[],
  columns: readonly Finding[],
  clusters: readonly ClusterFigures[],
): Html {
  const checks = new Map<string, Finding[]>();
  for (const finding of findings) {
    if (areaOf(finding.check) !== area) continue;
    checks.set(finding.check, [...(checks.get(finding.check) ?? []), finding]);
  }
  return html`<tbody>
${area !== '' && html`<tr class="area"><th scope="rowgroup" colspan="${columns.length + 1}">${area}</th></tr>`}
${[...checks].map(
  ([check, of]) =>
    html`<tr><th scope="row"><span class="title">${of[0]!.title ?? check}</span>${
      of[0]!.title !== undefined && html`<code class="id">${check}</code>`
    }</th>${columns.map((column) => {
      const cells = of.filter((finding) => columnOf(finding) === columnOf(column));
      const cluster = clusters.find((one) => columnOf(one) === columnOf(column));
      return html`<td>${
        cells.length === 0
          ? cluster === undefined || cluster.checks.includes(check)
            ? html`<span class="none">not run</span>`
            : html`<span class="none" aria-hidden="true">${UNKNOWN}</span><span class="unseen">not for it</span>`
          : cells.map(
              (finding) =>
                html`<a href="#${anchorOf(findings.indexOf(finding))}">${verdictBadge(finding.verdict)}</a> `,
            )
      }</td>`;
    })}</tr>`,
)}
</tbody>`;
}
