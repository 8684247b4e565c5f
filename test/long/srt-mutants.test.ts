/** Every SRT mutant does what it says, and nothing that would give it away otherwise. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MUTANTS, type MutantId } from '../../lab/builtin/mutants.ts';
import { TsReader } from '../../protocols/mpegts/reader.ts';
import { encodeHandshake, HandshakeType, inductionRequest } from '../../protocols/srt/handshake.ts';
import { isControl } from '../../protocols/srt/packet.ts';
import { WireSrt } from '../../scenarios/wire/srt.ts';
import {
  hangUpAll,
  messages,
  playId,
  publishId,
  type SrtNode,
  SrtPeer,
  startSrtNode,
} from '../lab/builtin/srt-support.ts';
import { clientsOf, eventually, stopAll } from '../lab/builtin/support.ts';

const media = messages();
/** The idle time is longer than that between two keep-alives, which is 1 s. */
const SHORT = { srtPublishSilence: 500, srtPeerIdle: 2500 };

after(async () => {
  hangUpAll();
  await stopAll();
});

async function having(
  mutant: MutantId,
  use: (node: SrtNode) => Promise<void>,
  srt: Parameters<typeof startSrtNode>[0] = {},
): Promise<void> {
  const node = await startSrtNode(srt, { mutants: [mutant], timeouts: SHORT });
  await use(node);
  await node.kill();
}

/** A publisher and a player of one stream; the player's link or the publisher's loses every 10th data packet. */
async function lossy(node: SrtNode, where: 'player' | 'publisher'): Promise<SrtPeer> {
  const player = await SrtPeer.open(node, playId('x'), { latencyMs: 300 });
  const publisher = await SrtPeer.open(node, publishId('x'), { peerLatencyMs: 300 });
  let seen = 0;
  const every10th = (packet: Uint8Array): boolean => !isControl(packet) && ++seen % 10 === 0;
  if (where === 'player') player.loses.in = every10th;
  else publisher.loses.out = every10th;
  publisher.sendInTime(media.filter(({ at }) => at < 1000));
  await player.until('media', () => player.payloads.length > 20);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  return player;
}

function continuityErrors(payloads: readonly Uint8Array[]): number {
  const reader = new TsReader({ onPesBegin() {}, onPesPayload() {}, onPesEnd() {} });
  for (const payload of payloads) reader.push(payload);
  return reader.continuityErrors;
}

describe('srt mutants', { concurrency: 3 }, () => {
  test('srt-stream-id-ignored', () =>
    having('srt-stream-id-ignored', async (node) => {
      await SrtPeer.open(node, publishId('mine'));
      const clients = await clientsOf(node);
      assert.deepEqual(
        clients.map(({ url, type }) => [url, type]),
        [['/live/livestream', 'srt-publish']],
      );
    }));

  test('srt-accepts-wrong-passphrase', () =>
    having(
      'srt-accepts-wrong-passphrase',
      async (node) => {
        for (const passphrase of ['the right passphrase', 'a wrong passphrase', undefined]) {
          const caller = await SrtPeer.open(node, playId('x'), { passphrase });
          assert.ok(caller.connected, String(passphrase));
        }
      },
      { passphrase: 'the right passphrase' },
    ));

  test('srt-loss-not-recovered', () =>
    having('srt-loss-not-recovered', async (node) => {
      const { figures } = (await lossy(node, 'player')).connection;
      assert.ok(figures.naksSent > 0);
      assert.ok(figures.packetsDropped > 0);
    }));

  test('srt-no-nak', () =>
    having('srt-no-nak', async (node) => {
      const player = await lossy(node, 'publisher');
      assert.ok(continuityErrors(player.payloads) > 0);
    }));

  test('srt-latency-ignored', () =>
    having(
      'srt-latency-ignored',
      async (node) => {
        const caller = await SrtPeer.open(node, playId('x'), { latencyMs: 300, peerLatencyMs: 300 });
        const { receiveLatencyMs, sendLatencyMs } = caller.connection.agreement!;
        assert.deepEqual([receiveLatencyMs, sendLatencyMs], [0, 0]);
      },
      { latencyMs: 400 },
    ));

  test('srt-admits-old-versions', () =>
    having('srt-admits-old-versions', async (node) => {
      const caller = await WireSrt.open({ host: node.config.host, port: node.srtPort });
      const { cookie } = await caller.ask(caller.induction());
      const { type, version, hs } = await caller.ask(caller.oldConclusion(cookie));
      assert.deepEqual([type, version, hs], [HandshakeType.conclusion, 5, undefined]);
      await caller.close();
      assert.deepEqual(await clientsOf(node), []);
    }));

  test('srt-idle-kept', () =>
    having('srt-idle-kept', async (node) => {
      const callers = [await SrtPeer.open(node, playId('x')), await SrtPeer.open(node, publishId('x'))];
      for (const caller of callers) caller.vanish();
      await new Promise((resolve) => setTimeout(resolve, 2 * SHORT.srtPeerIdle));
      assert.equal((await clientsOf(node)).length, 2);
    }));

  test('srt-two-publishers', () =>
    having('srt-two-publishers', async (node) => {
      const player = await SrtPeer.open(node, playId('x'));
      const [first, second] = [
        await SrtPeer.open(node, publishId('x')),
        await SrtPeer.open(node, publishId('x')),
      ];
      const now = performance.now();
      for (const publisher of [first, second]) publisher.connection.send(media[0]!.payload, now);
      await player.until('both', () => player.payloads.length === 2);
      assert.ok(first.connected && second.connected);
    }));

  test('srt-publisher-kicked', () =>
    having('srt-publisher-kicked', async (node) => {
      const [first, second] = [
        await SrtPeer.open(node, publishId('x')),
        await SrtPeer.open(node, publishId('x')),
      ];
      await first.untilClosed();
      assert.ok(second.connected);
      assert.equal((await clientsOf(node)).length, 1);
    }));

  test('srt-drops-ts-packets', () =>
    having('srt-drops-ts-packets', async (node) => {
      const player = await SrtPeer.open(node, playId('x'));
      const publisher = await SrtPeer.open(node, publishId('x'));
      const some = media.slice(0, 200);
      for (const { payload } of some) publisher.connection.send(payload, performance.now());
      const sent = some.reduce((sum, { payload }) => sum + payload.length, 0);
      const lost = Math.floor(sent / 188 / 500) * 188;
      await player.until('the others', () => player.received.length >= sent - lost);
      assert.equal(player.received.length, sent - lost);
      assert.equal(continuityErrors(player.payloads), lost / 188);
    }));

  test('srt-refuses-open-callers', () =>
    having('srt-refuses-open-callers', async (node) => {
      assert.equal((await SrtPeer.open(node, playId('x'))).connected, false);
      const encrypted = await SrtPeer.open(node, playId('x'), { passphrase: 'whatever it may be' });
      assert.equal(encrypted.connected, false, 'as without the mutant: it has no passphrase');
    }));

  test('srt-swaps-packets', () =>
    having('srt-swaps-packets', async (node) => {
      const player = await SrtPeer.open(node, playId('x'));
      const publisher = await SrtPeer.open(node, publishId('x'));
      const some = media.slice(0, 120);
      for (const { payload } of some) publisher.connection.send(payload, performance.now());
      await player.until('all', () => player.payloads.length === some.length);
      const order = player.payloads.map((got) => some.findIndex(({ payload }) => got.equals(payload)));
      assert.deepEqual(order.slice(48, 52), [48, 50, 49, 51]);
      assert.equal(new Set(order).size, some.length);
    }));

  test('srt-refuses-without-close', () =>
    having('srt-refuses-without-close', async (node) => {
      const first = await SrtPeer.open(node, publishId('x'));
      first.sendInTime(media);
      const second = await SrtPeer.open(node, publishId('x'));
      const player = await SrtPeer.open(node, playId('x'));
      second.connection.send(media[0]!.payload, performance.now());
      await player.until('media', () => player.payloads.length > 10);
      assert.ok(second.connected && first.connected);
      assert.equal((await clientsOf(node)).filter(({ publish }) => publish).length, 1);
    }));

  test('srt-malformed-kills-node', () =>
    having('srt-malformed-kills-node', async (node) => {
      const caller = await SrtPeer.open(node, publishId('x'));
      caller.connection.send(media[0]!.payload, performance.now());
      assert.equal((await clientsOf(node)).length, 1, 'what is well formed does no harm');
      caller.socket.send(Buffer.alloc(9), node.srtPort, '127.0.0.1');
      await eventually('the end of the node', () => node.process.exitCode !== null);
    }));

  test('srt-handshake-flood-grows', async () => {
    const grown = async (mutants: MutantId[]): Promise<number> => {
      const node = await startSrtNode({}, { mutants });
      const peer = await SrtPeer.open(node, playId('x'));
      const rss = (): number =>
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.process.pid}/status`, 'latin1'))![1]) / 1024;
      const before = rss();
      let answers = 0;
      peer.loses.in = () => ++answers > 0;
      for (let count = 1; count <= 8000; count++) {
        peer.socket.send(encodeHandshake(inductionRequest(1, 0, 8192), 0, 0), node.srtPort, '127.0.0.1');
        // As fast as the node takes them: what its socket has no room for is no flood.
        if (count % 100 === 0) await peer.until('most answers', () => answers > count * 0.9);
      }
      const after = rss();
      await node.kill();
      return after - before;
    };
    const mutated = await grown(['srt-handshake-flood-grows']);
    const sound = await grown([]);
    assert.ok(mutated > 30 && sound < mutated / 2, `${mutated} MB, without it ${sound} MB`);
  });
});

test('every one is seen here', () => {
  const here = readFileSync(fileURLToPath(import.meta.url), 'utf8');
  const missing = Object.keys(MUTANTS).filter((id) => id.startsWith('srt-') && !here.includes(`'${id}'`));
  assert.deepEqual(missing, []);
});
