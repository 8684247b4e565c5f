/** Figures that a reader takes in at a glance. */
import { formatNumber, plural } from '../format.ts';
import { type Html, html } from './html.ts';

export interface Tile {
  readonly name: string;
  readonly value: string;
  readonly unit?: string;
  readonly also: string;
  readonly bad?: boolean;
}

export function renderTiles(tiles: readonly Tile[]): Html {
  return html`<dl class="tiles">${tiles.map(
    ({ name, value, unit, also, bad }) =>
      html`<div class="tile${bad && ' bad'}"><dt>${name}</dt><dd><span class="value">${value}${
        unit !== undefined && html` <span class="unit">${unit}</span>`
      }</span><span class="also">${also}</span></dd></div>`,
  )}</dl>`;
}

/** The most frequent reason first; nothing when there is none. */
export function renderReasons(title: string, who: string, reasons: Readonly<Record<string, number>>): Html {
  const rows = Object.entries(reasons).toSorted((a, b) => b[1] - a[1]);
  if (rows.length === 0) return html``;
  return html`<h3>${title}</h3>
<div class="scroll" tabindex="0" role="region" aria-label="${title}"><table class="plain"><thead><tr><th scope="col">Reason</th><th scope="col" class="number">${who}</th></tr></thead>
<tbody>${rows.map(
    ([reason, count]) =>
      html`<tr><th scope="row"><code>${reason}</code></th><td class="number">${formatNumber(count)}</td></tr>`,
  )}</tbody></table></div>`;
}

/** Above so many the rest is folded away. */
const URLS_SHOWN = 6;

export function renderUrls(title: string, urls: readonly string[]): Html {
  const list = (of: readonly string[]) =>
    html`<ul class="urls">${of.map((url) => html`<li><code>${url}</code></li>`)}</ul>`;
  return html`<h3>${urls.length === 1 ? title : `${title}, ${plural(urls.length, 'URL')}`}</h3>
${list(urls.slice(0, URLS_SHOWN))}${
  urls.length > URLS_SHOWN &&
  html`<details class="data"><summary>${plural(urls.length - URLS_SHOWN, 'more URL')}</summary>${list(urls.slice(URLS_SHOWN))}</details>`
}`;
}
