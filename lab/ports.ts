/** Addresses for the nodes and taps of a cluster. Everything is on loopback (127.0.0.0/8). */
import net from 'node:net';
import type { NodePorts } from './cluster.ts';
import { LabError, LabErrorCode } from './errors.ts';
import type { NodeSpec, Topology } from './topology.ts';

export interface NodeAddress {
  readonly host: string;
  readonly ports: Required<NodePorts>;
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
 *   (in the order of the topology) begins 10 higher. The start fails with `lab.port` when one is taken.
 */
export type PortChoice = 'free' | 'friendly' | number;

/** What SRS listens to by default (trunk/conf/full.conf): RTMP, HTTP server, HTTP API. */
const USUAL: Required<NodePorts> = { rtmp: 1935, http: 8080, api: 1985 };

/** The balancer is where people come in. */
const BALANCER_HOST = '127.0.0.1';

/** Nodes live in 127.1.0.0 - 127.15.255.255; clients that spread over loopback keep out of it, so that an address tells a node. */
const SUBNETS = { first: 1, count: 15 };
/** The subnet of a cluster with fixed or friendly ports, so that its URLs are the same every time. */
const FIXED_SUBNET = '127.1.0';
const FIRST_NODE = 1;
const FIRST_TAP = 101;

/** Below the range of ephemeral ports (32768), so that no outgoing connection takes a port while its node restarts. */
const RANDOM_PORTS = { first: 20_000, count: 12_000 };
const PORT_STEP = 10;
const ATTEMPTS = 50;

/** Addresses that were free a moment ago. Rejects with `lab.port`. */
export async function planAddresses(topology: Topology, choice: PortChoice): Promise<AddressPlan> {
  const subnet = choice === 'free' ? randomSubnet() : FIXED_SUBNET;
  const nodes = new Map<string, NodeAddress>();
  const taps: TapAddress[] = [];
  const ordered = [...topology.nodes].sort((a, b) => rank(a.role) - rank(b.role));
  for (const [index, node] of ordered.entries()) {
    const host = node.role === 'balancer' ? BALANCER_HOST : `${subnet}.${FIRST_NODE + index}`;
    nodes.set(node.name, { host, ports: await choosePorts(node.name, host, choice, index) });
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

function randomSubnet(): string {
  const random = Math.floor(Math.random() * SUBNETS.count * 256);
  return `127.${SUBNETS.first + (random >> 8)}.${random & 255}`;
}

async function choosePorts(
  name: string,
  host: string,
  choice: PortChoice,
  index: number,
  kinds: readonly (keyof NodePorts)[] = ['rtmp', 'http', 'api'],
): Promise<Required<NodePorts>> {
  if (typeof choice === 'number') {
    const base = choice + index * PORT_STEP;
    const fixed = { rtmp: base, http: base + 1, api: base + 2 };
    for (const kind of kinds) {
      if (!(await isFree(host, fixed[kind]))) {
        throw new LabError(LabErrorCode.Port, `${host}:${fixed[kind]} is taken; choose another base port`, {
          node: name,
        });
      }
    }
    return fixed;
  }
  const usual = choice === 'friendly' || host !== BALANCER_HOST;
  const ports = { ...USUAL };
  const taken = new Set<number>();
  for (const kind of kinds) {
    ports[kind] =
      usual && (await isFree(host, USUAL[kind])) ? USUAL[kind] : await randomPort(name, host, taken);
    taken.add(ports[kind]);
  }
  return ports;
}

async function randomPort(name: string, host: string, taken: ReadonlySet<number>): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = RANDOM_PORTS.first + Math.floor(Math.random() * RANDOM_PORTS.count);
    if (!taken.has(port) && (await isFree(host, port))) return port;
  }
  throw new LabError(LabErrorCode.Port, `no free port found on ${host} in ${ATTEMPTS} attempts`, {
    node: name,
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
