import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { TapEvent } from '../../../lab/cluster.ts';
import { type PassedRequest, RequestHeads } from '../../../lab/taps/request-heads.ts';
import { TcpTap } from '../../../lab/taps/tcp-tap.ts';

function read(pieces: readonly Buffer[]): PassedRequest[] {
  const requests: PassedRequest[] = [];
  const heads = new RequestHeads((request) => requests.push(request));
  for (const piece of pieces) heads.push(piece);
  return requests;
}

/** The same bytes in pieces that end at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
}

const PIPELINE = Buffer.from(
  [
    'GET /live/s.m3u8?hls_ctx=1 HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST /api HTTP/1.1\r\nContent-Length: 20\r\n\r\nGET /no HTTP/1.1\r\n\r\n',
    '\r\nHEAD /live/s-1.ts HTTP/1.0\n\n',
    'GET /live/s-2.ts HTTP/1.1\r\nHost: a\r\n\r\n',
  ].join(''),
);
const EXPECTED = [
  { method: 'GET', path: '/live/s.m3u8?hls_ctx=1' },
  { method: 'POST', path: '/api' },
  { method: 'HEAD', path: '/live/s-1.ts' },
  { method: 'GET', path: '/live/s-2.ts' },
];

describe('heads of requests that pass', () => {
  it('are read on a kept connection, bodies skipped, however the bytes come', () => {
    assert.deepEqual(read([PIPELINE]), EXPECTED);
    assert.deepEqual(read([...PIPELINE].map((byte) => Buffer.of(byte))), EXPECTED);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (places) => {
        assert.deepEqual(read(cut(PIPELINE, places)), EXPECTED);
      }),
    );
  });

  it('are given up at what is not HTTP, at a head without end, and at a body of unknown length', () => {
    const next = Buffer.from('GET /b HTTP/1.1\r\n\r\n');
    assert.deepEqual(read([Buffer.from('\x03\x00\x01\r\n\r\n'), next]), []);
    assert.deepEqual(read([Buffer.from('GET /a HTTP/1.1\r\n'), Buffer.alloc(40_000, 'x'), next]), []);
    const chunked = Buffer.from('POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n');
    assert.deepEqual(read([chunked, next]), [{ method: 'POST', path: '/a' }]);
  });

  it('survive any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (pieces) => {
        assert.ok(read(pieces.map((piece) => Buffer.from(piece))).length <= pieces.length * 200);
      }),
    );
  });
});

describe('a tap on an HTTP link', () => {
  it('tells every request of a kept connection, and changes none', async (t) => {
    const seen: string[] = [];
    const server = http.createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.end('ok');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const tap = new TcpTap({
      from: 'cache',
      to: 'origin',
      carries: 'http',
      listen: { host: '127.0.0.1', port: 0 },
      target: { host: '127.0.0.1', port },
    });
    await tap.listen();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(async () => {
      agent.destroy();
      server.close();
      await tap.close();
    });
    const events: TapEvent[] = [];
    tap.subscribe((event) => events.push(event));
    for (const path of ['/live/s.m3u8', '/live/s-0.ts', '/live/s-1.ts?x=1']) {
      const request = http.get({ ...tap.address, path, agent });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      response.resume();
      await once(response, 'end');
    }
    const told = events.filter(({ type }) => type === 'request');
    assert.deepEqual(
      told.map(({ request }) => `${request?.method} ${request?.path}`),
      ['GET /live/s.m3u8', 'GET /live/s-0.ts', 'GET /live/s-1.ts?x=1'],
    );
    assert.deepEqual(
      told.map(({ request }) => `${request?.method} ${request?.path}`),
      seen,
    );
    assert.deepEqual(
      new Set(told.map(({ connection, tap: name }) => `${name} ${connection}`)),
      new Set(['cache>origin 1']),
    );
    assert.equal(events.filter(({ type }) => type === 'open').length, 1);
  });
});
