import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { liveOrigins } from '../../../lab/runners/launch-stream-manager.ts';

const HOST = '127.0.0.1';

test('the clients of a stream manager are the origins that it knows to be alive', async (t) => {
  let origins: object = [{ alive: true }, { alive: false }, { alive: true }];
  const server = createServer((_, response) => {
    response.end(JSON.stringify({ code: 0, origins }));
  }).listen(0, HOST);
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  assert.equal(await liveOrigins(HOST, port), 2);
  origins = {};
  await assert.rejects(liveOrigins(HOST, port));
});
