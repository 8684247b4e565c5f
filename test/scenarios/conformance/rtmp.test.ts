import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RTMP_CHECKS } from '../../../scenarios/conformance/rtmp.ts';
import type { MediaItem, StepData } from '../../../scenarios/history.ts';
import { frames, Script, verdictOf } from './histories.ts';

function judge(id: string, script: Script): { verdict: string; says: string } {
  const check = RTMP_CHECKS.find((one) => one.id === id);
  assert.ok(check, id);
  return verdictOf(check.judge(script.history));
}

/** Witnesses as they should be: all of 60 frames, 30 of them after the deed. */
function witnessed(
  script: Script,
  deed: (script: Script) => void,
  options: { after?: MediaItem[] } = {},
): Script {
  const after = options.after ?? frames(30, 30);
  script.step('witness', { client: 'w', publisher: 'witnessed', node: 'origin', protocol: 'rtmp' });
  script.sent('witnessed', frames(60)).got('w', frames(30));
  script.step('witnesses.process', { node: 'origin', pid: '7' }).step('witnesses.before');
  deed(script);
  return script
    .step('witnesses.after')
    .step('witnesses.process', { node: 'origin', pid: '7' })
    .got('w', after);
}

test('ids are of the area and unique, sources and mutants are named', () => {
  assert.equal(new Set(RTMP_CHECKS.map(({ id }) => id)).size, RTMP_CHECKS.length);
  for (const { id, spec, mutants } of RTMP_CHECKS) {
    assert.match(id, /^rtmp\/[a-z0-9-]+$/);
    assert.ok(spec.source && spec.where && spec.says, id);
    assert.ok(mutants.length > 0, id);
  }
});

test('no check passes a history in which nothing was seen', () => {
  for (const { id, judge: judgeOf } of RTMP_CHECKS) {
    assert.notEqual(verdictOf(judgeOf(new Script().history)).verdict, 'pass', id);
  }
});

test('a server that does not answer fails every check that speaks to it', () => {
  const silent = { what: 'connect', code: 'wire.timeout', expected: 'an answer', actual: 'nothing of it' };
  for (const id of [
    'handshake-simple',
    'command-order',
    'double-publish',
    'chunk-size',
    'malformed',
    'nested-amf',
  ]) {
    const { verdict, says } = judge(`rtmp/${id}`, new Script().step('wire.failed', silent));
    assert.equal(verdict, 'fail', id);
    assert.match(says, /connect: no an answer|nothing of it/);
  }
});

describe('handshakes', () => {
  const right = { name: 'simple, whole', version: 3, echoMistakes: 0, s1Digest: false, s2Digest: false };
  const script = (answer: StepData, reply = '_result'): Script =>
    new Script()
      .step('handshakes', { count: 1 })
      .step('handshake', answer)
      .step('connected', { name: answer.name ?? null, reply });

  test('an echo passes, one wrong byte or another version fails', () => {
    assert.equal(judge('rtmp/handshake-simple', script(right)).verdict, 'pass');
    assert.equal(judge('rtmp/handshake-simple', script({ ...right, echoMistakes: 1 })).verdict, 'fail');
    assert.equal(judge('rtmp/handshake-simple', script({ ...right, version: 6 })).verdict, 'fail');
    assert.equal(judge('rtmp/handshake-simple', script(right, '_error')).verdict, 'fail');
  });

  test('both digests must verify', () => {
    const digest = { ...right, echoMistakes: 1520, s1Digest: true, s2Digest: true };
    assert.equal(judge('rtmp/handshake-digest', script(digest)).verdict, 'pass');
    assert.equal(judge('rtmp/handshake-digest', script({ ...digest, s1Digest: false })).verdict, 'fail');
    assert.equal(judge('rtmp/handshake-digest', script({ ...digest, s2Digest: false })).verdict, 'fail');
  });

  test('a handshake that was not seen to its end is no pass', () => {
    const half = new Script().step('handshakes', { count: 2 }).step('handshake', right);
    assert.equal(judge('rtmp/handshake-simple', half).verdict, 'inconclusive');
    const mute = new Script()
      .step('handshakes', { count: 1 })
      .step('connected', { name: 'simple', reply: '_result' });
    assert.equal(judge('rtmp/handshake-simple', mute).verdict, 'inconclusive');
  });
});

describe('command-order', () => {
  const empty = {
    messageStreamId: 0,
    event: null,
    eventStreamId: null,
    command: null,
    transactionId: null,
    code: null,
    value: null,
  };
  const sent = (fields: Partial<StepData>): StepData => ({ ...empty, ...fields }) as StepData;
  const status = (code: string): StepData =>
    sent({ type: 20, messageStreamId: 1, command: 'onStatus', transactionId: 0, code });
  const connected = [
    sent({ type: 5 }),
    sent({ type: 6 }),
    sent({ type: 20, command: '_result', transactionId: 1, code: 'NetConnection.Connect.Success' }),
    sent({ type: 20, command: '_result', transactionId: 17, value: 1 }),
  ];
  const played = [
    ...connected,
    sent({ type: 4, event: 0, eventStreamId: 1 }),
    status('NetStream.Play.Reset'),
    status('NetStream.Play.Start'),
    sent({ type: 9, messageStreamId: 1 }),
  ];
  const published = [...connected, status('NetStream.Publish.Start')];

  function verdict(
    player: readonly StepData[],
    publisher: readonly StepData[] = published,
    survived = true,
  ): string {
    const script = new Script().step('dialogues', { players: 'edge', origin: 'origin' });
    script.steps(
      'server-sent',
      publisher.map((data) => ({ ...data, name: 'publisher of origin' })),
    );
    script.steps(
      'server-sent',
      player.map((data) => ({ ...data, name: 'player of edge' })),
    );
    if (survived) script.step('survived-unknown', { name: 'player of edge' });
    return judge('rtmp/command-order', script).verdict;
  }

  test('by the book', () => assert.equal(verdict(played), 'pass'));

  test('Play.Reset may be left out, everything else may not', () => {
    assert.equal(verdict(played.filter(({ code }) => code !== 'NetStream.Play.Reset')), 'pass');
    for (const [at, message] of played.entries()) {
      if (message.code !== 'NetStream.Play.Reset')
        assert.equal(verdict(played.toSpliced(at, 1)), 'fail', `${at}`);
    }
    assert.equal(verdict(played, connected), 'fail');
  });

  test('no two neighbours may change places where the order means something', () => {
    for (const at of [0, 1, 2, 3, 4, 5, 6]) {
      const swapped = played.with(at, played[at + 1]!).with(at + 1, played[at]!);
      // Stream Begin and Play.Reset are free among themselves.
      assert.equal(verdict(swapped), at === 4 ? 'pass' : 'fail', `${at}`);
    }
  });

  test('Stream Begin is that of the stream; one of stream 0 may come with the answer to connect', () => {
    const begin = (eventStreamId: number) => sent({ type: 4, event: 0, eventStreamId });
    for (const at of [0, 2, 3, 4]) assert.equal(verdict(played.toSpliced(at, 0, begin(0))), 'pass', `${at}`);
    assert.equal(verdict(played, published.toSpliced(2, 0, begin(0))), 'pass');
    for (const id of [0, 2]) assert.equal(verdict(played.with(4, begin(id))), 'fail', `${id}`);
  });

  test('a server of which nothing was heard, and media that was not awaited, prove nothing', () => {
    assert.equal(verdict(played, []), 'inconclusive');
    assert.equal(verdict(played, published, false), 'inconclusive');
  });

  test('another transaction id, another message stream, a status with a transaction', () => {
    const change = (at: number, fields: Partial<StepData>): readonly StepData[] =>
      played.with(at, { ...played[at]!, ...fields } as StepData);
    assert.equal(verdict(change(2, { transactionId: 2 })), 'fail');
    assert.equal(verdict(change(3, { transactionId: 18 })), 'fail');
    assert.equal(verdict(change(6, { messageStreamId: 0 })), 'fail');
    assert.equal(verdict(change(6, { transactionId: 4 })), 'fail');
    assert.equal(verdict(change(7, { messageStreamId: 2 })), 'fail');
  });
});

describe('double-publish', () => {
  const refused = { node: 'origin', boundMs: 1000, refused: 'fin', afterMs: 5 };
  const script = (second: StepData): Script =>
    witnessed(new Script(), (deed) => deed.step('second-publisher', second));

  test('a refusal in time passes; late, or none, fails', () => {
    assert.equal(judge('rtmp/double-publish', script(refused)).verdict, 'pass');
    assert.equal(judge('rtmp/double-publish', script({ ...refused, afterMs: 1001 })).verdict, 'fail');
    assert.equal(
      judge('rtmp/double-publish', script({ ...refused, refused: null, afterMs: null })).verdict,
      'fail',
    );
  });

  test('a node to which no second publisher came, and an end of our own, are no refusal', () => {
    assert.equal(judge('rtmp/double-publish', script({ ...refused, node: 'edge' })).verdict, 'inconclusive');
    const nobody = witnessed(new Script(), () => {});
    assert.equal(judge('rtmp/double-publish', nobody).verdict, 'inconclusive');
    assert.equal(judge('rtmp/double-publish', script({ ...refused, refused: 'local' })).verdict, 'fail');
  });

  test('the first publisher must not lose its connection, nor its players a frame', () => {
    assert.equal(judge('rtmp/double-publish', script(refused).closed('witnessed')).verdict, 'fail');
    assert.equal(judge('rtmp/double-publish', script(refused).closed('w')).verdict, 'fail');
    const deed = (s: Script): Script => s.step('second-publisher', refused);
    const gap = witnessed(new Script(), deed, { after: frames(29, 31) });
    assert.match(judge('rtmp/double-publish', gap).says, /instead of/);
    const short = witnessed(new Script(), deed, { after: frames(3, 30) });
    assert.equal(judge('rtmp/double-publish', short).verdict, 'fail');
  });
});

describe('relays', () => {
  const script = (
    got: readonly MediaItem[],
    sent = frames(12),
    counts: StepData = { video: 10, audio: 10 },
  ): Script =>
    new Script()
      .step('relay.player', { client: 'p' })
      .step('relay.begun')
      .sent('wire-publisher', sent)
      .step('relay.sent', counts)
      .got('p', got);

  test('the frames of the deed must be there; fillers behind them may be under way', () => {
    assert.equal(judge('rtmp/chunk-size', script(frames(12))).verdict, 'pass');
    assert.equal(judge('rtmp/chunk-size', script(frames(10))).verdict, 'pass');
    assert.equal(judge('rtmp/chunk-size', script(frames(9))).verdict, 'fail');
    assert.equal(judge('rtmp/chunk-size', script([])).verdict, 'fail');
  });

  test('one missing, doubled, swapped, damaged or mistimed frame fails', () => {
    const all = frames(12);
    const damage: Record<string, MediaItem[]> = {
      missing: all.toSpliced(6, 1),
      doubled: all.toSpliced(6, 0, all[6]!),
      swapped: all.with(6, all[8]!).with(8, all[6]!),
      damaged: all.with(6, { ...all[6]!, sum: 999 }),
      mistimed: all.with(6, { ...all[6]!, timestamp: all[6]!.timestamp + 1 }),
      longer: all.with(6, { ...all[6]!, size: all[6]!.size + 1 }),
    };
    for (const [name, got] of Object.entries(damage)) {
      for (const id of ['chunk-size', 'message-interleaving', 'extended-timestamp', 'timestamp-wrap']) {
        assert.equal(judge(`rtmp/${id}`, script(got)).verdict, 'fail', `${id}: ${name}`);
      }
    }
  });

  test('a deed that sent nothing, or of which nobody knows what, is none', () => {
    for (const counts of [{ video: 0, audio: 0 }, { video: 10, audio: 0 }, {}] as StepData[])
      assert.equal(judge('rtmp/chunk-size', script(frames(12), frames(12), counts)).verdict, 'inconclusive');
  });

  test('timestamps that never pass the turn say nothing about it', () => {
    const from = (first: number): MediaItem[] =>
      frames(12).map((item) => ({ ...item, timestamp: (first + item.timestamp) % 2 ** 32 }));
    const verdict = (id: string, first: number): string =>
      judge(`rtmp/${id}`, script(from(first), from(first))).verdict;
    assert.equal(verdict('extended-timestamp', 0xffffff - 200), 'pass');
    assert.equal(verdict('extended-timestamp', 0xffffff - 5000), 'inconclusive');
    assert.equal(verdict('extended-timestamp', 0xffffff), 'inconclusive');
    assert.equal(verdict('timestamp-wrap', 2 ** 32 - 200), 'pass');
    assert.equal(verdict('timestamp-wrap', 2 ** 32 - 5000), 'inconclusive');
    assert.equal(verdict('timestamp-wrap', 0), 'inconclusive');
  });

  test('players who never came say nothing about the deed', () => {
    assert.equal(
      judge('rtmp/chunk-size', new Script().step('relay.player', { client: 'p' })).verdict,
      'inconclusive',
    );
  });
});

describe('timestamps-monotonic', () => {
  const script = (items: readonly MediaItem[]): Script =>
    new Script().step('monotonic', { players: 'p' }).got('p', items);
  const at = (items: readonly MediaItem[], shift: number): MediaItem[] =>
    items.map((item) => ({ ...item, timestamp: (item.timestamp + shift) % 2 ** 32 }));

  test('going on passes, also over 2^32; going back by a millisecond fails', () => {
    assert.equal(judge('rtmp/timestamps-monotonic', script(frames(70))).verdict, 'pass');
    assert.equal(judge('rtmp/timestamps-monotonic', script(at(frames(70), 2 ** 32 - 1000))).verdict, 'pass');
    const back = frames(70).map((item, i) => (i === 81 ? { ...item, timestamp: item.timestamp - 41 } : item));
    assert.equal(judge('rtmp/timestamps-monotonic', script(back)).verdict, 'fail');
  });

  test('few frames, or no audio, prove nothing', () => {
    assert.equal(judge('rtmp/timestamps-monotonic', script(frames(59))).verdict, 'inconclusive');
    const mute = frames(70).filter(({ kind }) => kind === 'video');
    assert.equal(judge('rtmp/timestamps-monotonic', script(mute)).verdict, 'inconclusive');
  });
});

describe('slow-publisher', () => {
  const script = (got: readonly MediaItem[], sent: readonly MediaItem[] = frames(12)): Script =>
    new Script()
      .step('started-slowly')
      .step('relay.player', { client: 'first' })
      .step('relay.player', { client: 'second' })
      .sent('wire-publisher', sent)
      .got('first', frames(12))
      .got('second', got);
  const begun = (one: Script): Script => one.step('relay.begun').step('relay.sent', { video: 10, audio: 10 });
  const verdict = (one: Script) => judge('rtmp/slow-publisher', one);

  test('every frame for everybody passes, nothing for one fails, also when players were waited for in vain', () => {
    assert.equal(verdict(begun(script(frames(12)))).verdict, 'pass');
    const { verdict: unseen, says } = verdict(script([]));
    assert.equal(unseen, 'fail');
    assert.match(says, /nothing of \d+ frames for second/);
    assert.equal(verdict(begun(script(frames(12).toSpliced(4, 2)))).verdict, 'fail');
  });

  test('a publisher who was not let in, or sent nothing, proves nothing', () => {
    assert.equal(verdict(new Script().step('relay.player', { client: 'first' })).verdict, 'inconclusive');
    assert.equal(verdict(script([], [])).verdict, 'inconclusive');
  });
});

describe('names-in-api', () => {
  const TO_ESCAPE = '\u0001\b\u000b\f\u000f\u001b\u001f"\\';
  const listed = { plain: true, refused: false, suffix: TO_ESCAPE, isOne: null };
  const script = (data: StepData): Script =>
    new Script()
      .step('names.nodes', { names: 'origin edge-1' })
      .step('names.seen', { node: 'origin', ...listed })
      .step('names.seen', { node: 'edge-1', ...data });
  const verdict = (data: StepData) => judge('rtmp/names-in-api', script(data)).verdict;

  test('the name as it was asked for, in another form, or refused passes', () => {
    assert.equal(verdict(listed), 'pass');
    assert.equal(verdict({ ...listed, suffix: encodeURIComponent(TO_ESCAPE) }), 'pass');
    assert.equal(verdict({ ...listed, suffix: null, refused: true }), 'pass');
  });

  test('a name without what is odd in it passes where both names are of one stream, and fails where not', () => {
    assert.equal(verdict({ ...listed, suffix: '', isOne: true }), 'pass');
    assert.equal(verdict({ ...listed, suffix: '', isOne: false }), 'fail');
    assert.equal(verdict({ ...listed, suffix: '' }), 'inconclusive');
  });

  test('what is no JSON, and one who is left out of it, fails', () => {
    assert.equal(verdict({ problem: 'Bad control character in string literal' }), 'fail');
    assert.equal(verdict({ ...listed, suffix: null }), 'fail');
  });

  test('an API that knows of nobody, and a node that was not asked, prove nothing', () => {
    assert.equal(verdict({ ...listed, plain: false, suffix: null }), 'inconclusive');
    assert.equal(verdict({ ...listed, plain: false, suffix: null, refused: true }), 'inconclusive');
    assert.equal(verdict({ ...listed, node: 'edge-2' }), 'inconclusive');
  });
});

describe('missing-stream', () => {
  interface Absence {
    pulls?: number;
    media?: boolean;
    left?: number;
  }
  function script({ pulls = 1, media = false, left = 0 }: Absence): Script {
    return witnessed(new Script(), (deed) => {
      const tap = { tap: 'edge>origin', from: 'edge' };
      // The witnesses' own pull, before anybody asks.
      deed.event({ type: 'tap.open', ...tap, connection: 0, open: 1 });
      deed.step('absent.seeking', { stream: 'absent', nodes: 'origin edge', edges: 'edge', seekers: 1 });
      const reading = (node: string, clients: number) =>
        deed.event({
          ...{ type: 'api.stream', node, stream: 'absent', clients },
          ...{ upstreams: 0, upstreamsOf: {}, publishers: 0 },
        });
      reading('origin', 3);
      reading('edge', 3);
      for (let i = 0; i < pulls; i++)
        deed.event({ type: 'tap.open', ...tap, connection: i + 1, open: i + 2 });
      deed.step('absent.seeker', { node: 'edge', answer: 'silence', media });
      deed.step('absent.leaving');
      reading('edge', left);
      reading('origin', 0);
      if (left === 0) deed.step('absent.gone');
    });
  }

  test('one pull, no media, nothing left', () => {
    assert.equal(judge('rtmp/missing-stream', script({})).verdict, 'pass');
  });

  test('a second pull, media, or a client that stays in the API fails', () => {
    assert.equal(judge('rtmp/missing-stream', script({ pulls: 2 })).verdict, 'fail');
    assert.equal(judge('rtmp/missing-stream', script({ media: true })).verdict, 'fail');
    assert.equal(judge('rtmp/missing-stream', script({ left: 1 })).verdict, 'fail');
  });

  test('an edge that was not seen to ask proves nothing', () => {
    assert.equal(judge('rtmp/missing-stream', script({ pulls: 0 })).verdict, 'inconclusive');
  });
});

describe('malformed', () => {
  const closed = { name: 'noise at origin', ending: 'server', against: '5', ended: 'fin', afterMs: 3 };
  const setting = { nodes: 'origin', witnessed: 'w' };
  const script = (attacks: readonly StepData[], forgotten = true): Script => {
    const all = witnessed(new Script(), (deed) =>
      deed.step('attacks', { count: 2, ...setting }).steps('attack', attacks),
    );
    return forgotten ? told(all).step('forgotten') : all;
  };
  const told = (all: Script, clients: Readonly<Record<string, number>> = { attacked: 0, w: 4 }): Script => {
    for (const [stream, count] of Object.entries(clients)) {
      const reading = { clients: count, upstreams: 0, upstreamsOf: {}, publishers: 0 };
      all.event({ type: 'api.stream', node: 'origin', stream, ...reading });
    }
    return all;
  };

  test('all closed passes, one kept fails', () => {
    assert.equal(judge('rtmp/malformed', script([closed, closed])).verdict, 'pass');
    const kept = { ...closed, name: 'half at origin', ended: null, afterMs: null };
    assert.match(judge('rtmp/malformed', script([closed, kept])).says, /half at origin/);
  });

  test('an attack that did not come off is no pass, nor is an API that was not read', () => {
    assert.equal(judge('rtmp/malformed', script([closed])).verdict, 'inconclusive');
    assert.equal(judge('rtmp/malformed', script([closed, closed], false)).verdict, 'inconclusive');
  });

  test('an API that was not asked, or knows of nobody, does not know that no attacker is left', () => {
    for (const clients of [{}, { attacked: 0 }, { w: 4 }, { attacked: 0, w: 0 }]) {
      const all = told(script([closed, closed], false), clients as Record<string, number>);
      assert.equal(judge('rtmp/malformed', all.step('forgotten')).verdict, 'inconclusive');
    }
  });

  test('an end of our own is none of the server’s', () => {
    const own = { ...closed, ended: 'local' };
    assert.equal(judge('rtmp/malformed', script([closed, own])).verdict, 'fail');
    assert.equal(judge('rtmp/malformed', script([closed, { ...own, ending: 'rst' }])).verdict, 'pass');
  });

  test('an attacker who is left in the API fails it', () => {
    const counts = { clients: 1, upstreams: 0, upstreamsOf: {}, publishers: 0 };
    const left = script([closed, closed], false).event({
      type: 'api.stream',
      node: 'origin',
      stream: 's',
      ...counts,
    });
    assert.match(judge('rtmp/malformed', left).says, /origin: 1/);
  });

  test('a node that does not answer any more, or is another process, fails it', () => {
    for (const pid of [null, '8']) {
      const after = script([closed, closed]).step('witnesses.process', { node: 'origin', pid });
      assert.equal(judge('rtmp/malformed', after).verdict, 'fail', `${pid}`);
    }
  });

  test('witnesses who lose something fail it', () => {
    assert.equal(judge('rtmp/malformed', script([closed, closed]).closed('w')).verdict, 'fail');
  });

  test('witnesses before the deed only, and a process that was asked for once, prove nothing', () => {
    const attacked = (s: Script) =>
      told(s.step('attacks', { count: 1, ...setting }).steps('attack', [closed]));
    const witness = { client: 'w', publisher: 'witnessed', node: 'origin', protocol: 'rtmp' };
    const before = () =>
      new Script().step('witness', witness).sent('witnessed', frames(60)).got('w', frames(30));
    const undone = judge('rtmp/malformed', attacked(before().step('witnesses.before')).step('forgotten'));
    assert.deepEqual(
      [undone.verdict, undone.says],
      ['inconclusive', 'what was to be done to the node was not done'],
    );
    const asked = attacked(
      before().step('witnesses.process', { node: 'origin', pid: '7' }).step('witnesses.before'),
    );
    const once = asked.step('witnesses.after').got('w', frames(30, 30)).step('forgotten');
    assert.deepEqual(judge('rtmp/malformed', once), { verdict: 'inconclusive', says: 'asked 1 times' });
  });
});

describe('stalled-handshake', () => {
  const script = (stalls: readonly StepData[]): Script =>
    witnessed(new Script(), (deed) =>
      deed.step('stalls', { count: 2, boundMs: 6000 }).steps('stall', stalls),
    );
  const closed = { name: 'in C1', ended: 'fin', afterMs: 6002 };

  test('a player who is closed with them fails it', () => {
    const { verdict, says } = judge('rtmp/stalled-handshake', script([closed, closed]).closed('w'));
    assert.equal(verdict, 'fail');
    assert.match(says, /lost its connection/);
  });

  test('closed in time passes; kept, or closed at once, fails; not seen is inconclusive', () => {
    assert.equal(judge('rtmp/stalled-handshake', script([closed, closed])).verdict, 'pass');
    const kept = { ...closed, ended: null, afterMs: null };
    assert.equal(judge('rtmp/stalled-handshake', script([closed, kept])).verdict, 'fail');
    assert.equal(
      judge('rtmp/stalled-handshake', script([closed, { ...closed, afterMs: 3 }])).verdict,
      'fail',
    );
    assert.equal(judge('rtmp/stalled-handshake', script([closed])).verdict, 'inconclusive');
  });
});
