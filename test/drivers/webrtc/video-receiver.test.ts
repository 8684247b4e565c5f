import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { rtpReceived } from '../../../drivers/webrtc/figures.ts';
import { VideoReceiver } from '../../../drivers/webrtc/video-receiver.ts';
import { H264Packetizer } from '../../../protocols/rtp/h264-packetizer.ts';
import { encodeRtp, RtpPacket } from '../../../protocols/rtp/packet.ts';
import { sourceFrames } from '../../protocols/rtp/support.ts';

const FRAMES = 40;
const packetizer = new H264Packetizer({ ssrc: 9, payloadType: 102, sequence: 65_500 }, { mtu: 400 });
const PACKETS = sourceFrames(FRAMES).flatMap(({ nals, timestamp }) =>
  packetizer.packetize(nals, timestamp * 90),
);

function receiver(nack = true) {
  const meter = new FrameMeter(new MeterHistograms());
  const figures = rtpReceived();
  const nacks: number[][] = [];
  let keyframes = 0;
  const video = new VideoReceiver(
    meter,
    figures,
    {
      onGap() {},
      sendNack: (_ssrc, sequences) => nacks.push([...sequences]),
      needKeyframe: () => keyframes++,
    },
    nack,
  );
  const packet = new RtpPacket();
  const push = (bytes: Uint8Array, now: number): void => {
    packet.read(bytes);
    video.push(packet, 0, bytes.length, now);
  };
  return { meter, figures, nacks, video, push, keyframes: () => keyframes };
}

describe('video receiver', () => {
  it('any order within what is held makes every frame whole, and nothing stays behind', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 400, maxLength: 400 }), (delays) => {
        const { meter, figures, video, push } = receiver();
        const order = PACKETS.map((bytes, index) => ({
          bytes,
          at: index === 0 ? 0 : index + delays[index % 400]!,
        }));
        for (const [now, { bytes }] of order.sort((a, b) => a.at - b.at).entries()) push(bytes, now);
        assert.deepEqual([meter.received, meter.corrupt, meter.continuity.missing], [FRAMES, 0, 0]);
        assert.deepEqual([figures.lost, figures.recovered, video.waiting], [0, figures.late, false]);
      }),
      { numRuns: 30 },
    );
  });

  it('a packet is asked for five times in half a second, then given up for a keyframe', () => {
    const { figures, nacks, video, push, keyframes, meter } = receiver();
    for (const [index, bytes] of PACKETS.entries()) if (index !== 20) push(bytes, 0);
    assert.ok(video.waiting);
    for (let now = 0; now < 600; now += 20) video.tick(now);
    const wanted = (65_500 + 20) & 0xffff;
    assert.deepEqual(nacks, new Array(5).fill([wanted]));
    assert.deepEqual([figures.lost, figures.nacked, keyframes(), video.waiting], [1, 5, 1, false]);
    assert.equal(meter.received, FRAMES);
    assert.deepEqual([meter.corrupt, figures.damaged], [1, 1]);
    push(PACKETS[20]!, 600);
    assert.deepEqual([figures.late, figures.recovered], [1, 0]);
  });

  it('a process that was held up for a second asks before it gives up', () => {
    const { figures, nacks, video, push } = receiver();
    for (const [index, bytes] of PACKETS.entries()) if (index !== 20) push(bytes, 0);
    video.tick(1000);
    assert.deepEqual([nacks.length, figures.lost], [1, 0]);
    push(PACKETS[20]!, 1010);
    assert.deepEqual([figures.recovered, video.waiting], [1, false]);
  });

  it('a source that loses every second packet for ever is held to its bounds', () => {
    const { figures, video, push } = receiver();
    for (let sequence = 0; sequence < 40_000; sequence += 2) {
      push(
        encodeRtp(
          { payloadType: 102, sequence, timestamp: sequence * 10, ssrc: 9 },
          Uint8Array.of(0x41, 0x9a),
        ),
        0,
      );
    }
    assert.ok(figures.lost > 18_000);
    const held = video as unknown as { held: Map<number, Uint8Array>; missing: Map<number, unknown> };
    assert.ok(held.held.size <= 1024 && held.missing.size <= 1024);
  });

  it('another SSRC, and a jump of the sequence, begin anew', () => {
    const { figures, meter, push } = receiver();
    for (const bytes of PACKETS.slice(0, 60)) push(bytes, 0);
    const before = meter.received;
    for (const bytes of PACKETS) {
      const other = bytes.slice();
      other[11] = 10;
      push(other, 0);
    }
    assert.equal(figures.restarts, 1);
    assert.ok(meter.received >= before + FRAMES);
    const far = (sequence: number) =>
      encodeRtp(
        { payloadType: 102, sequence, timestamp: 7, ssrc: 10, marker: true },
        Uint8Array.of(0x65, 0x88),
      );
    push(far(30_000), 0);
    push(far(30_001), 0);
    assert.equal(figures.restarts, 2);
  });
});
