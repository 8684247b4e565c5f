/** Who follows a 302: a player, and edges, whose viewers see nothing of it. */
import {
  COWORKER_WITHIN_MS,
  REDIRECTED_PLAYING_WITHIN_MS,
  RELEASED_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import {
  compareFrames,
  failed,
  inconclusive,
  judged,
  notSeen,
  unlessOurs,
  videoOf,
  words,
} from '../judging.ts';
import type { RecordedPlayer } from '../stage.ts';
import { stepsOf } from '../wire/attempt.ts';
import { clusterAnswerOf, StandInStep, standIn } from '../wire/stand-in.ts';
import { everyOne, holderOf, lossOf, missedBy } from './masters-and-slaves.ts';
import {
  ALL_COWORKERS,
  APP,
  clusteredOrigins,
  edgeOf,
  edgesOfOrigins,
  isImpatient,
  missedByEdge,
  publishAt,
  rolesOf,
  rtmpUrl,
  SEED,
  SRS,
  THIRD_PARTIES,
  WATCHED_FRAMES,
  WATCHED_WITHIN_MS,
  watchAt,
} from './redirect-setting.ts';

const JOINED = 'follow.joined';

/** Puts players on record, lets them join and watch. */
async function watch(t: CheckContext, publisher: string, players: readonly RecordedPlayer[]): Promise<void> {
  const impatient = isImpatient(t);
  for (const { label } of players) t.step(JOINED, { player: label, publisher, impatient });
  await everyOne(players.map((player) => player.playing(REDIRECTED_PLAYING_WITHIN_MS)));
  await everyOne(players.map((player) => player.frames(WATCHED_FRAMES, WATCHED_WITHIN_MS)));
}

/** Of everybody who was to watch: playing soon, every frame, nothing of a 302. */
function judgeViewers(history: History): Judgement[] {
  const joined = stepsOf(history, JOINED);
  if (joined.length === 0) return [notSeen(history, 'viewers of the stream')];
  return joined.flatMap(({ player, publisher }) => {
    const name = String(player);
    return [
      judgeJoin(history, name),
      judgeFrames(history, name, String(publisher)),
      judgeUnaware(history, name),
    ];
  });
}

function judgeJoin(history: History, player: string): Judgement {
  const expected = `${player}: a keyframe within ${REDIRECTED_PLAYING_WITHIN_MS} ms`;
  const asked = history.of('step').find(({ step, data }) => step === JOINED && data.player === player)?.t;
  const first = history.got(player).find(({ kind, key, stamp }) => kind === 'video' && key && stamp);
  if (first === undefined || asked === undefined) {
    return missed(history, player, expected, 'none');
  }
  const afterMs = first.t - asked;
  const judgement = judged(
    afterMs <= REDIRECTED_PLAYING_WITHIN_MS,
    expected,
    `after ${Math.round(afterMs)} ms`,
  );
  return unlessOurs(history, judgement, REDIRECTED_PLAYING_WITHIN_MS);
}

function judgeFrames(history: History, player: string, publisher: string): Judgement {
  const expected = `${player}: every frame of ${WATCHED_FRAMES} and more, as it was sent`;
  const got = history.got(player);
  const sent = history.sent(publisher);
  const { compared, differences } = compareFrames(sent, got);
  if (differences.length > 0) {
    return failed(expected, `${differences[0]!.actual} instead of ${differences[0]!.expected}`);
  }
  const actual = `${compared.video} video and ${compared.audio} audio frames`;
  if (videoOf(got).length <= WATCHED_FRAMES) return missed(history, player, expected, actual);
  if (compared.audio === 0 && sent.some(({ kind }) => kind === 'audio')) return failed(expected, actual);
  return judged(true, expected, actual);
}

function missed(history: History, player: string, expected: string, actual: string): Judgement {
  const impatient = stepsOf(history, JOINED).some((one) => one.player === player && one.impatient === true);
  return missedByEdge(history, impatient, missedBy(history, player, expected, actual));
}

function judgeUnaware(history: History, player: string): Judgement {
  const expected = `${player}: neither redirected nor closed`;
  const redirect = history.of('client.redirect').find(({ client }) => client === player);
  if (redirect) return failed(expected, `sent to ${redirect.location}`);
  const loss = lossOf(history, player);
  if (loss) return failed(expected, `closed: ${loss.reason} while ${loss.during}, ${loss.code}`);
  return judged(true, expected, 'neither');
}

// player-follows

const playerFollows = check({
  id: 'redirect/player-follows',
  title: 'A player that follows a 302 gets every frame from the origin that has the stream',
  level: 'must',
  spec: {
    source: SEED,
    where: 'How the cluster works: playing, steps 3 to 5',
    says: 'The origin that is asked finds out who has the stream and sends the player there with a 302. There it is played.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers'],
  mutants: ['origin-redirects-to-itself', 'origin-redirect-without-stream', 'origin-redirect-without-ex'],

  async run(t) {
    const { asker, holder } = rolesOf(t);
    const stream = t.stream();
    const { label } = await publishAt(t, holder, stream);
    t.step('player.setting', { location: rtmpUrl(holder, stream), publisher: label });
    const player = t.play(rtmpUrl(asker, stream));
    await player.playing(COWORKER_WITHIN_MS + TWO_HOPS_MS);
    await player.frames(WATCHED_FRAMES, WATCHED_WITHIN_MS);
  },

  judge(history) {
    const setting = history.step('player.setting');
    if (setting === undefined) return [notSeen(history, 'a published stream')];
    return [
      judgeOneRedirect(history, String(setting.location)),
      judgeFrames(history, 'player', String(setting.publisher)),
    ];
  },
});

function judgeOneRedirect(history: History, location: string): Judgement {
  const expected = `one 302, to ${location}`;
  const redirects = history.of('client.redirect').map((event) => event.location);
  const actual =
    redirects.length > 3 ? `${redirects.length} of them, first to ${redirects[0]}` : redirects.join(', ');
  if (redirects.length === 0) return missedBy(history, 'player', expected, 'none');
  return judged(redirects.length === 1 && redirects[0] === location, expected, actual);
}

// edge-follows

const edgeFollows = check({
  id: 'redirect/edge-follows',
  title: 'An edge follows a 302 at once, with one pull, and its viewers see nothing of it',
  level: 'must',
  spec: {
    source: SRS,
    where:
      'srs_app_edge.cpp, process_publish_message: ERROR_CONTROL_REDIRECT, retry immediately (facts/srs.md 2)',
    says: 'An edge that is sent elsewhere connects there without its usual pause. Its players are served as if the first origin had had the stream.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'coworkers', 'observe.api'],
  mutants: [
    'edge-ignores-redirect',
    'edge-waits-after-redirect',
    'edge-leaks-redirect',
    'edge-drops-players-at-redirect',
  ],

  async run(t) {
    const { holder } = rolesOf(t);
    const stream = t.stream();
    const { label } = await publishAt(t, holder, stream);
    const edges = edgesOfOrigins(t);
    t.step('edge.setting', { stream, holder: holder.spec.name, edges: edges.length });
    const players = watchAt(t, edges, stream);
    await watch(t, label, players);
    for (const node of clusteredOrigins(t)) await t.readApi(node.spec.name, stream);
    t.step('edge.counted');
    await Promise.all(players.map((player) => player.stop()));
    await t.untilApi(holder.spec.name, stream, RELEASED_WITHIN_MS, ({ clients }) => clients <= 1);
  },

  judge(history) {
    const setting = history.step('edge.setting');
    if (setting === undefined) return [notSeen(history, 'a published stream')];
    return [...judgeViewers(history), ...judgePulls(history)];
  },
});

/** SRS does not tell from which edge a pull comes that it was sent: it is not bound to an address. */
function judgePulls(history: History): Judgement[] {
  const { holder, stream, edges } = history.step('edge.setting')!;
  const pulled = `one pull per edge at ${holder}, and none at the others`;
  const ended = `no pull at ${holder} ${RELEASED_WITHIN_MS} ms after the last viewer`;
  const counted = history.of('step').find(({ step }) => step === 'edge.counted')?.t;
  if (counted === undefined) return [inconclusive(pulled, 'the viewers did not all play')];
  const readings = history.of('api.stream').filter((event) => event.stream === stream && event.t <= counted);
  const plays = readings.map(({ node, clients, publishers }) => ({ node, count: clients - publishers }));
  if (!plays.some(({ node }) => node === holder)) return [notSeen(history, pulled)];
  const right = plays.every(({ node, count }) => count === (node === holder ? edges : 0));
  const told = plays.map(({ node, count }) => `${node}: ${count}`).join(', ');
  const left = history
    .of('api.stream')
    .findLast((event) => event.node === holder && event.stream === stream && event.t > counted);
  return [
    judged(right, `${pulled} (${edges} edges)`, told),
    left === undefined
      ? notSeen(history, ended)
      : judged(left.clients <= left.publishers, ended, `${left.clients - left.publishers}`),
  ];
}

// across-regions

const acrossRegions = check({
  id: 'redirect/across-regions',
  title: 'What is published at an edge is played at every other one, whichever origin has it',
  level: 'must',
  spec: {
    source: SEED,
    where: 'How the cluster works: publishing and playing',
    says: 'An edge passes what is published there on to one of the origins. An edge elsewhere asks any origin, and gets the stream from the one that has it. The user sees nothing of it.',
  },
  topologies: THIRD_PARTIES,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'coworkers', 'observe.api'],
  mutants: ['edge-ignores-redirect', 'origin-asks-first-coworker-only', 'origin-redirects-to-itself'],
  deadlineMs: 45_000,

  async run(t) {
    const edges = t.nodes('edge');
    const [north] = edges;
    const south = edges.at(-1)!;
    const names = clusteredOrigins(t).map(({ spec }) => spec.name);
    // An edge takes its origins in turn: every origin has one of the streams of each direction.
    const ways = [
      { from: north!, to: south },
      { from: south, to: north! },
    ];
    const watching = [];
    const holders: string[] = [];
    for (const { from, to } of ways) {
      for (let turn = 1; turn <= names.length; turn++) {
        const stream = t.stream(`from-${from.spec.name}`);
        const url = t.publishUrl(stream, from.spec.name);
        const { label } = await t.publish({ url, label: `${from.spec.name}-${turn}` });
        holders.push(await holderOf(t, stream, names));
        watching.push({ label, players: watchAt(t, [to], stream, `${label}-at-`) });
      }
    }
    t.step('regions.setting', { holders: holders.join(' '), origins: names.length });
    await everyOne(watching.map(({ label, players }) => watch(t, label, players)));
    t.step('regions.watched');
  },

  judge(history) {
    const setting = history.step('regions.setting');
    if (setting === undefined) return [notSeen(history, 'streams that are published at edges')];
    const holders = new Set(words(setting.holders));
    const expected = `streams at each of ${setting.origins} origins, so that 302s are needed`;
    const spread = holders.size > 1;
    return [
      ...judgeViewers(history),
      spread
        ? judged(true, expected, [...holders].join(', '))
        : inconclusive(expected, `all at ${[...holders].join(', ')}`),
    ];
  },
});

// query-through-edge

const queryThroughEdge = check({
  id: 'redirect/query-through-edge',
  title: 'An edge that follows a 302 asks there with the query and the virtual host of its player',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_edge.cpp, SrsEdgeRtmpUpstream::connect (facts/srs.md 1.3)',
    says: 'The edge plays with the parameters of its player, and names a virtual host that is not the default one in tcUrl.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'control.process'],
  mutants: ['edge-redirect-loses-query', 'origin-redirect-loses-query', 'origin-redirect-loses-vhost'],

  async run(t) {
    const { asker, coworker } = rolesOf(t);
    const stream = t.stream();
    const place = { ip: coworker.host, port: coworker.ports.rtmp };
    const edge = edgeOf(t, asker);
    t.step('query.setting', { stream, impatient: isImpatient(t) });
    await standIn(t, coworker, {
      answer: (query) => clusterAnswerOf(query.get('stream') === stream ? place : null),
      redirect: () => undefined,
    });
    const query = 'token=a-b.c&x=1&vhost=shop.example';
    t.play(t.playUrl('rtmp', `${stream}?${query}`, edge.spec.name));
    await t.until(
      'player: the edge at the origin that it was sent to',
      REDIRECTED_PLAYING_WITHIN_MS,
      (history) =>
        stepsOf(history, StandInStep.played).some(({ stream: asked }) => String(asked).startsWith(stream)),
    );
  },

  judge(history) {
    const setting = history.step('query.setting');
    if (setting === undefined) return [notSeen(history, 'an origin in whose place something else stands')];
    const expected = `app ${APP}, stream ${setting.stream} with token=a-b.c and x=1, virtual host shop.example`;
    const played = stepsOf(history, StandInStep.played)[0];
    if (played === undefined) {
      const missed = missedBy(history, 'player', expected, 'the edge did not come');
      return [missedByEdge(history, setting.impatient === true, missed)];
    }
    const [name, query = ''] = String(played.stream).split('?');
    const parameters = new URLSearchParams(query);
    const host = /^rtmp:\/\/([^:/]+)/.exec(String(played.tcUrl))?.[1];
    const right =
      name === setting.stream &&
      played.app === APP &&
      parameters.get('token') === 'a-b.c' &&
      parameters.get('x') === '1' &&
      (host === 'shop.example' || parameters.get('vhost') === 'shop.example');
    return [judged(right, expected, `app ${played.app}, stream ${played.stream}, tcUrl ${played.tcUrl}`)];
  },
});

export const REDIRECT_EDGE: readonly Check[] = [playerFollows, edgeFollows, acrossRegions, queryThroughEdge];
