/** 100 000 bad packets at a live SRT port: it goes on serving, and holds no more than before. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { encodeHandshake, inductionRequest } from '../../../protocols/srt/handshake.ts';
import {
  hangUpAll,
  messages,
  playId,
  publishId,
  type SrtNode,
  SrtPeer,
  startSrtNode,
} from './srt-support.ts';
import { clientsOf, eventually, stopAll } from './support.ts';

const PACKETS = 100_000;
/** Sent before the node is let to its turn: what a socket's buffer holds. */
const BATCH = 100;
const VICTIMS = 20;

after(async () => {
  hangUpAll();
  await stopAll();
});

/** Numerical Recipes' generator: the same packets each time. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const rssOf = (node: SrtNode): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.process.pid}/status`, 'latin1'))![1]) / 1024;

test('random and mutated packets change nothing for others, and nothing is kept of them', async () => {
  const node = await startSrtNode({}, { timeouts: { srtPeerIdle: 1500 } });
  const { host } = node.config;
  const random = generator(20_261_120);
  // A minute: it goes on through everything below.
  const media = messages(6);
  const player = await SrtPeer.open(node, playId('good'));
  const publisher = await SrtPeer.open(node, publishId('good'));
  publisher.sendInTime(media);
  // What good callers send is what is changed.
  const templates: Buffer[] = [Buffer.from(encodeHandshake(inductionRequest(7, 7, 8192), 0, 0))];
  const victims: SrtPeer[] = [];
  for (let count = 0; count < VICTIMS; count++) {
    const victim = new SrtPeer(node, count % 2 === 0 ? playId('good') : publishId(`v${count}`));
    victim.loses.out = (packet) => {
      if (templates.length < 200) templates.push(Buffer.from(packet));
      return false;
    };
    await victim.until('the handshake', () => victim.connected);
    if (count % 2 === 1) {
      for (const { payload } of media.slice(0, 5)) victim.connection.send(payload, performance.now());
    }
    victims.push(victim);
  }
  const stranger = createSocket({ type: 'udp4', lookup: (name, _options, done) => done(null, name, 4) });
  const listening = once(stranger, 'listening');
  stranger.bind(0, '127.0.0.1');
  await listening;
  const before = rssOf(node);

  for (let count = 0; count < PACKETS; count++) {
    let packet: Buffer;
    if (random(4) === 0) {
      packet = Buffer.from(Array.from({ length: random(120) }, () => random(256)));
    } else {
      packet = Buffer.from(templates[random(templates.length)]!);
      for (let changes = 1 + random(4); changes > 0; changes--) packet[random(packet.length)] = random(256);
      if (random(8) === 0) packet = packet.subarray(0, random(packet.length));
    }
    const from = random(2) === 0 ? stranger : victims[random(VICTIMS)]!.socket;
    from.send(packet, node.srtPort, host);
    if (count % BATCH === BATCH - 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (count % (100 * BATCH) === 100 * BATCH - 1) await clientsOf(node);
    }
  }
  stranger.close();
  for (const victim of victims) victim.vanish();

  const got = player.payloads.length;
  await player.until('media after it all', () => player.payloads.length > got + 20);
  assert.ok(publisher.connected);
  await eventually('all others to be forgotten', async () => (await clientsOf(node)).length === 2, 6000);
  const fresh = await SrtPeer.open(node, publishId('fresh'));
  assert.ok(fresh.connected);
  const grown = rssOf(node) - before;
  assert.ok(grown < 100, `${grown} MB more`);
  assert.equal(node.process.exitCode, null);
});
