/** The process of the proxy: `node --import tsx lab/builtin/proxy/main.ts`, configured by environment variables. */
import { fstatSync } from 'node:fs';
import { createLog } from '../log.ts';
import { EnvironmentError, type ProxyEnvironment, readEnvironment } from './environment.ts';
import { ProxyServer } from './proxy-server.ts';

const environment = environmentOrEnd();
const log = createLog(environment.name);
const proxy = new ProxyServer(environment, log);

function environmentOrEnd(): ProxyEnvironment {
  try {
    return readEnvironment(process.env);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exit(2);
  }
}

function end(why: string): void {
  log(`ends: ${why}`);
  proxy.close();
  process.exit(0);
}

process.on('SIGTERM', () => end('SIGTERM'));
process.on('SIGINT', () => end('SIGINT'));
// The proxy never outlives who started it with a pipe as its stdin, as the other nodes of the lab.
const stdin = fstatSync(0);
if (stdin.isFIFO() || stdin.isSocket()) {
  process.stdin.on('end', () => end('stdin closed'));
  process.stdin.on('error', () => end('stdin closed'));
  process.stdin.resume();
}
process.stdout.on('error', () => process.exit(0));

await proxy.start();
const { name, rtmp, http, api, webrtc, srt, system } = environment;
process.stdout.write(
  `ready ${JSON.stringify({ name, rtmp, http, api, webrtc, srt, system, pid: process.pid })}\n`,
);
