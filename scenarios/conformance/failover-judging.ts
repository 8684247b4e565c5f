/** What the checks of faults share: who is watched, what is asked of whom, and how it is judged. */
import { RETRIES_PER_SECOND, TWO_HOPS_MS } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import { courseOf, NewFrames, strangersTo, waitedSince } from '../failover-course.ts';
import {
  curedAt,
  FailoverStep,
  faultsIn,
  type StormBound,
  stepOf,
  stormBoundIn,
  type Watched,
  watchedIn,
} from '../failover-steps.ts';
import { hasSeenAny, stormOf } from '../failover-storm.ts';
import type { EventOf, History } from '../history.ts';
import { failed, inconclusive, judged, nameOf, notSeen, unlessOurs, words } from '../judging.ts';
import { GOP_FRAMES } from '../stage.ts';
import { everyOne, namesOf } from './masters-and-slaves.ts';

/** Frames after a gap that are looked at for what is lost, doubled or stale: a GOP, which is what nodes cache. */
const AFTERWARDS_FRAMES = GOP_FRAMES;

/** Says in the history what is asked of a client; it is judged and told in the timeline. */
export function watchFor(t: CheckContext, watched: Watched): void {
  t.step(FailoverStep.watched, stepOf(watched));
}

/**
 * How often edges may connect: each of the streams that one of them fetches at the most, once within its pause.
 * @param fetching of them those that fetch something: when none of these was ever seen, nobody knows what they tried.
 * Default all. Where there are none, more than the bound is a failure and nothing else is said.
 */
export function boundStorm(
  t: CheckContext,
  group: string,
  streams: number,
  nodes = namesOf(t, 'edge'),
  fetching = nodes,
): void {
  const bound: StormBound = {
    group,
    nodes: nodes.join(' '),
    fetching: fetching.join(' '),
    perSecond: streams * RETRIES_PER_SECOND,
    isSeen: t.cluster.capabilities.has('observe.upstream'),
    why:
      streams === 0 ? 'nothing was broken' : `${streams} streams, each with a pause of 3 s, facts/srs.md 1.1`,
  };
  t.step(FailoverStep.storm, { ...bound });
}

/** The stream can be had again: bounds of `since: 'cure'` count from here. */
export function cured(t: CheckContext, what: string): void {
  t.step(FailoverStep.cured, { what });
}

/**
 * Waits until every client that is watched has had a GOP of frames that were sent after the fault, or the cure; or its time is
 * up: its bound, that GOP, and what it was behind by, as what was sent before comes first. How long it may be without a frame
 * is for the judge to say.
 */
export async function settled(t: CheckContext, group: string): Promise<void> {
  const faultAt = faultsIn(t.history)[0]!.t;
  const sinceAt = { fault: faultAt, cure: curedAt(t.history) ?? faultAt };
  const now = t.history.events.at(-1)!.t;
  await everyOne(
    watchedIn(t.history, group).map((watched) => {
      const frames = new NewFrames(t.history, watched, sinceAt[watched.since]);
      const boundMs = Math.max(0, sinceAt[watched.since] + watched.boundMs - now);
      const withinMs = Math.ceil(boundMs + frames.behindMs) + AFTERWARDS_MS;
      const what = `${watched.client}: ${AFTERWARDS_FRAMES} new frames`;
      return t.until(what, withinMs, () => frames.count >= AFTERWARDS_FRAMES);
    }),
  );
}

/** A GOP of a second, and a second for a busy machine. */
const AFTERWARDS_MS = 2000;

/** One judgement per thing that went wrong; one for everybody of a part of whom nothing is to be said. */
export function judgeFailover(history: History, group: string): Judgement[] {
  const watched = watchedIn(history, group);
  const faultAt = faultsIn(history)[0]?.t;
  if (watched.length === 0 || faultAt === undefined)
    return [notSeen(history, 'a fault while clients are watched')];
  const cure = curedAt(history);
  const wrong = [
    ...watched.flatMap((one) => judgeClient(history, one, faultAt, cure)),
    ...judgeFelt(history, watched, faultAt, cure),
  ];
  const storm = judgeStorm(history, group, faultAt);
  const well = watched.filter((one) => wrong.every(({ expected }) => !expected.startsWith(`${one.client}:`)));
  return [...wrong, ...praise(history, well, faultAt), ...storm];
}

/** A balancer does not tell who is where: of each of these parts somebody has to have been at the node that went. */
export function judgeReturns(
  history: History,
  group: string,
  parts: readonly Watched['part'][],
): Judgement[] {
  const judgements = judgeFailover(history, group);
  const faultAt = faultsIn(history)[0]?.t ?? Number.POSITIVE_INFINITY;
  const back = history.of('client.attempt').filter(({ t }) => t > faultAt);
  const watched = watchedIn(history, group);
  const lacking = parts.filter(
    (part) => !watched.some((one) => one.part === part && back.some(({ client }) => client === one.client)),
  );
  const isWell = judgements.every(({ verdict }) => verdict === 'pass' || verdict === 'unsupported');
  if (lacking.length === 0 || !isWell) return judgements;
  return [
    ...judgements,
    inconclusive(`${lacking.join(' and ')}: a client at the node that goes`, 'there was none'),
  ];
}

function judgeClient(
  history: History,
  watched: Watched,
  faultAt: number,
  cure: number | undefined,
): Judgement[] {
  const { client, part, boundMs, since, why, lossless, again = 0 } = watched;
  const course = courseOf(history, watched, faultAt);
  const { closed } = course;
  if (closed && (part === 'untouched' || part === 'waits')) {
    return [failed(`${client}: keeps its connection`, `closed: ${closed.reason}, ${closed.code}`)];
  }
  if (part === 'untouched' && course.sessions > 0) {
    return [failed(`${client}: notices nothing`, `it connected ${course.sessions} times`)];
  }
  const within = `${client}: new frames again within ${boundMs} ms ${since === 'cure' ? 'after the stream could be had again' : 'without one'} (${why})`;
  if (since === 'cure' && cure === undefined) return [notSeen(history, within)];
  const ms = since === 'fault' ? course.gap : waitedSince(history, watched, cure!);
  const verdicts: Judgement[] = [];
  if (course.firstGood === null && course.gap > 0) {
    const over = since === 'fault' ? course.gap > boundMs : course.gap > cure! - faultAt + boundMs;
    const actual = `none for ${course.gap} ms, until the check ended`;
    if (over) return [unlessOurs(history, failed(within, actual), boundMs)];
    if (part !== 'untouched') return [inconclusive(within, actual)];
  } else if (ms === null || course.firstGood === null) {
    return [inconclusive(within, 'no frame was seen')];
  } else if (ms > boundMs) {
    return [unlessOurs(history, failed(within, `${Math.round(ms)} ms, a gap of ${course.gap} ms`), boundMs)];
  }
  if (course.doubled > again) {
    verdicts.push(
      failed(
        `${client}: no frame twice, and none older than one before${again === 0 ? '' : `, but the ${again} of a cached GOP`}`,
        `${course.doubled}, the first is frame ${course.firstDoubled}`,
      ),
    );
  }
  const lost = lossless ? course.lost : course.lostElsewhere.length;
  if (lost > 0) {
    verdicts.push(
      failed(
        `${client}: no frame lost${lossless ? '' : ' but in its gap'}`,
        `${lost} of those that were sent${course.lostElsewhere.length > 0 ? `, frame ${course.lostElsewhere[0]} is one` : ''}`,
      ),
    );
  }
  const [stranger] = strangersTo(history, watched);
  if (stranger !== undefined) {
    verdicts.push(failed(`${client}: frames of its stream, and of no other`, nameOf(stranger)));
  }
  if (verdicts.length > 0) return verdicts;
  const frames = new NewFrames(history, watched, since === 'cure' ? cure! : faultAt);
  if (frames.count >= AFTERWARDS_FRAMES) {
    return course.sessions > 0 ? [] : judgeSound(history, watched, faultAt, frames.firstAt!);
  }
  const afterwards = `${client}: a GOP of new frames, in which nothing is doubled or lost`;
  return [inconclusive(afterwards, `${frames.count} of ${AFTERWARDS_FRAMES} frames were seen`)];
}

/**
 * The failure only: sound that is sent, and of which nothing comes with the new frames to who has stayed and has had it. Who
 * comes over HTTP-FLV between the first picture and the first sound of a stream gets pictures only of SRS (guess_has_av).
 * @param faultAt epoch ms. @param newAt when the first new frame came.
 */
function judgeSound(
  history: History,
  { client, publisher }: Watched,
  faultAt: number,
  newAt: number,
): Judgement[] {
  const hasSound = (items: readonly EventOf<'player.got' | 'publisher.sent'>[], from: number, to: number) =>
    items.some(({ t, kind }) => kind === 'audio' && t >= from && t < to);
  const got = history.got(client);
  const isSent = hasSound(history.sent(publisher), newAt, Number.POSITIVE_INFINITY);
  if (!isSent || !hasSound(got, 0, faultAt)) return [];
  if (hasSound(got, newAt, Number.POSITIVE_INFINITY)) return [];
  return [failed(`${client}: sound with its new frames`, 'none')];
}

/**
 * Those whom the fault concerns have noticed it, or it was none: who waits for what is down has no frames meanwhile, and
 * of those who return, and of all, somebody was there.
 */
function judgeFelt(
  history: History,
  watched: readonly Watched[],
  faultAt: number,
  cure: number | undefined,
): Judgement[] {
  const concerned = watched.filter(({ part }) => part !== 'untouched');
  const felt = concerned.filter((one) => {
    const { sessions, closed, gap, lost, unsent } = courseOf(history, one, faultAt);
    return sessions > 0 || closed !== undefined || gap > TWO_HOPS_MS || lost + unsent > 0;
  });
  const unmoved = concerned.flatMap((one) => {
    const least = leastGapMs(one, faultAt, cure);
    const { gap } = courseOf(history, one, faultAt);
    if (gap >= least) return [];
    return [
      inconclusive(`${one.client}: has no frame for ${Math.round(least)} ms at least`, `a gap of ${gap} ms`),
    ];
  });
  if (unmoved.length > 0) return unmoved;
  const parts = [...new Set(concerned.map(({ part }) => part))];
  const missed = parts.filter((part) => part === 'returns' || felt.length === 0);
  return missed
    .filter((part) => !felt.some((one) => one.part === part))
    .map((part) => inconclusive(`${part}: somebody notices the fault`, 'nobody did'));
}

/**
 * How long at the least nothing new can come to who waits: of what is down until it is cured half of that time; what may
 * lose no frame stands still, which is told from two merged writes. Of others nothing is known.
 */
function leastGapMs({ part, since, lossless }: Watched, faultAt: number, cure: number | undefined): number {
  if (part !== 'waits') return 0;
  if (since === 'cure') return cure === undefined ? 0 : (cure - faultAt) / 2;
  return lossless ? TWO_HOPS_MS : 0;
}

function praise(history: History, well: readonly Watched[], faultAt: number): Judgement[] {
  const parts = new Map<string, Watched[]>();
  for (const one of well) {
    const key = `${one.part} ${one.boundMs} ${one.since} ${one.why}`;
    parts.set(key, [...(parts.get(key) ?? []), one]);
  }
  return [...parts.values()].map((group) => {
    const { boundMs, since, why, part } = group[0]!;
    const gaps = group.map((one) => courseOf(history, one, faultAt).gap);
    const expected = `${part}: ${group.length} clients, at most ${boundMs} ms ${since === 'cure' ? 'after the stream could be had again' : 'without a new frame'} (${why}), nothing doubled, nothing lost afterwards`;
    return judged(true, expected, `gaps of ${Math.min(...gaps)} to ${Math.max(...gaps)} ms`);
  });
}

function judgeStorm(history: History, group: string, faultAt: number): Judgement[] {
  const bound = stormBoundIn(history, group);
  if (bound === undefined) return [];
  const { worst, node } = stormOf(history, bound, faultAt);
  const expected = `no edge tries more than ${bound.perSecond} connections within a second (${bound.why})`;
  if (worst === 0 && !hasSeenAny(history, bound.fetching)) {
    if (words(bound.fetching).length === 0) return [];
    if (bound.isSeen) return [inconclusive(expected, 'no connection of theirs was ever seen')];
    return [{ verdict: 'unsupported', expected, actual: 'no tap stands on their links' }];
  }
  return [judged(worst <= bound.perSecond, expected, node === '' ? 'none tried' : `${node}: ${worst}`)];
}
