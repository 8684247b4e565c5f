import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { MediaReceiver } from '../../../drivers/webrtc/receiver.ts';
import { encodeRtp } from '../../../protocols/rtp/packet.ts';
import { encodeRtcp } from '../../../protocols/rtp/rtcp.ts';

const AUDIO = 111;
const SILENCE = Uint8Array.of(0xf8, 0xff, 0xfe);

function receiver() {
  const media = new MediaReceiver(
    new FrameMeter(new MeterHistograms()),
    {
      videoPayloadTypes: new Set([102]),
      audioPayloadTypes: new Set([AUDIO]),
      ...{ nack: true, pli: true, cname: 'x', ssrc: 1 },
    },
    { sendRtcp: () => true, joined: true },
  );
  const audio = (ssrc: number, ...sequences: number[]): void => {
    for (const sequence of sequences) {
      const packet = encodeRtp({ payloadType: AUDIO, ssrc, sequence, timestamp: sequence * 960 }, SILENCE);
      media.rtp(packet, 0, packet.length, sequence * 20);
    }
  };
  return { media, audio };
}

test('lost audio stays lost when its source is followed by another, or its sequence jumps', (t) => {
  const { media, audio } = receiver();
  t.after(() => media.close());
  const figures = () => [media.figures.audioLost, media.figures.restarts];
  audio(5, 0, 1, 3);
  assert.deepEqual(figures(), [1, 0]);
  audio(6, 100, 101, 104);
  assert.deepEqual(figures(), [3, 1]);
  audio(6, 103);
  assert.deepEqual(figures(), [2, 1], 'one that came late after all');
  audio(6, 30_000, 30_001, 30_002);
  assert.deepEqual(figures(), [2, 2]);
  audio(6, 30_004);
  assert.deepEqual(figures(), [3, 2]);
});

test('sources that follow each other for ever leave nothing behind', (t) => {
  const { media, audio } = receiver();
  t.after(() => media.close());
  for (let ssrc = 10; ssrc < 500; ssrc++) {
    audio(ssrc, 1);
    const nothing = { ntpSeconds: 1, ntpFraction: 0, rtpTimestamp: 0, packets: 1, octets: 3, reports: [] };
    const report = encodeRtcp([{ type: 'sender-report', ssrc, ...nothing }]);
    media.rtcp(report, 0, report.length, ssrc);
  }
  const { senderReports } = media as unknown as { senderReports: Map<number, unknown> };
  assert.ok(senderReports.has(499) && senderReports.size <= 2);
});
