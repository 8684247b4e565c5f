/** What a browser showed, beside what a driver of ours had of the same streams. */
import { formatMs, formatNumber, formatPercent } from '../format.ts';
import type { Browser, BrowserPlay } from '../results.ts';
import { type Html, html } from './html.ts';

const PLAYERS: Readonly<Record<BrowserPlay['protocol'], string>> = {
  flv: 'HTTP-FLV, mpegts.js',
  hls: 'HLS, hls.js',
  whep: 'WHEP',
};

export function renderBrowser({ browser, plays }: Browser): Html {
  const healthy = plays.filter(({ mutant }) => mutant === undefined);
  const spoiled = plays.filter(({ mutant }) => mutant !== undefined);
  return html`<section aria-labelledby="browser">
<h2 id="browser">In the browser <span class="count">${browser}</span></h2>
<p>Glass to glass: from the publishing of a frame until the screen shows it, by the clock in its picture. Driver: until its last byte
had come to a player of ours on the same URL at the same time, by its stamp.</p>
${renderPlays('Healthy clusters', healthy)}${
  spoiled.length > 0 &&
  html`<details class="data"><summary>Clusters with a defect, ${formatNumber(spoiled.length)}</summary>${renderPlays('Clusters with a defect', spoiled)}</details>`
}
</section>`;
}

const COLUMNS = [
  'First picture',
  'Glass to glass p50',
  'p99',
  'Driver p50',
  'p99',
  'Pictures',
  'Missing',
  'Not shown',
  'Stalled',
] as const;

function renderPlays(label: string, plays: readonly BrowserPlay[]): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="plain">
<thead><tr><th scope="col">Cluster</th><th scope="col">Player</th>${COLUMNS.map(
    (title) => html`<th scope="col" class="number">${title}</th>`,
  )}<th scope="col">Files</th></tr></thead>
<tbody>${plays.map(renderPlay)}</tbody></table></div>`;
}

function renderPlay(play: BrowserPlay): Html {
  const { topology, engine, mutant, protocol, firstPictureMs, glass, driver, pictures, stalls, artefacts } =
    play;
  const cells = [
    formatMs(firstPictureMs),
    ...[glass.p50, glass.p99, driver.p50, driver.p99].map(formatMs),
    ...[pictures.shown, pictures.missing, pictures.dropped].map(formatNumber),
    formatPercent(stalls.ratio),
  ];
  return html`<tr><th scope="row">${topology} <span class="engine">${engine}</span>${
    mutant !== undefined && html` <span>mutant <code>${mutant}</code></span>`
  }</th><td>${PLAYERS[protocol]}</td>${cells.map((cell) => html`<td class="number">${cell}</td>`)}<td>${artefacts.map(
    (file) => html`<a href="${encodeURI(file)}">${file.split('/').at(-1)}</a> `,
  )}</td></tr>`;
}
