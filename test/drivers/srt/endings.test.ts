import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { ClientState, CloseReason } from '../../../drivers/client.ts';
import { totalSrt } from '../../../drivers/srt/figures.ts';
import { parseSrtUrl } from '../../../drivers/srt/url.ts';
import { ProtocolError } from '../../../protocols/errors.ts';
import { freeUdpPort } from '../../support/ports.ts';
import { eventually } from '../support/observe.ts';
import { MeteredPlayer, startRelay } from './support.ts';

test('nobody listens: refused, at once', async () => {
  const { player } = new MeteredPlayer(`srt://127.0.0.1:${await freeUdpPort()}`);
  await eventually(3000, 'closed', () => player.state === ClientState.closed);
  assert.deepEqual([player.closed?.reason, player.closed?.code], [CloseReason.refused, 'udp.econnrefused']);
});

test('nobody answers: a timeout of the handshake', async (t) => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  const { player } = new MeteredPlayer(`srt://127.0.0.1:${socket.address().port}?conntimeo=600`);
  await eventually(3000, 'closed', () => player.state === ClientState.closed);
  assert.deepEqual(
    [player.closed?.reason, player.closed?.code],
    [CloseReason.timeout, 'srt.timeout.handshake'],
  );
  assert.equal(player.closed?.during, ClientState.handshaking);
});

test('a server that is killed is noticed; one that leaves says so', async (t) => {
  const relay = await startRelay('latency=20');
  t.after(() => relay.program.stop());
  const { player } = new MeteredPlayer(`srt://127.0.0.1:${relay.outPort}?peeridletimeo=700&latency=20`);
  await eventually(3000, 'connected', () => player.state === ClientState.streaming);
  relay.program.child.kill('SIGSTOP');
  await eventually(4000, 'closed', () => player.state === ClientState.closed);
  assert.deepEqual([player.closed?.reason, player.closed?.code], [CloseReason.timeout, 'srt.peer-idle']);
  relay.program.child.kill('SIGCONT');
  const other = await startRelay('latency=20');
  t.after(() => other.program.stop());
  const second = new MeteredPlayer(`srt://127.0.0.1:${other.outPort}?latency=20`).player;
  await eventually(3000, 'connected', () => second.state === ClientState.streaming);
  other.program.child.kill('SIGINT');
  await eventually(4000, 'closed', () => second.state === ClientState.closed);
  assert.deepEqual([second.closed?.reason, second.closed?.code], [CloseReason.remote, 'srt.shutdown']);
  second.close();
  assert.equal(second.closed?.code, 'srt.shutdown');
  const total = totalSrt([player.srt!, second.srt!]);
  assert.equal(total.packetsReceived, 0);
});

test('closing before, while and after connecting is closing once', async () => {
  const { player } = new MeteredPlayer(`srt://127.0.0.1:${await freeUdpPort()}`);
  player.close();
  player.close();
  assert.deepEqual([player.closed?.reason, player.closed?.code], [CloseReason.local, 'local']);
});

test('URLs say where, which stream and how', () => {
  const full = parseSrtUrl(
    'srt://127.0.0.1:10080?streamid=%23!::r=live/x,m=request&latency=400&passphrase=correct%20horse&pbkeylen=32',
    'publish',
  );
  assert.deepEqual(full, {
    host: '127.0.0.1',
    port: 10080,
    streamId: '#!::r=live/x,m=request',
    latencyMs: 400,
    passphrase: 'correct horse',
    keyBytes: 32,
    connectTimeoutMs: undefined,
    peerIdleTimeoutMs: undefined,
  });
  const streamId = (url: string, mode: 'request' | 'publish'): string => parseSrtUrl(url, mode).streamId;
  assert.equal(streamId('srt://h:1?streamid=#!::r=live/x', 'publish'), '#!::r=live/x,m=publish');
  assert.equal(streamId('srt://h:1?streamid=live/x', 'publish'), 'live/x');
  assert.equal(streamId('srt://h:1/live/x', 'request'), '#!::r=live/x,m=request');
  assert.equal(streamId('srt://[::1]:1', 'request'), '');
  assert.equal(parseSrtUrl('srt://[::1]:1', 'request').host, '::1');
  for (const url of [
    'srt://host',
    'srt://host:0',
    'srt://host:70000',
    'rtmp://host:1/a/b',
    'srt://h:1?latency=-5',
    'srt://h:1?passphrase=short',
    'srt://h:1?passphrase=longenough&pbkeylen=20',
    'srt://h:1?streamid=%FF',
    `srt://h:1?streamid=${'x'.repeat(600)}`,
  ]) {
    assert.throws(
      () => parseSrtUrl(url, 'request'),
      (error) => error instanceof ProtocolError && error.code === 'url',
      url,
    );
  }
});
