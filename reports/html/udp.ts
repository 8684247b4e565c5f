/** The SRT and WHEP players of a load: their packets, and what became of them. */
import { formatBytes, formatMs, formatNumber, plural } from '../format.ts';
import type { Publish, SrtLoad, WebRtcLoad } from '../results.ts';
import { renderReasons, renderTiles } from './figures.ts';
import { type Html, html } from './html.ts';

const PROBLEMS = 'What players bore and counted';

export function renderSrt(load: SrtLoad): Html {
  const { packets, naks, playersWithLoss, playersWithDrops, worstDropped, latencyMs, rtt, problems } = load;
  return html`<h3>SRT packets</h3>
${renderTiles([
  {
    name: 'Received',
    value: formatNumber(packets.received),
    also: `${plural(load.players, 'player')}, latency ${formatMs(latencyMs)}`,
  },
  {
    name: 'Lost on the way',
    value: formatNumber(packets.lost),
    also: `for ${plural(playersWithLoss, 'player')}, ${formatNumber(packets.reordered)} only overtaken`,
  },
  {
    name: 'Retransmitted',
    value: formatNumber(packets.retransmitted),
    also: `${plural(naks, 'loss report')} sent, ${formatNumber(packets.duplicated)} duplicates`,
  },
  {
    name: 'Dropped, too late',
    value: formatNumber(packets.dropped),
    also:
      packets.dropped === 0
        ? `${formatNumber(packets.belated)} belated`
        : `for ${plural(playersWithDrops, 'player')}, at most ${formatNumber(worstDropped)}; ${formatNumber(packets.belated)} belated`,
    bad: packets.dropped > 0,
  },
  {
    name: 'Undecryptable',
    value: formatNumber(packets.undecryptable),
    also: `${formatNumber(packets.malformed)} malformed`,
    bad: packets.undecryptable + packets.malformed > 0,
  },
  { name: 'Round trip p50', value: formatMs(rtt.p50), also: `p99 ${formatMs(rtt.p99)}` },
])}
${renderReasons(PROBLEMS, 'Times', problems)}
${renderWorst(load.worst ?? [])}`;
}

const WORST_COLUMNS = [
  ['dropped', 'Dropped'],
  ['belated', 'Belated'],
  ['lost', 'Lost'],
  ['naks', 'Loss reports'],
] as const;

/** One row each, folded away; nothing when none of them missed anything. */
function renderWorst(players: NonNullable<SrtLoad['worst']>): Html {
  const missed = players.filter((player) => WORST_COLUMNS.some(([key]) => player[key] > 0));
  if (missed.length === 0) return html``;
  return html`<details class="data"><summary>Players that missed most</summary>
<table class="plain"><thead><tr>${WORST_COLUMNS.map(
    ([, name]) => html`<th scope="col" class="number">${name}</th>`,
  )}<th scope="col" class="number">Round trip</th></tr></thead>
<tbody>${missed.map(
    (player) =>
      html`<tr>${WORST_COLUMNS.map(
        ([key]) => html`<td class="number">${formatNumber(player[key])}</td>`,
      )}<td class="number">${formatMs(player.rttMs)}</td></tr>`,
  )}</tbody></table></details>`;
}

export function renderWebRtc(load: WebRtcLoad): Html {
  const { transport, offers, rtp, srtp, framesVerified, playersWithLoss, worstLost, jitter, problems } = load;
  return html`<h3>WebRTC packets</h3>
${renderTiles([
  {
    name: 'Received',
    value: formatNumber(rtp.packets),
    also: `${formatBytes(rtp.bytes)}, ${formatNumber(rtp.audioPackets)} packets of Opus`,
  },
  {
    name: 'Lost',
    value: formatNumber(rtp.lost),
    also:
      rtp.lost === 0
        ? `${formatNumber(rtp.recovered)} missing and recovered`
        : `for ${plural(playersWithLoss, 'player')}, at most ${formatNumber(worstLost)}; ${formatNumber(rtp.recovered)} recovered`,
    bad: rtp.lost > 0,
  },
  {
    name: 'Reordered',
    value: formatNumber(rtp.late),
    also: `${formatNumber(rtp.duplicated)} duplicated`,
  },
  {
    name: 'Asked again',
    value: formatNumber(rtp.nacked),
    also: `by NACK; ${plural(rtp.plis, 'keyframe')} by PLI`,
  },
  { name: 'Jitter p50', value: formatMs(jitter.p50), also: `p99 ${formatMs(jitter.p99)}` },
  {
    name: 'Undecryptable',
    value: transport === 'lite' ? formatNumber(srtp.forged) : '—',
    also: `${formatNumber(rtp.malformed + srtp.malformed)} malformed`,
    bad: srtp.forged + rtp.malformed + srtp.malformed > 0,
  },
  {
    name: 'Frames verified',
    value: formatNumber(framesVerified),
    also: `transport ${transport}${transport === 'lite' ? ', which compares a sample of them' : ''}`,
  },
  {
    name: 'Offers answered',
    value: formatNumber(offers.requests - offers.failed),
    unit: `of ${formatNumber(offers.requests)}`,
    also: `p99 ${formatMs(offers.time.p99)}`,
    bad: offers.failed > 0,
  },
])}
${renderReasons(PROBLEMS, 'Times', problems)}`;
}

export function renderSrtSent({ total, publishers }: NonNullable<Publish['srt']>): Html {
  return html`<h3>SRT packets</h3>
${renderTiles([
  { name: 'Sent', value: formatNumber(total.sent), also: plural(publishers.length, 'publisher') },
  {
    name: 'Retransmitted',
    value: formatNumber(total.retransmitted),
    also: `${plural(total.naks, 'loss report')}, ${formatNumber(total.reportedLost)} named in them`,
  },
  {
    name: 'Given up, too old',
    value: formatNumber(total.dropped),
    also: 'never acknowledged in time',
    bad: total.dropped > 0,
  },
  { name: 'Round trip', value: formatMs(total.rttMs), also: 'mean of the publishers' },
])}
${renderPublishers(publishers)}`;
}

export function renderWebRtcSent({ total, publishers }: NonNullable<Publish['webrtc']>): Html {
  return html`<h3>WebRTC packets</h3>
${renderTiles([
  {
    name: 'Sent',
    value: formatNumber(total.sent),
    also: `${plural(publishers.length, 'publisher')}; ${formatNumber(total.refused)} not taken`,
    bad: total.refused > 0,
  },
  {
    name: 'Retransmitted',
    value: formatNumber(total.retransmitted),
    also: `${plural(total.naks, 'loss report')}; ${formatNumber(total.forgotten)} asked for too late`,
    bad: total.forgotten > 0,
  },
  {
    name: 'Keyframes asked for',
    value: formatNumber(total.keyframeRequests),
    also: 'by PLI or FIR: a file has its own',
  },
  {
    name: 'Missed by the server',
    value: formatNumber(total.reportedLost),
    also: 'by its last reports',
  },
  { name: 'Round trip', value: formatMs(total.rttMs), also: 'mean of the publishers' },
])}
${renderPublishers(publishers)}`;
}

const COLUMNS = [
  ['sent', 'Sent'],
  ['retransmitted', 'Again'],
  ['naks', 'Loss reports'],
  ['reportedLost', 'Reported lost'],
] as const;

/** One row each, folded away; nothing for a single one, whose figures are the total. */
function renderPublishers(
  publishers: readonly ({ readonly rttMs: number | null } & Readonly<
    Record<(typeof COLUMNS)[number][0], number>
  >)[],
): Html {
  if (publishers.length < 2) return html``;
  return html`<details class="data"><summary>${plural(publishers.length, 'publisher')}</summary>
<table class="plain"><thead><tr><th scope="col">Stream</th>${COLUMNS.map(
    ([, name]) => html`<th scope="col" class="number">${name}</th>`,
  )}<th scope="col" class="number">Round trip</th></tr></thead>
<tbody>${publishers.map(
    (publisher, index) =>
      html`<tr><th scope="row">${String(index + 1)}</th>${COLUMNS.map(
        ([key]) => html`<td class="number">${formatNumber(publisher[key])}</td>`,
      )}<td class="number">${formatMs(publisher.rttMs)}</td></tr>`,
  )}</tbody></table></details>`;
}
