import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FORWARD_FAILURES } from '../../../scenarios/conformance/forward-failures.ts';
import type { MediaItem } from '../../../scenarios/history.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

function judge(id: string, timeline: Timeline): { verdict: string; says: string } {
  return judgeWith(FORWARD_FAILURES, `forward/${id}`, timeline);
}

/** Appends items at times of their own: publications begin at timestamp 0 each. */
function at(
  timeline: Timeline,
  type: 'sent' | 'got',
  client: string,
  from: number,
  items: readonly MediaItem[],
) {
  for (const item of items) {
    const t = from + item.timestamp;
    timeline.history.append({
      t,
      type: type === 'sent' ? 'publisher.sent' : 'player.got',
      client,
      stream: 's',
      ...item,
    });
  }
}

describe('master-down', () => {
  const first = video({ stream: 1, count: 50 });
  const second = video({ stream: 2, count: 150 });
  interface Course {
    /** Of Publish.Start of the encoder that came back; undefined when it did not. */
    back?: number | undefined;
    /** How often the encoder tried. Default once. */
    attempts?: number;
    /** Of the first frame at the second player. */
    seen?: number;
    frames?: number;
    newcomers?: readonly (number | undefined)[];
    lost?: string;
    missed?: string;
    loopLag?: number;
  }
  /** The master dies at 2 s. */
  const course = (request: Course) => {
    const { back, attempts = 1, seen, frames = 20, newcomers, lost, missed, loopLag = 5 } = request;
    const timeline = new Timeline();
    at(timeline, 'sent', 'encoder', 0, first);
    for (const player of ['p', 'q']) at(timeline, 'got', player, 100, first);
    timeline
      .step(500, 'players', { players: 'p q', encoder: 'encoder', withinMs: 9150 })
      .step(900, 'all-play')
      .control(2000, 'master-1', 'kill')
      .lost(2010, 'encoder');
    for (let attempt = 1; attempt <= attempts; attempt++)
      timeline.step(2020, 'publish-attempt', { publisher: 'encoder-again', attempt });
    if (back !== undefined) {
      at(timeline, 'sent', 'encoder-again', back, second);
      timeline.step(back, 'back', { encoder: 'encoder-again' });
      at(timeline, 'got', 'p', back + 1000, second.slice(0, 20));
      at(timeline, 'got', 'q', seen ?? back + 1000, second.slice(0, frames));
    }
    if (newcomers !== undefined) {
      timeline.step(12_000, 'recovered');
      for (const [i, wait] of newcomers.entries()) {
        const label = `newcomer-${i + 1}`;
        timeline.step(13_000 + i * 5000, 'newcomer', { label });
        if (wait !== undefined) timeline.step(13_000 + i * 5000 + wait, 'admitted', { label });
      }
    }
    if (lost !== undefined) timeline.lost(5000, lost);
    if (missed !== undefined) timeline.missed(20_000, missed);
    return judge('master-down', timeline.generator(40_000, loopLag));
  };
  const all = [10, 10, 10, 10];

  test('the encoder gets through, everybody recovers, whoever comes is let in: pass', () =>
    assert.equal(course({ back: 2500, newcomers: all }).verdict, 'pass'));
  test('an encoder that does not get through fails, and one that does so late', () => {
    const out = course({ missed: 'encoder-again: NetStream.Publish.Start, tried every 500 ms' });
    assert.equal(out.verdict, 'fail');
    assert.match(out.says, /not in 1 attempts/);
    assert.equal(course({ back: 9000, newcomers: all }).verdict, 'fail');
    const twice = course({ back: 3000, attempts: 2, newcomers: all });
    assert.deepEqual([twice.verdict, /with attempt 2/.test(twice.says)], ['fail', true]);
    assert.equal(course({ back: 9000, newcomers: all, loopLag: 5000 }).verdict, 'inconclusive');
  });
  test('a player who does not recover fails, or does so late, or is cut off', () => {
    assert.equal(course({ back: 2500, frames: 0, missed: 'q: 10 frames of encoder-again' }).verdict, 'fail');
    assert.equal(course({ back: 2500, frames: 0 }).verdict, 'inconclusive');
    assert.equal(course({ back: 2500, seen: 13_000, newcomers: all }).verdict, 'fail');
    assert.equal(course({ back: 2500, lost: 'q', newcomers: all }).verdict, 'fail');
  });
  test('a newcomer who is refused fails, or who waits', () => {
    const refused = course({
      back: 2500,
      newcomers: [10, undefined],
      missed: 'newcomer-2: NetStream.Publish.Start',
    });
    assert.equal(refused.verdict, 'fail');
    assert.match(refused.says, /not newcomer-2/);
    assert.equal(course({ back: 2500, newcomers: [10, 1200, 10, 10] }).verdict, 'fail');
    assert.equal(course({ back: 2500, newcomers: [10] }).verdict, 'inconclusive');
    assert.equal(course({ back: 2500, newcomers: [10, 1200] }).verdict, 'fail');
  });
  test('an encoder that closed its connection itself was not told', () => {
    const timeline = new Timeline()
      .step(500, 'players', { players: 'p', encoder: 'encoder', withinMs: 9150 })
      .step(900, 'all-play')
      .missed(3000, 'encoder: its connection is closed')
      .lost(3001, 'encoder', 'local');
    assert.deepEqual(judge('master-down', timeline), { verdict: 'fail', says: 'it was not' });
  });
  test('a cluster on which nobody played tells nothing', () => {
    const timeline = new Timeline()
      .step(500, 'players', { players: '', encoder: 'encoder', withinMs: 9150 })
      .step(900, 'all-play')
      .lost(2010, 'encoder')
      .step(2020, 'publish-attempt', { publisher: 'encoder-again', attempt: 1 })
      .step(2500, 'back')
      .step(12_000, 'recovered');
    for (let i = 1; i <= 4; i++) {
      const label = `newcomer-${i}`;
      timeline.step(13_000, 'newcomer', { label }).step(13_010, 'admitted', { label });
    }
    assert.equal(judge('master-down', timeline).verdict, 'inconclusive');
  });
  test('a player who never had the stream fails when it was waited for', () => {
    const joining = (missed?: string) => {
      const timeline = new Timeline().step(500, 'players', {
        players: 'p q',
        encoder: 'encoder',
        withinMs: 9150,
      });
      at(timeline, 'got', 'p', 100, first);
      if (missed !== undefined) timeline.missed(9000, missed);
      return judge('master-down', timeline).verdict;
    };
    assert.equal(joining('q: a video keyframe'), 'fail');
    assert.equal(joining(), 'inconclusive');
  });
});

describe('no-duplicate-after-failback', () => {
  const [first, second, third] = [1, 2, 3].map((stream) => video({ stream, count: 40 })) as [
    MediaItem[],
    MediaItem[],
    MediaItem[],
  ];
  interface Course {
    got?: readonly MediaItem[];
    publishers?: number;
    onlooker?: readonly MediaItem[];
    until?: 'back' | 'failed-back' | 'end';
    missed?: string;
    /** Whether the API of slaves was read. Default true. */
    read?: boolean;
    /** When it was. Default while both masters have a publisher. */
    readAt?: number;
    /** How many frames the second publisher sends, from 5 s on; the third one comes at 8 s. Default 150. */
    second?: number;
    /** Of the master's API. Default it was not read. */
    atMaster?: number;
  }
  const courseOf = ({ got = [...first, ...second, ...third], ...rest }: Course) => {
    const { publishers = 1, onlooker = [...first, ...third], until = 'end', missed, read = true } = rest;
    const { readAt = 9000, second: count = 150 } = rest;
    const timeline = new Timeline();
    if (rest.atMaster !== undefined) timeline.api(1, 's', { publishers: rest.atMaster }, 'master-1');
    at(timeline, 'sent', 'encoder', 0, first);
    at(timeline, 'sent', 'encoder-again', 5000, video({ stream: 2, count }));
    if (until !== 'back') at(timeline, 'sent', 'third', 8000, third);
    timeline
      .step(500, 'all-play', { players: 'a b', onlookers: 'c', slaves: 'slave-1 slave-2' })
      .lost(2000, 'encoder')
      .step(2500, 'back');
    if (until !== 'back') {
      if (read) {
        timeline.api(readAt, 's', { publishers: 1 }, 'slave-1').api(readAt, 's', { publishers }, 'slave-2');
      }
      timeline.step(9500, 'failed-back');
    }
    timeline.got('a', until === 'back' ? [...first, ...second] : [...first, ...second, ...third]);
    timeline.got('b', got).got('c', onlooker);
    if (missed !== undefined) timeline.missed(14_000, missed);
    if (until === 'end') timeline.step(15_000, 'end');
    return timeline;
  };
  const course = (request: Course) => judge('no-duplicate-after-failback', courseOf(request));

  test('one publication after the other passes', () => assert.equal(course({}).verdict, 'pass'));
  test('when no slave told how many publishers it has, nobody can say', () => {
    assert.equal(course({ read: false }).verdict, 'inconclusive');
  });
  test('slaves that were asked when there was one publisher, and publishers who never met, tell nothing', () => {
    assert.equal(course({ readAt: 7999 }).verdict, 'inconclusive');
    assert.equal(course({ readAt: 10_961 }).verdict, 'inconclusive');
    const left = courseOf({ readAt: 10_961 }).lost(10_970, 'encoder-again', 'local');
    assert.equal(judge('no-duplicate-after-failback', left).verdict, 'pass');
    assert.deepEqual(course({ second: 70 }), {
      verdict: 'inconclusive',
      says: 'one had left before the other sent',
    });
  });
  test('a slave with two publishers fails', () => assert.equal(course({ publishers: 2 }).verdict, 'fail'));
  test('what another node than a slave says is not asked for', () =>
    assert.equal(course({ atMaster: 2 }).verdict, 'pass'));
  test('a check that says it ended, and of which no publication but the first was seen, tells nothing', () => {
    const timeline = new Timeline()
      .step(500, 'all-play', { players: 'a', onlookers: '', slaves: 'slave-1' })
      .sent('encoder', first)
      .got('a', first)
      .api(9000, 's', { publishers: 1 }, 'slave-1')
      .step(15_000, 'end');
    assert.equal(judge('no-duplicate-after-failback', timeline).verdict, 'inconclusive');
  });
  test('a check that ends before the master is back tells nothing', () => {
    const timeline = courseOf({ until: 'failed-back' });
    timeline.step(2400, 'publish-attempt', { publisher: 'encoder-again', attempt: 1 });
    const { verdict, says } = judge('no-duplicate-after-failback', timeline);
    assert.deepEqual([verdict, says], ['inconclusive', 'the check did not get that far']);
  });
  test('a third publisher that was let in too early to be judged tells nothing', () => {
    const timeline = new Timeline().step(500, 'all-play', { players: 'a', onlookers: '', slaves: 'slave-1' });
    at(timeline, 'sent', 'encoder', 0, first);
    at(timeline, 'sent', 'third', 5000, third);
    timeline.got('a', first).missed(6000, 'a: 10 frames of third');
    assert.deepEqual(judge('no-duplicate-after-failback', timeline), {
      verdict: 'inconclusive',
      says: 'the check did not get that far',
    });
  });
  test('publications that are mixed fail, at edges, too', () => {
    const mixed = [...first, ...second.slice(0, 20), third[0]!, ...second.slice(20), ...third.slice(1)];
    assert.match(course({ got: mixed }).says, /is of one that was over/);
    assert.equal(course({ got: mixed }).verdict, 'fail');
    assert.equal(course({ onlooker: mixed }).verdict, 'fail');
  });
  test('a frame twice fails', () =>
    assert.equal(course({ got: [...first, ...second, second[39]!, ...third] }).verdict, 'fail'));
  test('a publication that does not come fails when it was waited for', () => {
    const got = [...first, ...second];
    const missed = 'b: 10 frames of third';
    assert.equal(course({ got, until: 'failed-back', missed }).verdict, 'fail');
    assert.equal(course({ got, until: 'failed-back' }).verdict, 'inconclusive');
    assert.equal(
      course({ got: first, until: 'back', missed: 'b: 10 frames of encoder-again' }).verdict,
      'fail',
    );
  });
});
