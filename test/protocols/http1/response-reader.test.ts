import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import {
  type ResponseHead,
  type ResponseLimits,
  ResponseReader,
} from '../../../protocols/http1/response-reader.ts';
import { pushInPieces } from '../flv/collect.ts';

interface Seen {
  head: ResponseHead | undefined;
  body: string;
  ended: boolean;
}

function latin1(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

function read(
  response: string | Uint8Array,
  options: { cuts?: number[]; limits?: Partial<ResponseLimits>; eof?: boolean } = {},
): Seen {
  const bytes = typeof response === 'string' ? latin1(response) : response;
  const seen: Seen = { head: undefined, body: '', ended: false };
  const reader = new ResponseReader(
    {
      onHead(head) {
        assert.equal(seen.head, undefined, 'one head');
        seen.head = head;
      },
      onBody(piece, start, end) {
        assert.ok(seen.head !== undefined && !seen.ended && end > start, 'body in its place');
        seen.body += Buffer.from(piece.subarray(start, end)).toString('latin1');
      },
      onEnd() {
        assert.ok(seen.head !== undefined && !seen.ended, 'one end');
        seen.ended = true;
      },
    },
    options.limits,
  );
  pushInPieces(bytes, options.cuts ?? [], (piece, start, end) => reader.push(piece, start, end));
  if (options.eof === true) reader.eof();
  assert.equal(reader.done, seen.ended);
  return seen;
}

function codeOf(response: string, options: Parameters<typeof read>[1] = {}): string | undefined {
  try {
    read(response, options);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return error.code;
  }
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const everyByte = (text: string): number[] => Array.from({ length: text.length }, (_, i) => i);

test('Content-Length: the body ends where it says, and what follows is not part of it', () => {
  const text = 'HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 5\r\n\r\nhelloEXTRA';
  for (const cuts of [[], everyByte(text)]) {
    const seen = read(text, { cuts });
    assert.equal(seen.head!.status, 404);
    assert.equal(seen.head!.reason, 'Not Found');
    assert.deepEqual(
      [...seen.head!.headers],
      [
        ['server', 'x'],
        ['content-length', '5'],
      ],
    );
    assert.equal(seen.head!.raw, 'HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 5');
    assert.equal(seen.body, 'hello');
    assert.equal(seen.ended, true);
  }
  assert.equal(read('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n').ended, true);
});

test('chunked: extensions, upper and lower case sizes, leading zeros, trailers', () => {
  const text = `${CHUNKED}5\r\nhello\r\n00A;name="va;lue"\r\n0123456789\r\n1 ;x\r\n!\r\n0;last\r\nExpires: never\r\nX: y\r\n\r\n`;
  for (const cuts of [[], everyByte(text)]) {
    const seen = read(text, { cuts });
    assert.equal(seen.body, 'hello0123456789!');
    assert.equal(seen.ended, true);
  }
});

test('until close: the end of the connection is the end of the body', () => {
  assert.deepEqual(read('HTTP/1.1 200 OK\r\n\r\nabc').ended, false);
  const seen = read('HTTP/1.0 200\r\n\r\nabc', { eof: true });
  assert.equal(seen.body, 'abc');
  assert.equal(seen.ended, true);
  assert.equal(seen.head!.reason, '');
});

test('interim responses are skipped; 204 and 304 have no body', () => {
  const text =
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/b\r\nContent-Length: 0\r\n\r\n';
  for (const cuts of [[], everyByte(text)]) {
    const seen = read(text, { cuts });
    assert.equal(seen.head!.status, 302);
    assert.equal(seen.head!.headers.get('location'), 'http://127.0.0.1/b');
    assert.equal(seen.ended, true);
  }
  assert.equal(read('HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n').ended, true);
  assert.equal(read('HTTP/1.1 304 Not Modified\r\n\r\n').ended, true);
});

test('fields: repeated, folded, padded, ended by LF alone; chunked wins over Content-Length', () => {
  const seen = read(
    'HTTP/1.1 200 OK\nVia: a\r\nVIA:\t b \r\nLong: one\r\n  two\r\nEmpty:\r\nTransfer-Encoding: Chunked\r\nContent-Length: 999\r\n\n1\r\nx\r\n0\r\n\r\n',
  );
  assert.equal(seen.head!.headers.get('via'), 'a, b');
  assert.equal(seen.head!.headers.get('long'), 'one two');
  assert.equal(seen.head!.headers.get('empty'), '');
  assert.equal(seen.body, 'x');
  assert.equal(read('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx').ended, true);
});

test('each malformed input has its own code, at any split', () => {
  const { HttpStartLine, HttpHeader, HttpChunk, HttpTruncated } = ProtocolErrorCode;
  const rows: [string, string][] = [
    ['HTTP/2 200 OK\r\n\r\n', HttpStartLine],
    ['\r\n', HttpStartLine],
    ['FLV\x01\x05\r\n\r\n', HttpStartLine],
    ['HTTP/1.1 20 OK\r\n\r\n', HttpStartLine],
    ['HTTP/1.1 200 a\rb\r\n\r\n', HttpStartLine],
    ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n', HttpStartLine],
    ['HTTP/1.1 200 OK\r\nNo colon\r\n\r\n', HttpHeader],
    ['HTTP/1.1 200 OK\r\nName : x\r\n\r\n', HttpHeader],
    ['HTTP/1.1 200 OK\r\n folded: x\r\n\r\n', HttpHeader],
    ['HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n', HttpHeader],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', HttpHeader],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n', HttpHeader],
    ['HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n', HttpHeader],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', HttpHeader],
    [`${CHUNKED}\r\n`, HttpChunk],
    [`${CHUNKED}x\r\n`, HttpChunk],
    [`${CHUNKED}-1\r\n`, HttpChunk],
    [`${CHUNKED}1\n`, HttpChunk],
    [`${CHUNKED}1 2\r\n`, HttpChunk],
    [`${CHUNKED}1;a\nb\r\n`, HttpChunk],
    [`${CHUNKED}1\r\nxy`, HttpChunk],
    [`${CHUNKED}1\r\nx\rz`, HttpChunk],
    [`${CHUNKED}40000001\r\n`, HttpChunk],
    [`${CHUNKED}ffffffffffffffffffffff\r\n`, HttpChunk],
    [`${CHUNKED}0\r\nbad trailer\r\n\r\n`, HttpHeader],
  ];
  for (const [text, code] of rows) {
    assert.equal(codeOf(text), code, JSON.stringify(text));
    assert.equal(codeOf(text, { cuts: everyByte(text) }), code, `byte by byte ${JSON.stringify(text)}`);
  }
  for (const text of [
    '',
    'SSH-2.0-x',
    'HTTP/1.1 200',
    'HTTP/1.1 200 OK\r\nServer: x\r\n',
    `${CHUNKED}5\r\nhel`,
    `${CHUNKED}0\r\n`,
  ]) {
    assert.equal(codeOf(text, { eof: true }), HttpTruncated, JSON.stringify(text));
  }
  assert.equal(codeOf('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc', { eof: true }), HttpTruncated);
  assert.equal(codeOf('SSH-2.0-x\r\n', { eof: true }), HttpStartLine);
});

test('nothing is collected without bounds', () => {
  const { HttpHeader, HttpChunk } = ProtocolErrorCode;
  const long = 'a'.repeat(70_000);
  assert.equal(codeOf(`HTTP/1.1 200 OK\r\nX: ${long}`), HttpHeader);
  assert.equal(codeOf(long), HttpHeader);
  assert.equal(codeOf(`${CHUNKED}1;${long}`), HttpChunk);
  assert.equal(codeOf(`${CHUNKED}${'0'.repeat(70_000)}`), HttpChunk);
  assert.equal(codeOf(`${CHUNKED}0\r\nX: ${long}`), HttpHeader);
  assert.equal(codeOf(`${CHUNKED}5\r\n`, { limits: { maxChunkSize: 4 } }), HttpChunk);
  assert.equal(codeOf(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(60_000)}\r\n\r\n`), undefined);
});

test('no header section takes longer than its length', () => {
  const sections = [
    `X: a${' '.repeat(60_000)}b\r\n`,
    `X:${' '.repeat(60_000)}\x01\r\n`,
    `X: a\r\n${' b\r\n'.repeat(15_000)}`,
    'X: a\r\n'.repeat(10_000),
  ];
  const begin = performance.now();
  for (const section of sections) codeOf(`HTTP/1.1 200 OK\r\n${section}\r\n`);
  const took = performance.now() - begin;
  assert.ok(took < 1000, `${took} ms for four sections of 60 KB`);
});

test('any body in any chunks, cut anywhere, comes out whole', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { maxLength: 10 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      (chunks, cuts) => {
        const bytes = Buffer.concat([
          latin1(CHUNKED),
          ...chunks.flatMap((chunk) => [latin1(`${chunk.length.toString(16)}\r\n`), chunk, latin1('\r\n')]),
          latin1('0\r\n\r\n'),
        ]);
        const seen = read(new Uint8Array(bytes), { cuts });
        assert.equal(seen.body, Buffer.concat(chunks).toString('latin1'));
        assert.equal(seen.ended, true);
      },
    ),
  );
});

test('damage gives a ProtocolError or another response, never anything else', () => {
  const good = latin1(`${CHUNKED}5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n`);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(), { maxLength: 6 }),
      (damage, cuts) => {
        const bytes = good.slice();
        for (const [at, value] of damage) bytes[at] = value;
        try {
          read(bytes, { cuts, eof: true });
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});
