import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientGone, httpTs, spread, sticky } from '../../../scenarios/conformance/proxy-streams.ts';
import type { MediaItem } from '../../../scenarios/history.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

const CHECKS = [sticky, httpTs, spread, clientGone];
const verdict = (slug: string, timeline: Timeline) => judgeWith(CHECKS, `proxy/${slug}`, timeline).verdict;

test('nothing seen is not a pass', () => {
  for (const { id } of CHECKS)
    assert.equal(judgeWith(CHECKS, id, new Timeline()).verdict, 'inconclusive', id);
});

describe('sticky', () => {
  const published = { a: video({ stream: 1, count: 60 }), b: video({ stream: 2, count: 60 }) };
  interface Course {
    /** What players got, by label, where it is not a second of their stream. */
    readonly got?: Readonly<Record<string, readonly MediaItem[]>>;
    /** Clients and publishers of stream a at its origin and at the other. */
    readonly a?: readonly [readonly [number, number], readonly [number, number]];
    readonly publishes?: boolean;
    readonly readings?: boolean;
  }
  const course = ({
    got = {},
    a = [
      [4, 1],
      [0, 0],
    ],
    publishes = true,
    readings = true,
  }: Course = {}) => {
    const timeline = new Timeline().step(0, 'sticky.playing', { streams: 'a b' });
    for (const [stream, media] of Object.entries(published)) {
      if (publishes) timeline.sent(`to-${stream}`, media);
      for (const protocol of ['rtmp', 'flv', 'hls']) {
        const label = `${protocol}-${stream}`;
        timeline.got(label, got[label] ?? media.slice(25, 50));
      }
      if (!readings) continue;
      const told =
        stream === 'a'
          ? a
          : ([
              [0, 0],
              [4, 1],
            ] as const);
      for (const [i, [clients, publishers]] of told.entries())
        timeline.api(3000, stream, { clients, publishers }, `origin-${i + 1}`);
    }
    return timeline;
  };
  const of = (request?: Course) => verdict('sticky', course(request));

  test('every protocol gets its stream, at one origin', () => assert.equal(of(), 'pass'));
  test('a player gets nothing, too little, or another stream', () => {
    assert.equal(of({ got: { 'flv-a': [] } }), 'fail');
    assert.equal(of({ got: { 'hls-b': published.b.slice(0, 24) } }), 'fail');
    assert.equal(of({ got: { 'rtmp-a': published.b.slice(25, 50) } }), 'fail');
  });
  test('clients at two origins, at none, or without the publisher', () => {
    assert.equal(
      of({
        a: [
          [3, 1],
          [1, 0],
        ],
      }),
      'fail',
    );
    assert.equal(
      of({
        a: [
          [0, 0],
          [0, 0],
        ],
      }),
      'fail',
    );
    assert.equal(
      of({
        a: [
          [4, 0],
          [0, 0],
        ],
      }),
      'fail',
    );
  });
  test('without what was published, or without readings, nothing is known', () => {
    assert.equal(of({ publishes: false }), 'inconclusive');
    assert.equal(of({ readings: false }), 'inconclusive');
  });
  test('an origin that was asked for one stream only says nothing of the other', () => {
    const { history } = course();
    const timeline = new Timeline();
    for (const event of history.events) {
      const unasked = event.type === 'api.stream' && event.stream === 'a' && event.node === 'origin-2';
      if (!unasked) timeline.history.append(event);
    }
    assert.equal(verdict('sticky', timeline), 'inconclusive');
  });
  test('a stream of which no origin told yet may be at one that was not asked', () => {
    const told = (origins: string, ...nodes: string[]) => {
      const timeline = new Timeline().step(0, 'sticky.playing', { streams: 'a', origins });
      timeline.sent('to-a', published.a);
      for (const protocol of ['rtmp', 'flv', 'hls']) timeline.got(`${protocol}-a`, published.a.slice(25, 50));
      for (const node of nodes) timeline.api(3000, 'a', { clients: 0, publishers: 0 }, node);
      return verdict('sticky', timeline);
    };
    assert.equal(told('origin-1 origin-2', 'origin-1'), 'inconclusive');
    assert.equal(told('origin-1 origin-2', 'origin-1', 'origin-2'), 'fail');
  });
});

describe('http-ts', () => {
  const media = video({ stream: 1, count: 60 });
  const of = (got: readonly MediaItem[], sent: readonly MediaItem[] = media) =>
    verdict(
      'http-ts',
      new Timeline().step(0, 'http-ts.playing', { streams: 's' }).sent('to-s', sent).got('ts-s', got),
    );

  test('a GOP, each access unit once', () => assert.equal(of(media.slice(25, 51)), 'pass'));
  test('nothing, too little, another stream', () => {
    assert.equal(of([]), 'fail');
    assert.equal(of(media.slice(25, 49)), 'fail');
    assert.equal(of(video({ stream: 2, count: 30 })), 'fail');
  });
  test('an access unit that is lost, comes twice or late', () => {
    assert.equal(of(media.slice(0, 50).toSpliced(30, 1)), 'fail');
    assert.equal(of(media.slice(0, 50).toSpliced(30, 0, media[29]!)), 'fail');
    assert.equal(of(media.slice(0, 50).toSpliced(30, 2, media[31]!, media[30]!)), 'fail');
  });
  test('nothing published tells nothing', () => assert.equal(of(media, []), 'inconclusive'));
});

describe('spread', () => {
  const of = (published: number, ...[one, two, three]: [number, number, number]) =>
    verdict(
      'spread',
      new Timeline().step(0, 'spread.published', {
        published,
        'origin-1': one,
        'origin-2': two,
        'origin-3': three,
      }),
    );

  test('forty, some of them everywhere', () => assert.equal(of(40, 13, 26, 1), 'pass'));
  test('an origin has none, or not all were let in', () => {
    assert.equal(of(40, 0, 20, 20), 'fail');
    assert.equal(of(39, 13, 13, 13), 'fail');
  });
  test('origins that tell of another number tell nothing', () =>
    assert.equal(of(40, 13, 13, 13), 'inconclusive'));
});

describe('client-gone', () => {
  interface Course {
    readonly home?: string | null;
    /** Clients as the origin tells while all are there, and when players and publisher have left; null: not asked. */
    readonly there?: number;
    readonly players?: number | null;
    readonly publisher?: number | null;
    readonly again?: number;
    /** Whether it was waited for. Default where too little was sent. */
    readonly tried?: boolean;
  }
  const of = ({ again = 25, tried = again < 25, ...course }: Course = {}) => {
    const { home = 'origin-1', there = 3, players = 1, publisher = 0 } = course;
    const timeline = new Timeline().api(0, 's', { clients: there }, 'origin-1');
    timeline.step(1, 'gone.left', { home, who: 'players' });
    if (players !== null) timeline.api(10, 's', { clients: players }, 'origin-1');
    timeline.step(11, 'gone.left', { home, who: 'publisher' });
    if (publisher !== null) timeline.api(20, 's', { clients: publisher }, 'origin-1');
    // What other origins tell is of nobody here.
    timeline.api(21, 's', { clients: 5 }, 'origin-2');
    timeline.sent('again', video({ count: again }));
    if (tried) timeline.missed(3000, 'again: NetStream.Publish.Start');
    return verdict('client-gone', timeline);
  };

  test('freed twice, published again', () => assert.equal(of(), 'pass'));
  test('players or publisher kept, the stream still busy', () => {
    assert.equal(of({ players: 2 }), 'fail');
    assert.equal(of({ publisher: 1 }), 'fail');
    assert.equal(of({ again: 0 }), 'fail');
  });
  test('what its origin was not asked for, or never knew of, it has not let go', () => {
    assert.equal(of({ players: null }), 'inconclusive');
    assert.equal(of({ publisher: null }), 'inconclusive');
    assert.equal(of({ there: 1 }), 'inconclusive');
    assert.equal(of({ publisher: null, again: 0, tried: false }), 'inconclusive', 'and nobody came');
  });
  test('a stream that no origin tells of tells nothing', () =>
    assert.equal(of({ home: null, again: 0 }), 'inconclusive'));
});
