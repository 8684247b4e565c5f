import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { webrtcThrough } from '../../../scenarios/conformance/proxy-udp.ts';
import type { MediaItem } from '../../../scenarios/history.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

/** Of one stream, whose player got these; it has left, and its origin is free. */
function judge(got: readonly MediaItem[]): { verdict: string; says: string } {
  const timeline = new Timeline()
    .sent('to-s', video({ stream: 1, count: 200 }))
    .step(10, 'udp.playing', { streams: 's' })
    .got('of-s', got)
    .step(9000, 'udp.left', { homes: 'origin-1', freed: true });
  return judgeWith([webrtcThrough], 'proxy/webrtc', timeline);
}

const torn = (item: MediaItem): MediaItem => ({ ...item, stamp: null });

describe('proxy/webrtc: frames of a player', () => {
  const got = video({ stream: 1, count: 80 }).slice(10);

  test('in order from any frame on pass', () => assert.equal(judge(got).verdict, 'pass'));

  test('the first may have begun before the player came', () => {
    assert.equal(judge([torn(got[0]!), ...got.slice(1)]).verdict, 'pass');
  });

  test('a later one without its stamp has lost packets, and is nobody else’s', () => {
    const { verdict, says } = judge([...got.slice(0, 5), torn(got[5]!), ...got.slice(6)]);
    assert.equal(verdict, 'fail');
    assert.match(says, /0 of others, 1 without their stamp, 1 out of turn/);
  });

  test('of another stream fail', () => {
    const [other] = video({ stream: 2, count: 1 });
    const { verdict, says } = judge([...got.slice(0, 5), other!, ...got.slice(5)]);
    assert.equal(verdict, 'fail');
    assert.match(says, /1 of others, 0 without/);
  });

  test('too few fail, and so does one that is missing', () => {
    assert.equal(judge(got.slice(0, 49)).verdict, 'fail');
    assert.equal(judge(got.toSpliced(5, 1)).verdict, 'fail');
  });
});
