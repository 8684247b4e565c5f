import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../protocols/errors.ts';
import { encodeRtp, isRtcp, RtpPacket } from '../../../protocols/rtp/packet.ts';

const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffffffff });

function elements(packet: RtpPacket): { id: number; value: number[] }[] {
  const found: { id: number; value: number[] }[] = [];
  packet.extensions((id, bytes, start, end) => found.push({ id, value: [...bytes.subarray(start, end)] }));
  return found;
}

describe('RTP packets', () => {
  it('are read as they were written, wherever they stand in a buffer', () => {
    const element = fc.record({
      id: fc.integer({ min: 1, max: 255 }),
      value: fc.uint8Array({ minLength: 0, maxLength: 40 }),
    });
    fc.assert(
      fc.property(
        fc.record({
          payloadType: fc.integer({ min: 0, max: 127 }),
          sequence: uint16,
          timestamp: uint32,
          ssrc: uint32,
          marker: fc.boolean(),
          csrcs: fc.array(uint32, { maxLength: 15 }),
          extensions: fc.option(fc.array(element, { maxLength: 5 }), { nil: undefined }),
        }),
        fc.uint8Array({ maxLength: 100 }),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 9 }),
        ({ extensions, ...header }, payload, padding, offset) => {
          const whole = { ...header, ...(extensions !== undefined && { extensions }) };
          const encoded = encodeRtp(whole, payload, padding);
          const buffer = new Uint8Array(encoded.length + 2 * offset).fill(0xee);
          buffer.set(encoded, offset);
          const packet = new RtpPacket();
          packet.read(buffer, offset, offset + encoded.length);
          const { payloadType, sequence, timestamp, ssrc, marker } = packet;
          const csrcs = header.csrcs.map((_, index) => packet.csrc(index));
          assert.deepEqual({ payloadType, sequence, timestamp, ssrc, marker, csrcs }, header);
          assert.deepEqual(buffer.slice(packet.payloadStart, packet.payloadEnd), payload);
          assert.deepEqual(
            elements(packet),
            (extensions ?? []).map(({ id, value }) => ({ id, value: [...value] })),
          );
        },
      ),
    );
  });

  it('one-byte extensions are used where they can be, and 15 ends them', () => {
    const packet = new RtpPacket();
    const bytes = encodeRtp(
      {
        payloadType: 96,
        sequence: 1,
        timestamp: 2,
        ssrc: 3,
        extensions: [{ id: 3, value: Uint8Array.of(7) }],
      },
      Uint8Array.of(1),
    );
    packet.read(bytes);
    assert.equal(packet.extensionProfile, 0xbede);
    bytes[16] = 0xf0;
    packet.read(bytes);
    assert.deepEqual(elements(packet), []);
    bytes[16] = 0x3f;
    packet.read(bytes);
    assert.throws(() => elements(packet), { code: 'rtp.extension' });
  });

  const BAD: Record<string, number[]> = {
    'shorter than a header': [0x80, 96, 0, 1],
    'version 1': [0x40, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    'CSRC that are not there': [0x81, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    'an extension header that is not there': [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    'an extension past the end': [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0, 1],
    'padding of zero': [0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    'padding into the header': [0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    'padding without a byte': [0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
  };
  for (const [what, bytes] of Object.entries(BAD)) {
    it(`${what}: rtp.packet`, () => {
      assert.throws(() => new RtpPacket().read(Uint8Array.from(bytes)), { code: 'rtp.packet' });
    });
  }

  it('RTCP is told apart by its packet type', () => {
    assert.deepEqual(
      [199, 200, 206, 223, 224, 96, 191, 192].map((type) => isRtcp(Uint8Array.of(0x80, type))),
      [true, true, true, true, false, false, false, true],
    );
    assert.ok(!isRtcp(Uint8Array.of(0x80)));
  });

  it('what cannot be written is refused', () => {
    const header = { payloadType: 96, sequence: 1, timestamp: 2, ssrc: 3 };
    const empty = new Uint8Array(0);
    assert.throws(() => encodeRtp({ ...header, csrcs: new Array(16).fill(1) }, empty), ProtocolError);
    assert.throws(() => encodeRtp({ ...header, extensions: [{ id: 0, value: empty }] }, empty), {
      code: 'rtp.extension',
    });
    assert.throws(() => encodeRtp(header, empty, 256), { code: 'rtp.packet' });
  });
});
