import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  HttpConnection,
  type HttpFailure,
  type HttpHandler,
  type HttpTarget,
} from '../../../drivers/http/connection.ts';
import { HttpPool } from '../../../drivers/http/pool.ts';
import { encodeRequest } from '../../../protocols/http1/request.ts';
import { type Scripted, scripted, within } from '../support/observe.ts';

const TIMEOUTS = { headMs: 300, bodyMs: 600 };

async function serve(
  t: TestContext,
  script: (socket: Socket, connection: number) => void,
): Promise<Scripted> {
  const server = await scripted(script);
  t.after(() => server.close());
  return server;
}

const targetOf = ({ port }: Scripted): HttpTarget => ({
  host: '127.0.0.1',
  port,
  tls: false,
  origin: `http://127.0.0.1:${port}`,
});

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly resends: number;
  readonly connected: number;
  readonly failure: HttpFailure | undefined;
}

function ask(
  connection: Pick<HttpConnection, 'send'> | Pick<HttpPool, 'send'>,
  target: HttpTarget,
  path = '/',
): Promise<Answer> {
  const answered = new Promise<Answer>((resolve) => {
    const seen = { status: 0, body: '', resends: 0, connected: 0 };
    const handler: HttpHandler = {
      onConnected: () => void seen.connected++,
      onSent() {},
      onResend: () => void seen.resends++,
      onHead: ({ status }) => {
        seen.status = status;
      },
      onBody: (bytes, start, end) => {
        seen.body += Buffer.from(bytes.subarray(start, end)).toString();
      },
      onEnd: () => resolve({ ...seen, failure: undefined }),
      onFailure: (failure) => resolve({ ...seen, failure }),
    };
    connection.send(target, encodeRequest({ method: 'GET', path, host: 'x' }), handler, TIMEOUTS);
  });
  return within(3000, `an answer to ${path}`, answered);
}

function answers(socket: Socket, of: (path: string, count: number) => string | undefined): void {
  let count = 0;
  socket.on('data', (bytes) => {
    const answer = of(String(bytes).split(' ')[1]!, ++count);
    if (answer === undefined) socket.end();
    else socket.write(answer);
  });
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

test('one connection carries request after request', async (t) => {
  const server = await serve(t, (socket) => answers(socket, (path) => OK.replace('ok', path)));
  const connection = new HttpConnection();
  t.after(() => connection.abort());
  for (const path of ['/a', '/b', '/c'])
    assert.equal((await ask(connection, targetOf(server), path)).body, path);
  assert.equal(server.connections, 1);
});

test('a kept connection that closes without an answer is opened again, once, and that is counted', async (t) => {
  const server = await serve(t, (socket, connection) =>
    answers(socket, (path, count) => (count > 1 || (path === '/never' && connection > 2) ? undefined : OK)),
  );
  const connection = new HttpConnection();
  t.after(() => connection.abort());
  const target = targetOf(server);
  await ask(connection, target);
  const again = await ask(connection, target);
  assert.deepEqual([again.status, again.resends, again.connected], [200, 1, 1]);
  assert.equal(server.connections, 2);
  const never = await ask(connection, target, '/never');
  assert.deepEqual([never.failure?.code, never.resends], ['http.eof', 1]);
  assert.equal(server.connections, 3);
});

test('a connection that closes after the first byte of an answer is a failure', async (t) => {
  const server = await serve(t, (socket) =>
    socket.on('data', () => {
      if (socket.bytesWritten === 0) socket.write(OK);
      else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab');
    }),
  );
  const connection = new HttpConnection();
  await ask(connection, targetOf(server));
  const broken = await ask(connection, targetOf(server));
  assert.deepEqual([broken.failure?.code, broken.resends], ['http1.truncated', 0]);
});

test('Connection: close, HTTP/1.0 and bodies until the end of the connection close it', async (t) => {
  const heads = [
    'HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok',
    OK,
  ];
  const server = await serve(t, (socket) => answers(socket, () => heads.shift()));
  const connection = new HttpConnection();
  t.after(() => connection.abort());
  const connected: number[] = [];
  for (let at = 0; at < 4; at++) connected.push((await ask(connection, targetOf(server))).connected);
  assert.deepEqual(connected, [1, 1, 1, 0]);
  const endless = await serve(t, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it')),
  );
  assert.equal((await ask(connection, targetOf(endless))).body, 'all of it');
  assert.ok(connection.unused);
});

test('head and body have their own timeouts', async (t) => {
  const server = await serve(t, (socket) =>
    answers(socket, (path) => (path === '/body' ? 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab' : '')),
  );
  const connection = new HttpConnection();
  assert.equal((await ask(connection, targetOf(server), '/head')).failure?.code, 'timeout.head');
  assert.equal((await ask(connection, targetOf(server), '/body')).failure?.code, 'timeout.body');
  assert.ok(connection.unused && !connection.busy);
});

const BODIES = {
  'of known length': 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\naaaa',
  'in chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\naa\r\n2\r\naa\r\n0\r\n\r\n',
};
for (const [what, body] of Object.entries(BODIES)) {
  for (const when of ['onHead', 'onBody'] as const) {
    test(`an answer ${what} that is given up ${when} is not taken for the next one`, async (t) => {
      const server = await serve(t, (socket) =>
        answers(socket, (path) => (path === '/given-up' ? body : OK)),
      );
      const connection = new HttpConnection();
      t.after(() => connection.abort());
      const next = new Promise<Answer>((resolve) => {
        let given = false;
        const giveUp = (): void => {
          assert.ok(!given, 'no word of it afterwards');
          given = true;
          connection.abort();
          resolve(ask(connection, targetOf(server), '/next'));
        };
        const handler: HttpHandler = {
          ...{ onConnected() {}, onSent() {}, onResend() {}, onHead() {} },
          onBody: giveUp,
          onEnd: giveUp,
          onFailure: giveUp,
          ...(when === 'onHead' && { onHead: giveUp }),
        };
        const request = encodeRequest({ method: 'GET', path: '/given-up', host: 'x' });
        connection.send(targetOf(server), request, handler, TIMEOUTS);
      });
      const { status, body: got, failure } = await within(3000, 'the next answer', next);
      assert.deepEqual([status, got, failure], [200, 'ok', undefined]);
    });
  }
}

test('an address that is none fails the request and not the process', async (t) => {
  const server = await serve(t, () => {});
  const connection = new HttpConnection('not an address');
  assert.equal((await ask(connection, targetOf(server))).failure?.code, 'tcp.invalid');
});

test('a pool keeps a connection per request at a time, and its limit', async (t) => {
  const server = await serve(t, (socket) => answers(socket, () => OK));
  const other = await serve(t, (socket) => answers(socket, () => OK));
  const pool = new HttpPool(2);
  t.after(() => pool.close());
  const [one, two] = [ask(pool, targetOf(server)), ask(pool, targetOf(server))];
  assert.throws(
    () => pool.send(targetOf(server), new Uint8Array(), {} as HttpHandler, TIMEOUTS),
    /more than 2/,
  );
  await Promise.all([one, two]);
  assert.equal(server.connections, 2);
  for (const of of [server, other, server, other]) await ask(pool, targetOf(of));
  // One of the two was turned to the other server and both are kept since.
  assert.deepEqual([server.connections, other.connections], [2, 1]);
  assert.equal(pool.bytesIn, 6 * OK.length);
});
