import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RejectReason } from '../../../protocols/srt/rejection.ts';
import { SRT_CHECKS } from '../../../scenarios/conformance/srt.ts';
import type { History, HistoryEvent, MediaItem, StepData } from '../../../scenarios/history.ts';
import { verdictOf } from './histories.ts';
import { Timeline } from './timeline.ts';

function judge(id: string, events: readonly HistoryEvent[]): { verdict: string; says: string } {
  const check = SRT_CHECKS.find((one) => one.id === `srt/${id}`);
  assert.ok(check, id);
  return verdictOf(check.judge(historyOf(events)));
}

function historyOf(events: readonly HistoryEvent[]): History {
  const { history } = new Timeline();
  for (const event of [...events].sort((a, b) => a.t - b.t)) history.append(event);
  return history;
}

const step = (t: number, name: string, data: StepData = {}): HistoryEvent => ({
  t,
  type: 'step',
  step: name,
  data,
});
const streaming = (t: number, client: string): HistoryEvent => ({
  t,
  type: 'client.state',
  client,
  state: 'streaming',
});

const CODES = {
  remote: 'srt.shutdown',
  rejected: 'srt.rejected.bad-secret',
  timeout: 'srt.timeout.handshake',
} as const;

function closed(t: number, client: string, reason: keyof typeof CODES = 'remote'): HistoryEvent {
  const code = CODES[reason];
  return { t, type: 'client.closed', client, reason, during: 'streaming', code, detail: '' };
}

function frame(n: number, sentAt: number, changes: { stream?: number; intact?: boolean } = {}): MediaItem {
  const { stream = 1, intact = true } = changes;
  const stamp = { stream, frame: n, sentAt, intact };
  return { kind: 'video', timestamp: n * 40, size: 100, sum: n, key: n % 25 === 0, stamp };
}

const sentAt = (n: number): number => 1000 + n * 40;

/** Frames of a publisher, from number 0 on, every 40 ms. */
function sent(client: string, count: number, stream = 1): HistoryEvent[] {
  return Array.from({ length: count }, (_, n) => ({
    t: sentAt(n),
    type: 'publisher.sent',
    client,
    stream: 's',
    ...frame(n, sentAt(n), { stream }),
  }));
}

function got(
  client: string,
  numbers: readonly number[],
  changes: { delay?: number; stream?: number; damaged?: number } = {},
): HistoryEvent[] {
  const { delay = 100, stream = 1, damaged } = changes;
  return numbers.map((n, i) => ({
    t: sentAt(n) + delay + i / 1000,
    type: 'player.got',
    client,
    stream: 's',
    ...frame(n, sentAt(n), { stream, intact: n !== damaged }),
  }));
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const without = (numbers: readonly number[], lost: number): number[] => numbers.filter((n) => n !== lost);
const message = (t: number, client: string, way: 'sent' | 'got', packets: number[]): HistoryEvent => ({
  t,
  type: 'srt.message',
  client,
  way,
  packets,
});

describe('handshake', () => {
  const much: StepData = { name: 'much', receive: 480, send: 520, serverReceives: 520, serverSends: 480 };
  const old = (name: string, changes: StepData = {}): HistoryEvent =>
    step(3, 'old', { name, type: 1000 + RejectReason.version, version: 5, response: null, ...changes });
  const TOO_OLD = [old('version 4'), old('SRT 1.2')];
  const agreed = (...callers: StepData[]): HistoryEvent[] => [
    step(1, 'configured', { receive: 150, peer: 100 }),
    ...callers.map((changes) => agreement(changes)),
    ...TOO_OLD,
  ];
  const agreement = (changes: StepData): HistoryEvent =>
    step(2, 'agreed', {
      ...{ name: 'little', receive: 20, send: 30, inductionVersion: 5, magic: 0x4a17, cookie: true },
      ...{ type: 0xffffffff, version: 5, srtVersion: 0x010501, response: true },
      ...{ serverReceives: 150, serverSends: 100, ...changes },
    });

  test('the greater latency of each direction', () => {
    assert.deepEqual(judge('handshake', agreed({}, much)), { verdict: 'pass', says: '' });
    const more = { receive: 480, send: 520 };
    assert.match(judge('handshake', agreed({}, more)).says, /100 and 150 ms/);
    assert.equal(judge('handshake', agreed({ serverReceives: 0, serverSends: 0 }, much)).verdict, 'fail');
  });

  test('one caller of two proves nothing of the other', () => {
    for (const one of [{}, much]) assert.equal(judge('handshake', agreed(one)).verdict, 'inconclusive');
  });

  test('another version, no magic, no cookie, no extension, too old', () => {
    const wrongs: StepData[] = [
      { inductionVersion: 4 },
      { magic: 2 },
      { cookie: false },
      { version: 4 },
      { response: null },
      { srtVersion: 0x010200 },
      { srtVersion: null },
    ];
    for (const wrong of wrongs) {
      assert.equal(judge('handshake', agreed(wrong, much)).verdict, 'fail', JSON.stringify(wrong));
    }
  });

  test('callers who are too old: rejected, let in, answered in their version, not tried', () => {
    const accepted = { type: 0xffffffff, version: 5, response: true };
    const asOfOld = { type: 0xffffffff, version: 4, response: null };
    const of = (...olds: HistoryEvent[]) =>
      judge('handshake', [...agreed({}, much).slice(0, -TOO_OLD.length), ...olds]);
    const [four, before13] = TOO_OLD as [HistoryEvent, HistoryEvent];
    assert.equal(of(four, before13).verdict, 'pass');
    assert.equal(of(old('version 4', asOfOld), before13).verdict, 'pass');
    assert.equal(of(old('version 4', accepted), before13).verdict, 'fail');
    assert.equal(of(four, old('SRT 1.2', accepted)).verdict, 'fail');
    assert.equal(of(four, old('SRT 1.2', asOfOld)).verdict, 'fail');
    assert.equal(of(four, old('SRT 1.2', { type: 1000 + RejectReason.peer })).verdict, 'fail');
    assert.equal(of(four).verdict, 'inconclusive');
  });

  test('silence is a failure, and nothing at all is none', () => {
    const broken = { what: 'x', code: 'wire.timeout', expected: 'an answer', actual: 'silence' };
    assert.equal(judge('handshake', [step(1, 'configured'), step(2, 'wire.failed', broken)]).verdict, 'fail');
    assert.equal(judge('handshake', []).verdict, 'inconclusive');
  });
});

describe('handshake-flood', () => {
  const flood = (after: StepData, served = true): HistoryEvent[] => [
    step(1, 'before', { rssMb: 100 }),
    step(2, 'after', { sent: 20_000, answered: 20_000, rssMb: 104, ...after }),
    ...sent('publisher', 3),
    ...(served ? got('served', [0]) : []),
  ];

  test('bounded, grown, not arrived, not served afterwards', () => {
    assert.equal(judge('handshake-flood', flood({})).verdict, 'pass');
    assert.match(judge('handshake-flood', flood({ rssMb: 260 })).says, /160 MB/);
    assert.equal(judge('handshake-flood', flood({ answered: 500 })).verdict, 'inconclusive');
    assert.equal(judge('handshake-flood', flood({}, false)).verdict, 'fail');
    assert.equal(judge('handshake-flood', []).verdict, 'inconclusive');
    // What a process that is gone has, and an end before anybody came to be served.
    assert.equal(judge('handshake-flood', flood({ rssMb: 0 })).verdict, 'inconclusive');
    assert.equal(judge('handshake-flood', flood({}, false).slice(0, 2)).verdict, 'inconclusive');
    const refused = [...flood({}, false).slice(0, 2), closed(3, 'publisher', 'rejected')];
    assert.match(judge('handshake-flood', refused).says, /publisher was closed/);
  });
});

describe('stream-id-routing', () => {
  const OTHERS = ['r-and-m', 'question-mark', 'm-first', 'name', 'other-name'];
  const form = (player: string) => step(1, 'form', { player, id: player, publisher: 'two' });
  const routed = (stream: number, frames = 5, others: readonly string[] = OTHERS): HistoryEvent[] => [
    form('path'),
    ...sent('two', 5, 2),
    ...got('path', range(0, frames), { stream }),
    ...others.flatMap((other) => [form(other), ...got(other, range(0, 5), { stream: 2 })]),
  ];

  test('its own, of another, none', () => {
    assert.equal(judge('stream-id-routing', routed(2)).verdict, 'pass');
    assert.match(judge('stream-id-routing', routed(1)).says, /another stream/);
    assert.match(judge('stream-id-routing', routed(2, 0)).says, /no frame/);
    const unpublished = routed(2).filter(({ type }) => type !== 'publisher.sent');
    const { verdict, says } = judge('stream-id-routing', unpublished);
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /^nothing was published/);
  });

  test('a form that nobody tried proves nothing', () => {
    assert.equal(judge('stream-id-routing', routed(2, 5, OTHERS.slice(1))).verdict, 'inconclusive');
  });

  test('a player who gets one frame and no more, and one whose frames have no stamp', () => {
    assert.match(judge('stream-id-routing', routed(2, 1)).says, /^1 frames/);
    const unstamped = routed(2).map((event) =>
      event.type === 'player.got' && event.client === 'path' ? { ...event, stamp: null } : event,
    );
    assert.match(judge('stream-id-routing', unstamped).says, /another stream/);
  });

  test('a publisher who is refused', () => {
    assert.equal(judge('stream-id-routing', [...sent('one', 2), closed(9, 'two')]).verdict, 'fail');
    assert.equal(judge('stream-id-routing', []).verdict, 'inconclusive');
  });
});

describe('missing-and-refused', () => {
  const reading = (t: number, clients: number): HistoryEvent => ({
    ...{ t, type: 'api.stream', node: 'origin', stream: 'absent' },
    ...{ clients, upstreams: 0, upstreamsOf: {}, publishers: 0 },
  });
  const story = (...more: HistoryEvent[]): HistoryEvent[] => [
    streaming(1, 'waiting'),
    step(2, 'waits', { player: 'waiting' }),
    reading(3, 1),
    step(10, 'refused', { client: 'busy', why: 'a stream that is busy' }),
    step(11, 'refused', { client: 'confused', why: 'an unknown mode' }),
    closed(12, 'confused'),
    reading(1590, 1),
    step(1600, 'waited'),
    ...more,
  ];

  test('waits, and is closed', () => {
    assert.deepEqual(judge('missing-and-refused', story(closed(30, 'busy'))), { verdict: 'pass', says: '' });
  });

  test('kept, closed late, closed before it was looked at', () => {
    assert.match(judge('missing-and-refused', story()).says, /kept/);
    assert.match(judge('missing-and-refused', story(closed(1500, 'busy'))).says, /after 1490 ms/);
    assert.equal(judge('missing-and-refused', story(closed(5, 'busy'))).verdict, 'pass');
    // Its time runs from when it was let in, which may be long before it is looked at.
    const late = story(streaming(-1200, 'busy'), closed(5, 'busy'));
    assert.match(judge('missing-and-refused', late).says, /after 1205 ms/);
  });

  test('one whom nobody answered, or who was not let in, was not closed', () => {
    for (const [reason, during] of [
      ['timeout', 'handshaking'],
      ['timeout', 'streaming'],
      ['rejected', 'handshaking'],
    ] as const) {
      const ended = { ...closed(30, 'busy'), reason, during } as HistoryEvent;
      assert.match(judge('missing-and-refused', story(ended)).says, new RegExp(`${reason} while ${during}`));
    }
  });

  test('a caller who was not made proves nothing', () => {
    for (const client of ['busy', 'confused']) {
      const others = story(closed(30, 'busy')).filter(
        (event) => event.type !== 'step' || event.data.client !== client,
      );
      assert.equal(judge('missing-and-refused', others).verdict, 'inconclusive', client);
    }
  });

  test('the waiting one is closed, is served, is not listed', () => {
    const refused = closed(30, 'busy');
    assert.equal(judge('missing-and-refused', story(refused, closed(50, 'waiting'))).verdict, 'fail');
    assert.match(judge('missing-and-refused', story(refused, ...got('waiting', [0]))).says, /1 frames/);
    assert.match(judge('missing-and-refused', story(refused, reading(1590, 0))).says, /0 clients/);
    assert.match(judge('missing-and-refused', [reading(3, 1)]).says, /not let in/);
    const tried: HistoryEvent = { t: 1, type: 'client.state', client: 'waiting', state: 'handshaking' };
    assert.equal(judge('missing-and-refused', [tried]).verdict, 'fail');
    assert.equal(judge('missing-and-refused', []).verdict, 'inconclusive');
    const absent = [step(10, 'refused', { client: 'busy' }), step(11, 'refused', { client: 'confused' })];
    const others = [...absent, closed(12, 'confused'), closed(30, 'busy')];
    assert.deepEqual(judge('missing-and-refused', others), {
      verdict: 'inconclusive',
      says: 'the check did not get that far',
    });
  });

  test('one who was there until the check ended, which was soon, may have been closed', () => {
    const soon = story().map((event) => (event.t >= 1590 ? { ...event, t: event.t - 700 } : event));
    const judged = SRT_CHECKS.find(({ id }) => id === 'srt/missing-and-refused')!.judge(historyOf(soon));
    const busy = judged.find(({ expected }) => expected.startsWith('busy,'))!;
    assert.deepEqual([busy.verdict, busy.actual], ['inconclusive', 'the check did not get that far']);
  });

  test('what was not looked at to the end tells nothing', () => {
    const verdictWithout = (...steps: string[]) =>
      judge(
        'missing-and-refused',
        story(closed(30, 'busy')).filter(
          (event) => !steps.includes(event.type === 'step' ? event.step : event.type),
        ),
      ).verdict;
    assert.equal(verdictWithout('api.stream'), 'inconclusive');
    assert.equal(verdictWithout('waited'), 'inconclusive');
    const listedOnce = story(closed(30, 'busy')).filter(({ t }) => t !== 1590);
    assert.equal(judge('missing-and-refused', listedOnce).verdict, 'inconclusive');
    // Nobody was there for as long as the server may take.
    const short = [...story().slice(0, 6), step(20, 'waited')];
    assert.equal(judge('missing-and-refused', short).verdict, 'inconclusive');
  });
});

describe('encryption', () => {
  const strangers = [step(1, 'stranger', { player: 'wrong' }), step(1, 'stranger', { player: 'none' })];
  const rejected = [closed(2, 'wrong', 'rejected'), closed(2, 'none', 'rejected')];

  test('the right one plays, the others are rejected', () => {
    const published = sent('publisher', 3);
    const all = [...published, ...got('right', [0, 1]), ...strangers, ...rejected];
    assert.equal(judge('encryption', all).verdict, 'pass');
    assert.match(judge('encryption', [...all, streaming(1, 'none')]).says, /let in/);
    assert.match(
      judge('encryption', [...published, ...got('right', [0]), ...strangers, rejected[0]!]).says,
      /neither/,
    );
    assert.equal(
      judge('encryption', [...published, ...got('right', [0], { damaged: 0 }), ...strangers, ...rejected])
        .verdict,
      'fail',
    );
    assert.equal(judge('encryption', [...published, ...got('right', [0])]).verdict, 'inconclusive');
    assert.equal(judge('encryption', [...published, ...strangers, ...rejected]).verdict, 'fail');
    // Before anything was published nobody is to blame, unless the server refuses who has the passphrase.
    assert.equal(judge('encryption', []).verdict, 'inconclusive');
    assert.match(judge('encryption', [closed(1, 'publisher', 'rejected')]).says, /publisher was closed/);
  });

  test('closed in another way than by a rejection', () => {
    const seen = [...sent('publisher', 3), ...got('right', [0]), ...strangers, rejected[1]!];
    assert.equal(judge('encryption', [...seen, closed(2, 'wrong')]).verdict, 'fail');
    // Not for its passphrase: the server has no room for anybody.
    const full = { ...rejected[0]!, code: 'srt.rejected.resource' } as HistoryEvent;
    assert.deepEqual(judge('encryption', [...seen, full]), {
      verdict: 'fail',
      says: 'srt.rejected.resource',
    });
  });
});

describe('without-encryption', () => {
  const watched = step(1, 'watched', { publisher: 'p', player: 'open' });
  const stranger = step(1, 'stranger', { player: 'a' });
  const packets = range(100, 200);
  const story = (received: number[], numbers = range(5, 60)): HistoryEvent[] => [
    watched,
    stranger,
    ...sent('p', 70),
    message(1, 'p', 'sent', packets),
    message(2, 'open', 'got', received),
    ...got('open', numbers),
  ];
  const rejected = closed(2, 'a', 'rejected');

  test('all that was sent arrives, and who brings a passphrase is rejected', () => {
    const whole = story(range(120, 200));
    assert.equal(judge('without-encryption', [...whole, rejected]).verdict, 'pass');
    assert.match(judge('without-encryption', [...whole, rejected, streaming(1, 'a')]).says, /let in/);
    const holed = story(without(range(120, 200), 150));
    assert.equal(judge('without-encryption', [...holed, rejected]).verdict, 'fail');
    const late = story(range(120, 200), without(range(5, 60), 30));
    assert.equal(judge('without-encryption', [...late, rejected]).verdict, 'fail');
  });

  test('a publisher who is rejected, and one of whom nothing is known', () => {
    assert.match(judge('without-encryption', [closed(1, 'p', 'rejected')]).says, /bad-secret/);
    assert.equal(judge('without-encryption', []).verdict, 'inconclusive');
    const nobodyElse = story(range(120, 200)).filter((event) => event !== stranger);
    assert.equal(judge('without-encryption', nobodyElse).verdict, 'inconclusive');
  });
});

describe('publish-play-exact', () => {
  const watched = step(1, 'watched', { publisher: 'p', player: 'srt', others: 'rtmp' });
  const packets = range(100, 200);
  const story = (received: number[], numbers = range(5, 85), damaged?: number): HistoryEvent[] => [
    watched,
    ...sent('p', 90),
    message(1, 'p', 'sent', packets),
    message(2, 'srt', 'got', received),
    ...got('srt', numbers, damaged === undefined ? {} : { damaged }),
    ...got('rtmp', range(5, 85)),
  ];

  test('every packet from where it joined', () => {
    assert.deepEqual(judge('publish-play-exact', story(packets.slice(20))), { verdict: 'pass', says: '' });
  });

  test('packets that were not seen to come, or to be sent, prove nothing', () => {
    const few = judge('publish-play-exact', story(packets.slice(20, 27)));
    assert.deepEqual(few, { verdict: 'inconclusive', says: '7 packets, all the same' });
    for (const received of [[], packets]) {
      const unseen = story(received).filter((event) => event.type !== 'srt.message' || event.way !== 'sent');
      assert.deepEqual(judge('publish-play-exact', unseen), {
        verdict: 'inconclusive',
        says: 'no packet was seen to be sent',
      });
    }
  });

  test('a player or the publisher that the server closes is a failure, however little was sent', () => {
    for (const client of ['p', 'rtmp']) {
      const early = [
        watched,
        ...sent('p', 20),
        ...['srt', 'rtmp'].flatMap((player) => got(player, range(5, 15))),
        closed(2000, client),
      ];
      const { verdict, says } = judge('publish-play-exact', early);
      assert.equal(verdict, 'fail', client);
      assert.match(says, new RegExp(`${client} was closed: srt.shutdown`));
      const down: HistoryEvent = { t: 1999, type: 'generator', loopLagMs: 0 };
      assert.equal(judge('publish-play-exact', [...early, down]).verdict, 'inconclusive', client);
    }
  });

  test('a packet is missing, another is there, two are swapped, none came', () => {
    assert.match(
      judge('publish-play-exact', story(without(packets, 150))).says,
      /after 50 packets one that was to come 1/,
    );
    assert.match(judge('publish-play-exact', story([...range(100, 150), 7])).says, /none that was to come/);
    assert.equal(judge('publish-play-exact', story([...range(100, 150), 151, 150, 152])).verdict, 'fail');
    assert.match(judge('publish-play-exact', story([])).says, /none of 100/);
    assert.match(judge('publish-play-exact', story([9, 9, 9])).says, /first packets/);
  });

  test('a frame is missing, damaged, of another; it stops', () => {
    assert.match(
      judge('publish-play-exact', story(packets, without(range(5, 85), 40))).says,
      /41 instead of 40/,
    );
    assert.match(judge('publish-play-exact', story(packets, range(5, 85), 40)).says, /damaged/);
    assert.match(judge('publish-play-exact', story(packets, range(5, 20))).says, /15 frames/);
    const foreign = [...story(packets), ...got('srt', [86], { stream: 9 })];
    assert.match(judge('publish-play-exact', foreign).says, /not its own/);
  });

  test('nothing was to be seen', () => {
    assert.equal(judge('publish-play-exact', []).verdict, 'inconclusive');
    const early = [
      watched,
      ...sent('p', 20),
      message(1, 'p', 'sent', packets),
      message(2, 'srt', 'got', packets),
    ];
    assert.equal(
      judge('publish-play-exact', [...early, ...got('srt', range(0, 15))]).verdict,
      'inconclusive',
    );
    const unsent = story(packets).filter(({ type }) => type !== 'publisher.sent');
    assert.deepEqual(judge('publish-play-exact', unsent), {
      verdict: 'inconclusive',
      says: 'nothing was published; nothing was published',
    });
  });
});

describe('latency-as-configured', () => {
  const watched = step(1, 'watched', {
    ...{ publisher: 'p', player: 'srt', others: 'rtmp', sendLatency: 400, playLatency: 300 },
  });
  const story = (srt: number, rtmp: number): HistoryEvent[] => [
    watched,
    ...got('srt', range(0, 75), { delay: srt }),
    ...got('rtmp', range(0, 75), { delay: rtmp }),
  ];

  test('in time, too soon, too late', () => {
    assert.deepEqual(judge('latency-as-configured', story(742, 480)), { verdict: 'pass', says: '' });
    assert.match(judge('latency-as-configured', story(300, 480)).says, /after 300 ms/);
    assert.match(judge('latency-as-configured', story(742, 60)).says, /after 60 ms/);
    assert.equal(judge('latency-as-configured', story(1200, 480)).verdict, 'fail');
  });

  test('lateness of our own, and no frame', () => {
    const held: HistoryEvent = { t: 9000, type: 'generator', loopLagMs: 400 };
    assert.equal(judge('latency-as-configured', [...story(1200, 480), held]).verdict, 'inconclusive');
    assert.equal(judge('latency-as-configured', [watched]).verdict, 'inconclusive');
  });

  test('a few frames in time prove nothing, a few that come too soon are too soon', () => {
    const few = (delay: number) => [
      ...story(742, 480).filter((event) => event.type !== 'player.got' || event.client === 'srt'),
      ...got('rtmp', range(0, 20), { delay }),
    ];
    assert.equal(judge('latency-as-configured', few(480)).verdict, 'inconclusive');
    assert.equal(judge('latency-as-configured', few(60)).verdict, 'fail');
  });
});

describe('loss-recovered', () => {
  const repairs = {
    naksSent: 4,
    naksReceived: 0,
    retransmitsSent: 5,
    retransmitsReceived: 5,
    packetsDropped: 0,
  };
  const story = (numbers: readonly number[], changes: StepData = {}, lost: StepData = {}): HistoryEvent[] => [
    step(1, 'watched', { publisher: 'p', players: 'srt rtmp' }),
    ...sent('p', 120),
    ...got('srt', numbers),
    ...got('rtmp', range(0, 110)),
    step(9000, 'figures', { client: 'p', ...repairs, ...changes }),
    step(9000, 'figures', { client: 'srt', ...repairs, ...changes }),
    step(9001, 'lost', { up: 8, down: 7, ...lost }),
  ];

  test('the publisher sends again, the player asks', () => {
    const idle = { p: { naksSent: 0, retransmitsReceived: 0 }, srt: { retransmitsSent: 0 } };
    const others = story(range(0, 110)).filter((event) => event.type !== 'step' || event.step !== 'figures');
    const figures = (['p', 'srt'] as const).map((client) =>
      step(9000, 'figures', { client, ...repairs, ...idle[client] }),
    );
    assert.equal(judge('loss-recovered', [...others, ...figures]).verdict, 'pass');
  });

  test('repaired, a frame missing, nothing lost, nothing repaired', () => {
    assert.deepEqual(judge('loss-recovered', story(range(0, 110))), { verdict: 'pass', says: '' });
    assert.equal(judge('loss-recovered', story(without(range(0, 110), 50))).verdict, 'fail');
    assert.equal(judge('loss-recovered', story(range(0, 110), {}, { down: 0 })).verdict, 'inconclusive');
    assert.equal(
      judge('loss-recovered', story(range(0, 110), { retransmitsSent: 0 })).verdict,
      'inconclusive',
    );
    assert.equal(judge('loss-recovered', []).verdict, 'inconclusive');
  });
});

describe('two-publishers', () => {
  const story = (second: HistoryEvent[], numbers: readonly number[] = range(0, 60)): HistoryEvent[] => [
    step(5, 'two', { second: 'second' }),
    ...sent('first', 70),
    ...got('srt', numbers),
    ...got('rtmp', range(0, 60)),
    ...second,
  ];

  test('closed and unnoticed', () => {
    assert.deepEqual(judge('two-publishers', story([closed(20, 'second')])), { verdict: 'pass', says: '' });
  });

  test('kept, mixed, or the first one is closed', () => {
    assert.match(judge('two-publishers', story([])).says, /kept/);
    const mixed = [closed(20, 'second'), ...got('srt', [61], { stream: 2 })];
    assert.match(judge('two-publishers', story(mixed)).says, /not its own/);
    assert.equal(judge('two-publishers', story([closed(20, 'second'), closed(21, 'first')])).verdict, 'fail');
    assert.equal(judge('two-publishers', story([closed(20, 'second')], range(0, 10))).verdict, 'fail');
    assert.equal(judge('two-publishers', []).verdict, 'inconclusive');
  });

  test('players whose frames all came before the second publisher', () => {
    const before = story([]).filter(({ type }) => type !== 'step');
    const second = sentAt(60) + 200;
    const late = [step(second, 'two', { second: 'second' }), closed(second + 5, 'second')];
    assert.equal(judge('two-publishers', [...before, ...late]).verdict, 'inconclusive');
    const { verdict, says } = judge('two-publishers', [...before, ...late, ...sent('first', 130)]);
    assert.equal(verdict, 'fail');
    assert.match(says, /60 frames, all well, 0 of them after it/);
  });
});

describe('peer-idle', () => {
  const reading = (t: number, stream: string, clients: number): HistoryEvent => ({
    ...{ t, type: 'api.stream', node: 'origin', stream },
    ...{ clients, upstreams: 0, upstreamsOf: {}, publishers: 1 },
  });
  const story = (played: number, published: number): HistoryEvent[] => [
    reading(5, 'a', 3),
    reading(6, 'b', 1),
    step(10, 'vanished', { node: 'origin', played: 'a', published: 'b' }),
    ...sent('steady', 110),
    ...got('staying', range(0, 105)),
    reading(5000, 'a', played),
    reading(5000, 'b', published),
  ];

  test('forgotten, kept, or too many are', () => {
    assert.equal(judge('peer-idle', story(2, 0)).verdict, 'pass');
    assert.match(judge('peer-idle', story(3, 0)).says, /3 clients/);
    assert.match(judge('peer-idle', story(2, 1)).says, /1 clients/);
    assert.equal(judge('peer-idle', story(0, 0)).verdict, 'fail');
    assert.equal(judge('peer-idle', []).verdict, 'inconclusive');
    const unread = story(2, 0).filter(({ type }) => type !== 'api.stream');
    assert.equal(
      judge('peer-idle', [reading(5, 'a', 2), reading(5, 'b', 0), ...unread]).verdict,
      'inconclusive',
    );
  });

  test('an API that never listed who vanishes tells nothing', () => {
    for (const at of [5, 6]) {
      const unlisted = story(2, 0).filter(({ t }) => t !== at);
      assert.equal(judge('peer-idle', unlisted).says, 'the API did not list it before', `${at}`);
    }
  });

  test('the one who stays gets nothing more', () => {
    const still = story(2, 0).filter((event) => event.type !== 'player.got' || event.t < 4000);
    const { verdict, says } = judge('peer-idle', still);
    assert.equal(verdict, 'fail');
    assert.match(says, /0 of them after it/);
  });
});

describe('malformed', () => {
  const KINDS = [
    'random datagrams',
    'mutated inductions',
    'mutated conclusions',
    'control packets of a player',
    'payload of a publisher',
    'conclusions with impossible sizes',
  ];
  const of = (kinds: readonly string[], more: readonly HistoryEvent[] = [], frames = 50): string =>
    judge('malformed', [
      step(1, 'witness', { client: 'w', publisher: 'witnessed', node: 'origin', protocol: 'flv' }),
      step(2, 'witnesses.before'),
      ...kinds.map((name, i) => step(3 + i, 'attack', { name })),
      step(20, 'witnesses.after'),
      ...sent('witnessed', 50, 2),
      ...got('w', range(0, 50), { stream: 2 }),
      ...sent('publisher', 50),
      ...got('srt', range(0, frames)),
      ...more,
    ]).verdict;

  test('all of them, and nobody is harmed', () => assert.equal(of(KINDS), 'pass'));
  test('a publisher or a player is closed, the player gets nothing more, an attack is not taken', () => {
    for (const client of ['publisher', 'srt', 'w'])
      assert.equal(of(KINDS, [closed(30, client)]), 'fail', client);
    assert.equal(of(KINDS, [], 10), 'fail');
    const broken = { what: 'x', code: 'wire.timeout', expected: 'an answer', actual: 'silence' };
    assert.equal(of(KINDS, [step(19, 'wire.failed', broken)]), 'fail');
  });
  test('a player whose frames all came before the attacks were over', () => {
    const sooner = got('srt', range(0, 50)).map((event) => ({ ...event, t: event.t / 1e6 }));
    assert.equal(of(KINDS, sooner, 0), 'fail');
  });
  test('an attack that was not made proves nothing', () => {
    for (const kind of KINDS) assert.equal(of(KINDS.filter((one) => one !== kind)), 'inconclusive', kind);
  });
  test('what was not done proves nothing; a connection that is lost is a failure', () => {
    assert.equal(judge('malformed', []).verdict, 'inconclusive');
    assert.match(judge('malformed', [closed(3, 'srt')]).says, /srt.shutdown/);
  });
});

describe('a publisher whom the server has to let in', () => {
  /** By check, those without whom there is nothing to see. */
  const NEEDED: Readonly<Record<string, readonly string[]>> = {
    'stream-id-routing': ['publisher'],
    'missing-and-refused': ['first'],
    encryption: ['publisher'],
    'without-encryption': ['publisher'],
    'publish-play-exact': ['publisher'],
    'latency-as-configured': ['publisher'],
    'loss-recovered': ['publisher'],
    'two-publishers': ['first', 'second'],
    'peer-idle': ['steady', 'vanishing'],
    malformed: ['publisher'],
  };

  test('each check with one is here, but the one that publishes last', () => {
    const ids = SRT_CHECKS.filter(({ needs }) => needs.includes('publish.srt')).map(({ id }) => id.slice(4));
    assert.deepEqual([...Object.keys(NEEDED), 'handshake-flood'].sort(), ids.sort());
  });

  for (const [id, publishers] of Object.entries(NEEDED)) {
    test(`${id}: who is refused is a failure that says why`, () => {
      for (const publisher of publishers) {
        const { verdict, says } = judge(id, [closed(2, publisher, 'rejected')]);
        assert.equal(verdict, 'fail', publisher);
        assert.match(says, /srt\.rejected\.bad-secret/);
      }
    });
  }

  test('of whom nothing is known, or who got no answer, is no failure of the server that was seen', () => {
    for (const id of ['publish-play-exact', 'latency-as-configured', 'two-publishers', 'peer-idle']) {
      assert.equal(judge(id, []).verdict, 'inconclusive', id);
      const [publisher = ''] = NEEDED[id]!;
      assert.equal(judge(id, [closed(2, publisher, 'timeout')]).verdict, 'inconclusive', id);
    }
  });

  test('what the gate ends itself is no refusal', () => {
    const over: HistoryEvent = { t: 5, type: 'generator', loopLagMs: 0 };
    assert.equal(judge('peer-idle', [over, closed(6, 'steady')]).verdict, 'inconclusive');
  });
});
