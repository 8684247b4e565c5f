import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fanOut } from '../../../scenarios/conformance/fan-out.ts';
import type { MediaItem } from '../../../scenarios/history.ts';
import { audio, headers, judgeWith, Timeline, video } from './timeline.ts';

function judge(id: string, timeline: Timeline): { verdict: string; says: string } {
  return judgeWith(fanOut, `fan-out/${id}`, timeline);
}

test('no check passes a history in which nothing was seen', () => {
  for (const { id, judge: judgeOf } of fanOut) {
    const verdicts = judgeOf(new Timeline().history).map(({ verdict }) => verdict);
    assert.ok(verdicts.length > 0 && !verdicts.includes('pass'), id);
  }
});

describe('every-player-every-frame', () => {
  const crowd = (figures: Parameters<Timeline['crowd']>[2], sent = 60) =>
    judge(
      'every-player-every-frame',
      new Timeline()
        .sent('publisher', video({ count: sent }))
        .crowd(9000, 'crowd', figures)
        .step(9001, 'after', { players: 'late' })
        .got('late', video({ count: 1 })),
    );
  const after = (late: (timeline: Timeline) => Timeline) =>
    judge(
      'every-player-every-frame',
      late(
        new Timeline()
          .sent('publisher', video({ count: 60 }))
          .crowd(9000, 'crowd', {})
          .step(9001, 'after', { players: 'late' }),
      ),
    ).verdict;

  test('all there passes', () => assert.equal(crowd({}).verdict, 'pass'));

  for (const flaw of ['missing', 'duplicated', 'reordered', 'corrupt', 'unstamped', 'dropped'] as const) {
    test(`one ${flaw} fails`, () => {
      const { verdict, says } = crowd({ [flaw]: 1 });
      assert.equal(verdict, 'fail');
      assert.match(says, new RegExp(`${flaw}: 1|1 ${flaw}`));
    });
  }

  test('one who does not join fails', () => assert.equal(crowd({ joined: 9, failed: 1 }).verdict, 'fail'));
  test('one who gets fewer frames fails', () => assert.equal(crowd({ framesOfWorst: 59 }).verdict, 'fail'));
  test('no frame of all that were sent fails: SRS 7.0.18 can lose a publisher (ossrs/srs#4656)', () =>
    assert.equal(crowd({ frames: 0, joined: 0, framesOfWorst: 0 }).verdict, 'fail'));
  test('nothing sent is inconclusive', () => assert.equal(crowd({ frames: 0 }, 0).verdict, 'inconclusive'));
  test('nobody who comes when the crowd has gone is inconclusive', () => {
    const timeline = new Timeline().sent('publisher', video({ count: 60 })).crowd(9000, 'crowd', {});
    const { verdict, says } = judge('every-player-every-frame', timeline);
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /did not get that far/);
  });
  test('who comes when the crowd has gone, and is refused or gets nothing, fails', () => {
    assert.equal(
      after((timeline) => timeline.lost(9100, 'late')),
      'fail',
    );
    assert.equal(
      after((timeline) => timeline.missed(9100, 'late: a video keyframe')),
      'fail',
    );
    assert.equal(
      after((timeline) => timeline),
      'inconclusive',
    );
  });
});

describe('first-frame-from-gop-cache', () => {
  /** The publisher is at frame 62 when the player joins; frames 25 and 50 are keyframes, 50 is still on its way. */
  const joinAt = 62 * 40;
  const joined = () =>
    new Timeline()
      .sent('publisher', video({ count: 70 }))
      .step(joinAt, 'join', { player: 'p', publisher: 'publisher' });
  const first = (item: MediaItem | undefined) =>
    judge('first-frame-from-gop-cache', joined().got('p', item ? [item] : []));
  const frame = (number: number) => video({ from: number, count: 1 })[0]!;

  test('the keyframe of the GOP under way passes, or of the one that is not yet here', () => {
    assert.equal(first(frame(50)).verdict, 'pass');
    assert.equal(first(frame(25)).verdict, 'pass');
  });
  test('an older GOP fails', () => assert.equal(first(frame(0)).verdict, 'fail'));
  test('a frame that is no keyframe fails', () => assert.equal(first(frame(62)).verdict, 'fail'));
  test('the next keyframe fails: the player waited for it', () => {
    const { verdict, says } = first(frame(75));
    assert.equal(verdict, 'fail');
    assert.match(says, /sent 520 ms after/);
  });
  test('nothing at all fails where it was waited for', () => {
    assert.equal(first(undefined).verdict, 'inconclusive');
    const waited = joined().missed(9000, 'p: 1 further video frames');
    assert.equal(judge('first-frame-from-gop-cache', waited).verdict, 'fail');
  });
});

describe('headers-first', () => {
  const [metadata, sound, picture] = headers as [MediaItem, MediaItem, MediaItem];
  const key = video({ count: 1 })[0]!;
  const noise = audio({ count: 1 })[0]!;
  const access: MediaItem = { ...metadata, kind: 'script' };
  const begins = (...items: MediaItem[]) =>
    judge(
      'headers-first',
      new Timeline()
        .step(0, 'players', { players: 'p', publisher: 'publisher' })
        .sent('publisher', [...headers, ...video({ count: 2 })])
        .got('p', items),
    ).verdict;

  test('metadata, both headers, keyframe pass', () => {
    assert.equal(begins(metadata, sound, picture, key), 'pass');
    assert.equal(begins(metadata, picture, sound, key), 'pass');
  });
  test('|RtmpSampleAccess may come first', () =>
    assert.equal(begins(access, metadata, sound, picture, key), 'pass'));
  test('audio may come before the keyframe', () =>
    assert.equal(begins(metadata, sound, picture, noise, key), 'pass'));
  test('headers after frames fail', () => assert.equal(begins(metadata, key, sound, picture), 'fail'));
  test('no metadata fails', () => assert.equal(begins(sound, picture, key), 'fail'));
  test('metadata after the headers fail', () => assert.equal(begins(sound, picture, metadata, key), 'fail'));
  test('one header missing fails', () => assert.equal(begins(metadata, picture, key), 'fail'));
  test('another header fails', () =>
    assert.equal(begins(metadata, sound, { ...picture, sum: 0 }, key), 'fail'));
  test('a frame that is no keyframe fails', () => {
    assert.equal(begins(metadata, sound, picture, video({ from: 1, count: 1 })[0]!), 'fail');
    assert.equal(begins(metadata, sound, picture, noise, video({ from: 1, count: 1 })[0]!), 'fail');
  });
  test('headers and no frame are inconclusive', () =>
    assert.equal(begins(metadata, sound, picture), 'inconclusive'));
});

describe('spread', () => {
  const counted = (timeline: Timeline, protocol: string, served: Record<string, number>) => {
    timeline.crowd(1, protocol, {}).step(2, 'counting', { protocol, edges: 'edge-1 edge-2' });
    for (const [edge, clients] of Object.entries(served)) {
      timeline.api(3, 's', { clients, publishers: 0 }, edge);
    }
    return timeline.step(4, 'counted', { protocol });
  };
  const both = (served: Record<string, number>) => {
    const timeline = counted(new Timeline(), 'rtmp', { 'edge-1': 5, 'edge-2': 5 });
    const later = new Timeline();
    for (const event of timeline.history.events) later.history.append(event);
    later.crowd(11, 'flv', {}).step(12, 'counting', { protocol: 'flv', edges: 'edge-1 edge-2' });
    for (const [edge, clients] of Object.entries(served)) {
      later.api(13, 's', { clients, publishers: 0 }, edge);
    }
    return judge('spread', later.step(14, 'counted', { protocol: 'flv' }));
  };

  test('some on every edge passes', () => assert.equal(both({ 'edge-1': 9, 'edge-2': 1 }).verdict, 'pass'));
  test('an edge without a player fails', () => {
    const { verdict, says } = both({ 'edge-1': 10, 'edge-2': 0 });
    assert.equal(verdict, 'fail');
    assert.match(says, /edge-1: 10, edge-2: 0/);
  });
  test('players whom no edge knows are inconclusive', () =>
    assert.equal(both({ 'edge-1': 5, 'edge-2': 4 }).verdict, 'inconclusive'));
  test('what the edges say before or after the counting is not counted', () => {
    const timeline = new Timeline().api(0, 's', { clients: 7, publishers: 0 }, 'edge-3');
    for (const [i, protocol] of ['rtmp', 'flv'].entries()) {
      timeline
        .crowd(10 * i + 1, protocol, {})
        .step(10 * i + 2, 'counting', { protocol, edges: 'edge-1 edge-2' })
        .api(10 * i + 3, 's', { clients: 5, publishers: 0 }, 'edge-1')
        .api(10 * i + 3, 's', { clients: 5, publishers: 0 }, 'edge-2')
        .step(10 * i + 4, 'counted', { protocol })
        .api(10 * i + 5, 's', { clients: 0, publishers: 0 }, 'edge-1');
    }
    assert.deepEqual(judge('spread', timeline), { verdict: 'pass', says: '' });
  });
  test('a crowd of whom nobody got a frame is inconclusive', () => {
    const timeline = counted(new Timeline(), 'rtmp', { 'edge-1': 5, 'edge-2': 5 });
    timeline.step(12, 'counting', { protocol: 'flv', edges: 'edge-1 edge-2' });
    timeline.crowd(13, 'flv', { joined: 0, failed: 10 }).step(14, 'counted', { protocol: 'flv' });
    assert.deepEqual(judge('spread', timeline), { verdict: 'inconclusive', says: 'none got a frame' });
  });
  test('one protocol only is inconclusive', () => {
    const timeline = counted(new Timeline(), 'rtmp', { 'edge-1': 5, 'edge-2': 5 });
    assert.equal(judge('spread', timeline).verdict, 'inconclusive');
  });
});

describe('slow-reader', () => {
  const stalledAt = 40 * 40;
  const all = video({ count: 200 });
  const watch = (others: (timeline: Timeline) => void, slowReads = 0, served = true) => {
    const timeline = new Timeline()
      .step(0, 'before')
      .step(1, 'players', { others: 'p', slow: 'slow', publisher: 'publisher' })
      .step(stalledAt, 'stalled')
      .sent('publisher', all)
      .got('slow', video({ from: 40, count: slowReads }), 1000);
    if (served) timeline.history.append({ t: 2, type: 'client.state', client: 'slow', state: 'streaming' });
    others(timeline);
    return judge('slow-reader', timeline);
  };

  test('as before passes', () => assert.equal(watch((h) => h.got('p', all)).verdict, 'pass'));

  test('a little later passes, much later fails', () => {
    const late = (ms: number) =>
      watch((h) => h.got('p', all.slice(0, 100), 100).got('p', all.slice(100), 100 + ms));
    assert.equal(late(500).verdict, 'pass');
    assert.match(late(501).says, /601 ms/);
    assert.equal(late(501).verdict, 'fail');
  });

  test('a delay that may be our own is inconclusive', () => {
    const late = (lag: number) =>
      watch((h) => h.got('p', all.slice(0, 100)).got('p', all.slice(100), 700).generator(9000, lag)).verdict;
    assert.equal(late(249), 'fail');
    assert.equal(late(250), 'inconclusive');
  });

  test('no frame since then fails', () => {
    assert.equal(watch((h) => h.got('p', all.slice(0, 30))).verdict, 'fail');
  });

  test('a frame missing fails', () => {
    assert.equal(watch((h) => h.got('p', all.toSpliced(100, 1))).verdict, 'fail');
  });

  test('one who got no frame before proves nothing', () => {
    const { verdict, says } = watch((h) => h.got('p', all.slice(50)));
    assert.deepEqual([verdict, says], ['inconclusive', 'none was seen']);
  });

  test('a slow player who was never served does not read, and holds nobody up', () => {
    const { verdict, says } = watch((h) => h.got('p', all), 0, false);
    assert.deepEqual([verdict, says], ['inconclusive', 'it was not']);
  });

  test('a slow player who reads proves nothing', () => {
    assert.equal(watch((h) => h.got('p', all), 5).verdict, 'inconclusive');
  });
});

describe('late-join', () => {
  const joinAt = 87 * 40;
  const sent = [...headers, ...video({ count: 140 })];
  const join = (
    got: readonly MediaItem[],
    early: readonly MediaItem[] = sent,
    { lost, missed }: { lost?: string; missed?: string } = {},
  ) => {
    const timeline = new Timeline()
      .sent('publisher', sent)
      .step(joinAt, 'join', { player: 'late', publisher: 'publisher' })
      .step(joinAt, 'players', { early: 'early', late: 'late', publisher: 'publisher' })
      .got('early', early);
    for (const item of got) {
      // What is cached comes at once.
      const t = Math.max(joinAt + 50, item.timestamp + 100);
      timeline.history.append({ t, type: 'player.got', client: 'late', stream: 's', ...item });
    }
    if (lost !== undefined) timeline.lost(6000, lost);
    if (missed !== undefined) timeline.missed(6000, `${missed}: 30 further video frames`);
    return judge('late-join', timeline).verdict;
  };
  const since = (frame: number) => [...headers, ...video({ from: frame, count: 30 })];

  test('headers, the GOP under way and all that follows pass', () => assert.equal(join(since(75)), 'pass'));
  test('everything since the beginning fails', () => assert.equal(join(since(0)), 'fail'));
  test('a hole between cache and live fails', () => assert.equal(join(since(75).toSpliced(20, 2)), 'fail'));
  test('no headers fail', () => assert.equal(join(since(75).slice(3)), 'fail'));
  test('nothing fails: that is what the check is about', () => assert.equal(join([]), 'fail'));
  test('one who watched and got no picture proves nothing', () =>
    assert.equal(join(since(75), headers), 'inconclusive'));
  test('one who is sent away does not get every frame', () => {
    assert.equal(join(since(75), sent, { lost: 'early' }), 'fail');
    assert.equal(join(since(75), sent, { lost: 'late' }), 'fail');
  });
  test('one who watched gets no less of it than who comes', () => {
    const few = sent.slice(0, headers.length + 90);
    assert.equal(join(since(75), few), 'inconclusive');
    assert.equal(join(since(75), few, { missed: 'early' }), 'fail');
    assert.equal(join(since(75).slice(0, 20), sent, { missed: 'late' }), 'fail');
  });
  test('one frame, or only those of before, are not the stream', () => {
    assert.equal(join(since(75).slice(0, 5)), 'inconclusive');
    assert.equal(join(since(75), sent.slice(0, 80)), 'inconclusive');
  });
  test('one who watched and lost a frame fails', () => {
    assert.equal(join(since(75), sent.toSpliced(100, 1)), 'fail');
  });
});

describe('publisher-restart', () => {
  const gone = () => new Timeline().step(0, 'players', { players: 'p' }).step(10, 'gone');
  const back = () =>
    gone()
      .step(20, 'again')
      .step(30, 'published', { publisher: 'second' })
      .sent('first', video({ stream: 1, count: 10 }))
      .sent('second', video({ stream: 2, count: 40 }))
      .got('between', video({ stream: 2, count: 10 }));

  test('frames of the second publisher pass', () => {
    const timeline = back()
      .got('p', video({ stream: 1, count: 10 }))
      .got('p', video({ stream: 2, count: 10 }));
    assert.equal(judge('publisher-restart', timeline).verdict, 'pass');
  });

  test('one who came in between and got a frame of the first fails; nothing at all is inconclusive', () => {
    const between = (items: readonly MediaItem[]) =>
      judge(
        'publisher-restart',
        gone()
          .step(20, 'again')
          .step(30, 'published', { publisher: 'second' })
          .sent('second', video({ stream: 2, count: 40 }))
          .got('p', video({ stream: 2, count: 10 }))
          .got('between', items),
      ).verdict;
    assert.equal(between(video({ stream: 2, count: 1 })), 'pass');
    assert.equal(between([...video({ stream: 1, count: 1 }), ...video({ stream: 2, count: 10 })]), 'fail');
    assert.equal(between([]), 'inconclusive');
  });

  test('a publisher who is refused after the first left fails', () => {
    const refused = { what: 'a publisher', code: 'eof', expected: 'Publish.Start', actual: 'the end' };
    assert.equal(judge('publisher-restart', back().step(25, 'wire.failed', refused)).verdict, 'fail');
  });

  test('frames of the first only fail', () => {
    const timeline = back()
      .got('p', video({ stream: 1, count: 40 }))
      .missed(9000, 'p: 10 frames');
    assert.equal(judge('publisher-restart', timeline).verdict, 'fail');
  });

  test('a player who was thrown out fails, though it had seen enough', () => {
    const timeline = back()
      .got('p', video({ stream: 2, count: 10 }))
      .lost(50, 'p');
    assert.equal(judge('publisher-restart', timeline).verdict, 'fail');
  });

  test('a player whom the check closed did not leave', () => {
    const timeline = back()
      .got('p', video({ stream: 2, count: 10 }))
      .lost(50, 'p', 'local');
    assert.equal(judge('publisher-restart', timeline).verdict, 'pass');
  });

  test('a stream that stays busy fails', () => {
    assert.equal(judge('publisher-restart', gone().missed(2000, 'API of origin')).verdict, 'fail');
    const refused = gone().step(20, 'again').lost(30, 'second').missed(30, 'second: Publish.Start');
    const { verdict, says } = judge('publisher-restart', refused);
    assert.equal(verdict, 'fail');
    assert.match(says, /eof\.streaming/);
    const unanswered = gone().step(20, 'again').missed(5020, 'second: Publish.Start');
    assert.deepEqual(judge('publisher-restart', unanswered), { verdict: 'fail', says: 'no Publish.Start' });
  });

  test('a stream of which nobody saw whether it is free, or can be published again, proves nothing', () => {
    assert.equal(judge('publisher-restart', gone()).verdict, 'inconclusive');
    // Who comes while nobody publishes may be turned away.
    const away = gone().lost(15, 'between').missed(4800, 'between: served');
    assert.equal(judge('publisher-restart', away).verdict, 'inconclusive');
    assert.equal(judge('publisher-restart', gone().step(20, 'again')).verdict, 'inconclusive');
  });

  test('another player’s trouble is not this one’s', () => {
    assert.equal(judge('publisher-restart', back().missed(9000, 'q: 10 frames')).verdict, 'inconclusive');
  });
});
