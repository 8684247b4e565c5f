/** Coworkers that are hung, gone or wrong, streams that move, and 302s that lead in a circle. */
import {
  ASTRAY_WITHIN_MS,
  COWORKER_WITHIN_MS,
  MOVED_WITHIN_MS,
  PLAYING_WITHIN_MS,
  PULL_RETRY_MS,
  REDIRECTED_PLAYING_WITHIN_MS,
  REDIRECTS_IN_A_ROW,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, notSeen, unlessOurs, words } from '../judging.ts';
import { judgeAttempts, stepsOf } from '../wire/attempt.ts';
import { type ApiAnswer, clusterAnswerOf, StandInStep, standIn } from '../wire/stand-in.ts';
import { everyOne, framesFrom, framesOf, lossOf, missedBy, timeOf } from './masters-and-slaves.ts';
import {
  ALL_COWORKERS,
  answerTo,
  clusteredOrigins,
  coworkerMs,
  edgesOf,
  edgesOfOrigins,
  judgeEndsSoon,
  judgeSentTo,
  MANY_COWORKERS,
  ms,
  playByHand,
  publishAt,
  type Roles,
  rolesOf,
  rtmpUrl,
  SEED,
  SRS,
  THIRD_PARTIES,
  watchAt,
} from './redirect-setting.ts';

/** SRS waits 30 s for a coworker, which its configuration cannot change. */
const SLOW_DEADLINE_MS = 90_000;

// hung-coworker

/** Players of what is nowhere, each of whom an origin asks for. */
const SEEKERS = 20;
/** Of a player whose stream is here: it depends on nobody else. */
const NOT_HELD_MS = 1000;

const hungCoworker = check({
  id: 'redirect/hung-coworker',
  title: 'A coworker that does not answer holds nobody whose stream is here, and is passed over in the end',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_http_hooks.cpp, discover_co_workers; SRS_HTTP_CLIENT_TIMEOUT (facts/srs.md 2)',
    says: 'A question to a coworker has a time, and only the player who asks waits for it. Then the next coworker is asked.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'coworkers', 'control.process', 'observe.api'],
  mutants: ['origin-blocked-by-coworker', 'origin-waits-for-coworker'],
  deadlineMs: SLOW_DEADLINE_MS,

  async run(t) {
    const { asker, holder, coworker } = rolesOf(t);
    const [here, there, nobodys] = [t.stream('here'), t.stream('there'), t.stream('nobodys')];
    await Promise.all([publishAt(t, asker, here), publishAt(t, holder, there)]);
    await t.control(coworker, 'freeze');
    const { coworkers = [] } = asker.spec;
    const boundMs = coworkerMs(t) + COWORKER_WITHIN_MS;
    const others = coworkers.length > 1;
    t.step('hung.setting', { boundMs, others, location: rtmpUrl(holder, there) });
    const seeking = Promise.all(
      Array.from({ length: SEEKERS }, (_, i) =>
        playByHand(t, { name: `seeker-${i + 1}`, node: asker, stream: nobodys, withinMs: boundMs + 2000 }),
      ),
    );
    const found = others
      ? playByHand(t, { name: 'there', node: asker, stream: there, withinMs: boundMs + 2000 })
      : undefined;
    // All of them have asked.
    await t.untilApi(asker.spec.name, nobodys, 2000, ({ clients }) => clients >= SEEKERS);
    const newcomers = watchAt(t, [asker], here);
    for (const { label } of newcomers) t.step('hung.joined', { player: label });
    await everyOne(newcomers.map((player) => player.playing(NOT_HELD_MS)));
    t.step('hung.played');
    if (others) {
      t.step('hung.publishing');
      await publishAt(t, asker, t.stream('new'), 'newcomer');
      t.step('hung.published');
    }
    await seeking;
    await found;
    await t.control(coworker, 'thaw');
    t.step('hung.done');
  },

  judge(history) {
    const setting = history.step('hung.setting');
    if (setting === undefined) return [...judgeAttempts(history), notSeen(history, 'a hung coworker')];
    const boundMs = Number(setting.boundMs);
    const seekers = Array.from({ length: SEEKERS }, (_, i) => `seeker-${i + 1}`);
    return [
      ...judgeAttempts(history),
      ...judgeNewcomers(history),
      ...(setting.others === true
        ? [
            judgeNewPublisher(history),
            judgeSentTo(history, 'there', String(setting.location)),
            judgeInTime(history, 'there', boundMs),
          ]
        : []),
      worst(seekers.map((name) => judgeEndsSoon(history, name, boundMs))),
    ];
  },
});

function judgeNewcomers(history: History): Judgement[] {
  const joined = history.of('step').filter(({ step }) => step === 'hung.joined');
  const expected = `whose stream is here plays within ${NOT_HELD_MS} ms`;
  if (joined.length === 0) {
    const held = history.of('not-observed')[0];
    return [
      held ? failed(expected, `the node was held: ${held.what}`) : inconclusive(expected, 'nobody came'),
    ];
  }
  return joined.map(({ t, data: { player } }) => {
    const first = history.got(String(player)).find(({ kind, key }) => kind === 'video' && key);
    if (!first) return missedBy(history, String(player), `${player}: ${expected}`, 'no keyframe');
    const right = first.t - t <= NOT_HELD_MS;
    const judgement = judged(right, `${player}: ${expected}`, `after ${ms(first.t - t)}`);
    return unlessOurs(history, judgement, NOT_HELD_MS);
  });
}

function judgeNewPublisher(history: History): Judgement {
  const expected = `a publisher is let in within ${NOT_HELD_MS} ms`;
  const from = timeOf(history, 'hung.publishing');
  const to = timeOf(history, 'hung.published');
  if (from === undefined) return inconclusive(expected, 'none came');
  if (to === undefined) return missedBy(history, 'newcomer', expected, 'not let in');
  return unlessOurs(
    history,
    judged(to - from <= NOT_HELD_MS, expected, `after ${ms(to - from)}`),
    NOT_HELD_MS,
  );
}

function judgeInTime(history: History, name: string, withinMs: number): Judgement {
  const expected = `${name}: an answer within ${withinMs} ms`;
  const answer = answerTo(history, name);
  if (answer === undefined) return inconclusive(expected, 'it did not ask');
  return judged(Number(answer.afterMs) <= withinMs, expected, `${answer.kind} after ${ms(answer.afterMs)}`);
}

/** One of many that are alike. */
function worst(judgements: readonly Judgement[]): Judgement {
  const bad =
    judgements.find(({ verdict }) => verdict === 'fail') ??
    judgements.find(({ verdict }) => verdict !== 'pass');
  return (
    bad ?? { ...judgements.at(-1)!, actual: `${judgements.length} of them: ${judgements.at(-1)!.actual}` }
  );
}

// dead-coworker

const deadCoworker = check({
  id: 'redirect/dead-coworker',
  title: 'A coworker that is down is passed over at once: the next one is asked',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_rtmp_conn.cpp, playing: "we should request the next one until the last" (#1223)',
    says: 'When a coworker cannot be asked, the next one is.',
  },
  topologies: MANY_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process'],
  mutants: ['origin-asks-first-coworker-only'],

  async run(t) {
    const { asker, holder, coworker } = rolesOf(t);
    const stream = t.stream();
    await publishAt(t, holder, stream);
    await t.control(coworker, 'kill');
    t.step('dead.setting', { location: rtmpUrl(holder, stream) });
    (await playByHand(t, { name: 'there', node: asker, stream }))?.close();
    (await playByHand(t, { name: 'nobodys', node: asker, stream: t.stream('nobodys') }))?.close();
  },

  judge(history) {
    const setting = history.step('dead.setting');
    if (setting === undefined)
      return [...judgeAttempts(history), notSeen(history, 'a coworker that is down')];
    return [
      ...judgeAttempts(history),
      judgeSentTo(history, 'there', String(setting.location)),
      judgeInTime(history, 'there', COWORKER_WITHIN_MS),
      judgeEndsSoon(history, 'nobodys', COWORKER_WITHIN_MS),
    ];
  },
});

// malformed-coworker

/** What is no answer, by what it is. None of it says where a stream is. */
const NONSENSE: Readonly<Record<string, ApiAnswer>> = {
  'no JSON': { body: 'origin: 127.0.0.1:1935' },
  'an empty body': { body: '' },
  'an array': { body: '[]' },
  'an empty object': { body: '{}' },
  'no data': { body: '{"code":0}' },
  'null data': { body: '{"code":0,"data":null}' },
  'an empty origin': { body: '{"code":0,"data":{"origin":{}}}' },
  'a list of origins': { body: '{"code":0,"data":{"origin":[{"ip":"127.0.0.1","port":1935}]}}' },
  'an error code': { body: '{"code":100,"data":{"origin":{"ip":"127.0.0.1","port":1935}}}' },
  'status 500': { status: 500, body: '{"code":0,"data":{"origin":{"ip":"127.0.0.1","port":1935}}}' },
  'no port': clusterAnswerOf({ ip: '127.0.0.1', port: undefined }),
  'port 0': clusterAnswerOf({ ip: '127.0.0.1', port: 0 }),
  'an impossible port': clusterAnswerOf({ ip: '127.0.0.1', port: 70_000 }),
  'a port in words': clusterAnswerOf({ ip: '127.0.0.1', port: '1935' }),
  'an empty address': clusterAnswerOf({ ip: '', port: 1935 }),
  'an address that is a path': clusterAnswerOf({ ip: '127.0.0.1/else?', port: 1935 }),
  'a number for an address': clusterAnswerOf({ ip: 7, port: 1935 }),
  'nested a thousand deep': { body: '['.repeat(1000) },
  'a megabyte': { body: `{"code":0,"data":{"query":"${'x'.repeat(1024 * 1024)}","origin":null}}` },
};

const malformedCoworker = check({
  id: 'redirect/malformed-coworker',
  title: 'Nonsense from a coworker sends nobody anywhere, and disturbs nobody',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_http_hooks.cpp, discover_co_workers: ERROR_OCLUSTER_DISCOVER (facts/srs.md 2)',
    says: 'An answer that is not code 0 with an origin that has an ip and a port is a coworker that does not have the stream.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process', 'observe.api'],
  mutants: ['origin-dies-of-coworker'],

  async run(t) {
    const { asker, coworker } = rolesOf(t);
    const stream = t.stream('here');
    await publishAt(t, asker, stream, 'witnessed');
    const witness = t.play(rtmpUrl(asker, stream), 'witness');
    await witness.playing(PLAYING_WITHIN_MS);
    let answer: ApiAnswer = null;
    await standIn(t, coworker, { answer: () => answer, redirect: () => undefined });
    t.step('nonsense.setting');
    for (const [name, nonsense] of Object.entries(NONSENSE)) {
      answer = nonsense;
      const play = { name, node: asker, stream: t.stream('nobodys'), withinMs: COWORKER_WITHIN_MS + 1000 };
      (await playByHand(t, play))?.close();
    }
    await witness.frames(25, 3000);
    t.step('nonsense.done');
  },

  judge(history) {
    if (history.step('nonsense.setting') === undefined) {
      return [...judgeAttempts(history), notSeen(history, 'a coworker that talks nonsense')];
    }
    const expected = 'a player whose stream is here goes on';
    const loss = lossOf(history, 'witness');
    const on = history.step('nonsense.done') !== undefined && !loss;
    return [
      ...judgeAttempts(history),
      ...Object.keys(NONSENSE).map((name) => judgeEndsSoon(history, name, COWORKER_WITHIN_MS)),
      on ? judged(true, expected, 'every frame came') : missedOrLost(history, expected, loss?.code),
    ];
  },
});

function missedOrLost(history: History, expected: string, code: string | undefined): Judgement {
  return code === undefined
    ? missedBy(history, 'witness', expected, 'it got no more frames')
    : failed(expected, `its connection is lost: ${code}`);
}

// not-to-itself

const notToItself = check({
  id: 'redirect/not-to-itself',
  title: 'An origin that is told that it has a stream itself, which it has not, sends nobody to itself',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_rtmp_conn.cpp, playing: "must identify and ignore it" (facts/srs.md 2, #4500)',
    says: 'An origin may be told its own address, when it lists itself as a coworker or when a stream manager is late. That answer is to be ignored: a player that follows it comes back for ever.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process'],
  mutants: ['origin-believes-to-be-elsewhere'],

  async run(t) {
    const { asker, coworker } = rolesOf(t);
    await standIn(t, coworker, {
      answer: () => clusterAnswerOf({ ip: asker.host, port: asker.ports.rtmp }),
      redirect: () => undefined,
    });
    t.step('itself.setting');
    (await playByHand(t, { name: 'player', node: asker, stream: t.stream() }))?.close();
  },

  judge(history) {
    const seen = history.step('itself.setting') !== undefined;
    if (!seen) return [...judgeAttempts(history), notSeen(history, 'a coworker that sends back')];
    return [...judgeAttempts(history), judgeEndsSoon(history, 'player', COWORKER_WITHIN_MS)];
  },
});

// loops-bounded

/** Within the pause of a retry: what follows each other in it is in a row. */
const LOOP_WATCH_MS = PULL_RETRY_MS - 500;

const loopsBounded = check({
  id: 'redirect/loops-bounded',
  title: 'An edge that two origins send to each other gives up after a few 302s, and pauses',
  level: 'must',
  spec: {
    source: 'RFC 9110',
    where: '15.4: a client ought to detect and intervene in cyclical redirections',
    says: `An edge follows at most ${REDIRECTS_IN_A_ROW} 302s in a row. Then it waits, as after any failure, and its player waits with it.`,
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process'],
  mutants: ['edge-follows-forever', 'edge-ignores-redirect'],

  async run(t) {
    const { asker, coworker } = rolesOf(t);
    const [edge] = edgesOf(t, asker);
    const stream = t.stream('circling');
    await standIn(t, coworker, {
      answer: () => clusterAnswerOf({ ip: coworker.host, port: coworker.ports.rtmp }),
      redirect: (play) => rtmpUrl(asker, play.stream),
    });
    const player = t.play(t.playUrl('rtmp', stream, edge!.spec.name), 'viewer');
    const first = 'viewer: the edge follows the first 302';
    await t.until(first, REDIRECTED_PLAYING_WITHIN_MS, (history) => circles(history) > 0);
    t.step('loop.begun');
    await t.observe(LOOP_WATCH_MS, 'whatever the edge follows in this time it follows in a row');
    t.step('loop.watched', { circles: circles(t.history) });
    await player.stop();
  },

  judge(history) {
    const expected = `at most ${REDIRECTS_IN_A_ROW} 302s in a row`;
    if (history.step('loop.begun') === undefined) {
      return [missedBy(history, 'viewer', expected, 'the first one was not followed')];
    }
    const watched = history.step('loop.watched');
    const seen = Number(watched?.circles ?? circles(history));
    // Every second one is the asker's.
    const actual = `${2 * seen} in ${LOOP_WATCH_MS} ms`;
    const loss = lossOf(history, 'viewer');
    const kept = 'the viewer of the edge keeps its connection';
    return [
      watched || 2 * seen > REDIRECTS_IN_A_ROW
        ? judged(2 * seen <= REDIRECTS_IN_A_ROW + 1, expected, actual)
        : inconclusive(expected, `${actual}, not watched to the end`),
      judged(loss === undefined, kept, loss ? `closed: ${loss.reason}, ${loss.code}` : 'it does'),
    ];
  },
});

function circles(history: History): number {
  return stepsOf(history, StandInStep.played).length;
}

// stale-answer

const staleAnswer = check({
  id: 'redirect/stale-answer',
  title: 'An edge that was sent where the stream is no longer asks again, and finds it',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_edge.cpp, ingest: "we only use the redirect once" (facts/srs.md 1.4, 2)',
    says: 'A 302 is followed once. When nothing comes from there the edge goes back to its origins, which ask their coworkers anew.',
  },
  topologies: THIRD_PARTIES,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process'],
  mutants: ['edge-remembers-redirect', 'origin-remembers-coworker'],
  deadlineMs: 45_000,

  async run(t) {
    const { asker, holder, coworker } = rolesOf(t);
    const stream = t.stream();
    const [edge] = edgesOf(t, asker);
    // In front of a stream manager nobody is let in without its consent, so the publisher is there first.
    await publishAt(t, holder, stream, 'publisher');
    let stale = true;
    await standIn(t, coworker, {
      answer: (query) => {
        const asked = query.get('stream') === stream;
        const node = stale ? coworker : holder;
        return clusterAnswerOf(asked ? { ip: node.host, port: node.ports.rtmp } : null);
      },
      redirect: () => undefined,
    });
    t.play(t.playUrl('rtmp', stream, edge!.spec.name), 'viewer');
    t.step('stale.setting');
    const there = 'viewer: the edge is where it was sent';
    await t.until(there, REDIRECTED_PLAYING_WITHIN_MS, (history) => circles(history) > 0);
    stale = false;
    t.step('stale.over', { location: rtmpUrl(holder, stream) });
    (await playByHand(t, { name: 'anew', node: asker, stream }))?.close();
    await framesOf(t, 'viewer', 'publisher', 10, ASTRAY_WITHIN_MS);
  },

  judge(history) {
    const over = timeOf(history, 'stale.over');
    if (over === undefined)
      return [...judgeAttempts(history), notSeen(history, 'an edge that was sent astray')];
    return [
      ...judgeAttempts(history),
      judgeSentTo(history, 'anew', String(history.step('stale.over')!.location)),
      judgeRecovery(history, 'viewer', 'publisher', { from: over, withinMs: ASTRAY_WITHIN_MS }),
    ];
  },
});

function judgeRecovery(
  history: History,
  player: string,
  publisher: string,
  { from, withinMs = MOVED_WITHIN_MS }: { readonly from: number; readonly withinMs?: number },
): Judgement {
  const expected = `${player}: frames again within ${withinMs} ms, on the same connection`;
  const loss = lossOf(history, player);
  if (loss) return failed(expected, `closed: ${loss.reason} while ${loss.during}, ${loss.code}`);
  const first = framesFrom(history, player, publisher).find(({ t, kind }) => t > from && kind === 'video');
  if (!first) return missedBy(history, player, expected, 'none');
  return judged(first.t - from <= withinMs, expected, `after ${ms(first.t - from)}`);
}

// stream-moved and holder-dies

const MOVED = {
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'coworkers', 'observe.api'],
  deadlineMs: 60_000,
} as const;

const streamMoved = check({
  id: 'redirect/stream-moved',
  title:
    'A stream that is published at another origin than before is found there, by viewers who were watching, too',
  level: 'must',
  spec: {
    source: SEED,
    where: 'How the cluster works: the origin that has the stream is asked for each time',
    says: 'Where a stream is is known by the origin that has it, at the time of the question. An encoder that comes back to another origin is found there.',
  },
  ...MOVED,
  mutants: ['origin-remembers-coworker', 'coworker-claims-ended'],

  async run(t) {
    const { asker, holder } = rolesOf(t);
    const stream = t.stream();
    // From the one that is asked first to the one that is asked last, where there are three.
    const first = clusteredOrigins(t)[1]!;
    const encoder = await publishAt(t, first, stream, 'before');
    const next = first === holder ? asker : holder;
    const players = await watched(t, stream, { asker, holder: first, next });
    await encoder.stop();
    await resume(t, stream, players, { asker, next });
  },

  judge: judgeMove,
});

const holderDies = check({
  id: 'redirect/holder-dies',
  title: 'When the origin that has a stream dies, it is found where its encoder comes back',
  level: 'must',
  spec: {
    source: SEED,
    where: 'How the cluster works: several origins, any of which may be published to',
    says: 'The edges lose their pull, ask their other origins after their pause, and are sent to where the stream is now.',
  },
  ...MOVED,
  needs: [...MOVED.needs, 'control.process'],
  mutants: ['edge-remembers-redirect', 'origin-remembers-coworker'],

  async run(t) {
    const { asker, holder } = rolesOf(t);
    const stream = t.stream();
    await publishAt(t, holder, stream, 'before');
    const next = clusteredOrigins(t).find((node) => node !== asker && node !== holder) ?? asker;
    const players = await watched(t, stream, { asker, holder, next });
    await t.control(holder, 'kill');
    await resume(t, stream, players, { asker, next });
  },

  judge: judgeMove,
});

interface Move extends Pick<Roles, 'asker' | 'holder'> {
  /** Where it is published afterwards. */
  readonly next: Roles['asker'];
}

async function watched(t: CheckContext, stream: string, { asker, holder, next }: Move): Promise<string[]> {
  const players = watchAt(t, edgesOfOrigins(t), stream);
  await everyOne(players.map((player) => player.playing(REDIRECTED_PLAYING_WITHIN_MS)));
  (await playByHand(t, { name: 'before', node: asker, stream }))?.close();
  const where = next === asker ? '' : rtmpUrl(next, stream);
  const labels = players.map(({ label }) => label);
  t.step('moved.setting', { before: rtmpUrl(holder, stream), after: where, players: labels.join(' ') });
  return labels;
}

async function resume(
  t: CheckContext,
  stream: string,
  players: readonly string[],
  { asker, next }: Pick<Move, 'asker' | 'next'>,
): Promise<void> {
  await publishAt(t, next, stream, 'after');
  t.step('moved.published');
  if (next !== asker) (await playByHand(t, { name: 'after', node: asker, stream }))?.close();
  await everyOne(players.map((player) => framesOf(t, player, 'after', 10, MOVED_WITHIN_MS)));
}

function judgeMove(history: History): Judgement[] {
  const setting = history.step('moved.setting');
  if (setting === undefined) return [...judgeAttempts(history), notSeen(history, 'viewers of a stream')];
  const published = timeOf(history, 'moved.published');
  const before = judgeSentTo(history, 'before', String(setting.before));
  if (published === undefined) return [...judgeAttempts(history), before, notSeen(history, 'its new place')];
  return [
    ...judgeAttempts(history),
    before,
    ...(setting.after === '' ? [] : [judgeSentTo(history, 'after', String(setting.after))]),
    ...words(setting.players).map((player) => judgeRecovery(history, player, 'after', { from: published })),
  ];
}

// published-meanwhile

const publishedMeanwhile = check({
  id: 'redirect/published-meanwhile',
  title: 'A stream that is published here while a coworker is asked for it is played here',
  level: 'should',
  spec: {
    source: SEED,
    where: 'How the cluster works: an origin asks for what it does not have',
    says: 'A question that is under way does not keep a player from a stream that has come meanwhile, and its answer does not take it away.',
  },
  topologies: MANY_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process', 'observe.api'],
  mutants: ['origin-closes-after-asking'],
  deadlineMs: SLOW_DEADLINE_MS,

  async run(t) {
    const { asker, coworker } = rolesOf(t);
    const stream = t.stream();
    await t.control(coworker, 'freeze');
    const player = t.play(rtmpUrl(asker, stream));
    await t.untilApi(asker.spec.name, stream, 2000, ({ clients }) => clients === 1);
    t.step('meanwhile.asking');
    await publishAt(t, asker, stream);
    t.step('meanwhile.published');
    await player.playing(PLAYING_WITHIN_MS);
    await t.observe(coworkerMs(t) + COWORKER_WITHIN_MS, 'the question comes to its end');
    await player.frames(25, 3000);
    t.step('meanwhile.played');
  },

  judge(history) {
    const expected = 'the player plays the stream that came, also when the question is over';
    if (history.step('meanwhile.published') === undefined) return [notSeen(history, 'a stream that came')];
    const redirect = history.of('client.redirect')[0];
    if (redirect) return [failed(expected, `sent to ${redirect.location}`)];
    const loss = lossOf(history, 'player');
    if (loss) return [failed(expected, `closed: ${loss.reason} while ${loss.during}, ${loss.code}`)];
    const played = history.step('meanwhile.played') !== undefined;
    return [played ? judged(true, expected, 'it does') : missedBy(history, 'player', expected, 'no media')];
  },
});

export const REDIRECT_FAILURES: readonly Check[] = [
  hungCoworker,
  deadCoworker,
  malformedCoworker,
  notToItself,
  loopsBounded,
  staleAnswer,
  streamMoved,
  holderDies,
  publishedMeanwhile,
];
