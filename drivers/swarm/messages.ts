/** What a swarm and its worker processes say to each other. */
import type { CrowdOptions, CrowdSnapshot } from './crowd.ts';
import type { WorkerHealth } from './health.ts';

export type ToWorker =
  | { readonly type: 'start'; readonly crowd: CrowdOptions; readonly reportMs: number }
  /** Close all players and send the last report. */
  | { readonly type: 'stop' };

/** HDR histograms, encoded, of what was recorded since the last report; empty when nothing was. */
export interface HistogramReport {
  readonly startup: string;
  readonly join: string;
  readonly steady: string;
}

export interface Report {
  readonly crowd: CrowdSnapshot;
  readonly histograms: HistogramReport;
  readonly health: WorkerHealth;
}

export type FromWorker =
  | { readonly type: 'ready' }
  /** Every player of the worker has joined or failed; once. */
  | { readonly type: 'settled' }
  | { readonly type: 'report'; readonly report: Report }
  | { readonly type: 'final'; readonly report: Report };
