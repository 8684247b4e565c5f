import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { WebRtcOptions } from '../../../drivers/client.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { WhepPlayer } from '../../../drivers/webrtc/player.ts';
import { type MediaSink, MediaType } from '../../../protocols/media.ts';
import { eventually } from '../support/observe.ts';
import { RtcServer, RtcWitness } from './support.ts';

const FRAMES = 75;

class CountingAudio extends FrameMeter implements MediaSink {
  audio = 0;

  override end(type: MediaType, now: number): void {
    if (type === MediaType.audio) this.audio++;
    super.end(type, now);
  }
}

async function joined(t: TestContext, webrtc: WebRtcOptions = {}) {
  const server = await RtcServer.start(t);
  const witness = new RtcWitness();
  const meter = new CountingAudio(new MeterHistograms());
  const url = `whep://127.0.0.1:${server.port}/whep/?app=live&stream=x`;
  const player = new WhepPlayer(url, meter, { webrtc, timeoutMs: 5000 }, witness);
  meter.attach(player.timing);
  t.after(() => player.close());
  player.open();
  await witness.reached('streaming', 5000);
  const peer = server.peers[0]!;
  await eventually(3000, 'the server can send', () => peer.open);
  return { server, witness, meter, player, peer };
}

const counts = ({ received, corrupt, unstamped, continuity }: FrameMeter) => ({
  ...{ received, corrupt, unstamped, missing: continuity.missing },
});

describe('WHEP player', { concurrency: true }, () => {
  it('every frame and every audio packet, then DELETE of what Location named', async (t) => {
    const { server, witness, meter, player, peer } = await joined(t, { token: 'secret' });
    await peer.sendFrames(FRAMES);
    assert.deepEqual(counts(meter), { received: FRAMES, corrupt: 0, unstamped: 0, missing: 0 });
    assert.equal(meter.audio, FRAMES);
    const { lost, damaged, nacked, plis, unknown, malformed, audioPackets, packets, videoPackets } =
      player.rtp;
    assert.deepEqual([lost, damaged, nacked, plis, unknown, malformed], [0, 0, 0, 0, 0, 0]);
    assert.deepEqual([audioPackets, packets], [FRAMES, videoPackets + FRAMES]);
    assert.ok(player.bytesIn > 0 && player.jitterMs > 0);
    assert.deepEqual(witness.states, ['connecting', 'handshaking', 'requesting', 'streaming']);
    const { started, tcp, handshake, connect, firstKeyframe } = player.timing;
    const times = [started, tcp, handshake, connect, firstKeyframe];
    assert.deepEqual(
      times.toSorted((a, b) => a - b),
      times,
    );
    await eventually(2000, 'a receiver report', () =>
      peer.rtcp.some((message) => message.type === 'receiver-report' && message.reports.length === 2),
    );
    player.close();
    await eventually(2000, 'DELETE', () => server.deleted.length > 0);
    assert.deepEqual(server.requests, [
      {
        method: 'POST',
        url: '/whep/?app=live&stream=x',
        authorization: 'Bearer secret',
        type: 'application/sdp',
      },
      { method: 'DELETE', url: '/session/1?token=x', authorization: 'Bearer secret', type: undefined },
    ]);
    assert.equal((await witness.end()).reason, 'local');
    await eventually(2000, 'the exchange', () => witness.exchanges.length === 2);
    assert.deepEqual(
      witness.exchanges.map(({ kind, status }) => [kind, status]),
      [
        ['offer', 201],
        ['delete', 200],
      ],
    );
  });

  it('lost packets are asked for again, and every frame is whole', async (t) => {
    const { meter, player, peer } = await joined(t);
    const dropped = await peer.sendFrames(FRAMES, (packet) => packet % 13 === 7 || packet === 8);
    assert.ok(dropped > 10);
    assert.deepEqual(counts(meter), { received: FRAMES, corrupt: 0, unstamped: 0, missing: 0 });
    const { recovered, lost, late, damaged } = player.rtp;
    assert.deepEqual([recovered, lost, late, damaged], [dropped, 0, dropped, 0]);
  });

  it('without NACK the loss is seen as it is, and a keyframe is asked for', async (t) => {
    const { meter, player, peer } = await joined(t, { nack: false });
    // The middle of the first keyframe after the first second: one FU-A of its slice.
    const dropped = await peer.sendFrames(FRAMES, (packet) => packet === 45 || packet === 46);
    assert.equal(dropped, 2);
    assert.deepEqual([player.rtp.lost, player.rtp.nacked], [2, 0]);
    const { received, corrupt, unstamped, missing } = counts(meter);
    assert.ok(corrupt + missing >= 1 && corrupt + missing <= 3, JSON.stringify(counts(meter)));
    assert.equal(unstamped, 0);
    assert.ok(received >= FRAMES - 2);
    assert.equal(player.rtp.plis, 1);
    assert.equal(peer.rtcp.filter(({ type }) => type === 'picture-loss').length, 1);
  });

  it('without audio there is one media description', async (t) => {
    const { player, meter, peer } = await joined(t, { audio: false });
    await peer.sendFrames(25);
    assert.equal(player.answer!.media.length, 1);
    assert.deepEqual([counts(meter).received, meter.audio], [25, 0]);
  });

  it('a paused player reads nothing and goes on afterwards', async (t) => {
    const { meter, player, peer } = await joined(t);
    player.pause();
    await peer.sendFrames(10);
    assert.deepEqual([meter.received, player.rtp.packets], [0, 0]);
    player.resume();
    await peer.sendFrames(10);
    assert.equal(meter.received, 10);
  });
});
