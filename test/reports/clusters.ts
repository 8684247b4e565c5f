/** Clusters as a gate leaves them in its results, of nodes that nobody started. */
import type { Cluster, ClusterNode } from '../../lab/cluster.ts';
import { planAddresses } from '../../lab/ports.ts';
import type { Topology } from '../../lab/topology.ts';
import type { ClusterFigures } from '../../reports/results-clusters.ts';
import type { Check } from '../../scenarios/check.ts';
import { clusterFigures } from '../../scenarios/cluster-figures.ts';
import { PretendNode, PretendTap } from '../scenarios/pretend.ts';

/** With taps where the lab has some over TCP; the first has counted something. */
export async function pretendFigures(
  topology: Topology,
  checks: readonly string[] = [],
): Promise<ClusterFigures> {
  const { taps: planned } = await planAddresses(topology, 'free');
  const taps = planned.flatMap(({ from, to, carries }) =>
    carries === 'srt' || carries === 'rtc' ? [] : [new PretendTap(from, to, carries)],
  );
  taps[0]?.change('open');
  taps[0]?.change('open');
  taps[0]?.change('close');
  if (taps[0] !== undefined) taps[0].bytesDown = 1_234_000;
  const nodes = new Map(
    topology.nodes.map((spec) => [spec.name, new PretendNode(spec) as unknown as ClusterNode]),
  );
  const cluster = { topology, engine: 'builtin', nodes, entries: topology.entries, taps, udpTaps: [] };
  return clusterFigures(
    cluster as unknown as Cluster,
    checks.map((id) => ({ id }) as Check),
  );
}
