import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { type Message, splitAggregate } from '../../../protocols/rtmp/message-assembler.ts';
import {
  AcknowledgementWindow,
  decodeControlValue,
  decodeSetPeerBandwidth,
  decodeUserControl,
  encodeAbort,
  encodeAck,
  encodeSetChunkSize,
  encodeSetPeerBandwidth,
  encodeUserControl,
  encodeWindowAckSize,
  MessageTypeId,
  PeerBandwidthLimit,
  UserControlEvent,
} from '../../../protocols/rtmp/messages.ts';
import { hex } from './capture.ts';

const refused = (code: ProtocolErrorCode) => (error: unknown) =>
  error instanceof ProtocolError && error.code === code;

describe('control messages', () => {
  test('payloads as section 5.4 and 7.1.7 draw them, and as SRS sent them', () => {
    assert.deepEqual(encodeSetChunkSize(60_000), hex('0000ea60'));
    assert.deepEqual(encodeAbort(6), hex('00000006'));
    assert.deepEqual(encodeAck(0xfffffffe), hex('fffffffe'));
    assert.deepEqual(encodeWindowAckSize(2_500_000), hex('002625a0'));
    assert.deepEqual(encodeSetPeerBandwidth(2_500_000, PeerBandwidthLimit.Dynamic), hex('002625a002'));
    assert.deepEqual(encodeUserControl(UserControlEvent.StreamBegin, 1), hex('000000000001'));
    assert.deepEqual(
      encodeUserControl(UserControlEvent.SetBufferLength, 1, 3000),
      hex('00030000000100000bb8'),
    );
    assert.deepEqual(encodeUserControl(UserControlEvent.PingResponse, 0xfedcba98), hex('0007fedcba98'));
  });

  test('and back', () => {
    assert.equal(decodeControlValue(hex('fffffffe')), 0xfffffffe);
    assert.deepEqual(decodeSetPeerBandwidth(hex('ffffffff01')), { size: 0xffffffff, limit: 1 });
    assert.deepEqual(decodeUserControl(hex('0006fedcba98')), { event: 6, a: 0xfedcba98, b: 0 });
  });

  test('an event that is not in the specification may be short (SRS: 26 with one byte)', () => {
    assert.deepEqual(decodeUserControl(hex('001a01')), { event: 26, a: 0, b: 0 });
  });

  test('wrong lengths', () => {
    for (const text of ['', '00', '0000', '000600000', '00030000000100000b']) {
      assert.throws(() => decodeUserControl(hex(text)), refused(ProtocolErrorCode.RtmpControl), text);
    }
    assert.throws(() => decodeControlValue(hex('000000')), refused(ProtocolErrorCode.RtmpControl));
    assert.throws(() => decodeSetPeerBandwidth(hex('00000000')), refused(ProtocolErrorCode.RtmpControl));
  });
});

describe('acknowledgement', () => {
  test('once per window, never without one', () => {
    const window = new AcknowledgementWindow();
    assert.equal(window.received(1_000_000), undefined);
    window.size = 2_500_000;
    assert.equal(window.received(1_499_999), undefined);
    assert.equal(window.received(1), 2_500_000);
    assert.equal(window.received(2_499_999), undefined);
    assert.equal(window.received(2), 5_000_001);
  });

  test('the sequence number wraps at 2^32', () => {
    const window = new AcknowledgementWindow();
    window.size = 1;
    assert.equal(window.received(2 ** 32 - 1), 2 ** 32 - 1);
    assert.equal(window.received(3), 2);
  });
});

describe('aggregate messages (section 7.1.6)', () => {
  function aggregate(payload: Uint8Array, timestamp = 5000): Message {
    return {
      chunkStreamId: 4,
      messageTypeId: MessageTypeId.Aggregate,
      messageStreamId: 1,
      timestamp,
      payload,
    };
  }
  const audio = '08 000002 000064 01 000000 af01 0000000d';
  const video = '09 000003 000078 01 000000 270100 0000000e';

  test('parts keep their distance, moved to the time of the aggregate; the upper timestamp byte comes last', () => {
    const parts = splitAggregate(aggregate(hex(audio + video)));
    assert.deepEqual(parts, [
      { chunkStreamId: 4, messageTypeId: 8, messageStreamId: 1, timestamp: 5000, payload: hex('af01') },
      { chunkStreamId: 4, messageTypeId: 9, messageStreamId: 1, timestamp: 5020, payload: hex('270100') },
    ]);
  });

  test('time wraps', () => {
    const parts = splitAggregate(aggregate(hex(audio + video), 0xfffffff6));
    assert.deepEqual(
      parts.map(({ timestamp }) => timestamp),
      [0xfffffff6, 10],
    );
  });

  test('empty', () => {
    assert.deepEqual(splitAggregate(aggregate(new Uint8Array())), []);
  });

  test('parts that do not fill it, at every length', () => {
    const whole = hex(audio + video);
    const first = hex(audio).length;
    for (let length = 1; length < whole.length; length++) {
      if (length === first) continue;
      const cut = aggregate(whole.subarray(0, length));
      assert.throws(() => splitAggregate(cut), refused(ProtocolErrorCode.RtmpAggregate), `${length}`);
    }
  });

  test('no aggregate in an aggregate', () => {
    const nested = aggregate(hex('16 000000 000000 00 000000 0000000b'));
    assert.throws(() => splitAggregate(nested), refused(ProtocolErrorCode.RtmpAggregate));
  });

  test('garbage: parts within the payload, or a ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (payload) => {
        try {
          const parts = splitAggregate(aggregate(payload));
          const bytes = parts.reduce((sum, part) => sum + part.payload.length + 15, 0);
          assert.equal(bytes, payload.length);
        } catch (error) {
          assert.ok(error instanceof ProtocolError);
        }
      }),
    );
  });
});
