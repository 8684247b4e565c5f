import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { MutantId } from '../../../lab/builtin/mutants.ts';
import { EDGE_ANSWERS_SECONDS } from '../../../lab/render/nginx.ts';
import { ask, nginx, upstream } from './running-nginx.ts';

const STREAMS = ['a', 'b', 'c-7', 'd-8-9', 'e', 'f', 'g', 'h'];
/** One per network of 256: ip_hash looks at the first three numbers. */
const CLIENTS = ['127.0.1.1', '127.0.2.1', '127.0.3.1', '127.0.4.1', '127.0.5.1', '127.0.6.1'];

/** Four edges that tell their names, behind a balancer. */
async function balancer(t: TestContext, ...mutants: MutantId[]): Promise<number> {
  const edges = ['edge-1', 'edge-2', 'edge-3', 'edge-4'];
  const upstreams = await Promise.all(
    edges.map((name) => upstream(t, (_, response) => void response.end(name))),
  );
  return (await nginx(t, { kind: 'balancer', upstreams, mutants: new Set(mutants) })).port;
}

/** Edges that answer for one stream: its playlist, its segments, its HTTP-FLV, for all clients. */
async function edgesOf(port: number, stream: string): Promise<Set<string>> {
  const paths = [
    `/live/${stream}.m3u8`,
    `/live/${stream}-0.ts`,
    `/live/${stream}-41.ts`,
    `/live/${stream}.flv`,
  ];
  const answers = await Promise.all(
    CLIENTS.flatMap((localAddress) => paths.map((path) => ask(port, path, { localAddress }))),
  );
  assert.ok(answers.every(({ status }) => status === 200));
  return new Set(answers.map(({ body }) => body));
}

describe('Nginx in front of edges', () => {
  it('takes everything of a stream from one edge, and other streams from others', async (t) => {
    const port = await balancer(t);
    const chosen = new Set<string>();
    for (const stream of STREAMS) {
      const edges = await edgesOf(port, stream);
      assert.equal(edges.size, 1, `${stream}: ${[...edges]}`);
      for (const edge of edges) chosen.add(edge);
    }
    assert.ok(chosen.size > 1, 'all streams are on one edge');
  });

  it('with the guide’s ip_hash takes it from the edge of the client’s address', async (t) => {
    const port = await balancer(t, 'web-ip-hash');
    assert.ok((await edgesOf(port, 'a')).size > 1);
    const localAddress = CLIENTS[0]!;
    const same = await Promise.all(STREAMS.map((s) => ask(port, `/live/${s}.m3u8`, { localAddress })));
    assert.equal(new Set(same.map(({ body }) => body)).size, 1);
  });

  it('with its mutant takes it from all in turn', async (t) => {
    assert.equal((await edgesOf(await balancer(t, 'web-round-robin'), 'a')).size, 4);
  });

  it('passes to another edge when one is gone', async (t) => {
    const alive = await upstream(t, (_, response) => void response.end('alive'));
    const gone = Array.from({ length: 3 }, (_, i) => `127.0.0.1:${1 + i}`);
    const { port } = await nginx(t, { kind: 'balancer', upstreams: [...gone, alive] });
    for (const stream of STREAMS) assert.equal((await ask(port, `/live/${stream}.m3u8`)).body, 'alive');
  });

  it('with its mutant stays with an edge that is gone', async (t) => {
    const alive = await upstream(t, (_, response) => void response.end('alive'));
    const mutants = new Set(['web-stays-with-edge'] as const);
    const { port } = await nginx(t, { kind: 'balancer', upstreams: ['127.0.0.1:1', alive], mutants });
    const answers = await Promise.all(STREAMS.map((stream) => ask(port, `/live/${stream}.m3u8`)));
    assert.ok(answers.some(({ status }) => status === 502));
  });

  /** Of two edges one hangs: it takes connections and says nothing. */
  async function oneHangs(t: TestContext, ...mutants: MutantId[]) {
    const alive = await upstream(t, (_, response) => void response.end('alive'));
    let asked = 0;
    const hangs = await upstream(t, () => void asked++);
    const upstreams = [hangs, alive];
    const { port } = await nginx(t, { kind: 'balancer', upstreams, mutants: new Set(mutants) });
    return { port, asked: () => asked };
  }

  it('gives no HTTP-FLV player to an edge that hangs', async (t) => {
    const { port, asked } = await oneHangs(t);
    const answers = await Promise.all(STREAMS.map((stream) => ask(port, `/live/${stream}.flv?token=1`)));
    assert.deepEqual(new Set(answers.map(({ body }) => body)), new Set(['alive']));
    assert.ok(asked() > 0);
  });

  it('with its mutant does', async (t) => {
    const { port, asked } = await oneHangs(t, 'web-waits-for-edges');
    let answered = 0;
    for (const stream of STREAMS) {
      const request = http.get({ host: '127.0.0.1', port, path: `/live/${stream}.flv`, agent: false });
      request.on('error', () => {}).on('response', () => answered++);
      t.after(() => request.destroy());
    }
    while (asked() + answered < STREAMS.length) await delay(10);
    await delay(1500 * EDGE_ANSWERS_SECONDS);
    assert.ok(asked() > 0);
    assert.equal(answered, STREAMS.length - asked());
  });

  it('has one CORS header where the edge has its own, and answers a preflight itself', async (t) => {
    let preflights = 0;
    const edge = await upstream(t, (request, response) => {
      if (request.method === 'OPTIONS') preflights++;
      response.setHeader('Access-Control-Allow-Origin', 'http://x').end();
    });
    const { port } = await nginx(t, { kind: 'balancer', upstreams: [edge] });
    for (const path of ['/live/a.flv', '/live/a.m3u8', '/live/a-1.ts']) {
      assert.equal((await ask(port, path)).headers['access-control-allow-origin'], '*');
      assert.equal((await ask(port, path, { method: 'OPTIONS' })).status, 204);
    }
    assert.equal(preflights, 0);
  });

  const frame = Buffer.alloc(1000, 1);
  /** An edge that sends one frame after the other, each when the one before has come through. */
  async function frames(t: TestContext, ...mutants: MutantId[]) {
    let out: http.ServerResponse | undefined;
    const edge = await upstream(t, ({ url }, response) => {
      if (url === '/') return void response.writeHead(404).end();
      out = response.writeHead(200, { 'content-type': 'video/x-flv' });
      response.write(frame);
    });
    const { port } = await nginx(t, { kind: 'balancer', upstreams: [edge], mutants: new Set(mutants) });
    const request = http.get({ host: '127.0.0.1', port, path: '/live/a.flv', agent: false });
    t.after(() => request.destroy());
    request.on('error', () => {});
    return { request, send: () => out?.write(frame) };
  }

  it('passes frames on as they come', async (t) => {
    const { request, send } = await frames(t);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    let received = 0;
    for await (const bytes of response) {
      received += (bytes as Buffer).length;
      if (received >= 10 * frame.length) break;
      if (received % frame.length === 0) send();
    }
    assert.equal(received, 10 * frame.length);
  });

  it('with its mutant keeps them until there are many', async (t) => {
    const { request, send } = await frames(t, 'web-buffers-flv');
    const first = once(request, 'response') as Promise<[http.IncomingMessage]>;
    let sent = 1;
    const timer = setInterval(() => {
      for (let i = 0; i < 10; i++, sent++) send();
    }, 10);
    t.after(() => clearInterval(timer));
    const [response] = await first;
    // The head of the answer leaves with what fits beside it.
    let received = 0;
    for await (const bytes of response) {
      received += (bytes as Buffer).length;
      if (received > 8 * frame.length) break;
    }
    assert.ok(sent > 200, `frames came after ${sent}`);
  });
});
