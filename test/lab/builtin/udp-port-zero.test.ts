/** Datagrams whose source port is 0: nobody can be answered there, and nobody is to fall over it. */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { Socket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { MediaNode } from '../../../lab/builtin/node.ts';
import { RtcProxy } from '../../../lab/builtin/proxy/rtc.ts';
import { SrtProxy } from '../../../lab/builtin/proxy/srt.ts';
import { SrtServer } from '../../../lab/builtin/srt/server.ts';
import { UdpTap } from '../../../lab/taps/udp-tap.ts';
import { encodeHandshake, inductionRequest } from '../../../protocols/srt/handshake.ts';
import { encodeStun, StunClass, StunMethod } from '../../../protocols/stun/message.ts';
import { freeUdpPort } from '../../support/ports.ts';
import { Probe, startUdpProxy, type UdpProxy } from './proxy/udp-support.ts';
import { eventually } from './support.ts';

const HOST = '127.0.0.1';
const FROM_ZERO = { address: HOST, family: 'IPv4', port: 0, size: 0 } as const;
/** What anybody may send to an SRT listener, and gets an answer to. */
const INDUCTION = Buffer.from(encodeHandshake(inductionRequest(1, 0, 8192), 0, 0));

/** The one socket that is listened to from then on: the system lets nobody send from port 0, so it is told that it got something. */
async function listening(t: TestContext, begin: () => unknown): Promise<Socket> {
  const sockets: Socket[] = [];
  const { mock } = t.mock.method(
    Socket.prototype,
    'on',
    function (this: Socket, event: string, listener: (...args: unknown[]) => void) {
      if (event === 'message') sockets.push(this);
      return EventEmitter.prototype.on.call(this, event, listener);
    },
  );
  await begin();
  mock.restore();
  assert.equal(sockets.length, 1);
  return sockets[0]!;
}

async function answersInduction(t: TestContext, port: number): Promise<void> {
  const caller = await Probe.open(t);
  await caller.send(INDUCTION, port);
  await eventually('an answer', () => caller.got.length > 0);
}

test('an SRT listener goes on', async (t) => {
  const port = await freeUdpPort(HOST);
  const node = {
    config: { host: HOST, settings: {} },
    timeouts: { srtPeerIdle: 1000 },
    mutants: new Set(),
    log: () => {},
  };
  const server = new SrtServer(node as unknown as MediaNode, port);
  t.after(() => server.close());
  const socket = await listening(t, () => server.start());
  socket.emit('message', INDUCTION, FROM_ZERO);
  await answersInduction(t, port);
});

test('an SRT proxy goes on', async (t) => {
  let proxy: UdpProxy<SrtProxy> | undefined;
  const socket = await listening(t, async () => {
    proxy = await startUdpProxy(t, (context) => new SrtProxy(context));
  });
  socket.emit('message', INDUCTION, FROM_ZERO);
  assert.equal(proxy!.part.stray, 1);
  await answersInduction(t, proxy!.srtPort);
});

test('a WebRTC proxy opens no way to it, though it knows the password', async (t) => {
  const origin = await Probe.open(t);
  const at = { host: HOST, port: origin.socket.address().port };
  const backend = { id: 'o', ip: HOST, server: 'o', service: 'o', pid: '1', rtmp: at, rtc: at };
  const username = `${randomBytes(4).toString('hex')}:here`;
  const pwd = randomBytes(12).toString('hex');
  let proxy: UdpProxy<RtcProxy> | undefined;
  const socket = await listening(t, async () => {
    proxy = await startUdpProxy(t, (context) => new RtcProxy(context));
  });
  const { relay } = proxy!.part;
  relay.open({ username, pwd, backend, streamUrl: 'v/live/x', location: undefined });
  const check = encodeStun(
    { class: StunClass.request, method: StunMethod.binding, transactionId: randomBytes(12), username },
    { key: Buffer.from(pwd), hmac: (key, data) => createHmac('sha1', key).update(data).digest() },
  );
  socket.emit('message', Buffer.from(check), FROM_ZERO);
  assert.deepEqual([relay.paths, relay.stray], [0, 1]);
});

test('a tap does not take it', async (t) => {
  const target = await Probe.open(t);
  let tap: UdpTap | undefined;
  const socket = await listening(t, () => {
    const { port } = target.socket.address();
    const listen = { host: HOST, port: 0 };
    tap = new UdpTap({ from: 'client', to: 'target', listen, target: { host: HOST, port } });
  });
  await tap!.listen();
  t.after(() => tap!.close());
  socket.emit('message', Buffer.from('x'), FROM_ZERO);
  assert.deepEqual([tap!.total, tap!.refused], [0, 1]);
});
