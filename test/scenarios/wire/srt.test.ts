import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { nodeCrypto } from '../../../drivers/srt/crypto.ts';
import { HandshakeType } from '../../../protocols/srt/handshake.ts';
import { SrtListener } from '../../../protocols/srt/listener.ts';
import { SRT_PASSPHRASE } from '../../../scenarios/bounds.ts';
import { WireError } from '../../../scenarios/wire/socket.ts';
import { WireSrt } from '../../../scenarios/wire/srt.ts';

const WISH = { streamId: '#!::r=live/x,m=request', receiveLatencyMs: 40, sendLatencyMs: 300 };

interface Server {
  readonly caller: WireSrt;
  /** Stream ids that came. */
  readonly asked: readonly string[];
}

/** @param pass what becomes of each datagram; default it goes to the listener. */
async function serve(
  t: TestContext,
  pass = (bytes: Uint8Array, give: (bytes: Uint8Array) => void): void => give(bytes),
): Promise<Server> {
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
  socket.on('message', (bytes, peer) =>
    pass(bytes, (given) => listener.receive(given, peer, performance.now())),
  );
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const caller = await WireSrt.open({ host: '127.0.0.1', port: socket.address().port });
  t.after(async () => {
    await caller.close();
    listener.close(performance.now());
    socket.close();
  });
  return { caller, asked };
}

test('a handshake by hand, encrypted, and its answers', async (t) => {
  const { caller, asked } = await serve(t);
  const induction = await caller.ask(caller.induction());
  assert.deepEqual([induction.version, induction.extensionField], [5, 0x4a17]);
  const { hs } = await caller.ask(caller.conclusion(induction.cookie, WISH));
  assert.deepEqual([hs?.response, hs?.receiverDelay, hs?.senderDelay], [true, 300, 100]);
  assert.deepEqual(asked, [WISH.streamId]);
  assert.equal(caller.received, 2);
});

test('a late answer to an induction that was sent again is not the answer to the conclusion', async (t) => {
  const came: Uint8Array[] = [];
  const { caller, asked } = await serve(t, (bytes, give) => {
    came.push(bytes);
    if (came.length === 1) return;
    if (came.length === 3) give(came[0]!);
    give(bytes);
  });
  const induction = await caller.ask(caller.induction());
  const { type, hs } = await caller.ask(caller.conclusion(induction.cookie, WISH));
  assert.equal(type, HandshakeType.conclusion);
  assert.equal(hs?.response, true);
  assert.deepEqual(asked, [WISH.streamId]);
  assert.deepEqual([came.length, caller.received], [3, 3]);
});

test('an induction for a conclusion is what it is when nothing was sent again', async (t) => {
  let first: Uint8Array | undefined;
  const { caller, asked } = await serve(t, (bytes, give) => {
    first ??= bytes;
    give(first);
  });
  const induction = await caller.ask(caller.induction());
  const { type } = await caller.ask(caller.conclusion(induction.cookie, WISH));
  assert.equal(type, HandshakeType.induction);
  assert.deepEqual(asked, []);
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
