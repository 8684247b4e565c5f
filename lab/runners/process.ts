/** Runner `process`: every node is a child process on loopback, every link from an edge goes through a tap of ours. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { HttpNodeApi } from '../api.ts';
import { MUTANTS, type MutantId } from '../builtin/mutants.ts';
import {
  type Capability,
  type Cluster,
  type Entry,
  type NodeApi,
  type Patience,
  SRS_PATIENCE,
} from '../cluster.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import { hasNodeFor } from '../mutant-fit.ts';
import { NginxRtmpApi } from '../nginx-stat.ts';
import { type PortChoice, planAddresses } from '../ports.ts';
import { SRS_SRT_HOST } from '../render/srs.ts';
import type { TcpTap } from '../taps/tcp-tap.ts';
import type { UdpTap } from '../taps/udp-tap.ts';
import type { EngineName, EntrySpec, MediaSettings, NodeSpec, Role, Topology } from '../topology.ts';
import { withoutUdp } from '../topology.ts';
import { bringUp, type StartProgress } from './bring-up.ts';
import { capabilitiesOf, lacksOf } from './capabilities.ts';
import { entryOf } from './entry.ts';
import { addressOf, type ClusterPlan, connectionsFor, logFileOf } from './launch.ts';
import { checkRunnable, launcherOf } from './launchers.ts';
import { createTaps } from './links.ts';
import { type Launch, ProcessNode } from './process-node.ts';

export type { StartProgress } from './bring-up.ts';

export interface StartOptions {
  readonly topology: Topology;
  readonly engine: EngineName;
  /** The `srs` binary; engine `srs` needs it. */
  readonly srsPath?: string;
  /** Takes the place of the builtin proxy: any program that speaks the environment and the registration of seeds/001. */
  readonly proxyPath?: string;
  /** Configurations and logs go here; made when missing. */
  readonly runDir: string;
  readonly settings?: Partial<MediaSettings>;
  /** Of builtin nodes; the others' is SRS_PATIENCE, as is theirs when left out. */
  readonly patience?: Patience;
  /** The same as a number for `ports`. */
  readonly basePort?: number;
  /** `free` by default. */
  readonly ports?: PortChoice;
  /** Defects to start the nodes with whose role they fit. */
  readonly mutants?: readonly MutantId[];
  /** Engine `srs`: SRT and WebRTC too, on ports that SRS opens on all addresses of the machine. Default false. */
  readonly openUdp?: boolean;
  /** Aborting while the cluster starts takes down what was started. It does nothing later. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StartProgress) => void;
}

const DEFAULT_SETTINGS: Omit<MediaSettings, 'maxConnections'> = {
  mergedWriteMs: 350,
  queueSeconds: 30,
  gopCache: true,
  hls: { fragmentSeconds: 10, windowSeconds: 60, sessions: true },
};

/**
 * Brings a cluster up. Resolves when every node answered a real request, the balancer sees every server, and every origin
 * that is to register has done so.
 * Rejects with a LabError that names the node and carries its last lines; nothing is left running then.
 * Call it on the main thread: the nodes die with the thread that started them.
 */
export async function startCluster(asked: StartOptions): Promise<Cluster> {
  const options = { ...asked, topology: playable(asked) };
  const { topology, engine, mutants = [] } = options;
  checkRunnable(topology, engine, options);
  for (const id of mutants) {
    const isForeign = MUTANTS[id].role === 'proxy' && options.proxyPath !== undefined;
    if (isForeign || !hasNodeFor(topology, engine, id)) {
      throw new LabError(
        LabErrorCode.Unknown,
        `no node of ${topology.name} of ${engine} can have mutant ${id}`,
      );
    }
  }
  const runDir = path.resolve(options.runDir);
  mkdirSync(runDir, { recursive: true });
  const plan: ClusterPlan = {
    topology,
    engine,
    mutants,
    runDir,
    settings: { ...DEFAULT_SETTINGS, maxConnections: connectionsFor(1), ...options.settings },
    patience: patienceOf(options),
    addresses: await planAddresses(topology, options.basePort ?? options.ports ?? 'free'),
    ...(options.srsPath === undefined ? {} : { srsPath: options.srsPath }),
    ...(options.proxyPath === undefined ? {} : { proxyPath: options.proxyPath }),
  };
  const { taps, udpTaps } = createTaps(plan);
  const nodes = new Map<string, ProcessNode>();
  for (const spec of topology.nodes) nodes.set(spec.name, new ProcessNode(launchOf(spec, plan)));
  const cluster = new ProcessCluster(asked, options, nodes, taps, udpTaps);
  try {
    await Promise.all([...taps, ...udpTaps].map((tap) => tap.listen()));
    await bringUp(nodes, taps, options);
  } catch (error) {
    await cluster.down();
    throw error;
  }
  return cluster;
}

/**
 * What this engine can play of the topology. An SRS binds its UDP ports to all addresses, whatever its configuration
 * says: not without the user's word.
 */
function playable({ topology, engine, openUdp }: StartOptions): Topology {
  return engine === 'srs' && openUdp !== true ? withoutUdp(topology) : topology;
}

function launchOf(spec: NodeSpec, plan: ClusterPlan): Launch {
  const launcher = launcherOf(spec, plan.engine, plan);
  return {
    spec,
    ...addressOf(plan, spec.name),
    directory: plan.runDir,
    logFile: logFileOf(spec.name, plan),
    engine: launcher.engine,
    ...launcher.launch(spec, plan),
  };
}

function patienceOf({ engine, patience }: StartOptions): Patience {
  return engine === 'builtin' && patience !== undefined ? patience : SRS_PATIENCE;
}

/** Clients' side first, so that no node is blamed for the end of another. A master is a client of its slaves. */
const TAKE_DOWN_ORDER: readonly Role[] = [
  ...(['balancer', 'web', 'edge', 'proxy', 'master', 'slave', 'origin'] as const),
  ...(['stream-manager', 'redis'] as const),
];

const CLOSED_UDP = 'SRS opens its UDP ports on all addresses of this machine: only with --open-udp';

/** Roles without a media API. */
const SILENT_ROLES: readonly Role[] = ['balancer', 'web', 'redis'];

class ProcessCluster implements Cluster {
  readonly topology: Topology;
  readonly engine: EngineName;
  readonly patience: Patience;
  readonly capabilities: ReadonlySet<Capability>;
  readonly lacks: ReadonlyMap<Capability, string>;
  readonly entries: readonly Entry[];
  readonly nodes: ReadonlyMap<string, ProcessNode>;
  readonly taps: readonly TcpTap[];
  readonly udpTaps: readonly UdpTap[];
  #down: Promise<void> | undefined;

  constructor(
    asked: StartOptions,
    options: StartOptions,
    nodes: ReadonlyMap<string, ProcessNode>,
    taps: readonly TcpTap[],
    udpTaps: readonly UdpTap[],
  ) {
    const { topology } = options;
    this.topology = topology;
    this.engine = options.engine;
    this.patience = patienceOf(options);
    this.nodes = nodes;
    this.taps = taps;
    this.udpTaps = udpTaps;
    this.entries = topology.entries.map((spec) => entryOf(spec, addressFor(spec, this.#node(spec.node))));
    this.capabilities = capabilitiesOf(topology, options.engine);
    this.lacks = lacksOf(asked.topology, topology, CLOSED_UDP);
  }

  api(node: string): NodeApi {
    const { spec, host, ports } = this.#node(node);
    if (SILENT_ROLES.includes(spec.role))
      throw new LabError(LabErrorCode.Unknown, `${node} has no media API`, { node });
    if (this.engine === 'nginx-rtmp') return new NginxRtmpApi(node, host, ports.http);
    return new HttpNodeApi(node, host, ports.api);
  }

  entry(use: Entry['use'], protocol: Entry['protocol'], node?: string): Entry {
    const found = this.entries.find(
      (entry) =>
        entry.use === use && entry.protocol === protocol && (node === undefined || entry.node === node),
    );
    if (found !== undefined) return found;
    const where = node === undefined ? this.topology.name : `${node} of ${this.topology.name}`;
    throw new LabError(LabErrorCode.Unknown, `${where} has no entry to ${use} ${protocol}`);
  }

  down(): Promise<void> {
    this.#down ??= this.#takeDown();
    return this.#down;
  }

  async #takeDown(): Promise<void> {
    for (const role of TAKE_DOWN_ORDER) {
      const nodes = [...this.nodes.values()].filter((node) => node.spec.role === role);
      await Promise.all(nodes.map((node) => node.kill()));
    }
    await Promise.all([...this.taps, ...this.udpTaps].map((tap) => tap.close()));
  }

  #node(name: string): ProcessNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new LabError(LabErrorCode.Unknown, `there is no node '${name}'`);
    return node;
  }
}

/** Where clients of this protocol find the node. */
function addressFor({ protocol }: EntrySpec, { engine, host, ports }: ProcessNode) {
  return { host: protocol === 'srt' && engine === 'srs' ? SRS_SRT_HOST : host, ports };
}
