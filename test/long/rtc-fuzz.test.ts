/** 100 000 bad datagrams at a live WebRTC port: who plays there loses nothing, and the node holds no more than before. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { FrameMeter, MeterHistograms } from '../../drivers/measure/meter.ts';
import { Publishing } from '../../drivers/measure/publishing.ts';
import { WhepPlayer } from '../../drivers/webrtc/player.ts';
import { WhipPublisher } from '../../drivers/webrtc/publisher.ts';
import { isDtls } from '../../protocols/dtls/record.ts';
import { isRtcp } from '../../protocols/rtp/packet.ts';
import { isStun } from '../../protocols/stun/message.ts';
import { throughLine } from '../../scenarios/wire/webrtc.ts';
import {
  framesOf,
  publish,
  type RtcNode,
  source,
  startRtcNode,
  TestPlayer,
} from '../lab/builtin/rtc-support.ts';
import { clientsOf, eventually, stopAll } from '../lab/builtin/support.ts';
import { mutations } from '../protocols/stun/mutate.ts';
import { udpSocketAt } from '../support/udp-socket.ts';

const DATAGRAMS = 100_000;
/** Sent before the node is let to its turn. */
const BATCH = 100;
/** In the node's socket: no more is sent while so much waits there. It has room for three times as much. */
const WAITING_BYTES = 64 * 1024;
const STRANGERS = 4;
/** Of each kind, to be changed. */
const KEPT = 50;
/** A node that plays on its own has a heap that breathes. */
const GROWN_MB = 50;

after(stopAll);

const rssOf = (node: RtcNode): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.process.pid}/status`, 'latin1'))![1]) / 1024;

const socketOf = ({ config }: RtcNode) => udpSocketAt(config.rtcPort!)!;

const KINDS = {
  stun: (bytes: Uint8Array) => isStun(bytes),
  dtls: (bytes: Uint8Array) => isDtls(bytes),
  rtcp: (bytes: Uint8Array) => bytes[0]! >> 6 === 2 && isRtcp(bytes),
  rtp: (bytes: Uint8Array) => bytes[0]! >> 6 === 2 && !isRtcp(bytes),
};
type Kind = keyof typeof KINDS;

async function socket(): Promise<Socket> {
  const one = createSocket('udp4').unref();
  one.bind(0, '127.0.0.1');
  await once(one, 'listening');
  return one;
}

/** The way of a client to the node: what the client sends is kept, and what else is sent to the node comes from there, too. */
class Way {
  readonly sent: Record<Kind, Buffer[]> = { stun: [], dtls: [], rtcp: [], rtp: [] };
  readonly address: { host: string; port: number };
  readonly outer: Socket;

  constructor(inner: Socket, outer: Socket, port: number) {
    this.outer = outer;
    this.address = { host: '127.0.0.1', port: inner.address().port };
    let client = 0;
    inner.on('message', (bytes, from) => {
      client = from.port;
      const kind = (Object.keys(KINDS) as Kind[]).find((name) => KINDS[name](bytes));
      if (kind !== undefined && this.sent[kind].length < KEPT) this.sent[kind].push(Buffer.from(bytes));
      outer.send(bytes, port, '127.0.0.1');
    });
    outer.on('message', (bytes) => {
      if (client !== 0) inner.send(bytes, client, '127.0.0.1');
    });
  }
}

test('noise, and mutated STUN, DTLS, RTP and RTCP change nothing for a player, and nothing is kept of them', async (t) => {
  const node = await startRtcNode(t, { timeouts: { rtcSilence: 1500 } });
  const port = node.config.rtcPort!;
  const way = async (): Promise<Way> => new Way(await socket(), await socket(), port);
  publish(t, node.url('rtmp'));
  const good = new TestPlayer(t, node.url('whep'), { webrtc: { transport: 'lite' } });
  await framesOf(good, 1);
  // What good clients send is what is changed; these two may lose by it.
  const [playing, publishing] = [await way(), await way()];
  const victim = new WhepPlayer(
    node.url('whep'),
    new FrameMeter(new MeterHistograms()),
    { timeoutMs: 5000 },
    undefined,
    throughLine(playing.address),
  );
  const other = new Publishing(source);
  other.add(
    node.url('whip', 'other'),
    { timeoutMs: 5000 },
    undefined,
    (to, options, observer) => new WhipPublisher(to, options, observer, throughLine(publishing.address)),
  );
  t.after(() => {
    victim.close();
    other.stop();
  });
  victim.open();
  const seeds = (kind: Kind): Buffer[] => [...playing.sent[kind], ...publishing.sent[kind]];
  await eventually('a datagram of each kind', () =>
    (Object.keys(KINDS) as Kind[]).every((kind) => seeds(kind).length > 0),
  );
  const strangers = await Promise.all(Array.from({ length: STRANGERS }, socket));
  const sockets = [...strangers, playing.outer, publishing.outer];
  const before = { rss: rssOf(node), frames: good.meter.received };

  let sent = 0;
  const kinds = (Object.keys(KINDS) as Kind[]).map((kind) => seeds(kind));
  // As many of each kind, however many came.
  const templates = Array.from({ length: KEPT }, (_, i) => kinds.map((of) => of[i % of.length]!)).flat();
  for (const bytes of mutations(templates, DATAGRAMS)) {
    sockets[sent % sockets.length]!.send(bytes, port, '127.0.0.1');
    if (++sent % BATCH !== 0) continue;
    do await new Promise((resolve) => setImmediate(resolve));
    while (socketOf(node).waiting > WAITING_BYTES);
  }
  const { dropped } = socketOf(node);
  assert.ok(dropped < DATAGRAMS / 10, `${dropped} of ${DATAGRAMS} did not come to the node`);

  await framesOf(good, good.meter.received + 20);
  assert.deepEqual(good.counts, { corrupt: 0, unstamped: 0, missing: 0 });
  assert.equal(good.rtp.lost, 0);
  victim.close();
  other.stop();
  for (const one of strangers) one.close();
  await eventually('all others to be forgotten', async () => (await clientsOf(node)).length === 2, 6000);
  const fresh = new TestPlayer(t, node.url('whep'));
  await framesOf(fresh, 5);
  assert.equal(good.client.closed, undefined);
  const grown = rssOf(node) - before.rss;
  assert.ok(grown < GROWN_MB, `${grown} MB more`);
  assert.equal(node.process.exitCode, null);
});
