/** HTTP clients that take their time over an answer: as long as they go on taking it nobody cuts it off. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { closeWhenTaken } from '../../../lab/builtin/close-soon.ts';
import { readRequests } from '../../../lab/builtin/http-head.ts';

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** What the two ends of a connection are. */
async function pair(): Promise<{ served: Socket; client: Socket }> {
  const server = createServer();
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [served] = (await once(server, 'connection')) as [Socket];
  for (const socket of [served, client]) socket.on('error', () => {});
  return { served, client };
}

/** Much more than the buffers of the system. */
const LARGE = 64 * 1024 * 1024;
const IDLE_MS = 250;

test('who takes an answer slowly gets all of it before the connection is closed', async () => {
  const { served, client } = await pair();
  served.write(Buffer.alloc(LARGE, 1));
  const from = performance.now();
  closeWhenTaken(served, IDLE_MS);
  let taken = 0;
  for await (const piece of client) {
    taken += (piece as Buffer).length;
    await delay(1);
  }
  assert.equal(taken, LARGE);
  assert.ok(performance.now() - from > 2 * IDLE_MS, 'it took longer than one may take nothing');
});

test('who takes nothing of an answer is given up', async () => {
  const { served, client } = await pair();
  served.write(Buffer.alloc(LARGE, 1));
  client.pause();
  closeWhenTaken(served, IDLE_MS);
  await once(served, 'close', { signal: AbortSignal.timeout(5000) });
  client.destroy();
});

/** As much of a socket as readRequests needs; what is written is taken when the test says. */
class LateTaker extends Duplex {
  taken: () => void = () => {};

  constructor() {
    super({ writableHighWaterMark: 1024 * 1024 });
  }

  override _read(): void {}

  override _write(_bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.taken = done;
  }

  setTimeout(): this {
    return this;
  }
}

test('the time for the next request begins when the answer was taken', { timeout: 5000 }, async () => {
  const socket = new LateTaker();
  const results: unknown[] = [];
  readRequests(socket as unknown as Socket, 100, (result) => {
    results.push(typeof result === 'string' ? result : result.target);
    if (typeof result !== 'string') socket.write('the answer');
    return true;
  });
  socket.push('GET /a HTTP/1.1\r\n\r\n');
  while (results.length === 0) await delay(1);
  // Of the process itself, so that a busy machine does not make it shorter.
  for (let turn = 0; turn < 25; turn++) await delay(10);
  assert.deepEqual(results, ['/a']);
  socket.taken();
  await delay(0);
  socket.taken();
  while (results.length < 2) await delay(5);
  assert.deepEqual(results, ['/a', 'timeout']);
});
