/** Starts a cluster, writes the pids of its nodes as one JSON line, and lives until it is killed: `starter.ts RUNDIR`. */
import { startCluster } from '../../../lab/runners/process.ts';
import { edgeCluster } from '../../../lab/topologies/edge-cluster.ts';

const cluster = await startCluster({
  topology: edgeCluster,
  engine: 'builtin',
  runDir: process.argv[2]!,
});
console.log(JSON.stringify([...cluster.nodes.values()].map((node) => node.pid)));
