/** Streams that are elsewhere than they were: when a coworker said where, when viewers came, when a player asked. */
import {
  ASTRAY_WITHIN_MS,
  COWORKER_WITHIN_MS,
  MOVED_WITHIN_MS,
  PLAYING_WITHIN_MS,
  REDIRECTED_PLAYING_WITHIN_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, judged, notSeen, videoOf, words } from '../judging.ts';
import { GOP_FRAMES } from '../stage.ts';
import { judgeAttempts, stepsOf } from '../wire/attempt.ts';
import { clusterAnswerOf, StandInStep, standIn } from '../wire/stand-in.ts';
import { everyOne, framesFrom, framesOf, lossOf, missedBy, timeOf } from './masters-and-slaves.ts';
import {
  ALL_COWORKERS,
  clusteredOrigins,
  coworkerMs,
  edgeOf,
  edgesOfOrigins,
  judgeSentTo,
  MANY_COWORKERS,
  ms,
  playByHand,
  publishAt,
  type Roles,
  rolesOf,
  rtmpUrl,
  SEED,
  SLOW_DEADLINE_MS,
  SRS,
  THIRD_PARTIES,
  threeRolesOf,
  watchAt,
} from './redirect-setting.ts';

/** Of a stream that is back: one frame may be all that comes. */
const RECOVERED_FRAMES = 10;

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
    const { asker, holder, coworker } = threeRolesOf(t);
    const stream = t.stream();
    const edge = edgeOf(t, asker);
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
    t.play(t.playUrl('rtmp', stream, edge.spec.name), 'viewer');
    t.step('stale.setting');
    const there = 'viewer: the edge is where it was sent';
    await t.until(
      there,
      REDIRECTED_PLAYING_WITHIN_MS,
      (history) => stepsOf(history, StandInStep.played).length > 0,
    );
    stale = false;
    t.step('stale.over', { location: rtmpUrl(holder, stream) });
    (await playByHand(t, { name: 'anew', node: asker, stream }))?.close();
    await framesOf(t, 'viewer', 'publisher', RECOVERED_FRAMES, ASTRAY_WITHIN_MS);
  },

  judge(history) {
    const over = timeOf(history, 'stale.over');
    if (over === undefined)
      return [...judgeAttempts(history), notSeen(history, 'an edge that was sent astray')];
    const astray = stepsOf(history, StandInStep.played).length > 0;
    return [
      ...judgeAttempts(history),
      ...(astray ? [] : [notSeen(history, 'an edge that was sent astray')]),
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
  const frames = framesFrom(history, player, publisher).filter(({ t, kind }) => t > from && kind === 'video');
  const [first] = frames;
  if (first === undefined || frames.length < RECOVERED_FRAMES) {
    return missedBy(history, player, expected, `${frames.length} frames`);
  }
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
  await everyOne(players.map((player) => framesOf(t, player, 'after', RECOVERED_FRAMES, MOVED_WITHIN_MS)));
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
    ...(words(setting.players).length === 0 ? [notSeen(history, 'viewers of a stream')] : []),
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
    const { asker, coworker } = threeRolesOf(t);
    const stream = t.stream();
    await t.control(coworker, 'freeze');
    const player = t.play(rtmpUrl(asker, stream));
    await t.untilApi(asker.spec.name, stream, 2000, ({ clients }) => clients === 1);
    t.step('meanwhile.asking');
    await publishAt(t, asker, stream);
    t.step('meanwhile.published');
    await player.playing(PLAYING_WITHIN_MS);
    await t.observe(coworkerMs(t) + COWORKER_WITHIN_MS, 'the question comes to its end');
    t.step('meanwhile.over');
    await player.frames(GOP_FRAMES, 3000);
  },

  judge(history) {
    const expected = 'the player plays the stream that came, also when the question is over';
    if (history.step('meanwhile.published') === undefined) return [notSeen(history, 'a stream that came')];
    const redirect = history.of('client.redirect')[0];
    if (redirect) return [failed(expected, `sent to ${redirect.location}`)];
    const loss = lossOf(history, 'player');
    if (loss) return [failed(expected, `closed: ${loss.reason} while ${loss.during}, ${loss.code}`)];
    const over = timeOf(history, 'meanwhile.over') ?? Number.POSITIVE_INFINITY;
    const frames = videoOf(history.got('player')).filter(({ t }) => t > over).length;
    return [
      frames >= GOP_FRAMES
        ? judged(true, expected, 'it does')
        : missedBy(history, 'player', expected, `${frames} frames afterwards`),
    ];
  },
});

export const REDIRECT_MOVES: readonly Check[] = [staleAnswer, streamMoved, holderDies, publishedMeanwhile];
