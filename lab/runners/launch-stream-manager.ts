/** The stream manager: ours, one Node process. */
import { z } from 'zod';
import { startArgs } from '../../runtime/entry.ts';
import type { StreamManagerConfig } from '../builtin/stream-manager/config.ts';
import type { NodeSpec } from '../topology.ts';
import { addressOf, type ClusterPlan, type Launcher, mutantsOf } from './launch.ts';
import { apiAnswers, httpGet } from './readiness.ts';

export const streamManagerLauncher: Launcher = {
  engine: 'builtin',
  check() {},
  launch(spec, plan) {
    const { host, ports } = addressOf(plan, spec.name);
    const config = JSON.stringify(configOf(spec, plan));
    return {
      program: process.execPath,
      args: [...startArgs('lab/builtin/stream-manager/main.ts'), config],
      answers: (pid) => apiAnswers(host, ports.api, pid),
    };
  },
};

const originsForm = z.object({ origins: z.array(z.object({ alive: z.boolean() })) });

/** How many origins it knows to be alive: they are its clients, though none is connected for long. */
export async function liveOrigins(host: string, apiPort: number): Promise<number> {
  const { origins } = originsForm.parse(JSON.parse(await httpGet(host, apiPort, '/api/v1/origins')));
  return origins.filter(({ alive }) => alive).length;
}

function configOf(spec: NodeSpec, plan: ClusterPlan): StreamManagerConfig {
  const { host, ports } = addressOf(plan, spec.name);
  const { heartbeatMs, aliveMs } = plan.settings.registration ?? {};
  const redis = spec.redis === undefined ? undefined : addressOf(plan, spec.redis);
  return {
    name: spec.name,
    host,
    apiPort: ports.api,
    ...(redis === undefined ? {} : { redis: { host: redis.host, port: redis.ports.redis! } }),
    times: {
      ...(heartbeatMs === undefined ? {} : { poll: heartbeatMs }),
      ...(aliveMs === undefined ? {} : { originTtl: aliveMs }),
    },
    mutants: mutantsOf(spec, plan),
  };
}
