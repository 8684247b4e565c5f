/** Figures as people read them. Unknown is an em dash, never zero. */
import type { Finding, Results, Verdict } from './results.ts';
import { VERDICTS } from './results.ts';

const NUMBER = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const PRECISE = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });

export const UNKNOWN = '—';

/** Whole numbers with separators; below 10 with one decimal, below 1 with two significant digits. */
export function formatNumber(value: number | null): string {
  if (value === null) return UNKNOWN;
  if (Number.isInteger(value) || Math.abs(value) >= 9.95) return NUMBER.format(value);
  return PRECISE.format(value);
}

/** Milliseconds; seconds from 10 s on. */
export function formatMs(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  return ms >= 10_000 ? formatSeconds(ms) : `${formatNumber(ms)} ms`;
}

/** `0.8 s`, `12.3 s`, `2 min 5 s`. */
export function formatSeconds(ms: number): string {
  const seconds = (ms / 1000).toFixed(1);
  if (Number(seconds) < 60) return `${seconds} s`;
  const minutes = Math.floor(Math.round(ms / 1000) / 60);
  return `${minutes} min ${Math.round(ms / 1000) - minutes * 60} s`;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return `${formatNumber(bytes / 1000 ** power)} ${units[power]}`;
}

/** A ratio of 0 to 1. What is not zero never reads as zero. */
export function formatPercent(ratio: number): string {
  const percent = ratio * 100;
  if (percent !== 0 && Math.abs(percent) < 0.01) return '< 0.01 %';
  return `${Number(percent.toFixed(2))} %`;
}

/** What one client costs: thousandths of a core. */
export function formatMilliCores(cores: number | null): string {
  return cores === null ? UNKNOWN : `${(cores * 1000).toFixed(3)} mcores`;
}

/** What one client costs, or a node has. */
export function formatKilobytes(kb: number | null): string {
  return kb === null ? UNKNOWN : `${formatNumber(Math.round(kb))} kB`;
}

export function formatMegabytes(mb: number | null): string {
  return mb === null ? UNKNOWN : `${formatNumber(Math.round(mb))} MB`;
}

/** ISO 8601 to `2026-11-20 18:50:40 UTC`; anything else as it is. */
export function formatInstant(iso: string): string {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? iso : `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

/** The part of a check's id before the slash. */
export function areaOf(check: string): string {
  const slash = check.indexOf('/');
  return slash === -1 ? '' : check.slice(0, slash);
}

export function countVerdicts(findings: readonly Finding[]): [Verdict, number][] {
  return VERDICTS.toReversed()
    .map((verdict): [Verdict, number] => [verdict, findings.filter((f) => f.verdict === verdict).length])
    .filter(([, count]) => count > 0);
}

/** Meaning of a cell in a run of mutants. */
export function proofWord(verdict: Verdict): string {
  return verdict === 'pass' ? 'killed' : verdict === 'fail' ? 'survived' : verdict;
}

/** Of the ladders of players, and of the comparison. */
function benchHeadline({
  ladders,
  latency,
  economics,
  claims,
  comparison,
}: NonNullable<Results['bench']>): string {
  const players = ladders.filter(({ climbs, largest }) => climbs === 'players' && largest !== null);
  const clusters = [...new Set(players.map(({ topology, engine }) => `${topology}, ${engine}`))];
  const told = clusters.map((cluster) => {
    const most = players
      .filter(({ topology, engine }) => `${topology}, ${engine}` === cluster)
      .map(
        ({ protocol, largest, lowerBound }) =>
          `${protocol} ${lowerBound ? '≥ ' : ''}${formatNumber(largest)}`,
      );
    return `${cluster} carries ${most.join(', ')} players`;
  });
  return [
    ...told,
    ...(told.length === 0 && latency.length > 0
      ? [plural(latency.length, 'measurement of latency', 'measurements of latency')]
      : []),
    ...(told.length === 0 && economics.length > 0
      ? [plural(economics.length, 'measurement of origins', 'measurements of origins')]
      : []),
    ...(told.length === 0 && claims.length > 0 ? [plural(claims.length, 'published figure')] : []),
    ...(comparison === undefined ? [] : [comparisonHeadline(comparison)]),
  ].join('; ');
}

/** What could not be compared is not called no worse. */
function comparisonHeadline({ changes }: NonNullable<NonNullable<Results['bench']>['comparison']>): string {
  const count = (of: (typeof changes)[number]['says']): number =>
    changes.filter(({ says }) => says === of).length;
  const [worse, open] = [count('worse'), count('inconclusive')];
  if (worse > 0) return `${plural(worse, 'metric')} worse than in the baseline`;
  if (open === changes.length) return 'no metric could be compared with the baseline';
  if (open > 0)
    return `${formatNumber(open)} of ${plural(changes.length, 'metric')} could not be compared with the baseline, no other is worse`;
  return 'no metric is worse than in the baseline';
}

/** What a reader must know if they read one line. */
export function headline(results: Results): string {
  const { findings, load } = results;
  if (results.kind === 'load' && load) {
    const { clients, frames, latency } = load;
    const parts = [`${formatNumber(clients.joined)} of ${plural(clients.requested, 'player')} joined`];
    if (clients.dropped > 0) parts.push(`${formatNumber(clients.dropped)} dropped`);
    if (frames.received === 0) parts.push('no frame received');
    else if (frames.received === frames.unstamped) parts.push('no frame with a stamp');
    else parts.push(frames.missing === 0 ? 'no frame missing' : `${plural(frames.missing, 'frame')} missing`);
    parts.push(
      latency.steady.p99 === null ? 'latency unknown' : `steady latency p99 ${formatMs(latency.steady.p99)}`,
    );
    return parts.join(', ');
  }
  if (results.kind === 'publish' && results.publish) {
    const { clients, frames, bytes } = results.publish;
    return [
      `${formatNumber(clients.joined)} of ${plural(clients.requested, 'stream')} published`,
      ...(clients.dropped > 0 ? [`${formatNumber(clients.dropped)} dropped`] : []),
      `${plural(frames, 'frame')} and ${formatBytes(bytes)} sent`,
    ].join(', ');
  }
  if (results.kind === 'bench' && results.bench) return benchHeadline(results.bench);
  if (findings.length === 0) return 'Nothing was judged';
  if (results.kind === 'mutants') {
    const proofs = findings.filter(({ mutant }) => mutant !== undefined);
    const killed = proofs.filter(({ verdict }) => verdict === 'pass').length;
    const healthy = findings.filter(({ mutant }) => mutant === undefined);
    const passed = healthy.filter(({ verdict }) => verdict === 'pass').length;
    const base = `${formatNumber(killed)} of ${plural(proofs.length, 'mutant run')} killed`;
    return healthy.length === 0
      ? base
      : `${base}; the healthy cluster passes ${passed} of ${plural(healthy.length, 'check')}`;
  }
  const counts = countVerdicts(findings);
  if (counts.length === 1 && counts[0]![0] === 'pass') {
    return findings.length === 1
      ? 'The one finding passes'
      : `All ${formatNumber(findings.length)} findings pass`;
  }
  return counts.map(([verdict, count]) => `${formatNumber(count)} ${verdict}`).join(', ');
}
