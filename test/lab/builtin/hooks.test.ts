/** Builtin origins tell of publishers by hooks in SRS's form, obey them, and register by a heartbeat. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import type { RegisterConfig } from '../../../lab/builtin/config.ts';
import { Heartbeat } from '../../../lab/builtin/heartbeat.ts';
import type { MediaNode } from '../../../lab/builtin/node.ts';
import { freePorts, freeUdpPort } from '../../support/ports.ts';
import {
  clientsOf,
  eventually,
  FlvPeer,
  publishForever,
  RtmpPeer,
  run,
  startNode,
  stopAll,
} from './support.ts';

type Json = Record<string, unknown>;
interface Call {
  readonly method: string;
  readonly path: string;
  readonly type: string;
  readonly body: Json;
}

const servers: Server[] = [];

/** Keeps what it is told; answers with what `answer` says, in its time. */
async function listener(
  answer: (call: Call, response: ServerResponse) => void,
  port = 0,
): Promise<{ url: string; port: number; calls: Call[]; server: Server }> {
  const calls: Call[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    let text = '';
    for await (const part of request) text += part;
    const { method = '', url = '', headers } = request;
    const call = { method, path: url, type: headers['content-type'] ?? '', body: JSON.parse(text) };
    calls.push(call);
    answer(call, response);
  });
  servers.push(server);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: bound } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${bound}`, port: bound, calls, server };
}

function hooksAt(url: string): { onPublish: string; onUnpublish: string } {
  return { onPublish: `${url}/hooks/on_publish?a=1`, onUnpublish: `${url}/hooks/on_unpublish` };
}

const actions = (calls: readonly Call[]): unknown[] => calls.map(({ body }) => body.action);

after(async () => {
  for (const server of servers) server.close().closeAllConnections();
  await stopAll();
});

test('a publisher that comes and goes is told in SRS’s form; its first frames are not lost', async () => {
  let letIn = (): void => {};
  const { url, calls } = await listener((_, response) => {
    letIn = () => response.end('{"code":0,"data":null}');
    if (calls.length > 1) letIn();
  });
  const node = await startNode({ hooks: hooksAt(url) });
  const player = await RtmpPeer.player(node, 'told');
  const publisher = await RtmpPeer.open(node);
  publisher.askToPublish('told?token=t');
  publisher.headers();
  for (let frame = 0; frame < 50; frame++) publisher.video(frame * 40, frame % 25 === 0);
  await eventually('asked', () => calls.length === 1);
  assert.equal(publisher.commands.filter(({ name }) => name === 'onStatus').length, 0);
  letIn();
  await publisher.status('NetStream.Publish.Start');
  await player.until('all frames', () => player.videoTimes.length === 50);
  publisher.close();
  await eventually('told that it left', () => calls.length === 2);

  const [came, left] = calls as [Call, Call];
  assert.deepEqual(
    [came.method, came.path, came.type],
    ['POST', '/hooks/on_publish?a=1', 'application/json'],
  );
  assert.equal(left.path, '/hooks/on_unpublish');
  const { data: versions, ...ids } = (await node.api('/api/v1/versions')) as Json & { data: unknown };
  assert.ok(versions);
  const { client_id, stream_id, ...rest } = came.body;
  assert.deepEqual(rest, {
    server_id: ids.server,
    service_id: ids.service,
    action: 'on_publish',
    ip: '127.0.0.1',
    vhost: '__defaultVhost__',
    app: 'live',
    tcUrl: `rtmp://127.0.0.1:${node.config.rtmpPort}/live`,
    stream: 'told',
    param: '?token=t',
    stream_url: '/live/told',
  });
  assert.match(`${client_id} ${stream_id}`, /^[0-9a-z]{8} vid-[0-9a-z]+$/);
  assert.deepEqual(left.body, { ...came.body, action: 'on_unpublish' });
  await node.kill();
});

test('whatever is no consent refuses the publisher before Publish.Start, and nobody is told that it left', async () => {
  const answers = ['{"code":1}', '{}', '1', '', 'no JSON', '[]', 500, 404, undefined];
  let answer: string | number | undefined = '0';
  const { url, calls } = await listener((_, response) => {
    if (typeof answer === 'number') response.writeHead(answer).end('0');
    else if (answer !== undefined) response.end(answer);
  });
  const node = await startNode({ hooks: hooksAt(url), timeouts: { hook: 1500 } });
  for (answer of answers) {
    const peer = await RtmpPeer.open(node);
    peer.askToPublish('refused');
    await eventually(`closed for ${answer}`, () => peer.closed);
    assert.ok(!peer.commands.some(({ name }) => name === 'onStatus'));
  }
  assert.deepEqual(new Set(actions(calls)), new Set(['on_publish']));
  assert.equal((await clientsOf(node)).length, 0);
  answer = '0';
  await publishForever(node, 'refused');
  await node.kill();
});

test('what is malformed, and was sent before the answer, ends its publisher and nobody else', async () => {
  let letIn = (): void => {};
  const { url, calls } = await listener(({ body }, response) => {
    letIn = () => response.end('0');
    if (body.stream !== 'malformed' || body.action !== 'on_publish') letIn();
  });
  const node = await startNode({ hooks: hooksAt(url) });
  const other = await publishForever(node, 'other');
  const publisher = await RtmpPeer.open(node);
  // In one piece: what comes with the command is read before the node waits, and is an aggregate without a whole part.
  publisher.socket.cork();
  publisher.askToPublish('malformed');
  publisher.send(6, 22, 1, 0, Uint8Array.of(9, 0, 0));
  publisher.socket.uncork();
  await eventually('asked', () => calls.some(({ body }) => body.stream === 'malformed'));
  letIn();
  await publisher.until('its end', () => publisher.closed);
  await eventually('told that it left', () => actions(calls).includes('on_unpublish'));
  assert.equal((await clientsOf(node)).length, 1);
  assert.equal(other.closed, false);
  await node.kill();
});

test('who leaves before the answer is told to have left; a busy stream is nobody’s end', async () => {
  let held: ServerResponse | undefined;
  const { url, calls } = await listener(({ body }, response) => {
    if (body.stream === 'hesitant' && body.action === 'on_publish') held = response;
    else response.end('0');
  });
  const node = await startNode({ hooks: hooksAt(url) });
  const peer = await RtmpPeer.open(node);
  peer.askToPublish('hesitant');
  await eventually('asked', () => held !== undefined);
  peer.close();
  held!.end('0');
  await eventually('told', () => calls.length === 2);
  assert.deepEqual(actions(calls), ['on_publish', 'on_unpublish']);

  calls.length = 0;
  const first = await publishForever(node, 'busy');
  const second = await RtmpPeer.open(node);
  second.askToPublish('busy');
  await eventually('refused', () => second.closed);
  first.close();
  await eventually('the first left', () => actions(calls).includes('on_unpublish'));
  assert.deepEqual(actions(calls), ['on_publish', 'on_publish', 'on_unpublish']);
  assert.equal(calls[2]!.body.client_id, calls[0]!.body.client_id);
  await node.kill();
});

test('calls of one stream arrive in order, however slow they are; another stream does not wait', async () => {
  const { url, calls } = await listener(({ body }, response) => {
    if (body.action === 'on_unpublish') setTimeout(() => response.end('0'), 300);
    else response.end('0');
  });
  const node = await startNode({ hooks: hooksAt(url) });
  for (let turn = 0; turn < 3; turn++) {
    const publisher = await publishForever(node, 'again');
    publisher.close();
    await eventually('the other', async () => (await clientsOf(node)).length === 0);
    (await publishForever(node, `other-${turn}`)).close();
  }
  const own = (): Call[] => calls.filter(({ body }) => body.stream === 'again');
  await eventually('all were told', () => own().length === 6);
  const pair = ['on_publish', 'on_unpublish'];
  assert.deepEqual(actions(own()), [...pair, ...pair, ...pair]);
  await node.kill();
});

test('SRT publishers are asked for, too', async () => {
  const { url, calls } = await listener(({ body }, response) =>
    setTimeout(() => response.end(body.stream === 'srt-no' ? '{"code":403}' : '0'), 200),
  );
  const srtPort = await freeUdpPort();
  const node = await startNode({ srtPort, hooks: hooksAt(url) });
  const input = [
    '-re',
    '-stream_loop',
    '-1',
    '-i',
    'fixtures/media/av-480k.flv',
    '-c',
    'copy',
    '-f',
    'mpegts',
  ];
  const target = (stream: string): string =>
    `srt://127.0.0.1:${srtPort}?streamid=#!::r=live/${stream},m=publish&pkt_size=1316`;
  const refused = run('ffmpeg', ['-v', 'error', ...input, target('srt-no')]);
  const accepted = run('ffmpeg', ['-v', 'error', ...input, '-t', '2', target('srt-yes')]);
  const flv = new FlvPeer(node, '/live/srt-yes.flv');
  await eventually('media', () => flv.bytes.length > 20_000);
  assert.notEqual((await refused).code, 0);
  assert.equal((await accepted).code, 0);
  await eventually('both were told', () => calls.length === 3);
  assert.deepEqual(calls.map(({ body }) => `${body.action} ${body.stream}`).sort(), [
    'on_publish srt-no',
    'on_publish srt-yes',
    'on_unpublish srt-yes',
  ]);
  await node.kill();
});

/** An answer has no longer than the interval. */
function registerAt(url: string, intervalMs: number): RegisterConfig {
  return {
    url: `${url}/api/v1/srs/register`,
    ip: '127.0.0.9',
    deviceId: 'origin-7',
    intervalMs,
    endpoints: { rtmp: 19351, http: 8081, api: 19851, srt: 10081, rtc: 8001 },
  };
}

test('a heartbeat at once, as SRS sends it', async () => {
  const { url, calls } = await listener((_, response) => response.end('{"code":0,"pid":"1"}'));
  const node = await startNode({ register: registerAt(url, 60_000) });
  await eventually('a beat', () => calls.length > 0);
  const { server, service } = await node.api('/api/v1/versions');
  assert.deepEqual([calls[0]!.method, calls[0]!.path], ['POST', '/api/v1/srs/register']);
  for (const { body } of calls) {
    assert.deepEqual(body, {
      device_id: 'origin-7',
      ip: '127.0.0.9',
      server,
      service,
      pid: String(node.process.pid),
      rtmp: ['19351'],
      http: ['8081'],
      api: ['19851'],
      srt: ['udp://0.0.0.0:10081'],
      rtc: ['udp://0.0.0.0:8001'],
    });
  }
  await node.kill();
});

/** In this process: of another one's beats none is certain to be heard when it is sent. */
test('a heartbeat at each interval', async () => {
  const times: number[] = [];
  const { url } = await listener((_, response) => {
    times.push(performance.now());
    response.end('{"code":0,"pid":"1"}');
  });
  const node = { serverId: 'vid-1', serviceId: 'a', log: () => {} } as unknown as MediaNode;
  const began = performance.now();
  const heartbeat = new Heartbeat(node, registerAt(url, 400));
  await eventually('four beats', () => times.length >= 4).finally(() => heartbeat.close());
  // Timers round.
  assert.ok(times[3]! - began >= 3 * 395, `${times.map((time) => time - began)}`);
});

test('a proxy that is not there is tried again; the failure and its end are logged once', async () => {
  const [port] = await freePorts('127.0.0.1', 1);
  const node = await startNode({ register: registerAt(`http://127.0.0.1:${port}`, 500) });
  await eventually('logged', () => node.output.includes('register at'));
  const { calls, server } = await listener((_, response) => response.end('{"code":0}'), port!);
  await eventually('beats', () => calls.length >= 3);
  server.close().closeAllConnections();
  await eventually('logged again', () => node.output.split('register at').length === 3);
  assert.equal(node.output.split('registers at').length, 2);
  await node.kill();
});
