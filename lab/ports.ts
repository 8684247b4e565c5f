/** Addresses for the nodes and taps of a cluster. Everything is on loopback (127.0.0.0/8). */
import { createSocket } from 'node:dgram';
import net from 'node:net';
import type { NodePorts } from './cluster.ts';
import { LabError, LabErrorCode } from './errors.ts';
import type { NodeSpec, Topology } from './topology.ts';

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

/** What passes on a link; it leads to that port of the node. */
export type LinkProtocol = 'rtmp' | 'http';

export interface AddressPlan {
  readonly nodes: ReadonlyMap<string, NodeAddress>;
  readonly taps: readonly TapAddress[];
}

/**
 * How ports are chosen.
 * - `free`: nothing is promised, and two clusters never meet.
 * - `friendly`: every node has SRS's own ports where they are free, the balancer on 127.0.0.1.
 * - a number: the balancer has that port for RTMP, the next for HTTP, the next for its statistics; every later node
 *   (in the order of the topology) begins 10 higher, with SRT and WebRTC behind these three. The start fails with `lab.port` when one is taken.
 */
export type PortChoice = 'free' | 'friendly' | number;

/** What SRS listens to by default (trunk/conf/full.conf). */
const USUAL: Required<NodePorts> = {
  ...{ rtmp: 1935, http: 8080, api: 1985, srt: 10080, rtc: 8000 },
  // seeds/001: PROXY_SYSTEM_API and PROXY_REDIS_PORT.
  ...{ system: 12025, redis: 6379 },
};
/** Behind a fixed base port. */
const OFFSET: Required<NodePorts> = { rtmp: 0, http: 1, api: 2, srt: 3, rtc: 4, system: 5, redis: 6 };
const TCP_KINDS = ['rtmp', 'http', 'api'] as const;

/** The balancer is where people come in. */
const BALANCER_HOST = '127.0.0.1';

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
  const nodes = new Map<string, NodeAddress>();
  const taps: TapAddress[] = [];
  const ordered = [...topology.nodes].sort((a, b) => rank(a.role) - rank(b.role));
  for (const [index, node] of ordered.entries()) {
    const host = node.role === 'balancer' ? BALANCER_HOST : `${subnet}.${FIRST_NODE + index}`;
    nodes.set(node.name, { host, ports: await choosePorts(node.name, host, choice, index, kindsOf(node)) });
    const carries = tapped(node);
    if (carries === undefined) continue;
    for (const to of node.upstreams) {
      const tapHost = `${subnet}.${FIRST_TAP + taps.length}`;
      const ports = await choosePorts(`${node.name}>${to}`, tapHost, choice, index, [carries]);
      taps.push({ from: node.name, to, carries, host: tapHost, port: ports[carries] });
    }
  }
  return { nodes, taps };
}

/**
 * Links that have a tap: from edges and masters, and from an Nginx that asks over HTTP. The balancer has none: it is
 * where clients come in, and it looks at its servers all the time.
 */
function tapped({ role, web }: NodeSpec): LinkProtocol | undefined {
  if (role === 'edge' || role === 'master') return 'rtmp';
  return role === 'web' && web !== 'files' ? 'http' : undefined;
}

function rank(role: string): number {
  return role === 'balancer' ? 0 : 1;
}

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

async function choosePorts(
  name: string,
  host: string,
  choice: PortChoice,
  index: number,
  kinds: readonly (keyof NodePorts)[],
): Promise<ChosenPorts> {
  const ports: NodePortsInMaking = { rtmp: USUAL.rtmp, http: USUAL.http, api: USUAL.api };
  if (typeof choice === 'number') {
    const base = choice + index * PORT_STEP;
    for (const kind of [...TCP_KINDS, ...kinds]) ports[kind] = base + OFFSET[kind];
    for (const kind of kinds) {
      if (!(await isFreeFor(kind, host, ports[kind]!))) {
        throw new LabError(LabErrorCode.Port, `${host}:${ports[kind]} is taken; choose another base port`, {
          node: name,
        });
      }
    }
    return ports;
  }
  const usual = choice === 'friendly' || host !== BALANCER_HOST;
  const taken = new Set<number>();
  for (const kind of kinds) {
    const mayBeUsual = usual && (choice === 'friendly' || !isUdp(kind));
    const isUsual = mayBeUsual && (await isFreeFor(kind, host, USUAL[kind]));
    const port = isUsual ? USUAL[kind] : await randomPort(name, kind, host, taken);
    ports[kind] = port;
    taken.add(port);
  }
  return ports;
}

type NodePortsInMaking = { -readonly [kind in keyof ChosenPorts]: ChosenPorts[kind] };

function kindsOf({ srt, rtc }: NodeSpec): (keyof NodePorts)[] {
  return [...TCP_KINDS, ...(srt ? (['srt'] as const) : []), ...(rtc ? (['rtc'] as const) : [])];
}

async function randomPort(
  name: string,
  kind: keyof NodePorts,
  host: string,
  taken: ReadonlySet<number>,
): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = RANDOM_PORTS.first + Math.floor(Math.random() * RANDOM_PORTS.count);
    if (!taken.has(port) && (await isFreeFor(kind, host, port))) return port;
  }
  throw new LabError(LabErrorCode.Port, `no free port found on ${host} in ${ATTEMPTS} attempts`, {
    node: name,
  });
}

function isUdp(kind: keyof NodePorts): boolean {
  return kind === 'srt' || kind === 'rtc';
}

function isFreeFor(kind: keyof NodePorts, host: string, port: number): Promise<boolean> {
  // SRS listens to UDP on every address.
  return isUdp(kind) ? isFreeUdp('0.0.0.0', port) : isFree(host, port);
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
