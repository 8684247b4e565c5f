/** A real Nginx with a rendered configuration, and small upstreams to put behind it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type NginxInput, renderNginx } from '../../../lab/render/nginx.ts';
import { NGINX_PID_PATH } from '../../../lab/render/nginx-parts.ts';
import { findProgram } from '../../../lab/runners/find-program.ts';
import { httpGet } from '../../../lab/runners/readiness.ts';
import { freePort } from '../../support/ports.ts';

const READY_WITHIN_MS = 5000;

export interface Running {
  readonly port: number;
  /** Served by kind `files`. */
  readonly folder: string;
  /** What it wrote about every request so far. */
  accessLog(): Record<string, unknown>[];
}

/** Ends with the test. */
export async function nginx(
  t: TestContext,
  over: Partial<NginxInput> & Pick<NginxInput, 'kind'>,
): Promise<Running> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-nginx-'));
  const folder = path.join(directory, 'www');
  mkdirSync(path.join(folder, 'live'), { recursive: true });
  const [httpPort, statusPort] = [await freePort(), await freePort()];
  const accessLog = path.join(directory, 'access.ndjson');
  const text = renderNginx({
    name: 'web',
    host: '127.0.0.1',
    httpPort,
    statusPort,
    directory,
    accessLog,
    maxConnections: 200,
    folder,
    upstreams: [],
    hls: { fragmentSeconds: 1, windowSeconds: 6, sessions: false },
    mutants: new Set(),
    ...over,
  });
  const file = path.join(directory, 'nginx.conf');
  writeFileSync(file, text);
  const child = spawn(findProgram('nginx') ?? 'nginx', ['-p', directory, '-e', 'stderr', '-c', file], {
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  });
  for (const deadline = performance.now() + READY_WITHIN_MS; ; await delay(10)) {
    const pid = await httpGet('127.0.0.1', statusPort, NGINX_PID_PATH).catch(() => '');
    if (pid.trim() === String(child.pid)) break;
    if (performance.now() > deadline || child.exitCode !== null) throw new Error('nginx does not come up');
  }
  return {
    port: httpPort,
    folder,
    accessLog: () =>
      readFileSync(accessLog, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

/** An HTTP server on loopback; ends with the test. Returns `host:port`. */
export async function upstream(t: TestContext, listener: http.RequestListener): Promise<string> {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export async function ask(port: number, path: string, options: http.RequestOptions = {}): Promise<Answer> {
  const request = http.request({ host: '127.0.0.1', port, path, agent: false, ...options }).end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let body = '';
  for await (const bytes of response) body += String(bytes);
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}
