/** The HLS players of a load: what they asked for and what was wrong with it. */
import { formatBytes, formatMs, formatNumber } from '../format.ts';
import type { HlsLoad } from '../results.ts';
import { renderReasons, renderTiles } from './figures.ts';
import { type Html, html } from './html.ts';

export function renderHls({ playlists, segments, retries, resends, finished, problems }: HlsLoad): Html {
  return html`<h3>HLS requests</h3>
${renderTiles([
  {
    name: 'Playlists',
    value: formatNumber(playlists.requests),
    also: `p99 ${formatMs(playlists.time.p99)}, ${formatNumber(playlists.failed)} failed`,
    bad: playlists.failed > 0,
  },
  {
    name: 'Segments',
    value: formatNumber(segments.requests),
    also: `p99 ${formatMs(segments.time.p99)}, ${formatBytes(segments.bytes)}`,
  },
  {
    name: 'Segments failed',
    value: formatNumber(segments.failed),
    also: `${formatNumber(segments.missing)} of them 404`,
    bad: segments.failed > 0,
  },
  {
    name: 'Staleness p99',
    value: formatMs(playlists.staleness.p99),
    also: `max ${formatMs(playlists.staleness.max)}, of playlists when they came`,
  },
  {
    name: 'Asked again',
    value: formatNumber(retries),
    also: `${formatNumber(resends)} sent again because the server had closed`,
    bad: retries > 0,
  },
  { name: 'Played to the end', value: formatNumber(finished), also: 'players that saw EXT-X-ENDLIST' },
])}
${renderReasons('What players bore and counted', 'Times', problems)}`;
}
