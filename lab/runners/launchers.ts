/** Who starts which node. */
import { LabError, LabErrorCode } from '../errors.ts';
import { type EngineName, enginesOf, type NodeSpec, type Topology } from '../topology.ts';
import type { Launcher } from './launch.ts';
import { builtinLauncher } from './launch-builtin.ts';
import { haproxyLauncher } from './launch-haproxy.ts';
import { nginxLauncher } from './launch-nginx.ts';
import { nginxRtmpLauncher } from './launch-nginx-rtmp.ts';
import { srsLauncher } from './launch-srs.ts';

const MEDIA: Partial<Record<EngineName, Launcher>> = {
  builtin: builtinLauncher,
  srs: srsLauncher,
  'nginx-rtmp': nginxRtmpLauncher,
};

/** Throws `lab.unknown` when the engine cannot be run. */
export function launcherOf({ role }: NodeSpec, engine: EngineName): Launcher {
  if (role === 'balancer') return haproxyLauncher;
  if (role === 'web') return nginxLauncher;
  const launcher = MEDIA[engine];
  if (launcher === undefined)
    throw new LabError(LabErrorCode.Unknown, `engine '${engine}' cannot be run yet`);
  return launcher;
}

/** Throws LabError when the cluster cannot be started on this machine: what is missing, or who cannot play it. */
export function checkRunnable(
  topology: Topology,
  engine: EngineName,
  options: { readonly srsPath?: string },
): void {
  const engines = enginesOf(topology);
  if (!engines.includes(engine)) {
    throw new LabError(
      LabErrorCode.Unknown,
      `engine '${engine}' cannot play ${topology.name}; ${engines.join(' and ')} can`,
    );
  }
  for (const launcher of new Set(topology.nodes.map((spec) => launcherOf(spec, engine))))
    launcher.check(options);
}
