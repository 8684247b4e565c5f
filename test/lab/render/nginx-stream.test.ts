import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { MutantId } from '../../../lab/builtin/mutants.ts';
import { type NginxStreamInput, renderNginxStream } from '../../../lab/render/nginx-stream.ts';
import { findProgram } from '../../../lab/runners/find-program.ts';
import { nginxConnections, nginxReady } from '../../../lab/runners/launch-nginx.ts';
import { nginxModule } from '../../../lab/runners/nginx-module.ts';
import { freePort } from '../../support/ports.ts';

const HOST = '127.0.0.1';

/** An edge that says its name on every connection, RTMP or HTTP, and then nothing. */
async function edge(t: TestContext, name: string) {
  const open = new Set<net.Socket>();
  const serve = (socket: net.Socket): void => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    socket.write(name);
  };
  const servers = [net.createServer(serve), net.createServer(serve)];
  const ports: number[] = [];
  for (const server of servers) {
    const port = await freePort();
    server.listen(port, HOST);
    await once(server, 'listening');
    ports.push(port);
  }
  const close = (): void => {
    for (const server of servers) server.close();
    for (const socket of open) socket.destroy();
  };
  t.after(close);
  return { name, open, close, host: HOST, ports: { rtmp: ports[0]!, http: ports[1]! } };
}

async function nginx(
  t: TestContext,
  servers: NginxStreamInput['servers'],
  ...mutants: MutantId[]
): Promise<NginxStreamInput> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof nginx-stream-'));
  const input: NginxStreamInput = {
    name: 'front-a',
    host: HOST,
    rtmpPort: await freePort(),
    httpPort: await freePort(),
    statusPort: await freePort(),
    directory,
    accessLog: path.join(directory, 'access.ndjson'),
    maxConnections: 200,
    module: nginxModule('ngx_stream_module.so')!,
    servers,
    mutants: new Set(mutants),
  };
  const file = path.join(directory, 'nginx.conf');
  writeFileSync(file, renderNginxStream(input));
  const args = ['-p', directory, '-e', 'stderr', '-c', file];
  const tested = spawnSync(findProgram('nginx')!, ['-t', ...args], { encoding: 'utf8' });
  assert.equal(tested.status, 0, tested.stderr);
  assert.doesNotMatch(tested.stderr, /\[warn\]/);
  const child = spawn(findProgram('nginx')!, args, { stdio: 'ignore' });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  });
  const end = performance.now() + 5000;
  for (;;) {
    const refusal = await nginxReady(HOST, input.statusPort, child.pid!).catch((error: Error) => error);
    if (refusal === undefined) return input;
    assert.ok(performance.now() < end, refusal.message);
    await delay(20);
  }
}

async function join(t: TestContext, port: number): Promise<{ socket: net.Socket; edge: string }> {
  const socket = net.connect(port, HOST);
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  const [name] = (await once(socket, 'data')) as [Buffer];
  return { socket, edge: String(name) };
}

describe('Nginx that spreads the connections of a host', () => {
  it('gives each edge its share of RTMP and of HTTP, and counts its clients', async (t) => {
    const edges = [await edge(t, 'edge-1'), await edge(t, 'edge-2'), await edge(t, 'edge-3')];
    const front = await nginx(t, edges);
    for (const port of [front.rtmpPort, front.httpPort]) {
      const names: string[] = [];
      for (let n = 0; n < 6; n++) names.push((await join(t, port)).edge);
      assert.deepEqual(names.sort(), ['edge-1', 'edge-1', 'edge-2', 'edge-2', 'edge-3', 'edge-3']);
    }
    assert.equal(await nginxConnections(HOST, front.statusPort), 12);
  });

  it('ends an edge’s connection with its client’s, and a client’s with its edge', async (t) => {
    const edges = [await edge(t, 'edge-1')];
    const front = await nginx(t, edges);
    const leaver = await join(t, front.rtmpPort);
    const [atEdge] = edges[0]!.open;
    leaver.socket.destroy();
    await once(atEdge!, 'close');
    const { socket } = await join(t, front.httpPort);
    edges[0]!.close();
    await once(socket, 'close');
  });

  it('sends clients to another edge when one is down', async (t) => {
    const [dead, alive] = [await edge(t, 'edge-1'), await edge(t, 'edge-2')];
    const front = await nginx(t, [dead, alive]);
    dead.close();
    for (let n = 0; n < 4; n++) assert.equal((await join(t, front.rtmpPort)).edge, 'edge-2');
  });

  it('ends who gets nothing for ten seconds, and gives each edge its turn whatever it has', () => {
    const input = { name: 'front-a', host: HOST, directory: '/d', accessLog: '/d/a', maxConnections: 200 };
    const ports = { rtmpPort: 1, httpPort: 2, statusPort: 3 };
    const edges = [{ host: HOST, ports: { rtmp: 4, http: 5 } }];
    const rendered = (...mutants: MutantId[]) =>
      renderNginxStream({ ...input, ...ports, servers: edges, mutants: new Set(mutants) });
    assert.match(rendered(), /proxy_timeout +10s;/);
    assert.doesNotMatch(rendered(), /^ *least_conn;/m);
    assert.match(rendered('front-waits-for-edges'), /proxy_timeout +1h;/);
    assert.match(rendered('front-impatient'), /proxy_timeout +1s;/);
    assert.match(rendered('front-fewest-first'), /^ *least_conn;/m);
  });

  it('with its mutant sends them away', async (t) => {
    const edges = [await edge(t, 'edge-1'), await edge(t, 'edge-2')];
    const front = await nginx(t, edges, 'front-stays-with-edge');
    edges[0]!.close();
    const socket = net.connect(front.rtmpPort, HOST);
    t.after(() => socket.destroy());
    await once(socket, 'close');
  });
});
