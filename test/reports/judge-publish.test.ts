import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgePublish } from '../../reports/judge-publish.ts';
import type { Finding, Publish } from '../../reports/results.ts';
import { publish } from './samples.ts';

const SRT = { rttMs: 2, sent: 1000, retransmitted: 5, naks: 3, reportedLost: 5, dropped: 0 };
const WHIP = {
  ...{ rttMs: 2, sent: 1000, retransmitted: 5, naks: 3, forgotten: 0, keyframeRequests: 2 },
  ...{ reportedLost: 0, refused: 0 },
};

function packets(of: Partial<Publish>): Finding | undefined {
  const figures = publish(of).publish!;
  return judgePublish(figures, { interrupted: false }).find(({ check }) => check === 'publish/packets');
}

test('over RTMP there are no packets to judge', () => {
  assert.equal(packets({}), undefined);
});

test('what was lost and sent again in time is as it should be', () => {
  const srt = packets({ srt: { total: SRT, publishers: [SRT] } })!;
  assert.equal(srt.verdict, 'pass');
  assert.match(srt.actual, /1,?000 packets sent, 5 again after 3 loss reports; round trip 2/);
  const whip = packets({ webrtc: { total: WHIP, publishers: [WHIP] } })!;
  assert.equal(whip.verdict, 'pass');
  assert.match(whip.actual, /2 keyframes asked for/);
});

test('what was given up, forgotten or not taken fails, and the worst stream is named', () => {
  const late = { ...SRT, dropped: 7 };
  const srt = packets({ srt: { total: late, publishers: [SRT, late] } })!;
  assert.equal(srt.verdict, 'fail');
  assert.deepEqual(srt.evidence, [{ label: 'given up', detail: 'by 1 publisher, at most 7 by stream 2' }]);
  for (const wrong of [{ forgotten: 2 }, { refused: 2 }]) {
    const total = { ...WHIP, ...wrong };
    assert.equal(packets({ webrtc: { total, publishers: [total] } })!.verdict, 'fail');
  }
});

test('an unhealthy generator blames nothing on the server; without a packet nothing is known', () => {
  const total = { ...SRT, dropped: 7 };
  const generator = { ...publish().publish!.generator, healthy: false };
  assert.equal(packets({ generator, srt: { total, publishers: [total] } })!.verdict, 'inconclusive');
  const none = { ...SRT, sent: 0 };
  assert.equal(packets({ srt: { total: none, publishers: [none] } })!.verdict, 'inconclusive');
});
