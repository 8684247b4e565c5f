import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Check } from '../../../scenarios/check.ts';
import { FAILOVER_COWORKER } from '../../../scenarios/conformance/failover-coworker.ts';
import { FAILOVER_PROXY } from '../../../scenarios/conformance/failover-proxy.ts';
import { FailoverStep, stepOf } from '../../../scenarios/failover-steps.ts';
import type { MediaItem } from '../../../scenarios/history.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

const FAULT = 2000;
const THAWED = 2600;
const KILLED = 2700;
const CURED = 3300;
const ASKED = 8000;

/** What was met at the node while it was said to be frozen, and to be gone. */
interface Met {
  readonly answers?: boolean;
  readonly met?: string | null;
  /** Whether it was seen to be back. Default true. */
  readonly isBack?: boolean;
}

/** A node that everybody does without has frozen, died and come back, and nobody noticed. */
function unnoticed(
  group: string,
  node: string,
  { answers = false, met = 'ECONNREFUSED', isBack = true }: Met = {},
) {
  const asked = { boundMs: 500, since: 'fault', why: 'so says a document', lossless: true } as const;
  const watched = { ...asked, client: 'player', publisher: 'publisher', part: 'untouched', group } as const;
  const timeline = new Timeline()
    .step(0, FailoverStep.watched, stepOf(watched))
    .sent('publisher', video({ count: 200 }))
    .got('player', video({ count: 200 }))
    .freezeSeen(FAULT, node, answers)
    .control(THAWED, node, 'thaw')
    .answered(THAWED + 1, node)
    .killSeen(KILLED, node, met);
  if (isBack) timeline.control(CURED - 10, node, 'restart').step(CURED, FailoverStep.cured, { what: node });
  return timeline.step(ASKED, 'served');
}

const judge = (checks: readonly Check[], id: string, timeline: Timeline) =>
  judgeWith(checks, id, timeline.generator(ASKED + 100, 5));

/** Nobody notices it, so that nobody but the node itself tells of it. */
function onlySeenAtTheNode(of: (met: Met) => { verdict: string; says: string }): void {
  assert.equal(of({ met: 'silence' }).verdict, 'pass');
  assert.deepEqual(of({ met: 'open' }), {
    verdict: 'inconclusive',
    says: 'its port took a connection 1 ms later',
  });
  assert.deepEqual(of({ met: null }), { verdict: 'inconclusive', says: 'nobody looked' });
  assert.deepEqual(of({ answers: true }), {
    verdict: 'inconclusive',
    says: 'it answered after 1 ms: HTTP status 200',
  });
}

describe('redis-gone', () => {
  /** @param got by the player at the other proxy, of a stream that came when Redis was back. */
  const of = (got: readonly MediaItem[] = video({ stream: 2, count: 25 }), met?: Met) => {
    const timeline = unnoticed('redis', 'redis', met).step(ASKED, 'let-in', { publisher: 'newcomer' });
    timeline.sent('newcomer', video({ stream: 2, count: 25 })).got('follower', got);
    return judge(FAILOVER_PROXY, 'failover/redis-gone', timeline);
  };
  test('who comes then is let in, and played', () => assert.deepEqual(of(), { verdict: 'pass', says: '' }));
  test('a player that was served, but had no frame of the newcomer, was not', () => {
    assert.equal(of([]).verdict, 'inconclusive');
    assert.match(of(video({ stream: 1, count: 25 })).says, /the player gets nothing/);
  });
  test('one that nobody saw come back tells nothing of who comes then', () =>
    assert.deepEqual(of(undefined, { isBack: false }), {
      verdict: 'inconclusive',
      says: 'the check did not get that far',
    }));
  test('a Redis that was not seen to hang, or to be gone, was missed by nobody for that', () =>
    onlySeenAtTheNode((met) => of(undefined, met)));
});

describe('stream-manager-killed', () => {
  const STREAM = video({ from: 180, count: 20 });
  /** @param got by a player who asks another edge; undefined: nobody did. */
  const of = (
    got: readonly MediaItem[] | undefined,
    { missed, met }: { missed?: string; met?: Met } = {},
  ) => {
    const timeline = unnoticed('manager', 'manager', met);
    if (got !== undefined) timeline.step(ASKED, 'asked', { publisher: 'publisher' }).got('newcomer', got);
    if (missed !== undefined) timeline.missed(ASKED + 50, missed);
    return judge(FAILOVER_COWORKER, 'failover/stream-manager-killed', timeline);
  };
  test('a player at another edge gets the stream', () =>
    assert.deepEqual(of(STREAM), { verdict: 'pass', says: '' }));
  test('where nobody asked for it nobody knows', () =>
    assert.deepEqual(of(undefined), { verdict: 'inconclusive', says: 'the check did not get that far' }));
  test('one that was served, but had no frame of it, did not', () =>
    assert.deepEqual(of([]).verdict, 'inconclusive'));
  test('one that waited for it in vain fails', () =>
    assert.equal(of([], { missed: 'newcomer: a video keyframe' }).verdict, 'fail'));
  test('a manager that was not seen to hang, or to be gone, was missed by nobody for that', () =>
    onlySeenAtTheNode((met) => of(STREAM, { met })));
});
