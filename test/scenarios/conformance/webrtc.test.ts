import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rtcForgottenWithinMs } from '../../../scenarios/bounds.ts';
import { ALL_PROTOCOLS } from '../../../scenarios/conformance/all-protocols.ts';
import { WEBRTC_CHECKS } from '../../../scenarios/conformance/webrtc.ts';
import { withMaxBundle } from '../../../scenarios/conformance/webrtc-signalling.ts';
import type { History, HistoryEvent, MediaItem, StepData } from '../../../scenarios/history.ts';
import { isRtp, redirected, withoutCandidates } from '../../../scenarios/wire/webrtc.ts';
import { verdictOf } from './histories.ts';
import { Timeline } from './timeline.ts';

function historyOf(events: readonly HistoryEvent[]): History {
  const { history } = new Timeline();
  for (const event of [...events].sort((a, b) => a.t - b.t)) history.append(event);
  return history;
}

function judge(id: string, events: readonly HistoryEvent[]): { verdict: string; says: string } {
  const check = [...WEBRTC_CHECKS, ...ALL_PROTOCOLS].find((one) => one.id === id);
  assert.ok(check, id);
  return verdictOf(check.judge(historyOf(events)));
}

const step = (t: number, name: string, data: StepData = {}): HistoryEvent => ({
  t,
  type: 'step',
  step: name,
  data,
});
const sentAt = (n: number): number => 1000 + n * 40;
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

function frame(n: number, stream: number, stamped = true): MediaItem {
  const stamp = stamped ? { stream, frame: n, sentAt: sentAt(n), intact: true } : null;
  return { kind: 'video', timestamp: n * 40, size: 100, sum: n, key: n % 25 === 0, stamp };
}

function sent(client: string, count: number, stream = 1): HistoryEvent[] {
  return range(0, count).map((n) => ({
    ...{ t: sentAt(n), type: 'publisher.sent' as const, client, stream: 's' },
    ...frame(n, stream),
  }));
}

function got(client: string, numbers: readonly number[], stream = 1, unstamped?: number): HistoryEvent[] {
  return numbers.map((n, i) => ({
    ...{ t: sentAt(n) + 50 + i / 1000, type: 'player.got' as const, client, stream: 's' },
    ...frame(n, stream, n !== unstamped),
  }));
}

/** By the server, while it plays or publishes. */
function closed(client: string, t = sentAt(20)): HistoryEvent {
  const how = { reason: 'remote', during: 'streaming', code: 'eof.streaming', detail: '' } as const;
  return { t, type: 'client.closed', client, ...how };
}

function reading(t: number, clients: number, publishers = 0): HistoryEvent {
  return {
    ...{ t, type: 'api.stream', node: 'origin', stream: 's' },
    ...{ clients, upstreams: 0, upstreamsOf: {}, publishers },
  };
}

function exchange(
  t: number,
  client: string,
  status: number,
  headers: Record<string, string> = {},
  bytes = 500,
): HistoryEvent {
  return {
    ...{ t, type: 'http.exchange', client, kind: 'other', method: 'POST', url: 'http://127.0.0.1/' },
    ...{ sentAt: t, headAt: t, firstByteAt: t, status, headers, bytes },
    error: status === 0 ? 'http.ECONNRESET' : null,
  };
}

describe('whep-contract and whip-contract', () => {
  const created = {
    'content-type': 'application/sdp',
    location: '/session',
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'Location',
  };
  /** Of the endpoint, which need not know of DELETE, and of the session. */
  const preflight = {
    'access-control-allow-origin': '*',
    'access-control-allow-headers': 'content-type,authorization',
    'access-control-allow-methods': 'POST',
  };
  const ofSession = {
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'PATCH, DELETE',
  };

  interface Changes {
    status?: number;
    created?: Record<string, string>;
    bytes?: number;
    before?: number;
    after?: number;
    deleted?: number;
    unknown?: number;
    got?: number;
    gotBytes?: number;
    shown?: number;
    bundled?: number;
    bad?: number;
    busy?: number;
    options?: number;
    preflight?: Record<string, string>;
    ofSession?: Record<string, string>;
    error?: string;
    /** Clients of whom nothing was recorded, readings (`before` or `after`), steps (`step bad-0`). */
    unseen?: readonly string[];
  }

  function contract(changes: Changes = {}): { verdict: string; says: string } {
    const unseen = (event: HistoryEvent): boolean => {
      if (event.type === 'http.exchange') return changes.unseen?.includes(event.client) ?? false;
      if (event.type === 'step') return changes.unseen?.includes(`step ${event.data.label}`) ?? false;
      return changes.unseen?.includes(event.t === 10 ? 'after' : 'before') ?? false;
    };
    const busy = exchange(3, 'busy', changes.busy ?? 409);
    const events = [
      exchange(1, 'created', changes.status ?? 201, changes.created ?? created, changes.bytes),
      reading(2, changes.before ?? 1),
      changes.error === undefined ? busy : ({ ...busy, error: changes.error } as HistoryEvent),
      exchange(3, 'got-session', changes.shown ?? 200, {}, 0),
      exchange(3, 'options-session', 204, changes.ofSession ?? ofSession),
      exchange(4, 'deleted', changes.deleted ?? 200),
      exchange(5, 'deleted-unknown', changes.unknown ?? 404),
      exchange(6, 'got', changes.got ?? 204, {}, changes.gotBytes ?? 0),
      exchange(7, 'options', changes.options ?? 204, changes.preflight ?? preflight),
      exchange(7, 'bundled', changes.bundled ?? 201),
      step(8, 'bad', { label: 'bad-0', name: 'no session description' }),
      exchange(9, 'bad-0', changes.bad ?? 400),
      step(9, 'bad', { label: 'bad-1', name: 'one without media' }),
      exchange(9, 'bad-1', 400),
      reading(10, changes.after ?? 0),
    ];
    return judge(
      'webrtc/whip-contract',
      events.filter((event) => !unseen(event)),
    );
  }

  test('by the book', () => {
    assert.deepEqual(contract(), { verdict: 'pass', says: '' });
    assert.equal(
      contract({ created: { ...created, 'content-type': 'application/SDP; x=y' } }).verdict,
      'pass',
    );
  });

  test('each way not to be', () => {
    const without = (name: string, from: Record<string, string>): Record<string, string> =>
      Object.fromEntries(Object.entries(from).filter(([key]) => key !== name));
    assert.match(contract({ status: 200 }).says, /200/);
    assert.match(contract({ created: { ...created, 'content-type': 'text/plain' } }).says, /text\/plain/);
    assert.match(contract({ created: without('location', created) }).says, /none/);
    assert.match(contract({ created: without('access-control-allow-origin', created) }).says, /Origin: none/);
    assert.match(contract({ bytes: 0 }).says, /0 bytes/);
    assert.match(contract({ before: 0 }).says, /0 clients/);
    assert.match(contract({ after: 1 }).says, /1 clients/);
    assert.match(contract({ deleted: 500 }).says, /500/);
    assert.match(contract({ unknown: 200 }).says, /200/);
    assert.equal(contract({ unknown: 410 }).verdict, 'pass');
    // Drafts before RFC 9725 had 405.
    assert.match(contract({ got: 405 }).says, /405/);
    assert.match(contract({ shown: 405 }).says, /405/);
    assert.match(contract({ gotBytes: 20 }).says, /204, 20 bytes/);
    assert.match(
      contract({ created: without('access-control-expose-headers', created) }).says,
      /Expose-Headers: none/,
    );
    assert.match(contract({ bundled: 422 }).says, /422/);
    assert.match(contract({ bad: 201 }).says, /201/);
    assert.match(contract({ bad: 0 }).says, /no answer/);
    assert.match(contract({ busy: 201 }).says, /201/);
    assert.equal(contract({ busy: 0 }).verdict, 'pass');
    assert.match(contract({ busy: 0, error: 'http.timeout' }).says, /no answer \(http.timeout\)/);
    assert.match(contract({ options: 405 }).says, /405/);
    for (const name of ['access-control-allow-origin', 'access-control-allow-headers']) {
      assert.equal(contract({ preflight: without(name, preflight) }).verdict, 'fail', name);
    }
    for (const name of Object.keys(ofSession)) {
      assert.equal(contract({ ofSession: without(name, ofSession) }).verdict, 'fail', name);
    }
    assert.match(
      contract({ ofSession: { ...ofSession, 'access-control-allow-methods': 'POST' } }).says,
      /no delete in access-control-allow-methods/,
    );
  });

  test('a WHEP session is a client beside the publisher of what it plays', () => {
    const played = (before: number, after: number) =>
      judge('webrtc/whep-contract', [
        exchange(1, 'created', 201, created),
        reading(2, before, 1),
        exchange(4, 'deleted', 200),
        reading(10, after, 1),
      ]).says;
    assert.doesNotMatch(played(2, 1), /clients/);
    assert.match(played(1, 1), /\b0 clients/);
    assert.match(played(2, 2), /\b1 clients/);
  });

  test('a part of it was not seen', () => {
    const parts = ['deleted', 'deleted-unknown', 'options', 'got', 'busy', 'bad-0', 'bad-1', 'step bad-1'];
    parts.push('got-session', 'options-session', 'bundled');
    for (const what of [...parts, 'before', 'after']) {
      const { verdict, says } = contract({ unseen: [what] });
      assert.equal(verdict, 'inconclusive', what);
      assert.match(says, /did not get that far/, what);
    }
  });

  test('nothing was seen', () => {
    assert.equal(judge('webrtc/whep-contract', []).verdict, 'inconclusive');
    assert.equal(judge('webrtc/bad-offers', []).verdict, 'inconclusive');
    const accepted = [step(1, 'bad', { label: 'bad-whip-0', name: 'x' }), exchange(2, 'bad-whip-0', 201)];
    assert.match(judge('webrtc/bad-offers', accepted).says, /201/);
  });
});

test('an offer with max-bundle policy has one transport, that of its first media description', () => {
  const media = (kind: string, mid: number) =>
    `m=${kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:${mid}\r\na=ice-ufrag:abcd\r\na=setup:actpass\r\na=rtcp-mux\r\n`;
  const session = 'v=0\r\na=group:BUNDLE 0 1\r\n';
  assert.equal(
    withMaxBundle(`${session}${media('video', 0)}${media('audio', 1)}`),
    `${session}${media('video', 0)}m=audio 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=bundle-only\r\n`,
  );
});

describe('sdp', () => {
  const offer = description({ setup: 'actpass', direction: 'recvonly' });
  const negotiated = (answer: string): { verdict: string; says: string } =>
    judge('webrtc/sdp', [step(1, 'negotiated', { offer, answer })]);
  const answer = description({ setup: 'passive', direction: 'sendonly' });

  function description({ setup, direction }: { setup: string; direction: string }): string {
    return [
      'v=0',
      'o=- 1 1 IN IP4 127.0.0.1',
      's=-',
      't=0 0',
      'a=group:BUNDLE 0',
      'm=video 9 UDP/TLS/RTP/SAVPF 102',
      'c=IN IP4 127.0.0.1',
      'a=mid:0',
      `a=${direction}`,
      'a=rtcp-mux',
      'a=ice-ufrag:abcd',
      'a=ice-pwd:abcdefghijklmnopqrstuvwx',
      `a=fingerprint:sha-256 ${Array(32).fill('AA').join(':')}`,
      `a=setup:${setup}`,
      'a=rtpmap:102 H264/90000',
      'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
      'a=candidate:1 1 udp 2130706431 127.0.0.1 8000 typ host',
      '',
    ].join('\r\n');
  }

  test('an answer by the book', () => {
    assert.deepEqual(negotiated(answer), { verdict: 'pass', says: '' });
  });

  test('ICE of a lite agent and of a full one, each well and not', () => {
    const actualOf = (answer: string): { verdict: string; actual: string } => {
      const check = WEBRTC_CHECKS.find((one) => one.id === 'webrtc/sdp')!;
      const judgements = check.judge(historyOf([step(1, 'negotiated', { offer, answer })]));
      const { verdict, actual } = judgements[1]!;
      assert.equal(judgements[0]!.verdict, 'pass');
      return { verdict, actual };
    };
    const lite = answer.replace('a=group', 'a=ice-lite\r\na=group');
    const withoutCandidate = (sdp: string): string => sdp.replace(/a=candidate.*\r\n/, '');
    assert.deepEqual(actualOf(answer), { verdict: 'pass', actual: 'full, 1 candidates (host)' });
    assert.deepEqual(actualOf(lite), { verdict: 'pass', actual: 'lite, 1 candidates (host)' });
    assert.equal(actualOf(withoutCandidate(answer)).verdict, 'pass');
    const relay = actualOf(answer.replace('typ host', 'typ relay'));
    assert.deepEqual(relay, { verdict: 'pass', actual: 'full, 1 candidates (relay)' });
    for (const [sdp, says] of [
      [withoutCandidate(lite), /^lite, no candidate; .*\(RFC 8445 5\.2\)/],
      [lite.replace('typ host', 'typ srflx'), /^lite, 1 candidates \(srflx\); .*RFC 8445 5\.2/],
      [answer.replace('a=mid:0', 'a=mid:0\r\na=ice-lite'), /^full, .*RFC 8839 5\.3/],
      [answer.replace(/a=ice-ufrag.*\r\n/, ''), /^full, .*RFC 8839 5\.4/],
      [answer.replace(/a=ice-pwd.*\r\n/, ''), /^full, .*0 characters \(RFC 8839 5\.4/],
    ] as const) {
      const { verdict, actual } = actualOf(sdp);
      assert.equal(verdict, 'fail', actual);
      assert.match(actual, says);
    }
    const ofSession = ['a=ice-ufrag:abcd', 'a=ice-pwd:abcdefghijklmnopqrstuvwx'].join('\r\n');
    const bare = answer.replace(/a=ice-.*\r\n/g, '');
    assert.equal(actualOf(bare.replace('a=group', `${ofSession}\r\na=group`)).verdict, 'pass');
  });

  test('without group, with other payload types, without rtcp-mux, with actpass, refused, none', () => {
    assert.match(negotiated(answer.replace('a=group:BUNDLE 0\r\n', '')).says, /BUNDLE/);
    assert.equal(negotiated(answer.replaceAll('102', '103')).verdict, 'fail');
    assert.equal(negotiated(answer.replace('a=rtcp-mux\r\n', '')).verdict, 'fail');
    assert.equal(negotiated(answer.replace('setup:passive', 'setup:actpass')).verdict, 'fail');
    assert.match(negotiated(answer.replace('m=video 9', 'm=video 0')).says, /nothing/);
    assert.equal(negotiated('hello').verdict, 'fail');
    assert.equal(judge('webrtc/sdp', []).verdict, 'inconclusive');
  });
});

describe('media', () => {
  const join = step(sentAt(12), 'join', { player: 'whep', publisher: 'p' });

  describe('first-frame-within-gop', () => {
    const id = 'webrtc/first-frame-within-gop';
    const streaming = (t = sentAt(15)): HistoryEvent => ({
      ...{ t, type: 'client.state', client: 'whep', state: 'streaming' },
    });
    const story = (numbers: readonly number[], at = sentAt(15), stream = 1): HistoryEvent[] => [
      join,
      streaming(at),
      ...sent('p', 100),
      ...got('whep', numbers, stream),
    ];

    test('the next keyframe, or the one of the GOP that it came into', () => {
      assert.deepEqual(judge(id, story(range(25, 90))), { verdict: 'pass', says: '' });
      const cached = [...story([]), ...got('whep', [0, 1]).map((event) => ({ ...event, t: sentAt(16) }))];
      assert.deepEqual(judge(id, cached), { verdict: 'pass', says: '' });
      // Connected just before a keyframe: the server may not know yet.
      assert.equal(judge(id, story(range(50, 90), sentAt(25) - 50)).verdict, 'pass');
      assert.equal(judge(id, story(range(25, 90), sentAt(25) - 50)).verdict, 'pass');
    });

    test('one keyframe is kept from it, it comes late, it is an old one, of another stream, or none', () => {
      assert.match(judge(id, story(range(50, 90))).says, /^video frame 50 \(key\)/);
      assert.match(judge(id, story(range(13, 90))).says, /^video frame 13 at/);
      assert.match(judge(id, story(range(0, 60), sentAt(40))).says, /^video frame 0 \(key\)/);
      assert.match(judge(id, story(range(25, 90), sentAt(15), 2)).says, /^video frame 25 \(key\)/);
      const late = got('whep', range(25, 40)).map((event) => ({ ...event, t: event.t + 600 }));
      assert.match(judge(id, [...story([]), ...late]).says, /after 650 ms/);
      assert.match(judge(id, story([])).says, /none of 0 frames/);
      assert.match(judge(id, story(range(25, 90), join.t + 1600)).says, /^after 1600 ms/);
      assert.match(
        judge(id, [...story([]), closed('whep')]).says,
        /none of 0 frames, and it was closed: eof/,
      );
    });

    test('a relay passes on what comes before the keyframe', () => {
      const relayed = step(join.t, 'join', { player: 'whep', publisher: 'p', relayed: true });
      const others = (numbers: readonly number[]) => [relayed, ...story(numbers).slice(1)];
      assert.equal(judge(id, others(range(13, 90))).verdict, 'pass');
      assert.match(judge(id, others([13, 14])).says, /none of 2 frames/);
      assert.match(judge(id, others([13, 14, 50])).says, /^video frame 50/);
    });

    test('not seen: no player, nobody connected, no keyframe sent, or not for long enough', () => {
      assert.equal(judge(id, []).verdict, 'inconclusive');
      assert.equal(judge(id, [join]).verdict, 'inconclusive');
      assert.equal(judge(id, [join, streaming(), ...sent('p', 20)]).verdict, 'inconclusive');
      assert.equal(judge(id, [join, streaming(), ...sent('p', 30)]).verdict, 'inconclusive');
      const refusal: HistoryEvent = {
        ...{ t: sentAt(14), type: 'client.closed', client: 'whep', reason: 'rejected' },
        ...{ during: 'handshaking', code: 'http.404', detail: '' },
      };
      assert.equal(judge(id, [join, refusal]).says, 'closed: http.404');
    });
  });

  test('no-frame-lost-clean: all, one lost, one without its stamp', () => {
    const id = 'webrtc/no-frame-lost-clean';
    const story = (numbers: number[], unstamped?: number) => [
      join,
      ...sent('p', 120),
      ...got('whep', numbers, 1, unstamped),
    ];
    assert.deepEqual(judge(id, story(range(25, 110))), { verdict: 'pass', says: '' });
    assert.equal(judge(id, story(range(25, 110).filter((n) => n !== 65))).verdict, 'fail');
    assert.match(judge(id, story(range(25, 110), 40)).says, /not its own/);
    assert.equal(judge(id, []).verdict, 'inconclusive');
  });

  test('nack-recovers: recovered, lost, not put to the test', () => {
    const id = 'webrtc/nack-recovers';
    const story = (numbers: number[], figures: StepData = {}) => [
      step(1, 'watched', { publisher: 'p', player: 'whep' }),
      ...sent('p', 140),
      ...got('whep', numbers),
      step(9000, 'figures', { dropped: 8, nacked: 9, recovered: 8, lost: 0, ...figures }),
    ];
    assert.deepEqual(judge(id, story(range(0, 130))), { verdict: 'pass', says: '' });
    assert.equal(judge(id, story(range(0, 130).filter((n) => n !== 65))).verdict, 'fail');
    assert.equal(judge(id, story(range(0, 130), { dropped: 0 })).verdict, 'inconclusive');
    assert.equal(judge(id, story(range(0, 130), { nacked: 0 })).verdict, 'inconclusive');
    assert.equal(judge(id, []).verdict, 'inconclusive');
  });

  describe('pli-brings-keyframe', () => {
    const id = 'webrtc/pli-brings-keyframe';
    const asked = (t: number): HistoryEvent => step(t, 'keyframe-requested', { publisher: 'p' });
    const streaming = (client: string, t = sentAt(2)): HistoryEvent => ({
      ...{ t, type: 'client.state' as const, client, state: 'streaming' as const },
    });
    /** One keyframe at the beginning, and those of `keys`. */
    const rare = <E extends HistoryEvent>(events: readonly E[], keys: readonly number[]): E[] =>
      events.map((event) =>
        'stamp' in event && event.stamp ? { ...event, key: [0, ...keys].includes(event.stamp.frame) } : event,
      );
    const ASKED = 40;
    interface Told {
      requests?: readonly number[];
      keys?: readonly number[];
      frames?: number;
      rtmp?: readonly number[];
      whep?: readonly number[];
      lateMs?: number;
    }
    function story(told: Told = {}): HistoryEvent[] {
      const { requests = [ASKED], keys = [ASKED + 1], frames = 120, lateMs = 0 } = told;
      const { rtmp = range(0, frames), whep = range(ASKED + 1, frames) } = told;
      const delivered = [...got('rtmp', rtmp), ...got('whep', whep)];
      return rare(
        [
          ...[streaming('rtmp'), streaming('whep', sentAt(10))],
          step(sentAt(3), 'asking', { publisher: 'p', players: 'rtmp whep' }),
          ...requests.map((frame) => asked(sentAt(frame) + 1)),
          ...sent('p', frames),
          ...delivered.map((event) => ({ ...event, t: event.t + lateMs })),
        ],
        keys,
      );
    }

    test('asked, and every player has the keyframe that was sent then', () => {
      assert.deepEqual(judge(id, story()), { verdict: 'pass', says: '' });
      // The publisher is asked once a second: what was sent before a player was there is not looked at.
      const often = { requests: [5, ASKED], keys: [6, ASKED + 1], whep: range(ASKED + 1, 120) };
      assert.deepEqual(judge(id, story(often)), { verdict: 'pass', says: '' });
    });

    test('nobody asks: by the requests, and by the frames of each player', () => {
      const check = WEBRTC_CHECKS.find((one) => one.id === id)!;
      const judgements = check.judge(historyOf(story({ requests: [], keys: [], whep: [] })));
      assert.deepEqual(
        judgements.map(({ verdict }) => verdict),
        ['fail', 'fail', 'fail'],
      );
      assert.match(judgements[1]!.actual, /120 frames, keyframes among them: video frame 0/);
      assert.match(judgements[2]!.actual, /0 frames, keyframes among them: none/);
    });

    test('asked, and the keyframe reaches one of them, or none, or is not what was sent', () => {
      const but = range(0, 120).filter((n) => n !== ASKED + 1);
      assert.match(judge(id, story({ rtmp: but })).says, /^not video frame 41/);
      assert.match(judge(id, story({ whep: [] })).says, /^not video frame 41 .*; 0 frames/);
      assert.match(judge(id, story({ whep: range(ASKED + 2, 120) })).says, /^not video frame 41/);
      assert.match(judge(id, story({ lateMs: 600 })).says, /after 650 ms/);
      // A keyframe of another time is not the one.
      const later = { keys: [ASKED + 1, 80], rtmp: but, whep: range(80, 120) };
      assert.match(judge(id, story(later)).says, /^not video frame 41/);
      const broken = story().map((event) =>
        event.type === 'player.got' && event.client === 'whep' && event.stamp
          ? { ...event, stamp: { ...event.stamp, intact: false } }
          : event,
      );
      assert.match(judge(id, broken).says, /^not video frame 41/);
    });

    test('whom the server closes is not asked, and gets nothing', () => {
      const unasked = story({ requests: [], keys: [], frames: 20, whep: [] });
      assert.match(judge(id, [...unasked, closed('p')]).says, /^p was closed: eof/);
      assert.match(judge(id, [...unasked, closed('whep')]).says, /whep was closed: eof/);
    });

    test('asked late', () => {
      const late = { requests: [90], keys: [91], whep: range(91, 140), frames: 140 };
      assert.match(judge(id, story(late)).says, /^after 3481 ms/);
    });

    test('not seen, or not for long enough', () => {
      assert.equal(judge(id, []).verdict, 'inconclusive');
      const short = historyOf(story({ requests: [], keys: [], frames: 40, whep: [] }));
      const judgements = WEBRTC_CHECKS.find((one) => one.id === id)!.judge(short);
      assert.deepEqual(
        judgements.map(({ verdict }) => verdict),
        ['inconclusive', 'inconclusive', 'inconclusive'],
      );
      assert.equal(judge(id, story({ keys: [], whep: [] })).verdict, 'inconclusive', 'not obeyed');
      const under = story({ frames: 44, whep: [] });
      assert.equal(judge(id, under).verdict, 'inconclusive', 'under way');
      const alone = story({ requests: [], keys: [60], whep: [] });
      assert.match(judge(id, alone).says, /but keyframes were sent; nobody asks/);
      const absent = story().filter((event) => event.type !== 'client.state' || event.client !== 'whep');
      assert.equal(judge(id, absent).verdict, 'inconclusive');
    });
  });

  test('session-forgotten: gone alone, kept, gone with another', () => {
    const id = 'webrtc/session-forgotten';
    const story = (clients: number, frames = 135) => [
      reading(9, 3),
      step(10, 'vanished', { publisher: 'p', withinMs: 6500 }),
      reading(6000, clients),
      ...sent('p', 140),
      ...got('staying', range(0, frames)),
    ];
    assert.equal(judge(id, story(2)).verdict, 'pass');
    assert.match(judge(id, story(3)).says, /3 clients/);
    assert.equal(judge(id, story(1)).verdict, 'fail');
    assert.equal(judge(id, [reading(1, 3)]).verdict, 'inconclusive');
    assert.equal(judge(id, story(2).slice(0, 3)).verdict, 'inconclusive');
    const unread = story(2).filter(({ t, type }) => type !== 'api.stream' || t < 10);
    assert.equal(judge(id, unread).says, 'the check did not get that far');
    assert.deepEqual(judge(id, story(2).slice(1)).says, 'the API did not list it before');
  });

  test('session-forgotten: that the other one stays is seen by its frames and by nothing else', () => {
    const id = 'webrtc/session-forgotten';
    const story = [reading(9, 3), step(10, 'vanished', { publisher: 'p', withinMs: 6500 }), reading(6000, 2)];
    assert.equal(judge(id, [...story, step(6500, 'stayed')]).verdict, 'inconclusive');
    const still = judge(id, [...story, ...sent('p', 140), ...got('staying', range(0, 100))]);
    assert.equal(still.verdict, 'fail');
    assert.match(still.says, /100 frames, all well, 0 of them after it/);
  });

  test('publisher-nack-recovers: recovered, lost, not asked for, not put to the test', () => {
    const id = 'webrtc/publisher-nack-recovers';
    const story = (numbers: number[], figures: StepData = {}) => [
      step(1, 'watched', { publisher: 'p', player: 'whep' }),
      ...sent('p', 140),
      ...got('whep', numbers),
      step(9000, 'figures', { dropped: 8, naks: 6, retransmitted: 8, forgotten: 0, ...figures }),
    ];
    assert.deepEqual(judge(id, story(range(0, 130))), { verdict: 'pass', says: '' });
    assert.equal(judge(id, story(range(0, 130).filter((n) => n !== 65))).verdict, 'fail');
    assert.equal(judge(id, story(range(0, 130), { naks: 0, retransmitted: 0 })).verdict, 'fail');
    assert.equal(judge(id, story(range(0, 130), { dropped: 0, retransmitted: 0 })).verdict, 'inconclusive');
    const unknown = story(range(0, 130)).slice(0, -1);
    assert.equal(
      judge(id, [...unknown, step(9000, 'figures', { retransmitted: 8 })]).verdict,
      'inconclusive',
    );
    assert.equal(judge(id, []).verdict, 'inconclusive');
  });

  test('publisher-forgotten: gone and free, kept, gone and refused', () => {
    const id = 'webrtc/publisher-forgotten';
    const publishing = (t: number, publishers: number): HistoryEvent =>
      ({ ...reading(t, publishers), publishers }) as HistoryEvent;
    const gone = [publishing(5, 1), step(10, 'vanished', { withinMs: 6500 }), publishing(6000, 0)];
    const again = sent('again', 5);
    assert.deepEqual(judge(id, [...gone, ...again]), { verdict: 'pass', says: '' });
    const kept = [publishing(5, 1), step(10, 'vanished', { withinMs: 6500 }), publishing(11_000, 1)];
    assert.match(judge(id, [...kept, step(11_001, 'forgotten'), ...again]).says, /1 publishers/);
    assert.equal(judge(id, [...gone.slice(1), ...again]).says, 'the API did not list it before');
    for (const part of [again.slice(1), [step(7000, 'published-again')]]) {
      assert.equal(judge(id, [...gone, ...part]).verdict, 'inconclusive');
    }
    const refusal: HistoryEvent = {
      ...{ t: 6500, type: 'client.closed', client: 'again', reason: 'rejected' },
      ...{ during: 'handshaking', code: 'http.409', detail: 'busy' },
    };
    assert.match(judge(id, [...gone, refusal]).says, /http\.409/);
    assert.equal(judge(id, gone).verdict, 'inconclusive');
    assert.equal(judge(id, [...gone.slice(0, 2), ...again]).says, 'the check did not get that far');
    assert.equal(judge(id, [publishing(5, 0)]).verdict, 'inconclusive');
  });

  test('republish-while-waiting: both, the first only, not from a keyframe', () => {
    const id = 'webrtc/republish-while-waiting';
    const story = (...received: HistoryEvent[]) => [
      step(1, 'published', { publisher: 'first', frames: 5 }),
      step(2, 'published', { publisher: 'second', frames: 30 }),
      ...sent('first', 30, 1),
      ...sent('second', 60, 2),
      ...received,
    ];
    const first = got('waiting', range(0, 10), 1);
    assert.equal(judge(id, story(...first, ...got('waiting', range(25, 55), 2))).verdict, 'pass');
    assert.match(judge(id, story(...first, ...got('waiting', [25], 2))).says, /^1 frames/);
    const short = story(...first, ...got('waiting', [25], 2)).filter(({ t }) => t < sentAt(50));
    assert.equal(judge(id, short).verdict, 'inconclusive');
    assert.match(judge(id, story(...first)).says, /none/);
    assert.equal(judge(id, story(...first, ...got('waiting', range(26, 50), 2))).verdict, 'fail');
    assert.equal(judge(id, [step(1, 'published', { publisher: 'first' })]).verdict, 'inconclusive');
    // What is seen is as it should be; there was no second publication, or it sent nothing.
    const once = [step(1, 'published', { publisher: 'first', frames: 5 }), ...sent('first', 30, 1), ...first];
    assert.equal(judge(id, once).verdict, 'inconclusive');
    const unsent = judge(id, [...once, step(2, 'published', { publisher: 'second' })]);
    assert.deepEqual([unsent.verdict, unsent.says], ['inconclusive', 'nothing was published']);
    assert.equal(judge(id, []).verdict, 'inconclusive');
  });
});

describe('all-protocols', () => {
  const id = 'fan-out/all-protocols-from-rtmp';
  const PLAYED = ['flv', 'rtmp', 'hls', 'webrtc'];
  const way = (target: string, data: StepData): HistoryEvent =>
    step(1, 'way', { source: 'rtmp', target, ...data });
  const story = (flv: number[]): HistoryEvent[] => [
    step(1, 'published', { source: 'rtmp', publisher: 'p' }),
    ...PLAYED.map((target) => way(target, { player: `rtmp>${target}` })),
    way('srt', { absent: 'no bridge' }),
    ...sent('p', 120),
    ...got('rtmp>flv', flv),
    ...PLAYED.slice(1).flatMap((target) => got(`rtmp>${target}`, range(25, 100))),
  ];

  test('the same frames everywhere', () => {
    assert.deepEqual(judge(id, story(range(10, 110))), { verdict: 'pass', says: 'no bridge' });
  });

  test('a way that nobody went proves nothing, and neither does a publication without any', () => {
    for (const target of [...PLAYED, 'srt']) {
      const less = story(range(10, 110)).filter(
        (event) => event.type !== 'step' || event.data.target !== target,
      );
      assert.equal(judge(id, less).verdict, 'inconclusive', target);
    }
    const alone = story([]).filter((event) => event.type !== 'step' || event.step === 'published');
    assert.equal(judge(id, alone).verdict, 'inconclusive');
  });

  test('a publisher whom the server refuses', () => {
    const refusal: HistoryEvent = {
      ...{ t: 5, type: 'client.closed', client: 'rtmp-publisher', reason: 'rejected' },
      ...{ during: 'requesting', code: 'rtmp.rejected', detail: '' },
    };
    assert.deepEqual(judge(id, [refusal]), { verdict: 'fail', says: 'rtmp.rejected' });
  });

  test('one way alone is compared with nothing', () => {
    const ways = ['flv', 'hls', 'srt', 'webrtc'].map((target) => way(target, { absent: 'none' }));
    const check = ALL_PROTOCOLS.find((one) => one.id === id)!;
    const judgements = check.judge(
      historyOf([
        step(1, 'published', { source: 'rtmp', publisher: 'p' }),
        way('rtmp', { player: 'rtmp>rtmp' }),
        ...ways,
        ...sent('p', 120),
        ...got('rtmp>rtmp', range(0, 100)),
      ]),
    );
    assert.deepEqual(
      judgements.filter(({ verdict }) => verdict === 'pass').map(({ expected }) => expected),
      ['rtmp>rtmp: every frame of p once, in order and unharmed'],
    );
  });

  test('a way without frames, with one lost, with others', () => {
    assert.match(judge(id, story([])).says, /0 frames/);
    assert.match(judge(id, story(range(10, 110).filter((n) => n !== 50))).says, /51 instead of 50/);
    const others = story([]).concat(got('rtmp>flv', range(10, 110), 7));
    assert.match(judge(id, others).says, /not its own/);
  });

  test('an absent way is unsupported, and no pass', () => {
    const check = ALL_PROTOCOLS.find((one) => one.id === id)!;
    const judgements = check.judge(historyOf(story(range(10, 110))));
    const parts = judgements.filter(({ verdict }) => verdict === 'unsupported');
    assert.deepEqual(parts, [{ verdict: 'unsupported', expected: 'RTMP to SRT', actual: 'no bridge' }]);
    const [common] = judgements.slice(-1);
    assert.deepEqual(
      [common!.expected, common!.actual],
      ['players of 4 protocols have the same frames', 'frames 25 to 99 were'],
    );
  });

  test('ways that have no frame in common compare nothing', () => {
    const apart = [...story([]).filter(({ t }) => t < sentAt(25)), ...got('rtmp>flv', range(0, 60))];
    const later = [
      ...sent('p', 160),
      ...PLAYED.slice(1).flatMap((target) => got(`rtmp>${target}`, range(75, 140))),
    ];
    const { verdict, says } = judge(id, [
      ...apart.filter(({ type }) => type === 'step'),
      ...later,
      ...got('rtmp>flv', range(0, 70)),
    ]);
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /no frame was seen by all of them/);
  });

  test('other publications are not looked at, and none proves nothing', () => {
    const other = [step(1, 'published', { source: 'srt', publisher: 'q' })];
    assert.equal(judge(id, other).verdict, 'inconclusive');
  });
});

test('a vanished client has the time of the engine: a builtin node is not given that of SRS', () => {
  assert.deepEqual(['builtin', 'srs', 'other'].map(rtcForgottenWithinMs), [6500, 11_000, 11_000]);
});

test('a line takes the media: candidates of the answer name it, and RTP is told from the rest', () => {
  const line = { host: '127.0.0.1', port: 5 };
  const candidate = 'a=candidate:1 1 udp 2130706431 127.7.0.1 8000 typ host generation 0\r\n';
  assert.equal(
    redirected(`s=-\r\n${candidate}a=x\r\n`, line),
    's=-\r\na=candidate:1 1 udp 2130706431 127.0.0.1 5 typ host generation 0\r\na=x\r\n',
  );
  assert.equal(withoutCandidates(`s=-\r\n${candidate}a=x\r\n`), 's=-\r\na=x\r\n');
  const packet = (first: number, second: number) => Uint8Array.of(first, second, ...new Array(12).fill(0));
  assert.ok(isRtp(packet(0x80, 0x80 | 102)));
  assert.ok(!isRtp(packet(0x81, 201)));
  assert.ok(!isRtp(packet(0x00, 1)));
  assert.ok(!isRtp(packet(22, 254)));
  assert.ok(!isRtp(Uint8Array.of(0x80)));
});

describe('bad-offers', () => {
  const LABELS = ['bad-whip-0', 'bad-whep-0', 'bad-whip-1', 'bad-whep-1'];
  const of = (statuses: Readonly<Record<string, number>>, told = LABELS): string =>
    judge('webrtc/bad-offers', [
      step(1, 'witness', { client: 'w', publisher: 'witnessed', node: 'origin', protocol: 'flv' }),
      step(2, 'witnesses.before'),
      ...told.map((label, i) => step(3 + i, 'bad', { label, name: label })),
      ...Object.entries(statuses).map(([label, status], i) => exchange(10 + i, label, status)),
      step(20, 'witnesses.after'),
      ...sent('witnessed', 40),
      ...got('w', range(0, 40)),
    ]).verdict;
  const all = (status: number) => Object.fromEntries(LABELS.map((label) => [label, status]));

  test('all refused', () => assert.equal(of(all(400)), 'pass'));
  test('one taken, one not answered, one that breaks the server', () => {
    for (const label of LABELS)
      for (const status of [201, 0, 500]) assert.equal(of({ ...all(400), [label]: status }), 'fail', label);
  });
  test('one that was not made, or of which nothing is known', () => {
    for (const label of LABELS) {
      const { [label]: _, ...others } = all(400);
      assert.equal(of(others), 'inconclusive', label);
      assert.equal(of(others, Object.keys(others)), 'inconclusive', label);
    }
  });
});
