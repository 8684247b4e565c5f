/** An Nginx that spreads TCP connections over the edge processes of a host. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LabError, LabErrorCode } from '../errors.ts';
import { renderNginxStream } from '../render/nginx-stream.ts';
import { findProgram } from './find-program.ts';
import { addressOf, connectionsFor, type Launcher, mutantsOf } from './launch.ts';
import { nginxReady } from './launch-nginx.ts';
import { nginxModule } from './nginx-module.ts';

const MODULE = 'ngx_stream_module.so';

export const nginxStreamLauncher: Launcher = {
  engine: 'nginx',
  check() {
    if (findProgram('nginx') === undefined) throw missing('nginx');
    if (nginxModule(MODULE) === undefined) throw missing(MODULE);
  },
  launch(spec, plan) {
    const { name } = spec;
    const { host, ports } = addressOf(plan, name);
    const directory = path.join(plan.runDir, `${name}.nginx`);
    mkdirSync(directory, { recursive: true });
    const file = path.join(plan.runDir, `${name}.conf`);
    const text = renderNginxStream({
      name,
      host,
      rtmpPort: ports.rtmp,
      httpPort: ports.http,
      statusPort: ports.api,
      directory,
      accessLog: path.join(plan.runDir, `${name}.access.ndjson`),
      // One socket to the client, one to the edge.
      maxConnections: 2 * connectionsFor(2),
      module: nginxModule(MODULE)!,
      servers: spec.upstreams.map((upstream) => addressOf(plan, upstream)),
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

function missing(what: string): LabError {
  return new LabError(LabErrorCode.Program, `${what} is not installed; \`npm run setup\` tells how`);
}
