import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Frame } from '../../../lab/builtin/frame.ts';
import type { MutantId } from '../../../lab/builtin/mutants.ts';
import { RtcChannel } from '../../../lab/builtin/rtc/channel.ts';
import { OfferError, readOffer } from '../../../lab/builtin/rtc/negotiate.ts';
import { RtcPlayer } from '../../../lab/builtin/rtc/player.ts';
import { RtcPublisher } from '../../../lab/builtin/rtc/publisher.ts';
import { Reorder } from '../../../lab/builtin/rtc/reorder.ts';
import type { RtcSession } from '../../../lab/builtin/rtc/session.ts';
import { nalType } from '../../../protocols/h264/nal.ts';
import { MediaType } from '../../../protocols/media.ts';
import type { Message } from '../../../protocols/rtmp/message-assembler.ts';
import { encodeRtp, RtpPacket } from '../../../protocols/rtp/packet.ts';
import type { RtcpMessage } from '../../../protocols/rtp/rtcp.ts';
import { watchRetained } from '../../support/nothing-kept.ts';
import { avcHeader } from './hls-support.ts';

const SEI = [0x06, 0x05, 0x02, 0xaa, 0xbb, 0x80];

/** SEI and one slice of this size; its composition time in ms. */
function video(timestamp: number, key: boolean, size = 100, composition = 0): Frame {
  const slice = [key ? 0x65 : 0x41, ...new Array<number>(size - 1).fill(0x80 | (timestamp & 0x7f))];
  const nals = [SEI, slice].flatMap((nal) => [0, 0, nal.length >> 8, nal.length & 0xff, ...nal]);
  const head = [key ? 0x17 : 0x27, 1, 0, composition >> 8, composition & 0xff];
  return new Frame(MediaType.video, timestamp, Uint8Array.from([...head, ...nals]));
}

function rig(mutants: MutantId[] = []) {
  const channel = new RtcChannel(new Set(mutants));
  const join = (payloadType: number) => {
    const sent: Buffer[] = [];
    const reports: RtcpMessage[] = [];
    const session = {
      negotiation: { video: { codec: { payloadType } }, audio: undefined },
      ssrcs: { video: 1000 + payloadType, audio: 1, reports: 2 },
      send: (packet: Buffer) => sent.push(Buffer.from(packet)) > 0,
      report: (_ssrc: number, messages: RtcpMessage[]) => reports.push(...messages),
    } as unknown as RtcSession;
    const player = new RtcPlayer(session, channel, new Set(mutants), () => {});
    player.onConnected();
    const packets = () =>
      sent.map((bytes) => {
        const packet = new RtpPacket();
        packet.read(bytes);
        return packet;
      });
    return { player, sent, reports, packets };
  };
  const start = () => {
    const output = channel.publication(() => {});
    output.push(new Frame(MediaType.video, 0, avcHeader()));
    return output;
  };
  return { channel, join, start };
}

const types = (packets: RtpPacket[]): number[] =>
  packets.map(({ bytes, payloadStart }) => nalType(bytes[payloadStart]!));

describe('packets of WHEP players', () => {
  it('a keyframe first: STAP-A of the parameter sets, the SEI by itself, fragments; at the time of presentation', () => {
    const { join, start } = rig();
    const output = start();
    const { packets, reports } = join(96);
    output.push(video(0, false));
    assert.equal(packets().length, 0);
    output.push(video(40, true, 3000, 80));
    output.push(video(80, false, 100, 40));
    const all = packets();
    assert.deepEqual(types(all), [24, 6, 28, 28, 28, 6, 1]);
    assert.deepEqual(
      all.map(({ marker }) => marker),
      [false, false, false, false, true, false, true],
    );
    const [first, last] = [all[0]!, all.at(-1)!];
    // Presented at 120 and 120 ms: decoding times differ, these do not.
    assert.equal(last.timestamp, first.timestamp);
    assert.ok(all.every(({ payloadType, ssrc }) => payloadType === 96 && ssrc === 1096));
    assert.equal(reports.length, 1);
    assert.equal(reports[0]!.type, 'sender-report');
  });

  it('each player has header fields of its own, and gets again what it lost', () => {
    const { join, start } = rig();
    const output = start();
    const players = [join(96), join(125)];
    for (let at = 0; at < 50; at++) output.push(video(at * 40, at % 25 === 0, 500));
    for (const [index, { player, sent, packets }] of players.entries()) {
      const all = packets();
      const numbers = all.map(({ sequence }) => sequence);
      assert.deepEqual(
        numbers,
        numbers.map((_, at) => (numbers[0]! + at) & 0xffff),
      );
      assert.ok(all.every(({ payloadType }) => payloadType === [96, 125][index]));
      const copy = sent[7]!;
      sent.length = 0;
      const nack = {
        type: 'nack',
        ssrc: 1,
        mediaSsrc: all[0]!.ssrc,
        sequences: [numbers[7]!, (numbers[0]! - 3) & 0xffff],
      };
      player.onRtcp(nack as RtcpMessage);
      assert.deepEqual(sent, [copy]);
      assert.equal(player.retransmitted, 1);
      player.onRtcp({ type: 'picture-loss', ssrc: 1, mediaSsrc: all[0]!.ssrc });
      assert.equal(player.plis, 1);
    }
  });

  it('numbers and time go on in another publication, from its first keyframe on', () => {
    const { join, start } = rig();
    const first = start();
    const { packets } = join(96);
    first.push(video(5_000_000, true));
    first.close();
    const second = start();
    second.push(video(0, false));
    second.push(video(40, true));
    const all = packets();
    assert.deepEqual(types(all), [24, 6, 5, 24, 6, 5]);
    assert.equal(all[3]!.sequence, (all[2]!.sequence + 1) & 0xffff);
    const step = (all[3]!.timestamp - all[2]!.timestamp) | 0;
    assert.ok(step > 0 && step < 90_000, String(step));
  });

  it('what is no H.264 is left out', () => {
    const { channel, join, start } = rig();
    const output = start();
    const { packets } = join(96);
    output.push(new Frame(MediaType.video, 0, Uint8Array.of(0x1c, 1, 0, 0, 0, 0, 0, 0, 1, 0x65)));
    output.push(new Frame(MediaType.video, 0, Uint8Array.of(0x17, 1, 0, 0, 0, 0, 0, 9, 9, 0x65)));
    output.push(new Frame(MediaType.audio, 0, Uint8Array.of(0xaf, 1, 1)));
    assert.equal(packets().length, 0);
    assert.equal(channel.packets.malformed, 1);
  });
});

describe('packets of WHIP publishers', () => {
  it('come in order, whatever the order and the loss on the way, as long as they are sent again', () => {
    const arrivals = fc.tuple(
      fc.nat(0xffff),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.boolean()), { minLength: 1, maxLength: 200 }),
    );
    fc.assert(
      fc.property(arrivals, ([first, fates]) => {
        const seen: number[] = [];
        let lost = 0;
        let now = 0;
        const wanted = new Set<number>();
        const reorder = new Reorder(90_000, {
          onPacket: (packet) => seen.push(packet.readUInt16BE()),
          onLost: () => lost++,
          onMissing: (sequences) => {
            for (const sequence of sequences) wanted.add(sequence);
          },
        });
        const push = (number: number): void => {
          const sequence = (first + number) & 0xffff;
          wanted.delete(sequence);
          reorder.push(Buffer.of(sequence >> 8, sequence & 0xff), sequence, number, now++);
        };
        const order = fates
          .map(([delay, gone], number) => ({ at: number + delay, gone, number }))
          // The first and the last come: what is before and behind them nobody knows of.
          .map((one, index) => (index === 0 ? { ...one, at: -1, gone: false } : one))
          .sort((a, b) => a.at - b.at);
        for (const { gone, number } of order) if (!gone) push(number);
        push(fates.length);
        for (let round = 0; reorder.waiting && round < 50; round++) {
          now += 50;
          reorder.tick(now);
          for (const sequence of [...wanted]) push((sequence - first) & 0xffff);
        }
        assert.deepEqual(
          seen,
          Array.from({ length: fates.length + 1 }, (_, at) => (first + at) & 0xffff),
        );
        assert.equal(lost, 0);
      }),
      { numRuns: 300 },
    );
  });

  it('what never comes is given up, and held packets are bounded', () => {
    const seen: number[] = [];
    let lost = 0;
    const events = {
      onPacket: (packet: Buffer) => seen.push(packet[0]!),
      onLost: () => lost++,
      onMissing() {},
    };
    const reorder = new Reorder(90_000, events);
    for (const number of [0, 1, 3, 4]) reorder.push(Buffer.of(number), number, 0, 0);
    assert.deepEqual([seen, lost], [[0, 1], 0]);
    reorder.tick(499);
    assert.deepEqual([seen, reorder.waiting], [[0, 1], true]);
    reorder.tick(500);
    assert.deepEqual([seen, lost, reorder.waiting], [[0, 1, 3, 4], 1, false]);
    for (let number = 6; number < 1000; number++) reorder.push(Buffer.of(number & 0xff), number, 0, 500);
    assert.ok(seen.length > 400);
    assert.equal(lost, 2);
  });
});

describe('hostile input', () => {
  it('no description makes the negotiation throw anything else than a refusal', () => {
    const word = fc.constantFrom(
      ...[
        'v=0',
        'o=- 1 1 IN IP4 0',
        's=-',
        't=0 0',
        'a=group:BUNDLE 0',
        'm=video 9 UDP/TLS/RTP/SAVPF 96',
        'a=mid:0',
      ],
      ...['a=rtpmap:96 H264/90000', 'a=fmtp:96 packetization-mode=1', 'a=rtcp-mux', 'a=ice-ufrag:abcd'],
      ...[
        `a=ice-pwd:${'x'.repeat(22)}`,
        `a=fingerprint:sha-256 ${'AA:'.repeat(31)}AA`,
        'a=recvonly',
        'a=setup:active',
      ],
    );
    const body = fc.array(fc.oneof({ weight: 20, arbitrary: word }, fc.string({ maxLength: 30 })), {
      maxLength: 24,
    });
    const statuses = new Set<number>();
    const whole = ['v=0', 'o=- 1 1 IN IP4 0', 's=-', 't=0 0'];
    fc.assert(
      fc.property(fc.boolean(), body, (headed, lines) => {
        try {
          readOffer([...(headed ? whole : []), ...lines, ''].join('\r\n'), 'play');
        } catch (error) {
          assert.ok(error instanceof OfferError, String(error));
          statuses.add(error.status);
        }
      }),
      { numRuns: 20_000 },
    );
    assert.deepEqual([...statuses].sort(), [400, 422]);
  });

  it('no packet of a publisher ends it, and what it holds is bounded', () => {
    let messages = 0;
    let longest = 0;
    const session = {
      negotiation: {
        video: { codec: { payloadType: 96, feedback: ['nack', 'nack pli'] } },
        audio: undefined,
      },
      ssrcs: { video: 1, audio: 2, reports: 3 },
      report() {},
    } as unknown as RtcSession;
    const publication = {
      onMessage({ payload }: Message) {
        messages++;
        longest = Math.max(longest, payload.length);
      },
      close() {},
    };
    const options = { keyframeMs: 6000, mutants: new Set<MutantId>() };
    const publisher = new RtcPublisher(session, publication, new RtcChannel(new Set()), options);
    publisher.onConnected(0);
    const nal = fc.tuple(
      fc.constantFrom(0x67, 0x68, 0x65, 0x41, 0x78, 0x7c, 0x06, 0x00),
      fc.uint8Array({ maxLength: 40 }),
    );
    const packet = fc.tuple(fc.nat(60), fc.nat(5), fc.boolean(), nal);
    let sequence = 0;
    const assertNothingKept = watchRetained();
    fc.assert(
      fc.property(packet, fc.boolean(), ([jump, step, marker, [type, rest]], random) => {
        sequence = (sequence + (jump === 60 ? 700 : 1)) & 0xffff;
        const payload = Uint8Array.of(type, ...rest);
        const header = { payloadType: 96, sequence, timestamp: sequence * step, ssrc: 9, marker };
        publisher.onRtp(Buffer.from(random && jump < 10 ? rest : encodeRtp(header, payload)), sequence);
      }),
      { numRuns: 100_000 },
    );
    assertNothingKept();
    assert.ok(messages > 0 && publisher.malformed > 0 && publisher.damaged > 0);
    const { damaged } = publisher;
    // Access units without an end are cut, and left out.
    for (let at = 0; at < 6000; at++) {
      sequence = (sequence + 1) & 0xffff;
      const header = { payloadType: 96, sequence, timestamp: 1, ssrc: 9 };
      publisher.onRtp(Buffer.from(encodeRtp(header, new Uint8Array(1000).fill(0x41))), 0);
    }
    publisher.onRtp(
      Buffer.from(
        encodeRtp({ payloadType: 96, sequence: sequence + 1, timestamp: 2, ssrc: 9 }, Uint8Array.of(0x41, 1)),
      ),
      0,
    );
    assert.ok(publisher.damaged > damaged);
    assert.ok(longest < 1024 * 1024, `${longest} bytes`);
    publisher.close();
  });
});
