/** What every load balancer does: in memory, and on a real Redis. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MutantId } from '../../../../lab/builtin/mutants.ts';
import {
  type Backend,
  type LoadBalancer,
  Refusal,
  streamUrlOf,
} from '../../../../lab/builtin/proxy/load-balancer.ts';
import { MemoryBalancer } from '../../../../lab/builtin/proxy/memory-balancer.ts';
import { ProxyMetrics } from '../../../../lab/builtin/proxy/metrics.ts';
import { RedisBalancer } from '../../../../lab/builtin/proxy/redis-balancer.ts';
import { DEFAULT_TIMEOUTS, type ProxyTimeouts } from '../../../../lab/builtin/proxy/timeouts.ts';
import { eventually } from '../support.ts';
import { startRedis, type TestRedis } from './support.ts';

interface Made {
  readonly mutants?: readonly MutantId[];
  readonly timeouts?: Partial<ProxyTimeouts>;
}

type Make = (made?: Made) => Promise<LoadBalancer>;

function backend(name: string, life = 'a', port = 1935): Backend {
  const [ip, server] = [`127.0.0.${name.charCodeAt(0) - 90}`, `vid-${name}`];
  return { id: `${server}-${life}-1`, ip, server, service: life, pid: '1', rtmp: { host: ip, port } };
}

const [A, B, C] = [backend('a'), backend('b'), backend('c')] as const;

async function idOf(balancer: LoadBalancer, stream: string, instead?: Backend): Promise<string> {
  return (await balancer.pick(`v/live/${stream}`, { protocol: 'rtmp', ...(instead ? { instead } : {}) })).id;
}

async function refused(balancer: LoadBalancer, stream: string, code: string): Promise<void> {
  await assert.rejects(
    idOf(balancer, stream),
    (error: unknown) => error instanceof Refusal && error.code === code,
  );
}

async function registered(balancer: LoadBalancer, ...backends: Backend[]): Promise<void> {
  for (const one of backends) await balancer.register(one);
}

function options(made: Made = {}): ConstructorParameters<typeof MemoryBalancer>[0] {
  return {
    timeouts: { ...DEFAULT_TIMEOUTS, ...made.timeouts },
    mutants: new Set(made.mutants ?? []),
    metrics: new ProxyMetrics(),
  };
}

const memory = async (t: TestContext): Promise<Make> => {
  return async (made) => {
    const balancer = new MemoryBalancer(options(made));
    t.after(() => balancer.close());
    await balancer.start();
    return balancer;
  };
};

async function onRedis(
  t: TestContext,
  redis: TestRedis,
  made?: Made,
  log: string[] = [],
): Promise<LoadBalancer> {
  const balancer = new RedisBalancer({
    ...options({ ...made, timeouts: { redis: 300, ...made?.timeouts } }),
    redis: { host: '127.0.0.1', port: redis.port, password: redis.password, db: 0 },
    log: (line) => log.push(line),
  });
  t.after(() => balancer.close());
  await balancer.start();
  return balancer;
}

const redis = async (t: TestContext): Promise<Make> => {
  const server = await startRedis(t);
  return (made) => onRedis(t, server, made);
};

for (const [kind, maker] of [
  ['memory', memory],
  ['redis', redis],
] as const) {
  test(`${kind}: streams go to origins in turn and stay`, async (t) => {
    const balancer = await (await maker(t))();
    await refused(balancer, 's1', 'proxy.no-origin');
    await registered(balancer, A, B, C);
    const first = await Promise.all(['s1', 's2', 's3', 's4', 's5', 's6'].map((s) => idOf(balancer, s)));
    assert.deepEqual([...first].sort(), [A.id, A.id, B.id, B.id, C.id, C.id]);
    await registered(balancer, C, B, A);
    const again = await Promise.all(['s1', 's2', 's3', 's4', 's5', 's6'].map((s) => idOf(balancer, s)));
    assert.deepEqual(again, first);
    assert.equal((await balancer.peek('v/live/s1'))?.id, first[0]);
    assert.equal(await balancer.peek('v/live/unknown'), undefined);
    assert.deepEqual((await balancer.backends()).map(({ id }) => id).sort(), [A.id, B.id, C.id]);
  });

  test(`${kind}: an origin without heartbeat is dead, and its streams go elsewhere`, async (t) => {
    const balancer = await (await maker(t))({ timeouts: { alive: 2000 } });
    await registered(balancer, A);
    assert.equal(await idOf(balancer, 's'), A.id);
    await sleep(1200);
    await registered(balancer, A, B);
    await sleep(1200);
    assert.equal(await idOf(balancer, 's'), A.id);
    const isAlone = async () => {
      await registered(balancer, B);
      const [first, ...others] = await balancer.backends();
      return first?.id === B.id && others.length === 0;
    };
    // Less than a second life.
    await eventually('A to be dead', isAlone, 2000);
    assert.equal(await idOf(balancer, 's'), B.id);
    await registered(balancer, A);
    assert.equal(await idOf(balancer, 's'), B.id);
  });

  test(`${kind}: a restarted origin is another one, and the one that it was is dead at once`, async (t) => {
    const balancer = await (await maker(t))();
    await registered(balancer, A);
    assert.equal(await idOf(balancer, 's'), A.id);
    const restarted = backend('a', 'b');
    await registered(balancer, restarted);
    assert.deepEqual(
      (await balancer.backends()).map(({ id }) => id),
      [restarted.id],
    );
    assert.equal(await idOf(balancer, 's'), restarted.id);
    const beside = backend('a', 'c', 1936);
    await registered(balancer, beside);
    assert.equal((await balancer.backends()).length, 2);
  });

  test(`${kind}: a publisher who cannot reach the origin gets another, once, for everybody`, async (t) => {
    const balancer = await (await maker(t))();
    await registered(balancer, A, B);
    const first = await idOf(balancer, 's');
    const dead = first === A.id ? A : B;
    const other = first === A.id ? B : A;
    assert.equal(await idOf(balancer, 's', dead), other.id);
    assert.equal(await idOf(balancer, 's', dead), other.id);
    assert.equal(await idOf(balancer, 's'), other.id);
    const next = await Promise.all(['t', 'u', 'v'].map((stream) => idOf(balancer, stream)));
    assert.deepEqual(next, [other.id, other.id, other.id]);
    await registered(balancer, dead);
    const later = await Promise.all(['w', 'x'].map((stream) => idOf(balancer, stream)));
    assert.deepEqual(later.sort(), [A.id, B.id]);
  });

  test(`${kind}: a pick is kept while somebody is served, and for a while after`, async (t) => {
    const balancer = await (await maker(t))({ timeouts: { sticky: 300 } });
    await registered(balancer, A);
    await idOf(balancer, 'held');
    await idOf(balancer, 'idle');
    const release = balancer.hold('v/live/held', A);
    await sleep(800);
    assert.equal((await balancer.peek('v/live/held'))?.id, A.id);
    assert.equal(await balancer.peek('v/live/idle'), undefined);
    release();
    release();
    await eventually('it to be forgotten', async () => !(await balancer.peek('v/live/held')), 800);
  });

  test(`${kind}: small state expires`, async (t) => {
    const balancer = await (await maker(t))();
    await balancer.put('ufrag:x', 'y', 1000);
    assert.equal(await balancer.get('ufrag:x'), 'y');
    await eventually('it to be gone', async () => (await balancer.get('ufrag:x')) === undefined);
  });

  test(`${kind}: mutants`, async (t) => {
    const make = await maker(t);
    const three = async (mutant: MutantId, made: Made = {}): Promise<LoadBalancer> => {
      const balancer = await make({ ...made, mutants: [mutant] });
      await registered(balancer, A, B, C);
      return balancer;
    };
    const unsticky = await three('proxy-not-sticky');
    assert.notEqual(await idOf(unsticky, 'm1'), await idOf(unsticky, 'm1'));
    const perProtocol = await three('proxy-picks-per-protocol');
    const rtmp = await perProtocol.pick('v/live/m2', { protocol: 'rtmp' });
    const http = await perProtocol.pick('v/live/m2', { protocol: 'http' });
    assert.notEqual(rtmp.id, http.id);
    const first = await three('proxy-first-origin');
    for (const stream of ['m3', 'm4', 'm5', 'm6']) assert.equal(await idOf(first, stream), A.id);
    const moved = await three('proxy-never-repicks', { timeouts: { alive: 1000 } });
    const id = await idOf(moved, 'm8');
    await eventually('its death', async () => !(await moved.backends()).some((one) => one.id === id));
    await registered(moved, ...[A, B, C].filter((one) => one.id !== id));
    await refused(moved, 'm8', 'proxy.no-origin');
    const keeps = await three('proxy-keeps-dead-origins', { timeouts: { alive: 200 } });
    await sleep(300);
    assert.equal((await keeps.backends()).length, 3);
  });
}

test('a proxy that stood still takes no origin for dead by that, and one that says nothing afterwards is', async (t) => {
  const make = await memory(t);
  const alive = 400;
  const balancer = await make({ timeouts: { alive } });
  await registered(balancer, A, B, C);
  const has = await idOf(balancer, 'x');
  // Nothing of this process runs meanwhile, as when it is stopped.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * alive);
  assert.equal(await idOf(balancer, 'x'), has);
  assert.equal((await balancer.backends()).length, 3);
  await eventually('all to be dead', async () => (await balancer.backends()).length === 0);
  await refused(balancer, 'x', 'proxy.no-origin');
});

test('names of a stream', () => {
  const name = (names: Parameters<typeof streamUrlOf>[0]): string | undefined => streamUrlOf(names);
  const expected = '__defaultVhost__/live/a';
  assert.equal(name({ app: 'live', stream: 'a' }), expected);
  for (const host of ['localhost', '127.0.0.1', '[::1]', '', 'srs']) {
    assert.equal(name({ host, app: 'live', stream: 'a.flv' }), expected, host);
  }
  assert.equal(name({ host: 'A.example.com', app: '/live/', stream: '/a' }), 'a.example.com/live/a');
  assert.equal(name({ host: '127.0.0.1', vhost: 'v.com', app: 'live', stream: 'a' }), 'v.com/live/a');
  assert.equal(name({ app: 'live', stream: '%E6%B5%81' }), '__defaultVhost__/live/流');
  for (const [app, stream] of [
    ['', 'a'],
    ['live', ''],
    ['live', 'x'.repeat(2000)],
    ['live', 'a%0Ab'],
  ] as const) {
    assert.equal(name({ app, stream }), undefined);
  }
});

test('two proxies that pick at the same moment agree', async (t) => {
  const server = await startRedis(t);
  const [one, two] = await Promise.all([onRedis(t, server), onRedis(t, server)]);
  await registered(one!, A, B, C);
  const streams = Array.from({ length: 60 }, (_, index) => `s${index}`);
  const picks = await Promise.all(
    streams.map(async (stream) => [await Promise.all([idOf(one!, stream), idOf(two!, stream)])].flat()),
  );
  for (const [mine, theirs] of picks) assert.equal(mine, theirs);
  assert.deepEqual(
    [A, B, C].map(({ id }) => picks.filter(([mine]) => mine === id).length),
    [20, 20, 20],
  );
  const apart = await Promise.all([0, 1].map(() => onRedis(t, server, { mutants: ['proxies-pick-apart'] })));
  await Promise.all(apart.map((balancer) => balancer.backends()));
  await idOf(apart[0]!, 'shift');
  const differ = await Promise.all(
    ['x', 'y', 'z'].map(async (s) => (await idOf(apart[0]!, s)) !== (await idOf(apart[1]!, s))),
  );
  assert.ok(differ.includes(true));
});

test('the keys and values are those of SRS’s own proxy', async (t) => {
  const server = await startRedis(t);
  const balancer = await onRedis(t, server);
  const origin = { ...A, http: { host: '10.0.0.9', port: 8080 }, deviceId: 'o1' };
  await registered(balancer, origin);
  await idOf(balancer, 's');
  const key = `srs-proxy-server:${A.id}`;
  assert.deepEqual(JSON.parse(await server.cli('get', 'srs-proxy-all-servers')), [key]);
  assert.equal(await server.cli('get', 'srs-proxy-url:v/live/s'), key);
  const { update_at: at, ...value } = JSON.parse(await server.cli('get', key)) as Record<string, unknown>;
  assert.deepEqual(value, {
    ip: A.ip,
    device_id: 'o1',
    server_id: 'vid-a',
    service_id: 'a',
    pid: '1',
    rtmp: ['1935'],
    http: ['tcp://10.0.0.9:8080'],
  });
  assert.ok(!Number.isNaN(Date.parse(String(at))));
  const ttl = Number(await server.cli('ttl', key));
  assert.ok(ttl > 290 && ttl <= 300, `${ttl} s`);

  // What another kind of proxy has written is understood.
  const foreign = JSON.stringify({
    ip: '127.0.0.9',
    server_id: 'x',
    service_id: 'y',
    pid: '7',
    rtmp: ['1936'],
  });
  await server.cli('set', 'srs-proxy-server:x-y-7', foreign);
  await server.cli('set', 'srs-proxy-all-servers', JSON.stringify([key, 'srs-proxy-server:x-y-7']));
  await server.cli('set', 'srs-proxy-url:v/live/theirs', 'srs-proxy-server:x-y-7');
  assert.equal(await idOf(balancer, 'theirs'), 'x-y-7');
  // And what nobody understands hurts nobody.
  await server.cli('set', 'srs-proxy-all-servers', 'garbage');
  assert.equal(await idOf(balancer, 's'), A.id);
  await refused(balancer, 'new', 'proxy.no-origin');
  await registered(balancer, A);
  assert.equal(await idOf(balancer, 'new'), A.id);
});

for (const way of ['killed', 'frozen'] as const) {
  test(`Redis ${way}: last known answers and clear refusals, and all works when it is back`, async (t) => {
    const server = await startRedis(t);
    const log: string[] = [];
    const balancer = await onRedis(t, server, {}, log);
    await registered(balancer, A, B, C);
    const known = await idOf(balancer, 's');
    const release = balancer.hold('v/live/s', A);
    if (way === 'killed') await server.stop();
    else server.freeze();
    assert.equal(await idOf(balancer, 's'), known);
    await refused(balancer, 'new', 'proxy.no-state');
    const refusedAt = performance.now();
    await refused(balancer, 'new', 'proxy.no-state');
    assert.ok(performance.now() - refusedAt < 150, 'refused at once when it is known to be down');
    await assert.rejects(balancer.register(A), Refusal);
    await assert.rejects(balancer.put('k', 'v', 1000), Refusal);
    assert.equal((await balancer.peek('v/live/s'))?.id, known);
    assert.equal((await balancer.backends()).length, 3);

    if (way === 'killed') await server.start();
    else server.thaw();
    const end = performance.now() + 5000;
    let answer: string | undefined;
    while (!answer && performance.now() < end) {
      answer = await idOf(balancer, 'other').catch(() => undefined);
      if (!answer) await sleep(50);
    }
    assert.ok(answer, 'it picks again');
    assert.equal(await server.cli('get', 'srs-proxy-url:v/live/s'), `srs-proxy-server:${known}`);
    assert.equal((await balancer.backends()).length, 3);
    release();
    assert.ok(!log.join('\n').includes(server.password));
    assert.deepEqual(
      log.map((line) => line.split(':')[0]),
      ['redis is up', 'redis is down', 'redis is up'],
    );
  });
}

test('Redis that is not there yet does not keep a proxy from starting', async (t) => {
  const server = await startRedis(t);
  await server.stop();
  const balancer = await onRedis(t, server);
  await refused(balancer, 's', 'proxy.no-state');
  await assert.rejects(balancer.backends(), Refusal);
  await assert.rejects(balancer.register(A), Refusal);
  await server.start();
  const end = performance.now() + 5000;
  while ((await idOf(balancer, 's').catch(() => '')) === '' && performance.now() < end) await sleep(50);
  // The heartbeat that came while it was away was not lost.
  assert.equal(await idOf(balancer, 's'), A.id);
});
