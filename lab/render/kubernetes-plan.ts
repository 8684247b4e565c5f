/** Which pods and services a cluster is on Kubernetes: nodes that are alike become one workload, HAProxy a service. */

import { LabError, LabErrorCode } from '../errors.ts';
import type { ChosenPorts } from '../ports.ts';
import type { NodeSpec, Topology } from '../topology.ts';
import { withoutUdp } from '../topology.ts';
import {
  type ImageName,
  type PlacedCluster,
  type PlacedNode,
  placeCluster,
  profileOf,
} from './compose-plan.ts';

/** One container of a pod. */
export interface Member {
  readonly name: string;
  readonly image: ImageName;
  readonly spec: NodeSpec;
  readonly ports: ChosenPorts;
}

/** Pods that are alike: `replicas` nodes of the topology, each with the Nginx that serves its folder. */
export interface Workload {
  readonly name: string;
  readonly replicas: number;
  readonly members: readonly Member[];
}

export interface KubernetesPlan {
  readonly topology: Topology;
  /** As renderers of configurations take it: the address of a node is the name of its service. */
  readonly cluster: PlacedCluster;
  readonly workloads: readonly Workload[];
  /** The load balancers of the topology, by the workload that each is in front of. */
  readonly fronts: readonly { readonly name: string; readonly of: string }[];
}

/** Containers of a pod share its ports. No container may listen below 1024. */
const WEB_PORTS = { http: 8081, api: 8082 };

/**
 * SRT and WebRTC are left out: they need an address that clients reach in what servers answer, which only who runs the
 * cluster knows.
 */
export function planKubernetes(topology: Topology): KubernetesPlan {
  const profile = profileOf(topology.name);
  if (profile === undefined) throw new LabError(LabErrorCode.Unknown, `${topology.name} has no images`);
  const merged = mergeAlike(withoutUdp(topology));
  const images = new Map(placeCluster(profile).nodes.map(({ spec, image }) => [spec.name, image]));
  const nodes = merged.topology.nodes.map((spec): PlacedNode => {
    const image = images.get(merged.first.get(spec.name)!)!;
    const inner: ChosenPorts = { ...INNER, ...(spec.web === 'files' ? WEB_PORTS : {}) };
    // nginx-rtmp listens on its own address, and publishes its ladder there.
    const ip = image === 'nginx-rtmp' ? '0.0.0.0' : spec.name;
    return { spec, service: spec.name, image, ip, inner, outer: {} };
  });
  const own = nodes.filter(({ spec }) => spec.role !== 'balancer' && spec.web !== 'files');
  return {
    topology,
    cluster: {
      profile,
      topology: merged.topology,
      engine: topology.engines?.[0] ?? 'srs',
      nodes,
    },
    workloads: own.map(({ spec }) => {
      const webs = nodes.filter(
        (node) => node.spec.web === 'files' && node.spec.upstreams.includes(spec.name),
      );
      const members = nodes.filter((node) => node.spec === spec || webs.includes(node));
      return {
        name: spec.name,
        replicas: merged.counts.get(spec.name)!,
        members: members.map(({ spec, image, inner }) => ({ name: spec.name, image, spec, ports: inner })),
      };
    }),
    fronts: nodes
      .filter(({ spec }) => spec.role === 'balancer')
      .map(({ spec }) => ({ name: spec.name, of: spec.upstreams[0]! })),
  };
}

const INNER: ChosenPorts = {
  rtmp: 1935,
  http: 8080,
  api: 1985,
  srt: 10_080,
  rtc: 8000,
  system: 12_025,
  redis: 6379,
};

interface Merged {
  readonly topology: Topology;
  /** Of the nodes that became one, the name of the first. */
  readonly first: ReadonlyMap<string, string>;
  readonly counts: ReadonlyMap<string, number>;
}

/** `edge-1` to `edge-3`, which differ in their names only, become `edge`. */
function mergeAlike(topology: Topology): Merged {
  const shape = ({ name: _, ...rest }: NodeSpec): string => JSON.stringify(rest);
  const names = new Map<string, string>();
  for (const node of topology.nodes) {
    const alike = topology.nodes.filter((other) => shape(other) === shape(node));
    const base = node.name.replace(/-\d+$/, '');
    names.set(node.name, alike.length > 1 || base !== node.name ? base : node.name);
  }
  const renamed = (name: string): string => names.get(name) ?? name;
  const first = new Map<string, string>();
  const counts = new Map<string, number>();
  const nodes: NodeSpec[] = [];
  for (const node of topology.nodes) {
    const name = renamed(node.name);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (first.has(name)) continue;
    first.set(name, node.name);
    nodes.push({ ...node, name, upstreams: [...new Set(node.upstreams.map(renamed))] });
  }
  const entries = topology.entries.map((entry) => ({ ...entry, node: renamed(entry.node) }));
  return { topology: { ...topology, nodes, entries }, first, counts };
}
