import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ProtocolError } from '../../../protocols/errors.ts';
import { H264Depacketizer } from '../../../protocols/rtp/h264-depacketizer.ts';
import { H264Packetizer } from '../../../protocols/rtp/h264-packetizer.ts';
import { encodeRtp, RtpPacket } from '../../../protocols/rtp/packet.ts';
import { encodeRtcp, parseRtcp } from '../../../protocols/rtp/rtcp.ts';
import { SequenceTracker } from '../../../protocols/rtp/sequence.ts';
import { parseSdp } from '../../../protocols/sdp/parse.ts';
import { watchRetained } from '../../support/nothing-kept.ts';
import { sourceFrames } from './support.ts';

const INPUTS = 100_000;

/** xorshift32: the same inputs in every run. */
class Random {
  #state = 0x9e3779b9;

  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** Some bytes changed, or the end cut off, or bytes inserted or taken out. */
  mutate(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice(0, this.below(4) === 0 ? this.below(bytes.length + 1) : bytes.length);
    for (let count = this.below(6); count > 0 && copy.length > 0; count--) {
      // Headers matter most.
      copy[this.below(this.below(2) === 0 ? Math.min(24, copy.length) : copy.length)] = this.below(256);
    }
    if (this.below(8) !== 0 || copy.length === 0) return copy;
    const at = this.below(copy.length);
    return Buffer.concat([
      copy.subarray(0, at),
      this.bytes(this.below(9)),
      copy.subarray(at + this.below(9)),
    ]);
  }
}

/** Runs all inputs; anything but a ProtocolError is a defect, and so is what is kept. Returns how many were read without one. */
function survive(inputs: (index: number) => Uint8Array, read: (bytes: Uint8Array) => void): number {
  const assertNothingKept = watchRetained();
  let good = 0;
  for (let index = 0; index < INPUTS; index++) {
    const bytes = inputs(index);
    try {
      read(bytes);
      good++;
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        throw new Error(`input ${index}: ${Buffer.from(bytes).toString('hex')}`, { cause: error });
      }
    }
  }
  assertNothingKept();
  return good;
}

describe(`${INPUTS} bad inputs`, () => {
  it('RTP: packets, extensions, sequence numbers, H.264', () => {
    const random = new Random();
    const packetizer = new H264Packetizer({ ssrc: 1, payloadType: 102, sequence: 0 }, { mtu: 200 });
    const seeds = sourceFrames(3).flatMap(({ nals, timestamp }) =>
      packetizer.packetize(nals, timestamp * 90),
    );
    const extensions = [{ id: 1, value: Uint8Array.of(1, 2, 3) }];
    const head = { payloadType: 102, sequence: 3, timestamp: 4, ssrc: 1, extensions };
    seeds.push(encodeRtp(head, Uint8Array.of(0x65, 0x88, 1), 7));
    let open = 0;
    let most = 0;
    const depacketizer = new H264Depacketizer({
      begin() {
        assert.equal(++open, 1, 'begin within begin');
      },
      data(_type, bytes, start, end) {
        assert.ok(start >= 0 && start <= end && end <= bytes.length, 'data outside its packet');
        most = Math.max(most, end - start);
      },
      end() {
        assert.equal(--open, 0, 'end without begin');
      },
    });
    const tracker = new SequenceTracker(90_000);
    const packet = new RtpPacket();
    const good = survive(
      (index) =>
        index % 10 === 0 ? random.bytes(random.below(60)) : random.mutate(seeds[index % seeds.length]!),
      (bytes) => {
        packet.read(bytes);
        packet.extensions(() => {});
        tracker.push(packet.sequence, packet.timestamp, 0);
        if (random.below(20) === 0) depacketizer.lost();
        depacketizer.push(packet, 0);
      },
    );
    assert.ok(good > INPUTS / 10 && good < INPUTS, `${good} were read`);
    assert.ok(tracker.received >= 0 && tracker.lost >= 0 && Number.isFinite(tracker.jitter));
  });

  it('RTCP', () => {
    const random = new Random();
    const report = {
      ...{ ssrc: 1, fractionLost: 2, lost: -3, highestSequence: 4, jitter: 5 },
      ...{ lastSr: 6, delaySinceLastSr: 7 },
    };
    const seeds = [
      encodeRtcp([
        { type: 'receiver-report', ssrc: 1, reports: [report, report] },
        { type: 'source-description', chunks: [{ ssrc: 1, cname: 'someone' }] },
        { type: 'nack', ssrc: 1, mediaSsrc: 2, sequences: [1, 2, 3, 40] },
      ]),
      encodeRtcp([{ type: 'picture-loss', ssrc: 1, mediaSsrc: 2 }]),
      encodeRtcp([{ type: 'goodbye', ssrcs: [1, 2, 3] }]),
    ];
    const good = survive(
      (index) =>
        index % 10 === 0 ? random.bytes(random.below(60)) : random.mutate(seeds[index % seeds.length]!),
      (bytes) => parseRtcp(bytes),
    );
    assert.ok(good > INPUTS / 10 && good < INPUTS, `${good} were read`);
  });

  it('SDP', () => {
    const random = new Random();
    const seeds = ['offer', 'answer'].map((name) =>
      Uint8Array.from(readFileSync(`fixtures/captures/srs-7.0.18/whep-${name}.sdp`)),
    );
    const good = survive(
      (index) => (index % 10 === 0 ? random.bytes(random.below(200)) : random.mutate(seeds[index % 2]!)),
      (bytes) => parseSdp(Buffer.from(bytes).toString('latin1')),
    );
    assert.ok(good > INPUTS / 100 && good < INPUTS, `${good} were read`);
  });

  it('lines as long as they may be do not hang the parser', { timeout: 10_000 }, () => {
    const head = 'v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\n';
    const long = ' '.repeat(30_000);
    for (const line of [
      `m=video 9 RTP/AVP 96${long}x`,
      `a=fingerprint:sha-256 ${'AA:'.repeat(20_000)}`,
      `a=candidate:${long}`,
    ]) {
      assert.throws(() => parseSdp(`${head}m=audio 9 RTP/AVP 0\n${line}\n`), ProtocolError);
    }
  });
});
