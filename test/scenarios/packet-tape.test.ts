import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContentType } from '../../protocols/dtls/constants.ts';
import { encodeRecord } from '../../protocols/dtls/record.ts';
import { encodeRtp } from '../../protocols/rtp/packet.ts';
import { encodeRtcp } from '../../protocols/rtp/rtcp.ts';
import { encodeHandshake, HandshakeType } from '../../protocols/srt/handshake.ts';
import { ControlType, encodeControl, writeDataHeader } from '../../protocols/srt/packet.ts';
import { RejectReason } from '../../protocols/srt/rejection.ts';
import { encodeStun, StunClass, StunMethod } from '../../protocols/stun/message.ts';
import { PacketTape } from '../../scenarios/packet-tape.ts';
import { packetWords } from '../../scenarios/packet-words.ts';

const handshake = (type: number, streamId: string) =>
  encodeHandshake(
    {
      version: 5,
      encryption: 0,
      extensionField: 0,
      initialSequence: 7,
      mtu: 1500,
      flowWindow: 8192,
      type,
      socketId: 0x1234,
      cookie: 0x99,
      peerAddress: new Uint8Array(16),
      ...(type === HandshakeType.conclusion && { streamId }),
    },
    1000,
    0,
  );

const rtp = (sequence: number) =>
  encodeRtp({ payloadType: 102, sequence, timestamp: 90_000, ssrc: 5, marker: true }, new Uint8Array(20));

const lossReport = encodeControl(ControlType.nak, 0, 0, 5, 1, Uint8Array.of(0x80, 0, 0, 3, 0, 0, 0, 9));

test('of very many packets the first and the last of each way are kept, in the order of time', () => {
  let now = 1000;
  const tape = new PacketTape(() => now);
  for (let i = 0; i < 1000; i++) {
    now += 10;
    tape.add('received', 'rtp', rtp(i));
    if (i % 10 === 0) tape.add('sent', 'rtp', rtp(10_000 + i));
  }
  const text = tape.describe();
  assert.match(text, /^-- packets: 100 sent, 1000 received; times since the first of them\n/);
  const lines = text.split('\n').filter((line) => / ms {2}|…/.test(line));
  assert.equal(lines.length, 4 * 24 + 2);
  assert.match(
    lines[0]!,
    /^ {6}0\.0 ms {2}received, 32 bytes: RTP payload type 102, sequence 0, timestamp 90000, marker, SSRC 0x00000005, 20 bytes of payload$/,
  );
  const last = (way: string) => lines.filter((line) => line.includes(way)).at(-1)!;
  assert.match(last('received'), /^ {3}9990\.0 ms .*sequence 999,/);
  assert.match(last('sent'), /^ {3}9900\.0 ms .*sequence 10990,/);
  assert.ok(text.includes('… 952 that were received are left out'));
  assert.ok(text.includes('… 52 that were sent are left out'));
  const times = lines.flatMap((line) => /^ *(\d+\.\d) ms/.exec(line)?.[1] ?? []).map(Number);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});

test('what was taped is not what the buffer has later, and of each packet only its beginning is kept', () => {
  const tape = new PacketTape(() => 0);
  const buffer = new Uint8Array(70_000).fill(0x7f);
  writeDataHeader(buffer, 5, 1, 0, 0, 9);
  tape.add('sent', 'srt', buffer);
  buffer.fill(0);
  const text = tape.describe();
  assert.match(text, /sent, 70000 bytes: SRT data at 0 us to 0x00000009: sequence 5, message 1, 69984 bytes/);
  assert.equal(text.split('\n').length, 2 + 4);
});

test('each kind of packet says what it is', () => {
  const stun = encodeStun({
    class: StunClass.request,
    method: StunMethod.binding,
    transactionId: new Uint8Array(12),
    username: 'a:b',
    priority: 3,
    useCandidate: true,
    iceControlling: 1n,
  });
  const hello = encodeRecord(ContentType.handshake, 0, 0, Uint8Array.of(1, 0, 0, 0));
  const report = encodeRtcp([
    { type: 'receiver-report', ssrc: 9, reports: [] },
    { type: 'nack', ssrc: 9, mediaSsrc: 5, sequences: Array.from({ length: 12 }, (_, i) => i) },
  ]);
  const rejection = handshake(HandshakeType.failure + RejectReason.badSecret, '');
  for (const [form, bytes, words] of [
    [
      'srt',
      handshake(HandshakeType.conclusion, 'live/x'),
      /^SRT handshake at 1000 us to 0x00000000: conclusion, version 5, socket 0x00001234, cookie 0x00000099, initial sequence 7, flow window 8192, stream id "live\/x"$/,
    ],
    ['srt', rejection, /: rejected \(bad-secret\), version 5/],
    ['srt', lossReport, /^SRT nak at 5 us to 0x00000001: 3-9$/],
    [
      'srt',
      encodeControl(ControlType.keepAlive, 0, 0, 5, 1, new Uint8Array(4)),
      /^SRT keep alive at 5 us to 0x00000001$/,
    ],
    [
      'webrtc',
      stun,
      /^STUN binding request, username "a:b", priority 3, use-candidate, controlling, no integrity$/,
    ],
    ['webrtc', hello, /^DTLS handshake client hello \(epoch 0, record 0, 4 bytes\)$/],
    ['webrtc', rtp(3), /^SRTP payload type 102, sequence 3, .*, 20 bytes of payload and tag$/],
    ['webrtc', report, /^SRTCP receiver report, SSRC 0x00000009, the rest is encrypted$/],
    ['webrtc', Uint8Array.of(255), /^not STUN, DTLS, SRTP or SRTCP$/],
    [
      'rtp',
      report,
      /^RTCP receiver report of 0x00000009; NACK for 0x00000005: 0, 1, 2, 3, 4, 5, 6, 7 and 4 more$/,
    ],
    ['srt', new Uint8Array(3), /^cannot be read: .*16 bytes or more/],
  ] as const)
    assert.match(packetWords(form, bytes), words);
});

test('secrets of a stream id are masked, the first of its keys too', () => {
  for (const streamId of [
    '#!::token=hidden,m=request',
    '#!::r=live/x,secret=hidden',
    'live/x?token=hidden',
  ]) {
    const tape = new PacketTape(() => 0);
    tape.add('sent', 'srt', handshake(HandshakeType.conclusion, streamId));
    const text = tape.describe();
    assert.match(text, /(?:token|secret)=\*\*\*/);
    // On the wire its words are turned around.
    assert.doesNotMatch(text, /hidden|hid|ddih/);
  }
});

test('no bytes make it throw, or more than a line', () => {
  const seeds = [handshake(HandshakeType.conclusion, 'live/x'), rtp(1), lossReport];
  const changed = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 8 }),
      fc.nat(200),
    )
    .map(([seed, changes, size]) => {
      const bytes = seed.slice(0, size);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes;
    });
  const first = fc
    .tuple(fc.constantFrom(0, 1, 20, 21, 22, 23, 0x80, 0x90, 0xa0, 0xbf), fc.uint8Array({ maxLength: 200 }))
    .map(([byte, rest]) => Uint8Array.of(byte, ...rest));
  fc.assert(
    fc.property(
      fc.constantFrom('srt' as const, 'webrtc' as const, 'rtp' as const),
      fc.oneof(fc.uint8Array({ maxLength: 200 }), first, changed),
      (form, bytes) => {
        const words = packetWords(form, bytes);
        assert.ok(words.length > 0 && words.length < 6000 && !words.includes('\n'));
      },
    ),
    { numRuns: 3000 },
  );
});
