import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FAILOVER_ENTRIES } from '../../../scenarios/conformance/failover-entries.ts';
import { FailoverStep, stepOf, type Watched } from '../../../scenarios/failover-steps.ts';
import type { ApiReading } from '../../../scenarios/history.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

const FAULT = 2000;
const CURED = 3300;
const END = 8300;

const watched = {
  client: 'player',
  publisher: 'publisher',
  boundMs: 2000,
  since: 'cure',
  why: 'so says a document',
} as const;

/**
 * @param stillMs for how long nothing passes; then all of it does.
 * @param web whether a front, through which nobody comes whose frames would tell, answers while it is frozen.
 */
function frozen(
  stillMs: number,
  web: 'answers' | 'hangs' = 'hangs',
  part: Watched['part'] = 'waits',
): Timeline {
  const one: Watched = { ...watched, part, lossless: true, group: 'frozen-entry' };
  const frames = video({ count: 200 });
  const late = frames.map((frame) => {
    const isHeld = frame.timestamp >= FAULT && frame.timestamp < FAULT + stillMs;
    return isHeld ? { ...frame, timestamp: FAULT + stillMs } : frame;
  });
  const timeline = new Timeline()
    .step(0, FailoverStep.watched, stepOf(one))
    .sent('publisher', frames)
    .got('player', late)
    .freezeSeen(FAULT, 'balancer')
    .freezeSeen(FAULT, 'web', web === 'answers');
  return timeline.step(CURED, FailoverStep.cured, { what: 'it' }).generator(END, 5);
}

describe('entry-frozen', () => {
  const judge = (timeline: Timeline) => judgeWith(FAILOVER_ENTRIES, 'failover/entry-frozen', timeline);
  test('every frame comes, late', () => assert.equal(judge(frozen(1300)).verdict, 'pass'));
  test('where nobody has to wait nothing has frozen', () => {
    const { verdict, says } = judge(frozen(100));
    assert.equal(verdict, 'inconclusive');
    // Of the player, and of everybody.
    assert.match(says, /^a gap of \d+ ms; a gap of \d+ ms$/);
  });
  test('where nobody is behind it nobody knows', () =>
    assert.deepEqual(judge(frozen(0, 'hangs', 'untouched')), {
      verdict: 'inconclusive',
      says: 'the check did not get that far',
    }));
  test('a front that answers has not frozen, though the other one has', () =>
    assert.deepEqual(judge(frozen(1300, 'answers')), {
      verdict: 'inconclusive',
      says: 'it answered after 1 ms: HTTP status 200',
    }));
});

describe('nginx-restarted', () => {
  const one: Watched = { ...watched, part: 'returns', lossless: false, group: 'nginx' };
  /** @param readings of the API of the origin, before and after. */
  const judge = (...readings: ApiReading['upstreamsOf'][]) => judgeAt(5000, ...readings);
  /** @param everyMs between two readings, the first of which is just before the fault. */
  const judgeAt = (everyMs: number, ...readings: ApiReading['upstreamsOf'][]) =>
    judgeOf({ everyMs, readings });
  interface Course {
    readonly everyMs?: number;
    readonly readings?: readonly ApiReading['upstreamsOf'][];
    /** Met at the port of another Nginx, through which nobody comes; null: nobody looked. Default there is none. */
    readonly other?: string | null;
  }
  const judgeOf = ({ everyMs = 5000, readings = [{ 'edge-1': 1 }, { 'edge-1': 1 }], other }: Course) => {
    const timeline = new Timeline()
      .step(0, FailoverStep.watched, stepOf(one))
      .sent('publisher', video({ count: 200 }))
      .got(
        'player',
        video({ count: 200 }).filter(({ stamp }) => stamp!.frame < 50 || stamp!.frame >= 90),
      )
      .killSeen(FAULT, 'web')
      .lost(FAULT + 1, 'player')
      .step(CURED, FailoverStep.cured, { what: 'it' });
    timeline.history.append({
      t: CURED,
      type: 'client.attempt',
      client: 'player',
      session: 2,
      waitedMs: 1000,
    });
    if (other !== undefined) timeline.killSeen(FAULT, 'other-web', other);
    for (const [i, upstreamsOf] of readings.entries())
      timeline.api(FAULT - 10 + i * everyMs, 's', { upstreamsOf });
    return judgeWith(FAILOVER_ENTRIES, 'failover/nginx-restarted', timeline.generator(END, 5));
  };
  test('viewers come back, and the origin has the pulls of before', () =>
    assert.equal(judge({ 'edge-1': 1, 'edge-2': 1 }, { 'edge-1': 1, 'edge-2': 1 }).verdict, 'pass'));
  test('every one of them has to be seen to be gone', () => {
    assert.equal(judgeOf({ other: 'ECONNREFUSED' }).verdict, 'pass');
    assert.deepEqual(judgeOf({ other: 'open' }), {
      verdict: 'inconclusive',
      says: 'its port took a connection 1 ms later',
    });
    assert.equal(judgeOf({ other: null }).verdict, 'inconclusive', 'nobody looked');
  });
  test('a pull more is one too many', () => {
    const { verdict, says } = judge({ 'edge-1': 1 }, { 'edge-1': 2 });
    assert.equal(verdict, 'fail');
    assert.match(says, /edge-1: 1; then edge-1: 2/);
  });
  test('an origin that knew of no pull before tells nothing by knowing of none', () =>
    assert.deepEqual(judge({}, {}), { verdict: 'inconclusive', says: 'none; then none' }));
  test('what the origin told twice before the fault says nothing of afterwards', () =>
    assert.equal(judgeAt(5, { 'edge-1': 1 }, { 'edge-1': 1 }).verdict, 'inconclusive'));
  test('nobody can say where the origin was not asked again', () =>
    assert.equal(judge({ 'edge-1': 1 }).verdict, 'inconclusive'));
});
