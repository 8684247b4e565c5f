/** `compare.html`: two runs side by side. */
import type { Change, Comparison, FigureChange, FindingChange } from '../compare.ts';
import { formatInstant, formatSeconds, headline, plural } from '../format.ts';
import { changeWord, figureWord } from '../format-change.ts';
import type { Results } from '../results.ts';
import { type Html, html } from './html.ts';
import { percentilePlot } from './percentiles.ts';
import { renderPlot } from './plot.ts';
import { renderShell } from './shell.ts';
import { type Column, renderTable } from './table.ts';
import { verdictBadge, verdictIcon } from './verdict.ts';

const HEADINGS = { pass: 'no worse', fail: 'worse', inconclusive: 'cannot tell' } as const;

const CHANGES: Readonly<Record<Change, string>> = {
  worse: 'Worse',
  gone: 'Not judged any more',
  better: 'Better',
  new: 'Not judged before',
  same: 'The same',
};

export function renderComparison(comparison: Comparison): string {
  const { before, after, verdict, findings, same, notes } = comparison;
  const word = HEADINGS[verdict];
  return renderShell({
    title: `${word}: liveproof compare, ${formatInstant(before.startedAt)} and ${formatInstant(after.startedAt)}`,
    content: html`<header>
<p class="brand"><span class="dot" aria-hidden="true"></span>liveproof <span class="kind">compare, ${after.kind}</span></p>
<div class="banner ${verdict}">
<span class="seal">${verdictIcon(verdict)}</span>
<div>
<h1>${word}</h1>
<p class="headline">${`${summaryOf(comparison)}.`}</p>
${notes.map((note) => html`<p class="note">${note}</p>`)}
</div>
</div>
</header>
<main id="main">
${renderRuns(before, after)}
<section aria-labelledby="changed">
<h2 id="changed">Findings <span class="count">${plural(same, 'finding')} the same</span></h2>
${findings.length === 0 ? html`<p>No verdict has changed.</p>` : renderFindings(findings)}
</section>
${renderFigures(comparison)}
${renderLatency(before, after)}
</main>
<footer>liveproof ${after.environment.liveproof}. One run each: a change of a figure may be noise.</footer>`,
  });
}

export function summaryOf({ findings, same }: Pick<Comparison, 'findings' | 'same'>): string {
  const counts = (['worse', 'gone', 'better', 'new'] as const).flatMap((change) => {
    const found = findings.filter((one) => one.change === change).length;
    return found === 0 ? [] : [`${found} ${CHANGES[change].toLowerCase()}`];
  });
  return [...counts, `${plural(same, 'finding')} the same`].join(', ');
}

function renderRuns(before: Results, after: Results): Html {
  const row = (name: string, of: (results: Results) => Html | string) =>
    html`<tr><th scope="row">${name}</th><td>${of(before)}</td><td>${of(after)}</td></tr>`;
  return html`<section aria-labelledby="runs">
<h2 id="runs">Runs</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="runs"><table class="plain">
<thead><tr><th scope="col"><span class="unseen">What</span></th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
<tbody>${row('Verdict', ({ verdict }) => verdictBadge(verdict))}${row('In short', headline)}${row('Started', ({ startedAt }) => formatInstant(startedAt))}${row('Took', ({ durationMs }) => formatSeconds(durationMs))}${row('Command', ({ command }) => html`<code>${command.join(' ')}</code>`)}${row('Machine', ({ environment: { cores, cpu, os } }) => `${cores} × ${cpu}, ${os}`)}${row('Programs', programsOf)}</tbody>
</table></div>
</section>`;
}

function programsOf({ environment: { liveproof, node, programs } }: Results): string {
  return Object.entries({ liveproof, Node: node, ...programs })
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
}

function renderFindings(findings: readonly FindingChange[]): Html {
  return renderTable({ label: 'Findings that changed', columns: FINDING_COLUMNS, rows: findings });
}

function verdictOf(verdict: FindingChange['before']): Html {
  return verdict === undefined ? html`<span class="none">not judged</span>` : verdictBadge(verdict);
}

const FINDING_COLUMNS: readonly Column<FindingChange>[] = [
  {
    head: 'Check',
    cell: ({ check, finding }) => html`${finding.title ?? check}<code class="id block">${check}</code>`,
  },
  { head: 'Before', cell: ({ before }) => verdictOf(before) },
  { head: 'After', cell: ({ after }) => verdictOf(after) },
  {
    head: 'Cluster',
    cell: ({ topology, engine, mutant }) =>
      html`${topology}, ${engine}${mutant !== undefined && html`, mutant <code>${mutant}</code>`}`,
  },
  {
    head: 'Expected, and what came',
    cell: ({ finding }) => html`${finding.expected}<span class="block soft">${finding.actual}</span>`,
    kind: 'words',
  },
];

function renderFigures({ figures }: Comparison): Html {
  return html`<section aria-labelledby="figures">
<h2 id="figures">Figures</h2>
${renderTable({ label: 'Figures', columns: FIGURE_COLUMNS, rows: figures })}
</section>`;
}

const FIGURE_COLUMNS: readonly Column<FigureChange>[] = [
  { head: 'Figure', cell: ({ name }) => name },
  {
    head: 'Change',
    cell: (figure) =>
      figure.worse ? html`<strong class="worse">${changeWord(figure)}</strong>` : changeWord(figure),
    kind: 'number',
  },
  { head: 'Before', cell: ({ before, unit }) => figureWord(before, unit), kind: 'number' },
  { head: 'After', cell: ({ after, unit }) => figureWord(after, unit), kind: 'number' },
];

function renderLatency({ load: before }: Results, { load: after }: Results): Html {
  if (before === undefined || after === undefined) return html``;
  const plot = percentilePlot(
    { name: 'percentiles', title: 'Steady latency by percentile', readable: 'in the table above' },
    [
      { label: 'before', of: before.latency.steady },
      { label: 'after', of: after.latency.steady },
    ],
  );
  return html`<section aria-labelledby="latency"><h2 id="latency">Latency</h2>${renderPlot(plot)}</section>`;
}
