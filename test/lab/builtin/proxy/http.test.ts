import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import type { MutantId } from '../../../../lab/builtin/mutants.ts';
import { throughProxy } from '../../../../lab/builtin/proxy/http-fields.ts';
import { eventually, stopAll } from '../support.ts';
import {
  type HttpOrigin,
  httpOrigin,
  registration,
  silentOrigin,
  startProxy,
  type TestProxy,
} from './support.ts';

after(stopAll);

type Serve = Parameters<typeof httpOrigin>[1];

async function withHttp(
  t: TestContext,
  serve: Serve,
  mutants: readonly MutantId[] = [],
): Promise<{ proxy: TestProxy; origin: HttpOrigin }> {
  const origin = await httpOrigin(t, serve);
  const proxy = await startProxy(t, { mutants, timeouts: { connect: 400, answer: 400 } });
  await proxy.register(registration('o', { http: [String(origin.port)] }));
  return { proxy, origin };
}

interface Answer {
  readonly status: number;
  readonly message: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

function ask(url: string, options: RequestOptions = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, ...options }, async (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          message: response.statusMessage!,
          headers: response.headers,
          body: text,
        }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

test('half a request is not waited for longer than it may take, at any port', {
  timeout: 10_000,
}, async (t) => {
  const { host, http: media, api, system } = await startProxy(t, { timeouts: { httpRequest: 400 } });
  const ports = [media, api, system].map((url) => Number(new URL(url).port));
  const closed = ports.map((port) => {
    const socket = connect(port, host, () => socket.write('GET /live/a.flv HTTP/1.1\r\n'));
    return once(socket.on('error', () => {}).resume(), 'close');
  });
  await Promise.all(closed);
});

test('query, token and headers reach the origin; those of the connection do not', async (t) => {
  const { proxy, origin } = await withHttp(t, (_request, response) => response.end('x'));
  const headers = {
    Host: 'v.example.com',
    Authorization: 'Bearer t',
    Origin: 'http://page',
    'User-Agent': 'a player',
    Range: 'bytes=0-1',
    'X-Forwarded-For': '10.1.1.1',
    Cookie: 'a=1',
    Connection: 'close, X-Hop',
    'X-Hop': 'no',
    'Keep-Alive': 'timeout=1',
    TE: 'trailers',
    'Proxy-Authorization': 'Basic no',
    Upgrade: 'h2c',
  };
  await ask(`${proxy.http}/live/a.flv?token=a%20b&x=&y`, { headers });
  const seen = origin.requests[0]!;
  assert.equal(seen.url, '/live/a.flv?token=a%20b&x=&y');
  const { connection, ...rest } = seen.headers;
  assert.equal(connection, 'close');
  assert.deepEqual(rest, {
    host: 'v.example.com',
    authorization: 'Bearer t',
    origin: 'http://page',
    'user-agent': 'a player',
    range: 'bytes=0-1',
    cookie: 'a=1',
    'x-forwarded-for': '10.1.1.1, 127.0.0.1',
    'x-real-ip': '127.0.0.1',
    via: '1.1 liveproof-proxy',
  });
});

test('status, reason, headers and Location come back', async (t) => {
  const { proxy, origin } = await withHttp(t, (request, response) => {
    const location = request.url!.includes('here')
      ? `http://127.0.0.1:${origin.port}/live/b.flv?t=1`
      : 'b.flv';
    response.writeHead(302, 'Over There', {
      Location: location,
      'Set-Cookie': ['a=1', 'b=2'],
      'X-Own': 'yes',
      'Content-Type': 'text/x-own',
      Connection: 'X-Hop',
      'X-Hop': 'no',
    });
    response.end('elsewhere');
  });
  const relative = await ask(`${proxy.http}/live/a.flv`);
  assert.deepEqual([relative.status, relative.message, relative.body], [302, 'Over There', 'elsewhere']);
  assert.equal(relative.headers.location, 'b.flv');
  assert.deepEqual(relative.headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(relative.headers['x-own'], 'yes');
  assert.equal(relative.headers['content-type'], 'text/x-own');
  assert.equal(relative.headers['x-hop'], undefined);
  const absolute = await ask(`${proxy.http}/live/a.flv?here`);
  assert.equal(absolute.headers.location, `${proxy.http}/live/b.flv?t=1`);
});

test('a Location elsewhere is left alone', () => {
  const request = { headers: { host: 'proxy:8080' } } as IncomingMessage;
  const origin = { host: '10.0.0.1', port: 80 };
  for (const [given, expected] of [
    ['http://10.0.0.1/x', 'http://proxy:8080/x'],
    ['http://10.0.0.1:80/x?y', 'http://proxy:8080/x?y'],
    ['http://10.0.0.1:81/x', 'http://10.0.0.1:81/x'],
    ['https://10.0.0.1/x', 'https://10.0.0.1/x'],
    ['http://10.0.0.12/x', 'http://10.0.0.12/x'],
    ['/x', '/x'],
  ]) {
    assert.equal(throughProxy(given!, request, origin), expected);
  }
});

test('statuses of the origin, HEAD, OPTIONS and POST pass', async (t) => {
  const { proxy, origin } = await withHttp(t, async (request, response) => {
    const pieces = await request.setEncoding('utf8').toArray();
    response.writeHead(Number(request.headers['x-status'] ?? 200), { 'X-Method': request.method });
    response.end(request.method === 'POST' ? pieces.join('') : '');
  });
  for (const status of [200, 206, 401, 403, 404, 451, 500, 503]) {
    const answer = await ask(`${proxy.http}/live/a.flv`, { headers: { 'X-Status': String(status) } });
    assert.equal(answer.status, status);
  }
  for (const method of ['HEAD', 'OPTIONS']) {
    assert.equal((await ask(`${proxy.http}/live/a.m3u8`, { method })).headers['x-method'], method);
  }
  const posted = await ask(`${proxy.http}/live/a.flv`, { method: 'POST' }, 'a body');
  assert.equal(posted.body, 'a body');
  assert.equal(origin.requests.at(-1)!.method, 'POST');
});

test('a live stream comes as it is sent, and ends with its client', async (t) => {
  const answers: import('node:http').ServerResponse[] = [];
  const { proxy, origin } = await withHttp(t, (_request, response) => {
    answers.push(response);
    response.writeHead(200, { 'Content-Type': 'video/x-flv' });
    response.write('FLV');
  });
  const client = http.get(`${proxy.http}/live/a.flv`, { agent: false });
  const [response] = (await once(client, 'response')) as [IncomingMessage];
  assert.equal(response.headers['content-type'], 'video/x-flv');
  const [first] = (await once(response, 'data')) as [Buffer];
  assert.equal(first.toString(), 'FLV');
  answers[0]!.write('more');
  const [more] = (await once(response, 'data')) as [Buffer];
  assert.equal(more.toString(), 'more');
  client.destroy();
  await eventually('the origin is free', () => origin.open() === 0);

  const cut = http.get(`${proxy.http}/live/a.flv`, { agent: false });
  const [broken] = (await once(cut, 'response')) as [IncomingMessage];
  broken.resume();
  answers[1]!.destroy();
  const [error] = (await once(broken, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
});

test('a client that does not read stops the origin', async (t) => {
  const PIECE = Buffer.alloc(64 * 1024);
  const ENOUGH = 64e6;
  let taken = 0;
  const { proxy } = await withHttp(t, (request, response) => {
    const reads = request.url === '/live/reads.flv';
    let sent = 0;
    const more = (): void => {
      for (let room = true; room && sent < ENOUGH; sent += PIECE.length) room = response.write(PIECE);
      if (!reads) taken = sent;
      else if (sent >= ENOUGH) response.end();
    };
    response.on('drain', more);
    more();
  });
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(proxy.http).port) });
  t.after(() => socket.destroy());
  socket.pause();
  socket.write('GET /live/a.flv HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually('it has begun', () => taken > 0);
  // A client who reads gets all of it meanwhile, over the same proxy, from the same origin.
  const reading = http.get(`${proxy.http}/live/reads.flv`, { agent: false });
  const [response] = (await once(reading, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  assert.ok(taken < ENOUGH / 2, `${taken} bytes`);
});

test('an answer that cannot be passed on is a 502, and no end of the proxy', async (t) => {
  const { proxy } = await withHttp(t, (request, response) => {
    const status = request.url === '/live/few.flv' ? '099 Few' : '404 No\u0001t';
    response.socket!.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
  });
  for (const path of ['/live/few.flv', '/live/control.flv']) {
    const answer = await ask(`${proxy.http}${path}`);
    assert.deepEqual([answer.status, answer.message], [502, 'Bad Gateway'], path);
    assert.equal(JSON.parse(answer.body).error, 'proxy.origin');
  }
});

test('why there is no stream', async (t) => {
  const nobody = await startProxy(t);
  const none = await ask(`${nobody.http}/live/a.flv`);
  assert.deepEqual([none.status, JSON.parse(none.body).error], [503, 'proxy.no-origin']);
  await nobody.register(registration('rtmp-only'));
  const rtmpOnly = await ask(`${nobody.http}/live/a.flv`);
  assert.deepEqual([rtmpOnly.status, JSON.parse(rtmpOnly.body).error], [503, 'proxy.no-endpoint']);

  const dead = await startProxy(t);
  await dead.register(registration('dead', { http: ['1'] }));
  const unreachable = await ask(`${dead.http}/live/a.flv`);
  assert.equal(unreachable.status, 502);
  assert.match(JSON.parse(unreachable.body).reason, /127\.0\.0\.1:1: connect ECONNREFUSED/);

  const silent = await startProxy(t, { timeouts: { answer: 200 } });
  await silentOrigin(t, silent);
  const late = await ask(`${silent.http}/live/a.m3u8`);
  assert.equal(late.status, 504);
  assert.match(JSON.parse(late.body).reason, /no answer in 200 ms/);
  assert.equal(await silent.metric('liveproof_proxy_errors_total{protocol="http",reason="timeout"}'), 1);
});

test('HLS: everything of a stream comes from its origin, whatever segments are called', async (t) => {
  const serve = (name: string): Serve => {
    return (request, response) => {
      const [path, query] = request.url!.split('?');
      if (path === '/live/a.m3u8' && query === 'token=1') response.end('#EXTM3U\na.m3u8?hls_ctx=1&token=1\n');
      else if (path === '/live/a.m3u8') response.end('#EXTM3U\n#EXTINF:1,\nx/0001.ts?hls_ctx=1\n');
      else response.end(`${name} ${request.url}`);
    };
  };
  const proxy = await startProxy(t);
  for (const name of ['one', 'two', 'three']) {
    const origin = await httpOrigin(t, serve(name));
    await proxy.register(registration(name, { rtmp: [String(origin.port)], http: [String(origin.port)] }));
  }
  const master = await ask(`${proxy.http}/live/a.m3u8?token=1`);
  assert.equal(Number(master.headers['content-length']), master.body.length);
  const media = await ask(new URL(master.body.split('\n')[1]!, `${proxy.http}/live/`).href);
  const segment = media.body.split('\n')[2]!;
  const answers = await Promise.all(
    [1, 2, 3, 4].map(() => ask(new URL(segment, `${proxy.http}/live/`).href).then(({ body }) => body)),
  );
  const [name] = answers[0]!.split(' ');
  assert.deepEqual(answers, Array(4).fill(`${name} /live/x/0001.ts?hls_ctx=1`));
  // A cache in front may have dropped the query: SRS's own names say the stream.
  assert.equal((await ask(`${proxy.http}/live/a-12.ts`)).body, `${name} /live/a-12.ts`);
  assert.equal((await ask(`${proxy.http}/live/a-12.m4s`)).body, `${name} /live/a-12.m4s`);
  // A stream of that very name has its own origin.
  const other = (await ask(`${proxy.http}/live/a-13.flv`)).body.split(' ')[0];
  assert.equal((await ask(`${proxy.http}/live/a-13.ts`)).body, `${other} /live/a-13.ts`);
  assert.notEqual(other, name);
});

test('a playlist that is too long, or encoded, is not rewritten', async (t) => {
  const { proxy, origin } = await withHttp(t, (request, response) => {
    if (request.url!.includes('long')) response.end('x'.repeat(2 * 1024 * 1024));
    else response.writeHead(200, { 'Content-Encoding': 'x-own' }).end('a-1.ts');
  });
  assert.equal((await ask(`${proxy.http}/live/long.m3u8`)).status, 502);
  const answer = await ask(`${proxy.http}/live/a.m3u8`, { headers: { 'Accept-Encoding': 'gzip' } });
  assert.equal(answer.body, 'a-1.ts');
  assert.equal(origin.requests.at(-1)!.headers['accept-encoding'], undefined);
});

test('static files, and nothing outside their folder', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'proxy-static-'));
  t.after(() => rm(folder, { recursive: true }));
  const root = join(folder, 'root');
  await mkdir(join(root, 'sub'), { recursive: true });
  await mkdir(join(root, 'a folder'));
  await writeFile(join(folder, 'secret.txt'), 'secret');
  await writeFile(join(root, 'a page.html'), '<p>');
  await writeFile(join(root, 'sub', 'index.html'), 'index');
  await writeFile(join(root, 'a folder', 'index.html'), 'of a folder');
  await symlink(join(folder, 'secret.txt'), join(root, 'link.txt'));
  const proxy = await startProxy(t, { environment: { PROXY_STATIC_FILES: root } });
  const page = await ask(`${proxy.http}/a%20page.html?x=1`);
  assert.deepEqual(
    [page.status, page.headers['content-type'], page.body],
    [200, 'text/html; charset=utf-8', '<p>'],
  );
  assert.equal((await ask(`${proxy.http}/sub/`)).body, 'index');
  assert.equal((await ask(`${proxy.http}/a%20folder/`)).body, 'of a folder');
  assert.equal((await ask(`${proxy.http}/sub/`, { method: 'HEAD' })).headers['content-length'], '5');
  for (const path of [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/sub/..%2f..%2fsecret.txt',
    '/link.txt',
    '/%00',
    '/no',
  ]) {
    const answer = await ask(proxy.http, { path });
    assert.equal(answer.status, 404, path);
    assert.ok(!answer.body.includes('secret'), path);
  }
  const none = await startProxy(t, { environment: { PROXY_STATIC_FILES: join(folder, 'none') } });
  assert.equal((await ask(`${none.http}/a%20page.html`)).status, 404);
});

test('mutants of HTTP', async (t) => {
  const serve: Serve = (request, response) => {
    response.writeHead(404, { 'Content-Type': 'text/x-own', Location: '/x' });
    response.end(request.url);
  };
  const of = async (mutant: MutantId): Promise<{ answer: Answer; origin: HttpOrigin }> => {
    const { proxy, origin } = await withHttp(t, serve, [mutant]);
    return { answer: await ask(`${proxy.http}/live/a.flv?t=1`, { headers: { 'X-Own': '1' } }), origin };
  };
  assert.equal((await of('proxy-drops-query')).answer.body, '/live/a.flv');
  assert.equal((await of('proxy-drops-headers')).origin.requests[0]!.headers['x-own'], undefined);
  assert.equal((await of('proxy-loses-content-type')).answer.headers['content-type'], undefined);
  assert.equal((await of('proxy-loses-location')).answer.headers.location, undefined);
  assert.equal((await of('proxy-status-200')).answer.status, 200);

  const elsewhere = await startProxy(t, { mutants: ['proxy-segment-elsewhere'] });
  const origins = await Promise.all(
    ['one', 'two'].map((name) => httpOrigin(t, (_request, response) => response.end(name))),
  );
  for (const [index, { port }] of origins.entries()) {
    await elsewhere.register(registration(`o${index}`, { rtmp: [String(port)], http: [String(port)] }));
  }
  const playlist = await ask(`${elsewhere.http}/live/a.m3u8`);
  const segment = await ask(`${elsewhere.http}/live/a-1.ts`);
  assert.notEqual(playlist.body.split('?')[0], segment.body);

  const held: Serve = ({ url }, response) =>
    url === '/live/a.flv' ? response.write('FLV') : response.end('#EXTM3U');
  const kept = await withHttp(t, held, ['proxy-keeps-backend']);
  const client = http.get(`${kept.proxy.http}/live/a.flv`, { agent: false });
  await once(client, 'response');
  client.destroy();
  const clients = 'liveproof_proxy_connections{protocol="http"}';
  await eventually('the proxy has no client', async () => (await kept.proxy.metric(clients)) === 0);
  // What it has said to the origin until then has come there before the answer to another question.
  await ask(`${kept.proxy.http}/live/a.m3u8`);
  assert.equal(kept.origin.open(), 1);
});
