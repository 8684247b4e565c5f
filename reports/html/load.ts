/** A load: its figures as tiles, latency as a curve, the run second by second. */
import { formatBytes, formatMs, formatNumber, formatPercent } from '../format.ts';
import type { Distribution, Load, LoadSecond } from '../results.ts';
import { renderReasons, renderTiles, renderUrls, type Tile } from './figures.ts';
import { renderGenerator } from './generator.ts';
import { renderHls } from './hls.ts';
import { type Html, html } from './html.ts';
import { percentilePlot } from './percentiles.ts';
import { type Plot, renderPlot } from './plot.ts';
import { renderSrt, renderWebRtc } from './udp.ts';

export function renderFigures(load: Load): Html {
  return html`<section aria-labelledby="figures">
<h2 id="figures">Figures</h2>
${renderTiles(tilesOf(load))}
${renderReasons('Why players failed or dropped', 'Players', load.reasons)}
${load.hls !== undefined && renderHls(load.hls)}
${load.srt !== undefined && renderSrt(load.srt)}
${load.webrtc !== undefined && renderWebRtc(load.webrtc)}
${renderUrls('Played', load.urls)}
</section>`;
}

export function renderCourse(load: Load): Html {
  return html`<section aria-labelledby="latency">
<h2 id="latency">Latency</h2>
<p>From the publisher's stamp to the player, every frame of every player. Frames of a join are old by design (GOP cache, or HLS segments from before the player came), so they stand apart. Startup is the time from opening to the first picture of the player model.</p>
${renderDistributions(load)}
${renderPlot(latencyPlot(load))}
</section>
<section aria-labelledby="timeline">
<h2 id="timeline">Second by second</h2>
<div class="plots">
${coursePlots(load.timeline).map(renderPlot)}
</div>
<details class="data"><summary>The same as a table</summary>${renderTimeline(load.timeline)}</details>
</section>
${renderGenerator(load.generator)}`;
}

export function latencyPlot({ latency, startup }: Load): Plot {
  return percentilePlot(
    {
      name: 'percentiles',
      title: 'Latency by percentile; the scale stretches towards the worst cases',
      readable: 'in the table above',
    },
    [
      { label: 'steady', of: latency.steady },
      { label: 'at the join', of: latency.join },
      { label: 'startup', of: startup },
    ],
  );
}

type TimelineColumn = Exclude<keyof LoadSecond, 'at' | 'latencyHdr'>;

function coursePlots(timeline: readonly LoadSecond[]): Plot[] {
  const of = (name: TimelineColumn) => timeline.map((second) => second[name]);
  const overTime = {
    x: { unit: 's', name: 'second' },
    xs: timeline.map(({ second }) => second),
    together: 'seconds',
  };
  const common = { ...overTime, readable: 'in the table below', size: 'small' } as const;
  return [
    {
      ...common,
      name: 'clients',
      title: 'Players joined and failed',
      y: {},
      series: [
        { label: 'joined', values: of('joined'), filled: true },
        { label: 'failed', values: of('failed'), style: 4 },
      ],
    },
    {
      ...common,
      name: 'throughput',
      title: 'Throughput',
      y: { unit: 'Mbit/s' },
      series: [{ label: 'throughput', values: of('mbitPerSecond'), filled: true }],
    },
    {
      ...common,
      name: 'latency',
      title: 'Latency, steady state',
      y: { unit: 'ms' },
      series: [
        { label: 'p50', values: of('latencyP50') },
        { label: 'p99', values: of('latencyP99') },
      ],
    },
    {
      ...common,
      name: 'generator',
      title: 'Event-loop lag of the generator',
      y: { unit: 'ms' },
      series: [{ label: 'loop lag', values: of('loopLagMs'), style: 3, filled: true }],
    },
  ];
}

function tilesOf(load: Load): Tile[] {
  const { clients, startup, latency, stalls, frames } = load;
  const mbit = load.seconds > 0 ? (load.bytes * 8) / load.seconds / 1e6 : null;
  const lost = clients.failed + clients.dropped;
  const stamped = frames.received - frames.unstamped;
  return [
    {
      name: 'Players joined',
      value: formatNumber(clients.joined),
      unit: `of ${formatNumber(clients.requested)}`,
      also: `${formatNumber(clients.failed)} failed, ${formatNumber(clients.dropped)} dropped`,
      bad: lost > 0 || clients.joined < clients.requested,
    },
    {
      name: 'Throughput, mean',
      value: formatNumber(mbit),
      unit: 'Mbit/s',
      also: `${formatBytes(load.bytes)} in ${formatNumber(load.seconds)} s`,
    },
    { name: 'Startup p50', value: formatMs(startup.p50), also: `p99 ${formatMs(startup.p99)}` },
    { name: 'Latency p50', value: formatMs(latency.steady.p50), also: 'steady state' },
    { name: 'Latency p99', value: formatMs(latency.steady.p99), also: `max ${formatMs(latency.steady.max)}` },
    {
      name: 'Stalls',
      value: formatNumber(stalls.count),
      also: `${formatPercent(stalls.ratio)} of the time, without startup`,
      bad: stalls.count > 0,
    },
    {
      name: 'Frames missing',
      value: stamped > 0 ? formatNumber(frames.missing) : '—',
      also: stamped > 0 ? `of ${formatNumber(stamped + frames.missing)}` : 'no frame carried a stamp',
      bad: frames.missing > 0,
    },
    {
      name: 'Frames corrupt',
      value: stamped > 0 ? formatNumber(frames.corrupt) : '—',
      also: `${formatNumber(frames.duplicated)} duplicated, ${formatNumber(frames.reordered)} reordered`,
      bad: frames.corrupt + frames.duplicated + frames.reordered > 0,
    },
  ];
}

function renderDistributions({ startup, latency, hls, srt, webrtc }: Load): Html {
  const row = (name: string, of: Distribution) =>
    html`<tr><th scope="row">${name}</th>${[of.p50, of.p90, of.p99, of.p999, of.max].map(
      (value) => html`<td class="number">${formatMs(value)}</td>`,
    )}<td class="number">${formatNumber(of.count)}</td></tr>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="latency"><table class="plain">
<thead><tr><th scope="col"><span class="unseen">Distribution</span></th>${[
    'p50',
    'p90',
    'p99',
    'p99.9',
    'max',
    'samples',
  ].map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${row('Steady state', latency.steady)}${row('At the join', latency.join)}${row('Startup', startup)}${
    hls !== undefined &&
    html`${row('Playlist requests', hls.playlists.time)}${row('Segment requests', hls.segments.time)}${row('Staleness of playlists', hls.playlists.staleness)}`
  }${srt !== undefined && row('Round trip, SRT', srt.rtt)}${
    webrtc !== undefined &&
    html`${row('Offer answered', webrtc.offers.time)}${row('Jitter, RTP', webrtc.jitter)}`
  }</tbody>
</table></div>`;
}

function renderTimeline(timeline: readonly LoadSecond[]): Html {
  const columns: [string, (of: LoadSecond) => string][] = [
    ['Second', (of) => formatNumber(of.second)],
    ['Joined', (of) => formatNumber(of.joined)],
    ['Failed', (of) => formatNumber(of.failed)],
    ['Mbit/s', (of) => formatNumber(of.mbitPerSecond)],
    ['p50', (of) => formatMs(of.latencyP50)],
    ['p99', (of) => formatMs(of.latencyP99)],
    ['Stalls', (of) => formatNumber(of.stalls)],
    ['Loop lag', (of) => formatMs(of.loopLagMs)],
  ];
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Second by second"><table class="plain">
<thead><tr>${columns.map(([name]) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${timeline.map((second) => html`<tr>${columns.map(([, cell]) => html`<td class="number">${cell(second)}</td>`)}</tr>`)}</tbody>
</table></div>`;
}
