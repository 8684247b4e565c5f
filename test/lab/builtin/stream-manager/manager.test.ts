import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestManager, TestOrigin, until } from './support.ts';

const TIMES = { originTtl: 600, poll: 100, reconcile: 300, grace: 200, forget: 60_000 };

describe('a stream manager', () => {
  let manager: TestManager;
  before(async () => {
    manager = await TestManager.start({ times: TIMES, limits: { body: 64 * 1024, origins: 20 } });
  });
  after(() => manager.kill());

  test('answers in the form of SRS, found and absent', async () => {
    await manager.publish({ rtmp: '10.0.0.1:1935', api: '10.0.0.1:1985', expiresMs: 60_000 }, 'form');
    const query = 'vhost=__defaultVhost__&ip=1.2.3.4&app=live&stream=form&coworker=h:1';
    const expected = { ip: '1.2.3.4', vhost: '__defaultVhost__', app: 'live', stream: 'form' };
    assert.deepEqual((await manager.post(`/api/v1/clusters?${query}`, '')).body, {
      code: 0,
      data: {
        query: expected,
        origin: {
          ip: '10.0.0.1',
          port: 1935,
          vhost: '__defaultVhost__',
          api: '10.0.0.1:1985',
          routers: ['10.0.0.1:1985'],
        },
      },
    });
    assert.deepEqual(await manager.get(`/api/v1/clusters?${query.replace('=form', '=other')}`), {
      code: 0,
      data: { query: { ...expected, stream: 'other' }, origin: null },
    });
  });

  test('says who it is, what it knows, and figures', async () => {
    const { code, pid } = await manager.get('/api/v1/versions');
    assert.equal(code, 0);
    assert.match(String(pid), /^\d+$/);
    await manager.publish({ rtmp: '10.0.0.2:1935', expiresMs: 60_000 }, 'listed');
    const { streams } = (await manager.get('/api/v1/streams')) as {
      streams: { stream: string; origin: string }[];
    };
    assert.equal(streams.find(({ stream }) => stream === 'listed')?.origin, '10.0.0.2:1935');
    assert.equal(
      ((await manager.get('/api/v1/streams?start=0&count=1')) as { streams: object[] }).streams.length,
      1,
    );
    const { origins } = (await manager.get('/api/v1/origins')) as {
      origins: { rtmp: string; alive: boolean }[];
    };
    assert.equal(origins.find(({ rtmp }) => rtmp === '10.0.0.2:1935')?.alive, true);
    const metrics = await (await fetch(`${manager.url}/metrics`)).text();
    assert.match(metrics, /^stream_manager_queries_total\{answer="absent"\} [1-9]/m);
    assert.match(metrics, /^stream_manager_origins\{state="alive"\} [1-9]/m);
  });

  test('a complete report ends what is not in it', async () => {
    const origin = { rtmp: '10.0.0.3:1935', expiresMs: 60_000 };
    await manager.publish(origin, 'kept', 'ended');
    await manager.post('/api/v1/streams', {
      origin,
      streams: [{ app: 'live', stream: 'kept' }],
      complete: true,
    });
    assert.equal(await manager.place('kept'), '10.0.0.3:1935');
    assert.equal(await manager.place('ended'), null);
  });

  test('a hook of an origin that was started anew, and the last word of its former life', async () => {
    const hook = (action: string, service: string, client: string) =>
      manager.post(`/api/v1/hooks/${action}?rtmp=10.0.0.4:1935&api=127.0.0.1:1`, {
        action,
        service_id: service,
        client_id: client,
        vhost: '__defaultVhost__',
        app: 'live',
        stream: 'hooked',
      });
    assert.deepEqual(await hook('on_publish', 'first', 'a').then(({ body }) => body.code), 0);
    await hook('on_publish', 'second', 'a');
    await hook('on_unpublish', 'first', 'a');
    assert.equal(await manager.place('hooked'), '10.0.0.4:1935');
    await hook('on_unpublish', 'second', 'a');
    assert.equal(await manager.place('hooked'), null);
  });

  test('refuses what it cannot use, and what is too large is told so while it is still being sent', async () => {
    const refused = async (body: string, path = '/api/v1/streams') => (await manager.post(path, body)).status;
    assert.equal(await refused('{'), 400);
    assert.equal(await refused('[]'), 400);
    assert.equal(await refused('{}', '/api/v1/hooks/on_publish?rtmp=1935&api=1985'), 400);
    assert.equal(await refused('{}', '/api/v1/nothing'), 404);
    assert.equal(await refused(' '.repeat(65 * 1024)), 413);
    assert.equal(await refused(' '.repeat(250 * 1024)), 413);
    const deleted = await fetch(`${manager.url}/api/v1/streams`, { method: 'DELETE' });
    assert.equal(deleted.status, 405);
  });

  test('more origins than allowed get a 503', async () => {
    const statuses = new Set<number>();
    for (let i = 0; i < 21; i++) {
      statuses.add((await manager.publish({ rtmp: `10.0.1.${i}:1935`, expiresMs: 200 }, `many-${i}`)).status);
    }
    assert.deepEqual([...statuses], [200, 503]);
  });
});

describe('a stream manager and the API of an origin', () => {
  let manager: TestManager;
  let origin: TestOrigin;
  before(async () => {
    [manager, origin] = await Promise.all([TestManager.start({ times: TIMES }), TestOrigin.start()]);
  });
  after(async () => {
    origin.close();
    await manager.kill();
  });

  test('an origin that answers lives without reports; one that does not is dead, and back when it answers', async () => {
    origin.streams = ['lives'];
    await manager.publish(origin.address, 'lives');
    const asked = origin.asked;
    await until('asked for longer than it would live', 3000, async () => origin.asked > asked + 10);
    assert.equal(await manager.place('lives'), '10.0.0.9:1935');
    origin.frozen = true;
    await manager.untilPlace('lives', null);
    origin.frozen = false;
    await manager.untilPlace('lives', '10.0.0.9:1935');
  });

  test('the origin has the last word: what it has not got ends, what nobody reported is found', async () => {
    origin.streams = ['unreported'];
    await manager.publish(origin.address, 'invented');
    assert.equal(await manager.place('invented'), '10.0.0.9:1935');
    await manager.untilPlace('invented', null);
    await manager.untilPlace('unreported', '10.0.0.9:1935');
  });

  test('a start of the origin between two questions is noticed', async () => {
    origin.streams = ['old'];
    await manager.publish(origin.address, 'old');
    origin.streams = [];
    origin.service = 'service-2';
    await manager.untilPlace('old', null);
  });

  test('who may be the origin itself is answered when the origin has the stream, at once', async () => {
    origin.streams = ['mine'];
    await manager.publish(origin.address, 'mine', 'not-mine');
    assert.equal(await manager.place('mine', '10.0.0.9'), '10.0.0.9:1935');
    assert.equal(await manager.place('not-mine', '10.0.0.9'), null);
  });
});
