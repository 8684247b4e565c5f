import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { resetSocket } from '../../../lab/taps/reset.ts';

async function pair(): Promise<{ socket: Socket; peer: Socket; close(): void }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  const [[peer]] = await Promise.all([once(server, 'connection'), once(socket, 'connect')]);
  return { socket, peer, close: () => void server.close() };
}

for (const [name, before] of [
  ['an open socket', () => {}],
  ['one that has just been ended', (socket: Socket) => void socket.end()],
] as const) {
  test(`${name} is closed, and its peer is told by RST`, async (t) => {
    const { socket, peer, close } = await pair();
    t.after(close);
    const reset = new Promise<NodeJS.ErrnoException>((resolve) => peer.once('error', resolve));
    peer.resume();
    // A peer that reads a FIN only finds out when it writes.
    peer.once('end', () => setImmediate(() => peer.write('x')));
    before(socket);
    resetSocket(socket);
    await once(socket, 'close');
    assert.match((await reset).code!, /^(ECONNRESET|EPIPE)$/);
  });
}

test('a socket that is still connecting is given up', async () => {
  const socket = connect({ port: 9, host: '127.0.0.1' });
  socket.on('error', () => {});
  resetSocket(socket);
  await once(socket, 'close');
  assert.equal(socket.destroyed, true);
});

test('twice is once', async (t) => {
  const { socket, close } = await pair();
  t.after(close);
  socket.end();
  resetSocket(socket);
  resetSocket(socket);
  await once(socket, 'close');
});
