import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { beyondLoopback, listeningOf } from '../support/listening.ts';

test('who listens beyond loopback is seen, over TCP and UDP, IPv4 and IPv6', async (t) => {
  const hosts = ['127.0.0.1', '127.9.8.7', '0.0.0.0', '::1', '::'];
  const expected: string[] = [];
  for (const host of hosts) {
    const server = createServer().listen({ port: 0, host, ipv6Only: true });
    t.after(() => server.close());
    await once(server, 'listening');
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', ipv6Only: host.includes(':') });
    t.after(() => socket.close());
    socket.bind(0, host);
    await once(socket, 'listening');
    const family = host.includes(':') ? '6' : '';
    const shown = host === '::' ? '0'.repeat(32) : host;
    expected.push(`tcp${family} ${shown}:${(server.address() as AddressInfo).port}`);
    expected.push(`udp${family} ${shown}:${socket.address().port}`);
  }
  const found = listeningOf([process.pid]);
  assert.deepEqual(
    expected.filter((one) => !found.includes(one)),
    [],
  );
  assert.deepEqual(beyondLoopback(found).sort(), expected.filter((one) => / (0\.0|00)/.test(one)).sort());
});
