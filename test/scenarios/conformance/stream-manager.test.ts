import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DUPLICATE_PULL } from '../../../scenarios/conformance/duplicate-pull.ts';
import { MANAGER_CHECKS } from '../../../scenarios/conformance/stream-manager.ts';
import { placeOf } from '../../../scenarios/conformance/stream-manager-questions.ts';
import { asked } from './proxy-story.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

const [A, B, NOWHERE] = ['10.0.0.1:1935', '10.0.0.2:1935', 'nowhere'];

function judge(id: string, timeline: Timeline) {
  return judgeWith(MANAGER_CHECKS, `stream-manager/${id}`, timeline);
}

function answers(timeline: Timeline, t: number, about: string, ...places: string[]): Timeline {
  places.forEach((place, i) => {
    timeline.step(t + i, 'manager.answer', { about, place });
  });
  return timeline;
}

function redirect(timeline: Timeline, t: number, client: string, to: string): Timeline {
  timeline.history.append({ t, type: 'client.redirect', client, location: `rtmp://${to}/live/s` });
  return timeline;
}

const script = { kind: 'script', timestamp: 0, size: 24, sum: 7, key: false, stamp: null } as const;

test('an answer is read as an SRS origin reads it', () => {
  const answer = (origin: unknown, stream = 's') =>
    JSON.stringify({
      code: 0,
      data: { query: { ip: '', vhost: '__defaultVhost__', app: 'live', stream }, origin },
    });
  const origin = { ip: '10.0.0.1', port: 1935, vhost: '__defaultVhost__', api: 'h:1', routers: ['h:1'] };
  assert.equal(placeOf(answer(origin), 's'), A);
  assert.equal(placeOf(answer(null), 's'), NOWHERE);
  assert.match(placeOf(answer({ ...origin, port: '1935' }), 's'), /port string/);
  assert.match(placeOf(answer({ ...origin, routers: 'h:1' }), 's'), /routers/);
  assert.match(placeOf(answer(origin, 'other'), 's'), /not asked/);
  assert.match(placeOf('{"code":0}', 's'), /not asked/);
  assert.match(placeOf('{"code":1,"data":{}}', 's'), /code 1/);
  assert.equal(placeOf('<html>', 's'), 'no JSON');
});

describe('report-then-play', () => {
  const media = video({ count: 30 });
  interface Course {
    readonly letIn?: boolean;
    readonly place?: string;
    readonly to?: readonly string[];
    readonly viewerSent?: boolean;
    readonly frames?: number;
    /** Whether anybody came to play. */
    readonly played?: boolean;
  }
  const course = ({
    letIn = true,
    place = A,
    to = [A],
    viewerSent = false,
    frames = 30,
    played = true,
  }: Course = {}) => {
    const timeline = new Timeline().step(0, 'publishing', { place: A });
    if (!letIn) return timeline.missed(10, 'publisher: NetStream.Publish.Start');
    timeline.step(5, 'let-in');
    answers(timeline, 10, 'published', NOWHERE, place);
    if (!played) return timeline;
    timeline.step(20, 'players', { sent: 'at-origin-2', viewer: 'at-edge-2' }).sent('publisher', media);
    for (const place of to) redirect(timeline, 30, 'at-origin-2', place);
    if (viewerSent) redirect(timeline, 30, 'at-edge-2', A);
    return timeline.got('at-origin-2', media.slice(0, frames)).got('at-edge-2', media);
  };
  const verdict = (request?: Course) => judge('report-then-play', course(request)).verdict;

  test('found, sent there once, played; the viewer of an edge sees nothing of it', () => {
    assert.equal(verdict(), 'pass');
  });
  test('a publisher who is refused, another place, another 302, none, two, no media, or a 302 at the viewer', () => {
    for (const wrong of [
      { letIn: false },
      { place: B },
      { to: [B] },
      { to: [] },
      { to: [A, A] },
      { frames: 0 },
      { frames: 24 },
      { viewerSent: true },
    ]) {
      assert.equal(verdict(wrong), 'fail', JSON.stringify(wrong));
    }
  });
  test('a 302 to what is no URL is a failure of the server, and none of the judge', () => {
    const timeline = course({ to: [] });
    timeline.history.append({ t: 30, type: 'client.redirect', client: 'at-origin-2', location: '' });
    assert.equal(judge('report-then-play', timeline).verdict, 'fail');
  });
  test('nothing seen is not a pass', () => {
    assert.equal(judge('report-then-play', new Timeline()).verdict, 'inconclusive');
    assert.equal(verdict({ played: false }), 'inconclusive', 'nobody came to play');
  });
});

describe('unpublish-forgotten and unknown-stream', () => {
  interface How {
    readonly closed?: number;
    readonly sent?: boolean;
    readonly media?: boolean;
    /** Of the end of the connection. Default `remote`. */
    readonly reason?: 'local' | 'refused' | 'reset';
  }
  const away = (
    timeline: Timeline,
    client: string,
    { closed = 200, sent = false, media = false, reason }: How = {},
  ) => {
    timeline.step(1000, 'turned-away', { player: client }).got(client, [script], 1010);
    if (media) timeline.got(client, video({ count: 1 }), 1020);
    if (sent) redirect(timeline, 1030, client, A);
    if (closed > 0 && reason === undefined) timeline.lost(1000 + closed, client);
    else if (closed > 0 && reason !== undefined) {
      const during = reason === 'refused' ? 'connecting' : 'streaming';
      const end = { reason, during, code: 'x', detail: '' } as const;
      timeline.history.append({ t: 1000 + closed, type: 'client.closed', client, ...end });
    }
    return timeline.step(5000, 'over');
  };
  const ended = (last: string, how: How = {}) => {
    const timeline = new Timeline();
    answers(timeline, 0, 'published', A);
    timeline.step(10, 'unpublished', { place: A });
    answers(timeline, 20, 'unpublished', A, last);
    return judge('unpublish-forgotten', away(timeline, 'late', how)).verdict;
  };
  const unknown = (answer: string, how: How = {}) => {
    const timeline = answers(new Timeline(), 0, 'other', A);
    answers(timeline, 5, 'nowhere', answer).step(10, 'asked', { players: 'lost', other: A });
    return judge('unknown-stream', away(timeline, 'lost', how)).verdict;
  };

  test('nowhere, and the player is told by the end of its connection', () => {
    assert.equal(ended(NOWHERE), 'pass');
    assert.equal(unknown(NOWHERE), 'pass');
  });
  test('still known, no end, a late end, a 302, media', () => {
    assert.equal(ended(A), 'fail');
    assert.equal(unknown(A), 'fail');
    assert.equal(unknown('http.timeout'), 'fail');
    const hows: How[] = [
      { closed: 0 },
      { closed: 2000 },
      { sent: true },
      { media: true },
      { reason: 'local' },
      { reason: 'refused' },
    ];
    for (const how of hows) {
      assert.equal(ended(NOWHERE, how), 'fail', JSON.stringify(how));
      assert.equal(unknown(NOWHERE, how), 'fail', JSON.stringify(how));
    }
  });
});

test('unknown-stream: a manager that knows of no stream at all shows nothing by not knowing this one', () => {
  const course = (other: string | null) => {
    const timeline = new Timeline();
    if (other !== null) answers(timeline, 0, 'other', other);
    answers(timeline, 5, 'nowhere', NOWHERE).step(10, 'asked', { players: 'lost', other: A });
    return judge('unknown-stream', timeline.step(20, 'turned-away', { player: 'lost' }).lost(100, 'lost'))
      .verdict;
  };
  assert.equal(course(A), 'pass');
  assert.equal(course(NOWHERE), 'fail');
  assert.equal(course(null), 'inconclusive');
});

test('unpublish-forgotten: a player who was not sent away yet tells nothing', () => {
  const timeline = answers(new Timeline(), 0, 'published', A).step(10, 'unpublished', { place: A });
  const { verdict, says } = judge('unpublish-forgotten', answers(timeline, 20, 'unpublished', NOWHERE));
  assert.equal(verdict, 'inconclusive');
  assert.match(says, /did not get that far/);
});

describe('republish-elsewhere', () => {
  const old = video({ stream: 1, count: 10 });
  const fresh = video({ stream: 2, count: 30 });
  const verdict = (second: string, after: string, got = fresh) => {
    const timeline = new Timeline()
      .step(0, 'places', { first: A, second: B })
      .sent('old', old)
      .sent('new', fresh);
    answers(timeline, 10, 'first', A);
    answers(timeline, 20, 'second', second);
    timeline.step(30, 'old-left');
    return judge('republish-elsewhere', answers(timeline, 40, 'after', after).got('player', got)).verdict;
  };

  test('a first publisher who did not leave shows nothing of its end', () => {
    const timeline = new Timeline().step(0, 'places', { first: A, second: B });
    answers(timeline, 10, 'first', A);
    assert.equal(judge('republish-elsewhere', answers(timeline, 20, 'second', B)).verdict, 'inconclusive');
  });
  test('the second publisher wins and stays', () => assert.equal(verdict(B, B), 'pass'));
  test('the first wins, the second is erased, or the player gets the first', () => {
    assert.equal(verdict(A, B), 'fail');
    assert.equal(verdict(B, NOWHERE), 'fail');
    assert.equal(verdict(B, A), 'fail');
    assert.equal(verdict(B, B, old), 'fail');
  });
});

describe('loop-bounded', () => {
  const verdict = ({ status = 200, itself = NOWHERE, redirects = 1, reported = true } = {}) => {
    const timeline = new Timeline();
    if (reported) timeline.step(0, 'manager.report', { about: 'false', status, error: null });
    timeline.step(1, 'reported', { place: A });
    answers(timeline, 10, 'asked-by-others', A);
    answers(timeline, 20, 'asked-by-itself', itself);
    timeline.step(30, 'turned-away', { player: 'player' });
    for (let i = 0; i < redirects; i++) redirect(timeline, 40 + i, 'player', A);
    return judge('loop-bounded', timeline.lost(100, 'player')).verdict;
  };

  test('one 302 and an end', () => assert.equal(verdict(), 'pass'));
  test('sent to itself, in circles, or the report refused', () => {
    assert.equal(verdict({ itself: A }), 'fail');
    assert.equal(verdict({ redirects: 3 }), 'fail');
    assert.equal(verdict({ status: 400 }), 'fail');
  });
  test('a report that was not made tells nothing', () =>
    assert.equal(verdict({ reported: false }), 'inconclusive'));
});

describe('dead-origin', () => {
  const fresh = video({ count: 30 });
  const verdict = ({
    again = B,
    late = NOWHERE as string | null,
    restarted = NOWHERE,
    expired = true,
    published = true,
    ending = A as string | null,
  } = {}) => {
    const timeline = new Timeline();
    answers(timeline, 0, 'before', A);
    if (ending !== null) answers(timeline, 5, 'ending', ending);
    timeline.step(10, 'dead', { dead: A, other: B }).got('player', fresh);
    if (published) timeline.sent('again', fresh);
    answers(timeline, 20, 'again', A, again);
    answers(timeline, 30, 'ended', A, NOWHERE);
    if (expired) {
      timeline.step(2000, 'expired');
      if (late !== null) answers(timeline, 2001, 'ended', late);
      answers(timeline, 5000, 'restarted', restarted);
    }
    return judge('dead-origin', timeline).verdict;
  };

  test('nowhere after its time, and the publisher is found elsewhere', () => assert.equal(verdict(), 'pass'));
  test('answered after its time, after its restart, or the publisher is not found', () => {
    assert.equal(verdict({ late: A }), 'fail');
    assert.equal(verdict({ late: 'http.timeout' }), 'fail', 'no answer is none');
    assert.equal(verdict({ late: B }), 'fail', 'nobody has it');
    assert.equal(verdict({ restarted: A }), 'fail');
    assert.equal(verdict({ again: A }), 'fail');
  });
  test('not watched until its time was over, not asked then, or nothing published', () => {
    assert.equal(verdict({ expired: false }), 'inconclusive');
    assert.equal(verdict({ late: null }), 'inconclusive');
    assert.equal(verdict({ published: false }), 'inconclusive');
  });
  test('a stream that the manager never knew does not end with its origin', () => {
    assert.equal(verdict({ ending: NOWHERE }), 'fail');
    assert.equal(verdict({ ending: null }), 'inconclusive');
  });
});

describe('heartbeat', () => {
  const BEATING = '127.0.0.1:10';
  /** @param over when the manager says so of what was last told at 15 ms. @param sent whether that is on record. */
  const verdict = (beating: string, silent: string, { over = 1515, sent = true } = {}) => {
    const timeline = answers(new Timeline(), 0, 'reported', BEATING);
    for (const t of sent ? [5, 15] : []) asked(timeline, t, 'reports-heartbeat', {});
    answers(timeline, 18, 'beating', beating).step(20, 'last-beat');
    answers(timeline, 30, 'silent', BEATING);
    return judge('heartbeat', answers(timeline, over, 'silent', silent)).verdict;
  };

  test('alive by heartbeats, dead without', () => {
    assert.equal(verdict(BEATING, NOWHERE), 'pass');
    assert.equal(verdict(NOWHERE, NOWHERE), 'fail');
    assert.equal(verdict(BEATING, BEATING), 'fail');
    assert.equal(judge('heartbeat', new Timeline()).verdict, 'inconclusive');
  });
  test('a life that is over before its time was not as long as its reporter said', () => {
    assert.equal(verdict(BEATING, NOWHERE, { over: 1514 }), 'fail');
    assert.equal(verdict(BEATING, NOWHERE, { over: 40 }), 'fail');
    assert.equal(verdict(BEATING, NOWHERE, { sent: false }), 'inconclusive');
  });
});

describe('redis-restart', () => {
  const right: Readonly<Record<string, string>> = {
    before: A,
    ending: A,
    'gone-before': A,
    'gone-meanwhile': B,
    'gone-posted': '127.0.0.1:9',
    'gone-ended': NOWHERE,
    'back-before': A,
    'back-meanwhile': B,
    'back-ended': NOWHERE,
    'anew-before': A,
    'anew-meanwhile': B,
    'anew-posted': '127.0.0.1:9',
    'anew-ended': NOWHERE,
  };
  const GONE = { redis: 'ECONNREFUSED', manager: 'ECONNREFUSED' };
  /** @param met at the port of each after it was killed; null: nobody looked. */
  const course = (
    wrong: Readonly<Record<string, string>>,
    met: Readonly<Record<string, string | null>> = {},
  ) => {
    const timeline = new Timeline().step(0, 'places', { before: A, meanwhile: B });
    for (const [node, found] of Object.entries<string | null>({ ...GONE, ...met })) {
      timeline.step(1, 'node.knocked', { node, met: 'open' }).control(2, node, 'kill');
      if (found !== null) timeline.step(3, 'node.knocked', { node, met: found });
      timeline.control(4, node, 'restart').step(5, 'node.knocked', { node, met: 'open' });
    }
    for (const [about, place] of Object.entries({ ...right, ...wrong })) answers(timeline, 10, about, place);
    return judge('redis-restart', timeline);
  };
  const verdict = (wrong: Readonly<Record<string, string>>) => course(wrong).verdict;

  test('every answer counts', () => {
    assert.equal(verdict({}), 'pass');
    for (const [about, place] of Object.entries(right)) {
      assert.equal(verdict({ [about]: place === NOWHERE ? A : NOWHERE }), 'fail', about);
    }
  });
  test('a Redis, or a manager, that was not seen to be gone shows nothing', () => {
    for (const node of ['redis', 'manager']) {
      assert.equal(course({}, { [node]: 'silence' }).verdict, 'pass');
      assert.deepEqual(course({}, { [node]: 'open' }), {
        verdict: 'inconclusive',
        says: 'its port took a connection 1 ms later',
      });
      assert.equal(course({}, { [node]: null }).verdict, 'inconclusive');
    }
    const wrong = { 'gone-before': NOWHERE };
    assert.equal(
      course(wrong, { redis: 'open' }).verdict,
      'fail',
      'what is wrong with Redis is wrong without',
    );
  });
  test('a check that ends early is not a pass', () => {
    const timeline = new Timeline().step(0, 'places', { before: A, meanwhile: B });
    assert.equal(judge('redis-restart', answers(timeline, 10, 'before', A)).verdict, 'inconclusive');
  });
});

describe('bad-reports', () => {
  const abouts = (): string[] => {
    const empty = new Timeline().step(0, 'place', { place: A });
    const check = MANAGER_CHECKS.find(({ id }) => id === 'stream-manager/bad-reports')!;
    return check.judge(empty.history).flatMap(({ expected }) => expected.match(/^(\S+): refused/)?.[1] ?? []);
  };
  const verdict = ({
    odd,
    status = 400,
    after = A,
    unasked,
  }: {
    odd?: string;
    status?: number;
    after?: string;
    /** A report that was not made. */
    unasked?: string;
  } = {}) => {
    const timeline = answers(new Timeline().step(0, 'place', { place: A }), 1, 'before', A);
    for (const about of abouts()) {
      if (about === unasked) continue;
      const answer = about === odd ? status : 400;
      timeline.step(10, 'manager.report', {
        about,
        status: answer,
        error: answer === 0 ? 'http.ECONNRESET' : null,
      });
    }
    answers(timeline, 20, 'after', after);
    return judge('bad-reports', answers(timeline, 30, 'invented', NOWHERE)).verdict;
  };

  test('refused one and all', () => {
    assert.ok(abouts().length > 15);
    assert.equal(verdict(), 'pass');
    assert.equal(verdict({ odd: 'huge', status: 413 }), 'pass');
  });
  test('one that was not made tells nothing', () =>
    assert.equal(verdict({ unasked: 'deep' }), 'inconclusive'));
  test('taken, failed, not answered, or what was known is lost', () => {
    assert.equal(verdict({ odd: 'deep', status: 200 }), 'fail');
    assert.equal(verdict({ odd: 'deep', status: 500 }), 'fail');
    assert.equal(verdict({ odd: 'huge', status: 0 }), 'fail');
    assert.equal(verdict({ after: NOWHERE }), 'fail');
  });
});

describe('duplicate-pull', () => {
  const media = video({ count: 30 });
  interface Course {
    readonly clients?: Readonly<Record<string, number>>;
    readonly opened?: readonly string[];
    readonly told?: Readonly<Record<string, number>>;
    readonly frames?: number;
  }
  const course = ({ clients = {}, opened = [], told = {}, frames = 30 }: Course = {}) => {
    const edges = { 'front-a': ['a1', 'a2'], 'front-b': ['b1', 'b2'] };
    const timeline = new Timeline()
      .step(0, 'hosts', {
        stream: 's',
        origins: 'o1 o2',
        fronts: 'front-a front-b',
        'front-a.edges': 'a1 a2',
        'front-a.pullers': 'a1 a2',
        'front-b.edges': 'b1 b2',
        'front-b.pullers': 'local',
      })
      .step(1, 'players', { players: 'front-a front-b' })
      .sent('publisher', media)
      .got('front-a', media.slice(0, frames))
      .got('front-b', media);
    for (const puller of ['a1', 'a2', 'local', ...opened]) timeline.open(10, puller, 'o1');
    for (const edge of Object.values(edges).flat())
      timeline.api(20, 's', { clients: clients[edge] ?? 2 }, edge);
    timeline.api(30, 's', { upstreamsOf: { a1: 1, a2: 1, local: 1, ...told } }, 'o1').api(31, 's', {}, 'o2');
    return timeline.step(40, 'counted');
  };
  const verdict = (request?: Course) =>
    judgeWith(DUPLICATE_PULL, 'back-to-source/duplicate-pull', course(request)).verdict;

  test('each edge once without, the local origin once', () => assert.equal(verdict(), 'pass'));
  test('a second pull of an edge, of the local origin, or of an edge that has a local origin', () => {
    assert.equal(verdict({ opened: ['a1'], told: { a1: 2 } }), 'fail');
    assert.equal(verdict({ opened: ['local'], told: { local: 2 } }), 'fail');
    assert.equal(verdict({ frames: 0 }), 'fail');
  });
  test('taps and APIs that differ, and edges without players, tell nothing', () => {
    assert.equal(verdict({ told: { a1: 2 } }), 'inconclusive');
    assert.equal(verdict({ told: { b1: 1 } }), 'inconclusive');
    assert.equal(verdict({ clients: { b2: 0 } }), 'inconclusive');
    assert.equal(
      judgeWith(DUPLICATE_PULL, 'back-to-source/duplicate-pull', new Timeline()).verdict,
      'inconclusive',
    );
  });
  test('each origin tells of its own, and of this stream', () => {
    const timeline = course();
    timeline.api(29, 'other', { upstreamsOf: { a1: 4 } }, 'o1');
    const elsewhere = { a1: 1, a2: 0, local: 1 };
    timeline.api(38, 's', { upstreamsOf: elsewhere }, 'o1').api(39, 's', { upstreamsOf: { a2: 1 } }, 'o2');
    timeline.api(39, 'other', { upstreamsOf: { a1: 4 } }, 'o2');
    assert.equal(judgeWith(DUPLICATE_PULL, 'back-to-source/duplicate-pull', timeline).verdict, 'pass');
  });
  test('what was not counted tells nothing', () => {
    const timeline = new Timeline().step(0, 'hosts', { stream: 's', origins: 'o1', fronts: '' });
    timeline.step(1, 'players', { players: 'front-a' }).sent('publisher', media).got('front-a', media);
    const { verdict, says } = judgeWith(DUPLICATE_PULL, 'back-to-source/duplicate-pull', timeline);
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /did not get that far/);
  });
  test('opened in vain is opened', () => {
    const timeline = course();
    timeline.open(5, 'a2', 'o2').close(6, 'a2', 'o2');
    assert.equal(judgeWith(DUPLICATE_PULL, 'back-to-source/duplicate-pull', timeline).verdict, 'fail');
  });
});
