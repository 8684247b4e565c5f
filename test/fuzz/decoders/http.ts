import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type HeadFailure, type RequestHead, readRequests } from '../../../lab/builtin/http-head.ts';
import { RequestHeads } from '../../../lab/taps/request-heads.ts';
import { ResponseReader } from '../../../protocols/http1/response-reader.ts';
import { Arrival, type Decoder } from '../decoder.ts';

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const captured = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../fixtures/captures/srs-7.0.18/${name}`, import.meta.url)));

const FIELDS = [
  '\r\n',
  '\r\n\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'ffffffffff\r\n',
  '0\r\n\r\n',
  '5;a="b\r\n',
  'Connection: close\r\n',
  'HTTP/1.1 ',
  '\0',
];

const httpResponse: Decoder = {
  name: 'http-response',
  arrival: Arrival.stream,
  seeds: () => [
    captured('http-flv.s2c.bin').slice(0, 2000),
    bytesOf('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello'),
    bytesOf('HTTP/1.0 302 Found\r\nLocation: http://h/x\r\n\r\n'),
    bytesOf(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n',
    ),
  ],
  tokens: FIELDS,
  decode(pieces) {
    const reader = new ResponseReader({
      onHead() {},
      onBody(bytes, start, end) {
        if (!(start >= 0 && start < end && end <= bytes.length)) throw new RangeError(`${start} to ${end}`);
      },
      onEnd() {},
    });
    for (const piece of pieces) reader.push(piece);
    reader.eof();
  },
};

/** As much of a socket as readRequests needs. */
class NoSocket extends EventEmitter {
  writableNeedDrain = false;
  readonly writableLength = 0;
  setTimeout(): this {
    return this;
  }
  pause(): this {
    return this;
  }
  resume(): this {
    return this;
  }
  destroy(): this {
    return this;
  }
}

const requests = [
  'GET /live/stream.flv?vhost=v HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n\r\n',
  'GET /live/stream.m3u8 HTTP/1.1\r\nHost: h\r\n\r\nGET /live/stream-0.ts HTTP/1.0\r\nConnection: close\r\n\r\n',
  'POST /rtc/v1/whip/?app=live&stream=s HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nv=0',
  'POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
].map(bytesOf);

/** A head that was refused. */
class Refused extends Error {}

const httpRequest: Decoder = {
  name: 'http-request',
  arrival: Arrival.stream,
  seeds: () => requests,
  tokens: FIELDS,
  errors: [Refused],
  decode(pieces) {
    const socket = new NoSocket();
    let failure: HeadFailure | undefined;
    readRequests(socket as unknown as Socket, 60_000, (result: RequestHead | HeadFailure) => {
      if (typeof result === 'string') failure = result;
      else result.field('content-length');
      return typeof result !== 'string' && result.keepAlive;
    });
    for (const piece of pieces) socket.emit('data', Buffer.from(piece));
    socket.emit('close');
    if (failure !== undefined) throw new Refused(failure);
  },
};

const tapRequest: Decoder = {
  name: 'tap-request-heads',
  arrival: Arrival.stream,
  seeds: () => requests,
  tokens: FIELDS,
  decode(pieces) {
    const heads = new RequestHeads(() => {});
    for (const piece of pieces) heads.push(Buffer.from(piece));
  },
};

export const httpDecoders = [httpResponse, httpRequest, tapRequest];
