/** A player that does not read: what waits for it is bounded, and what it gets in the end begins with the headers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { type Batch, Player } from '../../../lab/builtin/player.ts';
import { eventually, FlvPeer, RtmpPeer, startNode, stopAll } from './support.ts';

after(stopAll);

const HEADERS = 'H';

function batch(text: string, timestamp: number, hasHeaders = false, madeAt = 0): Batch {
  return {
    bytes: Buffer.from(text),
    firstTimestamp: timestamp,
    lastTimestamp: timestamp,
    madeAt,
    hasHeaders,
  };
}

/** A player whose socket is a pipe that takes one write and then waits for a reader. */
function player(queueMs: number): { player: Player; socket: PassThrough } {
  const socket = new PassThrough({ highWaterMark: 1 });
  const headersAt = (timestamp: number): Batch => batch(`${HEADERS}${timestamp};`, timestamp, true);
  return { player: new Player(socket as unknown as Socket, queueMs, headersAt), socket };
}

async function readAll(socket: PassThrough): Promise<string> {
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  return text;
}

test('a player that keeps up gets every batch as it comes', async () => {
  const { player: one, socket } = player(1000);
  const received = readAll(socket);
  for (let i = 0; i < 5; i++) {
    one.deliver(batch(`${i};`, i * 100));
    if (socket.writableLength > 0) await once(socket, 'drain');
  }
  assert.equal(await received, '0;1;2;3;4;');
  assert.equal(one.dropped, 0);
});

test('a player that catches up gets everything in order', async () => {
  const { player: one, socket } = player(10_000);
  for (let i = 0; i < 30; i++) one.deliver(batch(`${i};`, i * 100));
  assert.equal(one.behind, true);
  const received = readAll(socket);
  await new Promise((resolve) => setTimeout(resolve, 5));
  one.deliver(batch('30;', 3000));
  assert.equal(await received, Array.from({ length: 31 }, (_, i) => `${i};`).join(''));
});

test('past its length the queue is dropped whole; headers that were in it remain, at the time of the last frame', async () => {
  const { player: one, socket } = player(1000);
  for (let i = 0; i < 10; i++) one.deliver(batch(`${i};`, i * 100, i === 5));
  one.deliver(batch('late;', 5000));
  one.deliver(batch('next;', 5100));
  const received = readAll(socket);
  await new Promise((resolve) => setTimeout(resolve, 5));
  one.deliver(batch('last;', 5200));
  const text = await received;
  assert.match(text, /^0;.*H5000;next;last;$/);
  assert.ok(!text.includes('late;'));
  assert.ok(one.dropped >= 9);
});

test('timestamps that stand still do not make the queue grow', () => {
  const { player: one } = player(1000);
  for (let i = 0; i < 10; i++) one.deliver(batch('x', 0, false, i * 300));
  assert.ok(one.dropped >= 4);
});

test('a player that does not read delays nobody and costs a bounded queue', async () => {
  const node = await startNode({ settings: { mergedWriteMs: 40, queueSeconds: 2 } });
  const publisher = await RtmpPeer.publisher(node, 'slow');
  publisher.headers();
  publisher.video(0, true);
  const stalled = new FlvPeer(node, '/live/slow.flv');
  await eventually('media', () => stalled.bytes.length > 300);
  stalled.socket.pause();
  const reader = await RtmpPeer.player(node, 'slow');
  // 32 MB of a stream that lasts 16 s by its timestamps.
  for (let i = 1; i <= 400; i++) {
    publisher.video(i * 40, i % 25 === 0, 80_000);
    if (publisher.socket.writableNeedDrain) await once(publisher.socket, 'drain');
    if (i % 10 === 0) await reader.until('the last frame', () => reader.videoTimes.at(-1) === i * 40);
  }
  assert.deepEqual(
    reader.videoTimes,
    Array.from({ length: 401 }, (_, i) => i * 40),
  );
  const summary = (await node.api('/api/v1/summaries')).data as { self: { mem_kbyte: number } };
  assert.ok(summary.self.mem_kbyte < 300_000, `${summary.self.mem_kbyte} KB`);
});
