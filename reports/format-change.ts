/** Changes of figures as people read them. */
import type { FigureChange } from './compare.ts';
import { formatBytes, formatMs, formatNumber, UNKNOWN } from './format.ts';

export function figureWord(value: number | null, unit: string): string {
  if (value === null) return UNKNOWN;
  if (unit === 'ms') return formatMs(value);
  if (unit === 'B') return formatBytes(value);
  return unit === '' ? formatNumber(value) : `${formatNumber(value)} ${unit}`;
}

/** `+12 %`, `−3 %`, `×4.2` from the double on; `0 → 3` where there is nothing to divide by. */
export function changeWord({ before, after, ratio }: FigureChange): string {
  if (before === null || after === null) return UNKNOWN;
  if (before === after) return 'same';
  if (ratio === null) return `${formatNumber(before)} → ${formatNumber(after)}`;
  if (ratio >= 1) return `×${formatNumber(1 + ratio)}`;
  const percent = Math.abs(ratio * 100);
  return `${ratio < 0 ? '−' : '+'}${percent < 0.1 ? '< 0.1' : formatNumber(percent)} %`;
}
