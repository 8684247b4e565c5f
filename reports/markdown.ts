/** `summary.md`: for a pull request, a job summary or a chat. Strings from servers cannot form markup, links or mentions. */
import {
  areaOf,
  countVerdicts,
  formatInstant,
  formatMs,
  formatNumber,
  formatPercent,
  formatSeconds,
  headline,
  proofWord,
} from './format.ts';
import { benchTables } from './markdown-bench.ts';
import { browserTables } from './markdown-browser.ts';
import { gateHealthLine } from './markdown-gate.ts';
import { k6Tables } from './markdown-k6.ts';
import { table, text } from './markdown-parts.ts';
import type {
  Distribution,
  Finding,
  HlsLoad,
  Load,
  Results,
  SrtLoad,
  Verdict,
  WebRtcLoad,
} from './results.ts';

const SIGN: Readonly<Record<Verdict, string>> = {
  pass: '✅',
  unsupported: '⚪',
  inconclusive: '🟡',
  fail: '❌',
  error: '💥',
};

export function renderMarkdown(results: Results): string {
  const { findings, environment } = results;
  const bad = findings.filter(({ verdict }) => verdict !== 'pass');
  return [
    `## ${SIGN[results.verdict]} liveproof ${results.kind}: ${results.verdict}`,
    `${text(headline(results))}.${results.interrupted ? ' **Interrupted**: this is what was measured until then.' : ''}`,
    ...(results.notes ?? []).map((note) => `_${text(note)}_`),
    ...(results.load ? [loadTable(results.load)] : []),
    ...(results.bench ? benchTables(results.bench) : []),
    ...(results.k6 ? k6Tables(results.k6) : []),
    ...(results.browser ? browserTables(results.browser) : []),
    ...(findings.length > 0 ? [areaTable(findings)] : []),
    ...(bad.length > 0
      ? ['### What did not pass', ...bad.map((finding) => details(finding, results.kind))]
      : []),
    ...(results.health ? [gateHealthLine(results.health)] : []),
    `<sub>${[
      formatInstant(results.startedAt),
      formatSeconds(results.durationMs),
      `liveproof ${environment.liveproof}`,
      `Node ${environment.node}`,
      environment.os,
      `${environment.cores} × ${environment.cpu}`,
      ...Object.entries(environment.programs).map(([name, version]) => `${name} ${version}`),
    ]
      .map(text)
      .join(' · ')}</sub>`,
    '',
  ].join('\n\n');
}

function areaTable(findings: readonly Finding[]): string {
  const areas = [...new Set(findings.map(({ check }) => areaOf(check)))];
  const rows = areas.map((area) => {
    const of = findings.filter(({ check }) => areaOf(check) === area);
    return [
      text(area),
      countVerdicts(of)
        .map(([verdict, count]) => `${SIGN[verdict]} ${count} ${verdict}`)
        .join(', '),
    ];
  });
  return table(['Area', 'Findings'], rows);
}

function loadTable(load: Load): string {
  const row = (name: string, of: Distribution) => [
    name,
    ...[of.p50, of.p90, of.p99, of.p999, of.max].map(formatMs),
    formatNumber(of.count),
  ];
  const { clients, stalls, frames, generator } = load;
  const mbit = load.seconds > 0 ? (load.bytes * 8) / load.seconds / 1e6 : null;
  return [
    table(
      [
        'Players',
        'Failed',
        'Dropped',
        'Mbit/s',
        'Stalls',
        'Rebuffer ratio',
        'Frames',
        'Missing',
        'Corrupt',
        'Generator',
      ],
      [
        [
          `${formatNumber(clients.joined)} of ${formatNumber(clients.requested)}`,
          formatNumber(clients.failed),
          formatNumber(clients.dropped),
          formatNumber(mbit),
          formatNumber(stalls.count),
          formatPercent(stalls.ratio),
          formatNumber(frames.received),
          formatNumber(frames.missing),
          formatNumber(frames.corrupt),
          generator.healthy ? 'healthy' : '**unhealthy**',
        ],
      ],
    ),
    table(
      ['', 'p50', 'p90', 'p99', 'p99.9', 'max', 'count'],
      [
        row('Startup', load.startup),
        row('Latency at join', load.latency.join),
        row('Latency, steady', load.latency.steady),
        ...(load.hls === undefined
          ? []
          : [
              row('Playlist requests', load.hls.playlists.time),
              row('Segment requests', load.hls.segments.time),
              row('Staleness of playlists', load.hls.playlists.staleness),
            ]),
        ...(load.srt === undefined ? [] : [row('Round trip, SRT', load.srt.rtt)]),
        ...(load.webrtc === undefined
          ? []
          : [row('Offer answered', load.webrtc.offers.time), row('Jitter, RTP', load.webrtc.jitter)]),
      ],
    ),
    ...(load.hls === undefined ? [] : [hlsTable(load.hls)]),
    ...(load.srt === undefined ? [] : [srtTable(load.srt)]),
    ...(load.webrtc === undefined ? [] : [webRtcTable(load.webrtc)]),
  ].join('\n\n');
}

function hlsTable({ playlists, segments, retries, resends, finished, problems }: HlsLoad): string {
  return table(
    [
      'Playlists',
      'Failed',
      'Segments',
      'Failed',
      '404',
      'Retries',
      'Resent',
      'Played to the end',
      'Problems',
    ],
    [
      [
        formatNumber(playlists.requests),
        formatNumber(playlists.failed),
        formatNumber(segments.requests),
        formatNumber(segments.failed),
        formatNumber(playlists.missing + segments.missing),
        formatNumber(retries),
        formatNumber(resends),
        formatNumber(finished),
        problemWords(problems),
      ],
    ],
  );
}

function srtTable({ packets, naks, latencyMs, problems }: SrtLoad): string {
  const columns: [string, string][] = [
    ['SRT packets', formatNumber(packets.received)],
    ['Lost on the way', formatNumber(packets.lost)],
    ['Retransmitted', formatNumber(packets.retransmitted)],
    ['Dropped', formatNumber(packets.dropped)],
    ['Belated', formatNumber(packets.belated)],
    ['Undecryptable', formatNumber(packets.undecryptable)],
    ['NAKs', formatNumber(naks)],
    ['Latency', formatMs(latencyMs)],
    ['Problems', problemWords(problems)],
  ];
  return table(
    columns.map(([name]) => name),
    [columns.map(([, value]) => value)],
  );
}

function webRtcTable({ transport, rtp, srtp, framesVerified, problems }: WebRtcLoad): string {
  const columns: [string, string][] = [
    ['RTP packets', `${formatNumber(rtp.packets)} (${transport})`],
    ['Opus', formatNumber(rtp.audioPackets)],
    ['Lost', formatNumber(rtp.lost)],
    ['Recovered', formatNumber(rtp.recovered)],
    ['Reordered', formatNumber(rtp.late)],
    ['Duplicated', formatNumber(rtp.duplicated)],
    ['Undecryptable', formatNumber(srtp.forged)],
    ['NACKed', formatNumber(rtp.nacked)],
    ['PLIs', formatNumber(rtp.plis)],
    ['Frames verified', formatNumber(framesVerified)],
    ['Problems', problemWords(problems)],
  ];
  return table(
    columns.map(([name]) => name),
    [columns.map(([, value]) => value)],
  );
}

function problemWords(problems: Readonly<Record<string, number>>): string {
  const wrong = Object.entries(problems).map(([code, count]) => `${text(code)} × ${formatNumber(count)}`);
  return wrong.length === 0 ? 'none' : wrong.join(', ');
}

function details(finding: Finding, kind: Results['kind']): string {
  const { check, topology, engine, mutant, verdict } = finding;
  const word = kind === 'mutants' && mutant !== undefined ? proofWord(verdict) : verdict;
  const where = [topology, engine, ...(mutant === undefined ? [] : [`mutant ${mutant}`])]
    .map(text)
    .join(', ');
  return [
    `- ${SIGN[verdict]} **${text(check)}** (${where}): ${word}${finding.title ? `. ${text(finding.title)}` : ''}`,
    `  - expected: ${text(finding.expected)}`,
    `  - actual: ${text(finding.actual)}`,
    ...(finding.spec ? [`  - source: ${text(`${finding.spec.source}, ${finding.spec.where}`)}`] : []),
  ].join('\n');
}
