/** What a swarm and its worker processes say to each other, over IPC with `advanced` serialization. */
import type { MeterCounts } from '../measure/meter.ts';
import type { CrowdOptions, CrowdSnapshot } from './crowd.ts';
import type { WorkerHealth } from './health.ts';
import type { ProtocolCounts } from './protocol-figures.ts';

export type ToWorker =
  | { readonly type: 'start'; readonly crowd: CrowdOptions; readonly reportMs: number }
  /** Close all players and send the last report. */
  | { readonly type: 'stop' };

export interface Report {
  readonly crowd: CrowdSnapshot;
  /** Since the last report. */
  readonly histograms: MeterCounts;
  /** Since the last report. */
  readonly protocols: ProtocolCounts;
  readonly health: WorkerHealth;
}

export type FromWorker =
  | { readonly type: 'ready' }
  /** Every player of the worker has joined or failed; once. */
  | { readonly type: 'settled' }
  | { readonly type: 'report'; readonly report: Report }
  | { readonly type: 'final'; readonly report: Report };
