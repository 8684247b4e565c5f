/** What is played in the browser: every protocol at the entry of every cluster, and the defects that it must see. */
import type { MutantId } from '../../lab/builtin/mutants.ts';
import { LabError } from '../../lab/errors.ts';
import { checkRunnable } from '../../lab/runners/launchers.ts';
import { type EngineName, enginesOf, type Topology } from '../../lab/topology.ts';
import type { Requirement } from './judge.ts';
import { BROWSER_PROTOCOLS, type BrowserProtocol } from './record.ts';

/** On one cluster, one after the other. */
export interface BrowserRun {
  readonly topology: Topology;
  readonly engine: EngineName;
  /** Not empty. */
  readonly protocols: readonly BrowserProtocol[];
  /** A cluster that is started with it, and what must be found of it. */
  readonly proof?: Proof;
}

export interface Proof {
  readonly mutant: MutantId;
  readonly topology: string;
  readonly protocol: BrowserProtocol;
  /** What must turn red. */
  readonly requirement: Requirement;
}

/** Every requirement has one at the least. */
export const PROOFS: readonly Proof[] = [
  { mutant: 'flv-no-cors', topology: 'coworker-cluster', protocol: 'flv', requirement: 'cors' },
  { mutant: 'web-no-cors', topology: 'edge-cluster', protocol: 'hls', requirement: 'cors' },
  { mutant: 'whep-no-cors', topology: 'edge-cluster', protocol: 'webrtc', requirement: 'cors' },
  { mutant: 'hls-bad-grammar', topology: 'edge-cluster', protocol: 'hls', requirement: 'first-picture' },
  { mutant: 'hls-segment-missing', topology: 'edge-cluster', protocol: 'hls', requirement: 'frames' },
  { mutant: 'media-resets-timestamps', topology: 'coworker-cluster', protocol: 'flv', requirement: 'stalls' },
  { mutant: 'hls-timestamps-restart', topology: 'edge-cluster', protocol: 'hls', requirement: 'stalls' },
  { mutant: 'web-buffers-flv', topology: 'forward-cluster', protocol: 'flv', requirement: 'first-picture' },
  { mutant: 'media-drops-frames', topology: 'coworker-cluster', protocol: 'flv', requirement: 'frames' },
  { mutant: 'rtc-drops-frames', topology: 'edge-cluster', protocol: 'webrtc', requirement: 'frames' },
  { mutant: 'hls-late-playlist', topology: 'edge-cluster', protocol: 'hls', requirement: 'latency' },
];

const CLOSED_UDP = 'WHEP of engine srs, which opens its UDP ports on all addresses: only with --open-udp';

export interface BrowserPlan {
  readonly runs: readonly BrowserRun[];
  readonly leftOut: readonly { readonly topology: string; readonly reason: string }[];
}

export interface BrowserPlanRequest {
  /** To choose from, in this order. */
  readonly topologies: readonly Topology[];
  readonly protocols: readonly BrowserProtocol[];
  /** Each topology's usual one when left out. */
  readonly engine?: EngineName;
  readonly srsPath?: string;
  /** Of engine srs: WebRTC, too. See StartOptions of lab/runners/process.ts. */
  readonly openUdp?: boolean;
  /** Clusters with defects, too; these are of builtin nodes. */
  readonly proofs: boolean;
  /** Throws LabError when the topology cannot be played here. */
  readonly isRunnable?: typeof checkRunnable;
}

export function planBrowser(request: BrowserPlanRequest): BrowserPlan {
  const { topologies, protocols, srsPath, openUdp = false, isRunnable = checkRunnable } = request;
  const runs: BrowserRun[] = [];
  const leftOut: { topology: string; reason: string }[] = [];
  for (const topology of topologies) {
    const asked = offeredBy(topology).filter((protocol) => protocols.includes(protocol));
    if (asked.length === 0) continue;
    const engine = request.engine ?? enginesOf(topology)[0]!;
    try {
      isRunnable(topology, engine, srsPath === undefined ? {} : { srsPath });
      const offered = asked.filter((protocol) => protocol !== 'webrtc' || engine !== 'srs' || openUdp);
      if (offered.length > 0) runs.push({ topology, engine, protocols: offered });
      if (offered.length < asked.length) leftOut.push({ topology: topology.name, reason: CLOSED_UDP });
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      leftOut.push({ topology: topology.name, reason: error.message });
    }
  }
  return { runs: [...runs, ...(request.proofs ? spoiled(runs) : [])], leftOut };
}

/** Protocols of a page that a cluster has an entry for. */
export function offeredBy({ entries }: Topology): BrowserProtocol[] {
  return BROWSER_PROTOCOLS.filter((protocol) =>
    entries.some((entry) => entry.use === 'play' && entry.protocol === protocol),
  );
}

/** Those proofs whose cluster and protocol are in the plan. */
function spoiled(runs: readonly BrowserRun[]): BrowserRun[] {
  return PROOFS.flatMap((proof) => {
    const home = runs.find(
      ({ topology, engine, protocols }) =>
        topology.name === proof.topology && engine === 'builtin' && protocols.includes(proof.protocol),
    );
    return home === undefined ? [] : [{ ...home, protocols: [proof.protocol], proof }];
  });
}
