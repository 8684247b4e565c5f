import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { fetchOnce } from '../../../scenarios/wire/fetch.ts';

let server: Server;
let base: string;
let onRequest: (request: IncomingMessage, response: ServerResponse) => void = () => {};
const { signal } = new AbortController();

before(async () => {
  server = createServer((request, response) => onRequest(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

test('an answer: status, headers, times in order, body', async () => {
  onRequest = (_, response) => response.writeHead(404, { 'X-Twice': ['a', 'b'] }).end('gone');
  const answer = await fetchOnce(`${base}/live/s.m3u8?x=1`, { signal });
  assert.deepEqual([answer.status, answer.kind, answer.method, answer.error], [404, 'playlist', 'GET', null]);
  assert.equal(answer.headers['x-twice'], 'a, b');
  assert.equal(Buffer.from(answer.body).toString(), 'gone');
  assert.equal(answer.bytes, 4);
  assert.ok(answer.sentAt <= answer.headAt! && answer.headAt! <= answer.firstByteAt!);
});

test('method, headers and source address are what was asked for', async () => {
  let seen: unknown;
  onRequest = ({ method, headers, socket }, response) => {
    seen = [method, headers.origin, socket.remoteAddress];
    response.end();
  };
  const request = { method: 'OPTIONS', headers: { Origin: 'http://x' }, localAddress: '127.20.3.4', signal };
  await fetchOnce(`${base}/live/s-1.ts`, request);
  assert.deepEqual(seen, ['OPTIONS', 'http://x', '127.20.3.4']);
});

test('a body that ends early, and none at all', async () => {
  onRequest = (_, response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('some', () => response.destroy());
  };
  const cut = await fetchOnce(`${base}/live/s-1.ts`, { signal });
  assert.deepEqual([cut.kind, cut.status, cut.error, cut.bytes], ['segment', 200, 'http.truncated', 4]);
  onRequest = (request) => request.socket.destroy();
  const none = await fetchOnce(`${base}/x`, { signal });
  assert.deepEqual([none.kind, none.status, none.headAt, none.error], ['other', 0, null, 'http.ECONNRESET']);
});

test('nobody listens; the check is over', async () => {
  assert.equal((await fetchOnce('http://127.0.0.1:1/s.ts', { signal })).error, 'http.ECONNREFUSED');
  onRequest = () => {};
  const over = new AbortController();
  const pending = fetchOnce(base, { signal: over.signal });
  over.abort();
  assert.equal((await pending).error, 'http.ABORT_ERR');
});
