/** Who starts which node. */
import { LabError, LabErrorCode } from '../errors.ts';
import { type EngineName, enginesOf, type NodeSpec, type Topology } from '../topology.ts';
import type { Launcher, UserPrograms } from './launch.ts';
import { builtinLauncher } from './launch-builtin.ts';
import { haproxyLauncher } from './launch-haproxy.ts';
import { nginxLauncher } from './launch-nginx.ts';
import { nginxRtmpLauncher } from './launch-nginx-rtmp.ts';
import { nginxStreamLauncher } from './launch-nginx-stream.ts';
import { builtinProxyLauncher, foreignProxyLauncher } from './launch-proxy.ts';
import { redisLauncher } from './launch-redis.ts';
import { srsLauncher } from './launch-srs.ts';
import { streamManagerLauncher } from './launch-stream-manager.ts';

const MEDIA: Partial<Record<EngineName, Launcher>> = {
  builtin: builtinLauncher,
  srs: srsLauncher,
  'nginx-rtmp': nginxRtmpLauncher,
};

/** Throws `lab.unknown` when the engine cannot be run. */
export function launcherOf(
  { role, web }: NodeSpec,
  engine: EngineName,
  { proxyPath }: UserPrograms,
): Launcher {
  if (role === 'balancer') return haproxyLauncher;
  if (role === 'web') return web === 'stream' ? nginxStreamLauncher : nginxLauncher;
  if (role === 'redis') return redisLauncher;
  if (role === 'proxy') return proxyPath === undefined ? builtinProxyLauncher : foreignProxyLauncher;
  if (role === 'stream-manager') return streamManagerLauncher;
  const launcher = MEDIA[engine];
  if (launcher === undefined)
    throw new LabError(LabErrorCode.Unknown, `engine '${engine}' cannot be run yet`);
  return launcher;
}

/** Throws LabError when the cluster cannot be started on this machine: what is missing, or who cannot play it. */
export function checkRunnable(topology: Topology, engine: EngineName, options: UserPrograms): void {
  const engines = enginesOf(topology);
  if (!engines.includes(engine)) {
    throw new LabError(
      LabErrorCode.Unknown,
      `engine '${engine}' cannot play ${topology.name}; ${engines.join(' and ')} can`,
    );
  }
  for (const launcher of new Set(topology.nodes.map((spec) => launcherOf(spec, engine, options))))
    launcher.check(options);
}
