/** The API's answers have the keys and types of SRS's own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { eventually, FlvPeer, ROOT, RtmpPeer, startNode, stopAll, type TestNode } from './support.ts';

let node: TestNode;

before(async () => {
  node = await startNode();
  const publisher = await RtmpPeer.publisher(node, 'x');
  publisher.send(4, 8, 1, 0, Uint8Array.of(0xaf, 0, 0x12, 0x10));
  // The sequence header of ffmpeg's testsrc2 at 320x180, from captures/srs-7.0.18.
  const recorded = readFileSync(`${ROOT}fixtures/captures/srs-7.0.18/ffmpeg-publish.c2s.bin`);
  const at = recorded.indexOf(Buffer.from('170000000001', 'hex'));
  publisher.send(6, 9, 1, 0, recorded.subarray(at, at + 64));
  publisher.video(0, true);
  await eventually('frames', async () => (await firstStream()).frames === 3);
});
after(stopAll);

async function firstStream(): Promise<Record<string, unknown>> {
  return ((await node.api('/api/v1/streams/')).streams as Record<string, unknown>[])[0] ?? {};
}

/** Keys with their types, all the way down; what is null on one side may be anything on the other. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (value === null || typeof value !== 'object') return typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, shape(inner)]),
  );
}

for (const name of ['versions', 'summaries', 'streams', 'clients', 'vhosts']) {
  test(`/api/v1/${name} has the shape of SRS 7.0.18`, async () => {
    const captured = JSON.parse(readFileSync(`${ROOT}fixtures/captures/srs-7.0.18/api-${name}.json`, 'utf8'));
    const ours = await node.api(`/api/v1/${name}`);
    if (name === 'vhosts') delete captured.vhosts[0].hls.fragment;
    assert.deepEqual(shape(ours), shape(captured));
  });
}

test('paths without their slash are redirected, entries are found by id, and what is not there has a code', async () => {
  const { host, apiPort } = node.config;
  const answer = await fetch(`http://${host}:${apiPort}/api/v1/clients?count=20`, { redirect: 'manual' });
  assert.equal(answer.status, 302);
  assert.equal(answer.headers.get('location'), '/api/v1/clients/?count=20');
  const { id, publish } = (await firstStream()) as { id: string; publish: { active: boolean; cid: string } };
  const one = (await node.api(`/api/v1/streams/${id}`)).stream as { url: string };
  assert.equal(one.url, '/live/x');
  const publisher = (await node.api(`/api/v1/clients/${publish.cid}`)).client as { type: string };
  assert.equal(publisher.type, 'fmle-publish');
  assert.equal((await node.api('/api/v1/streams/none')).code, 2048);
  assert.equal((await node.api('/api/v1/clients/none')).code, 2049);
});

test('pages start where they are told and have at least ten entries', async () => {
  const players = Array.from({ length: 14 }, () => new FlvPeer(node, '/live/x.flv'));
  const count = async (query: string): Promise<number> =>
    ((await node.api(`/api/v1/clients/${query}`)).clients as unknown[]).length;
  await eventually('15 clients', async () => (await count('?count=100')) === 15);
  assert.equal(await count(''), 10);
  assert.equal(await count('?count=3'), 10);
  assert.equal(await count('?count=12'), 12);
  assert.equal(await count('?start=12&count=10'), 3);
  for (const player of players) player.close();
});

test('half a request is not waited for longer than it may take', { timeout: 10_000 }, async () => {
  const slow = await startNode({ timeouts: { httpRequest: 400 } });
  const { host, apiPort } = slow.config;
  const socket = connect(apiPort, host, () => socket.write('GET /api/v1/versions HTTP/1.1\r\n'));
  await once(socket.on('error', () => {}).resume(), 'close');
});

test('a restart can be seen: service and pid differ', async () => {
  const before = await node.api('/api/v1/versions');
  await node.kill();
  const { rtmpPort, httpPort, apiPort } = node.config;
  node = await startNode({ rtmpPort, httpPort, apiPort });
  const now = await node.api('/api/v1/versions');
  assert.notEqual(now.service, before.service);
  assert.notEqual(now.pid, before.pid);
});
