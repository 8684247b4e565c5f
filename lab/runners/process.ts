/** Runner `process`: every node is a child process on loopback, every link from an edge goes through a tap of ours. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { HttpNodeApi } from '../api.ts';
import type { BuiltinConfig } from '../builtin/config.ts';
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
import { type AddressPlan, type PortChoice, planAddresses } from '../ports.ts';
import { renderHaproxy } from '../render/haproxy.ts';
import { renderSrs } from '../render/srs.ts';
import { TcpTap } from '../taps/tcp-tap.ts';
import type { EngineName, EntryProtocol, EntrySpec, MediaSettings, NodeSpec, Topology } from '../topology.ts';
import { balancerReady } from './balancer.ts';
import { findProgram, isExecutable } from './find-program.ts';
import { type Launch, ProcessNode } from './process-node.ts';
import { mediaNodeReady } from './readiness.ts';

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
  /** Aborting while the cluster starts takes down what was started. It does nothing later. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StartProgress) => void;
}

/** What a node needs beside its connections: logs, listeners, upstreams, libraries. */
const SPARE_FILES = 500;
/** Enough for every load that two cores carry; SRS's own default of 1000 is not. */
const WANTED_CONNECTIONS = 15_000;

const DEFAULT_SETTINGS: Omit<MediaSettings, 'maxConnections'> = {
  mergedWriteMs: 350,
  queueSeconds: 30,
  gopCache: true,
  hls: { fragmentSeconds: 10, windowSeconds: 60, sessions: true },
};

const BUILTIN_MAIN = fileURLToPath(new URL('../builtin/main.ts', import.meta.url));

/**
 * Brings a cluster up. Resolves when every node answered a real request and the balancer sees every edge.
 * Rejects with a LabError that names the node and carries its last lines; nothing is left running then.
 * Call it on the main thread: the nodes die with the thread that started them.
 */
export async function startCluster(options: StartOptions): Promise<Cluster> {
  const { topology } = options;
  checkPrograms(options);
  checkMutants(options);
  const runDir = path.resolve(options.runDir);
  mkdirSync(runDir, { recursive: true });
  const plan = await planAddresses(topology, options.basePort ?? options.ports ?? 'free');
  const taps = plan.taps.map(
    ({ from, to, host, port }) =>
      new TcpTap({
        from,
        to,
        listen: { host, port },
        target: { host: addressOf(plan, to).host, port: addressOf(plan, to).ports.rtmp },
        localAddress: addressOf(plan, from).host,
      }),
  );
  const nodes = new Map<string, ProcessNode>();
  for (const spec of topology.nodes)
    nodes.set(spec.name, new ProcessNode(launchOf(spec, options, plan, runDir)));
  const cluster = new ProcessCluster(options, nodes, taps);
  try {
    await Promise.all(taps.map((tap) => tap.listen()));
    await startAll([...nodes.values()], options);
  } catch (error) {
    await cluster.down();
    throw error;
  }
  return cluster;
}

/** All at once. The first failure ends the others, and is the one that is told. */
async function startAll(nodes: readonly ProcessNode[], options: StartOptions): Promise<void> {
  const began = performance.now();
  const failed = new AbortController();
  const signal =
    options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  let first: unknown;
  const starts = nodes.map(async (node) => {
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
  });
  await Promise.all(starts);
  if (first !== undefined) throw first;
}

/** Of a process that this process starts: Node raises its own limit to the hard one, and hands it on. */
export function openFilesLimit(): number {
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
  return limit === undefined || limit === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(limit);
}

function mediaSettings(options: StartOptions): MediaSettings {
  const maxConnections = Math.min(WANTED_CONNECTIONS, openFilesLimit() - SPARE_FILES);
  return { ...DEFAULT_SETTINGS, maxConnections, ...options.settings };
}

function patienceOf({ engine, patience }: StartOptions): Patience {
  return engine === 'builtin' && patience !== undefined ? patience : SRS_PATIENCE;
}

/** HAProxy holds two sockets per connection, and refuses to start when it could run out. */
function balancerConnections(): number {
  return Math.min(WANTED_CONNECTIONS, Math.floor((openFilesLimit() - SPARE_FILES) / 2));
}

function checkPrograms(options: StartOptions): void {
  if (options.engine === 'srs') {
    if (options.srsPath === undefined) {
      throw new LabError(LabErrorCode.Program, "engine 'srs' needs the path of an srs binary");
    }
    if (!isExecutable(options.srsPath)) {
      throw new LabError(LabErrorCode.Program, `${options.srsPath} is not a program that can be executed`);
    }
  }
  if (
    options.topology.nodes.some((node) => node.role === 'balancer') &&
    findProgram('haproxy') === undefined
  ) {
    throw new LabError(LabErrorCode.Program, 'haproxy is not installed; `npm run setup` tells how');
  }
}

function checkMutants({ engine, mutants = [] }: StartOptions): void {
  const foreign = mutants.filter((id) => engine !== 'builtin' && MUTANTS[id].role !== 'balancer');
  if (foreign.length > 0) {
    throw new LabError(
      LabErrorCode.Unknown,
      `only builtin nodes have mutants; engine '${engine}' has no ${foreign}`,
    );
  }
}

function addressOf(plan: AddressPlan, node: string): { host: string; ports: Required<Launch['ports']> } {
  const address = plan.nodes.get(node);
  if (address === undefined) throw new LabError(LabErrorCode.Unknown, `there is no node '${node}'`);
  return address;
}

function launchOf(spec: NodeSpec, options: StartOptions, plan: AddressPlan, runDir: string): Launch {
  const { host, ports } = addressOf(plan, spec.name);
  const common = { spec, host, ports, directory: runDir, logFile: path.join(runDir, `${spec.name}.log`) };
  if (spec.role === 'web') throw new LabError(LabErrorCode.Unknown, `${spec.name}: Nginx cannot be run yet`);
  if (spec.role === 'balancer') {
    return { ...common, engine: 'haproxy', ...balancer(spec, options, plan, runDir) };
  }
  const answers = (pid: number): Promise<void> => mediaNodeReady(host, ports, pid);
  return { ...common, engine: options.engine, answers, ...media(spec, spec.role, options, plan, runDir) };
}

function media(
  spec: NodeSpec,
  role: BuiltinConfig['role'],
  options: StartOptions,
  plan: AddressPlan,
  runDir: string,
): Pick<Launch, 'program' | 'args'> {
  const { host, ports } = addressOf(plan, spec.name);
  const upstreams = plan.taps.filter((tap) => tap.from === spec.name);
  const settings = mediaSettings(options);
  const listeners = { name: spec.name, host, rtmpPort: ports.rtmp, httpPort: ports.http, apiPort: ports.api };
  if (options.engine === 'srs') {
    const origins = upstreams.map((tap) => `${tap.host}:${tap.port}`);
    const file = path.join(runDir, `${spec.name}.conf`);
    const logFile = path.join(runDir, `${spec.name}.log`);
    writeFileSync(file, renderSrs({ ...listeners, origins, settings, directory: runDir, logFile }));
    return { program: path.resolve(options.srsPath!), args: ['-c', file] };
  }
  const patience = patienceOf(options);
  const config: BuiltinConfig = {
    ...listeners,
    role,
    origins: upstreams.map((tap) => {
      const origin = addressOf(plan, tap.to);
      return { host: tap.host, port: tap.port, api: `http://${origin.host}:${origin.ports.api}` };
    }),
    settings,
    timeouts: { handshake: patience.rtmpHandshake, httpRequest: patience.httpRequest },
    mutants: (options.mutants ?? []).filter((id) => ['media', role].includes(MUTANTS[id].role)),
  };
  return {
    program: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), BUILTIN_MAIN, JSON.stringify(config)],
  };
}

function balancer(
  spec: NodeSpec,
  options: StartOptions,
  plan: AddressPlan,
  runDir: string,
): Pick<Launch, 'program' | 'args' | 'answers'> {
  const { host, ports } = addressOf(plan, spec.name);
  const servers = spec.upstreams.map((name) => {
    const edge = addressOf(plan, name);
    return {
      name,
      host: edge.host,
      rtmpPort: edge.ports.rtmp,
      httpPort: edge.ports.http,
      apiPort: edge.ports.api,
    };
  });
  const known = options.mutants?.includes('balancer-one-server') ? servers.slice(0, 1) : servers;
  const file = path.join(runDir, `${spec.name}.cfg`);
  writeFileSync(
    file,
    renderHaproxy({
      host,
      rtmpPort: ports.rtmp,
      httpPort: ports.http,
      statsPort: ports.api,
      servers: known,
      maxConnections: balancerConnections(),
      threads: Math.min(2, os.availableParallelism()),
    }),
  );
  return {
    program: findProgram('haproxy')!,
    args: ['-db', '-f', file],
    answers: (pid) => balancerReady(host, ports.api, pid, known.length),
  };
}

class ProcessCluster implements Cluster {
  readonly topology: Topology;
  readonly engine: EngineName;
  readonly patience: Patience;
  readonly capabilities: ReadonlySet<Capability>;
  readonly entries: readonly Entry[];
  readonly nodes: ReadonlyMap<string, ProcessNode>;
  readonly taps: readonly TcpTap[];
  #down: Promise<void> | undefined;

  constructor(options: StartOptions, nodes: ReadonlyMap<string, ProcessNode>, taps: readonly TcpTap[]) {
    const { topology } = options;
    this.topology = topology;
    this.engine = options.engine;
    this.patience = patienceOf(options);
    this.nodes = nodes;
    this.taps = taps;
    this.entries = topology.entries.map((spec) => entryOf(spec, this.#node(spec.node)));
    const capabilities: Capability[] = [
      'publish.rtmp',
      'play.rtmp',
      'play.flv',
      'observe.upstream',
      'observe.api',
      'control.process',
    ];
    const hasBalancer = topology.nodes.some((node) => node.role === 'balancer');
    this.capabilities = new Set(hasBalancer ? [...capabilities, 'balancer'] : capabilities);
  }

  api(node: string): NodeApi {
    const { spec, host, ports } = this.#node(node);
    if (spec.role === 'balancer')
      throw new LabError(LabErrorCode.Unknown, `${node} has no media API`, { node });
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

  /** Clients' side first, so that no node is blamed for the end of another. */
  async #takeDown(): Promise<void> {
    for (const role of ['balancer', 'edge', 'origin'] as const) {
      const nodes = [...this.nodes.values()].filter((node) => node.spec.role === role);
      await Promise.all(nodes.map((node) => node.kill()));
    }
    await Promise.all(this.taps.map((tap) => tap.close()));
  }

  #node(name: string): ProcessNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new LabError(LabErrorCode.Unknown, `there is no node '${name}'`);
    return node;
  }
}

function entryOf(spec: EntrySpec, node: ProcessNode): Entry {
  const { host, ports } = node;
  const port = spec.protocol === 'rtmp' ? ports.rtmp : spec.protocol === 'api' ? ports.api : ports.http;
  const scheme = spec.protocol === 'rtmp' ? 'rtmp' : 'http';
  const path = spec.path ?? PATHS[spec.protocol];
  return {
    ...spec,
    host,
    port,
    url: (app, stream) =>
      `${scheme}://${host}:${port}${path.replace('{app}', app).replace('{stream}', stream)}`,
  };
}

/** Where a stream is, unless its entry says something else. */
const PATHS: Record<EntryProtocol, string> = {
  rtmp: '/{app}/{stream}',
  flv: '/{app}/{stream}.flv',
  api: '/api/v1/versions',
  hls: '/{app}/{stream}.m3u8',
  dash: '/{app}/{stream}.mpd',
  stat: '/stat',
  vod: '/{app}/{stream}.flv',
};
