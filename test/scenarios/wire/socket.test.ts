import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { WireError, WireSocket } from '../../../scenarios/wire/socket.ts';

let server: Server;
let target: { host: string; port: number };
let onPeer: (peer: Socket) => void = () => {};

before(async () => {
  server = createServer({ allowHalfOpen: true, noDelay: true }, (peer) => {
    peer.on('error', () => {});
    onPeer(peer);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  target = { host: '127.0.0.1', port: address.port };
});

after(() => server.close());

test('an orderly end is fin', async () => {
  onPeer = (peer) => peer.end();
  const socket = await WireSocket.open(target);
  assert.equal((await socket.ended(1000))?.how, 'fin');
});

test('a reset is reset, with its code', async () => {
  onPeer = (peer) => peer.once('data', () => peer.resetAndDestroy());
  const socket = await WireSocket.open(target);
  socket.write(Buffer.of(1));
  const end = await socket.ended(1000);
  assert.deepEqual([end?.how, end?.code], ['reset', 'ECONNRESET']);
});

test('a peer that keeps the connection is told by undefined, and by a timeout', async () => {
  onPeer = (peer) => peer.write('abc');
  const socket = await WireSocket.open(target);
  assert.equal(await socket.ended(50), undefined);
  await assert.rejects(
    socket.until('four bytes', 20, () => (socket.bytesIn >= 4 ? true : undefined)),
    (error) =>
      error instanceof WireError && error.code === 'wire.timeout' && error.actual.includes('3 bytes'),
  );
  socket.close();
  assert.equal(socket.end?.how, 'local');
});

test('waiting ends when the peer does', async () => {
  onPeer = (peer) => peer.end();
  const socket = await WireSocket.open(target);
  await assert.rejects(
    socket.until('an answer', 1000, () => undefined),
    (error) => error instanceof WireError && error.code === 'wire.closed' && error.expected === 'an answer',
  );
});

test('nobody there is refused', async () => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const address = free.address();
  assert.ok(typeof address === 'object' && address !== null);
  free.close();
  await once(free, 'close');
  await assert.rejects(
    WireSocket.open({ host: '127.0.0.1', port: address.port }),
    (error) => error instanceof WireError && error.code === 'wire.refused',
  );
});

test('a trickle arrives whole and in order', async () => {
  const received: number[] = [];
  const done = new Promise<void>((resolve) => {
    onPeer = (peer) => {
      peer.on('data', (bytes: Buffer) => received.push(...bytes));
      peer.on('end', () => {
        peer.end();
        resolve();
      });
    };
  });
  const socket = await WireSocket.open(target);
  const bytes = Uint8Array.from({ length: 200 }, (_, i) => i);
  await socket.trickle(bytes);
  socket.finish();
  await done;
  assert.deepEqual(received, [...bytes]);
  assert.equal((await socket.ended(1000))?.how, 'fin');
});

test('after the end nothing is written, and nothing throws', async () => {
  onPeer = (peer) => peer.once('data', () => peer.resetAndDestroy());
  const socket = await WireSocket.open(target);
  socket.write(Buffer.of(1));
  await socket.ended(1000);
  socket.write(Buffer.alloc(10));
  await socket.trickle(Buffer.alloc(10));
  socket.close();
  assert.equal(socket.end?.how, 'reset');
});
