import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  exporter,
  srtThrough,
  webrtcThrough,
  whipRequests,
} from '../../../scenarios/conformance/proxy-udp.ts';
import type { MediaItem, StepData } from '../../../scenarios/history.ts';
import { asked } from './proxy-story.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

/** The player leaves; clients as its origin tells before and afterwards. */
function left(timeline: Timeline, before = 2, after = 1): Timeline {
  timeline.api(8999, 's', { clients: before }, 'origin-1');
  timeline.step(9000, 'udp.left', { homes: 'origin-1' });
  return timeline.api(9001, 's', { clients: after }, 'origin-1');
}

/** Of one stream, whose player got these; it has left, and its origin is free. */
function judge(got: readonly MediaItem[]): { verdict: string; says: string } {
  const timeline = new Timeline()
    .sent('to-s', video({ stream: 1, count: 200 }))
    .step(10, 'udp.playing', { streams: 's' })
    .got('of-s', got);
  return judgeWith([webrtcThrough], 'proxy/webrtc', left(timeline));
}

const torn = (item: MediaItem): MediaItem => ({ ...item, stamp: null });

describe('proxy/webrtc: frames of a player', () => {
  const got = video({ stream: 1, count: 80 }).slice(10);

  test('in order from any frame on pass', () => assert.equal(judge(got).verdict, 'pass'));

  test('the first may have begun before the player came', () => {
    assert.equal(judge([torn(got[0]!), ...got.slice(1)]).verdict, 'pass');
  });

  test('a later one without its stamp has lost packets, and is nobody else’s', () => {
    const { verdict, says } = judge([...got.slice(0, 5), torn(got[5]!), ...got.slice(6)]);
    assert.equal(verdict, 'fail');
    assert.match(says, /0 of others, 1 without their stamp, 1 out of turn/);
  });

  test('of another stream fail', () => {
    const [other] = video({ stream: 2, count: 1 });
    const { verdict, says } = judge([...got.slice(0, 5), other!, ...got.slice(5)]);
    assert.equal(verdict, 'fail');
    assert.match(says, /1 of others, 0 without/);
  });

  test('too few fail, and so does one that is missing', () => {
    assert.equal(judge(got.slice(0, 49)).verdict, 'fail');
    assert.equal(judge(got.toSpliced(5, 1)).verdict, 'fail');
  });
});

/** Every frame came, and the origins are free. */
function watched(): Timeline {
  return left(playing());
}

function playing(): Timeline {
  return new Timeline()
    .sent('to-s', video({ count: 200 }))
    .step(10, 'udp.playing', { streams: 's' })
    .got('of-s', video({ count: 80 }));
}

describe('proxy/webrtc: what became of it', () => {
  const ended = (timeline: Timeline) => judgeWith([webrtcThrough], 'proxy/webrtc', timeline);
  const sent = video({ count: 200 });

  test('a player whom its origin still knows fails', () => {
    assert.deepEqual(ended(left(playing(), 2, 2)), { verdict: 'fail', says: 'of s: 2 clients' });
  });

  test('a player whom its origin was not asked for, or never knew of, is not let go', () => {
    const { verdict, says } = ended(left(playing(), 1));
    assert.deepEqual([verdict, says], ['inconclusive', 'of s: 1 clients']);
    const unread = playing().api(8999, 's', { clients: 2 }, 'origin-1');
    unread.step(9000, 'udp.left', { homes: 'origin-1', freed: true });
    assert.equal(ended(unread).verdict, 'inconclusive');
  });

  test('players who did not leave, and streams that nobody published, tell nothing', () => {
    const playing = new Timeline().sent('to-s', sent).step(10, 'udp.playing', { streams: 's' });
    assert.equal(ended(playing.got('of-s', sent)).verdict, 'inconclusive');
    const unpublished = new Timeline().step(10, 'udp.playing', { streams: 's' }).got('of-s', sent);
    assert.match(ended(unpublished).says, /nothing was published/);
    assert.equal(ended(new Timeline()).verdict, 'inconclusive');
  });
});

describe('proxy/srt', () => {
  const of = (answers: number | undefined, type: number | null | undefined) => {
    const timeline = watched();
    if (answers !== undefined) timeline.step(1, 'udp.unknown-cookie', { answers });
    if (type !== undefined) timeline.step(2, 'udp.rejected', { type });
    return judgeWith([srtThrough], 'proxy/srt', timeline);
  };

  test('an unknown cookie is not answered, a caller without an origin is rejected', () =>
    assert.deepEqual(of(0, 1000), { verdict: 'pass', says: '' }));
  test('an answer to an unknown cookie fails', () => assert.equal(of(1, 1000).says, '1 answers'));
  test('anything but a rejection fails', () => {
    // The conclusion that lets in, the induction, an answer that is none.
    for (const type of [0xffffffff, 1, 999]) assert.equal(of(0, type).verdict, 'fail', `${type}`);
    assert.equal(of(0, null).verdict, 'fail');
  });
  test('what was not tried tells nothing', () => {
    assert.equal(of(undefined, 1000).verdict, 'inconclusive');
    assert.equal(of(0, undefined).verdict, 'inconclusive');
  });
});

describe('proxy/whip-requests', () => {
  const SESSION = '/rtc/v1/whip/?action=delete&token=17&session=fake';
  interface Course {
    readonly refused?: number;
    readonly created?: number;
    readonly location?: string;
    readonly exchange?: StepData | undefined;
    readonly checks?: StepData | undefined;
  }
  const of = (changes: Course = {}) => {
    const {
      refused = 401,
      created = 201,
      location = SESSION,
      exchange,
      checks,
    } = {
      exchange: { host: '127.0.0.1', port: '8000', origin: 9000 },
      checks: { strange: 0, genuine: true },
      ...changes,
    };
    const timeline = new Timeline().step(1, 'udp.found', { found: true });
    asked(timeline, 2, 'refused', { status: refused });
    asked(timeline, 3, 'created', { status: created, headers: location === '' ? {} : { location } });
    if (exchange !== undefined) timeline.step(4, 'udp.exchange', exchange);
    if (checks !== undefined) timeline.step(5, 'udp.checks', checks);
    return judgeWith([whipRequests], 'proxy/whip-requests', timeline);
  };

  test('by the book', () => assert.deepEqual(of(), { verdict: 'pass', says: '' }));
  test('a token that is not passed on, another status, another session, none', () => {
    assert.equal(of({ refused: 201 }).says, '201');
    assert.equal(of({ created: 200 }).says, '200');
    assert.equal(of({ location: '/rtc/v1/whip/?session=fake' }).verdict, 'fail');
    assert.equal(of({ location: '' }).says, 'none');
    assert.equal(of({ location: 'http://' }).says, 'http://', 'what is no URL fails');
  });
  test('the candidate of the origin, and none', () => {
    assert.equal(of({ exchange: { host: '127.0.0.1', port: '9000', origin: 9000 } }).verdict, 'fail');
    assert.equal(of({ exchange: { host: '', port: '', origin: 9000 } }).verdict, 'fail');
  });
  test('a STUN check passes without its password, or does not with it', () => {
    assert.match(of({ checks: { strange: 1, genuine: true } }).says, /^1 packets/);
    assert.match(of({ checks: { strange: 0, genuine: false } }).says, /did not come/);
  });
  test('what was not tried tells nothing', () => {
    assert.equal(of({ exchange: undefined }).verdict, 'inconclusive');
    assert.equal(of({ checks: undefined }).verdict, 'inconclusive');
    const judgeOf = (timeline: Timeline) => judgeWith([whipRequests], 'proxy/whip-requests', timeline);
    assert.equal(judgeOf(new Timeline()).verdict, 'inconclusive');
    const elsewhere = new Timeline().step(1, 'udp.found', { found: false });
    assert.deepEqual(judgeOf(elsewhere), { verdict: 'inconclusive', says: 'none did' });
  });
});

describe('proxy/exporter', () => {
  const NONE = { rtmp: 0, http: 0, srt: 0, webrtc: 0 };
  interface Course {
    readonly before?: StepData;
    readonly during?: StepData | undefined;
    readonly after?: StepData | undefined;
    readonly told?: StepData;
    /** Of the exporter, afterwards. Default 200. */
    readonly status?: number;
    /** Default whoever plays RTMP, HTTP-FLV and SRT. */
    readonly players?: readonly string[];
  }
  const of = (changes: Course = {}) => {
    const { before, during, after, told, status, players } = {
      status: 200,
      players: ['rtmp', 'http', 'srt'],
      before: NONE,
      during: { rtmp: 1, http: 1, srt: 2, webrtc: 0 },
      after: NONE,
      told: { first: true, second: true },
      ...changes,
    };
    const timeline = new Timeline().step(0, 'udp.metrics', { when: 'before', ...before });
    // Nobody plays WebRTC: nothing need be counted.
    for (const protocol of players) timeline.got(protocol, video({ count: 3 }));
    for (const when of ['before', 'during']) asked(timeline, 1, `metrics-${when}`, { bytes: 100 });
    asked(timeline, 899, 'metrics-after', { status, bytes: 100 });
    if (during !== undefined) timeline.step(500, 'udp.metrics', { when: 'during', ...during });
    timeline.step(501, 'udp.exchange', told);
    if (after !== undefined) timeline.step(900, 'udp.metrics', { when: 'after', ...after });
    return judgeWith([exporter], 'proxy/exporter', timeline);
  };

  test('all who play are counted, and nobody afterwards', () =>
    assert.deepEqual(of(), { verdict: 'pass', says: '' }));
  test('a protocol that is not counted fails', () => {
    const { verdict, says } = of({ during: { rtmp: 1, http: 1, srt: 0, webrtc: 0 } });
    assert.deepEqual([verdict, says], ['fail', 'not those of srt']);
    assert.equal(of({ before: { ...NONE, rtmp: 1 }, after: { ...NONE, rtmp: 1 } }).says, 'not those of rtmp');
  });
  test('a client that is kept fails', () => {
    assert.deepEqual(of({ after: { ...NONE, srt: 1 } }), { verdict: 'fail', says: 'srt: 1' });
  });
  test('streams of which the API does not tell fail', () => {
    assert.equal(of({ told: { first: false, second: true } }).says, 'one is missing');
    assert.equal(of({ told: { first: true, second: false } }).verdict, 'fail');
  });
  test('an exporter that does not answer any more counts nobody, and tells nothing', () => {
    assert.deepEqual(of({ status: 0 }), { verdict: 'inconclusive', says: 'not after' });
    assert.equal(of({ status: 500 }).verdict, 'inconclusive');
  });
  test('where nobody played, nobody is counted for it', () => {
    const { verdict, says } = of({ players: [], during: NONE });
    assert.deepEqual([verdict, says], ['inconclusive', 'nobody played']);
  });
  test('readings that were not made tell nothing', () => {
    assert.equal(of({ during: undefined }).verdict, 'inconclusive');
    assert.equal(of({ after: undefined }).verdict, 'inconclusive');
    assert.equal(judgeWith([exporter], 'proxy/exporter', new Timeline()).verdict, 'inconclusive');
  });
});

describe('a publisher whom a proxy has to let in', () => {
  const refused = (client: string, reason: 'rejected' | 'timeout'): Timeline => {
    const timeline = new Timeline();
    const code = `srt.${reason}`;
    timeline.history.append({
      ...{ t: 2, type: 'client.closed', client, reason, during: 'handshaking', code, detail: '' },
    });
    return timeline;
  };
  const of = (id: string, timeline: Timeline) =>
    judgeWith([srtThrough, webrtcThrough, exporter], id, timeline);

  test('who is refused is a failure that says why', () => {
    assert.match(of('proxy/webrtc', refused('to-s', 'rejected')).says, /to-s.*srt\.rejected/);
    for (const [id, client] of [
      ['proxy/srt', 'to-s'],
      ['proxy/webrtc', 'to-s'],
      ['proxy/exporter', 'srt-publisher'],
      ['proxy/exporter', 'rtmp-publisher'],
    ] as const) {
      assert.equal(of(id, refused(client, 'rejected')).verdict, 'fail', `${id} ${client}`);
      assert.equal(of(id, refused(client, 'timeout')).verdict, 'inconclusive', `${id} ${client}`);
    }
  });
});
