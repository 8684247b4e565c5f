import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { HttpNodeApi } from '../../lab/api.ts';

let server: http.Server | undefined;

afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

/** A node that answers with what `answer` returns, as SRS does: status 200 also for an error. */
async function nodeThat(answer: (method: string, url: URL) => unknown): Promise<HttpNodeApi> {
  server = http.createServer((request, response) => {
    const body = answer(request.method!, new URL(request.url!, 'http://node'));
    response.end(typeof body === 'string' ? body : JSON.stringify({ code: 0, ...(body as object) }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new HttpNodeApi('origin', '127.0.0.1', (server.address() as AddressInfo).port);
}

const client = (id: number) => ({
  id: `c${id}`,
  ip: '127.1.0.2',
  url: '/live/a',
  name: 'a',
  type: 'rtmp-play',
  publish: false,
  alive: 1.5,
});

describe('the HTTP API of a node', () => {
  it('is read page by page, also when clients move between pages', async () => {
    const all = Array.from({ length: 2300 }, (_, id) => client(id));
    const pages: string[] = [];
    const api = await nodeThat((_, url) => {
      pages.push(`${url.pathname}${url.search}`);
      const start = Math.max(0, Number(url.searchParams.get('start')) - pages.length + 1);
      return { clients: all.slice(start, start + Number(url.searchParams.get('count'))) };
    });
    const clients = await api.clients();
    assert.equal(clients.length, all.length);
    assert.deepEqual(pages, [
      '/api/v1/clients/?start=0&count=1000',
      '/api/v1/clients/?start=1000&count=1000',
      '/api/v1/clients/?start=2000&count=1000',
    ]);
    assert.equal(clients[7]!.ip, '127.1.0.2');
  });

  it('is not read for ever where it does not know pages', { timeout: 5000 }, async () => {
    const all = Array.from({ length: 1000 }, (_, id) => client(id));
    const api = await nodeThat(() => ({ clients: all }));
    await assert.rejects(api.clients(), { code: 'lab.api', message: /the same clients from 1000 on/ });
  });

  it('says where an answer is no JSON, and how it begins', async () => {
    const api = await nodeThat(() => '{"code":0,"clients":[{"name":"a\u0001"}]}');
    await assert.rejects(
      api.clients(),
      /not JSON \(.*control character.* position 31\): \{"code":0,"clients"/,
    );
  });

  it('tells versions and streams, and kicks', async () => {
    const api = await nodeThat((method, url) => {
      if (method === 'DELETE') return { code: url.pathname === '/api/v1/clients/c%2F1' ? 0 : 2049 };
      if (url.pathname === '/api/v1/versions')
        return { server: 'vid-1', service: 's1', pid: '42', data: { version: '7.0.18' } };
      return {
        streams: [
          { id: 'vid-2', name: 'a', app: 'live', url: '/live/a', clients: 3, publish: { active: true } },
        ],
      };
    });
    assert.deepEqual(await api.versions(), { server: 'vid-1', service: 's1', pid: '42', version: '7.0.18' });
    assert.deepEqual((await api.streams())[0]?.publish, { active: true });
    assert.equal(await api.kick('c/1'), 0);
    assert.equal(await api.kick('c/2'), 2049);
  });

  it('is an error, never empty, when the answer is another', async () => {
    for (const answer of [
      '',
      'not json',
      '{}',
      '{"code":0,"clients":[{"id":1}]}',
      '{"code":0,"clients":null}',
    ]) {
      const api = await nodeThat(() => answer);
      await assert.rejects(api.clients(), { code: 'lab.api', node: 'origin' }, `for ${answer}`);
      server?.close();
    }
  });

  it('is an error when nobody answers', async () => {
    const api = await nodeThat(() => ({}));
    server!.close();
    await once(server!, 'close');
    await assert.rejects(api.versions(), { code: 'lab.api', node: 'origin' });
  });
});
