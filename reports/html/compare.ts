/** `compare.html`: two runs side by side. */
import type { Change, Comparison, FigureChange, FindingChange } from '../compare.ts';
import { formatInstant, formatSeconds, headline, plural } from '../format.ts';
import { changeWord, figureWord } from '../format-change.ts';
import type { Results } from '../results.ts';
import { type Html, html } from './html.ts';
import { percentilePlot } from './percentiles.ts';
import { renderPlot } from './plot.ts';
import { renderShell } from './shell.ts';
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
  const verdict = (of: FindingChange['before']) =>
    of === undefined ? html`<span class="none">not judged</span>` : verdictBadge(of);
  return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="changed"><table class="plain">
<thead><tr><th scope="col">Check</th><th scope="col">Cluster</th><th scope="col">Before</th><th scope="col">After</th><th scope="col">Expected, and what came</th></tr></thead>
<tbody>${findings.map(
    ({ check, topology, engine, mutant, before, after, finding }) =>
      html`<tr><th scope="row">${finding.title ?? check}<code class="id block">${check}</code></th><td>${topology}, ${engine}${mutant !== undefined && html`, mutant <code>${mutant}</code>`}</td><td>${verdict(before)}</td><td>${verdict(after)}</td><td class="wide">${finding.expected}<span class="block soft">${finding.actual}</span></td></tr>`,
  )}</tbody></table></div>`;
}

function renderFigures({ figures }: Comparison): Html {
  return html`<section aria-labelledby="figures">
<h2 id="figures">Figures</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="figures"><table class="plain">
<thead><tr><th scope="col">Figure</th><th scope="col" class="number">Before</th><th scope="col" class="number">After</th><th scope="col" class="number">Change</th></tr></thead>
<tbody>${figures.map(renderFigure)}</tbody></table></div>
</section>`;
}

function renderFigure(figure: FigureChange): Html {
  const { name, unit, before, after, worse } = figure;
  return html`<tr><th scope="row">${name}</th><td class="number">${figureWord(before, unit)}</td><td class="number">${figureWord(after, unit)}</td><td class="number">${worse ? html`<strong class="worse">${changeWord(figure)}</strong>` : changeWord(figure)}</td></tr>`;
}

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
