/** In `summary.md`: what viewers cost k6, and what the same ones cost our swarm. */
import { formatKilobytes, formatMegabytes, formatMilliCores, formatMs, formatNumber } from './format.ts';
import { table } from './markdown-parts.ts';
import type { K6, ViewerCost } from './results-k6.ts';

export function k6Tables({ cost }: K6): string[] {
  if (cost === undefined) return [];
  const { viewers, k6, swarm } = cost;
  const row = (name: string, of: ViewerCost): string[] => [
    name,
    formatNumber(of.cpuCores),
    formatMegabytes(of.memoryMb),
    formatMilliCores(of.cpuCores / viewers),
    formatKilobytes((of.memoryMb * 1024) / viewers),
    formatMegabytes(of.loadedMb),
    formatNumber(of.frames),
    ...[of.latencyP50, of.latencyP99].map(formatMs),
  ];
  return [
    table(
      [
        `${formatNumber(viewers)} HLS viewers`,
        'Cores',
        'Memory',
        'Cores, a viewer',
        'memory',
        'Loaded',
        'Frames verified',
        'Latency p50',
        'p99',
      ],
      [row('k6', k6), row('swarm', swarm)],
    ),
  ];
}
