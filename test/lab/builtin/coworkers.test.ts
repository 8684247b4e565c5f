/** Builtin origins as coworkers: who has a stream says so, who does not sends its players there, and edges follow. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { redirectOf } from '../../../protocols/rtmp/commands.ts';
import { freePorts } from '../../support/ports.ts';
import {
  clientsOf,
  eventually,
  FlvPeer,
  type NodeOptions,
  publishForever,
  RtmpPeer,
  startNode,
  stopAll,
  type TestNode,
} from './support.ts';

let a: TestNode;
let b: TestNode;
let c: TestNode;
let edge: TestNode;
const servers: Server[] = [];

/** An API that answers as it is told; undefined is never an answer. */
async function fakeCoworker(answer: () => string | undefined): Promise<{ address: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const text = answer();
    if (text !== undefined) response.end(text);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** What a coworker says that has it. */
function foundAt(ip: unknown, port: unknown): string {
  return JSON.stringify({ code: 0, data: { query: {}, origin: { ip, port } } });
}

const NOWHERE = JSON.stringify({ code: 0, data: { query: {}, origin: null } });

/** Knows the nodes named. */
async function originOf(coworkers: readonly string[], options: NodeOptions = {}): Promise<TestNode> {
  return startNode({
    host: '127.0.0.6',
    coworkers,
    timeouts: { coworker: 500, redirected: 300 },
    ...options,
  });
}

async function redirected(peer: RtmpPeer): Promise<unknown> {
  const isRedirect = (): boolean => peer.commands.some((command) => redirectOf(command) !== undefined);
  await peer.until('302', isRedirect);
  return peer.commands.find((command) => redirectOf(command) !== undefined);
}

before(async () => {
  const hosts = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
  const ports = await Promise.all(hosts.map((host) => freePorts(host, 3)));
  const apis = hosts.map((host, i) => `${host}:${ports[i]![2]}`);
  [a, b, c] = (await Promise.all(
    hosts.map((host, i) =>
      startNode({
        host,
        rtmpPort: ports[i]![0]!,
        httpPort: ports[i]![1]!,
        apiPort: ports[i]![2]!,
        coworkers: apis.filter((_, other) => other !== i),
        timeouts: { coworker: 500, redirected: 300 },
      }),
    ),
  )) as [TestNode, TestNode, TestNode];
  const origins = [a, b, c].map(({ config }) => ({ host: config.host, port: config.rtmpPort }));
  edge = await startNode({ role: 'edge', host: '127.0.0.5', origins });
});

after(async () => {
  for (const server of servers) server.close().closeAllConnections();
  await stopAll();
});

describe('the API of coworkers', () => {
  const path = (stream: string): string =>
    `/api/v1/clusters?vhost=__defaultVhost__&ip=1.2.3.4&app=live&stream=${stream}&coworker=127.9.9.9:1985`;

  test('who has the stream tells its RTMP address, by GET and POST; others tell null', async () => {
    const publisher = await publishForever(c, 'told');
    const { host, rtmpPort, apiPort } = c.config;
    const api = `${host}:${apiPort}`;
    const query = { ip: '1.2.3.4', vhost: '__defaultVhost__', app: 'live', stream: 'told' };
    const vhost = '__defaultVhost__';
    for (const method of ['GET', 'POST']) {
      const here = await c.api(path('told'), method);
      assert.equal(here.code, 0);
      assert.deepEqual(here.data, {
        query,
        origin: { ip: host, port: rtmpPort, vhost, api, routers: [api] },
      });
      assert.deepEqual((await a.api(path('told'), method)).data, { query, origin: null });
    }
    publisher.close();
    await eventually('it is gone', async () => {
      const { origin } = (await c.api(path('told'))).data as { origin: unknown };
      return origin === null;
    });
    assert.deepEqual((await c.api('/api/v1/clusters')).data, {
      query: { ip: '', vhost: '', app: '', stream: '' },
      origin: null,
    });
  });

  test('who listens on 127.0.0.1 is where it was asked', async () => {
    const node = await startNode();
    await publishForever(node, 'told');
    const { origin } = (await node.api(path('told'))).data as { origin: Record<string, unknown> };
    assert.equal(origin.ip, '127.9.9.9');
    assert.equal(origin.api, `127.9.9.9:${node.config.apiPort}`);
    await node.kill();
  });
});

describe('an origin with coworkers', () => {
  test('sends a player to who has the stream, in SRS’s form and order, and closes', async () => {
    await publishForever(c, 'elsewhere');
    const peer = await RtmpPeer.player(a, 'elsewhere');
    const { host, rtmpPort } = c.config;
    const redirect = `rtmp://${host}:${rtmpPort}/live`;
    assert.deepEqual(await redirected(peer), {
      name: 'onStatus',
      transactionId: 0,
      object: null,
      args: [
        {
          level: 'error',
          code: 'NetConnection.Connect.Rejected',
          description: 'RTMP 302 Redirect',
          ex: { code: 302, redirect, redirect2: `${redirect}/elsewhere` },
        },
      ],
    });
    const sent = peer.messages.slice(peer.messages.findIndex(({ messageTypeId }) => messageTypeId === 4));
    assert.deepEqual(
      sent.map(({ messageTypeId, messageStreamId }) => [messageTypeId, messageStreamId]),
      [
        [4, 0],
        [20, 1],
        [20, 1],
        [18, 1],
        [20, 0],
      ],
    );
    await eventually('closed', () => peer.closed, 1000);
    assert.equal((await clientsOf(a)).length, 0);
  });

  test('closes at once when the player says something', async () => {
    const { host, apiPort } = c.config;
    const patient = await originOf([`${host}:${apiPort}`], { timeouts: { redirected: 60_000 } });
    const peer = await RtmpPeer.player(patient, 'elsewhere');
    await redirected(peer);
    peer.command('_checkbw', 9);
    await eventually('closed', () => peer.closed);
    await patient.kill();
  });

  test('query and virtual host are in the URL', async () => {
    const { host, rtmpPort } = c.config;
    const url = `rtmp://${host}:${rtmpPort}/live`;
    for (const [asked, expected] of [
      ['elsewhere?token=a/b&x=1', 'elsewhere?token=a/b&x=1'],
      ['elsewhere?vhost=shop.example&token=a', 'elsewhere?vhost=shop.example&token=a'],
    ] as const) {
      const peer = await RtmpPeer.player(a, asked);
      const redirect = await redirected(peer);
      const { ex } = (redirect as { args: [{ ex: unknown }] }).args[0];
      assert.deepEqual(ex, { code: 302, redirect: url, redirect2: `${url}/${expected}` });
      peer.close();
    }
  });

  test('a stream that is nowhere ends the player, without a 302', async () => {
    const peer = await RtmpPeer.player(a, 'nowhere');
    await eventually('closed', () => peer.closed, 1000);
    assert.ok(peer.commands.every((command) => redirectOf(command) === undefined));
  });

  test('a publisher is not sent anywhere, nor an HTTP-FLV player', async () => {
    const publisher = await publishForever(a, 'elsewhere');
    const flv = new FlvPeer(b, '/live/elsewhere.flv');
    await eventually('in the API', async () => (await clientsOf(b)).length === 1);
    assert.equal(publisher.closed, false);
    assert.equal(flv.closed || flv.bytes.length > 0, false);
    publisher.close();
    flv.close();
  });
});

describe('coworkers that do not do their part', () => {
  test('are passed over, in order: dead, refusing, hung, talking nonsense, sending back', async () => {
    const [dead] = await freePorts('127.0.0.1', 1);
    const answers = [
      'nonsense',
      '[]',
      '{}',
      '{"code":0}',
      '{"code":0,"data":{}}',
      '{"code":1,"data":{"origin":null}}',
      foundAt('1.2.3.4', '1935'),
      foundAt('1.2.3.4', 0),
      foundAt('rtmp://evil/', 1935),
      foundAt(7, 1935),
      'x'.repeat(100_000),
      NOWHERE,
      undefined,
    ];
    const fakes = await Promise.all(answers.map((answer) => fakeCoworker(() => answer)));
    const [rtmpPort, httpPort, apiPort] = (await freePorts('127.0.0.6', 3)) as [number, number, number];
    const liar = await fakeCoworker(() => foundAt('127.0.0.6', rtmpPort));
    const last = `${c.config.host}:${c.config.apiPort}`;
    const coworkers = [`127.0.0.1:${dead}`, ...fakes.map(({ address }) => address), liar.address, last];
    const node = await originOf(coworkers, { rtmpPort, httpPort, apiPort });
    const peer = await RtmpPeer.player(node, 'elsewhere?x=1');
    await redirected(peer);
    for (const { address, asked } of [...fakes, liar]) {
      const query = 'vhost=__defaultVhost__&ip=127.0.0.6&app=live&stream=elsewhere';
      assert.deepEqual(asked, [`POST /api/v1/clusters?${query}&coworker=${address}`]);
    }
    await node.kill();
  });

  test('a hung one holds nobody whose stream is here; who leaves is not asked for; who publishes meanwhile is played', async () => {
    const hung = await fakeCoworker(() => undefined);
    const node = await originOf([hung.address], { timeouts: { coworker: 60_000 } });
    await publishForever(node, 'here');
    const waiting = await Promise.all(Array.from({ length: 20 }, () => RtmpPeer.player(node, 'absent')));
    await eventually('asked', () => hung.asked.length === 1);
    const player = await RtmpPeer.player(node, 'here');
    await player.until('media', () => player.videoTimes.length > 3);
    await publishForever(node, 'absent');
    await Promise.all(waiting.map((peer) => peer.until('media', () => peer.videoTimes.length > 3)));
    assert.equal(hung.asked.length, 1, 'they share a question');

    const connections = (): Promise<number> =>
      new Promise((resolve, reject) =>
        servers.at(-1)!.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      );
    for (const peer of waiting) peer.close();
    const late = await RtmpPeer.player(node, 'another');
    await eventually('asked again', () => hung.asked.length === 2);
    late.close();
    await eventually('given up', async () => (await connections()) === 0);
    await node.kill();
  });
});

describe('an edge of coworkers', () => {
  test('follows, and its players see nothing of it', async () => {
    await publishForever(c, 'followed');
    const player = await RtmpPeer.player(edge, 'followed?token=t1');
    const flv = new FlvPeer(edge, '/live/followed.flv?token=t2');
    await player.until('media', () => player.videoTimes.length > 3);
    await eventually('FLV media', () => flv.bytes.length > 1000);
    assert.ok(player.commands.every((command) => redirectOf(command) === undefined));
    const pulls = (await clientsOf(c)).filter(({ url, publish }) => url === '/live/followed' && !publish);
    assert.deepEqual(
      pulls.map(({ ip }) => ip),
      ['127.0.0.5'],
    );
    player.close();
    flv.close();
  });

  test('follows so many in a row, then pauses', async () => {
    const [rtmpPort, httpPort, apiPort] = (await freePorts('127.0.0.7', 3)) as [number, number, number];
    const other = await fakeCoworker(() => foundAt('127.0.0.7', rtmpPort));
    const first = await originOf([other.address]);
    const back = await fakeCoworker(() => foundAt('127.0.0.6', first.config.rtmpPort));
    const second = await originOf([back.address], { host: '127.0.0.7', rtmpPort, httpPort, apiPort });
    const near = await startNode({
      role: 'edge',
      host: '127.0.0.8',
      origins: [{ host: '127.0.0.6', port: first.config.rtmpPort }],
      timeouts: { upstreamRetry: 60_000 },
    });
    const player = await RtmpPeer.player(near, 'circling');
    const ends = (): number => near.output.split('ended: redirected to').length - 1;
    await eventually('3 redirects were followed', () => ends() === 4);
    assert.deepEqual([other.asked.length, back.asked.length], [2, 2]);
    assert.equal(player.closed, false);
    await Promise.all([first.kill(), second.kill(), near.kill()]);
  });

  test('query and virtual host go with every pull', async () => {
    await publishForever(c, 'vhost');
    const player = await RtmpPeer.player(edge, 'vhost?token=t1&vhost=shop.example');
    await player.until('media', () => player.videoTimes.length > 3);
    const url = `rtmp://${c.config.host}:${c.config.rtmpPort}/live/vhost?token=t1&vhost=shop.example`;
    assert.ok(edge.output.includes(`redirected to ${url}`), edge.output);
    const [pull] = (await clientsOf(c)).filter(({ url, publish }) => url === '/live/vhost' && !publish);
    assert.equal(pull?.tcUrl, `rtmp://shop.example:${c.config.rtmpPort}/live`);
    player.close();
  });
});
