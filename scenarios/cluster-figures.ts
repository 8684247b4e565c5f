/** What the report shows of a cluster: its nodes and links, and what the taps have counted so far. */
import type { Cluster, ClusterNode } from '../lab/cluster.ts';
import { LabError } from '../lab/errors.ts';
import type { EntrySpec, NodeSpec } from '../lab/topology.ts';
import type {
  ClusterFigures,
  ClusterLink,
  ClusterNodeFigures,
  ClusterTap,
} from '../reports/results-clusters.ts';
import type { Check } from './check.ts';

/** `checks` are those that are to run on it. Call it while the cluster is up. */
export function clusterFigures(cluster: Cluster, checks: readonly Check[]): ClusterFigures {
  const { topology, engine, nodes, entries } = cluster;
  return {
    topology: topology.name,
    title: topology.title,
    engine,
    checks: checks.map(({ id }) => id),
    nodes: [...nodes.values()].map((node) => nodeFigures(node, entries)),
    links: linksOf(cluster),
  };
}

/** Of several clusters of one run, which have the same nodes and links: their figures in one. */
export function figuresTogether(all: readonly ClusterFigures[]): ClusterFigures {
  const [first, ...others] = all;
  if (first === undefined) throw new Error('figures of no cluster');
  if (others.length === 0) return first;
  return {
    ...first,
    clusters: all.length,
    nodes: first.nodes.map((node, at) => nodesTogether(all.map(({ nodes }) => nodes[at] ?? node))),
    links: first.links.map((link, at) => ({
      ...link,
      taps: link.taps.map((tap, which) =>
        tapsTogether(all.map(({ links }) => links[at]?.taps[which] ?? tap)),
      ),
    })),
  };
}

function nodesTogether(nodes: readonly ClusterNodeFigures[]): ClusterNodeFigures {
  const known = (of: (node: ClusterNodeFigures) => number | null) =>
    nodes.map(of).filter((figure) => figure !== null);
  const [cpuSeconds, rssMb] = [known((node) => node.cpuSeconds), known((node) => node.rssMb)];
  return {
    ...nodes[0]!,
    host: nodes.map(({ host }) => host).join(', '),
    state: nodes.find(({ state }) => state !== 'ready')?.state ?? 'ready',
    cpuSeconds: cpuSeconds.length === 0 ? null : cpuSeconds.reduce((sum, seconds) => sum + seconds),
    rssMb: rssMb.length === 0 ? null : Math.max(...rssMb),
  };
}

function tapsTogether(taps: readonly ClusterTap[]): ClusterTap {
  const sum = (of: (tap: ClusterTap) => number) => taps.reduce((total, tap) => total + of(tap), 0);
  return {
    carries: taps[0]!.carries,
    open: sum(({ open }) => open),
    connections: sum(({ connections }) => connections),
    bytesUp: sum(({ bytesUp }) => bytesUp),
    bytesDown: sum(({ bytesDown }) => bytesDown),
  };
}

function nodeFigures(node: ClusterNode, entries: readonly EntrySpec[]): ClusterNodeFigures {
  const { spec, engine, host, state } = node;
  const protocols = (use: EntrySpec['use']): string[] => [
    ...new Set(entries.filter((e) => e.node === spec.name && e.use === use).map((e) => e.protocol)),
  ];
  const common = { name: spec.name, role: spec.role, engine, host, state };
  return { ...common, publish: protocols('publish'), play: protocols('play'), ...usageOf(node) };
}

function usageOf(node: ClusterNode): Pick<ClusterNodeFigures, 'cpuSeconds' | 'rssMb'> {
  try {
    // A process that has ended tells nothing.
    if (node.state !== 'exited') return node.usage();
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
  }
  return { cpuSeconds: null, rssMb: null };
}

/** Those that the topology declares, and taps on others: what several proxies have in common is counted in front of them. */
function linksOf({ topology, taps, udpTaps }: Cluster): ClusterLink[] {
  const links = new Map<string, ClusterLink>();
  const link = (from: string, to: string, media: boolean, against = false): ClusterLink => {
    const name = `${from}>${to}`;
    const found = links.get(name) ?? { from, to, media, against, taps: [] };
    links.set(name, found);
    return found;
  };
  for (const spec of topology.nodes) {
    const { name, upstreams, coworkers = [], registersWith, reportsTo, redis } = spec;
    for (const upstream of upstreams) link(name, upstream, true, sends(spec, topology));
    for (const asked of [...coworkers, registersWith, reportsTo, redis])
      if (asked !== undefined) link(name, asked, false);
  }
  for (const { from, to, carries = 'udp', open, total, bytesUp, bytesDown } of [...taps, ...udpTaps]) {
    const media = carries !== 'api' && carries !== 'system';
    link(from, to, media).taps.push({ carries, open, connections: total, bytesUp, bytesDown });
  }
  return [...links.values()];
}

/** A master sends to its slaves, and a balancer in front of masters to these; who else has upstreams fetches from them. */
function sends({ role, upstreams }: NodeSpec, { nodes }: Cluster['topology']): boolean {
  if (role === 'master') return true;
  return role === 'balancer' && nodes.some((node) => upstreams.includes(node.name) && node.role === 'master');
}
