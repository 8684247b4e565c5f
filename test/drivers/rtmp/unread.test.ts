import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createPublisher } from '../../../drivers/create.ts';
import { eventually, scripted, Witness } from '../support/observe.ts';

const MIB = 2 ** 20;
const PLAY = readFileSync('fixtures/captures/nginx-rtmp-1.2.2/ffmpeg-play.s2c.bin');
const S0S1S2 = PLAY.subarray(0, 1 + 2 * 1536);
/** A PingRequest in a chunk of type 0 (RTMP 1.0 section 7.1.7). */
const PING = Uint8Array.of(2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1);
const PINGS = 400_000;

test('a server that pings and never reads the answers is not answered for ever', async (t) => {
  const server = await scripted((socket) => {
    socket.once('data', () => {
      socket.pause();
      socket.write(S0S1S2);
      const some = Buffer.concat(new Array(1000).fill(PING));
      let left = PINGS / 1000;
      const pour = (): void => {
        while (left > 0 && !socket.destroyed) {
          left--;
          if (!socket.write(some)) break;
        }
      };
      socket.on('drain', pour);
      pour();
    });
  });
  t.after(() => server.close());
  const witness = new Witness();
  const client = createPublisher(`rtmp://127.0.0.1:${server.port}/live/x`, { timeoutMs: 30_000 }, witness);
  t.after(() => client.close());
  client.open();
  const all = S0S1S2.length + PINGS * PING.length;
  await eventually(20_000, 'every ping', () => client.bytesIn === all);
  assert.equal(client.state, 'requesting');
  // 7 MB of answers were asked for.
  assert.ok(client.backlog > MIB && client.backlog <= 2 * MIB + PING.length, `${client.backlog} bytes wait`);
});
