/** What a stream manager knows of streams that come, go and move. */
import { ABSENT_ENDS_WITHIN_MS, PLAYING_WITHIN_MS, REPORTED_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { judged, notSeen } from '../judging.ts';
import { GOP_FRAMES } from '../stage.ts';
import {
  ask,
  judgeLast,
  judgePlayed,
  judgeTurnedAway,
  lookFor,
  MANAGER,
  NOWHERE,
  post,
  redirectsOf,
  reportOf,
  reportsOf,
  rtmpOf,
  SPEC,
} from './stream-manager-questions.ts';

// report-then-play

const reportThenPlay = check({
  id: 'stream-manager/report-then-play',
  title: 'What an origin reports is found by the others, and their players are sent there',
  level: 'must',
  spec: {
    source: SPEC.seed,
    where: SPEC.manager,
    says: 'Streams are reported by HTTP POST; an origin that is asked for one that it has not got asks the manager, and its player gets a 302 to where the stream is, in the form that SRS origins ask their coworkers in.',
  },
  topologies: MANAGER,
  needs: ['publish.rtmp', 'play.rtmp', 'stream-manager'],
  mutants: ['manager-wrong-port', 'manager-port-as-text', 'manager-refuses-publishers'],

  async run(t) {
    const stream = t.stream();
    const [home, ...others] = t.nodes('origin');
    const edge = t.nodes('edge').at(-1)!;
    t.step('publishing', { place: rtmpOf(home!) });
    await t.publish({ url: t.publishUrl(stream, home!.spec.name), label: 'publisher' });
    t.step('let-in');
    await lookFor(t, 'published', stream, REPORTED_WITHIN_MS, rtmpOf(home!));
    const players = [
      ...others.map(({ spec: { name } }) => t.play(t.playUrl('rtmp', stream, name), `at-${name}`)),
      t.play(t.playUrl('rtmp', stream, edge.spec.name), `at-${edge.spec.name}`),
    ];
    t.step('players', {
      sent: others.map(({ spec }) => `at-${spec.name}`).join(' '),
      viewer: `at-${edge.spec.name}`,
    });
    await Promise.all(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
    await Promise.all(players.map((player) => player.frames(GOP_FRAMES, PLAYING_WITHIN_MS)));
  },

  judge(history) {
    const setting = history.step('publishing');
    if (setting === undefined) return [notSeen(history, 'a stream is published')];
    const place = String(setting.place);
    const players = history.step('players');
    const taken = history.step('let-in') !== undefined;
    const judgements: Judgement[] = [
      judged(taken, 'a publisher whose origin reports it is let in', taken ? 'it was' : 'it was not'),
      judgeLast(history, 'published', place, `the manager answers ${place} in SRS's form`),
    ];
    if (players === undefined) return [...judgements, notSeen(history, 'players of the stream')];
    const sent = String(players.sent).split(' ');
    const viewer = String(players.viewer);
    return [
      ...judgements,
      ...sent.map((client) => {
        const locations = redirectsOf(history, client).map(({ location }) => location);
        const [location] = locations;
        const right =
          location !== undefined &&
          locations.length === 1 &&
          URL.canParse(location) &&
          new URL(location).host === place;
        return judged(right, `${client}: one 302, to ${place}`, locations.join(', ') || 'none');
      }),
      ...[...sent, viewer].map((client) => judgePlayed(history, client, 'publisher')),
      judged(
        redirectsOf(history, viewer).length === 0,
        'the viewer of an edge sees no 302',
        `${redirectsOf(history, viewer).length}`,
      ),
    ];
  },
});

// unpublish-forgotten

const unpublishForgotten = check({
  id: 'stream-manager/unpublish-forgotten',
  title: 'A stream whose publisher has left is nowhere, and its players are told so',
  level: 'must',
  spec: {
    source: SPEC.seed,
    where: SPEC.manager,
    says: 'The manager answers where a stream is now: what has ended is nowhere, and nobody is sent after it.',
  },
  topologies: MANAGER,
  needs: ['publish.rtmp', 'play.rtmp', 'stream-manager'],
  mutants: ['manager-forgets-unpublish', 'manager-holds-absent'],

  async run(t) {
    const stream = t.stream();
    const [home, other] = t.nodes('origin');
    const publisher = await t.publish({ url: t.publishUrl(stream, home!.spec.name), label: 'publisher' });
    await lookFor(t, 'published', stream, REPORTED_WITHIN_MS, rtmpOf(home!));
    await publisher.sent(GOP_FRAMES, PLAYING_WITHIN_MS);
    await publisher.stop();
    t.step('unpublished', { place: rtmpOf(home!) });
    await lookFor(t, 'unpublished', stream, REPORTED_WITHIN_MS, NOWHERE);
    await turnedAway(t, stream, other!.spec.name, 'late');
  },

  judge(history) {
    const setting = history.step('unpublished');
    if (setting === undefined) return [notSeen(history, 'a stream is published and ends')];
    return [
      judgeLast(history, 'published', String(setting.place), 'the manager knows it while it is published'),
      judgeLast(
        history,
        'unpublished',
        NOWHERE,
        `the manager knows of the end within ${REPORTED_WITHIN_MS} ms`,
      ),
      ...judgeSentNowhere(history, 'late'),
    ];
  },
});

// unknown-stream

const unknownStream = check({
  id: 'stream-manager/unknown-stream',
  title: 'A player of a stream that nobody has is told at once, wherever it asks',
  level: 'must',
  spec: {
    source: 'SRS origin cluster (facts/srs.md 2)',
    where: 'stream absent everywhere',
    says: 'The answer is `"origin": null`; the origin closes the connection promptly, without a 302.',
  },
  topologies: MANAGER,
  needs: ['publish.rtmp', 'play.rtmp', 'stream-manager'],
  mutants: ['manager-answers-absent', 'manager-holds-absent'],

  async run(t) {
    const origins = t.nodes('origin');
    const other = t.stream('other');
    await t.publish({ url: t.publishUrl(other, origins[0]!.spec.name), label: 'other' });
    await lookFor(t, 'other', other, REPORTED_WITHIN_MS, rtmpOf(origins[0]!));
    const stream = t.stream('nowhere');
    await ask(t, 'nowhere', stream);
    t.step('asked', {
      players: origins.map(({ spec }) => `lost-${spec.name}`).join(' '),
      other: rtmpOf(origins[0]!),
    });
    await Promise.all(origins.map(({ spec }) => turnedAway(t, stream, spec.name, `lost-${spec.name}`)));
  },

  judge(history) {
    const setting = history.step('asked');
    if (setting === undefined) return [notSeen(history, 'the manager is asked for a stream that nobody has')];
    return [
      judgeLast(history, 'other', String(setting.other), 'the manager knows of the stream that somebody has'),
      judgeLast(history, 'nowhere', NOWHERE, 'the manager answers that it is nowhere'),
      ...String(setting.players)
        .split(' ')
        .flatMap((client) => judgeSentNowhere(history, client)),
    ];
  },
});

// republish-elsewhere

const republishElsewhere = check({
  id: 'stream-manager/republish-elsewhere',
  title: 'A stream is where it was published last, and the end of the old publisher does not erase it',
  level: 'must',
  spec: {
    source: SPEC.seed,
    where: SPEC.manager,
    says: 'The answer is the server where the stream is. An encoder that has come back at another origin is there, also while the first origin still holds its dead connection, and when it lets it go.',
  },
  topologies: MANAGER,
  needs: ['publish.rtmp', 'play.rtmp', 'stream-manager'],
  mutants: ['manager-first-publisher-wins', 'manager-unpublish-erases-newer'],

  async run(t) {
    const stream = t.stream();
    const [first, second, third] = t.nodes('origin');
    t.step('places', { first: rtmpOf(first!), second: rtmpOf(second!) });
    const old = await t.publish({ url: t.publishUrl(stream, first!.spec.name), label: 'old' });
    await lookFor(t, 'first', stream, REPORTED_WITHIN_MS, rtmpOf(first!));
    await t.publish({ url: t.publishUrl(stream, second!.spec.name), label: 'new' });
    await lookFor(t, 'second', stream, REPORTED_WITHIN_MS, rtmpOf(second!));
    await old.stop();
    t.step('old-left');
    await t.observe(REPORTED_WITHIN_MS, 'the end of the old publisher is on its way to the manager');
    await ask(t, 'after', stream);
    const player = t.play(t.playUrl('rtmp', stream, third!.spec.name), 'player');
    await player.playing(PLAYING_WITHIN_MS);
    await player.frames(GOP_FRAMES, PLAYING_WITHIN_MS);
  },

  judge(history) {
    const setting = history.step('places');
    if (setting === undefined) return [notSeen(history, 'a stream is published twice')];
    const second = String(setting.second);
    const judgements = [
      judgeLast(history, 'first', String(setting.first), 'the manager knows the first publisher'),
      judgeLast(history, 'second', second, 'the one that came later wins'),
    ];
    if (history.step('old-left') === undefined) {
      return [...judgements, notSeen(history, 'the end of the first publisher')];
    }
    return [
      ...judgements,
      judgeLast(history, 'after', second, 'the end of the first publisher does not erase the second'),
      judgePlayed(history, 'player', 'new'),
    ];
  },
});

// loop-bounded

/** Sent to where the report says, and no further. */
const MOST_REDIRECTS = 1;

const loopBounded = check({
  id: 'stream-manager/loop-bounded',
  title: 'An origin that asks for a stream which it is said to have is not sent to itself',
  level: 'must',
  spec: {
    source: 'SRS origin cluster (facts/srs.md 2)',
    where: 'a server listing itself can loop [#4500]',
    says: 'A report that is wrong, or older than the end of its stream, sends players in circles only if the manager sends who asks to itself.',
  },
  topologies: MANAGER,
  needs: ['play.rtmp', 'stream-manager'],
  disrupts: 'reports a stream that does not exist',
  mutants: ['manager-points-at-asker', 'manager-believes-reports-only'],

  async run(t) {
    const stream = t.stream();
    const [said, other] = t.nodes('origin');
    await post(t, 'false', '/api/v1/streams', reportOf(said!, stream));
    t.step('reported', { place: rtmpOf(said!) });
    await ask(t, 'asked-by-others', stream, other);
    await ask(t, 'asked-by-itself', stream, said);
    await post(t, 'false', '/api/v1/streams', reportOf(said!, stream));
    await turnedAway(t, stream, other!.spec.name, 'player');
  },

  judge(history) {
    const setting = history.step('reported');
    if (setting === undefined) return [notSeen(history, 'a stream is reported that its origin has not got')];
    const reports = reportsOf(history);
    const taking = 'a report in our own form is taken';
    const refused = reports.find(({ status }) => status !== 200);
    const redirects = redirectsOf(history, 'player').length;
    return [
      reports.length === 0
        ? notSeen(history, taking)
        : judged(refused === undefined, taking, refused ? String(refused.error ?? refused.status) : 'it was'),
      judgeLast(history, 'asked-by-others', String(setting.place), 'others are told where it is said to be'),
      judgeLast(history, 'asked-by-itself', NOWHERE, 'the origin itself is not sent to itself'),
      ...judgeTurnedAway(history, 'player', 'turned-away', ABSENT_ENDS_WITHIN_MS),
      judged(redirects <= MOST_REDIRECTS, `at most ${MOST_REDIRECTS} 302 on the way`, `${redirects}`),
    ];
  },
});

/** Plays at an origin what is nowhere, until its connection ends or the time for that is over. */
async function turnedAway(t: CheckContext, stream: string, origin: string, label: string): Promise<void> {
  t.step('turned-away', { player: label });
  const player = t.play(t.playUrl('rtmp', stream, origin), label);
  await player.closed(ABSENT_ENDS_WITHIN_MS);
}

function judgeSentNowhere(history: History, client: string): Judgement[] {
  const redirects = redirectsOf(history, client);
  return [
    ...judgeTurnedAway(history, client, 'turned-away', ABSENT_ENDS_WITHIN_MS),
    judged(redirects.length === 0, `${client}: no 302`, `${redirects.length}`),
  ];
}

export const MANAGER_STREAMS = [
  reportThenPlay,
  unpublishForgotten,
  unknownStream,
  republishElsewhere,
  loopBounded,
];
