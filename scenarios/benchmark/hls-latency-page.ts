/** `latency.html`: one file that needs nothing else and no network, in the dress of the reports. */
import { formatInstant } from '../../reports/format.ts';
import { asset, policyOf, uplot } from '../../reports/html/assets.ts';
import { Html, html, jsonBlock } from '../../reports/html/html.ts';
import type { LatencyReport } from './hls-latency.ts';
import type { LatencyRow } from './hls-latency-run.ts';
import { seconds } from './hls-latency-words.ts';

const TITLE = 'Latency of HLS by fragment length';

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
  const style = [uplot('uPlot.min.css'), asset('report.css')].join('\n');
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
<div class="plot" data-plot="latency"></div>
</section>
<section>
<h2>Figures</h2>
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

function figures(rows: readonly LatencyRow[]): Html {
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">engine</th><th scope="col">fragment</th><th scope="col">segment</th><th scope="col">target</th><th scope="col">start</th><th scope="col">arrival p50</th><th scope="col">p99</th><th scope="col">shown p50</th><th scope="col">p99</th><th scope="col">stalls</th></tr></thead>
<tbody>
${rows.map(
  (
    row,
  ) => html`<tr><th scope="row">${row.engine}</th><td>${row.fragmentSeconds} s</td><td>${row.segmentSeconds.toFixed(2)} s</td><td>${row.targetDuration} s</td><td>${row.start}</td><td>${seconds(row.arrival.p50)} s</td><td>${seconds(row.arrival.p99)} s</td><td>${seconds(row.shown.p50)} s</td><td>${seconds(row.shown.p99)} s</td><td>${row.stalls}</td></tr>
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
