import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { MutantId } from '../../../lab/builtin/mutants.ts';
import { eventually } from '../../drivers/support/observe.ts';
import { ask, nginx, type Running, upstream } from './running-nginx.ts';

/** A cache in front of an origin that answers every path with how often it was asked for, and 404 below /absent. */
async function cache(
  t: TestContext,
  ...mutants: MutantId[]
): Promise<Running & { asked: Map<string, number> }> {
  const asked = new Map<string, number>();
  const origin = await upstream(t, (request, response) => {
    const path = (request.url ?? '').split('?')[0]!;
    const count = (asked.get(path) ?? 0) + 1;
    asked.set(path, count);
    response.setHeader('access-control-allow-origin', 'http://of.the.origin');
    if (path.startsWith('/absent')) response.writeHead(404).end();
    else response.setHeader('content-type', 'video/MP2T').end(String(count));
  });
  const running = await nginx(t, { kind: 'cache', upstreams: [origin], mutants: new Set(mutants) });
  return { ...running, asked };
}

describe('Nginx as a cache for HLS', { concurrency: true }, () => {
  it('asks once for a segment, whatever the players add to its URL', async (t) => {
    const { port, asked, accessLog } = await cache(t);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, player) => ask(port, `/live/s-1.ts?player=${player}`)),
    );
    assert.deepEqual(new Set(answers.map(({ status, body }) => `${status} ${body}`)), new Set(['200 1']));
    assert.equal(asked.get('/live/s-1.ts'), 1);
    // It answers first and writes then.
    await eventually(5000, 'a line for each', () => accessLog().length === answers.length);
    assert.equal(accessLog().filter(({ cache: how }) => how === 'MISS').length, 1);
    for (const { headers } of answers) assert.equal(headers['access-control-allow-origin'], '*');
  });

  it('asks for a playlist again after half a fragment, and not before', async (t) => {
    const { port, asked } = await cache(t);
    const began = Date.now();
    let answers = 0;
    while (Date.now() - began < 2500) {
      assert.equal((await ask(port, '/live/s.m3u8?CMCD=bl%3D100')).status, 200);
      answers++;
      await delay(20);
    }
    // 2.5 s hold 5 halves of a second, and reach into a sixth.
    const halves = Math.floor(Date.now() / 500) - Math.floor(began / 500) + 1;
    const count = asked.get('/live/s.m3u8')!;
    assert.ok(count >= halves - 1 && count <= halves, `asked ${count} times in ${halves} halves of a second`);
    assert.ok(answers > count);
  });

  it('forgets soon that something is not there', async (t) => {
    const { port, asked } = await cache(t);
    assert.equal((await ask(port, '/absent/s.m3u8')).status, 404);
    const deadline = Date.now() + 4000;
    while (asked.get('/absent/s.m3u8') === 1 && Date.now() < deadline) {
      await ask(port, '/absent/s.m3u8');
      await delay(50);
    }
    assert.ok(asked.get('/absent/s.m3u8')! > 1, 'the origin was not asked again within 4 s');
  });

  it('keeps too long, or not at all, with its mutants', async (t) => {
    const long = await cache(t, 'cache-playlist-too-long', 'cache-no-segments');
    const playlist = await ask(long.port, '/live/s.m3u8');
    await delay(2100);
    assert.equal((await ask(long.port, '/live/s.m3u8')).body, playlist.body);
    for (let i = 0; i < 3; i++) await ask(long.port, '/live/s-1.ts');
    assert.equal(long.asked.get('/live/s-1.ts'), 3);
  });

  it('remembers with its mutant that something was not there', async (t) => {
    const { port, asked } = await cache(t, 'cache-404');
    for (const path of ['/absent/s.m3u8', '/absent/s-1.ts']) await ask(port, path);
    await delay(2100);
    for (const path of ['/absent/s.m3u8', '/absent/s-1.ts']) {
      await ask(port, path);
      assert.equal(asked.get(path), 1, path);
    }
  });

  it('without its lock lets everybody through who comes before the first answer', async (t) => {
    let asked = 0;
    const held: (() => void)[] = [];
    const origin = await upstream(t, (_, response) => {
      asked++;
      held.push(() => response.end('x'));
      if (asked === 5) for (const release of held) release();
    });
    const { port } = await nginx(t, {
      kind: 'cache',
      upstreams: [origin],
      mutants: new Set<MutantId>(['cache-no-lock']),
    });
    await Promise.all(Array.from({ length: 5 }, () => ask(port, '/live/s-1.ts')));
    assert.equal(asked, 5);
  });
});
