import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judgeFailover, judgeReturns } from '../../scenarios/conformance/failover-judging.ts';
import { NewFrames } from '../../scenarios/failover-course.ts';
import { FailoverStep, stepOf, type Watched } from '../../scenarios/failover-steps.ts';
import { timelineOf } from '../../scenarios/failover-timeline.ts';
import type { MediaItem } from '../../scenarios/history.ts';
import { verdictOf } from './conformance/histories.ts';
import { audio, Timeline, video } from './conformance/timeline.ts';

const GROUP = 'g';
const FAULT = 2000;
const END = 8300;

const watched: Watched = {
  client: 'player',
  publisher: 'publisher',
  part: 'waits',
  boundMs: 3000,
  since: 'fault',
  why: 'so says a document',
  lossless: false,
  group: GROUP,
};

/** 25 frames a second from 0 to 8 s; `except` are not sent. */
const sent = (except: (frame: number) => boolean = () => false) =>
  video({ count: 200 }).filter(({ stamp }) => !except(stamp!.frame));

interface Course {
  watched?: Partial<Watched>;
  /** What the player gets, in the order and at the times of these; default everything but 50 to 99. */
  got?: readonly MediaItem[];
  lost?: boolean;
  attempts?: readonly number[];
  cured?: number;
  loopLag?: number;
  perSecond?: number;
  /** Default edge-1. */
  fetching?: string;
  /** Whether taps stand on the links. Default true. */
  isSeen?: boolean;
  opens?: readonly number[];
}

function history(course: Course = {}): Timeline {
  const { got = sent((frame) => frame >= 50 && frame < 100), lost, attempts = [], opens = [] } = course;
  const timeline = new Timeline()
    .step(0, FailoverStep.watched, stepOf({ ...watched, ...course.watched }))
    .sent('publisher', sent())
    .got('player', got)
    .control(FAULT, 'origin', 'kill');
  if (course.perSecond !== undefined) {
    const { perSecond, fetching = 'edge-1', isSeen = true } = course;
    timeline.step(1, FailoverStep.storm, {
      group: GROUP,
      nodes: 'edge-1',
      fetching,
      perSecond,
      isSeen,
      why: 'so says a document',
    });
  }
  for (const [i, t] of attempts.entries()) {
    timeline.history.append({ t, type: 'client.attempt', client: 'player', session: i + 2, waitedMs: 0 });
  }
  for (const t of opens) timeline.open(t, 'edge-1').close(t, 'edge-1');
  if (lost) timeline.lost(FAULT + 10, 'player');
  if (course.cured !== undefined) timeline.step(course.cured, FailoverStep.cured, { what: 'it' });
  return timeline.generator(END, course.loopLag ?? 5);
}

const judge = (course?: Course) => verdictOf(judgeFailover(history(course).history, GROUP));
const told = (course?: Course) => timelineOf(history(course).history, GROUP)!;

/** Frames as they are sent, `later` ms later. */
const late = (items: readonly MediaItem[], later: number) =>
  items.map((item) => ({ ...item, timestamp: item.timestamp + later }));

describe('judgeFailover', () => {
  test('a gap within its bound passes, a longer one fails', () => {
    assert.equal(judge().verdict, 'pass');
    const out = judge({ watched: { boundMs: 1500 } });
    assert.equal(out.verdict, 'fail');
    assert.match(out.says, /a gap of 2040 ms/);
  });
  test('a longer one is nobody’s fault where this process was held up', () =>
    assert.equal(judge({ watched: { boundMs: 1500 }, loopLag: 2000 }).verdict, 'inconclusive'));
  test('who gets nothing any more fails once the bound is over, else nobody can say', () => {
    const got = sent((frame) => frame >= 50);
    assert.equal(judge({ got }).verdict, 'fail');
    assert.equal(judge({ got, watched: { boundMs: 20_000 } }).verdict, 'inconclusive');
  });
  test('who got every frame until the fault, right after which the check ended, is nobody’s proof', () => {
    const before = sent((frame) => frame * 40 >= FAULT);
    const timeline = new Timeline()
      .step(0, FailoverStep.watched, stepOf({ ...watched, part: 'untouched' }))
      .sent('publisher', before)
      .got('player', before, 10)
      .control(FAULT, 'origin', 'kill')
      .generator(FAULT + 60, 5);
    assert.deepEqual(verdictOf(judgeFailover(timeline.history, GROUP)), {
      verdict: 'inconclusive',
      says: 'no frame was seen',
    });
  });
  test('without a fault, or with nobody to watch, there is nothing to be said', () => {
    assert.equal(verdictOf(judgeFailover(new Timeline().history, GROUP)).verdict, 'inconclusive');
    assert.equal(verdictOf(judgeFailover(history().history, 'others')).verdict, 'inconclusive');
    assert.equal(timelineOf(new Timeline().history, GROUP), undefined);
  });
  test('a bound that counts from the cure: frames after it in time, and none without one', () => {
    const cure = { since: 'cure', boundMs: 1000 } as const;
    assert.equal(judge({ watched: cure, cured: 3500 }).verdict, 'pass');
    assert.equal(judge({ watched: cure, cured: 2500 }).verdict, 'fail');
    assert.equal(judge({ watched: cure }).verdict, 'inconclusive');
  });
  test('a bound that counts from the cure holds to the end: for a second gap, also where the first one was longer', () => {
    const cure = { since: 'cure', boundMs: 1000 } as const;
    const gone = (frame: number) => frame >= 50 && frame < 100;
    /** From frame 130 on nothing comes until that frame is due; then all of it does. */
    const stalled = (until: number) =>
      sent(gone).map((item) => {
        const { frame } = item.stamp!;
        return frame >= 130 && frame < until ? { ...item, timestamp: until * 40 } : item;
      });
    assert.equal(judge({ watched: cure, cured: 3500, got: stalled(150) }).verdict, 'pass');
    const out = judge({ watched: cure, cured: 3500, got: stalled(165) });
    assert.deepEqual([out.verdict, /1440 ms, a gap of 2040 ms/.test(out.says)], ['fail', true]);
    const ended = sent((frame) => gone(frame) || frame >= 160);
    const over = judge({ watched: cure, cured: 3500, got: ended });
    assert.deepEqual([over.verdict, /1840 ms, a gap of 2040 ms/.test(over.says)], ['fail', true]);
  });
  test('a gap ends with the observation: the check that another one’s is judged in was over later', () => {
    const { history: adopted } = history();
    adopted.append({ t: END + 60_000, type: 'generator', loopLagMs: 5 });
    assert.equal(verdictOf(judgeFailover(adopted, GROUP)).verdict, 'pass');
  });
  test('who stays must not be disconnected, who returns may', () => {
    assert.equal(judge({ lost: true }).verdict, 'fail');
    assert.equal(judge({ lost: true, watched: { part: 'returns' } }).verdict, 'pass');
  });
  test('who notices nothing does not reconnect', () => {
    const untouched = { part: 'untouched', boundMs: 500, lossless: true } as const;
    assert.equal(judge({ watched: untouched, got: sent() }).verdict, 'pass');
    assert.equal(judge({ watched: untouched, got: sent(), attempts: [FAULT + 5] }).verdict, 'fail');
    assert.equal(judge({ watched: untouched }).verdict, 'fail');
  });
  test('a frame that is lost outside the gap fails, one of the gap where none may be', () => {
    const out = judge({ got: sent((frame) => (frame >= 50 && frame < 100) || frame === 120) });
    assert.deepEqual([out.verdict, /frame 120/.test(out.says)], ['fail', true]);
    assert.equal(judge({ watched: { lossless: true } }).verdict, 'fail');
    const slow = [
      ...sent((frame) => frame >= 50),
      ...late(
        sent((frame) => frame < 50 || frame >= 100),
        2000,
      ),
    ];
    const rest = sent((frame) => frame < 100);
    assert.equal(judge({ watched: { lossless: true }, got: [...slow, ...late(rest, 100)] }).verdict, 'pass');
  });
  test('a frame that comes damaged has not come', () => {
    const untouched = { part: 'untouched', boundMs: 500, lossless: true } as const;
    const damaged = sent().map((item) =>
      item.stamp!.frame === 120 ? { ...item, stamp: { ...item.stamp!, intact: false } } : item,
    );
    const out = judge({ watched: untouched, got: damaged });
    assert.deepEqual(out, { verdict: 'fail', says: '1 of those that were sent' });
  });
  test('a frame of another stream is none of the player’s', () => {
    const got = sent((frame) => frame >= 50 && frame < 100);
    const [stranger] = video({ stream: 2, from: 120, count: 1 });
    const { verdict, says } = judge({ got: [...got.slice(0, 70), stranger!, ...got.slice(70)] });
    assert.deepEqual([verdict, /^video frame 120 at 4800 ms/.test(says)], ['fail', true]);
  });
  test('new frames come with their sound to who has stayed and has had it', () => {
    const heard = (sound: readonly MediaItem[], sounds = true, attempts: readonly number[] = []) => {
      const { history: seen } = history({
        attempts,
        watched: { part: attempts.length > 0 ? 'returns' : 'waits' },
      });
      const append = (type: 'publisher.sent' | 'player.got', client: string, items: readonly MediaItem[]) => {
        for (const item of items)
          seen.append({ t: item.timestamp + 100, type, client, stream: 's', ...item });
      };
      if (sounds) append('publisher.sent', 'publisher', audio({ count: 200 }));
      append('player.got', 'player', sound);
      return verdictOf(judgeFailover(seen, GROUP));
    };
    const before = audio({ count: 50 });
    assert.equal(heard([...before, ...audio({ from: 100, count: 100 })]).verdict, 'pass');
    assert.equal(heard(before, false).verdict, 'pass', 'none is sent any more');
    assert.deepEqual(heard(before), { verdict: 'fail', says: 'none' });
    assert.equal(heard([]).verdict, 'pass', 'it had none before either');
    assert.equal(
      heard(before, true, [FAULT + 100]).verdict,
      'pass',
      'who comes anew may have come before it',
    );
  });
  test('a quick return may miss more than the longest wait', () => {
    const got = sent((frame) => frame >= 60 && frame < 63).filter(({ stamp }) => stamp!.frame !== 200);
    const stalled = got.map((item) => ({
      ...item,
      timestamp: item.timestamp + (item.stamp!.frame >= 70 ? 300 : 0),
    }));
    assert.equal(judge({ got: stalled }).verdict, 'pass');
  });
  test('who returns may miss something then, and more when its stream stands still', () => {
    const got = sent((frame) => (frame >= 50 && frame < 56) || (frame >= 70 && frame < 130));
    const returns = { part: 'returns' } as const;
    assert.equal(judge({ got, watched: returns, attempts: [FAULT + 150] }).verdict, 'pass');
    const out = judge({ got, watched: returns, attempts: [FAULT + 1500] });
    assert.deepEqual([out.verdict, /frame 50/.test(out.says)], ['fail', true]);
  });
  test('a frame twice, or an old one after newer ones, fails', () => {
    const base = sent((frame) => frame >= 50 && frame < 100);
    const twice = base.flatMap((item) => (item.stamp!.frame === 110 ? [item, item] : [item]));
    assert.match(judge({ got: twice }).says, /the first is frame 110/);
    const before = base.filter(({ stamp }) => stamp!.frame < 50);
    const stale = late(before.slice(-25), 2100);
    const got = [...before, ...stale, ...base.slice(50)];
    assert.equal(judge({ got }).verdict, 'fail');
    assert.equal(judge({ got, watched: { again: 24 } }).verdict, 'fail');
    assert.equal(judge({ got, watched: { again: 25 } }).verdict, 'pass');
  });
  test('a new connection begins with the cached GOP: what was seen before is not doubled', () => {
    const base = sent((frame) => frame >= 50 && frame < 100);
    const before = base.filter(({ stamp }) => stamp!.frame < 50);
    const again = late(before.slice(-10), 2000);
    const got = [...before, ...again, ...base.slice(50)];
    const returns = { part: 'returns' } as const;
    assert.equal(judge({ got, watched: returns, attempts: [FAULT + 200] }).verdict, 'pass');
    assert.equal(judge({ got, watched: returns }).verdict, 'fail');
  });
  test('a node that tries too often within a second', () => {
    assert.equal(judge({ perSecond: 1, opens: [2100, 3200, 4300] }).verdict, 'pass');
    const out = judge({ perSecond: 1, opens: [2100, 2900, 4300] });
    assert.deepEqual([out.verdict, out.says], ['fail', 'edge-1: 2']);
    assert.equal(judge({ perSecond: 0, opens: [2100] }).verdict, 'fail');
    assert.equal(judge({ perSecond: 1, opens: [1000, 1100, 2100] }).verdict, 'pass');
    assert.equal(judge({ perSecond: 0, opens: [1000] }).verdict, 'pass');
  });
  test('a node of which no tap has ever told may have tried as often as it liked', () => {
    const { verdict, says } = judge({ perSecond: 1 });
    assert.deepEqual([verdict, says], ['inconclusive', 'no connection of theirs was ever seen']);
  });
  test('where no tap stands on a link that is a part of which nothing is known, and the other parts are what they are', () => {
    const unseen = { perSecond: 1, isSeen: false };
    const judgements = judgeFailover(history(unseen).history, GROUP);
    assert.deepEqual(
      judgements.map(({ verdict }) => verdict),
      ['pass', 'unsupported'],
    );
    assert.match(judgements[1]!.actual, /no tap stands/);
    assert.equal(judge({ ...unseen, watched: { boundMs: 1500 } }).verdict, 'fail');
    const { connections, storm } = told(unseen);
    assert.deepEqual([connections, storm], [undefined, undefined], 'nor are they drawn as none');
    const returns = { ...unseen, got: sent(), watched: { part: 'returns' } } as const;
    const lacking = (attempts: readonly number[]) =>
      verdictOf(judgeReturns(history({ ...returns, attempts }).history, GROUP, ['publishes'])).verdict;
    assert.equal(lacking([FAULT + 100]), 'inconclusive', 'nobody of that part was there');
  });
  test('where no node fetches anything, one that tries all the same fails, and of none that tries nothing is said', () => {
    const storm = { perSecond: 0, fetching: '' };
    assert.deepEqual(judgeFailover(history(storm).history, GROUP), judgeFailover(history().history, GROUP));
    assert.equal(judge({ ...storm, opens: [2100] }).verdict, 'fail');
  });
  test('an encoder: from its last frame to the first one of its next session', () => {
    const encoder = (boundMs: number) => {
      const timeline = new Timeline()
        .step(
          0,
          FailoverStep.watched,
          stepOf({ ...watched, client: 'publisher', part: 'publishes', boundMs }),
        )
        .control(FAULT, 'origin', 'kill')
        .sent(
          'publisher',
          sent((frame) => frame >= 50 && frame < 75),
        )
        .generator(8000, 5);
      return timeline.history;
    };
    assert.equal(verdictOf(judgeFailover(encoder(1500), GROUP)).verdict, 'pass');
    assert.equal(verdictOf(judgeFailover(encoder(900), GROUP)).verdict, 'fail');
    assert.equal(timelineOf(encoder(900), GROUP)?.clients[0]?.unsent, 25);
  });
});

describe('judgeFailover, of what was not seen', () => {
  const untouched = { part: 'untouched', boundMs: 20_000, lossless: true } as const;
  const cure = { since: 'cure', boundMs: 1000 } as const;

  test('who noticed nothing has had frames since the fault', () => {
    assert.equal(judge({ watched: untouched, got: sent() }).verdict, 'pass');
    assert.equal(judge({ watched: untouched, got: sent((frame) => frame >= 50) }).verdict, 'inconclusive');
  });
  test('one frame after the gap is not the stream', () => {
    const got = sent((frame) => frame >= 50 && frame !== 130);
    const { verdict, says } = judge({ watched: { ...cure, boundMs: 4000 }, cured: 5100, got });
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /1 of 25 frames/);
    assert.equal(judge({ watched: cure, cured: 5100, got }).verdict, 'fail', 'none for 3 s afterwards');
  });
  test('who is to wait for what is down has no frames until it is there again', () => {
    const got = sent((frame) => frame >= 50 && frame < 60);
    assert.match(judge({ watched: cure, cured: 3500, got }).says, /a gap of 440 ms/);
    assert.equal(judge({ watched: cure, cured: 3500, got: sent() }).verdict, 'inconclusive');
  });
  test('who stands still and loses no frame has stood still', () => {
    assert.equal(judge({ watched: { lossless: true }, got: sent() }).verdict, 'inconclusive');
  });
  test('a fault that nobody noticed was none', () => {
    for (const part of ['waits', 'returns'] as const) {
      const { verdict, says } = judge({ watched: { part }, got: sent() });
      assert.deepEqual([verdict, says], ['inconclusive', 'nobody did']);
    }
  });
  test('of those who return somebody did, also where others noticed the fault', () => {
    const { history: seen } = history();
    seen.append({ t: 0, type: 'step', step: FailoverStep.watched, data: stepOf(returning) });
    for (const item of sent()) {
      seen.append({ t: item.timestamp, type: 'player.got', client: 'viewer', stream: 's', ...item });
    }
    const { verdict, says } = verdictOf(judgeFailover(seen, GROUP));
    assert.deepEqual([verdict, says], ['inconclusive', 'nobody did']);
  });
});

const returning: Watched = { ...watched, client: 'viewer', part: 'returns' };

test('a balancer that had nobody at the node that went has shown nothing', () => {
  const returns = { part: 'returns', boundMs: 3000 } as const;
  const of = (attempts: readonly number[]) =>
    verdictOf(judgeReturns(history({ got: sent(), watched: returns, attempts }).history, GROUP, ['returns']));
  assert.equal(of([]).verdict, 'inconclusive');
  assert.equal(of([FAULT + 100]).verdict, 'pass');
});

describe('timelineOf', () => {
  test('tells the fault, the gap, what was lost and who tried', () => {
    const { fault, at, clients, gap, connections, storm, cured } = told({
      perSecond: 1,
      opens: [2100, 4300],
      attempts: [FAULT + 100],
      cured: 3000,
    });
    assert.deepEqual([fault, Date.parse(at), cured], ['kill origin', FAULT, 1000]);
    const [client] = clients;
    assert.deepEqual(
      { ...client, part: undefined },
      {
        client: 'player',
        part: undefined,
        lastGood: 60,
        firstGood: 2100,
        gap: 2040,
        bound: 3000,
        since: 'fault',
        lost: 50,
        unsent: 0,
        doubled: 0,
        sessions: 1,
      },
    );
    assert.deepEqual([gap.p50, gap.p99, gap.count], [2040, 2040, 1]);
    assert.deepEqual(
      connections?.map(({ opened }) => opened),
      [1, 0, 1],
    );
    assert.deepEqual(storm, { worst: 1, node: 'edge-1', bound: 1 });
  });
  test('a client for whom none came any more has no first frame', () => {
    const [client] = told({ got: sent((frame) => frame >= 50) }).clients;
    assert.deepEqual([client?.firstGood, client?.gap], [null, END - (49 * 40 + 100)]);
  });
});

describe('new frames', () => {
  const asOf = (sinceAt: number, got: readonly MediaItem[]) =>
    new NewFrames(
      new Timeline().sent('publisher', sent()).got('player', got).history,
      watched as Watched,
      sinceAt,
    ).count;

  test('are those that were sent after the moment, not those that came after it', () => {
    const since = sent()[100]!.timestamp;
    assert.equal(
      asOf(
        since,
        late(
          sent((frame) => frame < 50 || frame >= 101),
          2000,
        ),
      ),
      0,
    );
    assert.equal(
      asOf(
        since,
        late(
          sent((frame) => frame < 50 || frame >= 111),
          2000,
        ),
      ),
      10,
    );
  });

  test('are not told of while none was sent', () => {
    assert.equal(asOf(END, late(sent(), 5000)), 0);
  });

  test('come after what the client was behind by', () => {
    const behindMs = (got: readonly MediaItem[], delay: number) =>
      new NewFrames(new Timeline().got('player', got, delay).history, watched, 4000).behindMs;
    assert.equal(behindMs(sent(), 0), 0);
    assert.equal(behindMs(sent(), 1520), 1520);
    assert.equal(
      behindMs(
        sent((frame) => frame > 75),
        0,
      ),
      1000,
    );
    assert.equal(behindMs([], 0), 0);
  });

  test('of the encoder are what it sent', () => {
    const { history } = new Timeline().sent('publisher', sent());
    const own = { ...watched, client: 'publisher' };
    assert.equal(new NewFrames(history, own, sent()[189]!.timestamp).count, 10);
  });
});
