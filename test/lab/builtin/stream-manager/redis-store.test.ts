import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, describe, test } from 'node:test';
import { Redis } from 'ioredis';
import { freePort } from '../../../support/ports.ts';
import { endChild, TestManager, until } from './support.ts';

const ORIGIN = { rtmp: '10.0.0.1:1935', expiresMs: 60_000 };
const OTHER = { rtmp: '10.0.0.2:1935', expiresMs: 60_000 };

describe('a stream manager with Redis', { concurrency: false }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'liveproof-test-'));
  let port = 0;
  let redis: ChildProcess | undefined;
  const managers: TestManager[] = [];

  /** Without persistence: whatever is killed has lost all. */
  async function startRedis(): Promise<void> {
    redis = spawn(
      'redis-server',
      ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    for await (const line of createInterface({ input: redis.stdout! })) {
      if (line.includes('Ready to accept connections')) break;
    }
    redis.stdout!.resume();
  }

  async function start(mutants: string[] = []): Promise<TestManager> {
    const manager = await TestManager.start({ redis: { host: '127.0.0.1', port }, mutants });
    managers.push(manager);
    return manager;
  }

  function settled(manager: TestManager): Promise<void> {
    return until('Redis has it all', 5000, async () => {
      const text = await (await fetch(`${manager.url}/metrics`)).text();
      return /^stream_manager_redis_up 1$/m.test(text) && /^stream_manager_redis_pending 0$/m.test(text);
    });
  }

  before(async () => {
    port = await freePort();
    await startRedis();
  });
  afterEach(async () => {
    await Promise.all(managers.splice(0).map((manager) => manager.kill()));
  });
  after(async () => {
    await endChild(redis);
    rmSync(folder, { recursive: true, force: true });
  });

  test('a manager that is started anew knows all that lives', async () => {
    const manager = await start();
    await manager.publish(ORIGIN, 'restart', 'ended');
    await manager.post('/api/v1/streams', {
      origin: ORIGIN,
      streams: [{ app: 'live', stream: 'ended', action: 'unpublish' }],
    });
    await settled(manager);
    await manager.kill();
    await manager.start();
    assert.equal(await manager.place('restart'), '10.0.0.1:1935');
    assert.equal(await manager.place('ended'), null);
  });

  test('two managers know the same, as it changes', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    await one.publish(ORIGIN, 'shared');
    await two.untilPlace('shared', '10.0.0.1:1935');
    await two.publish(OTHER, 'shared');
    await one.untilPlace('shared', '10.0.0.2:1935');
    await one.post('/api/v1/streams', { origin: OTHER, streams: [], complete: true });
    await two.untilPlace('shared', '10.0.0.1:1935');
  });

  test('a Redis that comes back empty gets all that lives, and not what has ended meanwhile', async () => {
    const manager = await start();
    await manager.publish(ORIGIN, 'before', 'ended-meanwhile');
    await settled(manager);
    await endChild(redis);
    assert.equal(await manager.place('before'), '10.0.0.1:1935');
    await manager.publish(OTHER, 'meanwhile');
    await manager.post('/api/v1/streams', {
      origin: ORIGIN,
      streams: [{ app: 'live', stream: 'ended-meanwhile', action: 'unpublish' }],
    });
    assert.equal(await manager.place('meanwhile'), '10.0.0.2:1935');
    await startRedis();
    await settled(manager);
    const another = await start();
    assert.equal(await another.place('before'), '10.0.0.1:1935');
    assert.equal(await another.place('meanwhile'), '10.0.0.2:1935');
    assert.equal(await another.place('ended-meanwhile'), null);
  });

  test('a manager starts without Redis, answers, and gives it what it knows later', async () => {
    await endChild(redis);
    const manager = await start();
    await manager.publish(ORIGIN, 'early');
    assert.equal(await manager.place('early'), '10.0.0.1:1935');
    await startRedis();
    await settled(manager);
    const another = await start();
    assert.equal(await another.place('early'), '10.0.0.1:1935');
  });

  test('what another manager ended while this one was cut off is not brought back', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    await one.publish(ORIGIN, 'kept', 'ended-elsewhere');
    await two.untilPlace('ended-elsewhere', '10.0.0.1:1935');
    await settled(one);
    // Redis throws out every client; both come back to the same Redis.
    await cutClients(port);
    await two.post('/api/v1/streams', {
      origin: ORIGIN,
      streams: [{ app: 'live', stream: 'ended-elsewhere', action: 'unpublish' }],
    });
    await Promise.all([settled(one), settled(two)]);
    await one.untilPlace('ended-elsewhere', null);
    assert.equal(await one.place('kept'), '10.0.0.1:1935');
    assert.equal(await two.place('kept'), '10.0.0.1:1935');
  });
});

async function cutClients(port: number): Promise<void> {
  const redis = new Redis({ host: '127.0.0.1', port });
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  redis.disconnect();
}
