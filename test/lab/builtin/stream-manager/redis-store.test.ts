import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { parseAddress, streamKey } from '../../../../lab/builtin/stream-manager/address.ts';
import { DEFAULT_LIMITS, DEFAULT_TIMES } from '../../../../lab/builtin/stream-manager/config.ts';
import { RedisStore } from '../../../../lab/builtin/stream-manager/redis-store.ts';
import { Registry } from '../../../../lab/builtin/stream-manager/registry.ts';
import { TcpTap } from '../../../../lab/taps/tcp-tap.ts';
import { freePort } from '../../../support/ports.ts';
import { endChild, until } from './support.ts';

const [A, B] = ['10.0.0.1:1935', '10.0.0.2:1935'];
const WITHDRAWALS = 3;

/** What a stream manager knows, without its HTTP. */
class Memory {
  readonly registry: Registry;
  readonly store: RedisStore;

  constructor(port: number) {
    const limits = { ...DEFAULT_LIMITS, withdrawals: WITHDRAWALS };
    this.registry = new Registry(DEFAULT_TIMES, limits, new Set());
    const rest = { registry: this.registry, limits, mutants: new Set<never>(), log: () => {} };
    this.store = new RedisStore({ host: '127.0.0.1', port }, undefined, rest);
    this.registry.listener = this.store;
  }

  publish(origin: string, ...streams: string[]): void {
    const seen = this.registry.see({ rtmp: parseAddress(origin)! });
    for (const stream of streams) this.registry.publish(seen, streamKey('', 'live', stream), 'client');
  }

  unpublish(origin: string, ...streams: string[]): void {
    const seen = this.registry.see({ rtmp: parseAddress(origin)! });
    for (const stream of streams) this.registry.unpublish(seen, streamKey('', 'live', stream), 'client');
  }

  place(stream: string): string | undefined {
    return this.registry.find(streamKey('', 'live', stream))?.origin.key;
  }

  untilPlace(stream: string, place: string | undefined): Promise<void> {
    return until(`${stream} at ${place}`, 5000, async () => this.place(stream) === place);
  }

  settled(): Promise<void> {
    return until('Redis has it all', 5000, async () => {
      const { connected, pending } = this.store.state;
      return connected && pending === 0;
    });
  }

  lost(): Promise<void> {
    return until('Redis is missed', 5000, async () => !this.store.state.connected);
  }
}

describe('the state of a stream manager in Redis', { concurrency: false }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'liveproof-test-'));
  let port = 0;
  let redis: ChildProcess | undefined;
  const managers: Memory[] = [];

  /** Without persistence: whatever is killed has lost all. */
  async function startRedis(): Promise<void> {
    const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''];
    redis = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: redis.stdout! })) {
      if (line.includes('Ready to accept connections')) break;
    }
    redis.stdout!.resume();
  }

  async function start(at = port): Promise<Memory> {
    const manager = new Memory(at);
    managers.push(manager);
    await manager.store.start();
    return manager;
  }

  before(async () => {
    port = await freePort();
    await startRedis();
  });
  afterEach(() => {
    for (const manager of managers.splice(0)) manager.store.close();
  });
  after(async () => {
    await endChild(redis);
    rmSync(folder, { recursive: true, force: true });
  });

  test('a manager that is started anew knows all that lives', async () => {
    const manager = await start();
    manager.publish(A, 'restart', 'ended');
    manager.unpublish(A, 'ended');
    await manager.settled();
    manager.store.close();
    const again = await start();
    assert.equal(again.place('restart'), A);
    assert.equal(again.place('ended'), undefined);
  });

  test('two managers know the same, as it changes', async () => {
    const [one, two] = [await start(), await start()];
    one.publish(A, 'shared');
    await two.untilPlace('shared', A);
    two.publish(B, 'shared');
    await one.untilPlace('shared', B);
    one.unpublish(B, 'shared');
    await two.untilPlace('shared', A);
  });

  test('more than a pipeline full is written and read', async () => {
    const manager = await start();
    manager.publish(A, ...Array.from({ length: 3500 }, (_, i) => `many-${i}`));
    await manager.settled();
    const again = await start();
    assert.equal(again.registry.publications, manager.registry.publications);
    assert.equal(again.place('many-3499'), A);
    again.registry.withdraw(again.registry.find(streamKey('', 'live', 'many-0'))!);
    await manager.untilPlace('many-0', undefined);
  });

  test('a Redis that comes back empty gets all that lives, and not what has ended meanwhile', async () => {
    const manager = await start();
    manager.publish(A, 'before', 'ended-meanwhile');
    await manager.settled();
    await endChild(redis);
    await manager.lost();
    assert.equal(manager.place('before'), A);
    manager.publish(B, 'meanwhile');
    manager.unpublish(A, 'ended-meanwhile');
    await startRedis();
    await manager.settled();
    const another = await start();
    assert.equal(another.place('before'), A);
    assert.equal(another.place('meanwhile'), B);
    assert.equal(another.place('ended-meanwhile'), undefined);
  });

  test('a manager starts without Redis, answers, and gives it what it knows later', async () => {
    await endChild(redis);
    const manager = await start();
    manager.publish(A, 'early');
    assert.equal(manager.place('early'), A);
    await startRedis();
    await manager.settled();
    assert.equal((await start()).place('early'), A);
  });

  test('what another manager ended while this one was cut off is not brought back', async () => {
    const [one, two] = [await start(), await start()];
    one.publish(A, 'kept', 'ended-elsewhere');
    await two.untilPlace('ended-elsewhere', A);
    await one.settled();
    // Redis throws out every client; both come back to the same Redis.
    await cutClients(port);
    await Promise.all([one.lost(), two.lost()]);
    two.unpublish(A, 'ended-elsewhere');
    await Promise.all([one.settled(), two.settled()]);
    await one.untilPlace('ended-elsewhere', undefined);
    assert.equal(one.place('kept'), A);
    assert.equal(two.place('kept'), A);
  });

  test('what a manager that is cut off has seen end does not end what began after it at another', async () => {
    const tap = new TcpTap({
      from: 'one',
      to: 'redis',
      listen: { host: '127.0.0.1', port: 0 },
      target: { host: '127.0.0.1', port },
    });
    await tap.listen();
    try {
      const [one, two] = [await start(tap.address.port), await start()];
      one.publish(A, 'again', 'ended');
      await Promise.all([two.untilPlace('again', A), two.untilPlace('ended', A)]);
      await one.settled();
      tap.cut();
      await one.lost();
      // The end is told to one manager, the new beginning to the other.
      one.unpublish(A, 'again', 'ended');
      await sleep(5);
      two.registry.publish(
        two.registry.see({ rtmp: parseAddress(A)! }),
        streamKey('', 'live', 'again'),
        'next',
      );
      await two.settled();
      tap.restore();
      await one.settled();
      await two.untilPlace('ended', undefined);
      assert.equal(one.place('again'), A);
      assert.equal(two.place('again'), A);
      assert.equal((await start()).place('again'), A);
    } finally {
      for (const manager of managers.splice(0)) manager.store.close();
      await tap.close();
    }
  });

  test('what waits for Redis is bounded', async () => {
    const manager = await start();
    const streams = Array.from({ length: 10 }, (_, i) => `bounded-${i}`);
    manager.publish(A, ...streams);
    await manager.settled();
    await endChild(redis);
    await manager.lost();
    for (let turn = 0; turn < 100; turn++) {
      manager.unpublish(A, ...streams);
      manager.publish(A, ...streams);
    }
    // The origin itself, too.
    assert.ok(manager.store.state.pending <= streams.length + 1, `${manager.store.state.pending} changes`);
    manager.unpublish(A, ...streams);
    assert.ok(manager.store.state.pending <= WITHDRAWALS + 1, `${manager.store.state.pending} changes`);
    await startRedis();
    await manager.settled();
    assert.equal((await start()).place('bounded-9'), undefined);
  });
});

async function cutClients(port: number): Promise<void> {
  const redis = new Redis({ host: '127.0.0.1', port });
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  redis.disconnect();
}
