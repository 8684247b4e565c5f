/** `report.html`: the results of a run as people read them, and the same of a run that goes on. */
import { formatInstant, formatSeconds, headline } from '../format.ts';
import type { Results, Verdict } from '../results.ts';
import { renderBench } from './bench.ts';
import { renderBrowser } from './browser.ts';
import { renderEnvironment } from './environment.ts';
import { renderFindings } from './findings.ts';
import { renderGateHealth } from './gate-health.ts';
import { renderGenerator } from './generator.ts';
import { type Html, html, jsonBlock } from './html.ts';
import { renderK6 } from './k6.ts';
import { renderCourse, renderFigures } from './load.ts';
import { renderMatrix } from './matrix.ts';
import { renderBystanders, renderKills } from './mutants.ts';
import { renderPublish } from './publish.ts';
import { renderShell } from './shell.ts';
import { renderClusters } from './topology.ts';
import { verdictIcon } from './verdict.ts';

/** Of a run that goes on. */
export type Stage = 'running' | 'over';

export function renderReport(results: Results): string {
  return renderShell({
    title: titleOf(results.verdict, results),
    content: html`${renderBody(results)}
<footer>liveproof ${results.environment.liveproof} · ${results.schema}. This page carries its own results as JSON in the element <code>#results</code>.</footer>
${jsonBlock('results', results)}`,
  });
}

/** The same, of a run that goes on: it asks the server that it came from for what has changed. */
export function renderLivePage(results: Results, stage: Stage): string {
  return renderShell({
    title: titleOf(wordOf(results, stage), results),
    live: true,
    content: html`<p id="live" role="status">Live.</p>
${renderBody(results, stage)}
<footer>liveproof ${results.environment.liveproof} · ${results.schema}. The figures of this moment, as JSON: <a href="results.json">results.json</a>.</footer>`,
  });
}

/** What a live page replaces: its header and its main part. */
export function renderLiveBody(results: Results, stage: Stage): string {
  return renderBody(results, stage).toString();
}

function titleOf(word: string, { kind, startedAt }: Results): string {
  return `${word}: liveproof ${kind}, ${formatInstant(startedAt)}`;
}

function renderBody(results: Results, stage: Stage = 'over'): Html {
  return html`${renderHead(results, stage)}
<main id="main">
${results.load && renderFigures(results.load)}
${results.publish && renderPublish(results.publish)}
${results.bench && renderBench(results.bench)}
${results.k6 && renderK6(results.k6)}
${results.browser && renderBrowser(results.browser)}
${results.kind === 'gate' && renderMatrix(results.findings, results.clusters)}
${results.kind === 'browser' && renderMatrix(results.findings.filter(({ mutant }) => mutant === undefined))}
${results.kind === 'mutants' && renderKills(results.findings)}
${results.bystanders && renderBystanders(results.bystanders, results.findings)}
${renderFindings(results)}
${results.clusters && renderClusters(results.clusters)}
${results.load && renderCourse(results.load)}
${results.publish && renderGenerator(results.publish.generator)}
${results.health && renderGateHealth(results.health)}
${renderEnvironment(results)}
</main>`;
}

/** While a run goes on nothing has passed yet; what is wrong is so already. */
function wordOf({ verdict, findings }: Results, stage: Stage): Verdict | 'running' {
  const wrong = findings.length > 0 && verdict !== 'pass';
  return stage === 'over' || wrong ? verdict : 'running';
}

function renderHead(results: Results, stage: Stage): Html {
  const word = wordOf(results, stage);
  const isEmpty = results.findings.length === 0 && !results.load && !results.publish && !results.bench;
  const said =
    stage === 'over' ? headline(results) : isEmpty ? 'It has begun' : `${headline(results)} so far`;
  return html`<header>
<p class="brand"><span class="dot" aria-hidden="true"></span>liveproof <span class="kind">${results.kind}</span></p>
<div class="banner ${word}">
<span class="seal">${verdictIcon(word)}</span>
<div>
<h1>${word}</h1>
<p class="headline">${said}.</p>
${results.interrupted && html`<p class="note">Interrupted: this is what was measured until then.</p>`}
${(results.notes ?? []).map((note) => html`<p class="note">${note}</p>`)}
</div>
</div>
<dl class="facts">
<div><dt>Started</dt><dd><time datetime="${results.startedAt}">${formatInstant(results.startedAt)}</time></dd></div>
<div><dt>${stage === 'over' ? 'Took' : 'Runs for'}</dt><dd>${formatSeconds(results.durationMs)}</dd></div>
<div class="wide"><dt>Command</dt><dd><code>${results.command.join(' ')}</code></dd></div>
</dl>
</header>`;
}
