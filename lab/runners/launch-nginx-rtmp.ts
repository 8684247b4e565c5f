/** Media nodes of nginx-rtmp: Debian's Nginx with libnginx-mod-rtmp, and ffmpeg. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LabError, LabErrorCode } from '../errors.ts';
import { NGINX_PID_PATH } from '../render/nginx-parts.ts';
import { renderNginxRtmp } from '../render/nginx-rtmp.ts';
import { findProgram } from './find-program.ts';
import {
  addressOf,
  connectionsFor,
  folderOf,
  type Launcher,
  logFileOf,
  mutantsOf,
  openFilesLimit,
} from './launch.ts';
import { nginxModule } from './nginx-module.ts';
import { httpGet, rtmpAnswers } from './readiness.ts';

const MODULE = 'ngx_rtmp_module.so';

/**
 * Between fork and exec nginx-rtmp closes every descriptor that there could be (ngx_rtmp_exec_run), one by one: where
 * containers allow a thousand million of them, ffmpeg would start minutes later.
 */
const MAX_FILES = 65_536;

export const nginxRtmpLauncher: Launcher = {
  engine: 'nginx-rtmp',
  check() {
    for (const name of ['nginx', 'ffmpeg', 'find']) {
      if (findProgram(name) === undefined) throw missing(name);
    }
    if (nginxModule(MODULE) === undefined) throw missing(MODULE);
  },
  launch(spec, plan) {
    const { name } = spec;
    const { host, ports } = addressOf(plan, name);
    const directory = path.join(plan.runDir, `${name}.nginx`);
    const storage = folderOf(name, plan);
    for (const folder of [directory, ...['hls', 'dash', 'vod'].map((kind) => path.join(storage, kind))]) {
      mkdirSync(folder, { recursive: true });
    }
    const file = path.join(plan.runDir, `${name}.conf`);
    const text = renderNginxRtmp({
      name,
      host,
      rtmpPort: ports.rtmp,
      httpPort: ports.http,
      statusPort: ports.api,
      directory,
      accessLog: path.join(plan.runDir, `${name}.access.ndjson`),
      maxConnections: Math.min(plan.settings.maxConnections, connectionsFor(1)),
      module: nginxModule(MODULE)!,
      ffmpeg: findProgram('ffmpeg')!,
      find: findProgram('find')!,
      ffmpegLog: logFileOf(`${name}.ffmpeg`, plan),
      storage,
      hls: plan.settings.hls,
      mutants: new Set(mutantsOf(spec, plan)),
    });
    writeFileSync(file, text);
    const nginx = [findProgram('nginx')!, '-p', directory, '-e', 'stderr', '-c', file];
    const [program, ...args] = openFilesLimit() > MAX_FILES ? limited(nginx) : nginx;
    return { program: program!, args, answers: (pid) => nginxRtmpReady(host, ports, pid) };
  },
};

/** prlimit(1) is in util-linux, as is setpriv; it executes the program in its own place. */
function limited(argv: readonly string[]): string[] {
  const prlimit = findProgram('prlimit');
  return prlimit === undefined ? [...argv] : [prlimit, `--nofile=${MAX_FILES}`, '--', ...argv];
}

async function nginxRtmpReady(
  host: string,
  ports: { rtmp: number; api: number },
  pid: number,
): Promise<void> {
  const told = (await httpGet(host, ports.api, NGINX_PID_PATH)).trim();
  if (told !== String(pid)) throw new Error(`${host}:${ports.api} is process ${told}, not ${pid}`);
  await rtmpAnswers(host, ports.rtmp);
}

function missing(what: string): LabError {
  return new LabError(LabErrorCode.Program, `${what} is not installed; \`npm run setup\` tells how`);
}
