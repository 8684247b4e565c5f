import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { ClientState } from '../../../drivers/client.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { SrtPlayer } from '../../../drivers/srt/player.ts';
import type { SrtConnection } from '../../../protocols/srt/connection.ts';
import { SrtListener, type SrtPeer } from '../../../protocols/srt/listener.ts';
import { eventually, Witness } from '../support/observe.ts';

test('two hundred callers share four sockets, and each goes through its states in order', async (t) => {
  const peers = new Map<SrtConnection, SrtPeer>();
  const ports = new Set<number>();
  const socket = createSocket({
    type: 'udp4',
    lookup: (host, _options, callback) => callback(null, host, 4),
  });
  const listener = new SrtListener(
    {},
    {
      onAnswer: (bytes, { port, address }) => socket.send(bytes, port, address),
      onPacketOut(connection, bytes) {
        const peer = peers.get(connection);
        if (peer !== undefined) socket.send(bytes, peer.port, peer.address);
      },
      onAccepted(connection, peer) {
        peers.set(connection, peer);
        ports.add(peer.port);
      },
    },
    randomBytes,
  );
  socket.on('message', (bytes, from) => listener.receive(bytes, from, performance.now()));
  // With such a lookup it listens before `bind` returns.
  const listening = once(socket, 'listening');
  socket.bind(0, '127.0.0.1');
  await listening;
  const timer = setInterval(() => listener.tick(performance.now()), 5);
  const url = `srt://127.0.0.1:${socket.address().port}?streamid=live/x`;
  const clients = Array.from({ length: 200 }, () => {
    const witness = new Witness();
    return { witness, player: new SrtPlayer(url, new FrameMeter(new MeterHistograms()), {}, witness) };
  });
  t.after(() => {
    for (const { player } of clients) player.close();
    clearInterval(timer);
    socket.close();
  });
  for (const { player } of clients) player.open();
  await eventually(5000, 'all are connected', () =>
    clients.every(({ player }) => player.state === ClientState.streaming),
  );
  for (const { witness } of clients)
    assert.deepEqual(witness.states, ['connecting', 'handshaking', 'streaming']);
  assert.equal(listener.connections, 200);
  assert.equal(ports.size, 4);
  for (const { player } of clients) player.close();
  await eventually(2000, 'all shut down', () => {
    listener.tick(performance.now());
    return listener.connections === 0;
  });
});
