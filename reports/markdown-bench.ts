/** A benchmark in `summary.md`: its tables, and what has changed. */
import {
  formatKilobytes,
  formatMegabytes,
  formatMilliCores,
  formatMs,
  formatNumber,
  formatPercent,
  UNKNOWN,
} from './format.ts';
import { changeWords, toldChanges, untoldWords } from './judge-bench.ts';
import { table, text } from './markdown-parts.ts';
import type { Bench } from './results-bench.ts';

export function benchTables({ ladders, latency, economics, claims, comparison }: Bench): string[] {
  return [
    ...(comparison === undefined ? [] : [changesTable(comparison)]),
    ...(ladders.length === 0 ? [] : [laddersTable(ladders)]),
    ...(latency.length === 0 ? [] : [latencyTable(latency)]),
    ...(economics.length === 0 ? [] : [economicsTable(economics)]),
    ...(claims.length === 0 ? [] : [claimsTable(claims)]),
  ];
}

function changesTable({ changes, baseline }: NonNullable<Bench['comparison']>): string {
  const told = toldChanges(changes);
  if (told.length === 0) return untoldWords(changes, text(baseline));
  return table(
    ['Metric', 'Change', 'Medians'],
    told.map((change) => [text(change.metric), `**${change.says}**`, text(changeWords(change))]),
  );
}

function laddersTable(ladders: Bench['ladders']): string {
  return table(
    ['Cluster', 'Most', '', 'Gave way', 'Servers, a client', 'memory', 'Generator, a client', 'memory'],
    ladders.map(({ topology, engine, climbs, protocol, largest, lowerBound, gaveWay, perClient }) => [
      text(`${topology}, ${engine}`),
      `${climbs === 'joins' ? 'joins/s' : climbs} of ${text(protocol)}`,
      `${lowerBound && largest !== null ? '≥ ' : ''}${formatNumber(largest)}`,
      gaveWay,
      formatMilliCores(perClient.serverCores),
      formatKilobytes(perClient.serverKb),
      formatMilliCores(perClient.generatorCores),
      formatKilobytes(perClient.generatorKb),
    ]),
  );
}

function latencyTable(latency: Bench['latency']): string {
  return table(
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
      'Servers',
      'Generator',
    ],
    latency.map(
      ({ topology, engine, protocol, players, startup, steady, stalls, frames, server, generator }) => [
        text(`${topology}, ${engine}`),
        text(protocol),
        formatNumber(players),
        ...[startup, steady].flatMap(({ p50, p90, p99, p999 }) => [p50, p90, p99, p999].map(formatMs)),
        formatPercent(stalls.ratio),
        formatNumber(frames.missing + frames.faulty),
        server === null ? UNKNOWN : cost(server.cores, server.rssMb),
        `${generator.healthy ? 'healthy' : '**unhealthy**'}, ${cost(generator.cpuCores, generator.rssMb)}`,
      ],
    ),
  );
}

function cost(cores: number, rssMb: number): string {
  return `${formatNumber(cores)} cores, ${formatMegabytes(rssMb)}`;
}

function economicsTable(economics: Bench['economics']): string {
  return table(
    ['Cluster', 'Played at', 'Pulls', 'Viewers', 'Origins sent of what they got', 'Connections'],
    economics.map(({ topology, engine, protocol, at, variant, players, perViewerByte, pulls }) => [
      text(`${topology}, ${engine}`),
      text(`${protocol} at ${at}`),
      variant,
      formatNumber(players),
      perViewerByte === null ? '—' : formatPercent(perViewerByte),
      formatNumber(pulls),
    ]),
  );
}

function claimsTable(claims: Bench['claims']): string {
  return table(
    ['Published', 'Measured here', ''],
    claims.map(({ says, measured, engine, comparison }) => [
      text(says),
      text(`${measured} (${engine})`),
      comparison,
    ]),
  );
}
