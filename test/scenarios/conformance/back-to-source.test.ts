import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { backToSource } from '../../../scenarios/conformance/back-to-source.ts';
import type { MediaItem } from '../../../scenarios/history.ts';
import { audio, headers, judgeWith, Timeline, video } from './timeline.ts';

function judge(id: string, timeline: Timeline): { verdict: string; says: string } {
  return judgeWith(backToSource, `back-to-source/${id}`, timeline);
}

test('no check passes a history in which nothing was seen', () => {
  for (const { id, judge: judgeOf } of backToSource) {
    const verdicts = judgeOf(new Timeline().history).map(({ verdict }) => verdict);
    assert.ok(verdicts.length > 0 && !verdicts.includes('pass'), id);
  }
});

describe('merged-per-edge', () => {
  const counted = (
    change: (timeline: Timeline) => void,
    upstreamsOf: Record<string, number>,
    players = 'p q',
    served = ['p', 'q'],
  ) => {
    const timeline = new Timeline();
    change(timeline);
    for (const player of served) timeline.got(player, video({ count: 1 }));
    const setting = { stream: 's', edges: 'edge-1 edge-2', players };
    timeline.step(100, 'all-play', setting).api(110, 's', { upstreamsOf });
    return judge('merged-per-edge', timeline);
  };
  const both = { 'edge-1': 1, 'edge-2': 1 };

  test('one each passes', () => {
    assert.equal(counted((h) => h.open(1, 'edge-1').open(2, 'edge-2'), both).verdict, 'pass');
  });

  test('a pull for nobody, or for one of two players, is not known to be one for all', () => {
    const seen = (players: string, served: string[]) =>
      counted((h) => h.open(1, 'edge-1').open(2, 'edge-2'), both, players, served);
    assert.equal(seen('', []).says, 'none at any: nobody plays');
    assert.deepEqual(seen('p q', ['p']), { verdict: 'inconclusive', says: 'none at q' });
  });

  test('two of one edge fail, also one after the other', () => {
    const two = counted((h) => h.open(1, 'edge-1').open(2, 'edge-2').open(3, 'edge-2'), {
      ...both,
      'edge-2': 2,
    });
    assert.equal(two.verdict, 'fail');
    const again = counted(
      (h) => h.open(1, 'edge-1').open(2, 'edge-2').close(3, 'edge-2').open(4, 'edge-2'),
      both,
    );
    assert.equal(again.verdict, 'fail');
  });

  test('players without an upstream connection cannot be: inconclusive', () => {
    const { verdict, says } = counted((h) => h.open(1, 'edge-1'), { 'edge-1': 1 });
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /saw none/);
  });

  test('tap and API that disagree are inconclusive, even when one of them shows a defect', () => {
    const { verdict, says } = counted((h) => h.open(1, 'edge-1').open(2, 'edge-2'), { ...both, 'edge-2': 2 });
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /taps: edge-2: 1; API: edge-1: 1, edge-2: 2/);
  });

  test('an API that was not read is inconclusive', () => {
    const timeline = new Timeline().open(1, 'edge-1').step(2, 'all-play', { stream: 's', edges: 'edge-1' });
    assert.equal(judge('merged-per-edge', timeline).verdict, 'inconclusive');
  });

  test('where there are no taps the API counts', () => {
    const told = (count: number | undefined) => {
      const setting = { stream: 's', edges: 'edge-1', players: 'p', taps: false };
      const timeline = new Timeline().got('p', video({ count: 1 })).step(100, 'all-play', setting);
      if (count !== undefined)
        timeline.api(110, 's', { upstreamsOf: count === 0 ? {} : { 'edge-1': count } });
      return judge('merged-per-edge', timeline);
    };
    assert.equal(told(1).verdict, 'pass');
    assert.equal(told(2).verdict, 'fail');
    assert.deepEqual(told(0), {
      verdict: 'inconclusive',
      says: "the origin's API saw none, yet its players got frames",
    });
    assert.deepEqual(told(undefined), { verdict: 'inconclusive', says: 'the API was not read' });
  });

  test('players who do not play are inconclusive', () => {
    const timeline = new Timeline().open(1, 'edge-1').missed(5000, 'edge-1-rtmp: a video keyframe');
    const { verdict, says } = judge('merged-per-edge', timeline);
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /edge-1-rtmp/);
  });
});

describe('merged-under-herd', () => {
  const herd = (opened: number, told: number, figures: Parameters<Timeline['crowd']>[2]) => {
    const timeline = new Timeline().step(0, 'herd', { stream: 's', edge: 'edge-1' });
    for (let i = 1; i <= opened; i++) timeline.open(i, 'edge-1');
    timeline.api(50, 's', { upstreamsOf: told === 0 ? {} : { 'edge-1': told } }).crowd(60, 'herd', figures);
    return judge('merged-under-herd', timeline).verdict;
  };

  test('one pull for all passes', () => assert.equal(herd(1, 1, {}), 'pass'));
  test('two fail, whatever became of the herd', () => assert.equal(herd(2, 2, { joined: 0 }), 'fail'));
  test('many cannot be counted at one moment, and fail', () => assert.equal(herd(700, 650, {}), 'fail'));
  test('many fail, too, when the origin is late to tell of them', () =>
    assert.equal(herd(148, 0, {}), 'fail'));
  test('nobody served fails, for the pull is there', () =>
    assert.equal(herd(1, 1, { joined: 0, failed: 10 }), 'fail'));
  test('some not served fail', () => assert.equal(herd(1, 1, { joined: 9, failed: 1 }), 'fail'));
  test('all served and no pull seen is inconclusive', () => assert.equal(herd(0, 0, {}), 'inconclusive'));
  test('a herd of none is none', () => assert.equal(herd(1, 1, { requested: 0, joined: 0 }), 'inconclusive'));
  test('two one after the other fail, though there were never two at once', () => {
    const timeline = new Timeline()
      .step(0, 'herd', { stream: 's', edge: 'edge-1' })
      .open(1, 'edge-1')
      .close(2, 'edge-1')
      .open(3, 'edge-1')
      .api(50, 's', { upstreamsOf: { 'edge-1': 1 } })
      .crowd(60, 'herd', {});
    assert.deepEqual(judge('merged-under-herd', timeline), { verdict: 'fail', says: '2' });
  });
  test('a herd that nobody counted is inconclusive', () => {
    const timeline = new Timeline()
      .step(0, 'herd', { stream: 's', edge: 'edge-1' })
      .open(1, 'edge-1')
      .api(50, 's', { upstreamsOf: { 'edge-1': 1 } });
    assert.deepEqual(judge('merged-under-herd', timeline), {
      verdict: 'inconclusive',
      says: 'they were not counted',
    });
  });
});

describe('one-per-edge-and-stream', () => {
  const start = () => new Timeline().step(0, 'published', { edges: 'edge-1', streams: 'a b' });
  const frames = (timeline: Timeline, ofB: number) =>
    timeline
      .sent('a', video({ stream: 1, count: 2 }), 'a')
      .sent('b', video({ stream: 2, count: 2 }), 'b')
      .got('player', video({ stream: 1, count: 1 }), 10, 'a')
      .got('player-2', video({ stream: ofB, count: 1 }), 10, 'b');

  test('a pull for each passes', () => {
    const timeline = frames(start().open(1, 'edge-1').open(2, 'edge-1'), 2)
      .step(3, 'all-play', { players: 'player player-2' })
      .api(4, 'a', { upstreamsOf: { 'edge-1': 1 } })
      .api(4, 'b', { upstreamsOf: { 'edge-1': 1 } });
    assert.equal(judge('one-per-edge-and-stream', timeline).verdict, 'pass');
  });

  test('frames of another stream fail', () => {
    const { verdict, says } = judge('one-per-edge-and-stream', frames(start().open(1, 'edge-1'), 1));
    assert.equal(verdict, 'fail');
    assert.match(says, /asked for b and got a frame of a/);
  });

  test('pulls that end after they were counted were there', () => {
    const timeline = frames(start().open(1, 'edge-1').open(2, 'edge-1'), 2)
      .step(3, 'all-play', { players: 'player player-2' })
      .api(4, 'a', { upstreamsOf: { 'edge-1': 1 } })
      .api(5, 'b', { upstreamsOf: { 'edge-1': 1 } })
      .close(6, 'edge-1')
      .close(6, 'edge-1');
    assert.equal(judge('one-per-edge-and-stream', timeline).verdict, 'pass');
  });

  test('fewer pulls than streams with the right frames are inconclusive, unless the API tells of no more', () => {
    const one = () =>
      frames(start().open(1, 'edge-1'), 2).step(3, 'all-play', { players: 'player player-2' });
    assert.equal(judge('one-per-edge-and-stream', one()).verdict, 'inconclusive');
    const told = one()
      .api(4, 'a', { upstreamsOf: { 'edge-1': 1 } })
      .api(4, 'b', {});
    assert.deepEqual(judge('one-per-edge-and-stream', told), {
      verdict: 'fail',
      says: 'the tap saw 1, yet players got the frames of all streams; 1, 0',
    });
  });

  test('tap and API that disagree are inconclusive', () => {
    const timeline = frames(start().open(1, 'edge-1').open(2, 'edge-1'), 2)
      .step(3, 'all-play', { players: 'player player-2' })
      .api(4, 'a', { upstreamsOf: { 'edge-1': 2 } })
      .api(4, 'b', { upstreamsOf: { 'edge-1': 1 } });
    assert.equal(judge('one-per-edge-and-stream', timeline).verdict, 'inconclusive');
  });

  test('two of one stream and none of the other fail', () => {
    const timeline = frames(start().open(1, 'edge-1').open(2, 'edge-1'), 2)
      .step(3, 'all-play', { players: 'player player-2' })
      .api(4, 'a', { upstreamsOf: { 'edge-1': 2 } })
      .api(4, 'b', {});
    assert.deepEqual(judge('one-per-edge-and-stream', timeline), { verdict: 'fail', says: '2, 0' });
  });

  test('players of whom none, or one, has a frame are not known to have their own stream', () => {
    for (const served of [[], ['player']]) {
      const timeline = start()
        .open(1, 'edge-1')
        .open(2, 'edge-1')
        .sent('a', video({ count: 2 }), 'a');
      for (const player of served) timeline.got(player, video({ count: 1 }), 10, 'a');
      timeline.step(3, 'all-play', { players: 'player player-2' });
      for (const stream of ['a', 'b']) timeline.api(4, stream, { upstreamsOf: { 'edge-1': 1 } });
      assert.equal(judge('one-per-edge-and-stream', timeline).verdict, 'inconclusive');
    }
  });

  test('players who do not play are inconclusive', () => {
    const timeline = frames(start().open(1, 'edge-1').open(2, 'edge-1'), 2);
    assert.equal(judge('one-per-edge-and-stream', timeline).verdict, 'inconclusive');
  });

  test('where there are no taps the API counts', () => {
    const told = (a: number, b?: number) => {
      const setting = { edges: 'edge-1', streams: 'a b', taps: false };
      const timeline = frames(new Timeline().step(0, 'published', setting), 2).step(3, 'all-play', {
        players: 'player player-2',
      });
      timeline.api(4, 'a', { upstreamsOf: { 'edge-1': a } });
      if (b !== undefined) timeline.api(4, 'b', { upstreamsOf: b === 0 ? {} : { 'edge-1': b } });
      return judge('one-per-edge-and-stream', timeline);
    };
    assert.deepEqual(told(1, 1), { verdict: 'pass', says: '' });
    assert.deepEqual(told(2, 1), { verdict: 'fail', says: '2, 1' });
    assert.equal(told(2, 0).verdict, 'inconclusive');
    assert.deepEqual(told(1), { verdict: 'inconclusive', says: 'the API was not read' });
  });

  test('two of a stream fail', () => {
    const timeline = frames(start().open(1, 'edge-1').open(2, 'edge-1').open(3, 'edge-1'), 2)
      .step(3, 'all-play', { players: 'player player-2' })
      .api(4, 'a', { upstreamsOf: { 'edge-1': 2 } })
      .api(4, 'b', { upstreamsOf: { 'edge-1': 1 } });
    assert.deepEqual(judge('one-per-edge-and-stream', timeline), { verdict: 'fail', says: '3; 2, 1' });
  });
});

describe('lazy', () => {
  const absent = (publishers = 1, upstreamsOf = {}) =>
    new Timeline().api(2000, 's', { publishers, upstreamsOf }).step(2001, 'absence-observed');

  test('nothing, and then what a player causes, passes', () => {
    const timeline = absent().open(2100, 'edge-1').step(2200, 'control', { edges: 'edge-1' });
    assert.equal(judge('lazy', timeline).verdict, 'pass');
  });

  test('a pull before the player fails', () => {
    const timeline = new Timeline().open(500, 'edge-1').api(2000, 's', {}).step(2001, 'absence-observed');
    assert.equal(judge('lazy', timeline).verdict, 'fail');
  });

  test('a pull that only the API shows fails', () => {
    assert.equal(judge('lazy', absent(1, { 'edge-1': 1 })).verdict, 'fail');
  });

  test('without a publisher there was nothing to pull: inconclusive', () => {
    assert.equal(judge('lazy', absent(0)).verdict, 'inconclusive');
  });

  test('a pull that was seen fails, whatever the API says, or does not', () => {
    const pulled = new Timeline().open(500, 'edge-1');
    assert.equal(judge('lazy', pulled.step(2001, 'absence-observed')).verdict, 'fail');
    const told = new Timeline().open(500, 'edge-1').api(2000, 's', { publishers: 0 });
    assert.equal(judge('lazy', told.step(2001, 'absence-observed')).verdict, 'fail');
  });

  test('an API that was not read, and a control of no edge, tell nothing', () => {
    assert.equal(judge('lazy', new Timeline().step(2001, 'absence-observed')).verdict, 'inconclusive');
    assert.equal(judge('lazy', absent().step(2200, 'control', { edges: '' })).verdict, 'inconclusive');
  });

  test('taps that see no pull at all are blind: inconclusive', () => {
    const { verdict, says } = judge('lazy', absent().step(2200, 'control', { edges: 'edge-1' }));
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /edge-1/);
  });
});

describe('released', () => {
  const leaving = () =>
    new Timeline()
      .open(1, 'edge-1')
      .step(100, 'all-play', { stream: 's' })
      .step(200, 'first-leaves', { edge: 'edge-1' });
  const last = (timeline: Timeline) => timeline.step(1000, 'last-leaves', { edge: 'edge-1', player: 'p' });

  test('gone within two seconds passes', () => {
    assert.equal(judge('released', last(leaving()).close(2900, 'edge-1')).verdict, 'pass');
  });

  test('later fails', () => {
    const { verdict, says } = judge('released', last(leaving()).close(3001, 'edge-1'));
    assert.equal(verdict, 'fail');
    assert.match(says, /after 2001 ms/);
  });

  test('never fails', () => {
    assert.equal(
      judge('released', last(leaving()).missed(3000, 'every upstream connection closed')).verdict,
      'fail',
    );
  });

  test('at the first leaver fails', () => {
    assert.equal(judge('released', last(leaving().close(300, 'edge-1'))).verdict, 'fail');
  });

  test('the pull of another edge may end before', () => {
    const timeline = last(leaving().open(2, 'edge-2').close(300, 'edge-2')).close(1100, 'edge-1');
    assert.equal(judge('released', timeline).verdict, 'pass');
  });

  test('a pull that was never seen is inconclusive', () => {
    const timeline = new Timeline().step(100, 'all-play').step(1000, 'last-leaves', { edge: 'edge-1' });
    assert.equal(judge('released', timeline).verdict, 'inconclusive');
  });

  test('closed at the tap and open in the API is inconclusive', () => {
    const timeline = last(leaving())
      .close(1100, 'edge-1')
      .api(2000, 's', { upstreamsOf: { 'edge-1': 1 } });
    assert.equal(judge('released', timeline).verdict, 'inconclusive');
  });
});

describe('rejoin-race', () => {
  const join = () =>
    new Timeline()
      .step(0, 'edges', { edges: 'edge-1' })
      .open(1, 'edge-1')
      .step(1000, 'leave', { edge: 'edge-1', offset: 100 })
      .step(1100, 'join', { edge: 'edge-1', offset: 100, player: 'p-2' });
  /** The player comes at 1100 ms: of the frames from 28 on it gets so many. */
  const served = (timeline: Timeline, frames = 8) =>
    timeline
      .got('p-2', video({ from: 25, count: 3 + frames }))
      .step(1500, 'served', { edge: 'edge-1', offset: 100, player: 'p-2' });

  test('the same pull, or one after the other, passes', () => {
    assert.equal(judge('rejoin-race', served(join())).verdict, 'pass');
    assert.equal(
      judge('rejoin-race', served(join().close(1101, 'edge-1').open(1102, 'edge-1'))).verdict,
      'pass',
    );
  });

  test('a player who is said to be served has frames that were sent since it came', () => {
    assert.equal(judge('rejoin-race', served(join(), 7)).verdict, 'inconclusive');
    assert.equal(judge('rejoin-race', served(join(), 0)).verdict, 'inconclusive');
  });

  test('an overlap as short as a handover passes, a longer one fails', () => {
    const overlap = (ms: number) =>
      served(
        join()
          .open(1100, 'edge-1')
          .close(1100 + ms, 'edge-1'),
      );
    assert.equal(judge('rejoin-race', overlap(200)).verdict, 'pass');
    const { verdict, says } = judge('rejoin-race', overlap(201));
    assert.equal(verdict, 'fail');
    assert.match(says, /2 for 201 ms/);
  });

  test('two that stay until the end fail', () => {
    assert.equal(judge('rejoin-race', served(join().open(1100, 'edge-1'))).verdict, 'fail');
  });

  test('a player who is not served fails', () => {
    const timeline = join().close(1101, 'edge-1').missed(2700, 'p-2: a frame that was sent after it came');
    const { verdict, says } = judge('rejoin-race', timeline);
    assert.equal(verdict, 'fail');
    assert.match(says, /p-2, who came after 100 ms/);
  });

  test('a tap that saw nothing says nothing, and neither does a history without edges', () => {
    const joined = new Timeline().step(1100, 'join', { edge: 'edge-1', offset: 100, player: 'p-2' });
    assert.equal(judge('rejoin-race', served(joined)).verdict, 'inconclusive');
    const unseen = new Timeline()
      .step(0, 'edges', { edges: 'edge-1' })
      .step(1100, 'join', { edge: 'edge-1', offset: 100, player: 'p-2' });
    const { verdict, says } = judge('rejoin-race', served(unseen));
    assert.deepEqual([verdict, says], ['inconclusive', 'the tap saw none']);
  });

  test('one whose check ended because of another edge does not count', () => {
    const { history } = join().missed(2700, 'q-2: 8 further video frames');
    const rejoinRace = backToSource.find(({ id }) => id === 'back-to-source/rejoin-race')!;
    // The gate adds that the check did not get to its end.
    assert.deepEqual(
      rejoinRace.judge(history).map(({ verdict, actual }) => [verdict, actual]),
      [['pass', 'never two']],
    );
  });
});

describe('same-bytes', () => {
  const sent = [...headers, ...interleaved(80)];
  const copy = sent.slice(headers.length);
  const compare = (got: readonly MediaItem[]) =>
    judge(
      'same-bytes',
      new Timeline()
        .step(0, 'players', { players: 'p', publisher: 'publisher' })
        .sent('publisher', sent)
        .got('p', got),
    );

  function interleaved(count: number): MediaItem[] {
    const sound = audio({ count });
    return video({ count }).flatMap((frame, i) => [frame, sound[i]!]);
  }

  test('all from where it joined passes', () => {
    assert.equal(compare([...headers, ...copy.slice(30)]).verdict, 'pass');
  });

  test('each publisher has players of its own, and one spoilt copy is enough to fail', () => {
    const other = [...headers, ...video({ stream: 2, count: 80 }), ...audio({ from: 500, count: 80 })];
    const both = (got: readonly MediaItem[]) =>
      judge(
        'same-bytes',
        new Timeline()
          .step(0, 'players', { players: 'p', publisher: 'at-origin' })
          .step(0, 'players', { players: 'q', publisher: 'at-edge' })
          .sent('at-origin', sent)
          .sent('at-edge', other)
          .got('p', sent)
          .got('q', got),
      );
    assert.equal(both(other).verdict, 'pass');
    assert.equal(both(sent).verdict, 'fail');
    const { verdict, says } = both(other.slice(headers.length));
    assert.deepEqual([verdict, says], ['fail', 'none; none']);
  });

  test('a publisher whom the edge does not let in fails, where the origin lets in another', () => {
    const refused = (timeline: Timeline) =>
      judge('same-bytes', timeline.missed(3000, 'publisher-at-edge: NetStream.Publish.Start')).verdict;
    const atOrigin = new Timeline()
      .step(0, 'players', { players: 'p', publisher: 'publisher' })
      .sent('publisher', sent)
      .got('p', sent);
    assert.equal(refused(atOrigin), 'fail');
    assert.equal(refused(new Timeline()), 'inconclusive');
  });

  test('audio and video may be interleaved anew', () => {
    const kinds = (kind: string) => copy.filter((item) => item.kind === kind);
    assert.equal(compare([...headers, ...kinds('video'), ...kinds('audio')]).verdict, 'pass');
  });

  const spoilt: Record<string, (items: MediaItem[]) => MediaItem[]> = {
    'a frame missing': (items) => items.toSpliced(50, 1),
    'a frame twice': (items) => items.toSpliced(50, 0, items[50]!),
    'two frames changed places': (items) => items.toSpliced(50, 3, items[52]!, items[51]!, items[50]!),
    'a byte changed': (items) => items.with(50, { ...items[50]!, sum: 1 }),
    'a timestamp changed': (items) => items.with(50, { ...items[50]!, timestamp: 7 }),
    'a keyframe flag lost': (items) => items.with(50, { ...items[50]!, key: !items[50]!.key }),
    'audio that ends': (items) => items.filter(({ kind }, i) => kind !== 'audio' || i < 60),
    'no audio': (items) => items.filter(({ kind }) => kind !== 'audio'),
    'frames that were never sent': (items) => items.map((item) => ({ ...item, sum: 5 })),
    'more than was sent': (items) => [...items, { ...items.at(-2)!, timestamp: 80 * 40, sum: 80 }],
  };
  for (const [name, spoil] of Object.entries(spoilt)) {
    test(`${name} fails`, () => assert.equal(compare([...headers, ...spoil(copy)]).verdict, 'fail'));
  }

  test('a sequence header missing or changed fails', () => {
    assert.equal(compare([headers[0]!, headers[1]!, ...copy]).verdict, 'fail');
    assert.equal(compare([headers[0]!, headers[1]!, { ...headers[2]!, sum: 1 }, ...copy]).verdict, 'fail');
  });

  test('other metadata pass: servers add to it', () => {
    assert.equal(compare([{ ...headers[0]!, sum: 1 }, ...headers.slice(1), ...copy]).verdict, 'pass');
  });

  test('nothing of what was sent long ago fails, and so does an end in the middle', () => {
    const long = [...headers, ...interleaved(150)];
    const until = (frames: number) =>
      judge(
        'same-bytes',
        new Timeline()
          .step(0, 'players', { players: 'p', publisher: 'publisher' })
          .sent('publisher', long)
          .got('p', long.slice(0, headers.length + 2 * frames)),
      );
    assert.equal(until(150).verdict, 'pass');
    assert.equal(until(0).verdict, 'fail');
    const { verdict, says } = until(100);
    assert.equal(verdict, 'fail');
    assert.match(says, /nothing after video frame 99/);
  });

  test('no video at all, or too little, is inconclusive', () => {
    assert.equal(compare([...headers]).verdict, 'inconclusive');
    assert.equal(compare([...headers, ...copy.slice(0, 100)]).verdict, 'inconclusive');
  });
});
