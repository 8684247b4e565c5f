/** Runner `process`: every node is a child process on loopback, every link from an edge goes through a tap of ours. */
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
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
import { type PortChoice, planAddresses, type TapAddress } from '../ports.ts';
import { SRS_SRT_HOST } from '../render/srs.ts';
import { TcpTap } from '../taps/tcp-tap.ts';
import { UdpTap } from '../taps/udp-tap.ts';
import type { EngineName, EntrySpec, MediaSettings, NodeSpec, Role, Topology } from '../topology.ts';
import { isProxyFront, withoutProxiedSrt, withoutUdp } from '../topology.ts';
import { capabilitiesOf, lacksOf } from './capabilities.ts';
import { entryOf } from './entry.ts';
import { addressOf, type ClusterPlan, connectionsFor, logFileOf } from './launch.ts';
import { checkRunnable, launcherOf } from './launchers.ts';
import { type Launch, ProcessNode } from './process-node.ts';

export interface StartProgress {
  readonly node: string;
  readonly state: 'starting' | 'ready';
  readonly pid: number;
  /** Since the start of the cluster. */
  readonly elapsedMs: number;
}

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
  const { taps, udpTaps } = tapsOf(plan);
  const nodes = new Map<string, ProcessNode>();
  for (const spec of topology.nodes) nodes.set(spec.name, new ProcessNode(launchOf(spec, plan)));
  const cluster = new ProcessCluster(asked, options, nodes, taps, udpTaps);
  try {
    await Promise.all([...taps, ...udpTaps].map((tap) => tap.listen()));
    const began = performance.now();
    for (const wave of wavesOf(topology)) {
      const started = wave.map(({ name }) => nodes.get(name)!);
      await startAll(started, options, began);
    }
    await registered(taps, options);
  } catch (error) {
    await cluster.down();
    throw error;
  }
  return cluster;
}

/**
 * What this engine can play of the topology. An SRS binds its UDP ports to all addresses, whatever its configuration
 * says: not without the user's word. It then answers from 127.0.0.1 and not from where it was asked, which is its alias;
 * a tap can stand there for WebRTC, whose port SRS shares (SO_REUSEADDR), but not for SRT.
 */
function playable({ topology, engine, openUdp }: StartOptions): Topology {
  if (engine !== 'srs') return topology;
  return openUdp === true ? withoutProxiedSrt(topology) : withoutUdp(topology);
}

function tapsOf(plan: ClusterPlan): { taps: TcpTap[]; udpTaps: UdpTap[] } {
  const taps: TcpTap[] = [];
  const udpTaps: UdpTap[] = [];
  for (const address of plan.addresses.taps) {
    const { from, to, carries } = address;
    const link = { from, to, listen: { host: address.host, port: address.port }, ...endsOf(address, plan) };
    if (carries !== 'srt' && carries !== 'rtc') taps.push(new TcpTap({ ...link, carries }));
    else if (plan.engine !== 'srs') udpTaps.push(new UdpTap({ ...link, carries }));
    // An SRS has its UDP ports on every address, the alias too, and answers from this one.
    else {
      const target = { host: SRS_SRT_HOST, port: link.target.port };
      udpTaps.push(new UdpTap({ ...link, carries, target, shared: true }));
    }
  }
  return { taps, udpTaps };
}

function endsOf({ from, to, carries }: TapAddress, plan: ClusterPlan) {
  const { host, ports } = addressOf(plan, to);
  const port = ports[carries];
  if (port === undefined) throw new LabError(LabErrorCode.Unknown, `${to} has no port for ${carries}`);
  return { target: { host, port }, localAddress: addressOf(plan, from).host };
}

/**
 * Those that others look at while they start come first: state, then who is registered with and reported to. A balancer
 * is ready when it sees its servers.
 */
function wavesOf(topology: Topology): NodeSpec[][] {
  const waveOf = (spec: NodeSpec): number => {
    if (spec.role === 'redis') return 0;
    if (spec.role === 'proxy' || spec.role === 'stream-manager') return 1;
    if (isProxyFront(spec, topology)) return 2;
    return spec.role === 'balancer' ? 4 : 3;
  };
  return [0, 1, 2, 3, 4].map((wave) => topology.nodes.filter((spec) => waveOf(spec) === wave));
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

/**
 * All at once, but of builtin nodes, each of which keeps a core busy while it starts, one per core. The first failure
 * ends the others, and is the one that is told.
 */
async function startAll(nodes: readonly ProcessNode[], options: StartOptions, began: number): Promise<void> {
  const failed = new AbortController();
  const signal =
    options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  let first: unknown;
  const start = async (node: ProcessNode): Promise<void> => {
    if (failed.signal.aborted) return;
    const tell = (state: StartProgress['state']): void =>
      options.onProgress?.({
        node: node.spec.name,
        state,
        pid: node.pid,
        elapsedMs: performance.now() - began,
      });
    try {
      await node.start(signal, () => tell('starting'));
      tell('ready');
    } catch (error) {
      first ??= error;
      failed.abort();
    }
  };
  const builtin = nodes.filter(({ engine }) => engine === 'builtin').values();
  const inTurn = async (): Promise<void> => {
    for (const node of builtin) await start(node);
  };
  await Promise.all([
    ...nodes.filter(({ engine }) => engine !== 'builtin').map(start),
    ...Array.from({ length: availableParallelism() }, inTurn),
  ]);
  if (first !== undefined) throw first;
}

const REGISTERED_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 15;

/** Resolves when every heartbeat has been answered once. */
async function registered(taps: readonly TcpTap[], { signal, mutants = [] }: StartOptions): Promise<void> {
  // A mutant's very defect may be that it does not register.
  const withinMs = mutants.length === 0 ? REGISTERED_WITHIN_MS : REGISTERED_WITHIN_MS / 5;
  const deadline = performance.now() + withinMs;
  for (const tap of taps.filter(({ carries }) => carries === 'system')) {
    while (tap.bytesDown === 0) {
      if (signal?.aborted) throw new LabError(LabErrorCode.Aborted, 'the start was interrupted');
      if (performance.now() > deadline && mutants.length > 0) return;
      if (performance.now() > deadline) {
        const message = `${tap.from} did not register with ${tap.to} in ${withinMs} ms`;
        throw new LabError(LabErrorCode.Timeout, message, { node: tap.from });
      }
      await delay(LOOK_EVERY_MS);
    }
  }
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
const NO_PROXIED_SRT = 'SRS answers SRT from 127.0.0.1, and not from the address at which a proxy asked it';

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
    this.capabilities = capabilitiesOf(topology);
    this.lacks = lacksOf(asked.topology, topology, options.openUdp ? NO_PROXIED_SRT : CLOSED_UDP);
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
