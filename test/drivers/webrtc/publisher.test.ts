import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Client, WebRtcOptions } from '../../../drivers/client.ts';
import { wallClock } from '../../../drivers/measure/clock.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { AUDIO_PAYLOAD_TYPE } from '../../../drivers/webrtc/contract.ts';
import { WhipPublisher } from '../../../drivers/webrtc/publisher.ts';
import { MediaType } from '../../../protocols/media.ts';
import { H264Depacketizer } from '../../../protocols/rtp/h264-depacketizer.ts';
import { RtpPacket } from '../../../protocols/rtp/packet.ts';
import { encodeRtcp, ntpOf, type SenderReport } from '../../../protocols/rtp/rtcp.ts';
import { source } from '../../protocols/rtp/support.ts';
import { eventually } from '../support/observe.ts';
import { RtcServer, RtcWitness } from './support.ts';

const FRAMES = 25;
const FRAME_MS = 40;

async function publishing(t: TestContext, webrtc: WebRtcOptions = {}) {
  const server = await RtcServer.start(t);
  const witness = new RtcWitness();
  const url = `whip://127.0.0.1:${server.port}/whip/?app=live&stream=x`;
  const publisher = new WhipPublisher(url, { webrtc, timeoutMs: 5000 }, witness);
  t.after(() => publisher.close());
  publisher.open();
  await witness.reached('streaming', 5000);
  const peer = server.peers[0]!;
  await eventually(3000, 'the server is ready', () => peer.open);
  return { server, witness, publisher, peer };
}

/** What a server makes of the packets so far. */
function depacketized(packets: readonly Uint8Array[]) {
  const meter = new FrameMeter(new MeterHistograms());
  const depacketizer = new H264Depacketizer(meter);
  const packet = new RtpPacket();
  let audio = 0;
  for (const bytes of packets) {
    packet.read(bytes);
    if (packet.payloadType === AUDIO_PAYLOAD_TYPE) audio++;
    else depacketizer.push(packet, 0);
  }
  return { received: meter.received, corrupt: meter.corrupt, missing: meter.continuity.missing, audio };
}

async function send(publisher: WhipPublisher, frames: number, intervalMs = 8): Promise<void> {
  for (const { type, body } of source.headers) publisher.send(type, 0, body);
  let frame = 0;
  for (const { type, timestamp, template, body } of source.items) {
    if (frame === frames) break;
    publisher.send(type, timestamp, template?.write(7, frame++, Date.now()) ?? body);
    if (template !== undefined) await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

describe('WHIP publisher', { concurrency: true }, () => {
  it('every frame intact, silence for each 20 ms, two reports per track within half a second', async (t) => {
    const { server, publisher, peer } = await publishing(t);
    await send(publisher, FRAMES, FRAME_MS);
    const silence = ((FRAMES - 1) * FRAME_MS) / 20 + 1;
    await eventually(2000, 'all packets', () => peer.rtp.length === publisher.rtp.packets);
    assert.deepEqual(depacketized(peer.rtp), { received: FRAMES, corrupt: 0, missing: 0, audio: silence });
    const reports = (): SenderReport[] => peer.rtcp.filter((message) => message.type === 'sender-report');
    await eventually(1500, 'two reports per track', () => reports().length >= 4);
    // Where a frame is late, media and clock may be paired anew between two reports: after the last frame they are not any more.
    const before = reports().length;
    await eventually(4000, 'two more per track', () => reports().length >= before + 4);
    const later = reports().slice(before);
    const sources = [...new Set(later.map(({ ssrc }) => ssrc))];
    assert.equal(sources.length, 2);
    for (const source of sources) {
      const [first, second] = later.filter(({ ssrc }) => ssrc === source);
      const seconds =
        second!.ntpSeconds - first!.ntpSeconds + (second!.ntpFraction - first!.ntpFraction) / 2 ** 32;
      const ticks = (second!.rtpTimestamp - first!.rtpTimestamp) >>> 0;
      const rate = ticks / seconds;
      const clock = rate > 60_000 ? 90_000 : 48_000;
      assert.ok(Math.abs(rate / clock - 1) < 0.01, `${rate} ticks per second`);
    }
    publisher.close();
    await eventually(2000, 'DELETE', () => server.deleted.length === 1);
  });

  it('NACK brings packets once more, PLI is counted and told', async (t) => {
    const { publisher, peer, witness } = await publishing(t, { audio: false });
    const asked: number[] = [];
    const since = wallClock.now();
    Object.assign(witness, { onKeyframeRequest: (_: Client, at: number) => asked.push(at) });
    await send(publisher, 25);
    await eventually(2000, 'all packets', () => peer.rtp.length === publisher.rtp.packets);
    const packet = new RtpPacket();
    packet.read(peer.rtp[3]!);
    const { ssrc, sequence } = packet;
    const before = peer.rtp.length;
    const sequences = [sequence, (sequence + 2) & 0xffff, (sequence - 100) & 0xffff];
    assert.ok(
      peer.feedback([
        { type: 'nack', ssrc: 1, mediaSsrc: ssrc, sequences },
        { type: 'picture-loss', ssrc: 1, mediaSsrc: ssrc },
      ]),
    );
    // SRTP's replay protection keeps from this peer what it has already.
    await eventually(2000, 'retransmissions', () => publisher.rtp.forgotten === 1);
    assert.equal(peer.rtp.length, before);
    const { naks, retransmitted, forgotten, keyframeRequests } = publisher.rtp;
    assert.deepEqual([naks, retransmitted, forgotten, keyframeRequests], [1, 2, 1, 1]);
    assert.equal(asked.length, 1);
    assert.ok(asked[0]! >= since && asked[0]! <= wallClock.now());
    assert.equal(depacketized(peer.rtp).audio, 0);
  });

  it('the round trip is what a report of the receiver says of a sender report', async (t) => {
    const { peer, publisher: streaming } = await publishing(t, { audio: false });
    assert.ok(Number.isNaN(streaming.roundTripMs));
    await send(streaming, 2);
    await eventually(2000, 'all packets', () => peer.rtp.length === streaming.rtp.packets);
    const packet = new RtpPacket();
    packet.read(peer.rtp[0]!);
    const report = (lastSr: number, delaySinceLastSr: number, lost: number): Uint8Array => {
      const block = { ssrc: packet.ssrc, fractionLost: 0, lost, highestSequence: 0, jitter: 0 };
      return encodeRtcp([
        { type: 'receiver-report', ssrc: 1, reports: [{ ...block, lastSr, delaySinceLastSr }] },
      ]);
    };
    const now = 1_800_000_000_000;
    const middle = ({ ntpSeconds, ntpFraction }: ReturnType<typeof ntpOf>): number =>
      ((ntpSeconds << 16) | (ntpFraction >>> 16)) >>> 0;
    const told = (bytes: Uint8Array): void => streaming.onRtcp(bytes, 0, bytes.length, now);
    told(report(middle(ntpOf(now - 250)), 65_536 / 8, 7));
    assert.ok(Math.abs(streaming.roundTripMs - 125) < 0.1, `${streaming.roundTripMs}`);
    assert.equal(streaming.rtp.reportedLost, 7);
    told(report(0, 0, 8));
    told(report(middle(ntpOf(now + 50)), 0, 9));
    assert.ok(
      Math.abs(streaming.roundTripMs - 125) < 0.1,
      'no sender report, or one of the future, tells none',
    );
    assert.equal(streaming.rtp.reportedLost, 9);
  });

  it('before it streams nothing is sent', (t) => {
    const publisher = new WhipPublisher('whip://127.0.0.1:1/x', {});
    t.after(() => publisher.close());
    assert.equal(publisher.send(MediaType.video, 0, source.items[0]!.body), false);
    assert.equal(publisher.rtp.packets, 0);
  });

  it('an answer without H.264 is refused', async (t) => {
    const server = await RtcServer.start(t);
    server.rewrite = (answer) => answer.replace(/m=video \d+/, 'm=video 0');
    const witness = new RtcWitness();
    new WhipPublisher(`whip://127.0.0.1:${server.port}/x`, {}, witness).open();
    const closed = await witness.end(5000);
    assert.deepEqual([closed.reason, closed.code], ['protocol', 'sdp.value']);
    await eventually(2000, 'DELETE', () => server.deleted.length === 1);
  });
});
