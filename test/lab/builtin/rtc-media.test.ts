import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { framesOf, publish, type RtcNode, startRtcNode, TestPlayer, victim } from './rtc-support.ts';
import { clientsOf, eventually, run, stopAll } from './support.ts';

const INTACT = { corrupt: 0, unstamped: 0, missing: 0 };
const LITE = { webrtc: { transport: 'lite' } } as const;

async function typesOf(node: RtcNode): Promise<unknown[]> {
  return (await clientsOf(node)).map(({ type }) => type).sort();
}

describe('WHEP and WHIP media', { concurrency: 4 }, () => {
  after(stopAll);

  it('RTMP in, WHEP out: every frame from a keyframe on, to both kinds of client; they are told, and forgotten', async (t) => {
    const node = await startRtcNode(t);
    const early = new TestPlayer(t, node.url('whep'));
    await early.witness.reached('streaming', 5000);
    publish(t, node.url('rtmp'));
    await framesOf(early, 5);
    const late = new TestPlayer(t, node.url('whep'), LITE);
    await framesOf(late, 30);
    for (const { counts, rtp, witness } of [early, late]) {
      assert.deepEqual(counts, INTACT);
      const { lost, damaged, plis, malformed, unknown } = rtp;
      assert.deepEqual([lost, damaged, plis, malformed, unknown], [0, 0, 0, 0, 0]);
      assert.deepEqual(witness.problems, []);
    }
    assert.deepEqual(await typesOf(node), ['fmle-publish', 'rtc-play', 'rtc-play']);
    early.client.close();
    late.client.close();
    await eventually('players are gone', async () => (await clientsOf(node)).length === 1);
  });

  it('WHIP in; FLV, RTMP and WHEP out: the same frames, sound to WHEP', async (t) => {
    const node = await startRtcNode(t);
    const whep = new TestPlayer(t, node.url('whep'));
    await whep.witness.reached('streaming', 5000);
    const { publication } = publish(t, node.url('whip'));
    await eventually('it publishes', () => publication.frames > 5);
    const flv = new TestPlayer(t, node.url('flv'));
    const rtmp = new TestPlayer(t, node.url('rtmp'));
    for (const player of [whep, flv, rtmp]) await framesOf(player, 40);
    for (const { counts } of [whep, flv, rtmp]) assert.deepEqual(counts, INTACT);
    assert.ok(whep.rtp.audioPackets > 20 && whep.rtp.audioLost === 0);
    assert.deepEqual(await typesOf(node), ['flv-play', 'rtc-play', 'rtc-publish', 'rtmp-play']);
    publication.stop();
    await eventually('the publisher is gone', async () => !(await typesOf(node)).includes('rtc-publish'));
  });

  it('ffmpeg decodes over HTTP-FLV what came in over WHIP', async (t) => {
    const node = await startRtcNode(t);
    const { publication } = publish(t, node.url('whip'));
    await eventually('it publishes', () => publication.frames > 5);
    const args = ['-v', 'error', '-i', node.url('flv'), '-frames:v', '40', '-f', 'framemd5', '-'];
    const { code, stdout, stderr } = await run('ffmpeg', args);
    assert.deepEqual([code, stderr], [0, '']);
    const lines = stdout.split('\n').filter((line) => line.startsWith('0,'));
    assert.equal(lines.length, 40);
  });

  it('another publication goes to players who wait, on the same source', async (t) => {
    const node = await startRtcNode(t);
    const player = new TestPlayer(t, node.url('whep'), LITE);
    const first = publish(t, node.url('rtmp'));
    await framesOf(player, 10);
    first.publication.stop();
    await eventually('the publisher is gone', async () => (await clientsOf(node)).length === 1);
    const before = player.meter.received;
    publish(t, node.url('rtmp'));
    await framesOf(player, before + 10);
    assert.deepEqual([player.counts.corrupt, player.rtp.lost, player.rtp.restarts], [0, 0, 0]);
  });

  it('a publisher whose keyframes are rare is asked for one', async (t) => {
    const node = await startRtcNode(t, { timeouts: { rtcKeyframe: 300, rtcSilence: 1200 } });
    const { publication } = publish(t, node.url('whip'));
    const asked = () =>
      (publication.client as unknown as { rtp: { keyframeRequests: number } }).rtp.keyframeRequests;
    await eventually('a keyframe is asked for', () => asked() > 0);
  });

  it('a client that is killed is forgotten when it was silent for long enough', async (t) => {
    const node = await startRtcNode(t, { timeouts: { rtcSilence: 1500 } });
    publish(t, node.url('rtmp'));
    const { kill } = await victim(t, node);
    kill();
    await eventually('it is forgotten', async () => (await typesOf(node)).length === 1, 6000);
  });
});
