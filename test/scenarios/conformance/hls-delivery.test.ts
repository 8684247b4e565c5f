import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { writeMediaPlaylist } from '../../../protocols/hls/write.ts';
import { HLS_CHECKS } from '../../../scenarios/conformance/hls.ts';
import type { History, HistoryEvent } from '../../../scenarios/history.ts';
import { verdictOf } from './histories.ts';
import { exchange, playlistEvents } from './hls-story.ts';
import { Timeline, video } from './timeline.ts';

function judge(id: string, history: History): { verdict: string; says: string } {
  const check = HLS_CHECKS.find((one) => one.id === id);
  assert.ok(check, id);
  return verdictOf(check.judge(history));
}

function historyOf(events: readonly HistoryEvent[]): History {
  const { history } = new Timeline();
  for (const event of [...events].sort((a, b) => a.t - b.t)) history.append(event);
  return history;
}

const PLAYLIST = 'http://127.0.0.1/live/s.m3u8';
const SEGMENT = 'http://127.0.0.1/live/s-0.ts';
const step = (t: number, name: string, data = {}): HistoryEvent => ({ t, type: 'step', step: name, data });

describe('content-types-and-cors', () => {
  const id = 'hls/content-types-and-cors';
  const origin = 'http://player';
  const cors = {
    'access-control-allow-origin': '*',
    'access-control-allow-headers': '*',
  };

  interface Answers {
    playlistType?: string;
    segmentType?: string;
    cors?: Record<string, string>;
    preflight?: number;
    segment?: boolean;
  }

  function answers(changes: Answers = {}): { verdict: string; says: string } {
    return judge(id, historyOf(answerEvents(changes)));
  }

  function answerEvents(changes: Answers = {}): HistoryEvent[] {
    const { playlistType = 'application/vnd.apple.mpegurl', segmentType = 'video/MP2T' } = changes;
    const { preflight = 204, segment = true } = changes;
    const events: HistoryEvent[] = [];
    for (const url of segment ? [PLAYLIST, SEGMENT] : [PLAYLIST]) {
      const type = url === PLAYLIST ? playlistType : segmentType;
      events.push(exchange('web-plain', 1, url, { headers: { 'content-type': type } }));
      const headers = { 'content-type': type, ...(changes.cors ?? cors) };
      events.push(exchange('web-cors', 2, url, { headers }));
      events.push(
        exchange('web-preflight', 3, url, {
          method: 'OPTIONS',
          status: preflight,
          headers: changes.cors ?? cors,
        }),
      );
    }
    events.push(step(4, 'probed', { node: 'web', origin, headers: 'cmcd-request,range' }));
    return events;
  }

  test('as it should be, in any case and with parameters', () => {
    assert.deepEqual(answers(), { verdict: 'pass', says: '' });
    const other = { playlistType: 'Audio/MpegURL; charset=utf-8', segmentType: 'video/mp2t' };
    assert.equal(answers(other).verdict, 'pass');
  });

  test('other types', () => {
    assert.match(answers({ playlistType: 'text/plain' }).says, /playlist: text\/plain/);
    assert.match(answers({ segmentType: 'application/octet-stream' }).says, /segment: application/);
  });

  test('a playlist that a browser may keep', () => {
    const told = (value: string) => answers({ cors: { ...cors, 'cache-control': value } });
    assert.match(told('public, max-age=60').says, /^Cache-Control: public, max-age=60$/);
    for (const fine of ['no-cache', 'max-age=0', 'no-store, max-age=60', 'public']) {
      assert.equal(told(fine).verdict, 'pass', fine);
    }
  });

  test('a segment may be kept, and so may an answer that there is no playlist', () => {
    const kept = { 'cache-control': 'max-age=60', 'content-type': 'video/mp2t', ...cors };
    const events = [
      ...answerEvents().filter((event) => event.type !== 'http.exchange' || event.kind === 'playlist'),
      exchange('web-plain', 1, SEGMENT, { headers: kept }),
      exchange('web-cors', 2, SEGMENT, { headers: kept }),
      exchange('web-preflight', 3, SEGMENT, { method: 'OPTIONS', status: 204, headers: cors }),
    ];
    assert.deepEqual(judge(id, historyOf(events)), { verdict: 'pass', says: '' });
  });

  test('no segment to ask for proves nothing', () => {
    assert.equal(answers({ segment: false }).verdict, 'inconclusive');
  });

  test('CORS: absent, twice, for another, echoed', () => {
    const allowed = (value: string, more = {}) =>
      answers({ cors: { ...cors, 'access-control-allow-origin': value, ...more } });
    assert.match(answers({ cors: {} }).says, /no Access-Control-Allow-Origin/);
    assert.match(allowed('*, *').says, /Allow-Origin: \*, \*/);
    assert.equal(allowed('http://other').verdict, 'fail');
    assert.match(allowed(origin).says, /without Vary/);
    assert.equal(allowed(origin, { vary: 'Accept-Encoding, Origin' }).verdict, 'pass');
  });

  test('a preflight that is refused', () => {
    assert.match(answers({ preflight: 405 }).says, /405/);
    const only = { ...cors, 'access-control-allow-headers': 'Range' };
    assert.match(answers({ cors: only }).says, /cmcd-request not allowed/);
  });
});

/** Segments of a second: the playlist with the first ones up to `last`. */
function textTo(last: number, first = 0, name = 's'): string {
  return writeMediaPlaylist({
    targetDuration: 1,
    mediaSequence: first,
    segments: Array.from({ length: last - first + 1 }, (_, i) => ({
      uri: `${name}-${first + i}.ts`,
      duration: 1,
    })),
  });
}

describe('cache-freshness', () => {
  const id = 'hls/cache-freshness';

  function through(
    delayMs: number,
    changes: { absent?: boolean; firstAfterMs?: number; until?: number } = {},
  ) {
    const { absent = true, firstAfterMs = delayMs, until = 12_000 } = changes;
    const events = [step(1, 'published'), step(20_000, 'watched-to-end')];
    if (absent) events.push(exchange('cache', 500, PLAYLIST, { status: 404 }));
    for (let t = 2000; t < 12_000; t += 100) {
      const listed = (at: number) => Math.floor((at - 2000) / 1000);
      events.push(...playlistEvents('origin', t, textTo(listed(t))));
      if (t - delayMs >= 2000 && t - 2000 >= firstAfterMs && t < until) {
        events.push(...playlistEvents('cache', t, textTo(listed(t - delayMs)), t));
      }
    }
    return judge(id, historyOf(events));
  }

  test('as old as half a fragment', () => assert.deepEqual(through(500), { verdict: 'pass', says: '' }));
  test('older', () => assert.match(through(1500).says, /up to 1[45]00 ms/));
  test('a 404 that is kept', () => assert.match(through(0, { firstAfterMs: 5000 }).says, /5000 ms/));
  test('a cache that gives nothing any more gives nothing old, and is not known to be fresh', () => {
    const { verdict, says } = through(100, { until: 3000 });
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /since the last that the origin listed/);
  });
  test('nothing that could be kept proves nothing', () => {
    assert.equal(through(500, { absent: false }).verdict, 'inconclusive');
  });

  test('a cache that never has it', () => {
    const events = [
      step(1, 'published'),
      step(9000, 'watched-to-end'),
      ...playlistEvents('origin', 2000, textTo(0)),
    ];
    const { verdict, says } = judge(id, historyOf(events));
    assert.deepEqual([verdict, says], ['fail', 'none; no playlist came through the cache']);
  });

  test('an origin that never had it tells nothing', () => {
    const events = [step(1, 'published'), step(9000, 'watched-to-end')];
    const { verdict, says } = judge(id, historyOf([...events, ...playlistEvents('cache', 2000, textTo(0))]));
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /did not get that far/);
  });
});

describe('cache-fan-in', () => {
  const id = 'hls/cache-fan-in';

  interface Requests {
    /** That passed the cache. */
    segments?: number;
    playlists?: number;
    /** Of six players of a segment, by the cache's own word; undefined: it tells nothing. */
    misses?: number | undefined;
    /** For the playlist, of players. */
    asked?: number;
    /** Of its answers. */
    status?: number;
  }

  function fanIn(changes: Requests = {}) {
    const { segments, playlists, misses, asked, status } = {
      ...{ segments: 1, playlists: 20, misses: 1, asked: 100, status: 200, ...changes },
    };
    const passed = (t: number, path: string): HistoryEvent => {
      return { t, type: 'tap.request', tap: 'cache>origin', from: 'cache', method: 'GET', path };
    };
    const events = [step(20_000, 'watched-to-end')];
    for (let i = 0; i < asked; i++) events.push(exchange('cache', 1000 + i * 100, PLAYLIST, { status }));
    for (let i = 0; i < 6; i++) {
      const headers: Record<string, string> =
        misses === undefined ? {} : { 'x-cache-status': i < misses ? 'MISS' : 'HIT' };
      events.push(exchange(i === 0 ? 'cache' : 'cache-herd', 2000, SEGMENT, { headers }));
    }
    for (let i = 0; i < segments; i++) events.push(passed(2000, '/live/s-0.ts'));
    for (let i = 0; i < playlists; i++) events.push(passed(2000, '/live/s.m3u8'));
    return judge(id, historyOf(events));
  }

  test('one of each segment, and as many playlists as it has lives', () => {
    assert.deepEqual(fanIn(), { verdict: 'pass', says: '' });
  });
  test('a segment twice', () =>
    assert.match(fanIn({ segments: 2, misses: 2 }).says, /s-0.ts: 2 for 6 requests/));
  test('more playlists', () => assert.equal(fanIn({ playlists: 23 }).verdict, 'fail'));
  test('tap and cache that do not agree', () => {
    assert.match(fanIn({ misses: 3 }).says, /the cache tells of 3 misses/);
  });
  test('a tap that saw no segment at all', () => assert.equal(fanIn({ segments: 0 }).verdict, 'fail'));
  test('a cache that does not tell of misses is counted by the tap alone', () => {
    assert.equal(fanIn({ misses: undefined }).verdict, 'pass');
    assert.equal(fanIn({ misses: undefined, segments: 2 }).verdict, 'fail');
  });
  test('a cache that answers with errors passes few requests on, and tells nothing by it', () =>
    assert.equal(fanIn({ status: 502 }).verdict, 'inconclusive'));
  test('few requests, and a tap that saw no playlist, tell nothing', () => {
    assert.deepEqual(fanIn({ asked: 3 }), {
      verdict: 'inconclusive',
      says: 'too few requests to tell',
    });
    assert.deepEqual(fanIn({ playlists: 0 }), { verdict: 'inconclusive', says: 'the tap saw none' });
  });
});

describe('through-the-balancer', () => {
  const id = 'hls/through-the-balancer';

  interface Visit {
    readonly moves?: boolean;
    /** The edge of the playlist, and that of the segment. */
    readonly playlist: 'a' | 'b' | 404;
    readonly segment: 'a' | 'b' | 404;
  }

  /** Edge `b` began a GOP later: what it calls 3 is frame 100 on, of `a` it is frame 75 on. */
  function visits(all: readonly Visit[], shift = 25, nodes = 'a b'): { verdict: string; says: string } {
    return judge(id, visitsOf(all, shift, nodes));
  }

  function visitsOf(all: readonly Visit[], shift = 25, nodes = 'a b'): History {
    const events: HistoryEvent[] = [step(900, 'watched', { nodes })];
    const got = (client: string, t: number, sequence: number, from: number, status = 200) => {
      for (const item of video({ from, count: status === 200 ? 25 : 0 })) {
        events.push({ t, type: 'player.got', client, stream: '', ...item, segment: sequence });
      }
      const data = {
        client,
        sequence,
        uri: `s-${sequence}.ts`,
        duration: 1,
        status,
        broken: null,
        error: null,
      };
      events.push(step(t, 'segment', data));
    };
    const firstFrame = { a: 0, b: shift };
    const lists = { a: textTo(3), b: textTo(2) };
    for (const edge of ['a', 'b'] as const) {
      events.push(...playlistEvents(edge, 5000, lists[edge]));
      for (const sequence of [2, 3]) got(edge, 5010, sequence, sequence * 25 + firstFrame[edge]);
    }
    for (const [i, { moves = false, playlist, segment }] of all.entries()) {
      const client = `client-${i}`;
      const t = 5500 + i;
      events.push(step(t, 'visit', { client, moves }));
      if (playlist === 404) {
        events.push(exchange(client, t, PLAYLIST, { status: 404 }));
        continue;
      }
      events.push(...playlistEvents(client, t, lists[playlist]));
      const from = 50 + (segment === 404 ? 0 : firstFrame[segment]);
      got(client, t, 2, from, segment === 404 ? 404 : 200);
    }
    events.push(step(9000, 'visited'));
    return historyOf(events);
  }

  const steady: Visit = { playlist: 'a', segment: 'a' };
  const mover: Visit = { moves: true, playlist: 'b', segment: 'b' };

  test('each its own', () => assert.deepEqual(visits([steady, mover]), { verdict: 'pass', says: '' }));
  test('a segment of the other edge', () => {
    assert.match(
      visits([{ playlist: 'a', segment: 'b' }, mover]).says,
      /s-2.ts begins with frame 75 instead of 50/,
    );
  });
  test('one that the other edge does not have', () => {
    assert.match(
      visits([steady, { moves: true, playlist: 'a', segment: 404 }]).says,
      /s-2.ts of its playlist: 404/,
    );
  });
  test('movers alone lose: what ip_hash hides', () => {
    assert.equal(visits([steady, { ...mover, segment: 'a' }]).verdict, 'fail');
  });
  test('edges that cut alike prove nothing, and neither does one edge', () => {
    assert.equal(visits([steady, mover], 0).verdict, 'inconclusive');
    const alone = visits([steady, { ...steady, moves: true }], 25, 'a');
    assert.deepEqual([alone.verdict, alone.says], ['inconclusive', 'one edge']);
  });
  test('a playlist that is not there', () => {
    const { verdict, says } = visits([{ playlist: 404, segment: 404 }, mover]);
    assert.deepEqual([verdict, says], ['fail', 'client-0: no playlist (404)']);
  });
  test('those who move are told from those who stay', () => {
    const check = HLS_CHECKS.find((one) => one.id === id)!;
    const failed = (all: readonly Visit[]) =>
      check.judge(visitsOf(all)).flatMap(({ verdict, expected }) => (verdict === 'fail' ? [expected] : []));
    const lost = { ...mover, segment: 'a' } as const;
    assert.deepEqual(failed([steady, lost]), ['clients whose address changes do, too']);
    assert.deepEqual(failed([{ ...lost, moves: false }, mover]), [
      'clients that keep their address get the segments of their playlist',
    ]);
    const counted = check.judge(visitsOf([steady, steady, mover])).map(({ actual }) => actual);
    assert.deepEqual(counted.slice(1), ['2 clients', '1 clients']);
  });
});
