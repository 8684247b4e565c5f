import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ASTRAY_WITHIN_MS,
  COWORKER_WITHIN_MS,
  MOVED_WITHIN_MS,
  REDIRECTED_CLOSED_WITHIN_MS,
  REDIRECTED_PLAYING_WITHIN_MS,
} from '../../../scenarios/bounds.ts';
import { REDIRECT_CHECKS } from '../../../scenarios/conformance/redirect.ts';
import type { MediaItem, StepData } from '../../../scenarios/history.ts';
import { Script, verdictOf } from './histories.ts';
import { audio, judgeWith, Timeline, video } from './timeline.ts';

function judge(id: string, timeline: Timeline): { verdict: string; says: string } {
  return judgeWith(REDIRECT_CHECKS, `redirect/${id}`, timeline);
}

const verdict = (id: string, timeline: Timeline): string => judge(id, timeline).verdict;

const LOCATION = 'rtmp://127.1.0.3:1935/live/s';

/** What a server says, from the answer to play on. */
function said(fields: StepData): StepData {
  const none = { event: null, command: null, level: null, code: null, description: null };
  return { ...none, exCode: null, redirect: null, redirect2: null, ...fields };
}

const DIALOGUE: readonly StepData[] = [
  said({ type: 4, messageStreamId: 0, event: 'StreamBegin' }),
  said({ type: 20, messageStreamId: 1, command: 'onStatus', level: 'status', code: 'NetStream.Play.Reset' }),
  said({ type: 20, messageStreamId: 1, command: 'onStatus', level: 'status', code: 'NetStream.Play.Start' }),
  said({ type: 18, messageStreamId: 1 }),
];

function redirectTo(location: string, fields: StepData = {}): StepData {
  return said({
    type: 20,
    messageStreamId: 0,
    command: 'onStatus',
    level: 'error',
    code: 'NetConnection.Connect.Rejected',
    description: 'RTMP 302 Redirect',
    exCode: 302,
    redirect: location.slice(0, location.lastIndexOf('/')),
    redirect2: location,
    ...fields,
  });
}

interface Answer {
  readonly kind?: string;
  readonly afterMs?: number;
}

/** A play by hand, what it was told, and how it ended. */
function played(
  timeline: Timeline,
  name: string,
  told: readonly StepData[],
  { kind = '302', afterMs = 20 }: Answer = {},
): Timeline {
  timeline.step(1000, 'redirect.play', { name });
  for (const message of told) timeline.step(1010, 'redirect.message', { name, ...message });
  return timeline.step(1020, 'redirect.answer', { name, kind, afterMs, how: null });
}

const sentTo = (timeline: Timeline, name: string, location = LOCATION): Timeline =>
  played(timeline, name, [...DIALOGUE, redirectTo(location)]);
const ended = (timeline: Timeline, name: string, afterMs = 30): Timeline =>
  played(timeline, name, DIALOGUE, { kind: 'end', afterMs });

function appendAt(
  timeline: Timeline,
  type: 'sent' | 'got',
  client: string,
  from: number,
  items: readonly MediaItem[],
) {
  for (const item of items) {
    const t = from + item.timestamp;
    const kind = type === 'sent' ? 'publisher.sent' : 'player.got';
    timeline.history.append({ t, type: kind, client, stream: 's', ...item });
  }
  return timeline;
}

function redirected(timeline: Timeline, client: string, location = LOCATION): Timeline {
  timeline.history.append({ t: 1500, type: 'client.redirect', client, location });
  return timeline;
}

test('ids are of the area and unique, sources and mutants are named', () => {
  assert.equal(new Set(REDIRECT_CHECKS.map(({ id }) => id)).size, REDIRECT_CHECKS.length);
  for (const { id, spec, mutants, topologies } of REDIRECT_CHECKS) {
    assert.match(id, /^redirect\/[a-z-]+$/);
    assert.ok(spec.source && spec.where && spec.says && mutants.length > 0 && topologies.length > 0, id);
  }
});

test('no check passes a history in which nothing was seen', () => {
  for (const { id, judge: judgeOf } of REDIRECT_CHECKS) {
    assert.notEqual(verdictOf(judgeOf(new Script().history)).verdict, 'pass', id);
  }
});

test('a server that does not answer fails every check that plays by hand', () => {
  const data = { what: 'playing', code: 'wire.timeout', expected: 'an answer', actual: 'nothing of it' };
  for (const id of [
    'on-the-wire',
    'query-and-vhost',
    'slash-in-query',
    'nowhere',
    'only-players',
    'asks-in-order',
  ]) {
    assert.equal(verdict(id, new Timeline().step(1, 'wire.failed', data)), 'fail', id);
  }
});

describe('on-the-wire', () => {
  interface Course {
    readonly told?: readonly StepData[];
    readonly end?: StepData;
  }
  const course = ({
    told = [...DIALOGUE, redirectTo(LOCATION)],
    end = { how: 'fin', afterMs: 3000 },
  }: Course = {}) => {
    const timeline = new Timeline().step(900, 'wire.setting', {
      names: 'silent-a speaks-a',
      location: LOCATION,
    });
    played(timeline, 'silent-a', told);
    sentTo(timeline, 'speaks-a');
    timeline.step(2000, 'redirect.end', { name: 'speaks-a', how: 'fin', afterMs: 5 });
    return timeline.step(4500, 'redirect.end', { name: 'silent-a', ...end });
  };
  const wrong = (fields: StepData): string =>
    verdict('on-the-wire', course({ told: [...DIALOGUE, redirectTo(LOCATION, fields)] }));

  test('the whole dialogue, and the close, pass', () => {
    assert.equal(verdict('on-the-wire', course()), 'pass');
    assert.equal(verdict('on-the-wire', course({ end: { how: 'reset', afterMs: 2 } })), 'pass');
  });

  test('every field counts', () => {
    assert.equal(wrong({ exCode: 301 }), 'fail');
    assert.equal(wrong({ code: 'NetStream.Play.Failed' }), 'fail');
    assert.equal(wrong({ description: 'moved' }), 'fail');
    assert.equal(wrong({ redirect2: LOCATION.slice(0, -2) }), 'fail');
    assert.equal(wrong({ redirect: LOCATION }), 'fail');
    assert.equal(wrong({ redirect2: 'rtmp://127.1.0.1:1935/live/s' }), 'fail');
    assert.equal(wrong({ redirect: null, redirect2: null, exCode: null }), 'fail');
    assert.equal(wrong({ messageStreamId: 1 }), 'fail');
  });

  test('so do the order, and what is left out', () => {
    const redirect = redirectTo(LOCATION);
    for (const told of [
      [redirect],
      [...DIALOGUE.slice(0, 2), redirect],
      [...DIALOGUE.slice(1), redirect],
      [...DIALOGUE, DIALOGUE[2]!, redirect],
    ]) {
      assert.equal(verdict('on-the-wire', course({ told })), 'fail');
    }
    const more = course({ told: [...DIALOGUE, DIALOGUE[3]!, redirect] });
    assert.equal(verdict('on-the-wire', more), 'pass', 'a second data message');
    const none = course({ told: DIALOGUE });
    assert.equal(verdict('on-the-wire', none), 'fail');
  });

  test('who is kept open, or is closed late, fails', () => {
    const late = REDIRECTED_CLOSED_WITHIN_MS + 1;
    assert.equal(verdict('on-the-wire', course({ end: { how: 'open', afterMs: late } })), 'fail');
    assert.equal(verdict('on-the-wire', course({ end: { how: 'fin', afterMs: late } })), 'fail');
  });

  test('a play that did not come is no pass', () => {
    const half = new Timeline().step(900, 'wire.setting', { names: 'silent-a', location: LOCATION });
    assert.equal(verdict('on-the-wire', half), 'inconclusive');
    const setting = () => new Timeline().step(900, 'wire.setting', { names: 'silent-a', location: LOCATION });
    assert.equal(judge('on-the-wire', sentTo(setting(), 'silent-a')).says, 'there was no 302');
    const end = setting().step(2000, 'redirect.end', { name: 'silent-a', how: 'fin', afterMs: 5 });
    assert.deepEqual(judge('on-the-wire', end), { verdict: 'inconclusive', says: 'there was no such play' });
  });
});

test('query-and-vhost: redirect2 is compared as it is', () => {
  const course = (told: string) => {
    const timeline = new Timeline();
    for (const name of ['token', 'vhost-in-query', 'vhost-in-tcurl']) {
      timeline.step(900, 'query.setting', { name, location: `${LOCATION}?token=1&x=2` });
      sentTo(timeline, name, told);
    }
    return timeline;
  };
  assert.equal(verdict('query-and-vhost', course(`${LOCATION}?token=1&x=2`)), 'pass');
  for (const told of [LOCATION, `${LOCATION}?token=1`, `${LOCATION}?x=2&token=1`]) {
    assert.equal(verdict('query-and-vhost', course(told)), 'fail');
  }
  const slash = (told: string) =>
    sentTo(new Timeline().step(900, 'slash.setting', { location: `${LOCATION}?t=a/b` }), 'player', told);
  assert.equal(verdict('slash-in-query', slash(`${LOCATION}?t=a/b`)), 'pass');
  assert.equal(verdict('slash-in-query', slash(`${LOCATION}?t=a`)), 'fail');
});

test('nowhere: a prompt end, no 302, and nothing is left', () => {
  const setting = () => new Timeline().step(900, 'nowhere.setting', { names: 'a b' });
  const gone = (timeline: Timeline) =>
    timeline.api(3000, 's', { clients: 0 }, 'a').api(3000, 's', { clients: 0 }, 'b');
  assert.equal(verdict('nowhere', gone(ended(ended(setting(), 'a'), 'b'))), 'pass');
  assert.equal(verdict('nowhere', gone(sentTo(ended(setting(), 'a'), 'b'))), 'fail');
  assert.equal(verdict('nowhere', gone(ended(ended(setting(), 'a'), 'b', COWORKER_WITHIN_MS + 1))), 'fail');
  const silent = played(ended(setting(), 'a'), 'b', DIALOGUE, { kind: 'silence', afterMs: 3000 });
  assert.equal(verdict('nowhere', gone(silent)), 'fail');
  const kept = ended(ended(setting(), 'a'), 'b').api(2000, 's', { clients: 1 }, 'b');
  assert.equal(verdict('nowhere', kept), 'fail');
  assert.equal(verdict('nowhere', ended(ended(setting(), 'a'), 'b')), 'inconclusive');
  const unread = ended(ended(setting(), 'a'), 'b').step(3000, 'nowhere.gone');
  assert.equal(verdict('nowhere', unread), 'inconclusive', 'an API that was not read');
});

describe('only-players', () => {
  const exchange = (timeline: Timeline, url: string, status: number, location?: string) => {
    timeline.history.append({
      t: 2000,
      type: 'http.exchange',
      client: url,
      kind: 'other',
      method: 'GET',
      url,
      sentAt: 1000,
      headAt: null,
      firstByteAt: null,
      status,
      headers: location === undefined ? {} : { location },
      bytes: 0,
      error: null,
    });
    return timeline;
  };
  const course = (flv = 200, hls = 404) => {
    const timeline = new Timeline().step(900, 'only.setting', {
      location: LOCATION,
      http: 'http://h/live/s.flv http://h/live/s.m3u8',
    });
    exchange(sentTo(timeline, 'player'), 'http://h/live/s.flv', flv);
    return exchange(timeline, 'http://h/live/s.m3u8', hls);
  };
  const watched = (timeline: Timeline, frames = 25) => timeline.step(3000, 'only.watched', { frames });

  test('a publisher who stays, and HTTP players who are not sent anywhere, pass', () => {
    assert.equal(verdict('only-players', watched(course())), 'pass');
    assert.equal(verdict('only-players', watched(course(200, 200))), 'pass');
  });

  test('a redirect or an end of anybody else fails', () => {
    assert.equal(verdict('only-players', watched(course(302))), 'fail');
    assert.equal(verdict('only-players', watched(course(200, 307))), 'fail');
    assert.equal(verdict('only-players', watched(redirected(course(), 'second'))), 'fail');
    assert.equal(verdict('only-players', watched(course().lost(2500, 'second'))), 'fail');
    assert.equal(verdict('only-players', watched(course(), 0)), 'fail');
    assert.equal(verdict('only-players', course().missed(2500, 'second: NetStream.Publish.Start')), 'fail');
    assert.equal(verdict('only-players', course()), 'inconclusive');
  });

  test('an HTTP player who gets no answer shows nothing', () => {
    for (const none of [course(0), course(200, 0)]) {
      assert.deepEqual(judge('only-players', watched(none)), {
        verdict: 'inconclusive',
        says: 'it was not answered',
      });
    }
  });

  test('an HTTP player who did not ask shows nothing', () => {
    const setting = { location: LOCATION, http: 'http://h/live/s.flv' };
    const timeline = sentTo(new Timeline().step(900, 'only.setting', setting), 'player');
    assert.deepEqual(judge('only-players', watched(timeline)), {
      verdict: 'inconclusive',
      says: 'it was not asked for',
    });
  });

  test('where no player is redirected either, nothing is shown', () => {
    const timeline = new Timeline().step(900, 'only.setting', { location: LOCATION, http: '' });
    assert.equal(verdict('only-players', watched(ended(timeline, 'player'))), 'fail');
  });
});

describe('asks-in-order', () => {
  const course = (tapped: readonly [tap: string, stream: string, path?: string, method?: string][]) => {
    const timeline = new Timeline();
    for (const [stream, coworkers] of Object.entries({ here: '', there: 'b c' })) {
      timeline.step(900, 'order.setting', { asker: 'a', host: '127.1.0.1', stream, coworkers });
    }
    for (const [tap, stream, path = '/api/v1/clusters', method = 'POST'] of tapped) {
      const query = `vhost=__defaultVhost__&ip=127.1.0.1&app=live&stream=${stream}&coworker=127.1.0.9:1985`;
      const target = `${path}?${query}`;
      timeline.history.append({ t: 1000, type: 'tap.request', tap, from: 'a', method, path: target });
    }
    return sentTo(timeline, 'there').step(2000, 'order.asked', { location: LOCATION });
  };

  test('in order, up to who has it', () => {
    assert.equal(
      verdict(
        'asks-in-order',
        course([
          ['a>b', 'there'],
          ['a>c', 'there'],
        ]),
      ),
      'pass',
    );
  });

  test('another order, one too few, one too many, or one for what is here', () => {
    for (const tapped of [
      [
        ['a>c', 'there'],
        ['a>b', 'there'],
      ],
      [['a>b', 'there']],
      [
        ['a>b', 'there'],
        ['a>c', 'there'],
        ['a>c', 'there'],
      ],
      [
        ['a>b', 'there'],
        ['a>c', 'there'],
        ['a>b', 'here'],
      ],
      [
        ['a>b', 'there'],
        ['a>c', 'there', '/api/v1/clusters/other'],
      ],
      [
        ['a>b', 'there'],
        ['a>c', 'there', '/api/v1/clusters', 'GET'],
      ],
    ] as [string, string, string?, string?][][]) {
      assert.equal(verdict('asks-in-order', course(tapped)), 'fail', JSON.stringify(tapped));
    }
  });
});

test('cluster-api: each answer as it is expected', () => {
  const told = (actual: string, count = 6) => {
    const timeline = new Timeline();
    for (let i = 0; i < count; i++)
      timeline.step(1, 'cluster-api.told', { name: 'a', expected: '{"code":0}', actual });
    return timeline;
  };
  assert.equal(verdict('cluster-api', told('{"code":0}').step(2, 'cluster-api.done')), 'pass');
  assert.equal(verdict('cluster-api', told('{"code":1}').step(2, 'cluster-api.done')), 'fail');
  assert.equal(verdict('cluster-api', told('{"code":0}')), 'inconclusive');
  assert.equal(verdict('cluster-api', told('{"code":0}', 5).step(2, 'cluster-api.done')), 'inconclusive');
});

describe('who follows', () => {
  const FRAMES = video({ count: 100 });

  test('player-follows: one 302, to the right place, and every frame', () => {
    const course = (redirects: readonly string[], items = FRAMES) => {
      const timeline = new Timeline().step(900, 'player.setting', { location: LOCATION, publisher: 'p' });
      for (const location of redirects) redirected(timeline, 'player', location);
      return timeline.sent('p', FRAMES).got('player', items);
    };
    assert.equal(verdict('player-follows', course([LOCATION])), 'pass');
    assert.equal(verdict('player-follows', course([LOCATION, LOCATION])), 'fail');
    assert.equal(verdict('player-follows', course(['rtmp://127.1.0.1:1935/live/s'])), 'fail');
    assert.equal(verdict('player-follows', course([], []).missed(2000, 'player: a video keyframe')), 'fail');
    const gap = FRAMES.filter(({ stamp }) => stamp?.frame !== 30);
    assert.equal(verdict('player-follows', course([LOCATION], gap)), 'fail');
    assert.equal(verdict('player-follows', course([LOCATION], FRAMES.slice(0, 20))), 'inconclusive');
  });

  test('sound that was sent and does not come is missed', () => {
    const course = (items: readonly MediaItem[]) =>
      redirected(new Timeline().step(900, 'player.setting', { location: LOCATION, publisher: 'p' }), 'player')
        .sent('p', [...FRAMES, ...audio({ count: 100 })])
        .got('player', items);
    assert.equal(verdict('player-follows', course([...FRAMES, ...audio({ count: 100 })])), 'pass');
    assert.equal(verdict('player-follows', course(FRAMES)), 'fail');
  });

  interface Course {
    /** When the first frame comes. */
    readonly delay?: number;
    readonly items?: readonly MediaItem[];
    readonly pulls?: Readonly<Record<string, number>>;
    readonly counted?: boolean;
    readonly released?: boolean;
    /** Whether the holder was asked again when the viewers had left. Default true. */
    readonly reread?: boolean;
    /** The edge gives up while the stream is far away. */
    readonly impatient?: boolean;
  }
  const edges = ({
    delay = 500,
    items = FRAMES,
    pulls = { a: 0, c: 1 },
    counted = true,
    released = true,
    reread = true,
    impatient = false,
  }: Course = {}) => {
    const timeline = new Timeline()
      .step(0, 'edge.setting', { stream: 's', holder: 'c', edges: 1 })
      .step(1000, 'follow.joined', { player: 'v', publisher: 'p', impatient })
      .sent('p', FRAMES);
    appendAt(timeline, 'got', 'v', 1000 + delay, items);
    for (const [node, count] of Object.entries(pulls)) {
      const publishers = node === 'c' ? 1 : 0;
      timeline.api(9000, 's', { clients: count + publishers, publishers }, node);
    }
    if (counted) timeline.step(9100, 'edge.counted');
    return reread ? timeline.api(9200, 's', { clients: released ? 1 : 2 }, 'c') : timeline;
  };

  test('edge-follows: soon, whole, unnoticed, with one pull', () => {
    assert.equal(verdict('edge-follows', edges()), 'pass');
    assert.equal(verdict('edge-follows', edges({ delay: REDIRECTED_PLAYING_WITHIN_MS + 1 })), 'fail');
    assert.equal(verdict('edge-follows', edges({ items: FRAMES.filter((_, i) => i !== 40) })), 'fail');
    assert.equal(verdict('edge-follows', redirected(edges(), 'v')), 'fail');
    assert.equal(verdict('edge-follows', edges().lost(5000, 'v')), 'fail');
    assert.equal(verdict('edge-follows', edges({ pulls: { a: 1, c: 1 } })), 'fail');
    assert.equal(verdict('edge-follows', edges({ pulls: { a: 0, c: 2 } })), 'fail');
    assert.equal(verdict('edge-follows', edges({ pulls: { a: 0, c: 0 } })), 'fail');
    assert.equal(verdict('edge-follows', edges({ pulls: {} })), 'inconclusive', 'no origin was read');
    assert.equal(verdict('edge-follows', edges({ released: false })), 'fail');
    const said = edges({ reread: false }).step(9200, 'edge.released');
    assert.equal(verdict('edge-follows', said), 'inconclusive', 'what was not read is not released');
    const late = edges({ delay: REDIRECTED_PLAYING_WITHIN_MS + 1 }).generator(9999, 5000);
    assert.equal(verdict('edge-follows', late), 'inconclusive');
    const none = edges({ items: [] }).missed(5000, 'v: a video keyframe');
    assert.equal(verdict('edge-follows', none), 'fail');
    assert.equal(verdict('edge-follows', edges({ items: [] })), 'inconclusive');
    assert.deepEqual(judge('edge-follows', edges({ counted: false })), {
      verdict: 'inconclusive',
      says: 'the viewers did not all play',
    });
  });

  test('edge-follows: it begins with a keyframe', () => {
    const late = { delay: REDIRECTED_PLAYING_WITHIN_MS - 500, items: FRAMES.slice(1) };
    assert.match(judge('edge-follows', edges(late)).says, /^after \d+ ms$/);
  });

  test('edge-follows: an edge that gives up is not blamed for what held us up', () => {
    const course = (impatient: boolean) =>
      edges({ items: [], impatient }).missed(5000, 'v: a video keyframe').generator(9999, 1e6);
    assert.equal(verdict('edge-follows', course(false)), 'fail');
    assert.equal(verdict('edge-follows', course(true)), 'inconclusive');
  });

  test('edge-follows: what other streams and later readings have is not counted', () => {
    const busy = edges()
      .api(9000, 'other', { clients: 9, publishers: 1 }, 'c')
      .api(9400, 's', { clients: 1 }, 'c');
    assert.equal(verdict('edge-follows', busy), 'pass');
  });

  test('across-regions: the same, of streams that are not all at one origin', () => {
    const course = (holders: string) =>
      appendAt(
        new Timeline()
          .step(0, 'regions.setting', { holders, origins: 3 })
          .step(1000, 'follow.joined', { player: 'v', publisher: 'p' })
          .sent('p', FRAMES),
        'got',
        'v',
        1500,
        FRAMES,
      );
    assert.equal(verdict('across-regions', course('a b c')), 'pass');
    assert.equal(verdict('across-regions', course('a a a')), 'inconclusive');
    const unwatched = new Timeline().step(0, 'regions.setting', { holders: 'a b c', origins: 3 });
    assert.equal(verdict('across-regions', unwatched), 'inconclusive');
    assert.equal(verdict('across-regions', redirected(course('a b c'), 'v')), 'fail');
  });

  test('query-through-edge: query and virtual host, wherever the edge puts that', () => {
    const course = (stream: string, tcUrl = 'rtmp://shop.example:1935/live', app = 'live') =>
      new Timeline()
        .step(0, 'query.setting', { stream: 's' })
        .step(100, 'stand-in.played', { app, tcUrl, stream });
    assert.equal(verdict('query-through-edge', course('s?token=a-b.c&x=1')), 'pass');
    const inQuery = course('s?x=1&vhost=shop.example&token=a-b.c', 'rtmp://127.1.0.2/live');
    assert.equal(verdict('query-through-edge', inQuery), 'pass');
    assert.equal(verdict('query-through-edge', course('s')), 'fail');
    assert.equal(verdict('query-through-edge', course('s?token=a-b.c')), 'fail');
    assert.equal(verdict('query-through-edge', course('t?token=a-b.c&x=1')), 'fail');
    assert.equal(verdict('query-through-edge', course('s?token=a-b.c&x=1', 'rtmp://127.1.0.2/live')), 'fail');
    assert.equal(verdict('query-through-edge', course('s?token=a-b.c&x=1', undefined, 'other')), 'fail');
    const away = new Timeline().step(0, 'query.setting', { stream: 's' });
    assert.equal(verdict('query-through-edge', away), 'inconclusive');
    assert.equal(verdict('query-through-edge', away.missed(9, 'player: the edge')), 'fail');
  });

  test('query-through-edge and loops-bounded: an edge that gave up is not blamed for what held us up', () => {
    const courses = { 'query-through-edge': 'query.setting', 'loops-bounded': 'loop.setting' };
    for (const [id, setting] of Object.entries(courses)) {
      const course = (impatient: boolean, heldUpMs: number) =>
        new Timeline()
          .step(0, setting, { stream: 's', impatient })
          .missed(2300, 'player: the edge')
          .missed(2300, 'viewer: the edge')
          .generator(2301, heldUpMs);
      assert.equal(verdict(id, course(true, 950)), 'inconclusive', id);
      assert.equal(verdict(id, course(true, 499)), 'fail', id);
      assert.equal(verdict(id, course(false, 950)), 'fail', id);
    }
  });
});

describe('hung-coworker', () => {
  interface Course {
    readonly first?: number;
    readonly published?: number;
    readonly there?: Answer & { readonly location?: string };
    readonly seeker?: Answer & { readonly location?: string };
    readonly held?: boolean;
  }
  const course = ({ first = 200, published = 100, there = {}, seeker = {}, held = true }: Course = {}) => {
    const timeline = new Timeline().step(0, 'node.asked', { node: 'b' });
    if (!held) timeline.step(2, 'node.answered', { node: 'b', status: 200, error: null });
    timeline
      .step(0, 'hung.setting', { boundMs: 3500, others: true, location: LOCATION })
      .step(1000, 'hung.joined', { player: 'v' });
    appendAt(timeline, 'got', 'v', 1000 + first, video({ count: 5 }));
    timeline.step(2000, 'hung.publishing').step(2000 + published, 'hung.published');
    played(timeline, 'there', [...DIALOGUE, redirectTo(there.location ?? LOCATION)], {
      afterMs: 2100,
      ...there,
    });
    for (let i = 1; i <= 20; i++) {
      const told = i === 20 && seeker.location ? [...DIALOGUE, redirectTo(seeker.location)] : DIALOGUE;
      played(timeline, `seeker-${i}`, told, { kind: 'end', afterMs: 2100, ...(i === 20 ? seeker : {}) });
    }
    return timeline;
  };

  test('nobody is held whose stream is here; the next coworker is asked in time', () => {
    assert.equal(verdict('hung-coworker', course()), 'pass');
    assert.equal(verdict('hung-coworker', course({ first: 1001 })), 'fail');
    assert.equal(verdict('hung-coworker', course({ published: 1001 })), 'fail');
    assert.equal(verdict('hung-coworker', course({ there: { afterMs: 3501 } })), 'fail');
    assert.equal(verdict('hung-coworker', course({ there: { location: 'rtmp://x/live/s' } })), 'fail');
    assert.equal(verdict('hung-coworker', course({ seeker: { afterMs: 3501 } })), 'fail');
    assert.equal(verdict('hung-coworker', course({ seeker: { kind: 'silence' } })), 'fail');
    assert.equal(verdict('hung-coworker', course({ seeker: { location: LOCATION } })), 'fail');
    assert.equal(verdict('hung-coworker', course({ first: 1001 }).generator(9000, 700)), 'inconclusive');
  });

  test('where no player waits for the coworker, nobody could have been held', () => {
    const answered = { kind: 'end', afterMs: 30 };
    const timeline = course({ there: { afterMs: 30 } });
    const history = new Timeline();
    for (const event of timeline.history.events) {
      const quick = event.type === 'step' && String(event.data.name).startsWith('seeker-');
      const data = quick && event.step === 'redirect.answer' ? { ...event.data, ...answered } : undefined;
      history.history.append(data && event.type === 'step' ? { ...event, data } : event);
    }
    const { verdict: of, says } = judge('hung-coworker', history);
    assert.deepEqual([of, says], ['inconclusive', 'none did when v played; none did when a publisher came']);
  });

  test('a node that answers nothing more is held', () => {
    const setting = { boundMs: 3500, others: false, location: LOCATION };
    const held = new Timeline()
      .step(0, 'node.asked', { node: 'b' })
      .step(0, 'hung.setting', setting)
      .missed(2000, 'API of a as expected for s');
    assert.equal(verdict('hung-coworker', held), 'fail');
  });

  test('a coworker that was not seen to hang held nobody', () => {
    const setting = { boundMs: 3500, others: false, location: LOCATION };
    const missed = (timeline: Timeline) =>
      judge('hung-coworker', timeline.step(0, 'hung.setting', setting).missed(2000, 'API of a as expected'));
    const asked = () => new Timeline().step(0, 'node.asked', { node: 'b' });
    const answered = asked().step(2, 'node.answered', { node: 'b', status: 200, error: null });
    assert.deepEqual(missed(answered), {
      verdict: 'inconclusive',
      says: 'it answered after 2 ms: HTTP status 200',
    });
    const refused = { node: 'b', status: 0, error: 'http.ECONNREFUSED' };
    assert.equal(missed(asked().step(2, 'node.answered', refused)).verdict, 'inconclusive');
    const late = { node: 'b', status: 0, error: 'http.timeout' };
    assert.equal(missed(asked().step(5000, 'node.answered', late)).verdict, 'fail');
    assert.equal(missed(new Timeline()).verdict, 'inconclusive', 'nobody asked it');
    assert.equal(verdict('hung-coworker', course({ held: false })), 'inconclusive');
    assert.equal(verdict('hung-coworker', course({ held: false, first: 1001 })), 'inconclusive');
    const thawed = course()
      .control(9000, 'b', 'thaw')
      .step(9001, 'node.answered', { node: 'b', status: 200 });
    assert.equal(verdict('hung-coworker', thawed), 'pass', 'it answers when it is let go');
  });

  test('nobody who comes shows nothing', () => {
    const timeline = new Timeline().step(0, 'node.asked', { node: 'b' }).step(0, 'hung.setting', {
      boundMs: 3500,
      others: true,
      location: LOCATION,
    });
    for (let i = 1; i <= 20; i++) ended(timeline, `seeker-${i}`);
    const { verdict: of, says } = judge('hung-coworker', timeline);
    assert.equal(of, 'inconclusive');
    assert.match(says, /^nobody came; none came; .*; it did not ask$/);
  });
});

test('dead-coworker: the next one is asked, at once where the host of the dead one refuses', () => {
  const setting = (boundMs = COWORKER_WITHIN_MS, met = 'ECONNREFUSED') =>
    new Timeline()
      .step(0, 'node.knocked', { node: 'b', met: 'open' })
      .control(0, 'b', 'kill')
      .step(0, 'node.knocked', { node: 'b', met })
      .step(0, 'dead.setting', { boundMs, location: LOCATION });
  const told = [...DIALOGUE, redirectTo(LOCATION)];
  assert.equal(verdict('dead-coworker', ended(sentTo(setting(), 'there'), 'nobodys')), 'pass');
  assert.equal(verdict('dead-coworker', ended(ended(setting(), 'there'), 'nobodys')), 'fail');
  const late = played(setting(), 'there', told, { afterMs: COWORKER_WITHIN_MS + 1 });
  assert.equal(verdict('dead-coworker', ended(late, 'nobodys')), 'fail');
  const silent = played(setting(31_500), 'there', told, { afterMs: COWORKER_WITHIN_MS + 1 });
  assert.equal(verdict('dead-coworker', ended(silent, 'nobodys')), 'pass');
  assert.equal(verdict('dead-coworker', sentTo(sentTo(setting(), 'there'), 'nobodys')), 'fail');
  const alive = new Timeline().step(0, 'dead.setting', { boundMs: COWORKER_WITHIN_MS, location: LOCATION });
  assert.equal(verdict('dead-coworker', ended(sentTo(alive, 'there'), 'nobodys')), 'inconclusive');
  const [open, gone] = [setting(COWORKER_WITHIN_MS, 'open'), setting(COWORKER_WITHIN_MS, 'EHOSTUNREACH')];
  assert.equal(verdict('dead-coworker', ended(sentTo(gone, 'there'), 'nobodys')), 'pass');
  assert.equal(
    verdict('dead-coworker', ended(sentTo(open, 'there'), 'nobodys')),
    'inconclusive',
    'it went on',
  );
  const back = setting().step(4000, 'node.knocked', { node: 'b', met: 'open' });
  assert.equal(
    verdict('dead-coworker', ended(sentTo(back, 'there'), 'nobodys')),
    'inconclusive',
    'it came back',
  );
});

test('malformed-coworker: every nonsense ends its player, and the witness goes on', () => {
  const names = (): string[] => {
    const { says } = judge('malformed-coworker', new Timeline().step(0, 'nonsense.setting'));
    return Array(says.split('there was no such play').length - 1).fill('');
  };
  assert.ok(names().length >= 15, 'each is judged');
  const sent = sentTo(new Timeline().step(0, 'nonsense.setting'), 'port 0', 'rtmp://127.0.0.1:0/live/s');
  assert.match(judge('malformed-coworker', sent).says, /sent to rtmp:\/\/127\.0\.0\.1:0/);
  const lost = new Timeline().step(0, 'nonsense.setting').lost(500, 'witness');
  assert.match(judge('malformed-coworker', lost).says, /its connection is lost/);
});

test('malformed-coworker: all of it, to the end', () => {
  const check = REDIRECT_CHECKS.find(({ id }) => id === 'redirect/malformed-coworker')!;
  const setting = () => new Timeline().step(0, 'nonsense.setting');
  const names = check
    .judge(setting().history)
    .flatMap(({ expected, actual }) =>
      actual === 'there was no such play' ? [expected.slice(0, expected.lastIndexOf(': its'))] : [],
    );
  const media = video({ count: 100 });
  const heard = (items: readonly MediaItem[] = media, asked = names.length) => {
    const timeline = names.reduce((course, name) => ended(course, name), setting());
    for (let i = 0; i < asked; i++) timeline.step(500, 'stand-in.asked', { path: '/api/v1/clusters' });
    return timeline.sent('witnessed', media).got('witness', items);
  };
  const all = () => heard();
  const whole = (timeline: Timeline) => verdict('malformed-coworker', timeline.step(9000, 'nonsense.done'));
  assert.deepEqual(judge('malformed-coworker', all().step(9000, 'nonsense.done')), {
    verdict: 'pass',
    says: '',
  });
  assert.equal(whole(heard([])), 'inconclusive', 'a witness who saw nothing');
  assert.equal(whole(heard(media.toSpliced(50, 1))), 'fail', 'a witness who lost a frame');
  assert.equal(whole(heard(media, names.length - 1)), 'inconclusive', 'a coworker that was not asked');
  assert.equal(verdict('malformed-coworker', all()), 'inconclusive');
  assert.equal(verdict('malformed-coworker', all().missed(8000, 'witness: 25 frames')), 'fail');
  const done = all().step(9000, 'nonsense.done').lost(9100, 'witness');
  assert.equal(verdict('malformed-coworker', done), 'fail');
});

test('not-to-itself: a prompt end', () => {
  const unasked = () => new Timeline().step(0, 'itself.setting');
  const setting = () => unasked().step(1, 'stand-in.asked', { path: '/api/v1/clusters' });
  assert.equal(verdict('not-to-itself', ended(setting(), 'player')), 'pass');
  assert.equal(verdict('not-to-itself', sentTo(setting(), 'player')), 'fail');
  assert.equal(verdict('not-to-itself', ended(unasked(), 'player')), 'inconclusive');
});

test('loops-bounded: a few in a row, and the viewer stays', () => {
  const course = (circles: number, watched = true) => {
    const timeline = new Timeline();
    timeline.history.append({ t: 0, type: 'client.state', client: 'viewer', state: 'streaming' });
    timeline.step(0, 'loop.begun');
    for (let i = 0; i < circles; i++) timeline.step(10 + i, 'stand-in.played', { stream: 's' });
    return watched ? timeline.step(3000, 'loop.watched', { circles }) : timeline;
  };
  assert.equal(verdict('loops-bounded', course(2)), 'pass');
  assert.equal(verdict('loops-bounded', course(3)), 'pass');
  assert.equal(verdict('loops-bounded', course(4)), 'fail');
  assert.equal(verdict('loops-bounded', course(400, false)), 'fail');
  assert.equal(verdict('loops-bounded', course(2, false)), 'inconclusive');
  assert.equal(verdict('loops-bounded', course(3, false)), 'inconclusive');
  assert.equal(verdict('loops-bounded', course(2).lost(2000, 'viewer')), 'fail');
  const noViewer = new Timeline().step(0, 'loop.begun').step(1, 'stand-in.played', { stream: 's' });
  assert.equal(verdict('loops-bounded', noViewer.step(9, 'loop.watched', { circles: 1 })), 'inconclusive');
  assert.equal(verdict('loops-bounded', new Timeline().missed(9, 'viewer: the edge follows')), 'fail');
});

describe('streams that are elsewhere now', () => {
  const old = video({ stream: 1, count: 25 });
  const anew = video({ stream: 2, count: 25 });

  test('stale-answer: found again on the same connection', () => {
    const course = (after: number, told = LOCATION, astray = true) => {
      const timeline = new Timeline();
      if (astray) timeline.step(900, 'stand-in.played', { stream: 's' });
      sentTo(timeline.step(1000, 'stale.over', { location: LOCATION }), 'anew', told);
      timeline.sent('publisher', anew);
      return appendAt(timeline, 'got', 'viewer', 1000 + after, anew);
    };
    assert.equal(verdict('stale-answer', course(8100)), 'pass');
    assert.equal(verdict('stale-answer', course(8100, LOCATION, false)), 'inconclusive');
    assert.equal(verdict('stale-answer', course(ASTRAY_WITHIN_MS + 1)), 'fail');
    assert.equal(verdict('stale-answer', course(8100, 'rtmp://127.1.0.2/live/s')), 'fail');
    assert.equal(verdict('stale-answer', course(8100).lost(9000, 'viewer')), 'fail');
    const none = sentTo(new Timeline().step(1000, 'stale.over', { location: LOCATION }), 'anew');
    assert.equal(verdict('stale-answer', none), 'inconclusive');
    assert.equal(verdict('stale-answer', none.missed(20_000, 'viewer: 10 frames of publisher')), 'fail');
  });

  interface Course {
    readonly after?: string;
    readonly told?: string;
    readonly seen?: number;
    /** Of the stream that is elsewhere now. */
    readonly frames?: number;
  }
  const course = ({
    after = 'rtmp://127.1.0.2/live/s',
    told = after,
    seen = 8100,
    frames = 25,
  }: Course = {}) => {
    const timeline = new Timeline().step(0, 'moved.setting', { before: LOCATION, after, players: 'v' });
    sentTo(timeline, 'before').sent('before', old).sent('after', anew);
    appendAt(timeline, 'got', 'v', 100, old).step(2000, 'moved.published');
    if (told !== '') sentTo(timeline, 'after', told);
    return appendAt(timeline, 'got', 'v', 2000 + seen, anew.slice(0, frames));
  };
  test('stream-moved: a stream that was not published again shows nothing', () => {
    const timeline = new Timeline().step(0, 'moved.setting', { before: LOCATION, after: '', players: 'v' });
    const { verdict: of, says } = judge('stream-moved', sentTo(timeline, 'before'));
    assert.equal(of, 'inconclusive');
    assert.match(says, /did not get that far/);
  });
  test('stream-moved: without viewers nobody has followed', () => {
    const timeline = new Timeline().step(0, 'moved.setting', { before: LOCATION, after: '', players: '' });
    assert.equal(
      verdict('stream-moved', sentTo(timeline, 'before').step(9, 'moved.published')),
      'inconclusive',
    );
  });
  for (const id of ['stream-moved', 'holder-dies']) {
    test(`${id}: asked anew each time, and viewers come after it`, () => {
      assert.equal(verdict(id, course()), 'pass');
      assert.equal(verdict(id, course({ after: '', told: '' })), 'pass');
      assert.equal(verdict(id, course({ told: LOCATION })), 'fail');
      assert.equal(verdict(id, course({ told: '' })), 'inconclusive');
      assert.equal(verdict(id, course({ seen: MOVED_WITHIN_MS + 1 })), 'fail');
      assert.equal(verdict(id, course().lost(4000, 'v')), 'fail');
      const few = () => course({ frames: 9 });
      assert.equal(verdict(id, few()), 'inconclusive', 'a frame is no stream');
      assert.equal(verdict(id, few().missed(20_000, 'v: 10 frames of after')), 'fail');
    });
  }

  test('published-meanwhile: played, and kept', () => {
    const published = () => new Timeline().step(0, 'meanwhile.published');
    const seen = (over: number) => published().step(over, 'meanwhile.over').got('player', anew);
    assert.equal(verdict('published-meanwhile', seen(50)), 'pass');
    assert.equal(verdict('published-meanwhile', published().step(5000, 'meanwhile.over')), 'inconclusive');
    assert.equal(verdict('published-meanwhile', seen(5000)), 'inconclusive', 'before the question is over');
    assert.equal(verdict('published-meanwhile', published().lost(2000, 'player')), 'fail');
    assert.equal(verdict('published-meanwhile', redirected(published(), 'player')), 'fail');
    assert.equal(verdict('published-meanwhile', published().missed(9, 'player: a video keyframe')), 'fail');
  });
});
