/** Runner `external`: a cluster that runs already. It is used and watched, and controlled only where that is allowed. */
import { isIP } from 'node:net';
import path from 'node:path';
import { HttpNodeApi } from '../api.ts';
import {
  type Capability,
  type Cluster,
  type Entry,
  type KilledNode,
  type NodeApi,
  type NodePorts,
  type Patience,
  SRS_PATIENCE,
} from '../cluster.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import { NginxRtmpApi } from '../nginx-stat.ts';
import {
  type EngineName,
  enginesOf,
  isMediaRole,
  type MediaSettings,
  type NodeSpec,
  type Topology,
} from '../topology.ts';
import { capabilitiesOf } from './capabilities.ts';
import { runCommand } from './command.ts';
import { entryOf, portOf } from './entry.ts';
import { CONTROLS, type Control, ExternalNode } from './external-node.ts';
import { hostsOf, type Target, type TargetNode, topologyOf } from './target.ts';

export interface ExternalOptions {
  readonly target: Target;
  /** Commands of the file run here. Default the working directory. */
  readonly directory?: string;
  /** Kills, freezes, restarts, kicks and floods. Default false. */
  readonly allowDisruption?: boolean;
  /** What checks take the settings of the media nodes to be; what is of other settings is left out. Default whatever. */
  readonly expected?: Partial<MediaSettings>;
  readonly signal?: AbortSignal;
  /** Media of WebRTC may come from beyond loopback. Default false. */
  readonly allowRemote?: boolean;
  /** Where clients may be led, beside the hosts of the file. Default none. */
  readonly allowHosts?: readonly string[];
  /** Of a cluster that is ours after all: who can do more than its file says. */
  readonly owner?: Owner;
}

export interface Owner {
  /** How long it may take to come up. ms. */
  readonly readyWithinMs: number;
  /** What its kill leaves behind. */
  readonly killed: KilledNode;
  /** Instead of the commands of the file. */
  controls(node: string): Readonly<Partial<Record<Control, () => Promise<void>>>>;
  /** Of the node's process on this machine; 0 where that cannot be told. */
  pid(node: string): number;
  /** Where the node's log can be read; empty where it cannot. */
  logFile(node: string): string;
  versions(): Promise<Readonly<Record<string, string>>>;
  down(): Promise<void>;
}

/** A node that does not answer now is a mistake in the file more often than a slow start. */
const MEET_WITHIN_MS = 5000;
const NOT_ALLOWED = '--allow-disruption was not said';

/** Resolves when every node has answered; rejects with a LabError that names one that does not. */
export async function attachExternal(options: ExternalOptions): Promise<Cluster> {
  const cluster = new ExternalCluster(options);
  const withinMs = options.owner?.readyWithinMs ?? MEET_WITHIN_MS;
  await Promise.all([...cluster.nodes.values()].map((node) => node.meet(withinMs, options.signal)));
  return cluster;
}

/** Of clusters that are not of the lab: SRS where it can play the topology. */
export function usualEngine(topology: Topology): EngineName {
  const engines = enginesOf(topology);
  return engines.includes('srs') ? 'srs' : engines[0]!;
}

class ExternalCluster implements Cluster {
  readonly topology: Topology;
  readonly engine: EngineName;
  readonly patience: Patience;
  readonly killed: KilledNode;
  readonly capabilities: ReadonlySet<Capability>;
  readonly lacks: ReadonlyMap<Capability, string>;
  readonly protectedBy?: string;
  readonly leadsAway: boolean;
  readonly leadsTo: readonly string[];
  readonly entries: readonly Entry[];
  readonly nodes: ReadonlyMap<string, ExternalNode>;
  readonly taps = [];
  readonly udpTaps = [];
  readonly #apis = new Map<string, NodeApi>();
  readonly #mayKick: boolean;
  readonly #owner: Owner | undefined;

  constructor(options: ExternalOptions) {
    const { target, allowDisruption = false } = options;
    const topology = topologyOf(target);
    this.engine = target.engine ?? usualEngine(topology);
    this.patience = target.patience ?? SRS_PATIENCE;
    this.killed = options.owner?.killed ?? target.killed ?? 'refuses';
    this.#mayKick = allowDisruption;
    this.#owner = options.owner;
    this.leadsAway = options.allowRemote === true;
    this.leadsTo = [...hostsOf(target), ...(options.allowHosts ?? [])];
    if (!allowDisruption) this.protectedBy = NOT_ALLOWED;
    this.nodes = new Map(target.nodes.map((node) => [node.name, this.#nodeOf(node, topology, options)]));
    this.entries = entriesOf(target, topology);
    this.topology = { ...topology, entries: this.entries };
    this.lacks = lacksOf(target, this.topology, options);
    this.capabilities = new Set(
      [...capabilitiesOf(this.topology)].filter((capability) => !this.lacks.has(capability)),
    );
  }

  api(node: string): NodeApi {
    const api = this.#apis.get(node);
    if (api !== undefined) return api;
    const why = this.nodes.has(node) ? 'the file gives no API port of it' : 'it is not in the file';
    throw new LabError(LabErrorCode.Absent, `${node} has no HTTP API that is known: ${why}`, { node });
  }

  entry(use: Entry['use'], protocol: Entry['protocol'], node?: string): Entry {
    const found = this.entries.find(
      (entry) =>
        entry.use === use && entry.protocol === protocol && (node === undefined || entry.node === node),
    );
    if (found !== undefined) return found;
    const where = node === undefined ? '' : ` at ${node}`;
    throw new LabError(LabErrorCode.Absent, `the file has no entry to ${use} ${protocol}${where}`);
  }

  async versions(): Promise<Readonly<Record<string, string>>> {
    if (this.#owner !== undefined) return this.#owner.versions();
    const first = [...this.nodes.values()].find(
      ({ spec }) => isMediaRole(spec.role) && this.#apis.has(spec.name),
    );
    if (first === undefined) return {};
    const { version } = await this.api(first.spec.name).versions();
    return { [this.engine]: version };
  }

  /**
   * What a check left frozen goes on. Without an owner it is not ours to take down: what was left dead is started again, and
   * this rejects for the first that does not go on.
   */
  async down(): Promise<void> {
    let failure: unknown;
    const note = (error: unknown): void => {
      failure ??= error;
    };
    for (const node of this.nodes.values()) await node.thaw().catch(note);
    if (this.#owner !== undefined) return this.#owner.down();
    for (const node of this.nodes.values()) await node.revive().catch(note);
    if (failure !== undefined) throw failure;
  }

  #nodeOf(
    node: TargetNode,
    topology: Topology,
    { directory, allowDisruption, owner }: ExternalOptions,
  ): ExternalNode {
    const spec = topology.nodes.find(({ name }) => name === node.name)!;
    const { name, host, ports } = node;
    const isMedia = isMediaRole(spec.role);
    const plain = tellsOfItself(spec, topology) ? apiOf(node, isMedia, this.engine) : undefined;
    const commands = allowDisruption === true ? (node.controls ?? {}) : {};
    const external = new ExternalNode({
      spec,
      engine: isMedia ? this.engine : spec.role,
      host,
      ports,
      addresses: node.addresses ?? [],
      logFile: owner?.logFile(name) ?? '',
      ...(plain === undefined ? {} : { api: plain }),
      controls: owner === undefined ? controlsOf(commands, directory) : owner.controls(name),
      ...(owner === undefined ? {} : { pid: () => owner.pid(name) }),
      whyNot: (control) =>
        node.controls?.[control] === undefined ? `has no control to ${control} it in the file` : NOT_ALLOWED,
    });
    if (plain !== undefined) this.#apis.set(name, this.#guarded(name, plain, external));
    return external;
  }

  /** An API that notices when another process answers, and that kicks nobody unless it may. */
  #guarded(name: string, api: NodeApi, node: ExternalNode): NodeApi {
    return {
      versions: async () => {
        await node.isItself();
        return api.versions();
      },
      clients: () => api.clients(),
      streams: () => api.streams(),
      kick: async (id) => {
        if (!this.#mayKick) {
          throw new LabError(LabErrorCode.Absent, `nobody is kicked from ${name}: ${NOT_ALLOWED}`);
        }
        return api.kick(id);
      },
    };
  }
}

/** An HAProxy or Nginx has no API of the form of SRS, but for the one that passes on that of the proxies behind it. */
function tellsOfItself({ name, role }: NodeSpec, { entries }: Topology): boolean {
  if (isMediaRole(role) || role === 'proxy' || role === 'stream-manager') return true;
  return entries.some(({ node, protocol }) => node === name && protocol === 'api');
}

function controlsOf(
  commands: NonNullable<TargetNode['controls']>,
  directory: string | undefined,
): Partial<Record<Control, () => Promise<void>>> {
  // Whoever interrupts the gate does not interrupt them: what they do is known when they have ended.
  const how = { apart: true, ...(directory === undefined ? {} : { cwd: path.resolve(directory) }) };
  return Object.fromEntries(
    CONTROLS.flatMap((control): [Control, () => Promise<void>][] => {
      const command = commands[control];
      return command === undefined ? [] : [[control, () => runCommand(command, how).then(() => {})]];
    }),
  );
}

function apiOf({ name, host, ports }: TargetNode, isMedia: boolean, engine: EngineName): NodeApi | undefined {
  if (isMedia && engine === 'nginx-rtmp') {
    return ports.http === undefined ? undefined : new NginxRtmpApi(name, host, ports.http);
  }
  return ports.api === undefined ? undefined : new HttpNodeApi(name, host, ports.api);
}

/** Those of the file, and behind them those of the topology whose nodes have the port. */
function entriesOf(target: Target, topology: Topology): Entry[] {
  const own = (target.entries ?? []).map(({ node, use, protocol, url }): Entry => {
    const { hostname, port } = new URL(url);
    return {
      node,
      use,
      protocol,
      host: hostname,
      port: Number(port) || USUAL_PORT[protocol] || 80,
      url: (app, stream) => url.replaceAll('{app}', app).replaceAll('{stream}', stream),
    };
  });
  const usual = topology.entries.flatMap((spec) => {
    const at: { readonly host: string; readonly ports: NodePorts } = target.nodes.find(
      ({ name }) => name === spec.node,
    )!;
    return at.ports[portOf(spec.protocol)] === undefined ? [] : [entryOf(spec, at)];
  });
  const isOwn = ({ node, use, protocol }: Entry): boolean =>
    own.some((entry) => entry.node === node && entry.use === use && entry.protocol === protocol);
  return [...own, ...usual.filter((entry) => !isOwn(entry))];
}

const USUAL_PORT: Readonly<Record<string, number>> = { rtmp: 1935, srt: 10080 };

/** Nobody stands on the links of a cluster that somebody else started. */
const NO_TAPS = 'without a tap of ours on its links nobody sees their connections come and go';

/** What a cluster of this shape can, and this one cannot; why. */
function lacksOf(
  target: Target,
  topology: Topology,
  { allowDisruption = false, expected = {}, owner }: ExternalOptions,
): Map<Capability, string> {
  const lacks = new Map<Capability, string>([
    ['observe.upstream', NO_TAPS],
    ['observe.requests', NO_TAPS],
    ['reaches.checks', 'its nodes do not reach what a check listens to on loopback'],
  ]);
  const hasControls =
    owner !== undefined ||
    target.nodes.some(({ controls }) => controls?.kill !== undefined || controls?.freeze !== undefined);
  if (!hasControls) lacks.set('control.process', 'the file has no controls');
  else if (!allowDisruption) lacks.set('control.process', NOT_ALLOWED);
  const blind = blindness(target, topology);
  if (blind !== undefined) lacks.set('observe.pulls', blind);
  for (const [setting, capabilities] of SETTING_OF) {
    const wanted = expected[setting];
    const told = target.settings?.[setting];
    if (wanted === undefined || same(wanted, told)) continue;
    const says =
      told === undefined ? 'the file does not say that it has them' : `the file says ${words(told)}`;
    for (const capability of capabilities) {
      lacks.set(capability, `its checks are for settings.${setting} ${words(wanted)}; ${says}`);
    }
  }
  return lacks;
}

const SETTING_OF: readonly (readonly ['hls' | 'srt' | 'rtc', readonly Capability[]])[] = [
  ['hls', ['play.hls', 'play.dash']],
  ['srt', ['publish.srt', 'play.srt']],
  ['rtc', ['publish.webrtc', 'play.webrtc']],
];

function same(wanted: object, told: object | undefined): boolean {
  const has = new Map(Object.entries(told ?? {}));
  return told !== undefined && Object.entries(wanted).every(([key, value]) => has.get(key) === value);
}

/** Secrets are not for reports. */
function words(settings: object): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} ${key === 'passphrase' ? '(one)' : value}`)
    .join(', ');
}

/** Why the pulls of edges cannot be told apart from what else the API of an origin shows; undefined when they can. */
function blindness({ nodes }: Target, topology: Topology): string | undefined {
  const edges = nodes.filter(
    ({ name }) => topology.nodes.find((spec) => spec.name === name)?.role === 'edge',
  );
  const without = edges.filter(({ addresses = [] }) => addresses.length === 0);
  if (without.length > 0) {
    return `the file does not say from which addresses ${without.map(({ name }) => name).join(', ')} fetch`;
  }
  const owner = new Map<string, string>();
  for (const { name, addresses = [] } of nodes) {
    for (const address of addresses) {
      const other = owner.get(address);
      if (other !== undefined) return `${other} and ${name} come from the same address, ${address}`;
      owner.set(address, name);
    }
  }
  const strange = [...owner.keys()].find((address) => isIP(address) === 0);
  return strange === undefined ? undefined : `${strange} is no address`;
}
