/** Where the nodes of the clusters are when Docker Compose runs them: profiles, images, addresses, published ports. Data only. */
import type { NodePorts } from '../cluster.ts';
import { type ChosenPorts, kindsOf, linksFrom } from '../ports.ts';
import type { ClusterPlan } from '../runners/launch.ts';
import { topologyByName } from '../topologies/index.ts';
import {
  type EngineName,
  isMasterFront,
  type MediaSettings,
  type NodeSpec,
  type Topology,
} from '../topology.ts';

/** By version, so that a lab of today is that of next year. */
export const IMAGES = {
  /** 5.0.213. Edges, and origins with coworkers: SRS says of those to use a version before 6.0 (seeds/001). */
  'srs-5': 'ossrs/srs:v5.0.213',
  /** 6.0.184. The other origins. */
  'srs-6': 'ossrs/srs:v6.0-r0',
  haproxy: 'haproxy:2.8.10',
  nginx: 'nginx:1.26.2',
  redis: 'redis:7.2.5',
  prometheus: 'prom/prometheus:v2.53.0',
  grafana: 'grafana/grafana:11.2.0',
  k6: 'grafana/k6:2.2.0',
  /** Made here, from Dockerfile. */
  node: 'liveproof/node:0.1.0',
  /** Made here, from fixtures/compose/nginx-rtmp.Dockerfile. */
  'nginx-rtmp': 'liveproof/nginx-rtmp:0.1.0',
} as const;
export type ImageName = keyof typeof IMAGES;

/** Whom each image's program runs as, by number: nobody is root. Those of the images, but for SRS, whose image says none. */
export const USERS: Readonly<Record<ImageName, number>> = {
  'srs-5': 1000,
  'srs-6': 1000,
  haproxy: 99,
  nginx: 101,
  redis: 999,
  prometheus: 65_534,
  grafana: 472,
  k6: 12_345,
  node: 1000,
  'nginx-rtmp': 33,
};

/** A cluster that `docker compose --profile` starts, and the topology that it is. */
export const PROFILES = [
  { profile: 'edge', topology: 'edge-cluster' },
  { profile: 'forward', topology: 'forward-cluster' },
  { profile: 'nginx-rtmp', topology: 'nginx-rtmp' },
  { profile: 'proxy', topology: 'proxy-cluster' },
  { profile: 'proxy-redis', topology: 'proxy-redis' },
  { profile: 'coworker', topology: 'coworker-cluster' },
  { profile: 'stream-manager', topology: 'stream-manager' },
  { profile: 'local-origin', topology: 'local-origin' },
] as const;
export type Profile = (typeof PROFILES)[number]['profile'];

export function profileOf(topology: string): Profile | undefined {
  return PROFILES.find((one) => one.topology === topology)?.profile;
}

export interface Placement {
  /** Published ports count up from here. Default 22000. */
  readonly basePort?: number;
  /** The network is 198.19.<octet>.0/20, of the range for tests of networks (RFC 2544, RFC 6890). A multiple of 16; default 64. */
  readonly octet?: number;
}

export const DEFAULT_PLACEMENT = { basePort: 22_000, octet: 64 } as const satisfies Placement;

export interface PlacedNode {
  readonly spec: NodeSpec;
  /** Of the Compose service, and in the cluster's network. */
  readonly service: string;
  readonly image: ImageName;
  /** In the network of the containers. */
  readonly ip: string;
  /** There. */
  readonly inner: ChosenPorts;
  /** On 127.0.0.1 of the machine. */
  readonly outer: NodePorts;
}

export interface PlacedCluster {
  readonly profile: Profile;
  readonly topology: Topology;
  readonly engine: EngineName;
  readonly nodes: readonly PlacedNode[];
}

const INNER = { rtmp: 1935, http: 8080, api: 1985, srt: 10_080, system: 12_025, redis: 6379 };
/** Of a balancer whose API port is one that it balances; the others have their counters at the API port. */
const STATS_PORT = 8404;
/** SRS's exporter (facts/srs.md 3.7). */
export const EXPORTER_PORT = 9972;

const PORTS_PER_PROFILE = 200;
const PORTS_PER_NODE = 10;
const FIRST_HOST = 11;
const KINDS = ['rtmp', 'http', 'api', 'srt', 'rtc', 'system', 'redis', 'stats'] as const;

/** From the base port on, those of all profiles and, behind them, of what watches the clusters. */
export const PORTS_OF_ALL = PROFILES.length * PORTS_PER_PROFILE + 2;

/** Behind those of the clusters. */
export function monitoringPorts({ basePort = DEFAULT_PLACEMENT.basePort }: Placement): {
  prometheus: number;
  grafana: number;
} {
  const first = basePort + PROFILES.length * PORTS_PER_PROFILE;
  return { prometheus: first, grafana: first + 1 };
}

/** The first port of a profile, counted from the base port. */
export function blockOf(profile: Profile): number {
  return PROFILES.findIndex((one) => one.profile === profile) * PORTS_PER_PROFILE;
}

export function subnetOf({ octet = DEFAULT_PLACEMENT.octet }: Placement): string {
  return `198.19.${octet}.0/20`;
}

/** The machine itself, in that network: the first address of the subnet, where nothing else is asked for. */
export function gatewayOf({ octet = DEFAULT_PLACEMENT.octet }: Placement): string {
  return `198.19.${octet}.1`;
}

/** Every cluster has a subnet of its own in the network of all, and a block of ports. */
export function placeCluster(profile: Profile, placement: Placement = {}): PlacedCluster {
  const { basePort, octet } = { ...DEFAULT_PLACEMENT, ...placement };
  const index = PROFILES.findIndex((one) => one.profile === profile);
  const topology = topologyByName(PROFILES[index]!.topology);
  const doors = ({ role, web }: NodeSpec): number =>
    role === 'balancer' || web === 'stream' ? 0 : role === 'proxy' ? 1 : 2;
  const ordered = [...topology.nodes].sort((a, b) => doors(a) - doors(b));
  return {
    profile,
    topology,
    engine: topology.engines?.[0] ?? 'srs',
    nodes: ordered.map((spec, at) => {
      const kinds = portsOf(spec, topology);
      const first = basePort + blockOf(profile) + at * PORTS_PER_NODE;
      const outer = Object.fromEntries(kinds.map((kind) => [kind, first + KINDS.indexOf(kind)])) as NodePorts;
      return {
        spec,
        service: `${profile}-${spec.name}`,
        image: imageOf(spec, topology),
        ip: `198.19.${octet + index}.${FIRST_HOST + at}`,
        inner: {
          ...INNER,
          ...(outer.stats === undefined ? {} : { stats: STATS_PORT }),
          // A candidate of WebRTC has one number: that of the port which clients reach.
          ...(outer.rtc === undefined ? {} : { rtc: outer.rtc }),
        },
        outer,
      };
    }),
  };
}

/** Those that it listens to. */
function portsOf(spec: NodeSpec, topology: Topology): (keyof NodePorts)[] {
  switch (spec.role) {
    case 'balancer':
      return isMasterFront(spec, topology) ? ['rtmp', 'api'] : kindsOf(spec, topology);
    case 'web':
      return spec.web === 'stream' ? ['rtmp', 'http', 'api'] : ['http', 'api'];
    case 'redis':
      return ['redis'];
    case 'stream-manager':
      return ['api'];
    default:
      return kindsOf(spec, topology);
  }
}

function imageOf({ role, coworkers, rtc }: NodeSpec, { engines }: Topology): ImageName {
  switch (role) {
    case 'balancer':
      return 'haproxy';
    case 'web':
      return 'nginx';
    case 'redis':
      return 'redis';
    case 'proxy':
    case 'stream-manager':
      return 'node';
    default:
      if (engines?.[0] === 'nginx-rtmp') return 'nginx-rtmp';
      return role === 'edge' || (coworkers !== undefined && !rtc) ? 'srs-5' : 'srs-6';
  }
}

/**
 * The cluster as those know it who tell nodes of each other, without taps: every link leads to the node itself, and an
 * origin registers its own address.
 */
export function planOf(cluster: PlacedCluster, settings: MediaSettings): ClusterPlan {
  const at = (name: string): PlacedNode => cluster.nodes.find(({ spec }) => spec.name === name)!;
  const direct = (from: string, to: string, carries: keyof NodePorts) => {
    const { ip, inner } = at(to);
    return { from, to, carries: carries as 'rtmp', host: ip, port: inner[carries] ?? 0 };
  };
  return {
    topology: cluster.topology,
    engine: cluster.engine,
    runDir: '/tmp',
    settings,
    mutants: [],
    patience: { rtmpHandshake: 30_000, httpRequest: 15_000, coworker: 30_000 },
    addresses: {
      nodes: new Map(cluster.nodes.map(({ spec, ip, inner }) => [spec.name, { host: ip, ports: inner }])),
      taps: cluster.nodes.flatMap(({ spec }) => [
        ...linksFrom(spec).map(({ to, carries }) => direct(spec.name, to, carries)),
        ...(spec.reportsTo === undefined ? [] : [direct(spec.reportsTo, spec.name, 'api')]),
      ]),
      aliases: new Map(cluster.nodes.map(({ spec, ip }) => [spec.name, ip])),
    },
  };
}
