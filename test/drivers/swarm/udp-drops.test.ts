import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { test } from 'node:test';
import { judgeGenerator, type WorkerHealth } from '../../../drivers/swarm/health.ts';
import { UdpDrops } from '../../../drivers/swarm/udp-drops.ts';

/** With such a lookup a socket is bound, and a datagram is there, when the call returns. */
function open(): Socket {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
  socket.bind(0, '127.0.0.1');
  return socket;
}

test('what a socket that is not read had to drop is counted, and stays counted when it is closed', (t) => {
  const [full, calm, sender] = [open(), open(), open()];
  t.after(() => {
    for (const socket of [calm, sender]) socket.close();
  });
  const drops = new UdpDrops();
  assert.equal(drops.read(), 0);
  full.setRecvBufferSize(4096);
  const bytes = Buffer.alloc(1000);
  for (let i = 0; i < 200; i++) sender.send(bytes, full.address().port, '127.0.0.1');
  sender.send(bytes, calm.address().port, '127.0.0.1');
  const dropped = drops.read();
  assert.ok(dropped > 100 && dropped < 200, `${dropped}`);
  full.close();
  assert.equal(drops.read(), dropped);
});

const WORKER: WorkerHealth = {
  loopLagP99Ms: 1,
  loopLagMs: 1,
  cpuCores: 0.1,
  cpuCoresMean: 0.1,
  rssMb: 100,
  clockJumps: 0,
  udpDrops: 3,
};

test('drops at our own sockets make a generator unhealthy when something is missing, and only then', () => {
  const complete = judgeGenerator([WORKER, WORKER], 1);
  assert.deepEqual([complete.healthy, complete.udpDrops], [true, 6]);
  const { healthy, reasons } = judgeGenerator([WORKER, WORKER], 1, [], true);
  assert.equal(healthy, false);
  assert.match(reasons.join(), /6 datagrams were dropped at our own sockets/);
  assert.ok(judgeGenerator([{ ...WORKER, udpDrops: 0 }], 1, [], true).healthy);
});
