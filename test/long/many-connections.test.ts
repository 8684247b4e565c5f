import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { readProcess } from '../../lab/runners/proc.ts';
import { resultsIn, temporary } from '../cli/surroundings.ts';
import { startLoad } from '../harness/real-load.ts';
import {
  clientsOf,
  eventually,
  publishForever,
  RtmpPeer,
  startNode,
  stopAll,
} from '../lab/builtin/support.ts';

const MANY = 10_000;

describe('ten thousand', () => {
  after(stopAll);

  it('connections that say nothing: a player beside is served, all are closed in time, memory comes to an end', async () => {
    const node = await startNode({
      settings: { maxConnections: 15_000 },
      timeouts: { handshake: 15_000, httpRequest: 15_000, publishFirst: 700, publishSilence: 5000 },
    });
    const publisher = await publishForever(node, 'good');
    const player = await RtmpPeer.player(node, 'good');
    const before = readProcess(node.process.pid!)!.rssMb;
    let [open, closed] = [0, 0];
    const silent: Socket[] = [];
    for (let index = 0; index < MANY; index++) {
      const port = index % 2 === 0 ? node.config.rtmpPort : node.config.httpPort;
      const localAddress = `127.0.${1 + (index % 20)}.1`;
      const socket = connect({ host: node.config.host, port, localAddress });
      socket.on('error', () => {});
      socket.once('connect', () => open++);
      socket.once('close', () => closed++);
      socket.resume();
      silent.push(socket);
      // A listen queue holds 511 (Node's documentation of server.listen).
      if (index % 250 === 249) await eventually('they are connected', () => open > index - 250, 10_000);
    }
    await eventually('all are connected', () => open === MANY, 20_000);
    assert.equal(closed, 0, 'they are there at the same time');
    const grown = readProcess(node.process.pid!)!.rssMb - before;
    assert.ok(grown < 400, `${grown.toFixed(0)} MB for ${MANY} connections`);
    const seen = player.videoTimes.length;
    await player.until('a second of frames beside', () => player.videoTimes.length >= seen + 25, 10_000);
    await eventually('all are closed', () => closed === MANY, 40_000);
    await eventually('they are forgotten', async () => (await clientsOf(node)).length === 2);
    assert.equal(player.closed || publisher.closed, false);
  });

  it('players with two workers and 20 000 open files each: everybody joins', async (t) => {
    const out = temporary(t);
    const load = await startLoad(t, {
      clients: MANY,
      workers: 2,
      duration: '1s',
      out,
      frames: 2,
      ramp: '20s',
      withinMs: 120_000,
    });
    await load.ended();
    const { clients, frames } = resultsIn(out).load!;
    assert.deepEqual(clients, { requested: MANY, joined: MANY, failed: 0, dropped: 0 });
    assert.equal(frames.received, 2 * MANY);
  });
});
