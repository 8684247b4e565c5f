import { LabError, LabErrorCode } from '../errors.ts';
import type { Topology } from '../topology.ts';
import { coworkerCluster } from './coworker-cluster.ts';
import { edgeCluster } from './edge-cluster.ts';
import { forwardCluster } from './forward-cluster.ts';
import { localOrigin } from './local-origin.ts';
import { nginxRtmp } from './nginx-rtmp.ts';
import { proxyCluster } from './proxy-cluster.ts';
import { proxyRedis } from './proxy-redis.ts';
import { streamManager } from './stream-manager.ts';

/** Every topology that can be asked for by name. */
export const TOPOLOGIES: readonly Topology[] = [
  edgeCluster,
  forwardCluster,
  nginxRtmp,
  proxyCluster,
  proxyRedis,
  coworkerCluster,
  localOrigin,
  streamManager,
];

export const DEFAULT_TOPOLOGY = edgeCluster.name;

/** Throws `lab.unknown` when there is none of that name. */
export function topologyByName(name: string): Topology {
  const topology = TOPOLOGIES.find((candidate) => candidate.name === name);
  if (topology === undefined) {
    const names = TOPOLOGIES.map((candidate) => candidate.name).join(', ');
    throw new LabError(LabErrorCode.Unknown, `there is no topology '${name}'; there is ${names}`);
  }
  return topology;
}
