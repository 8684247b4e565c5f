/** Addresses for the nodes and taps of a cluster. Everything is on loopback (127.0.0.0/8). */
import { createSocket } from 'node:dgram';
import net from 'node:net';
import type { LinkProtocol, NodePorts } from './cluster.ts';
import { LabError, LabErrorCode } from './errors.ts';
import { isProxyFront, type NodeSpec, type Topology } from './topology.ts';

/** Every node has these three, used or not; UDP ports only who asks for them. */
export type ChosenPorts = NodePorts & Required<Pick<NodePorts, 'rtmp' | 'http' | 'api'>>;

export interface NodeAddress {
  readonly host: string;
  readonly ports: ChosenPorts;
}

export interface TapAddress {
  readonly from: string;
  readonly to: string;
  readonly carries: LinkProtocol;
  readonly host: string;
  readonly port: number;
}

export interface AddressPlan {
  readonly nodes: ReadonlyMap<string, NodeAddress>;
  readonly taps: readonly TapAddress[];
  /** By origin: the host that it registers. There the taps in front of it have the numbers of its own ports. */
  readonly aliases: ReadonlyMap<string, string>;
}

/**
 * How ports are chosen.
 * - `free`: nothing is promised, and two clusters never meet.
 * - `friendly`: every node has SRS's own ports where they are free, the front door on 127.0.0.1.
 * - a number: the front door has that port for RTMP, the next for HTTP, the next for its statistics or its API; every
 *   later node (in the order of the topology) begins 10 higher, with SRT, WebRTC and others behind these three. The
 *   start fails with `lab.port` when one is taken.
 */
export type PortChoice = 'free' | 'friendly' | number;

/** What SRS listens to by default (trunk/conf/full.conf). */
const USUAL: Required<NodePorts> = {
  ...{ rtmp: 1935, http: 8080, api: 1985, srt: 10080, rtc: 8000 },
  // seeds/001: PROXY_SYSTEM_API and PROXY_REDIS_PORT.
  ...{ system: 12025, redis: 6379 },
  // As HAProxy's own documentation has it.
  stats: 8404,
};
/** Behind a fixed base port. */
const OFFSET: Required<NodePorts> = {
  rtmp: 0,
  http: 1,
  api: 2,
  srt: 3,
  rtc: 4,
  system: 5,
  redis: 6,
  stats: 7,
};
const TCP_KINDS = ['rtmp', 'http', 'api'] as const;

/** Of the front door, where people come in. */
const FRONT_HOST = '127.0.0.1';

/** Nodes live in 127.1.0.0 - 127.15.255.255; clients that spread over loopback keep out of it, so that an address tells a node. */
const SUBNETS = { first: 1, count: 15 };
/** The subnet of a cluster with fixed or friendly ports, so that its URLs are the same every time. */
const FIXED_SUBNET = '127.1.0';
/** In the subnet of a cluster with free ports. */
const LOCK = { host: 254, port: 19_999 };
const FIRST_NODE = 1;
const FIRST_TAP = 101;

/** Below the range of ephemeral ports (32768), so that no outgoing connection takes a port while its node restarts. */
const RANDOM_PORTS = { first: 20_000, count: 12_000 };
const PORT_STEP = 10;
const ATTEMPTS = 50;

/** Addresses that were free a moment ago. Rejects with `lab.port`. */
export async function planAddresses(topology: Topology, choice: PortChoice): Promise<AddressPlan> {
  const subnet = choice === 'free' ? await ownSubnet() : FIXED_SUBNET;
  const door = frontDoor(topology, choice);
  const ordered = [...topology.nodes].sort((a, b) => rank(a, door) - rank(b, door));
  let tapHosts = 0;
  const nextTapHost = (): string => `${subnet}.${FIRST_TAP + tapHosts++}`;
  const taken: TakenUdp = new Set();
  const nodes = new Map<string, NodeAddress>();
  const aliases = new Map<string, string>();
  const taps: TapAddress[] = [];
  const tap = async (from: string, to: string, carries: LinkProtocol, index: number): Promise<void> => {
    const host = nextTapHost();
    const request = { name: `${from}>${to}`, hosts: [host], choice, index, kinds: [carries], taken };
    taps.push({ from, to, carries, host, port: (await choosePorts(request))[carries]! });
  };
  for (const [index, node] of ordered.entries()) {
    const { name, registersWith } = node;
    const host = door.includes(name) ? FRONT_HOST : `${subnet}.${FIRST_NODE + index}`;
    const alias = registersWith === undefined ? undefined : nextTapHost();
    const hosts = alias === undefined ? [host] : [host, alias];
    const ports = await choosePorts({ name, hosts, choice, index, kinds: kindsOf(node, topology), taken });
    nodes.set(name, { host, ports });
    for (const { to, carries } of linksFrom(node)) await tap(name, to, carries, index);
    if (node.reportsTo !== undefined) await tap(node.reportsTo, name, 'api', index);
    if (registersWith === undefined || alias === undefined) continue;
    aliases.set(name, alias);
    for (const carries of reachedBy(node))
      taps.push({ from: registersWith, to: name, carries, host: alias, port: ports[carries]! });
  }
  return { nodes, taps, aliases };
}

export interface Link {
  readonly to: string;
  readonly carries: LinkProtocol;
}

/**
 * Links that a node opens and that have a tap: from edges and masters, from an Nginx that asks over HTTP, from an origin
 * to those whom it asks and tells, and back from a stream manager. The balancer and an Nginx that spreads connections
 * have none: they are where clients come in. A proxy's are told by the origins that register with it.
 */
export function linksFrom({
  role,
  web,
  upstreams,
  coworkers = [],
  reportsTo,
  registersWith,
}: NodeSpec): Link[] {
  const over = (carries: LinkProtocol, ...names: readonly string[]): Link[] =>
    names.map((to) => ({ to, carries }));
  if (role === 'edge' || role === 'master') return over('rtmp', ...upstreams);
  if (role === 'web') return web === 'cache' || web === 'balancer' ? over('http', ...upstreams) : [];
  if (role !== 'origin') return [];
  return [
    ...over('api', ...new Set([...coworkers, ...(reportsTo === undefined ? [] : [reportsTo])])),
    ...(registersWith === undefined ? [] : over('system', registersWith)),
  ];
}

/** What a proxy connects to at an origin. */
export function reachedBy({ srt, rtc }: NodeSpec): LinkProtocol[] {
  return [...TCP_KINDS, ...(srt ? (['srt'] as const) : []), ...(rtc ? (['rtc'] as const) : [])];
}

/** Where people come in: the balancer; without one, a proxy, though not where clusters run beside each other. */
function frontDoor({ nodes }: Topology, choice: PortChoice): string[] {
  const balancers = nodes.filter(({ role }) => role === 'balancer');
  const proxies = choice === 'free' ? [] : nodes.filter(({ role }) => role === 'proxy').slice(0, 1);
  return (balancers.length > 0 ? balancers : proxies).map(({ name }) => name);
}

function rank({ name }: NodeSpec, door: readonly string[]): number {
  return door.includes(name) ? 0 : 1;
}

/** UDP ports of the nodes of one cluster all differ: SRS listens to its own on every address. */
type TakenUdp = Set<number>;

/**
 * UDP ports that clusters of this process were given last, whatever became of them: one that is still coming up does not
 * listen yet. Two SRS would both get the port of WebRTC (SO_REUSEADDR), and one of them no datagram.
 */
const givenUdp = new Set<number>();
/** Those of more clusters than come up at a time. */
const MOST_GIVEN = 1000;

/**
 * A subnet that no other cluster of this machine has: whoever listens at its lock has it, for as long as the process
 * lives.
 */
async function ownSubnet(): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const random = Math.floor(Math.random() * SUBNETS.count * 256);
    const subnet = `127.${SUBNETS.first + (random >> 8)}.${random & 255}`;
    const lock = net.createServer().unref();
    const free = await new Promise<boolean>((resolve) => {
      lock.once('error', () => resolve(false));
      lock.listen({ host: `${subnet}.${LOCK.host}`, port: LOCK.port, exclusive: true }, () => resolve(true));
    });
    if (free) return subnet;
  }
  throw new LabError(LabErrorCode.Port, `no free subnet of 127.0.0.0/8 found in ${ATTEMPTS} attempts`);
}

interface PortRequest {
  /** Of the node or the link, for errors. */
  readonly name: string;
  /** A port is to be free on all of them. */
  readonly hosts: readonly string[];
  readonly choice: PortChoice;
  readonly index: number;
  readonly kinds: readonly (keyof NodePorts)[];
  /** Grows by the UDP ports that are chosen. */
  readonly taken: TakenUdp;
}

async function choosePorts({ name, hosts, choice, index, kinds, taken }: PortRequest): Promise<ChosenPorts> {
  const ports: NodePortsInMaking = { rtmp: USUAL.rtmp, http: USUAL.http, api: USUAL.api };
  if (typeof choice === 'number') {
    const base = choice + index * PORT_STEP;
    for (const kind of [...TCP_KINDS, ...kinds]) ports[kind] = base + OFFSET[kind];
    for (const kind of kinds) {
      const port = ports[kind]!;
      if (await isFreeFor(kind, hosts, port)) continue;
      throw new LabError(LabErrorCode.Port, `${hosts[0]}:${port} is taken; choose another base port`, {
        node: name,
      });
    }
    return ports;
  }
  const mayBeUsual = choice === 'friendly' || hosts[0] !== FRONT_HOST;
  const own = new Set<number>();
  for (const kind of kinds) {
    const others = isUdp(kind) ? new Set([...own, ...taken, ...(choice === 'free' ? givenUdp : [])]) : own;
    const isUsual =
      mayBeUsual &&
      (choice === 'friendly' || !isUdp(kind)) &&
      !others.has(USUAL[kind]) &&
      (await isFreeFor(kind, hosts, USUAL[kind]));
    const port = isUsual ? USUAL[kind] : await randomPort(name, kind, hosts, others);
    ports[kind] = port;
    own.add(port);
    if (isUdp(kind)) give(port, taken);
  }
  return ports;
}

function give(port: number, taken: TakenUdp): void {
  taken.add(port);
  givenUdp.add(port);
  const [oldest] = givenUdp;
  if (givenUdp.size > MOST_GIVEN) givenUdp.delete(oldest!);
}

type NodePortsInMaking = { -readonly [kind in keyof ChosenPorts]: ChosenPorts[kind] };

export function kindsOf(node: NodeSpec, topology: Topology): (keyof NodePorts)[] {
  const { role } = node;
  if (role === 'redis') return [...TCP_KINDS, 'redis'];
  // A proxy has all of its ports, whatever its origins have.
  if (role === 'proxy') return [...TCP_KINDS, 'srt', 'rtc', 'system'];
  if (isProxyFront(node, topology)) return [...TCP_KINDS, 'system', 'stats'];
  return reachedBy(node);
}

async function randomPort(
  name: string,
  kind: keyof NodePorts,
  hosts: readonly string[],
  taken: ReadonlySet<number>,
): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = RANDOM_PORTS.first + Math.floor(Math.random() * RANDOM_PORTS.count);
    if (!taken.has(port) && (await isFreeFor(kind, hosts, port))) return port;
  }
  throw new LabError(LabErrorCode.Port, `no free port found on ${hosts[0]} in ${ATTEMPTS} attempts`, {
    node: name,
  });
}

function isUdp(kind: keyof NodePorts): boolean {
  return kind === 'srt' || kind === 'rtc';
}

async function isFreeFor(kind: keyof NodePorts, hosts: readonly string[], port: number): Promise<boolean> {
  // SRS listens to UDP on every address.
  if (isUdp(kind)) return isFreeUdp('0.0.0.0', port);
  for (const host of hosts) if (!(await isFree(host, port))) return false;
  return true;
}

/** Whether a UDP socket could be bound there now. */
export function isFreeUdp(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}

/** Whether a listener could be bound there now. */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
