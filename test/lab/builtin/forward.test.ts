/** A master and its slaves: what is published at the one is played from the others, whatever happens to them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { freePorts } from '../../support/ports.ts';
import { addresses, FROM, masterOf, publishersOf, SOON } from './forward-support.ts';
import {
  eventually,
  publishForever,
  ROOT,
  RtmpPeer,
  run,
  startNode,
  stopAll,
  type TestNode,
} from './support.ts';

let slaves: TestNode[];
let master: TestNode;

before(async () => {
  slaves = await Promise.all(['127.0.0.11', '127.0.0.12'].map((host) => startNode({ role: 'slave', host })));
  master = await masterOf(slaves);
});
after(stopAll);

test('every slave has the stream, with the timestamps of the publisher, from the master’s address', async () => {
  // Before anything is published: who comes later begins at the last keyframe.
  const players = await Promise.all(slaves.map((slave) => RtmpPeer.player(slave, 'all')));
  const publisher = await publishForever(master, 'all', FROM);
  for (const [at, slave] of slaves.entries()) {
    await eventually('forwarded', async () => (await publishersOf(slave, 'all')).length === 1);
    const [client] = await publishersOf(slave, 'all');
    assert.deepEqual([client?.type, client?.ip], ['flash-publish', '127.0.0.1']);
    const player = players[at]!;
    await player.until('media', () => player.videoTimes.length > 0);
    assert.equal(player.videoTimes[0], FROM, 'no frame is lost at the begin, and no timestamp is changed');
    const kinds = player.media(9).map(({ payload }) => payload[1]);
    assert.equal(kinds[0], 0, 'the sequence header comes first');
    assert.ok(player.media(18).some(({ payload }) => Buffer.from(payload).includes('onMetaData')));
    player.close();
  }
  publisher.close();
  for (const slave of slaves) {
    await eventually('ended with its publisher', async () => (await publishersOf(slave, 'all')).length === 0);
  }
});

test('ffmpeg publishes into the master and plays every slave without a gap', async () => {
  const args = ['-loglevel', 'error', '-re', '-stream_loop', '-1', '-i', `${ROOT}fixtures/media/av-480k.flv`];
  const encoder = spawn('ffmpeg', [...args, '-c', 'copy', '-f', 'flv', master.rtmp('ff')], {
    stdio: 'ignore',
  });
  for (const slave of slaves) {
    await eventually('forwarded', async () => (await publishersOf(slave, 'ff')).length === 1, 15_000);
  }
  const entries = ['-show_entries', 'packet=dts_time', '-of', 'csv=p=0'];
  const probe = ['-v', 'error', '-select_streams', 'v', '-read_intervals', '%+2', ...entries];
  const played = await Promise.all(slaves.map((slave) => run('ffprobe', [...probe, slave.rtmp('ff')])));
  encoder.kill('SIGKILL');
  for (const { code, stdout, stderr } of played) {
    assert.equal(code, 0, stderr);
    const times = stdout.trim().split('\n').map(Number.parseFloat);
    assert.ok(times.length >= 45, `${times.length} video packets in 2 s of 25 fps`);
    for (let at = 1; at < times.length; at++) assert.ok(Math.abs(times[at]! - times[at - 1]! - 0.04) < 0.01);
  }
});

test('a slave dies and comes back: publisher and the other slave are not disturbed, the stream returns', async () => {
  const [stays, dies] = await Promise.all(
    ['127.0.0.13', '127.0.0.14'].map((host) => startNode({ role: 'slave', host })),
  );
  const near = await masterOf([stays!, dies!]);
  const publisher = await publishForever(near, 'restart', FROM);
  const watcher = await RtmpPeer.player(stays!, 'restart');
  await eventually('forwarded', async () => (await publishersOf(dies!, 'restart')).length === 1);
  await dies!.kill();
  const { host, rtmpPort, httpPort, apiPort } = dies!.config;
  const back = await startNode({ role: 'slave', host, rtmpPort, httpPort, apiPort });
  const player = await RtmpPeer.player(back, 'restart');
  await player.until('media again', () => player.videoTimes.length > 0);
  const [header] = player.media(9);
  assert.equal(header?.payload[1], 0, 'a new connection begins with the sequence header');
  assert.ok(player.videoTimes[0]! > FROM, 'and goes on where the publisher is');
  assert.equal(publisher.closed || watcher.closed, false);
  const times = watcher.videoTimes;
  for (let at = 1; at < times.length; at++) assert.equal(times[at]! - times[at - 1]!, 40);
  await Promise.all([near, stays!, back].map((node) => node.kill()));
});

test('a busy slave is tried again until it is free', async () => {
  const blocker = await RtmpPeer.publisher(slaves[0]!, 'busy');
  blocker.headers();
  blocker.video(0, true);
  const publisher = await publishForever(master, 'busy');
  await eventually('at the other slave', async () => (await publishersOf(slaves[1]!, 'busy')).length === 1);
  await eventually(
    'refused',
    () => (master.output.match(/forward of \/live\/busy .*ended/g) ?? []).length > 1,
  );
  blocker.close();
  await eventually('forwarded', async () =>
    (await publishersOf(slaves[0]!, 'busy')).some(({ type }) => type === 'flash-publish'),
  );
  assert.equal(publisher.closed, false);
  publisher.close();
});

test('a slave that reads nothing is given up after the queue’s time, at no cost for the others', async () => {
  const accepted: Socket[] = [];
  const [port] = await freePorts('127.0.0.15', 1);
  const deaf = await startNode({ role: 'slave', host: '127.0.0.16' });
  // A slave that answers all and then does not read: a real one, behind a pipe that is shut after publish.
  const pipe = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => {});
    import('node:net').then(({ connect }) => {
      const peer = connect(deaf.config.rtmpPort, deaf.config.host);
      peer.on('error', () => {});
      let bytes = 0;
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        peer.write(chunk);
        if (bytes > 200_000) socket.pause();
      });
      peer.pipe(socket);
      socket.on('close', () => peer.destroy());
    });
  });
  pipe.listen(port, '127.0.0.15');
  await once(pipe, 'listening');
  const near = await startNode({
    role: 'master',
    forwards: [{ host: '127.0.0.15', port: port! }, ...addresses(slaves.slice(0, 1))],
    timeouts: SOON,
    settings: { queueSeconds: 1 },
  });
  const publisher = await RtmpPeer.publisher(near, 'deaf');
  publisher.headers();
  let frame = 0;
  const timer = setInterval(() => publisher.video(frame * 40, frame++ % 25 === 0, 400_000), 40);
  const frames = async () => Number((await publishersOf(slaves[0]!, 'deaf'))[0]?.recv_bytes) / 400_000;
  // Where the buffers on the way to the deaf one are full, and its queue is not yet.
  let keptUp = false;
  await eventually('given up', async () => {
    const sent = frame;
    const has = sent < 20 ? 0 : await frames();
    const isGivenUp = /forward of \/live\/deaf to 127.0.0.15.*takes nothing/.test(near.output);
    keptUp ||= !isGivenUp && has > sent - 5;
    return isGivenUp;
  });
  clearInterval(timer);
  assert.ok(keptUp, 'the other slave has what is sent, while the deaf one takes nothing');
  assert.equal(publisher.closed, false);
  await eventually('the other slave to have every frame', async () => (await frames()) > frame);
  for (const socket of accepted) socket.destroy();
  pipe.close();
  await Promise.all([near.kill(), deaf.kill()]);
});
