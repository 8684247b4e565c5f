/** Web nodes: Nginx in front of a folder, as a cache, or as a balancer. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LabError, LabErrorCode } from '../errors.ts';
import { renderNginx } from '../render/nginx.ts';
import { NGINX_PID_PATH, NGINX_STATUS_PATH } from '../render/nginx-parts.ts';
import { findProgram } from './find-program.ts';
import { addressOf, connectionsFor, folderOf, type Launcher, linksOf, mutantsOf } from './launch.ts';
import { httpGet } from './readiness.ts';

export const nginxLauncher: Launcher = {
  engine: 'nginx',
  check() {
    if (findProgram('nginx') === undefined) {
      throw new LabError(LabErrorCode.Program, 'nginx is not installed; `npm run setup` tells how');
    }
  },
  launch(spec, plan) {
    const { name, web: kind } = spec;
    if (kind === undefined || kind === 'stream')
      throw new LabError(LabErrorCode.Unknown, `${name} does not say what it is for`);
    const { host, ports } = addressOf(plan, name);
    const directory = path.join(plan.runDir, `${name}.nginx`);
    mkdirSync(directory, { recursive: true });
    const file = path.join(plan.runDir, `${name}.conf`);
    const text = renderNginx({
      kind,
      name,
      host,
      httpPort: ports.http,
      statusPort: ports.api,
      directory,
      accessLog: path.join(plan.runDir, `${name}.access.ndjson`),
      // One socket to the player, one to the upstream.
      maxConnections: 2 * connectionsFor(2),
      folder: folderOf(spec.upstreams[0]!, plan),
      upstreams: linksOf(spec, 'http', plan),
      hls: plan.settings.hls,
      mutants: new Set(mutantsOf(spec, plan)),
    });
    writeFileSync(file, text);
    return {
      program: findProgram('nginx')!,
      args: ['-p', directory, '-e', 'stderr', '-c', file],
      answers: (pid) => nginxReady(host, ports.api, pid),
    };
  },
};

/** Resolves when it is the process that was started; else rejects. Its listeners are bound before it answers at all. */
export async function nginxReady(host: string, statusPort: number, pid: number): Promise<void> {
  const told = (await httpGet(host, statusPort, NGINX_PID_PATH)).trim();
  if (told !== String(pid)) throw new Error(`${host}:${statusPort} is process ${told}, not ${pid}`);
}

/** Connections that are open now, without the one that asks (ngx_http_stub_status_module). */
export async function nginxConnections(host: string, statusPort: number): Promise<number> {
  const status = await httpGet(host, statusPort, NGINX_STATUS_PATH);
  const active = /^Active connections: (\d+)/.exec(status)?.[1];
  if (active === undefined) throw new Error(`${host}:${statusPort}: not a status of Nginx`);
  return Number(active) - 1;
}
