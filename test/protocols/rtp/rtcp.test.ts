import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeRtcp, ntpOf, parseRtcp, type RtcpMessage } from '../../../protocols/rtp/rtcp.ts';

/** With the prototype that everything else has. */
const record = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const uint8 = fc.integer({ min: 0, max: 0xff });
const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const reports = fc.array(
  record({
    ssrc: uint32,
    fractionLost: uint8,
    lost: fc.integer({ min: -0x800000, max: 0x7fffff }),
    highestSequence: uint32,
    jitter: uint32,
    lastSr: uint32,
    delaySinceLastSr: uint32,
  }),
  { maxLength: 31 },
);
const message: fc.Arbitrary<RtcpMessage> = fc.oneof(
  record({
    type: fc.constant('sender-report' as const),
    ssrc: uint32,
    ntpSeconds: uint32,
    ntpFraction: uint32,
    rtpTimestamp: uint32,
    packets: uint32,
    octets: uint32,
    reports,
  }),
  record({ type: fc.constant('receiver-report' as const), ssrc: uint32, reports }),
  record({
    type: fc.constant('source-description' as const),
    chunks: fc.array(record({ ssrc: uint32, cname: fc.string({ maxLength: 80 }) }), { maxLength: 31 }),
  }),
  record({ type: fc.constant('goodbye' as const), ssrcs: fc.array(uint32, { maxLength: 31 }) }),
  record({
    type: fc.constant('nack' as const),
    ssrc: uint32,
    mediaSsrc: uint32,
    // Gaps of any size between them, and over the end of the 16 bits.
    sequences: fc
      .tuple(uint16, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 }))
      .map(([first, steps]) => {
        let at = first;
        return [
          first,
          ...steps.map((step) => {
            at = (at + step) & 0xffff;
            return at;
          }),
        ];
      }),
  }),
  record({ type: fc.constant('picture-loss' as const), ssrc: uint32, mediaSsrc: uint32 }),
  record({
    type: fc.constant('full-intra-request' as const),
    ssrc: uint32,
    mediaSsrcs: fc.array(uint32, { maxLength: 5 }),
  }),
);

describe('RTCP', () => {
  it('compound packets are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), (messages) => {
        assert.deepEqual(parseRtcp(encodeRtcp(messages)), messages);
      }),
    );
  });

  it('a NACK of 17 numbers in a row is one pair (RFC 4585 6.2.1)', () => {
    const sequences = Array.from({ length: 17 }, (_, index) => (65530 + index) & 0xffff);
    const bytes = encodeRtcp([{ type: 'nack', ssrc: 1, mediaSsrc: 2, sequences }]);
    assert.deepEqual([...bytes], [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfa, 0xff, 0xff]);
  });

  it('other types are named and stepped over', () => {
    const app = [0x83, 204, 0, 2, 0, 0, 0, 1, 0x61, 0x62, 0x63, 0x64];
    const remb = [0x8f, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0];
    assert.deepEqual(parseRtcp(Uint8Array.from([...app, ...remb])), [
      { type: 'other', packetType: 204, format: 3 },
      { type: 'other', packetType: 206, format: 15 },
    ]);
  });

  it('padding is allowed in the last packet', () => {
    const bye = [0xa1, 203, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4];
    assert.deepEqual(parseRtcp(Uint8Array.from(bye)), [{ type: 'goodbye', ssrcs: [9] }]);
    assert.throws(() => parseRtcp(Uint8Array.from([...bye, ...bye])), { code: 'rtcp.packet' });
  });

  const BAD: Record<string, number[]> = {
    nothing: [],
    'half a header': [0x80, 201],
    'version 3': [0xc0, 201, 0, 1, 0, 0, 0, 1],
    'a length past the end': [0x80, 201, 0, 2, 0, 0, 0, 1],
    'fewer reports than counted': [0x81, 201, 0, 1, 0, 0, 0, 1],
    'a short sender report': [0x80, 200, 0, 1, 0, 0, 0, 1],
    'an SDES without its source': [0x81, 202, 0, 0],
    'an SDES item past the end': [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, 0, 0],
    'an SDES chunk without an end': [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, 65, 66],
    'fewer sources than counted': [0x82, 203, 0, 1, 0, 0, 0, 1],
    'feedback without a media source': [0x81, 205, 0, 1, 0, 0, 0, 1],
  };
  for (const [what, bytes] of Object.entries(BAD)) {
    it(`${what}: rtcp.packet`, () => {
      assert.throws(() => parseRtcp(Uint8Array.from(bytes)), { code: 'rtcp.packet' });
    });
  }

  it('more than a packet can count is refused', () => {
    const ssrcs = new Array<number>(32).fill(1);
    assert.throws(() => encodeRtcp([{ type: 'goodbye', ssrcs }]), { code: 'rtcp.packet' });
  });

  it('NTP time begins in 1900', () => {
    assert.deepEqual(ntpOf(0), { ntpSeconds: 2_208_988_800, ntpFraction: 0 });
    assert.deepEqual(ntpOf(1500.5), { ntpSeconds: 2_208_988_801, ntpFraction: Math.floor(0.5005 * 2 ** 32) });
  });
});
