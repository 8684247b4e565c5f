import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { NalType, nalType } from '../../../protocols/h264/nal.ts';
import { H264Depacketizer } from '../../../protocols/rtp/h264-depacketizer.ts';
import { H264Packetizer } from '../../../protocols/rtp/h264-packetizer.ts';
import { encodeRtp, RtpPacket } from '../../../protocols/rtp/packet.ts';
import { KeepingSink, sourceFrames } from './support.ts';

const FRAMES = 50;

function packetsOf(options: { mtu?: number; aggregate?: boolean } = {}, first = 65_500): Uint8Array[][] {
  const packetizer = new H264Packetizer({ ssrc: 1, payloadType: 102, sequence: first }, options);
  return sourceFrames(FRAMES).map(({ nals, timestamp }) =>
    packetizer.packetize(nals, (0xffff0000 + timestamp * 90) >>> 0),
  );
}

/** As a receiver feeds it: `lost()` before a packet that does not follow the one before it. */
function feed(depacketizer: H264Depacketizer, packets: readonly Uint8Array[]): void {
  const packet = new RtpPacket();
  let due = -1;
  for (const bytes of packets) {
    packet.read(bytes);
    if (due >= 0 && packet.sequence !== due) depacketizer.lost();
    due = (packet.sequence + 1) & 0xffff;
    depacketizer.push(packet, 0);
  }
}

function metered(
  packets: readonly Uint8Array[],
  joins = false,
): { meter: FrameMeter; depacketizer: H264Depacketizer } {
  const meter = new FrameMeter(new MeterHistograms());
  const depacketizer = new H264Depacketizer(meter);
  if (joins) depacketizer.join();
  feed(depacketizer, packets);
  return { meter, depacketizer };
}

describe('H.264 over RTP', () => {
  const OPTIONS = {
    'the default': {},
    'a small MTU': { mtu: 100 },
    'no aggregation': { aggregate: false },
    'an MTU above every frame': { mtu: 60_000 },
  };
  for (const [what, options] of Object.entries(OPTIONS)) {
    it(`every NAL unit comes out as it went in: ${what}`, () => {
      const sink = new KeepingSink();
      const frames = packetsOf(options);
      for (const packets of frames) {
        for (const packet of packets)
          assert.ok(packet.length <= (options as { mtu?: number }).mtu! || !('mtu' in options));
        assert.deepEqual(
          packets.map((packet) => packet[1]! >= 0x80),
          packets.map((_, index) => index === packets.length - 1),
        );
      }
      feed(new H264Depacketizer(sink), frames.flat());
      const sent = sourceFrames(FRAMES);
      assert.equal(sink.units.length, FRAMES);
      for (const [index, { nals, timestamp }] of sent.entries()) {
        assert.deepEqual(
          sink.nals(index).map((nal) => Buffer.from(nal)),
          nals.map((nal) => Buffer.from(nal)),
        );
        assert.equal(sink.units[index]!.timestamp, Math.floor((0xffff0000 + timestamp * 90) / 90) >>> 0);
      }
    });
  }

  it('parameter sets are one STAP-A, long NAL units FU-A', () => {
    const [key] = packetsOf();
    const types = key!.map((packet) => nalType(packet[12]!));
    assert.deepEqual([...new Set(types)], [24, NalType.sei, 28]);
  });

  it('every frame is intact to the meter, and no frame is when a packet of it is missing', () => {
    const frames = packetsOf();
    const whole = metered(frames.flat());
    assert.deepEqual(
      [whole.meter.received, whole.meter.corrupt, whole.meter.unstamped, whole.meter.continuity.missing],
      [FRAMES, 0, 0, 0],
    );
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: FRAMES - 2 })
          .chain((frame) =>
            fc.tuple(fc.constant(frame), fc.integer({ min: 0, max: frames[frame]!.length - 1 })),
          ),
        ([frame, lost]) => {
          const rest = frames.map((packets, index) =>
            index === frame ? packets.filter((_, at) => at !== lost) : packets,
          );
          const { meter, depacketizer } = metered(rest.flat());
          const setsAlone = nalType(frames[frame]![lost]![12]!) === 24;
          // The parameter sets of a later keyframe repeat those of the first.
          const bad = setsAlone ? 0 : 1;
          assert.equal(depacketizer.damaged, bad);
          assert.equal(meter.corrupt, bad);
          assert.equal(meter.unstamped, 0);
          assert.equal(meter.received, FRAMES);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('whoever joins within a frame begins with the next one, wherever that was', () => {
    const frames = packetsOf({ mtu: 100 });
    for (const frame of [0, 1, FRAMES - 2]) {
      for (let skipped = 0; skipped < frames[frame]!.length; skipped++) {
        const packets = [frames[frame]!.slice(skipped), ...frames.slice(frame + 1)].flat();
        const { meter, depacketizer } = metered(packets, true);
        const whole = FRAMES - frame - 1;
        // Only a keyframe begins with what nothing comes before: its parameter sets.
        const begins = frame === 0 && skipped === 0 ? 1 : 0;
        assert.deepEqual(
          [meter.received, meter.unstamped, meter.corrupt, meter.continuity.missing, depacketizer.damaged],
          [whole + begins, 0, 0, 0, 0],
          `frame ${frame} from packet ${skipped} on`,
        );
      }
    }
  });

  it('a frame of which nothing came is missing and damages no other', () => {
    const frames = packetsOf();
    const { meter, depacketizer } = metered(frames.filter((_, index) => index !== 7).flat());
    assert.deepEqual([depacketizer.damaged, meter.corrupt, meter.received], [0, 0, FRAMES - 1]);
    assert.equal(meter.continuity.missing, 1);
  });

  it('a lost marker ends the frame where the next timestamp begins', () => {
    const frames = packetsOf();
    for (const packets of frames) packets.at(-1)![1]! &= 0x7f;
    const { meter } = metered(frames.flat());
    assert.deepEqual([meter.received, meter.corrupt], [FRAMES - 1, 0]);
  });

  const head = { payloadType: 102, sequence: 1, timestamp: 0, ssrc: 1, marker: true };
  const BAD: Record<string, number[]> = {
    'type 0': [0],
    'STAP-B': [25, 0, 0],
    'FU-B': [29, 0x85, 1, 2],
    'an empty STAP-A': [24],
    'a STAP-A unit past the end': [24, 0, 9, 1],
    'a STAP-A unit of nothing': [24, 0, 0],
    'an FU-A without a byte': [28, 0x85],
    'an FU-A that begins and ends at once': [28, 0xc5, 1],
    'an FU-A of an FU-A': [28, 0x9c, 1],
  };
  for (const [what, payload] of Object.entries(BAD)) {
    it(`${what}: rtp.h264, a damaged unit, and the next is well again`, () => {
      const sink = new KeepingSink();
      const depacketizer = new H264Depacketizer(sink);
      const packet = new RtpPacket();
      packet.read(encodeRtp(head, Uint8Array.from(payload)));
      assert.throws(() => depacketizer.push(packet, 0), { code: 'rtp.h264' });
      assert.deepEqual([depacketizer.units, depacketizer.damaged], [1, 1]);
      packet.read(encodeRtp({ ...head, sequence: 2, timestamp: 3000 }, Uint8Array.of(0x65, 0x88)));
      depacketizer.push(packet, 0);
      assert.deepEqual([...sink.units[1]!.bytes], [0, 0, 0, 1, 0x65, 0x88]);
      assert.equal(depacketizer.damaged, 1);
    });
  }

  it('packets of padding alone are no access unit', () => {
    const sink = new KeepingSink();
    const depacketizer = new H264Depacketizer(sink);
    const packet = new RtpPacket();
    packet.read(encodeRtp(head, new Uint8Array(0), 100));
    depacketizer.push(packet, 0);
    assert.equal(depacketizer.units, 0);
  });

  it('an access unit whose last packet is lost is damaged, also when padding comes behind it', () => {
    const depacketizer = new H264Depacketizer(new KeepingSink());
    const slice = Uint8Array.of(0x41, 0x9a);
    // The second slice, packet 11 with the marker, never comes.
    feed(depacketizer, [
      encodeRtp({ ...head, sequence: 10, timestamp: 3000, marker: false }, slice),
      encodeRtp({ ...head, sequence: 12, timestamp: 3000, marker: false }, new Uint8Array(0), 100),
      encodeRtp({ ...head, sequence: 13, timestamp: 6000, marker: true }, slice),
    ]);
    assert.deepEqual([depacketizer.units, depacketizer.damaged], [2, 1]);
  });
});
