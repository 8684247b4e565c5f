/** Brings a cluster up for checks, runs them, takes it down, whatever happens. */
import type { MutantId } from '../lab/builtin/mutants.ts';
import type { Cluster, Patience } from '../lab/cluster.ts';
import { type StartProgress, startCluster } from '../lab/runners/process.ts';
import type { EngineName, MediaSettings, Topology } from '../lab/topology.ts';
import type { Finding } from '../reports/results.ts';
import { actors } from './actors.ts';
import {
  GATE_MERGED_WRITE_MS,
  HLS_FRAGMENT_MS,
  HLS_WINDOW_MS,
  ORIGIN_ALIVE_MS,
  ORIGIN_HEARTBEAT_MS,
  RTC_PLI_SECONDS,
  RTC_STUN_TIMEOUT_SECONDS,
  SRT_PASSPHRASE,
  SRT_PEER_IDLE_MS,
  SRT_PEER_LATENCY_MS,
  SRT_RECEIVE_LATENCY_MS,
} from './bounds.ts';
import { type GateRequest, runGate } from './gate.ts';

/** Of the nodes that checks run on. The bounds of judges hold for merged writes of 350 ms. */
const SETTINGS: Partial<MediaSettings> = {
  mergedWriteMs: GATE_MERGED_WRITE_MS,
  // Short, so that a check sees many segments; without sessions, as a cache and a balancer in front need it.
  hls: { fragmentSeconds: HLS_FRAGMENT_MS / 1000, windowSeconds: HLS_WINDOW_MS / 1000, sessions: false },
  srt: {
    latencyMs: SRT_RECEIVE_LATENCY_MS,
    peerLatencyMs: SRT_PEER_LATENCY_MS,
    peerIdleMs: SRT_PEER_IDLE_MS,
    passphrase: SRT_PASSPHRASE,
  },
  rtc: { stunTimeoutSeconds: RTC_STUN_TIMEOUT_SECONDS, pliSeconds: RTC_PLI_SECONDS },
  registration: { heartbeatMs: ORIGIN_HEARTBEAT_MS, aliveMs: ORIGIN_ALIVE_MS },
};

/**
 * Of builtin nodes with peers that stall, so that a check need not wait for half a minute; still far above what a
 * herd of a thousand takes to shake hands on a busy machine.
 */
const PATIENCE: Patience = { rtmpHandshake: 6000, httpRequest: 4000, coworker: 2000, publishFirst: 6000 };

/** Resolves with a cluster whose media nodes have these settings, as far as checks depend on them. */
export type Attach = (asked: {
  readonly topology: Topology;
  readonly engine: EngineName;
  readonly settings: Partial<MediaSettings>;
  readonly runDir: string;
  readonly signal: AbortSignal;
}) => Promise<Cluster>;

export interface ClusterRequest {
  readonly topology: Topology;
  readonly engine: EngineName;
  readonly srsPath?: string;
  readonly proxyPath?: string;
  /** See StartOptions of lab/runners/process.ts. */
  readonly openUdp?: boolean;
  readonly basePort?: number;
  /** Configurations and logs of the nodes go here. */
  readonly runDir: string;
  /** Brings the cluster up, or finds it, instead of runner `process`. */
  readonly attach?: Attach;
  /** Brings it up when its turn has come. Default at once. */
  readonly inTurn?: (start: () => Promise<Cluster>) => Promise<Cluster>;
  readonly onProgress?: (progress: StartProgress) => void;
  /** Once, when it is up. */
  readonly onUp?: (cluster: Cluster) => Promise<void> | void;
  /** Once, after the last check, while it is still up; also when the checks could not go on. */
  readonly onChecked?: (cluster: Cluster) => void;
}

/** Rejects with LabError when the cluster does not come up. */
export async function runOnCluster(
  where: ClusterRequest,
  what: Omit<GateRequest, 'cluster' | 'stage'>,
): Promise<Finding[]> {
  const { inTurn = (start) => start() } = where;
  const cluster = await inTurn(() => bringUp(where, what));
  try {
    await where.onUp?.(cluster);
    return await runGate({ ...what, cluster, stage: actors }).finally(() => where.onChecked?.(cluster));
  } finally {
    await cluster.down();
  }
}

function bringUp(where: ClusterRequest, what: Omit<GateRequest, 'cluster' | 'stage'>): Promise<Cluster> {
  const { topology, engine, srsPath, proxyPath, openUdp = false, basePort, runDir, onProgress } = where;
  const asked = { topology, engine, runDir, settings: SETTINGS, signal: what.signal };
  if (where.attach !== undefined) return where.attach(asked);
  return startCluster({
    ...asked,
    patience: PATIENCE,
    ...(srsPath === undefined ? {} : { srsPath }),
    ...(proxyPath === undefined ? {} : { proxyPath }),
    openUdp,
    ...(basePort === undefined ? {} : { basePort }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(what.mutant === undefined ? {} : { mutants: [what.mutant] satisfies MutantId[] }),
  });
}
