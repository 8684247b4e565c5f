/** In `summary.md`: whether a gate can be believed. */
import { formatMs } from './format.ts';
import { text } from './markdown-parts.ts';
import type { GateHealth } from './results-gate.ts';

export function gateHealthLine({ loopLag, wait, boundMs, starved }: GateHealth): string {
  const lag = `the event loop of the gate was held up for ${formatMs(loopLag.ms)} at the worst (${text(loopLag.check)})`;
  if (wait === null) return `Generator: ${lag}; this system does not tell who waits for a CPU.`;
  const kept = `others kept it or a node from a CPU for ${formatMs(wait.keptMs)} of a second at the most (${text(wait.process)}, ${text(wait.check)}), ${formatMs(boundMs)} are borne`;
  return `Generator: ${starved === 0 ? '' : '**kept from the CPUs**: '}${lag}; ${kept}.`;
}
