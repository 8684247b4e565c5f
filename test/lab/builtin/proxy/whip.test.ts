/** HTTP of WHIP and WHEP through the proxy, before origins that write down what they are asked. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestOptions,
  request,
  type ServerResponse,
} from 'node:http';
import { connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { MutantId } from '../../../../lab/builtin/mutants.ts';
import type { Backend, LoadBalancer } from '../../../../lab/builtin/proxy/load-balancer.ts';
import { RtcProxy } from '../../../../lab/builtin/proxy/rtc.ts';
import { freePorts } from '../../../support/ports.ts';
import { eventually } from '../support.ts';
import { startUdpProxy, type UdpProxy, type UdpProxyOptions } from './udp-support.ts';

const OFFER = ['v=0', 'a=ice-ufrag:there', 'a=ice-pwd:abcdefghijklmnopqrstuvwx', 'm=video 9 X 96', ''].join(
  '\r\n',
);
const PWD = '0123456789abcdefghijklmn';

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

interface TestOrigin {
  readonly backend: Backend;
  readonly asked: Asked[];
  /** Instead of the usual answer. */
  answer: (asked: Asked, response: ServerResponse) => boolean;
}

let made = 0;

/** As SRS answers: Location is under /whip/, and relative. */
async function startOrigin(t: TestContext): Promise<TestOrigin> {
  const name = `o${++made}`;
  const host = '127.0.0.1';
  const [port] = await freePorts(host, 1);
  const at = { host, port: port! };
  const backend = { id: name, ip: host, server: name, service: name, pid: '1', rtmp: at, api: at, rtc: at };
  const origin: TestOrigin = { backend, asked: [], answer: () => false };
  let sessions = 0;
  const server = createServer((incoming, response) => {
    let body = '';
    incoming.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    incoming.on('end', () => {
      const asked = { method: incoming.method!, url: incoming.url!, headers: incoming.headers, body };
      origin.asked.push(asked);
      if (origin.answer(asked, response)) return;
      if (asked.method !== 'POST') {
        response.writeHead(asked.method === 'OPTIONS' ? 204 : 200, { 'X-Origin': name }).end();
        return;
      }
      const session = `${name}u${++sessions}`;
      response.writeHead(201, {
        'Content-Type': 'application/sdp',
        Location: `/rtc/v1/whip/?action=delete&token=t&app=live&stream=x&session=${session}:there`,
        'Set-Cookie': ['a=1', 'b=2'],
        'X-Origin': name,
        Connection: 'Close',
      });
      response.end(
        [
          ...['v=0', `a=ice-ufrag:${session}`, `a=ice-pwd:${PWD}`, 'm=video 9 X 96'],
          ...[`a=candidate:0 1 udp 1 ${host} ${port} typ host`, ''],
        ].join('\r\n'),
      );
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return origin;
}

interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

function ask(proxy: UdpProxy<RtcProxy>, path: string, options: RequestOptions, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { host: proxy.host, port: proxy.apiPort, path, agent: false, ...options },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        response.on('end', () => {
          const { statusCode: status = 0, statusMessage: reason = '', headers } = response;
          resolve({ status, reason, headers, body: text });
        });
      },
    );
    asking.on('error', reject);
    asking.end(body);
  });
}

const SDP = { 'Content-Type': 'application/sdp' };
const post = (
  proxy: UdpProxy<RtcProxy>,
  path = '/rtc/v1/whep/?app=live&stream=x',
  headers = {},
  body = OFFER,
) => ask(proxy, path, { method: 'POST', headers: { ...SDP, ...headers } }, body);

async function proxied(t: TestContext, options?: UdpProxyOptions, count = 2) {
  const proxy = await startUdpProxy(t, (context) => new RtcProxy(context), options);
  const origins = await Promise.all(Array.from({ length: count }, () => startOrigin(t)));
  if (!options?.balancer) await registerAll(proxy.balancer, origins);
  return { proxy, origins, relay: proxy.part.relay };
}

async function registerAll(balancer: LoadBalancer, origins: readonly TestOrigin[]): Promise<void> {
  for (const { backend } of origins) await balancer.register(backend);
}

const askedOf = (origins: readonly TestOrigin[]): Asked[] => origins.flatMap(({ asked }) => asked);

describe('WHIP and WHEP over HTTP through a proxy', { concurrency: 4 }, () => {
  test('the origin sees the request as it is, and the client the answer, but for its candidate', async (t) => {
    const { proxy, origins, relay } = await proxied(t);
    const path = '/rtc/v1/whip?app=live&stream=x&secret=a%2Fb&eip=1.2.3.4';
    const answer = await post(proxy, path, {
      Authorization: 'Bearer a-token',
      'X-Mine': 'kept',
      Host: 'proxy.example:1985',
      'X-Forwarded-For': '192.0.2.1',
      Connection: 'close, X-Hop',
      'X-Hop': 'not kept',
    });
    const [asked] = askedOf(origins);
    assert.deepEqual([asked!.method, asked!.url], ['POST', path.replace('whip?', 'whip/?')]);
    assert.equal(asked!.body, OFFER);
    const { authorization, host, 'x-mine': mine, 'x-forwarded-for': way, 'x-hop': hop } = asked!.headers;
    assert.deepEqual(
      [authorization, host, mine, way, hop],
      ['Bearer a-token', 'proxy.example:1985', 'kept', '192.0.2.1, 127.0.0.1', undefined],
    );
    const { status, reason, headers, body } = answer;
    assert.deepEqual([status, reason, headers['content-type']], [201, 'Created', 'application/sdp']);
    assert.match(
      headers.location!,
      /^\/rtc\/v1\/whip\/\?action=delete&token=t&app=live&stream=x&session=o\d+u1:there$/,
    );
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
    assert.match(
      body,
      new RegExp(`^a=candidate:0 1 udp 1 127\\.0\\.0\\.1 ${proxy.rtcPort} typ host\r$`, 'm'),
    );
    assert.equal(Number(headers['content-length']), Buffer.byteLength(body));
    assert.equal(relay.sessions, 1);
  });

  test('one origin for a stream; DELETE and PATCH of a session go there and free it', async (t) => {
    const { proxy, relay } = await proxied(t, {}, 3);
    const answers = [];
    for (const stream of ['a', 'a', 'b', 'c']) {
      answers.push(await post(proxy, `/rtc/v1/whep/?app=live&stream=${stream}`));
    }
    const names = answers.map(({ headers }) => headers['x-origin']);
    assert.equal(names[0], names[1]);
    assert.equal(new Set(names).size, 3);
    assert.equal(relay.sessions, 4);
    for (const [index, { headers }] of answers.entries()) {
      for (const method of ['PATCH', 'DELETE']) {
        const { status, headers: of } = await ask(proxy, headers.location!, { method });
        assert.deepEqual([status, of['x-origin']], [200, names[index]]);
      }
      assert.equal(relay.sessions, 3 - index);
    }
  });

  test('DELETE through another proxy of the same state', async (t) => {
    const { proxy, relay } = await proxied(t, {}, 3);
    const second = await startUdpProxy(t, (context) => new RtcProxy(context), { balancer: proxy.balancer });
    const { headers } = await post(proxy, '/rtc/v1/whep/?app=live&stream=not-in-the-location');
    const gone = await ask(second, headers.location!, { method: 'DELETE' });
    assert.deepEqual([gone.status, gone.headers['x-origin']], [200, headers['x-origin']]);
    assert.equal(relay.sessions, 1, 'the first proxy learns of it by the silence of the client');
  });

  test('a session that nobody knows of is looked for where its stream is, and nowhere else', async (t) => {
    const { proxy, origins } = await proxied(t, {}, 3);
    const { headers } = await post(proxy);
    const location = '/rtc/v1/whip/?action=delete&app=live&stream=x&session=unknown';
    const known = await ask(proxy, location, { method: 'DELETE' });
    assert.equal(known.headers['x-origin'], headers['x-origin']);
    const unknown = await ask(proxy, location.replace('stream=x', 'stream=y'), { method: 'DELETE' });
    assert.deepEqual([unknown.status, JSON.parse(unknown.body).error], [404, 'proxy.no-session']);
    assert.equal(askedOf(origins).length, 2);
  });

  test('CORS is the origin’s, asked before anything is published', async (t) => {
    const { proxy, origins } = await proxied(t);
    for (const origin of origins) {
      origin.answer = (_asked, response) => {
        response
          .writeHead(204, { 'Access-Control-Allow-Origin': '*', 'Accept-Post': 'application/sdp' })
          .end();
        return true;
      };
    }
    const { status, headers } = await ask(proxy, '/rtc/v1/whip/?app=live&stream=x', {
      method: 'OPTIONS',
      headers: { 'Access-Control-Request-Headers': 'authorization' },
    });
    assert.deepEqual([status, headers['access-control-allow-origin']], [204, '*']);
    assert.equal(askedOf(origins)[0]!.headers['access-control-request-headers'], 'authorization');
    assert.equal(await proxy.balancer.peek('__defaultVhost__/live/x'), undefined, 'nothing is picked for it');
  });

  test('refusals of an origin pass: status, type, body, and no session', async (t) => {
    const { proxy, origins, relay } = await proxied(t);
    const refusals: [number, string, string][] = [
      [401, 'text/plain', 'who are you'],
      [409, 'application/json', '{"code":5020}'],
      [307, 'text/plain', ''],
      [500, 'text/html', '<p>'],
    ];
    for (const [status, type, body] of refusals) {
      for (const origin of origins) {
        origin.answer = (_asked, response) => {
          response
            .writeHead(status, { 'Content-Type': type, Location: 'http://elsewhere.example/' })
            .end(body);
          return true;
        };
      }
      const answer = await post(proxy);
      assert.deepEqual([answer.status, answer.headers['content-type'], answer.body], [status, type, body]);
      assert.equal(answer.headers.location, 'http://elsewhere.example/');
    }
    assert.equal(relay.sessions, 0);
  });

  test('an answer that cannot be passed on is an error, and no end of the proxy', async (t) => {
    const { proxy, origins } = await proxied(t, {}, 1);
    origins[0]!.answer = (_asked, response) => {
      response.socket!.end('HTTP/1.1 404 No\u0001t\r\nContent-Length: 0\r\n\r\n');
      return true;
    };
    const answer = await post(proxy);
    assert.deepEqual([answer.status, answer.reason], [500, 'Internal Server Error']);
  });

  test('a Location that names the origin by its address names the proxy instead', async (t) => {
    const { proxy, origins } = await proxied(t, {}, 1);
    const { host, port } = origins[0]!.backend.api!;
    origins[0]!.answer = ({ method }, response) => {
      if (method !== 'POST') return false;
      const headers = { ...SDP, Location: `http://${host}:${port}/rtc/v1/whip/?session=1` };
      response.writeHead(201, headers).end(OFFER.replaceAll('there', 'here'));
      return true;
    };
    const { headers } = await post(proxy);
    const location = new URL(headers.location!, `http://${proxy.host}:${proxy.apiPort}`);
    assert.equal(location.port, String(proxy.apiPort));
    const removed = await ask(proxy, location.pathname + location.search, { method: 'DELETE' });
    assert.equal(removed.status, 200);
    assert.equal(proxy.part.relay.sessions, 0);
  });

  test('what the proxy refuses by itself', async (t) => {
    const { proxy, origins } = await proxied(t, { timeouts: { answer: 200 } }, 1);
    const refused = async (answer: Promise<Answer>): Promise<[number, string]> => {
      const { status, headers, body } = await answer;
      assert.equal(headers['access-control-allow-origin'], '*');
      return [status, JSON.parse(body).error];
    };
    assert.deepEqual(await refused(post(proxy, '/rtc/v1/whep/?app=')), [400, 'proxy.no-stream']);
    const long = 'x'.repeat(70_000);
    assert.deepEqual(await refused(post(proxy, undefined, {}, long)), [413, 'proxy.too-long']);
    origins[0]!.answer = () => true;
    assert.deepEqual(await refused(post(proxy)), [504, 'proxy.unreachable']);
    origins[0]!.answer = (_asked, response) => {
      response.destroy();
      return true;
    };
    assert.deepEqual(await refused(post(proxy)), [502, 'proxy.unreachable']);
    const empty = await startUdpProxy(t, (context) => new RtcProxy(context));
    assert.deepEqual(await refused(post(empty)), [503, 'proxy.no-origin']);
    const { rtc: _rtc, ...mute } = origins[0]!.backend;
    await empty.balancer.register(mute);
    assert.deepEqual(await refused(post(empty)), [503, 'proxy.no-endpoint']);
    assert.equal((await ask(empty, '/rtc/v1/other', {})).status, 404);
  });

  test('a publisher whose origin is not there gets another one; a player does not', async (t) => {
    const { proxy, origins } = await proxied(t);
    const [closed] = await freePorts('127.0.0.1', 1);
    const dead = { ...origins[0]!.backend, api: { host: '127.0.0.1', port: closed! } };
    const proxy2 = await startUdpProxy(t, (context) => new RtcProxy(context));
    await proxy2.balancer.register(dead);
    assert.equal((await post(proxy2)).status, 502);
    await proxy2.balancer.register(origins[1]!.backend);
    assert.equal((await post(proxy2)).status, 502);
    const published = await post(proxy2, '/rtc/v1/whip/?app=live&stream=x');
    assert.deepEqual([published.status, published.headers['x-origin']], [201, origins[1]!.backend.id]);
    assert.equal((await post(proxy2)).headers['x-origin'], origins[1]!.backend.id);
    assert.equal(proxy.part.relay.sessions, 0);
  });

  test('a client that has gone before its answer leaves nothing at the origin', async (t) => {
    const { proxy, origins, relay } = await proxied(t, {}, 1);
    const waiting: (() => void)[] = [];
    origins[0]!.answer = ({ method }, response) => {
      if (method !== 'POST') return false;
      waiting.push(() => response.writeHead(201, { ...SDP, Location: '/rtc/v1/whip/?session=9' }).end(OFFER));
      return true;
    };
    const socket = connect(proxy.apiPort, proxy.host);
    socket.write(
      `POST /rtc/v1/whep/?stream=x HTTP/1.1\r\nHost: x\r\nContent-Length: ${OFFER.length}\r\n\r\n${OFFER}`,
    );
    await eventually('the origin to be asked', () => waiting.length > 0);
    socket.destroy();
    await once(socket, 'close');
    waiting[0]!();
    const deleted = () => askedOf(origins).find(({ method }) => method === 'DELETE')?.url;
    assert.equal(await eventually('DELETE', deleted), '/rtc/v1/whip/?session=9');
    assert.equal(relay.sessions, 0);
  });
});

describe('mutants', { concurrency: 4 }, () => {
  const having = (mutant: MutantId) => ({ mutants: [mutant] });

  test('proxy-rtc-candidate-kept', async (t) => {
    const { proxy, origins } = await proxied(t, having('proxy-rtc-candidate-kept'), 1);
    const { body } = await post(proxy);
    assert.ok(body.includes(` ${origins[0]!.backend.rtc!.port} typ host`));
  });

  test('proxy-whip-loses-location', async (t) => {
    const { proxy } = await proxied(t, having('proxy-whip-loses-location'), 1);
    const { status, headers } = await post(proxy);
    assert.deepEqual([status, headers.location], [201, undefined]);
  });

  test('proxy-whip-delete-elsewhere', async (t) => {
    const { proxy } = await proxied(t, having('proxy-whip-delete-elsewhere'));
    const { headers } = await post(proxy);
    const { headers: of, status } = await ask(proxy, headers.location!, { method: 'DELETE' });
    assert.equal(status, 200);
    assert.notEqual(of['x-origin'], headers['x-origin']);
  });

  test('proxy-whip-drops-token', async (t) => {
    const { proxy, origins } = await proxied(t, having('proxy-whip-drops-token'), 1);
    assert.equal((await post(proxy, undefined, { Authorization: 'Bearer x', 'X-Mine': 'y' })).status, 201);
    const { authorization, 'x-mine': mine } = origins[0]!.asked[0]!.headers;
    assert.deepEqual([authorization, mine], [undefined, 'y']);
  });

  test('proxy-whip-status-200', async (t) => {
    const { proxy } = await proxied(t, having('proxy-whip-status-200'), 1);
    const { status, headers } = await post(proxy);
    assert.equal(status, 200);
    assert.ok(headers.location);
  });

  test('proxy-rtc-never-frees', async (t) => {
    const { proxy, relay } = await proxied(t, having('proxy-rtc-never-frees'), 1);
    const { headers } = await post(proxy);
    assert.equal((await ask(proxy, headers.location!, { method: 'DELETE' })).status, 200);
    assert.equal(relay.sessions, 1);
  });
});
