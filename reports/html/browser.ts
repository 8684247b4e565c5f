/** What a browser showed, beside what a driver of ours had of the same streams. */
import { formatMs, formatNumber, formatPercent } from '../format.ts';
import type { Browser, BrowserPlay } from '../results.ts';
import { hrefOf } from './href.ts';
import { type Html, html } from './html.ts';
import { type Column, renderTable } from './table.ts';

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
${renderTable({ label: 'Healthy clusters', columns: COLUMNS, rows: healthy, groupOf: clusterOf })}${
  spoiled.length > 0 &&
  html`<details class="data"><summary>Clusters with a defect, ${formatNumber(spoiled.length)}</summary>${renderTable({ label: 'Clusters with a defect', columns: COLUMNS, rows: spoiled, groupOf: clusterOf })}</details>`
}
</section>`;
}

const COLUMNS: readonly Column<BrowserPlay>[] = [
  { head: 'Player', cell: ({ protocol }) => PLAYERS[protocol] },
  { head: 'First picture', cell: ({ firstPictureMs }) => formatMs(firstPictureMs), kind: 'number' },
  { above: 'Glass to glass', head: 'p50', cell: ({ glass }) => formatMs(glass.p50), kind: 'number' },
  { above: 'Glass to glass', head: 'p99', cell: ({ glass }) => formatMs(glass.p99), kind: 'number' },
  { above: 'Driver', head: 'p50', cell: ({ driver }) => formatMs(driver.p50), kind: 'number' },
  { above: 'Driver', head: 'p99', cell: ({ driver }) => formatMs(driver.p99), kind: 'number' },
  { above: 'Pictures', head: 'shown', cell: ({ pictures }) => formatNumber(pictures.shown), kind: 'number' },
  {
    above: 'Pictures',
    head: 'missing',
    cell: ({ pictures }) => formatNumber(pictures.missing),
    kind: 'number',
  },
  {
    above: 'Pictures',
    head: 'not shown',
    cell: ({ pictures }) => formatNumber(pictures.dropped),
    kind: 'number',
  },
  { head: 'Stalled', cell: ({ stalls }) => formatPercent(stalls.ratio), kind: 'number' },
  {
    head: 'Files',
    cell: ({ artefacts }) =>
      artefacts.map((file) => html`<a href="${hrefOf(file)}">${file.split('/').at(-1)}</a> `),
  },
];

function clusterOf({ topology, engine, mutant }: BrowserPlay): string {
  return [topology, engine, ...(mutant === undefined ? [] : [`mutant ${mutant}`])].join(', ');
}
