/** Coworkers that are hung, gone or wrong, and 302s that lead in a circle. */
import {
  COWORKER_WITHIN_MS,
  PLAYING_WITHIN_MS,
  PULL_RETRY_MS,
  REDIRECTED_PLAYING_WITHIN_MS,
  REDIRECTS_IN_A_ROW,
} from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { compareFrames, failed, inconclusive, judged, notSeen, unlessOurs, videoOf } from '../judging.ts';
import { GOP_FRAMES } from '../stage.ts';
import { judgeAttempts, stepsOf } from '../wire/attempt.ts';
import { hold, judgeGone, judgeHeld, killSeen, knock } from '../wire/presence.ts';
import { type ApiAnswer, clusterAnswerOf, StandInStep, standIn } from '../wire/stand-in.ts';
import { everyOne, lossOf, missedBy, timeOf } from './masters-and-slaves.ts';
import {
  ALL_COWORKERS,
  answerTo,
  coworkerMs,
  edgeOf,
  isImpatient,
  judgeEndsSoon,
  judgeSentTo,
  MANY_COWORKERS,
  missedByEdge,
  ms,
  playByHand,
  publishAt,
  rolesOf,
  rtmpUrl,
  SLOW_DEADLINE_MS,
  SRS,
  threeRolesOf,
  waitedUntil,
  watchAt,
} from './redirect-setting.ts';

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
    const release = await hold(t, coworker);
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
    await release();
    t.step('hung.done');
  },

  judge(history) {
    const setting = history.step('hung.setting');
    if (setting === undefined) return [...judgeAttempts(history), notSeen(history, 'a hung coworker')];
    const unheld = judgeHeld(history);
    if (unheld.length > 0) return [...judgeAttempts(history), ...unheld];
    const boundMs = Number(setting.boundMs);
    const seekers = Array.from({ length: SEEKERS }, (_, i) => `seeker-${i + 1}`);
    return [
      ...judgeAttempts(history),
      ...judgeNewcomers(history),
      ...judgeHung(history, seekers),
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

/** That the coworker hangs is seen by those who wait for it: some still do when others have been served. */
function judgeHung(history: History, seekers: readonly string[]): Judgement[] {
  const expected = 'players who ask for what is nowhere wait for the coworker meanwhile';
  const waited = Math.max(...seekers.map((name) => waitedUntil(history, name) ?? Number.NEGATIVE_INFINITY));
  const served: [what: string, t: number | undefined][] = stepsOf(history, 'hung.joined').map(
    ({ player }) => [
      `${player} played`,
      history.got(String(player)).find(({ kind, key }) => kind === 'video' && key)?.t,
    ],
  );
  served.push(['a publisher came', timeOf(history, 'hung.published')]);
  return served.flatMap(([what, t]) =>
    t === undefined || t <= waited ? [] : [inconclusive(expected, `none did when ${what}`)],
  );
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
  title: 'A coworker that is down is passed over: the next one is asked, at once where its host refuses',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_rtmp_conn.cpp, playing: "we should request the next one until the last" (#1223)',
    says: 'When a coworker cannot be asked, the next one is. Whose host is gone refuses nobody: that costs the time of a question, as with one that is hung.',
  },
  topologies: MANY_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process'],
  mutants: ['origin-asks-first-coworker-only'],
  deadlineMs: SLOW_DEADLINE_MS,

  async run(t) {
    const { asker, holder, coworker } = threeRolesOf(t);
    const stream = t.stream();
    await publishAt(t, holder, stream);
    await killSeen(t, coworker, 'api');
    const boundMs = COWORKER_WITHIN_MS + (t.cluster.killed === 'silent' ? coworkerMs(t) : 0);
    t.step('dead.setting', { boundMs, location: rtmpUrl(holder, stream) });
    const withinMs = boundMs + 1000;
    const ask = async (name: string, wanted: string): Promise<void> => {
      (await playByHand(t, { name, node: asker, stream: wanted, withinMs }))?.close();
    };
    await Promise.all([ask('there', stream), ask('nobodys', t.stream('nobodys'))]);
    await knock(t, coworker, 'api');
  },

  judge(history) {
    const setting = history.step('dead.setting');
    if (setting === undefined)
      return [...judgeAttempts(history), notSeen(history, 'a coworker that is down')];
    const boundMs = Number(setting.boundMs);
    return [
      ...judgeAttempts(history),
      ...judgeGone(history),
      judgeSentTo(history, 'there', String(setting.location)),
      judgeInTime(history, 'there', boundMs),
      judgeEndsSoon(history, 'nobodys', boundMs),
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

/** Once all of it has been said. */
const WITNESSED_FRAMES = GOP_FRAMES;

const malformedCoworker = check({
  id: 'redirect/malformed-coworker',
  title: 'Nonsense from a coworker sends nobody anywhere, and disturbs nobody',
  level: 'must',
  spec: {
    source: SRS,
    where:
      'srs_app_http_hooks.cpp, discover_co_workers: ERROR_OCLUSTER_DISCOVER; srs_app_rtmp_conn.cpp, playing: no 302 to an invalid host or port (facts/srs.md 2)',
    says: 'An answer that is not code 0 with an origin that has an ip and a port is a coworker that does not have the stream. A port is a number of 16 bits (RFC 9293 3.1), and an address has no slash (RFC 3986 3.2.2).',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process', 'observe.api'],
  mutants: ['origin-dies-of-coworker', 'origin-believes-any-address'],

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
    await witness.frames(WITNESSED_FRAMES, 3000);
    t.step('nonsense.done');
  },

  judge(history) {
    if (history.step('nonsense.setting') === undefined) {
      return [...judgeAttempts(history), notSeen(history, 'a coworker that talks nonsense')];
    }
    const since = timeOf(history, 'nonsense.setting')!;
    return [
      ...judgeAttempts(history),
      ...judgeAsked(history, Object.keys(NONSENSE).length),
      ...Object.keys(NONSENSE).map((name) => judgeEndsSoon(history, name, COWORKER_WITHIN_MS)),
      judgeWitness(history, since),
    ];
  },
});

/** A player whose stream is here goes on, to the end. @param since epoch ms. */
function judgeWitness(history: History, since: number): Judgement {
  const expected = 'a player whose stream is here goes on';
  const loss = lossOf(history, 'witness');
  if (loss !== undefined) return failed(expected, `its connection is lost: ${loss.code}`);
  const got = history.got('witness');
  const [difference] = compareFrames(history.sent('witnessed'), got).differences;
  if (difference !== undefined) return failed(expected, `${difference.expected}, got ${difference.actual}`);
  const frames = videoOf(got).filter(({ t }) => t > since).length;
  return history.step('nonsense.done') !== undefined && frames >= WITNESSED_FRAMES
    ? judged(true, expected, `${frames} frames came`)
    : missedBy(history, 'witness', expected, 'it got no more frames');
}

/** What a coworker says shows nothing where nobody asked it. */
function judgeAsked(history: History, times: number): Judgement[] {
  const asked = stepsOf(history, StandInStep.asked).filter(({ path }) => path === '/api/v1/clusters').length;
  return asked >= times ? [] : [inconclusive(`the coworker is asked ${times} times`, `${asked} times`)];
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
    return [
      ...judgeAttempts(history),
      ...judgeAsked(history, 1),
      judgeEndsSoon(history, 'player', COWORKER_WITHIN_MS),
    ];
  },
});

// loops-bounded

/** Within the pause of a retry: what follows each other in it is in a row. */
const LOOP_WATCH_MS = PULL_RETRY_MS - 500;

const loopsBounded = check({
  id: 'redirect/loops-bounded',
  title: 'An edge that two origins send to each other gives up after a few 302s, and pauses',
  // RFC 9110 says SHOULD, of HTTP; RTMP has no document that says how a 302 is followed.
  level: 'should',
  spec: {
    source: 'RFC 9110',
    where:
      '15.4: a client should detect and intervene in cyclical redirections. SRS’s own edge follows three of HTTP-FLV at the most (facts/srs.md 1.5)',
    says: `An edge follows at most ${REDIRECTS_IN_A_ROW} 302s in a row. Then it waits, as after any failure, and its player waits with it.`,
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process'],
  mutants: ['edge-follows-forever', 'edge-ignores-redirect'],

  async run(t) {
    const { asker, coworker } = rolesOf(t);
    const edge = edgeOf(t, asker);
    const stream = t.stream('circling');
    t.step('loop.setting', { impatient: isImpatient(t) });
    await standIn(t, coworker, {
      answer: () => clusterAnswerOf({ ip: coworker.host, port: coworker.ports.rtmp }),
      redirect: (play) => rtmpUrl(asker, play.stream),
    });
    const player = t.play(t.playUrl('rtmp', stream, edge.spec.name), 'viewer');
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
      const missed = missedBy(history, 'viewer', expected, 'the first one was not followed');
      return [missedByEdge(history, history.step('loop.setting')?.impatient === true, missed)];
    }
    const watched = history.step('loop.watched');
    const seen = Number(watched?.circles ?? circles(history));
    const viewers = history.of('client.state').filter(({ client }) => client === 'viewer');
    if (circles(history) === 0 || viewers.length === 0) {
      return [notSeen(history, 'a viewer, and a 302 that was followed')];
    }
    // Every second one is the asker's; the last one need not have been followed.
    const actual = `${2 * seen} in ${LOOP_WATCH_MS} ms`;
    const few = 2 * seen <= REDIRECTS_IN_A_ROW + 1;
    const loss = lossOf(history, 'viewer');
    const kept = 'the viewer of the edge keeps its connection';
    return [
      watched || !few
        ? judged(few, expected, actual)
        : inconclusive(expected, `${actual}, not watched to the end`),
      judged(loss === undefined, kept, loss ? `closed: ${loss.reason}, ${loss.code}` : 'it does'),
    ];
  },
});

function circles(history: History): number {
  return stepsOf(history, StandInStep.played).length;
}

export const REDIRECT_FAILURES: readonly Check[] = [
  hungCoworker,
  deadCoworker,
  malformedCoworker,
  notToItself,
  loopsBounded,
];
