/** A run of publishers. */
import { formatBytes, formatMs, formatNumber } from '../format.ts';
import type { Publish } from '../results.ts';
import { renderReasons, renderTiles, renderUrls } from './figures.ts';
import { type Html, html } from './html.ts';
import { renderSrtSent, renderWebRtcSent } from './udp.ts';

export function renderPublish(publish: Publish): Html {
  const { urls, seconds, clients, reasons, frames, bytes, lag, untaken, srt, webrtc } = publish;
  return html`<section aria-labelledby="figures">
<h2 id="figures">Figures</h2>
${renderTiles([
  {
    name: 'Streams published',
    value: formatNumber(clients.joined),
    unit: `of ${formatNumber(clients.requested)}`,
    also: `${formatNumber(clients.failed)} failed, ${formatNumber(clients.dropped)} dropped`,
    bad: clients.failed + clients.dropped > 0,
  },
  {
    name: 'Throughput, mean',
    value: formatNumber(seconds > 0 ? (bytes * 8) / seconds / 1e6 : null),
    unit: 'Mbit/s',
    also: `${formatBytes(bytes)} in ${formatNumber(seconds)} s`,
  },
  { name: 'Frames sent', value: formatNumber(frames), also: 'each with a stamp' },
  { name: 'Late p99', value: formatMs(lag.p99), also: `after its due time; max ${formatMs(lag.max)}` },
  ...(untaken === undefined
    ? []
    : [
        {
          name: 'Not taken, longest',
          value: formatMs(untaken.worstMs),
          also: `due, and not taken by the server; at the end ${formatMs(untaken.lastMs)}`,
          bad: untaken.streams > 0,
        },
      ]),
])}
${srt && renderSrtSent(srt)}
${webrtc && renderWebRtcSent(webrtc)}
${renderReasons('Why streams failed or dropped', 'Streams', reasons)}
${renderUrls('Published', urls)}
</section>`;
}
