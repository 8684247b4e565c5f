/** The Redis that proxies, or a stream manager, keep their state in. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LabError, LabErrorCode } from '../errors.ts';
import { renderRedis } from '../render/redis.ts';
import { findProgram } from './find-program.ts';
import { addressOf, type Launcher } from './launch.ts';
import { redisInfo } from './redis.ts';

export const redisLauncher: Launcher = {
  engine: 'redis',
  check() {
    if (findProgram('redis-server') === undefined) {
      throw new LabError(LabErrorCode.Program, 'redis-server is not installed; `npm run setup` tells how');
    }
  },
  launch({ name }, plan) {
    const { host, ports } = addressOf(plan, name);
    const port = ports.redis!;
    const directory = path.join(plan.runDir, `${name}.redis`);
    mkdirSync(directory, { recursive: true });
    const file = path.join(plan.runDir, `${name}.conf`);
    writeFileSync(file, renderRedis({ name, host, port, directory }));
    return {
      program: findProgram('redis-server')!,
      args: [file],
      async answers(pid) {
        const { processId } = await redisInfo(host, port);
        if (processId !== pid) throw new Error(`${host}:${port} is process ${processId}, not ${pid}`);
      },
    };
  },
};
