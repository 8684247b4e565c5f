/** What HAProxy itself does with the heartbeats of origins, by the configuration that we give it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { requestText } from '../../../lab/http-request.ts';
import { renderHaproxy } from '../../../lab/render/haproxy.ts';
import { findProgram } from '../../../lab/runners/find-program.ts';
import { eventually } from '../../drivers/support/observe.ts';
import { listeningOf } from '../../support/listening.ts';
import { freePorts } from '../../support/ports.ts';

const HOST = '127.0.0.1';
const LIMITS = { timeoutMs: 5000, maxBody: 1024 };

test('a heartbeat that meets a frozen proxy is given to the other one', async (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-haproxy-'));
  const [rtmpPort, httpPort, statsPort, apiPort, systemPort, ownApi, held, answering] = (await freePorts(
    HOST,
    8,
  )) as [number, number, number, number, number, number, number, number];
  const met: string[] = [];
  const servers: Server[] = [
    await listen(ownApi, (_, response) => void response.end('{}')),
    await listen(held, () => void met.push('frozen')),
    await listen(answering, (request, response) => {
      request.resume().once('end', () => {
        met.push('other');
        response.end('registered');
      });
    }),
  ];
  const common = { host: HOST, rtmpPort: 1, httpPort: 1, apiPort: ownApi };
  const file = path.join(directory, 'haproxy.cfg');
  writeFileSync(
    file,
    renderHaproxy({
      ...{ front: 'proxies', host: HOST, rtmpPort, httpPort, statsPort, maxConnections: 100, threads: 1 },
      proxied: { apiPort, systemPort },
      servers: [
        { ...common, name: 'proxy-1', systemPort: held },
        { ...common, name: 'proxy-2', systemPort: answering },
      ],
    }),
  );
  const haproxy = spawn(findProgram('haproxy') ?? 'haproxy', ['-db', '-f', file], { stdio: 'ignore' });
  t.after(async () => {
    haproxy.kill('SIGKILL');
    if (haproxy.exitCode === null && haproxy.signalCode === null) await once(haproxy, 'exit');
    for (const server of servers) server.closeAllConnections();
    for (const server of servers) server.close();
    rmSync(directory, { recursive: true });
  });
  const beat = (): Promise<string> =>
    requestText(
      { host: HOST, port: systemPort },
      'POST',
      '/api/v1/srs/register',
      LIMITS,
      '{"ip":"127.0.0.1"}',
    );
  await eventually(5000, 'HAProxy', () => listeningOf([haproxy.pid!]).includes(`tcp ${HOST}:${systemPort}`));
  assert.equal(await beat(), 'registered');
  assert.equal(await beat(), 'registered');
  assert.ok(met.includes('frozen'), met.join());
  assert.equal(met.filter((one) => one === 'other').length, 2);
});

async function listen(port: number, serve: RequestListener): Promise<Server> {
  const server = createServer(serve).listen(port, HOST);
  await once(server, 'listening');
  return server;
}
