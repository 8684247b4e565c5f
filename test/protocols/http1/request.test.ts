import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { ProtocolError } from '../../../protocols/errors.ts';
import { encodeRequest, type Request, ResponseReader } from '../../../protocols/http1/response-reader.ts';

test("Node's HTTP server understands the request, and the reader its answer", async () => {
  const server = createServer((request: IncomingMessage, response) => {
    response.writeHead(200, {
      'X-Path': request.url,
      'X-Host': request.headers.host,
      'X-Extra': request.headers.extra,
    });
    response.write('first ');
    response.write('second ');
    response.end('third');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    socket.write(
      encodeRequest({
        method: 'GET',
        path: '/live/x.flv?a=1',
        host: `127.0.0.1:${port}`,
        headers: { extra: 'yes', Connection: 'close' },
      }),
    );
    let body = '';
    let headers = new Map<string, string>();
    const reader = new ResponseReader({
      onHead(head) {
        assert.equal(head.status, 200);
        headers = head.headers;
      },
      onBody(bytes, start, end) {
        body += Buffer.from(bytes.subarray(start, end)).toString();
      },
      onEnd() {},
    });
    for await (const data of socket) reader.push(data as Buffer);
    reader.eof();
    assert.equal(reader.done, true);
    assert.equal(headers.get('transfer-encoding'), 'chunked');
    assert.equal(headers.get('x-path'), '/live/x.flv?a=1');
    assert.equal(headers.get('x-host'), `127.0.0.1:${port}`);
    assert.equal(headers.get('x-extra'), 'yes');
    assert.equal(body, 'first second third');
  } finally {
    server.close();
  }
});

test('nothing breaks out of its line', () => {
  const good = { method: 'GET', path: '/', host: 'a' };
  assert.equal(Buffer.from(encodeRequest(good)).toString(), 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const bad: Request[] = [
    { ...good, method: 'GET /x' },
    { ...good, path: '/a b' },
    { ...good, path: '/\r\nX: y' },
    { ...good, path: 'http://a/' },
    { ...good, host: 'a\r\nX: y' },
    { ...good, headers: { 'a b': 'c' } },
    { ...good, headers: { a: 'b\nc' } },
  ];
  for (const request of bad)
    assert.throws(() => encodeRequest(request), ProtocolError, JSON.stringify(request));
});
