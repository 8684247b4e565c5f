/** `latency.html`: one file that needs nothing else and no network, in the dress of the reports. */
import { formatInstant } from '../../reports/format.ts';
import { asset, policyOf, uplot } from '../../reports/html/assets.ts';
import { Html, type HtmlValue, html, jsonBlock } from '../../reports/html/html.ts';
import type { LatencyReport } from './hls-latency.ts';
import type { LatencyRow } from './hls-latency-run.ts';
import { seconds } from './hls-latency-words.ts';

const TITLE = 'Latency of HLS by fragment length';

/** Definitions and sentences, which reports have none of. */
const PROSE = 'main p, main dd { margin: 0 0 0.75rem; max-width: 46rem } main dl { margin-top: 1.5rem }';

interface LatencyPlot {
  /** Fragment lengths, seconds. */
  readonly x: readonly number[];
  /** One line per server and start mode; seconds, null where it was not measured. */
  readonly lines: readonly {
    readonly label: string;
    readonly engine: number;
    readonly dashed: boolean;
    readonly p50: readonly (number | null)[];
  }[];
  readonly claim: LatencyReport['claim'];
}

export function renderLatencyPage(report: LatencyReport): string {
  const { rows, machine, startedAt, definitions, explanation } = report;
  const style = [uplot('uPlot.min.css'), asset('report.css'), PROSE].join('\n');
  const scripts = [uplot('uPlot.iife.min.js'), asset('hls-latency-chart.js', import.meta.url)];
  return `<!doctype html>\n${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(style, scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${TITLE}: liveproof</title>
<style>${new Html(style)}</style>
</head>
<body>
<header>
<p class="brand"><span class="dot" aria-hidden="true"></span>liveproof <span class="kind">bench:hls-latency</span></p>
<h1>${TITLE}</h1>
<dl class="facts">
<div><dt>Started</dt><dd><time datetime="${startedAt}">${formatInstant(startedAt)}</time></dd></div>
<div class="wide"><dt>Machine</dt><dd>${machine.cpu}, ${machine.cores} cores, Node ${machine.node}</dd></div>
</dl>
</header>
<main id="main">
<section>
<h2>Shown, median</h2>
<p>Seconds from the publishing of a frame until a player shows it. Full lines: players that begin three target durations before the end of the playlist; broken lines: at the live edge. The band is what the guide claims for fragments of ${report.claim.fragmentSeconds} s.</p>
<div class="plot" data-plot="latency" role="img" aria-label="Latency by fragment length. The figures are in the table below."></div>
</section>
<section>
<h2 id="figures">Figures</h2>
${figures(rows)}
<dl>
${Object.entries(definitions).map(([name, says]) => html`<dt>${name}</dt><dd>${says}</dd>`)}
</dl>
</section>
<section>
<h2>Why</h2>
${explanation.map((sentence) => html`<p>${sentence}</p>`)}
</section>
</main>
<footer>liveproof. This page carries its own figures as JSON in the element <code>#results</code>.</footer>
${jsonBlock('results', report)}
${jsonBlock('plot', plotOf(report))}
${scripts.map((script) => new Html(`<script>${script}</script>`))}
</body>
</html>`}\n`;
}

const COLUMNS: readonly (readonly [string, (row: LatencyRow) => HtmlValue])[] = [
  ['fragment', (row) => `${row.fragmentSeconds} s`],
  ['segment', (row) => `${row.segmentSeconds.toFixed(2)} s`],
  ['target', (row) => `${row.targetDuration} s`],
  ['start', (row) => row.start],
  ['arrival p50', (row) => `${seconds(row.arrival.p50)} s`],
  ['arrival p99', (row) => `${seconds(row.arrival.p99)} s`],
  ['shown p50', (row) => `${seconds(row.shown.p50)} s`],
  ['shown p99', (row) => `${seconds(row.shown.p99)} s`],
  ['stalls', (row) => row.stalls],
];

function figures(rows: readonly LatencyRow[]): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="figures"><table class="plain">
<thead><tr><th scope="col">engine</th>${COLUMNS.map(([name]) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>
${rows.map(
  (row) =>
    html`<tr><th scope="row">${row.engine}</th>${COLUMNS.map(([, cell]) => html`<td class="number">${cell(row)}</td>`)}</tr>
`,
)}</tbody>
</table></div>`;
}

/** Columns for hls-latency-chart.js. */
export function plotOf({ rows, claim }: Pick<LatencyReport, 'rows' | 'claim'>): LatencyPlot {
  const x = [...new Set(rows.map(({ fragmentSeconds }) => fragmentSeconds))].sort((a, b) => a - b);
  const engines = [...new Set(rows.map(({ engine }) => engine))];
  const starts = [...new Set(rows.map(({ start }) => start))];
  const lines = engines.flatMap((engine, i) =>
    starts.map((start) => ({
      label: `${engine}, ${start}`,
      engine: i,
      dashed: start === 'live-edge',
      p50: x.map((fragment) => {
        const row = rows.find(
          (one) => one.engine === engine && one.start === start && one.fragmentSeconds === fragment,
        );
        const p50 = row?.shown.p50 ?? null;
        return p50 === null ? null : p50 / 1000;
      }),
    })),
  );
  return { x, lines, claim };
}
