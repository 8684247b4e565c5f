import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Check } from '../../../scenarios/check.ts';
import { FAILOVER_COWORKER } from '../../../scenarios/conformance/failover-coworker.ts';
import { FAILOVER_PROXY } from '../../../scenarios/conformance/failover-proxy.ts';
import { FailoverStep, stepOf } from '../../../scenarios/failover-steps.ts';
import type { MediaItem } from '../../../scenarios/history.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

const FAULT = 2000;
const CURED = 3300;
const ASKED = 8000;

/** A node that everybody does without has died and come back, and nobody noticed. */
function unnoticed(group: string, node: string): Timeline {
  const asked = { boundMs: 500, since: 'fault', why: 'so says a document', lossless: true } as const;
  const watched = { ...asked, client: 'player', publisher: 'publisher', part: 'untouched', group } as const;
  return new Timeline()
    .step(0, FailoverStep.watched, stepOf(watched))
    .sent('publisher', video({ count: 200 }))
    .got('player', video({ count: 200 }))
    .control(FAULT, node, 'kill')
    .step(CURED, FailoverStep.cured, { what: node })
    .step(ASKED, 'served');
}

const judge = (checks: readonly Check[], id: string, timeline: Timeline) =>
  judgeWith(checks, id, timeline.generator(ASKED + 100, 5));

describe('redis-gone', () => {
  /** @param got by the player at the other proxy, of a stream that came when Redis was back. */
  const of = (got: readonly MediaItem[]) => {
    const timeline = unnoticed('redis', 'redis').step(ASKED, 'let-in', { publisher: 'newcomer' });
    timeline.sent('newcomer', video({ stream: 2, count: 25 })).got('follower', got);
    return judge(FAILOVER_PROXY, 'failover/redis-gone', timeline);
  };
  test('who comes then is let in, and played', () =>
    assert.deepEqual(of(video({ stream: 2, count: 25 })), { verdict: 'pass', says: '' }));
  test('a player that was served, but had no frame of the newcomer, was not', () => {
    assert.equal(of([]).verdict, 'inconclusive');
    assert.match(of(video({ stream: 1, count: 25 })).says, /the player gets nothing/);
  });
});

describe('stream-manager-killed', () => {
  const of = (got: readonly MediaItem[], missed?: string) => {
    const timeline = unnoticed('manager', 'manager').step(ASKED, 'asked', { publisher: 'publisher' });
    timeline.got('newcomer', got);
    if (missed !== undefined) timeline.missed(ASKED + 50, missed);
    return judge(FAILOVER_COWORKER, 'failover/stream-manager-killed', timeline);
  };
  test('a player at another edge gets the stream', () =>
    assert.deepEqual(of(video({ from: 180, count: 20 })), { verdict: 'pass', says: '' }));
  test('one that was served, but had no frame of it, did not', () =>
    assert.deepEqual(of([]).verdict, 'inconclusive'));
  test('one that waited for it in vain fails', () =>
    assert.equal(of([], 'newcomer: a video keyframe').verdict, 'fail'));
});
