/** What stands around the content of every page: one file that needs nothing else, and no script to be read. */
import { asset, policyOf, uplot } from './assets.ts';
import { Html, html } from './html.ts';
import { hasPlots } from './plot.ts';
import { SPRITE } from './verdict.ts';

export interface Shell {
  readonly title: string;
  /** Has an element `#main`. */
  readonly content: Html;
  /** It asks the server that it came from for what has changed, and may get plots later. Default false. */
  readonly live?: boolean;
}

export function renderShell({ title, content, live = false }: Shell): string {
  const plotted = live || hasPlots(content);
  const style = [...(plotted ? [uplot('uPlot.min.css')] : []), asset('report.css')].join('\n');
  const scripts = [
    ...(plotted ? [uplot('uPlot.iife.min.js'), asset('charts.js')] : []),
    asset('report.js'),
    ...(live ? [asset('live.js')] : []),
  ];
  return `<!doctype html>\n${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(style, scripts, live)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
${SPRITE}
<a class="skip" href="#main">Skip to the results</a>
${content}
${scripts.map((script) => new Html(`<script>${script}</script>`))}
</body>
</html>`}\n`;
}
