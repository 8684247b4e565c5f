/** A hook that takes longer than a node remembers a stream that nobody uses. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { eventually, RtmpPeer, startNode, stopAll } from './support.ts';

/** Answers to publishers that came: they wait. */
const held: ServerResponse[] = [];
const server = createServer((request, response) => {
  request.resume();
  if (request.url === '/on_publish') held.push(response);
  else response.end('0');
});

after(async () => {
  server.close().closeAllConnections();
  await stopAll();
});

test('a publisher whom a slow hook lets in has the stream that players ask for', async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const node = await startNode({
    hooks: { onPublish: `${url}/on_publish`, onUnpublish: `${url}/on_unpublish` },
  });
  const publisher = await RtmpPeer.open(node);
  publisher.askToPublish('awaited');
  await eventually('asked', () => held.length === 1);

  // Of later, and used by nobody any more: when this one is forgotten, the first one would be, too.
  const passing = await RtmpPeer.player(node, 'passing');
  const streams = (await node.api('/api/v1/streams/')).streams as { id: string; name: string }[];
  const { id } = streams.find(({ name }) => name === 'passing')!;
  passing.close();
  const code = async (): Promise<unknown> => (await node.api(`/api/v1/streams/${id}`)).code;
  assert.equal(await code(), 0);
  await eventually('it is forgotten', async () => (await code()) !== 0, 8000);

  held[0]!.end('0');
  await publisher.status('NetStream.Publish.Start');
  const player = await RtmpPeer.player(node, 'awaited');
  publisher.headers();
  publisher.video(40, true);
  await player.until('the publisher', () => player.videoTimes.includes(40));
});
