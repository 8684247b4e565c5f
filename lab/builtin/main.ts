/** The process of one builtin node: `node --import tsx lab/builtin/main.ts '<BuiltinConfig as JSON>'`. */
import { fstatSync } from 'node:fs';
import type { BuiltinConfig } from './config.ts';
import { createLog } from './log.ts';
import { MediaNode } from './node.ts';

const config = JSON.parse(process.argv.at(-1) ?? '') as BuiltinConfig;
const log = createLog(config.name);
const node = new MediaNode(config, log);

function end(why: string): void {
  log(`ends: ${why}`);
  node.close();
  process.exit(0);
}

process.on('SIGTERM', () => end('SIGTERM'));
process.on('SIGINT', () => end('SIGINT'));
// A node never outlives who started it: it ends with its IPC channel or with the pipe that is its stdin.
if (process.connected) process.on('disconnect', () => end('parent gone'));
const stdin = fstatSync(0);
if (stdin.isFIFO() || stdin.isSocket()) {
  process.stdin.on('end', () => end('stdin closed'));
  process.stdin.on('error', () => end('stdin closed'));
  process.stdin.resume();
}
process.stdout.on('error', () => process.exit(0));

await node.start();
const { name, role, host, rtmpPort, httpPort, apiPort } = config;
process.stdout.write(
  `ready ${JSON.stringify({ name, role, host, rtmpPort, httpPort, apiPort, pid: process.pid })}\n`,
);
