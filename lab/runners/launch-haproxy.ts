/** The load balancer: HAProxy. */
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { MutantId } from '../builtin/mutants.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import { type HaproxyInput, renderHaproxy } from '../render/haproxy.ts';
import { isMasterFront, isProxyFront, type NodeSpec } from '../topology.ts';
import { balancerReady, statsPortOf } from './balancer.ts';
import { findProgram } from './find-program.ts';
import { addressOf, type ClusterPlan, connectionsFor, type Launcher, mutantsOf } from './launch.ts';

export const haproxyLauncher: Launcher = {
  engine: 'haproxy',
  check() {
    if (findProgram('haproxy') === undefined) {
      throw new LabError(LabErrorCode.Program, 'haproxy is not installed; `npm run setup` tells how');
    }
  },
  launch(spec, plan) {
    const { host, ports } = addressOf(plan, spec.name);
    const mutants = mutantsOf(spec, plan);
    const front = frontOf(spec, plan);
    const all = serversOf(spec, plan);
    const knowsOne = mutants.includes(ONE_SERVER[front]);
    const servers = knowsOne ? all.slice(0, 1) : all;
    const statsPort = statsPortOf(ports);
    const file = path.join(plan.runDir, `${spec.name}.cfg`);
    const text = renderHaproxy({
      front,
      host,
      rtmpPort: ports.rtmp,
      httpPort: ports.http,
      ...(front === 'proxies' ? { proxied: { apiPort: ports.api, systemPort: ports.system! } } : {}),
      statsPort,
      servers,
      // HAProxy holds two sockets per connection, and refuses to start when it could run out.
      maxConnections: connectionsFor(2),
      threads: Math.min(2, os.availableParallelism()),
      blind: mutants.includes(front === 'edges' ? 'balancer-blind-to-edges' : 'balancer-no-check'),
      keepsSessions: mutants.includes('balancer-keeps-sessions'),
      sticky: mutants.includes('balancer-no-redispatch'),
    });
    writeFileSync(file, text);
    return {
      program: findProgram('haproxy')!,
      args: ['-db', '-f', file],
      answers: (pid) =>
        balancerReady(
          host,
          statsPort,
          pid,
          servers.map(({ name }) => name),
        ),
    };
  },
};

/** The defect that it knows one server only. */
const ONE_SERVER: Readonly<Record<HaproxyInput['front'], MutantId>> = {
  edges: 'balancer-one-server',
  masters: 'balancer-one-master',
  proxies: 'balancer-one-proxy',
};

function frontOf(spec: NodeSpec, { topology }: ClusterPlan): HaproxyInput['front'] {
  if (isProxyFront(spec, topology)) return 'proxies';
  return isMasterFront(spec, topology) ? 'masters' : 'edges';
}

function serversOf(spec: NodeSpec, plan: ClusterPlan) {
  return spec.upstreams.map((name) => {
    const { host, ports } = addressOf(plan, name);
    const { rtmp: rtmpPort, http: httpPort, api: apiPort, system: systemPort } = ports;
    return { name, host, rtmpPort, httpPort, apiPort, systemPort };
  });
}
