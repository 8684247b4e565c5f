/** A benchmark: how far each cluster carries, at what latency, what its origins send, and what has changed. */
import { formatMs, formatNumber, formatPercent, plural } from '../format.ts';
import { changeWords } from '../judge-bench.ts';
import type {
  Bench,
  BenchClaim,
  BenchComparison,
  BenchEconomics,
  BenchLadder,
  BenchLatency,
  BenchStep,
} from '../results-bench.ts';
import { renderTiles, type Tile } from './figures.ts';
import { type Html, type HtmlValue, html } from './html.ts';
import { percentilePlot } from './percentiles.ts';
import { renderPlot } from './plot.ts';
import { verdictBadge } from './verdict.ts';

/** Of `PlotSeries`. */
const STYLES = [1, 2, 3, 4, 5, 6] as const;

export function renderBench(bench: Bench): Html {
  const { ladders, latency, economics, claims, comparison } = bench;
  return html`<section aria-labelledby="figures">
<h2 id="figures">Figures</h2>
<p>Profile <strong>${bench.profile}</strong>; the stream has ${formatNumber(bench.bitrate / 1000)} kbit/s. Asked of the clusters: ${sloWords(bench)}.</p>
${renderTiles(tilesOf(bench))}
</section>
${comparison !== undefined && renderComparison(comparison)}
${ladders.length > 0 && renderLadders(ladders)}
${latency.length > 0 && renderLatency(latency)}
${economics.length > 0 && renderEconomics(economics)}
${claims.length > 0 && renderClaims(claims)}`;
}

function tilesOf({ ladders, latency, economics, comparison }: Bench): Tile[] {
  const worse = comparison?.changes.filter(({ says }) => says === 'worse').length;
  const busiest = Math.max(
    0,
    ...latency.map((cell) => cell.machineShare),
    ...ladders.flatMap(({ steps }) => steps.map((step) => step.machineShare)),
  );
  const unmerged = economics.find(({ variant }) => variant === 'unmerged');
  const merged = economics.find((row) => row.variant === 'merged' && row.at === unmerged?.at);
  return [
    ...ladders.map(({ climbs, protocol, largest, lowerBound, gaveWay, topology, engine }) => ({
      name: climbs === 'joins' ? `Joins per second, ${protocol}` : `${capital(climbs)}, ${protocol}`,
      value: largest === null ? '—' : `${lowerBound ? '≥ ' : ''}${formatNumber(largest)}`,
      also: `${topology}, ${engine}; ${GAVE_WAY[gaveWay]}`,
      bad: largest === null,
    })),
    ...(merged === undefined || merged.perViewerByte === null
      ? []
      : [
          {
            name: 'Origins send',
            value: formatPercent(merged.perViewerByte),
            also: `of what ${plural(merged.players, 'viewer')} get; ${percentOf(unmerged?.perViewerByte ?? null)} without merged pulls`,
          },
        ]),
    ...(worse === undefined
      ? []
      : [
          {
            name: 'Worse than the baseline',
            value: formatNumber(worse),
            also: `of ${plural(comparison!.changes.length, 'metric')}${comparison!.sameMachine ? '' : '; of another machine: no verdict'}`,
            bad: worse > 0,
          },
        ]),
    {
      name: 'Machine, at the busiest',
      value: formatPercent(Math.round(busiest * 100) / 100),
      also: 'of its cores, with whatever ran there',
      bad: busiest > 0.9,
    },
  ];
}

const GAVE_WAY: Readonly<Record<BenchLadder['gaveWay'], string>> = {
  server: 'the server gave way',
  generator: 'the generator gave way',
  machine: 'the machine gave way',
  nobody: 'nobody gave way',
};

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function sloWords({ slo }: Bench): string {
  const latencies = Object.entries(slo.latencyMs).map(([protocol, ms]) => `${protocol} ${formatMs(ms)}`);
  return [
    `${formatPercent(slo.joined)} of the clients join`,
    `stalls at most ${formatPercent(slo.stalls)} of the time`,
    `at most ${formatPercent(slo.loss)} of the frames lost`,
    `latency p99 at most ${latencies.join(', ')}`,
    `startup p99 at most ${formatMs(slo.startupMs)} where joins are counted`,
  ].join('; ');
}

function renderLadders(ladders: readonly BenchLadder[]): Html {
  return html`<section aria-labelledby="concurrency">
<h2 id="concurrency">How far it carries</h2>
<p>The largest number that held what was asked, by steps up and then by bisection. ≥ is a lower bound: not the server gave way, but the generator, or the machine that both share, or the time. A client’s cost is the difference between the smallest and the largest step that held.</p>
${dataTable(
  'concurrency',
  [
    'Cluster',
    'Climbs',
    'Protocol',
    'Most',
    'Failed at',
    'Gave way',
    'Servers, a client',
    'Memory',
    'Generator, a client',
  ],
  ladders.map((of) => [
    `${of.topology}, ${of.engine}`,
    of.climbs === 'joins' ? 'joins/s' : of.climbs,
    `${of.protocol} at ${of.at}`,
    `${of.lowerBound && of.largest !== null ? '≥ ' : ''}${formatNumber(of.largest)}`,
    formatNumber(of.failedAt),
    of.gaveWay,
    milliCores(of.perClient.serverCores),
    kilobytes(of.perClient.serverKb),
    milliCores(of.perClient.generatorCores),
  ]),
  [3, 4, 6, 7, 8],
)}
${ladders.map((ladder, index) => renderLadder(ladder, `ladder-${index + 1}`))}
</section>`;
}

function renderLadder(ladder: BenchLadder, name: string): Html {
  const { topology, engine, climbs, protocol, why } = ladder;
  const steps = ladder.steps.toSorted((a, b) => a.value - b.value);
  const xs = steps.map(({ value }) => value);
  const what = climbs === 'joins' ? 'joins per second' : climbs;
  const readable = 'in the table below';
  const x = { label: what, scale: 'log' } as const;
  const common = { x, xs, size: 'small', readable, together: name } as const;
  const late = climbs === 'joins' ? 'startup' : 'latency';
  return html`<h3>${capital(what)} of ${protocol}, ${topology}, ${engine}</h3>
<p>${capital(why)}.</p>
<div class="plots">
${renderPlot({
  ...common,
  name: `${name}-latency`,
  title: `${capital(late)} p99 over ${what}`,
  y: { unit: 'ms' },
  series: [
    {
      label: `${late} p99`,
      values: steps.map(({ latencyP99, startupP99 }) => (climbs === 'joins' ? startupP99 : latencyP99)),
      points: true,
    },
  ],
})}
${renderPlot({
  ...common,
  name: `${name}-cores`,
  title: `Cores over ${what}`,
  y: { unit: 'cores' },
  series: [
    { label: 'servers', values: steps.map(({ server }) => server.cores), points: true },
    { label: 'generator', values: steps.map(({ generator }) => generator.cpuCores), points: true },
  ],
})}
</div>
<details class="data"><summary>Every step as a table</summary>${renderSteps(steps, `${name}-steps`)}</details>`;
}

function renderSteps(steps: readonly BenchStep[], id: string): Html {
  return dataTable(
    id,
    [
      'Value',
      'Held',
      'Joined',
      'Stalls',
      'Lost',
      'Latency p99',
      'Startup p99',
      'Mbit/s',
      'Servers',
      'Generator',
      'Machine busy',
      'Broken',
    ],
    steps.map((of) => [
      formatNumber(of.value),
      of.holds ? 'yes' : 'no',
      formatPercent(of.joinedShare),
      formatPercent(of.stallRatio),
      formatPercent(of.lossRatio),
      formatMs(of.latencyP99),
      formatMs(of.startupP99),
      formatNumber(of.mbitPerSecond),
      `${formatNumber(of.server.cores)} cores, ${formatNumber(Math.round(of.server.rssMb))} MB`,
      `${formatNumber(of.generator.cpuCores)} cores, lag p99 ${formatMs(of.generator.loopLagP99Ms)}`,
      formatPercent(Math.round(of.machineShare * 100) / 100),
      [
        ...of.breaches,
        ...of.generator.reasons,
        ...Object.entries(of.reasons).map(([code, count]) => `${code} × ${count}`),
      ].join('; ') || '—',
    ]),
    [0, 2, 3, 4, 5, 6, 7],
  );
}

function renderLatency(latency: readonly BenchLatency[]): Html {
  const clusters = [...new Set(latency.map(clusterOf))];
  return html`<section aria-labelledby="latency">
<h2 id="latency">Latency</h2>
<p>From the publisher’s stamp to the player, every frame of every player after its join; of HLS from a player that begins three target durations back, until the last byte of the segment is there. Repetitions are interleaved and merged; those with an unhealthy generator are left out. One player of each protocol plays at the same time as those of the others.</p>
${dataTable(
  'latency',
  [
    'Cluster',
    'Protocol',
    'Players',
    'Startup p50',
    'p90',
    'p99',
    'p99.9',
    'Latency p50',
    'p90',
    'p99',
    'p99.9',
    'Stalls',
    'Lost',
    'Joined',
    'Repetitions',
    'Servers',
    'Generator',
  ],
  latency.map((cell) => [
    clusterOf(cell),
    `${cell.protocol} at ${cell.at}`,
    formatNumber(cell.players),
    ...[cell.startup.p50, cell.startup.p90, cell.startup.p99, cell.startup.p999].map(formatMs),
    ...[cell.steady.p50, cell.steady.p90, cell.steady.p99, cell.steady.p999].map(formatMs),
    formatPercent(cell.stalls.ratio),
    `${formatNumber(cell.frames.missing + cell.frames.faulty)} of ${formatNumber(cell.frames.received)}`,
    `${formatNumber(cell.joined)} of ${formatNumber(cell.players * cell.repetitions)}`,
    repetitionsOf(cell),
    cell.server === null ? '—' : `${formatNumber(cell.server.cores)} cores`,
    verdictBadge(
      cell.generator.healthy ? 'pass' : 'inconclusive',
      cell.generator.healthy ? 'healthy' : 'unhealthy',
    ),
  ]),
  [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
)}
${clusters.map((cluster, index) =>
  renderCurves(
    cluster,
    latency.filter((cell) => clusterOf(cell) === cluster),
    index,
  ),
)}
</section>`;
}

function repetitionsOf({ repetitions, discarded }: BenchLatency): string {
  return discarded === 0 ? formatNumber(repetitions) : `${repetitions} of ${repetitions + discarded}`;
}

/** At the most players of each protocol: the tail is where servers differ. */
function renderCurves(cluster: string, cells: readonly BenchLatency[], index: number): Html {
  const largest = [...new Set(cells.map(({ protocol }) => protocol))].map(
    (protocol) =>
      cells.filter((cell) => cell.protocol === protocol).toSorted((a, b) => b.players - a.players)[0]!,
  );
  return renderPlot(
    percentilePlot(
      {
        name: `latency-${index + 1}`,
        title: `Steady latency by percentile, ${cluster}`,
        readable: 'in the table above',
      },
      largest.map(({ protocol, players, steady }, place) => ({
        label: `${protocol}, ${plural(players, 'player')}`,
        of: steady,
        style: STYLES[place % STYLES.length]!,
      })),
    ),
  );
}

function clusterOf({ topology, engine }: { readonly topology: string; readonly engine: string }): string {
  return `${topology}, ${engine}`;
}

function renderEconomics(economics: readonly BenchEconomics[]): Html {
  return html`<section aria-labelledby="economics">
<h2 id="economics">What leaves the origins</h2>
<p>Bytes that left origins for other nodes, as the taps on their links counted, beside what players read. <em>Unmerged</em> is the same cluster with edges that open a pull for every player.</p>
${dataTable(
  'economics',
  ['Cluster', 'Played at', 'Pulls', 'Viewers', 'They got', 'Origins sent', 'Of that', 'Connections'],
  economics.map((row) => [
    clusterOf(row),
    `${row.protocol} at ${row.at}`,
    row.variant,
    formatNumber(row.players),
    `${(row.viewerBytes / 1e6).toFixed(1)} MB`,
    `${(row.originBytes / 1e6).toFixed(2)} MB`,
    percentOf(row.perViewerByte),
    formatNumber(row.pulls),
  ]),
  [3, 4, 5, 6, 7],
)}
</section>`;
}

function renderClaims(claims: readonly BenchClaim[]): Html {
  return html`<section aria-labelledby="claims">
<h2 id="claims">Published figures, and ours</h2>
${dataTable(
  'claims',
  ['Published', 'Measured here', '', 'What is different'],
  claims.map(({ says, source, engine, measured, comparison, note }) => [
    html`${says}<br><small>${source}</small>`,
    html`${measured}<br><small>${engine}</small>`,
    CLAIM_WORDS[comparison],
    note,
  ]),
  [],
)}
</section>`;
}

const CLAIM_WORDS: Readonly<Record<BenchClaim['comparison'], string>> = {
  holds: 'holds',
  differs: 'differs',
  beside: 'side by side',
  'not-measured': 'not measured',
};

/** What is within the noise is folded away. */
function renderComparison({ baseline, sameMachine, differs, changes, absent }: BenchComparison): Html {
  const order = ['worse', 'better', 'inconclusive', 'noise'] as const;
  const sorted = changes.toSorted((a, b) => order.indexOf(a.says) - order.indexOf(b.says));
  const told = sorted.filter(({ says }) => says === 'worse' || says === 'better');
  const rest = sorted.filter((change) => !told.includes(change));
  const rows = (of: BenchComparison['changes']) =>
    of.map((change) => [
      html`<code>${change.metric}</code>`,
      verdictBadge(BADGES[change.says], change.says),
      changeWords(change),
    ]);
  const head = ['Metric', '', 'Medians'];
  return html`<section aria-labelledby="baseline">
<h2 id="baseline">Beside the baseline</h2>
<p>A change is named when the difference of the medians of repeated runs is beyond their noise: a bootstrap interval of 99 % without zero in it, a permutation test, and large enough to matter. Baseline: <code>${baseline}</code>.</p>
${!sameMachine && html`<p class="note">Of another machine or profile (${differs.join('; ')}): ratios, and no verdict.</p>`}
${told.length > 0 ? dataTable('baseline', head, rows(told), []) : html`<p>Nothing is worse, and nothing better, beyond the noise.</p>`}
${rest.length > 0 && html`<details class="data"><summary>${plural(rest.length, 'other metric')}</summary>${dataTable('baseline', head, rows(rest), [])}</details>`}
${absent.length > 0 && html`<p class="note">Not measured this time: ${absent.join(', ')}.</p>`}
</section>`;
}

const BADGES = { worse: 'fail', better: 'pass', noise: 'unsupported', inconclusive: 'inconclusive' } as const;

function dataTable(
  labelledBy: string,
  head: readonly string[],
  rows: readonly (readonly HtmlValue[])[],
  right: readonly number[],
): Html {
  const align = (column: number): string => (right.includes(column) ? 'number' : '');
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${labelledBy}"><table class="plain">
<thead><tr>${head.map((name, column) => html`<th scope="col" class="${align(column)}">${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    (cells) => html`<tr>${cells.map((cell, column) => html`<td class="${align(column)}">${cell}</td>`)}</tr>`,
  )}</tbody>
</table></div>`;
}

function milliCores(cores: number | null): string {
  return cores === null ? '—' : `${(cores * 1000).toFixed(3)} mcores`;
}

function kilobytes(kb: number | null): string {
  return kb === null ? '—' : `${formatNumber(Math.round(kb))} kB`;
}

function percentOf(ratio: number | null): string {
  return ratio === null ? '—' : formatPercent(ratio);
}
