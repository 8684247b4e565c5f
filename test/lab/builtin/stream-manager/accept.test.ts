import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { acceptCheaply } from '../../../../lab/builtin/stream-manager/accept.ts';

const servers: Server[] = [];
const clients: Socket[] = [];

async function listen(onSocket: (socket: Socket) => void): Promise<Server> {
  const server = net.createServer({ allowHalfOpen: true }, onSocket);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  acceptCheaply(server);
  return server;
}

function connect(server: Server): Socket {
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => {});
  clients.push(client);
  return client;
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  for (const server of servers.splice(0)) server.close();
});

test('an accepted socket answers, also when the other side has ended, and is counted', async () => {
  const server = await listen((socket) => {
    socket.on('data', (bytes) => socket.write(bytes));
    socket.on('end', () => socket.end('over'));
  });
  const client = connect(server);
  client.end('hello');
  const [socket] = (await once(server, 'connection')) as [Socket];
  assert.equal(await connectionsOf(server), 1);
  assert.equal(socket.remoteAddress, '127.0.0.1');
  let got = '';
  for await (const bytes of client) got += bytes;
  assert.equal(got, 'helloover');
  if (!socket.closed) await once(socket, 'close');
  assert.equal(await connectionsOf(server), 0);
  server.close();
  await once(server, 'close');
});

test('above its most connections a server drops, and takes again when one has left', async () => {
  const server = await listen((socket) => socket.on('end', () => socket.destroy()));
  server.maxConnections = 1;
  const first = connect(server);
  const [held] = (await once(server, 'connection')) as [Socket];
  connect(server);
  await once(server, 'drop');
  first.end();
  await once(held, 'close');
  connect(server);
  await once(server, 'connection');
  assert.equal(await connectionsOf(server), 1);
});
