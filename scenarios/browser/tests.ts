/** What the tests of Playwright and its reporter have to know of each other. */
import type { BrowserPlay, Finding } from '../../reports/results.ts';
import type { Place } from './findings.ts';
import type { BrowserRun } from './plan.ts';
import type { BrowserProtocol } from './record.ts';

/** The name of the attachment in which a test says what it found. */
export const OUTCOME = 'liveproof';

export interface Outcome {
  readonly browser: string;
  readonly findings: readonly Finding[];
  readonly play: BrowserPlay;
}

export function titleOf({ topology, engine, proof }: BrowserRun): string {
  return `${topology.name} of ${engine}${proof === undefined ? '' : ` with ${proof.mutant}`}`;
}

export function placeOf({ topology, engine }: BrowserRun, protocol: BrowserProtocol): Place {
  return { topology: topology.name, engine, protocol };
}
