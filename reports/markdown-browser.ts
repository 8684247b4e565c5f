/** In `summary.md`: what a browser showed, beside what a driver of ours had of the same stream. */
import { formatMs, formatNumber, formatPercent, plural } from './format.ts';
import { table, text } from './markdown-parts.ts';
import type { Browser } from './results.ts';

export function browserTables({ browser, plays }: Browser): string[] {
  const healthy = plays.filter(({ mutant }) => mutant === undefined);
  const spoiled = plays.length - healthy.length;
  return [
    table(
      [
        'Cluster',
        text(browser),
        'First picture',
        'Glass to glass p50',
        'p99',
        'Driver p50',
        'p99',
        'Pictures',
        'Missing',
        'Not shown',
        'Stalled',
      ],
      healthy.map(({ topology, engine, protocol, firstPictureMs, glass, driver, pictures, stalls }) => [
        text(`${topology}, ${engine}`),
        protocol,
        formatMs(firstPictureMs),
        ...[glass.p50, glass.p99, driver.p50, driver.p99].map(formatMs),
        ...[pictures.shown, pictures.missing, pictures.dropped].map(formatNumber),
        formatPercent(stalls.ratio),
      ]),
    ),
    ...(spoiled === 0 ? [] : [`${plural(spoiled, 'play')} of clusters with a defect: in report.html.`]),
  ];
}
