/** The load balancer: HAProxy. */
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { LabError, LabErrorCode } from '../errors.ts';
import { renderHaproxy } from '../render/haproxy.ts';
import type { NodeSpec } from '../topology.ts';
import { balancerReady } from './balancer.ts';
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
    const knowsOne = mutants.includes(front === 'edges' ? 'balancer-one-server' : 'balancer-one-master');
    const servers = knowsOne ? all.slice(0, 1) : all;
    const file = path.join(plan.runDir, `${spec.name}.cfg`);
    const text = renderHaproxy({
      front,
      host,
      rtmpPort: ports.rtmp,
      httpPort: ports.http,
      statsPort: ports.api,
      servers,
      // HAProxy holds two sockets per connection, and refuses to start when it could run out.
      maxConnections: connectionsFor(2),
      threads: Math.min(2, os.availableParallelism()),
      blind: mutants.includes('balancer-no-check'),
      sticky: mutants.includes('balancer-no-redispatch'),
    });
    writeFileSync(file, text);
    return {
      program: findProgram('haproxy')!,
      args: ['-db', '-f', file],
      answers: (pid) =>
        balancerReady(
          host,
          ports.api,
          pid,
          servers.map(({ name }) => name),
        ),
    };
  },
};

function frontOf(spec: NodeSpec, { topology }: ClusterPlan): 'edges' | 'masters' {
  const behind = topology.nodes.filter(({ name }) => spec.upstreams.includes(name));
  return behind.every(({ role }) => role === 'master') ? 'masters' : 'edges';
}

function serversOf(spec: NodeSpec, plan: ClusterPlan) {
  return spec.upstreams.map((name) => {
    const { host, ports } = addressOf(plan, name);
    return { name, host, rtmpPort: ports.rtmp, httpPort: ports.http, apiPort: ports.api };
  });
}
