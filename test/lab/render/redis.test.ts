import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { renderRedis } from '../../../lab/render/redis.ts';
import { findProgram } from '../../../lab/runners/find-program.ts';
import { type RedisInfo, redisInfo } from '../../../lab/runners/redis.ts';
import { freePort } from '../../support/ports.ts';

const HOST = '127.0.0.1';

describe('a real Redis with redis.conf', () => {
  let directory: string;
  let port: number;
  let child: ChildProcess;

  async function start(): Promise<RedisInfo> {
    child = spawn(findProgram('redis-server') ?? 'redis-server', [path.join(directory, 'redis.conf')], {
      stdio: 'ignore',
    });
    const end = performance.now() + 5000;
    for (;;) {
      const info = await redisInfo(HOST, port).catch((error: Error) => error);
      if (!(info instanceof Error)) return info;
      assert.ok(performance.now() < end, info.message);
      await delay(20);
    }
  }

  async function kill(): Promise<void> {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  before(async () => {
    // A folder as people have them.
    directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof redis "of a lab"-'));
    port = await freePort();
    writeFileSync(
      path.join(directory, 'redis.conf'),
      renderRedis({ name: 'redis', host: HOST, port, directory }),
    );
  });
  after(async () => {
    await kill();
    rmSync(directory, { recursive: true, force: true });
  });

  it('tells which process it is, and keeps what was written when it is killed', async () => {
    const first = await start();
    assert.equal(first.processId, child.pid);
    assert.equal(first.clients, 0);
    assert.equal(await command('SET stream origin-1\r\n'), '+OK\r\n');
    await kill();

    const second = await start();
    assert.equal(second.processId, child.pid);
    assert.notEqual(second.runId, first.runId);
    assert.equal(await command('GET stream\r\n'), '$8\r\norigin-1\r\n');
  });

  it('listens on its address only', async () => {
    await assert.rejects(redisInfo('127.0.0.2', port), { code: 'ECONNREFUSED' });
  });

  async function command(text: string): Promise<string> {
    const socket = net.connect(port, HOST);
    socket.write(text);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return String(answer);
  }
});

describe('what a Redis tells', () => {
  it('is refused when it is no Redis, or one that still reads its data', async () => {
    for (const [answer, reason] of [
      ['-LOADING Redis is loading the dataset in memory\r\n', /answers PING with -LOADING/],
      ['+PONG\r\n$2\r\n\r\n\r\n', /does not tell process_id/],
      ['HTTP/1.1 400 Bad Request\r\n\r\n', /answers PING with HTTP/],
    ] as const) {
      const server = net.createServer((socket) => socket.end(answer)).listen(0, HOST);
      await once(server, 'listening');
      await assert.rejects(redisInfo(HOST, (server.address() as net.AddressInfo).port), { message: reason });
      server.close();
    }
  });
});
