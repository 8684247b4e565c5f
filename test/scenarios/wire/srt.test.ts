import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { nodeCrypto } from '../../../drivers/srt/crypto.ts';
import { SrtListener } from '../../../protocols/srt/listener.ts';
import { SRT_PASSPHRASE } from '../../../scenarios/bounds.ts';
import { WireError } from '../../../scenarios/wire/socket.ts';
import { WireSrt } from '../../../scenarios/wire/srt.ts';

const WISH = { streamId: '#!::r=live/x,m=request', receiveLatencyMs: 40, sendLatencyMs: 300 };

test('a handshake by hand, encrypted, and its answers', async (t) => {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  const listener = new SrtListener(
    { latencyMs: 150, peerLatencyMs: 100, passphrase: SRT_PASSPHRASE, keyBytes: 16, crypto: nodeCrypto },
    {
      onAnswer: (bytes, { address, port }) => socket.send(bytes.slice(), port, address),
      onPacketOut() {},
      onRequest: ({ streamId }) => {
        asked.push(streamId);
        return { accept: true };
      },
    },
    (count) => randomBytes(count),
  );
  socket.on('message', (bytes, peer) => listener.receive(bytes, peer, performance.now()));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const caller = await WireSrt.open({ host: '127.0.0.1', port: socket.address().port });
  t.after(async () => {
    await caller.close();
    listener.close(performance.now());
    socket.close();
  });
  const induction = await caller.ask(caller.induction());
  assert.deepEqual([induction.version, induction.extensionField], [5, 0x4a17]);
  const { hs } = await caller.ask(caller.conclusion(induction.cookie, WISH));
  assert.deepEqual([hs?.response, hs?.receiverDelay, hs?.senderDelay], [true, 300, 100]);
  assert.deepEqual(asked, [WISH.streamId]);
  assert.equal(caller.received, 2);
});

test('silence is an error of the peer', async (t) => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const caller = await WireSrt.open({ host: '127.0.0.1', port: socket.address().port });
  t.after(async () => {
    await caller.close();
    socket.close();
  });
  await assert.rejects(caller.ask(caller.induction()), WireError);
  await caller.close();
  await caller.send(caller.induction());
});
