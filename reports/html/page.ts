/** `report.html`: one file that needs nothing else, no network, and no script to be read. */
import { formatInstant, formatSeconds, headline } from '../format.ts';
import type { Results } from '../results.ts';
import { asset, policyOf, uplot } from './assets.ts';
import { renderEnvironment } from './environment.ts';
import { renderFindings } from './findings.ts';
import { renderGenerator } from './generator.ts';
import { Html, html, jsonBlock } from './html.ts';
import { renderCourse, renderFigures } from './load.ts';
import { renderMatrix } from './matrix.ts';
import { renderKills } from './mutants.ts';
import { hasPlots } from './plot.ts';
import { renderPublish } from './publish.ts';
import { renderClusters } from './topology.ts';
import { SPRITE, verdictIcon } from './verdict.ts';

export function renderReport(results: Results): string {
  const body = renderBody(results);
  const plotted = hasPlots(body);
  const style = [...(plotted ? [uplot('uPlot.min.css')] : []), asset('report.css')].join('\n');
  const scripts = [...(plotted ? [uplot('uPlot.iife.min.js'), asset('charts.js')] : []), asset('report.js')];
  const policy = policyOf(style, scripts);
  return `<!doctype html>\n${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${results.verdict}: liveproof ${results.kind}, ${formatInstant(results.startedAt)}</title>
<style>${new Html(style)}</style>
</head>
<body>
${SPRITE}
<a class="skip" href="#main">Skip to the results</a>
${body}
<footer>liveproof ${results.environment.liveproof} · ${results.schema}. This page carries its own results as JSON in the element <code>#results</code>.</footer>
${jsonBlock('results', results)}
${scripts.map((script) => new Html(`<script>${script}</script>`))}
</body>
</html>`}\n`;
}

function renderBody(results: Results): Html {
  return html`${renderHead(results)}
<main id="main">
${results.load && renderFigures(results.load)}
${results.publish && renderPublish(results.publish)}
${results.kind === 'gate' && renderMatrix(results.findings, results.clusters)}
${results.kind === 'mutants' && renderKills(results.findings)}
${renderFindings(results)}
${results.clusters && renderClusters(results.clusters)}
${results.load && renderCourse(results.load)}
${results.publish && renderGenerator(results.publish.generator)}
${renderEnvironment(results)}
</main>`;
}

function renderHead(results: Results): Html {
  return html`<header>
<p class="brand"><span class="dot" aria-hidden="true"></span>liveproof <span class="kind">${results.kind}</span></p>
<div class="banner ${results.verdict}">
<span class="seal">${verdictIcon(results.verdict)}</span>
<div>
<h1>${results.verdict}</h1>
<p class="headline">${headline(results)}.</p>
${results.interrupted && html`<p class="note">Interrupted: this is what was measured until then.</p>`}
${(results.notes ?? []).map((note) => html`<p class="note">${note}</p>`)}
</div>
</div>
<dl class="facts">
<div><dt>Started</dt><dd><time datetime="${results.startedAt}">${formatInstant(results.startedAt)}</time></dd></div>
<div><dt>Took</dt><dd>${formatSeconds(results.durationMs)}</dd></div>
<div class="wide"><dt>Command</dt><dd><code>${results.command.join(' ')}</code></dd></div>
</dl>
</header>`;
}
