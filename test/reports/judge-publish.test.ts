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

const UNTAKEN = { boundMs: 5000, worstMs: 0, lastMs: 0, lateMs: 0, streams: 0 };

function judged(check: string, of: Partial<Publish>): Finding | undefined {
  const figures = publish(of).publish!;
  return judgePublish(figures, { interrupted: false }).find((finding) => finding.check === check);
}

const packets = (of: Partial<Publish>): Finding | undefined => judged('publish/packets', of);
const taken = (of: Partial<Publish>): Finding => judged('publish/taken', of)!;

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

test('what was due and was not taken in time fails, also when it was taken in the end', () => {
  const untaken = { ...UNTAKEN, worstMs: 5001, lateMs: 5010, streams: 2 };
  const late = taken({ untaken });
  assert.equal(late.verdict, 'fail');
  assert.match(late.actual, /^2 streams waited for longer, one for 5/);
  assert.equal(taken({ untaken: { ...untaken, lastMs: 5001 } }).verdict, 'fail');
  assert.equal(taken({ untaken: { ...UNTAKEN, worstMs: 5000, lastMs: 5000, lateMs: 5000 } }).verdict, 'pass');
  assert.equal(taken({ untaken: UNTAKEN }).verdict, 'pass');
});

test('what our own event loop was late is not blamed on the server, and shows nothing of it', () => {
  const untaken = { ...UNTAKEN, worstMs: 6000, lateMs: 6000, streams: 1 };
  const generator = { ...publish().publish!.generator, healthy: false };
  assert.equal(taken({ untaken, generator }).verdict, 'inconclusive');
  assert.equal(taken({ untaken: { ...UNTAKEN, worstMs: 300, lateMs: 6000 } }).verdict, 'inconclusive');
  const lag = { ...publish().publish!.lag, max: 6000 };
  assert.equal(taken({ untaken: UNTAKEN, lag }).verdict, 'inconclusive');
});

test('where nothing was published, nothing was kept or taken', () => {
  const clients = { ...publish().publish!.clients, joined: 0, failed: 10 };
  assert.equal(judged('publish/kept', { clients })!.verdict, 'inconclusive');
  assert.equal(judged('publish/taken', { clients, untaken: UNTAKEN }), undefined);
});

test('results from before this was measured are judged without it', () => {
  assert.equal(judged('publish/taken', { untaken: undefined }), undefined);
});
