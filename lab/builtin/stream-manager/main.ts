/**
 * The process of a stream manager: `node --import tsx lab/builtin/stream-manager/main.ts '<StreamManagerConfig as JSON>'`.
 * STREAM_MANAGER_REDIS_PASSWORD is the password of its Redis.
 */
import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { createLog } from '../log.ts';
import { isMutantId } from '../mutants.ts';
import { DEFAULT_LIMITS, DEFAULT_TIMES, type StreamManagerConfig } from './config.ts';
import { createManagerServer } from './http.ts';
import { ManagerMetrics } from './metrics.ts';
import { OriginWatch } from './origin-watch.ts';
import { RedisStore } from './redis-store.ts';
import { Registry } from './registry.ts';

const config = JSON.parse(process.argv.at(-1) ?? '') as StreamManagerConfig;
const { name, host, apiPort } = config;
const log = createLog(name);
const unknown = config.mutants.filter((id) => !isMutantId(id));
if (unknown.length > 0) throw new Error(`no such mutant: ${unknown.join(', ')}`);
const mutants = new Set(config.mutants.filter(isMutantId));
const limits = { ...DEFAULT_LIMITS, ...config.limits };

const registry = new Registry({ ...DEFAULT_TIMES, ...config.times }, limits, mutants);
const watch = new OriginWatch(registry, mutants, log);
const store =
  config.redis &&
  new RedisStore(config.redis, process.env.STREAM_MANAGER_REDIS_PASSWORD, { registry, limits, mutants, log });
registry.listener = store;
const redis = store && (() => store.state);
const server = createManagerServer({
  registry,
  watch,
  metrics: new ManagerMetrics(registry, redis),
  redis,
  mutants,
  maxBody: mutants.has('manager-no-body-limit') ? Number.POSITIVE_INFINITY : limits.body,
  log,
});

function end(why: string): void {
  log(`ends: ${why}`);
  watch.close();
  store?.close();
  server.close();
  process.exit(0);
}

process.on('SIGTERM', () => end('SIGTERM'));
process.on('SIGINT', () => end('SIGINT'));
// It never outlives who started it: it ends with its IPC channel or with the pipe that is its stdin.
if (process.connected) process.on('disconnect', () => end('parent gone'));
const stdin = fstatSync(0);
if (stdin.isFIFO() || stdin.isSocket()) {
  process.stdin.on('end', () => end('stdin closed'));
  process.stdin.on('error', () => end('stdin closed'));
  process.stdin.resume();
}
process.stdout.on('error', () => process.exit(0));

await store?.start();
await watch.start();
server.listen({ host, port: apiPort, backlog: 4096 });
await once(server, 'listening');
process.stdout.write(
  `ready ${JSON.stringify({ name, role: 'stream-manager', host, apiPort, pid: process.pid })}\n`,
);
