/** What the command asks the processes of Playwright for: it is handed on in the environment, as they have no other way in. */
import { topologyByName } from '../../lab/topologies/index.ts';
import type { EngineName } from '../../lab/topology.ts';
import { type BrowserPlan, planBrowser } from './plan.ts';
import type { BrowserProtocol } from './record.ts';

const VARIABLE = 'LIVEPROOF_BROWSER';

export interface BrowserRequest {
  /** Directory of the run; absolute. */
  readonly out: string;
  /** Names. */
  readonly topologies: readonly string[];
  readonly protocols: readonly BrowserProtocol[];
  readonly engine?: EngineName;
  readonly srsPath?: string;
  readonly openUdp?: boolean;
  readonly proofs: boolean;
  /** The browser's executable. */
  readonly chromium: string;
  /** The command line, for the results. */
  readonly command: readonly string[];
  /** Topologies that were asked for by name: what cannot run of these is a finding. */
  readonly named: boolean;
}

export function environmentOf(request: BrowserRequest): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(request) };
}

/** @throws Error when Playwright was not started by `liveproof browser`. */
export function theRequest(): BrowserRequest {
  const text = process.env[VARIABLE];
  if (text === undefined)
    throw new Error('start it as `npm run test:browser`, which says what to play and where to write');
  return JSON.parse(text) as BrowserRequest;
}

export function planOf(request: BrowserRequest): BrowserPlan {
  const { topologies, ...rest } = request;
  return planBrowser({ ...rest, topologies: topologies.map(topologyByName) });
}
