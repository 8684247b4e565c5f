import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, it, type TestContext } from 'node:test';
import { MUTANTS, type MutantId } from '../../lab/builtin/mutants.ts';
import { framesOf, publish, startRtcNode, TestPlayer, victim } from '../lab/builtin/rtc-support.ts';
import { clientsOf, eventually, stopAll } from '../lab/builtin/support.ts';

const LITE = { webrtc: { transport: 'lite' } } as const;

describe('mutants of WHEP and WHIP media', { concurrency: 4 }, () => {
  after(stopAll);

  const played = async (t: TestContext, id: MutantId, count = 60) => {
    const node = await startRtcNode(t, { mutants: [id] });
    const { publication } = publish(t, node.url('rtmp'));
    await eventually('it publishes', () => publication.frames > 3);
    const player = new TestPlayer(t, node.url('whep'), LITE);
    await eventually('frames', () => player.rtp.packets > count * 3, 6000);
    return { node, player };
  };

  it('rtc-drops-frames', async (t) => {
    const { player } = await played(t, 'rtc-drops-frames');
    const { missing, corrupt } = player.counts;
    assert.ok(missing > 0);
    assert.deepEqual([corrupt, player.rtp.lost], [0, 0]);
  });

  it('rtc-drops-sei', async (t) => {
    const { player } = await played(t, 'rtc-drops-sei', 10);
    assert.ok(player.meter.received > 0);
    assert.equal(player.counts.unstamped, player.meter.received);
  });

  it('rtc-no-keyframe-first', async (t) => {
    const { player } = await played(t, 'rtc-no-keyframe-first', 10);
    assert.ok(player.rtp.plis > 0);
  });

  it('rtc-skips-first-keyframe', async (t) => {
    const node = await startRtcNode(t, { mutants: ['rtc-skips-first-keyframe'] });
    const player = new TestPlayer(t, node.url('whep'), LITE);
    await eventually('it waits', () => player.client.state === 'streaming');
    publish(t, node.url('rtmp'));
    await framesOf(player, 5);
    const { received, continuity } = player.meter;
    assert.equal(continuity.last - received + 1, 25, 'its first frame');
    assert.equal(continuity.missing, 0);
  });

  it('rtc-republish-loses-players', async (t) => {
    const node = await startRtcNode(t, { mutants: ['rtc-republish-loses-players'] });
    const player = new TestPlayer(t, node.url('whep'), LITE);
    const first = publish(t, node.url('rtmp'));
    await framesOf(player, 5);
    first.publication.stop();
    await eventually('the publisher is gone', async () => (await clientsOf(node)).length === 1);
    const { packets } = player.rtp;
    const second = publish(t, node.url('rtmp'));
    await eventually('two keyframes', () => second.publication.frames > 30);
    assert.equal(player.rtp.packets, packets);
  });

  it('whip-no-pli', async (t) => {
    const node = await startRtcNode(t, { mutants: ['whip-no-pli'], timeouts: { rtcKeyframe: 300 } });
    const { publication } = publish(t, node.url('whip'));
    await eventually('a second of frames', () => publication.frames > 25);
    const { rtp } = publication.client as unknown as { rtp: { keyframeRequests: number } };
    assert.equal(rtp.keyframeRequests, 0);
  });

  it('whip-asked-keyframe-lost', async (t) => {
    const node = await startRtcNode(t, {
      mutants: ['whip-asked-keyframe-lost'],
      timeouts: { rtcKeyframe: 300 },
    });
    const player = new TestPlayer(t, node.url('flv'));
    const { publication } = publish(t, node.url('whip'));
    await eventually('two keyframes', () => publication.frames > 60, 6000);
    const { rtp } = publication.client as unknown as { rtp: { keyframeRequests: number } };
    assert.ok(rtp.keyframeRequests > 0);
    await eventually('a frame after these', () => player.meter.continuity.last > 50);
    assert.equal(player.counts.missing, 2);
  });

  it('whip-vanished-kept: a publisher who has frozen stays, a player does not', async (t) => {
    const silence = { timeouts: { rtcSilence: 500 } };
    const [kept, healthy] = [
      await startRtcNode(t, { mutants: ['whip-vanished-kept'], ...silence }),
      await startRtcNode(t, silence),
    ];
    const publishers = async (node: typeof kept): Promise<number> =>
      (await clientsOf(node)).filter(({ publish: publishing }) => publishing).length;
    for (const node of [kept, healthy]) {
      const { publication } = publish(t, node.url('whip'));
      await eventually('it publishes', () => publication.frames > 10);
      // Nothing is sent any more, neither RTP nor reports: as of a process that was stopped.
      const { client } = publication as unknown as {
        client: { transport: { sendRtp: unknown; sendRtcp: unknown } };
      };
      client.transport.sendRtp = () => false;
      client.transport.sendRtcp = () => false;
    }
    await eventually('the healthy node forgets', async () => (await publishers(healthy)) === 0, 5000);
    assert.equal(await publishers(kept), 1);
  });

  it('rtc-session-lingers', async (t) => {
    const rtcSilence = 1500;
    const node = await startRtcNode(t, { mutants: ['rtc-session-lingers'], timeouts: { rtcSilence } });
    publish(t, node.url('rtmp'));
    const { kill } = await victim(t, node);
    kill();
    const killed = performance.now();
    await eventually('it is forgotten', async () => (await clientsOf(node)).length === 1, 6000);
    // It reports once a second, so that it was heard up to a second before.
    const afterMs = performance.now() - killed;
    assert.ok(afterMs > 2 * rtcSilence - 1100, `${afterMs} ms`);
  });

  it('rtc-session-kept', async (t) => {
    const node = await startRtcNode(t, { mutants: ['rtc-session-kept'], timeouts: { rtcSilence: 1000 } });
    publish(t, node.url('rtmp'));
    const { kill } = await victim(t, node);
    kill();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.equal((await clientsOf(node)).length, 2);
  });
});

it('every mutant of WebRTC is seen here, or in its neighbours', () => {
  const files = ['../lab/builtin/rtc-http', '../lab/builtin/rtc-loss', './rtc-media-mutants'].map((name) =>
    readFileSync(new URL(`${name}.test.ts`, import.meta.url), 'utf8'),
  );
  const missing = Object.keys(MUTANTS).filter(
    (id) => /^(?:whep|whip|rtc|sdp)-/.test(id) && !files.some((text) => text.includes(`'${id}'`)),
  );
  assert.deepEqual(missing, []);
});
