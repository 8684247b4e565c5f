/** A benchmark: how far each cluster carries, at what latency, what its origins send, and what has changed. */
import {
  formatKilobytes,
  formatMegabytes,
  formatMilliCores,
  formatMs,
  formatNumber,
  formatPercent,
  plural,
} from '../format.ts';
import { changeWords, toldChanges, untoldWords } from '../judge-bench.ts';
import type {
  Bench,
  BenchChange,
  BenchClaim,
  BenchComparison,
  BenchEconomics,
  BenchLadder,
  BenchLatency,
  BenchStep,
} from '../results-bench.ts';
import type { Distribution } from '../results-shared.ts';
import { renderTiles, type Tile } from './figures.ts';
import { type Html, html } from './html.ts';
import { percentilePlot } from './percentiles.ts';
import { renderPlot } from './plot.ts';
import { type Column, renderTable } from './table.ts';
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
  const shares = [
    ...latency.map((cell) => cell.machineShare),
    ...ladders.flatMap(({ steps }) => steps.map((step) => step.machineShare)),
  ];
  const busiest = Math.max(...shares);
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
    ...(shares.length === 0
      ? []
      : [
          {
            name: 'Machine, at the busiest',
            value: formatPercent(Math.round(busiest * 100) / 100),
            also: 'of its cores, with whatever ran there',
            bad: busiest > 0.9,
          },
        ]),
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
${renderTable({ label: 'Largest numbers', columns: LADDER_COLUMNS, rows: ladders, groupOf: clusterOf })}
${ladders.map((ladder, index) => renderLadder(ladder, `ladder-${index + 1}`))}
</section>`;
}

const LADDER_COLUMNS: readonly Column<BenchLadder>[] = [
  {
    head: 'Climbs',
    cell: ({ climbs, protocol, at }) => `${climbs === 'joins' ? 'joins/s' : climbs} of ${protocol} at ${at}`,
  },
  {
    head: 'Most',
    cell: ({ largest, lowerBound }) =>
      `${lowerBound && largest !== null ? '≥ ' : ''}${formatNumber(largest)}`,
    kind: 'number',
  },
  { head: 'Failed at', cell: ({ failedAt }) => formatNumber(failedAt), kind: 'number' },
  { head: 'Gave way', cell: ({ gaveWay }) => gaveWay },
  {
    above: 'A client costs the servers',
    head: 'cores',
    cell: ({ perClient }) => formatMilliCores(perClient.serverCores),
    kind: 'number',
  },
  {
    above: 'A client costs the servers',
    head: 'memory',
    cell: ({ perClient }) => formatKilobytes(perClient.serverKb),
    kind: 'number',
  },
  {
    above: 'and the generator',
    head: 'cores',
    cell: ({ perClient }) => formatMilliCores(perClient.generatorCores),
    kind: 'number',
  },
  {
    above: 'and the generator',
    head: 'memory',
    cell: ({ perClient }) => formatKilobytes(perClient.generatorKb),
    kind: 'number',
  },
];

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
<details class="data"><summary>Every step as a table</summary>${renderTable({
    label: `Steps of ${what} of ${protocol}, ${topology}, ${engine}`,
    columns: [{ head: capital(what), cell: ({ value }: BenchStep) => formatNumber(value) }, ...STEP_COLUMNS],
    rows: steps,
  })}</details>`;
}

const STEP_COLUMNS: readonly Column<BenchStep>[] = [
  { head: 'Held', cell: ({ holds }) => (holds ? 'yes' : 'no') },
  { head: 'Joined', cell: ({ joinedShare }) => formatPercent(joinedShare), kind: 'number' },
  { head: 'Stalls', cell: ({ stallRatio }) => formatPercent(stallRatio), kind: 'number' },
  { head: 'Lost', cell: ({ lossRatio }) => formatPercent(lossRatio), kind: 'number' },
  { head: 'Latency p99', cell: ({ latencyP99 }) => formatMs(latencyP99), kind: 'number' },
  { head: 'Startup p99', cell: ({ startupP99 }) => formatMs(startupP99), kind: 'number' },
  { head: 'Mbit/s', cell: ({ mbitPerSecond }) => formatNumber(mbitPerSecond), kind: 'number' },
  { above: 'Servers', head: 'cores', cell: ({ server }) => formatNumber(server.cores), kind: 'number' },
  { above: 'Servers', head: 'memory', cell: ({ server }) => formatMegabytes(server.rssMb), kind: 'number' },
  ...generatorColumns<BenchStep>(),
  {
    above: 'Generator',
    head: 'lag p99',
    cell: ({ generator }) => formatMs(generator.loopLagP99Ms),
    kind: 'number',
  },
  {
    head: 'Machine busy',
    cell: ({ machineShare }) => formatPercent(Math.round(machineShare * 100) / 100),
    kind: 'number',
  },
  {
    head: 'Broken',
    cell: ({ breaches, generator, reasons }) =>
      [
        ...breaches,
        ...generator.reasons,
        ...Object.entries(reasons).map(([code, count]) => `${code} × ${count}`),
      ].join('; ') || '—',
    kind: 'words',
  },
];

function generatorColumns<T extends Pick<BenchStep, 'generator'>>(): Column<T>[] {
  return [
    {
      above: 'Generator',
      head: 'cores',
      cell: ({ generator }) => formatNumber(generator.cpuCores),
      kind: 'number',
    },
    {
      above: 'Generator',
      head: 'memory',
      cell: ({ generator }) => formatMegabytes(generator.rssMb),
      kind: 'number',
    },
  ];
}

function renderLatency(latency: readonly BenchLatency[]): Html {
  const clusters = [...new Set(latency.map(clusterOf))];
  return html`<section aria-labelledby="latency">
<h2 id="latency">Latency</h2>
<p>From the publisher’s stamp to the player, every frame of every player after its join; of HLS from a player that begins three target durations back, until the last byte of the segment is there. Repetitions are interleaved and merged; those with an unhealthy generator are left out. One player of each protocol plays at the same time as those of the others.</p>
${renderTable({ label: 'Latency', columns: LATENCY_COLUMNS, rows: latency, groupOf: clusterOf })}
${clusters.map((cluster, index) =>
  renderCurves(
    cluster,
    latency.filter((cell) => clusterOf(cell) === cluster),
    index,
  ),
)}
</section>`;
}

const PERCENTILES = { p50: 'p50', p90: 'p90', p99: 'p99', p999: 'p99.9' } as const;

function percentileColumns(above: string, of: (cell: BenchLatency) => Distribution): Column<BenchLatency>[] {
  return (['p50', 'p90', 'p99', 'p999'] as const).map((name) => ({
    above,
    head: PERCENTILES[name],
    cell: (cell) => formatMs(of(cell)[name]),
    kind: 'number',
  }));
}

const LATENCY_COLUMNS: readonly Column<BenchLatency>[] = [
  { head: 'Protocol', cell: ({ protocol, at }) => `${protocol} at ${at}` },
  { head: 'Players', cell: ({ players }) => formatNumber(players), kind: 'number' },
  ...percentileColumns('Startup', ({ startup }) => startup),
  ...percentileColumns('Latency, steady', ({ steady }) => steady),
  { head: 'Stalls', cell: ({ stalls }) => formatPercent(stalls.ratio), kind: 'number' },
  {
    head: 'Lost',
    cell: ({ frames: { missing, faulty, received } }) =>
      `${formatNumber(missing + faulty)} of ${formatNumber(received)}`,
    kind: 'number',
  },
  {
    head: 'Joined',
    cell: ({ joined, players, repetitions }) =>
      `${formatNumber(joined)} of ${formatNumber(players * repetitions)}`,
    kind: 'number',
  },
  { head: 'Repetitions', cell: repetitionsOf, kind: 'number' },
  {
    above: 'Servers',
    head: 'cores',
    cell: ({ server }) => formatNumber(server?.cores ?? null),
    kind: 'number',
  },
  {
    above: 'Servers',
    head: 'memory',
    cell: ({ server }) => formatMegabytes(server?.rssMb ?? null),
    kind: 'number',
  },
  ...generatorColumns<BenchLatency>(),
  {
    above: 'Generator',
    head: 'health',
    cell: ({ generator: { healthy } }) =>
      verdictBadge(healthy ? 'pass' : 'inconclusive', healthy ? 'healthy' : 'unhealthy'),
  },
];

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
${renderTable({
  label: 'What leaves the origins',
  columns: ECONOMICS_COLUMNS,
  rows: economics,
  groupOf: clusterOf,
})}
</section>`;
}

const ECONOMICS_COLUMNS: readonly Column<BenchEconomics>[] = [
  { head: 'Played at', cell: ({ protocol, at }) => `${protocol} at ${at}` },
  { head: 'Pulls', cell: ({ variant }) => variant },
  { head: 'Viewers', cell: ({ players }) => formatNumber(players), kind: 'number' },
  { head: 'They got', cell: ({ viewerBytes }) => `${(viewerBytes / 1e6).toFixed(1)} MB`, kind: 'number' },
  { head: 'Origins sent', cell: ({ originBytes }) => `${(originBytes / 1e6).toFixed(2)} MB`, kind: 'number' },
  { head: 'Of that', cell: ({ perViewerByte }) => percentOf(perViewerByte), kind: 'number' },
  { head: 'Connections', cell: ({ pulls }) => formatNumber(pulls), kind: 'number' },
];

function renderClaims(claims: readonly BenchClaim[]): Html {
  return html`<section aria-labelledby="claims">
<h2 id="claims">Published figures, and ours</h2>
${renderTable({ label: 'Published figures, and ours', columns: CLAIM_COLUMNS, rows: claims })}
</section>`;
}

const CLAIM_WORDS: Readonly<Record<BenchClaim['comparison'], string>> = {
  holds: 'holds',
  differs: 'differs',
  beside: 'side by side',
  'not-measured': 'not measured',
};

const CLAIM_COLUMNS: readonly Column<BenchClaim>[] = [
  { head: 'Published', cell: ({ says, source }) => html`${says}<br><small>${source}</small>` },
  {
    head: 'Measured here',
    cell: ({ measured, engine }) => html`${measured}<br><small>${engine}</small>`,
    kind: 'words',
  },
  { head: 'Comparison', cell: ({ comparison }) => CLAIM_WORDS[comparison] },
  { head: 'What is different', cell: ({ note }) => note, kind: 'words' },
];

/** What is within the noise is folded away. */
function renderComparison({ baseline, sameMachine, differs, changes, absent }: BenchComparison): Html {
  const order = ['worse', 'better', 'inconclusive', 'noise'] as const;
  const sorted = changes.toSorted((a, b) => order.indexOf(a.says) - order.indexOf(b.says));
  const told = toldChanges(sorted);
  const rest = sorted.filter((change) => !told.includes(change));
  const table = (label: string, rows: readonly BenchChange[]): Html =>
    renderTable({ label, columns: CHANGE_COLUMNS, rows });
  return html`<section aria-labelledby="baseline">
<h2 id="baseline">Beside the baseline</h2>
<p>A change is named when the difference of the medians of repeated runs is beyond their noise: a bootstrap interval of 99 % without zero in it, a permutation test, and large enough to matter. Baseline: <code>${baseline}</code>.</p>
${!sameMachine && html`<p class="note">Of another machine or profile (${differs.join('; ')}): ratios, and no verdict.</p>`}
${told.length > 0 ? table('Beside the baseline', told) : html`<p>${untoldWords(changes, 'the baseline')}</p>`}
${rest.length > 0 && html`<details class="data"><summary>${plural(rest.length, 'other metric')}</summary>${table('Other metrics', rest)}</details>`}
${absent.length > 0 && html`<p class="note">Not measured this time: ${absent.join(', ')}.</p>`}
</section>`;
}

const BADGES = { worse: 'fail', better: 'pass', noise: 'unsupported', inconclusive: 'inconclusive' } as const;

const CHANGE_COLUMNS: readonly Column<BenchChange>[] = [
  { head: 'Metric', cell: ({ metric }) => html`<code>${metric}</code>` },
  { head: 'Change', cell: ({ says }) => verdictBadge(BADGES[says], says) },
  { head: 'Medians', cell: changeWords, kind: 'words' },
];

function percentOf(ratio: number | null): string {
  return ratio === null ? '—' : formatPercent(ratio);
}
