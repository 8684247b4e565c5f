import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { HttpNodeApi } from '../../../../lab/api.ts';
import { RtmpPeer, stopAll } from '../support.ts';
import { httpOrigin, registration, silentOrigin, startOrigins, startProxy } from './support.ts';

after(stopAll);

type Body = Record<string, unknown>;

async function get(url: string, method = 'GET'): Promise<Body> {
  return (await (await fetch(url, { method })).json()) as Body;
}

test('what all origins say comes together, and who did not answer is named', async (t) => {
  const proxy = await startProxy(t, { timeouts: { reply: 400 } });
  const origins = await startOrigins(t, [proxy], 2);
  for (const stream of ['a', 'b', 'c']) await RtmpPeer.publisher(proxy.node, stream);
  await silentOrigin(t, proxy);
  const broken = await httpOrigin(t, (_request, response) => response.end('not JSON'));
  await proxy.register(registration('broken', { rtmp: ['2'], api: [String(broken.port)] }));
  await proxy.register(registration('no-api', { rtmp: ['3'] }));

  const streams = await get(`${proxy.api}/api/v1/streams/`);
  assert.equal(streams.code, 0);
  assert.equal(streams.pid, String(process.pid));
  const list = streams.streams as { url: string; origin: string }[];
  assert.deepEqual(list.map(({ url }) => url).sort(), ['/live/a', '/live/b', '/live/c']);
  assert.equal(new Set(list.map(({ origin }) => origin)).size, 2);
  const told = streams.origins as { id: string; answered: boolean; error?: string; device_id: string }[];
  assert.deepEqual(
    Object.fromEntries(
      told.map(({ device_id, answered, error }) => [device_id, answered ? 'answered' : error]),
    ),
    {
      'origin-1': 'answered',
      'origin-2': 'answered',
      silent: 'no answer in 400 ms',
      broken: 'it answered with something that is no JSON object',
      'no-api': 'it registered no API',
    },
  );
  const { data } = (await get(`${proxy.api}/api/v1/summaries`)) as {
    data: { ok: boolean; origins: unknown[] };
  };
  assert.deepEqual([data.ok, data.origins.length], [false, 2]);
  assert.equal(((await get(`${proxy.api}/api/v1/vhosts/`)).vhosts as unknown[]).length, 2);

  // In the form that the lab reads of every node.
  const api = new HttpNodeApi('proxy', proxy.host, Number(new URL(proxy.api).port));
  assert.equal((await api.versions()).pid, String(process.pid));
  const clients = await api.clients();
  assert.deepEqual(clients.map(({ url }) => url).sort(), ['/live/a', '/live/b', '/live/c']);
  const one = await get(`${proxy.api}/api/v1/clients/${clients[0]!.id}`);
  assert.equal((one.client as Body).url, clients[0]!.url);
  assert.equal(await api.kick(clients[0]!.id), 0);
  assert.equal((await get(`${proxy.api}/api/v1/clients/nobody`)).code, 2049);
  assert.equal((await get(`${proxy.api}/api/v1/streams/nothing`)).code, 2048);
  assert.equal(origins.length, 2);
});

test('pages are of the whole', async (t) => {
  const all = Array.from({ length: 2300 }, (_, index) => ({ id: `s${index}` }));
  const proxy = await startProxy(t);
  for (const name of ['one', 'two']) {
    const origin = await httpOrigin(t, (request, response) => {
      const query = new URL(request.url!, 'http://x').searchParams;
      const start = Number(query.get('start'));
      response.end(
        JSON.stringify({ code: 0, streams: all.slice(start, start + Number(query.get('count'))) }),
      );
    });
    await proxy.register(registration(name, { rtmp: [String(origin.port)], api: [String(origin.port)] }));
  }
  const page = await get(`${proxy.api}/api/v1/streams/?start=2295&count=20`);
  assert.equal(page.total, 4600);
  assert.deepEqual(
    (page.streams as { id: string }[]).map(({ id }) => id),
    [...all.slice(2295), ...all.slice(0, 15)].map(({ id }) => id),
  );
  assert.equal(((await get(`${proxy.api}/api/v1/streams/?count=1`)).streams as unknown[]).length, 10);
});

test('what is not there, and what is not allowed', async (t) => {
  const proxy = await startProxy(t);
  assert.deepEqual(((await get(`${proxy.api}/api/v1/streams/`)).streams as unknown[]).length, 0);
  assert.equal((await fetch(`${proxy.api}/nothing`)).status, 404);
  assert.equal((await fetch(`${proxy.api}/api/v1/streams/`, { method: 'DELETE' })).status, 405);
});

test('the exporter speaks the form of Prometheus', async (t) => {
  const proxy = await startProxy(t);
  await startOrigins(t, [proxy], 1);
  const publisher = await RtmpPeer.publisher(proxy.node, 'a');
  publisher.headers();
  const answer = await fetch(`${proxy.api}/metrics`);
  assert.match(answer.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
  for (const line of (await answer.text()).split('\n')) {
    assert.match(
      line,
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+|)$/,
    );
  }
  assert.equal(await proxy.metric('liveproof_proxy_backends_alive'), 1);
  assert.equal(await proxy.metric('liveproof_proxy_connections{protocol="rtmp"}'), 1);
  assert.equal(await proxy.metric('liveproof_proxy_picks_total{result="new"}'), 1);
  assert.ok((await proxy.metric('liveproof_proxy_bytes_total{protocol="rtmp",direction="up"}')) > 3000);
});
