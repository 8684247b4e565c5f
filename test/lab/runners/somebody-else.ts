/** A cluster that "somebody else" started, and the target file of it: here, it is one of runner `process`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { MutantId } from '../../../lab/builtin/mutants.ts';
import type { Cluster } from '../../../lab/cluster.ts';
import { startCluster } from '../../../lab/runners/process.ts';
import { edgeCluster } from '../../../lab/topologies/edge-cluster.ts';
import { type Topology, withoutUdp } from '../../../lab/topology.ts';

/** An edge cluster without its Nginxes. */
const SMALL = {
  ...withoutUdp(edgeCluster),
  nodes: withoutUdp(edgeCluster).nodes.filter(({ role }) => role !== 'web'),
  entries: withoutUdp(edgeCluster).entries.filter(({ protocol }) => protocol !== 'hls'),
};

export type Running = { readonly cluster: Cluster; readonly directory: string; end(): Promise<void> };

export async function running(
  mutants: readonly MutantId[] = [],
  topology: Topology = SMALL,
): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'liveproof-external-'));
  const cluster = await startCluster({
    topology,
    engine: 'builtin',
    runDir: directory,
    mutants,
    settings: { mergedWriteMs: 100 },
  });
  return {
    cluster,
    directory,
    async end() {
      await cluster.down();
      rmSync(directory, { recursive: true });
    },
  };
}

export function describeTarget({ cluster }: Running, changes: (name: string) => object = () => ({})): string {
  return stringify({
    schema: 'liveproof/target@1',
    name: 'somebody else’s',
    topology: cluster.topology.name,
    engine: 'builtin',
    nodes: [...cluster.nodes.values()].map(({ spec, host, ports }) => ({
      name: spec.name,
      host,
      ports: { rtmp: ports.rtmp, http: ports.http, api: ports.api },
      ...(spec.role === 'edge' ? { addresses: [host] } : {}),
      ...changes(spec.name),
    })),
  });
}
