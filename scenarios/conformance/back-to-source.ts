/** Back-to-source (回源): what an edge fetches from its origin, when it begins and when it ends. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { HANDOVER_MS, PLAYING_WITHIN_MS, PULL_RETRY_MS, RELEASED_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement, NotObservedError } from '../check.ts';
import type { ApiReading, History } from '../history.ts';
import {
  compareFrames,
  failed,
  inconclusive,
  judged,
  listed,
  nameOf,
  notSeen,
  unlessOurs,
  videoOf,
  words,
} from '../judging.ts';
import { FRAME_MS, type RecordedPlayer } from '../stage.ts';
import { disagreement, longestOverlap, openings, openOf, toldOf, unread } from './upstreams.ts';

const EDGE_CLUSTER = ['edge-cluster'] as const;
const SEED = 'Edge cluster on Kubernetes (seeds/000)';
const MERGE = 'An edge takes one stream from the origin, however many clients play it';

/** Time within which the tap's count and the origin's API, which are read one after the other, must agree. */
const AGREE_WITHIN_MS = 1000;
const AGREE_LOOK_MS = 50;

// merged-per-edge

const PLAYERS_PER_PROTOCOL = 3;

/** Who joins an edge first: each edge is another case. */
const JOIN_ORDERS = [['rtmp', 'flv'], ['flv', 'rtmp'], ['both']] as const;

const mergedPerEdge = check({
  id: 'back-to-source/merged-per-edge',
  title: 'An edge pulls a stream once, however many RTMP and HTTP-FLV players it has',
  level: 'must',
  spec: {
    source: SEED,
    where: 'EdgeCluster: merged back-to-source (合并回源)',
    says: `${MERGE}; RTMP and HTTP-FLV players of one stream share the pull.`,
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.pulls', 'observe.api'],
  mutants: ['edge-pulls-per-player', 'edge-pulls-per-protocol'],

  async run(t) {
    const stream = t.stream();
    const edges = t.nodes('edge');
    await t.publish({ url: t.publishUrl(stream) });
    await Promise.all(
      edges.map(async ({ spec: { name } }, i) => {
        for (const protocols of JOIN_ORDERS[i % JOIN_ORDERS.length]!) {
          const players = (protocols === 'both' ? (['rtmp', 'flv'] as const) : [protocols]).flatMap(
            (protocol) =>
              Array.from({ length: PLAYERS_PER_PROTOCOL }, () =>
                t.play(t.playUrl(protocol, stream, name), `${name}-${protocol}`),
              ),
          );
          await allPlaying(players);
        }
      }),
    );
    t.step('all-play', { stream, edges: edges.map((edge) => edge.spec.name).join(' '), taps: hasTaps(t) });
    await readUpstreams(t, stream, edges);
    t.step('counted');
  },

  judge(history) {
    const setting = history.step('all-play');
    if (setting === undefined) return [notSeen(history, 'every player of every edge has a frame')];
    const edges = words(setting.edges);
    const stream = String(setting.stream);
    const untapped = setting.taps === false;
    const disagree = untapped ? unread(history, stream) : disagreement(history, stream, edges);
    if (disagree) return [disagree];
    return edges.map((edge) => {
      const expected = `1 upstream connection of ${edge}`;
      const seen = untapped ? toldOf(history, stream, edge) : openings(history, edge);
      return seen === 0
        ? inconclusive(
            expected,
            `${untapped ? "the origin's API" : 'the tap'} saw none, yet its players got frames`,
          )
        : judged(seen === 1, expected, `${seen}`);
    });
  },
});

// merged-under-herd

const HERD = 1000;
const HERD_JOINED_WITHIN_MS = 12_000;

const mergedUnderHerd = check({
  id: 'back-to-source/merged-under-herd',
  title: 'A thousand players that join at once cause one pull',
  level: 'must',
  spec: {
    source: SEED,
    where: 'EdgeCluster: merged back-to-source (合并回源)',
    says: `${MERGE}; also when they all come before the first pull is up.`,
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'observe.api'],
  mutants: ['edge-pulls-twice-under-herd', 'edge-pulls-per-player'],
  deadlineMs: 25_000,
  disrupts: `has ${HERD} players join at once`,

  alone: true,
  async run(t) {
    const stream = t.stream();
    const edge = t.nodes('edge')[0]!;
    const { name } = edge.spec;
    await t.publish({ url: t.publishUrl(stream) });
    const herd = await t.crowd({
      label: 'herd',
      urls: [t.playUrl('rtmp', stream, name), t.playUrl('flv', stream, name)],
      clients: HERD,
      rampMs: 0,
    });
    t.step('herd', { stream, edge: name });
    // A second pull is wrong whatever the rest of the herd does.
    const second = new Promise<void>((resolve) => {
      t.cleanUp(t.history.subscribe((event) => event.type === 'tap.open' && event.open > 1 && resolve()));
    });
    try {
      // Those who wait in vain are told by the figures; the pull is counted all the same.
      await Promise.race([herd.joined(HERD_JOINED_WITHIN_MS), second]).catch(unlessNotObserved);
      await readUpstreams(t, stream, [edge]);
    } finally {
      herd.record();
    }
  },

  judge(history) {
    const setting = history.step('herd');
    if (setting === undefined) return [notSeen(history, 'a herd')];
    const edge = String(setting.edge);
    const opened = openings(history, edge);
    const disagree = disagreement(history, String(setting.stream), [edge]);
    if (disagree) return [disagree];
    if (opened > 1) return [failed(`1 upstream connection of ${edge}`, `${opened}`)];
    const crowd = history.of('crowd').at(-1);
    if (crowd === undefined) return [inconclusive(`${HERD} players join at once`, 'they were not counted')];
    return [
      opened === 0
        ? inconclusive(`1 upstream connection of ${edge}`, 'the tap saw none, yet players got frames')
        : judged(true, `1 upstream connection of ${edge}`, `${opened}`),
      unlessOurs(
        history,
        judged(
          crowd.joined === crowd.requested,
          `all ${crowd.requested} players of the herd get a keyframe within ${HERD_JOINED_WITHIN_MS} ms`,
          `${crowd.joined} did, ${crowd.failed} failed`,
        ),
        HERD_JOINED_WITHIN_MS,
      ),
    ];
  },
});

function unlessNotObserved(error: unknown): void {
  if (!(error instanceof NotObservedError)) throw error;
}

// one-per-edge-and-stream

const STREAMS = 3;

const onePerEdgeAndStream = check({
  id: 'back-to-source/one-per-edge-and-stream',
  title: 'E edges with players of S streams hold E × S upstream connections, each with its own stream',
  level: 'must',
  spec: {
    source: SEED,
    where: 'EdgeCluster: merged back-to-source (合并回源)',
    says: 'There is one pull per stream URL and edge process: streams do not share one, edges do not save one.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.pulls', 'observe.api'],
  mutants: ['edge-merges-streams-of-app', 'edge-pulls-per-protocol'],

  async run(t) {
    const edges = t.nodes('edge');
    const streams = Array.from({ length: STREAMS }, (_, i) => t.stream(`s${i + 1}`));
    await Promise.all(streams.map((stream) => t.publish({ url: t.publishUrl(stream), label: stream })));
    t.step('published', {
      edges: edges.map((edge) => edge.spec.name).join(' '),
      streams: streams.join(' '),
      taps: hasTaps(t),
    });
    const players = streams.flatMap((stream) =>
      edges.flatMap(({ spec: { name } }) => [
        t.play(t.playUrl('rtmp', stream, name), `${name}-rtmp`),
        t.play(t.playUrl('flv', stream, name), `${name}-flv`),
      ]),
    );
    await allPlaying(players);
    t.step('all-play');
    await readUpstreamsOfAll(t, streams, edges);
  },

  judge(history) {
    const setting = history.step('published');
    if (setting === undefined) return [notSeen(history, `${STREAMS} streams published`)];
    const streams = words(setting.streams);
    const publisherOf = new Map<number, string>();
    for (const sent of history.of('publisher.sent')) {
      if (sent.stamp) publisherOf.set(sent.stamp.stream, sent.stream);
    }
    const strays = history
      .of('player.got')
      .filter((got) => got.stamp && publisherOf.get(got.stamp.stream) !== got.stream);
    if (strays.length > 0) {
      const { client, stream, stamp } = strays[0]!;
      return [
        failed(
          'players get frames of the stream that they asked for',
          `${client} asked for ${stream} and got a frame of ${publisherOf.get(stamp!.stream) ?? 'a stream nobody published'}`,
        ),
      ];
    }
    if (history.step('all-play') === undefined) return [notSeen(history, 'every player has a frame')];
    if (setting.taps === false) return judgeTold(history, streams, words(setting.edges));
    const judgements: Judgement[] = [];
    for (const edge of words(setting.edges)) {
      const opened = openings(history, edge);
      const expected = `${streams.length} upstream connections of ${edge} for ${streams.length} streams`;
      judgements.push(
        opened < streams.length
          ? inconclusive(expected, `the tap saw ${opened}, yet players got the frames of all streams`)
          : judged(opened === streams.length, expected, `${opened}`),
      );
    }
    const readings = streams.map((stream) =>
      history.of('api.stream').findLast((event) => event.stream === stream),
    );
    for (const edge of words(setting.edges)) {
      const told = readings.map((reading) => reading?.upstreamsOf[edge] ?? 0);
      const sum = told.reduce((total, count) => total + count, 0);
      const seen = openOf(history, edge, readings.at(-1)?.t);
      if (sum !== seen) {
        return [
          inconclusive("the tap and the origin's API count the same", `${edge}: tap ${seen}, API ${sum}`),
        ];
      }
      const expected = `1 play of each stream by ${edge} in the origin's API`;
      judgements.push(
        judged(
          told.every((count) => count === 1),
          expected,
          told.join(', '),
        ),
      );
    }
    return judgements;
  },
});

/** Where no tap counts connections: by what the API of the origin tells last. */
function judgeTold(history: History, streams: readonly string[], edges: readonly string[]): Judgement[] {
  const notRead = streams.flatMap((stream) => unread(history, stream) ?? []);
  if (notRead.length > 0) return notRead;
  return edges.map((edge) => {
    const told = streams.map((stream) => toldOf(history, stream, edge));
    const expected = `1 play of each stream by ${edge} in the origin's API`;
    if (told.includes(0)) {
      return inconclusive(expected, `${told.join(', ')}, yet players got the frames of all streams`);
    }
    return judged(
      told.every((count) => count === 1),
      expected,
      told.join(', '),
    );
  });
}

// lazy

/**
 * No document gives a number for "never". An edge that pulls by itself does so when the stream appears, or when it
 * next looks; 2 s cover a look per second.
 */
const LAZY_OBSERVED_MS = 2000;

const lazy = check({
  id: 'back-to-source/lazy',
  title: 'Without a player nothing is pulled',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_source.cpp, create_consumer; app/srs_app_edge.cpp, SrsPlayEdge::on_client_play',
    says: 'The pull is started by the first player of a stream on the edge, and by nothing else.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'observe.upstream', 'observe.api'],
  mutants: ['edge-pulls-eagerly'],

  async run(t) {
    const stream = t.stream();
    const edges = t.nodes('edge');
    await t.publish({ url: t.publishUrl(stream) });
    const origin = originOf(t);
    await t.untilApi(origin, stream, AGREE_WITHIN_MS, (reading) => reading.publishers === 1);
    t.step('live', { stream });
    await t.observe(LAZY_OBSERVED_MS, 'a published stream without a player is not pulled');
    await t.readApi(origin, stream);
    t.step('absence-observed');
    // The control: what was not seen must be something that can be seen.
    await allPlaying(edges.map(({ spec: { name } }) => t.play(t.playUrl('rtmp', stream, name), name)));
    t.step('control', { edges: edges.map((edge) => edge.spec.name).join(' ') });
  },

  judge(history) {
    const observed = history.of('step').find(({ step }) => step === 'absence-observed');
    if (observed === undefined) return [notSeen(history, 'a live stream and no player')];
    const early = history.of('tap.open').filter((event) => event.t < observed.t);
    const reading = history.of('api.stream').findLast((event) => event.t <= observed.t)!;
    if (reading.publishers !== 1) {
      return [inconclusive('a live stream while nobody plays', `${reading.publishers} publishers of it`)];
    }
    const expected = `no upstream connection in ${LAZY_OBSERVED_MS} ms without a player`;
    if (early.length > 0 || reading.upstreams > 0) {
      return [
        failed(expected, `${early.length} at the taps, ${reading.upstreams} in the origin's API`, [
          { label: 'opened', detail: early.map((event) => event.tap).join(', ') },
        ]),
      ];
    }
    const control = history.step('control');
    const blind = words(control?.edges).filter((edge) => openings(history, edge) === 0);
    if (control === undefined || blind.length > 0) {
      return [
        inconclusive(
          'taps that see the pull once a player comes',
          `not seen: ${blind.join(', ') || 'no player played'}`,
        ),
      ];
    }
    return [judged(true, expected, 'none, and one per edge once a player came')];
  },
});

// released

/** Longer than a merged write: a node that lets go at the first leaver is seen doing it. */
const STAYS_OBSERVED_MS = 700;

const released = check({
  id: 'back-to-source/released',
  title: 'The pull ends with the last player, and not before',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_source.cpp, on_consumer_destroy; app/srs_app_edge.cpp, on_all_client_stop',
    says: 'The upstream connection is closed when the last player of the stream on that edge is gone, at once, at the most after 2 s.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'observe.api'],
  mutants: ['edge-never-releases', 'edge-releases-late', 'edge-releases-at-first-leaver'],

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    // On one edge the RTMP player is the last to leave, on the other the HTTP-FLV player.
    const cases = t
      .nodes('edge')
      .slice(0, 2)
      .map(({ spec: { name } }, i) => {
        const rtmp = t.play(t.playUrl('rtmp', stream, name), `${name}-rtmp`);
        const flv = t.play(t.playUrl('flv', stream, name), `${name}-flv`);
        return { edge: name, first: i === 0 ? flv : rtmp, last: i === 0 ? rtmp : flv };
      });
    await allPlaying(cases.flatMap(({ first, last }) => [first, last]));
    t.step('all-play', { stream });
    for (const { edge, first } of cases) {
      t.step('first-leaves', { edge });
      await first.stop();
    }
    await t.observe(STAYS_OBSERVED_MS, 'one player is left, so the pull stays');
    for (const { edge, last } of cases) {
      t.step('last-leaves', { edge, player: last.label });
      await last.stop();
    }
    await t.until('every upstream connection closed', RELEASED_WITHIN_MS, (history) =>
      cases.every(({ edge }) => openOf(history, edge) === 0),
    );
    await t.untilApi(originOf(t), stream, AGREE_WITHIN_MS, (reading) => reading.upstreams === 0);
  },

  judge(history) {
    const leaves = history.of('step').filter(({ step }) => step === 'last-leaves');
    if (history.step('all-play') === undefined || leaves.length === 0) {
      return [notSeen(history, 'two edges with a player of each protocol')];
    }
    const judgements: Judgement[] = [];
    for (const leave of leaves) {
      const edge = String(leave.data.edge);
      if (openings(history, edge) === 0) {
        judgements.push(inconclusive(`an upstream connection of ${edge}`, 'the tap saw none'));
        continue;
      }
      const early = history.of('tap.close').filter((close) => close.from === edge && close.t < leave.t);
      judgements.push(
        judged(
          early.length === 0,
          `the pull of ${edge} stays while one player is left`,
          early.length === 0 ? 'it stayed' : 'it was closed',
        ),
      );
      const closed = history
        .of('tap.close')
        .find((close) => close.from === edge && close.t >= leave.t && close.open === 0);
      const expected = `the pull of ${edge} ends within ${RELEASED_WITHIN_MS} ms after its last player (${leave.data.player})`;
      const after = closed === undefined ? undefined : Math.round(closed.t - leave.t);
      if (early.length > 0) continue;
      judgements.push(
        after === undefined
          ? failed(expected, 'it was still open')
          : unlessOurs(
              history,
              judged(after <= RELEASED_WITHIN_MS, expected, `after ${after} ms`),
              RELEASED_WITHIN_MS,
            ),
      );
    }
    const reading = history.of('api.stream').at(-1);
    if (
      reading !== undefined &&
      reading.upstreams > 0 &&
      judgements.every(({ verdict }) => verdict === 'pass')
    ) {
      judgements.push(
        inconclusive(
          'tap and API of the origin agree',
          `taps: all closed; API: ${listed(reading.upstreamsOf)}`,
        ),
      );
    }
    return judgements;
  },
});

// rejoin-race

/** ms from the last player's leaving to the next one's coming. */
const REJOIN_OFFSETS = [0, 20, 40, 60, 80, 120, 160, 200, 250, 300, 350, 400, 450, 500];
/**
 * A frame that was sent after the player came, so that it cannot come from a cache. Below the retry, so that a player
 * who was left without a pull until then is seen.
 */
const REJOINED_WITHIN_MS = 2 * TWO_HOPS_MS;
/** Frames that go on coming: a pull that is taken from under the player is seen. */
const REJOIN_FRAMES = 8;

const rejoinRace = check({
  id: 'back-to-source/rejoin-race',
  title: 'A player who comes while the pull is being given up has exactly one pull',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_edge.cpp, SrsPlayEdge',
    says: 'The pull ends with the last player and begins with the first: whoever comes in between is served, without a second pull beside the first and without waiting for a retry.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream'],
  mutants: ['edge-releases-under-player', 'edge-rejoin-doubles'],
  deadlineMs: 30_000,

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    const edges = t.nodes('edge');
    t.step('edges', { edges: edges.map((edge) => edge.spec.name).join(' ') });
    // Edges share the offsets, to take less time; a leaver and the one who follows are of all four combinations.
    await Promise.all(
      edges.map(async ({ spec: { name } }, e) => {
        const offsets = REJOIN_OFFSETS.filter((_, i) => i % edges.length === e);
        const protocolOf = (turn: number) => (((turn + e) >> 1) % 2 === 0 ? 'rtmp' : 'flv');
        let player = t.play(t.playUrl(protocolOf(0), stream, name), name);
        await player.playing(PLAYING_WITHIN_MS);
        for (const [i, offset] of offsets.entries()) {
          t.step('leave', { edge: name, offset });
          const left = player.stop();
          if (offset > 0) await t.observe(offset, 'the time between a leave and a join');
          player = t.play(t.playUrl(protocolOf(i + 1), stream, name), name);
          const { label } = player;
          const since = t.step('join', { edge: name, offset, player: label });
          await Promise.all([left, freshFrame(t, label, since)]);
          await player.frames(REJOIN_FRAMES, REJOINED_WITHIN_MS);
          t.step('served', { edge: name, offset, player: label });
        }
        t.step('end', { edge: name });
      }),
    );
  },

  judge(history) {
    const joins = history.of('step').filter(({ step }) => step === 'join');
    if (joins.length === 0) return [notSeen(history, 'a player who comes after the last one left')];
    const edges = words(history.step('edges')?.edges);
    const judgements: Judgement[] = [];
    if (edges.length === 0) judgements.push(notSeen(history, 'edges'));
    for (const edge of edges) {
      if (openings(history, edge) === 0) {
        judgements.push(inconclusive(`an upstream connection of ${edge}`, 'the tap saw none'));
        continue;
      }
      const overlap = longestOverlap(history, edge);
      judgements.push(
        judged(
          overlap.ms <= HANDOVER_MS,
          `never two upstream connections of ${edge} for longer than a handover of ${HANDOVER_MS} ms`,
          overlap.ms === 0 ? 'never two' : `${overlap.open} for ${Math.round(overlap.ms)} ms`,
        ),
      );
    }
    const served = new Set(
      history
        .of('step')
        .filter(({ step }) => step === 'served')
        .map(({ data }) => data.player),
    );
    const waiting = joins.filter(({ data }) => !served.has(data.player!));
    // Where one edge gave up, the others were stopped in the middle: only what was waited for in vain counts.
    const unserved = waiting.filter(({ data }) =>
      history.of('not-observed').some(({ what }) => what.startsWith(`${data.player}:`)),
    );
    const expected = `whoever joins 0 to ${REJOIN_OFFSETS.at(-1)} ms after the last one left is served within ${REJOINED_WITHIN_MS} ms (a retry takes ${PULL_RETRY_MS} ms)`;
    if (unserved.length > 0) {
      judgements.push(
        failed(
          expected,
          unserved.map(({ data }) => `not ${data.player}, who came after ${data.offset} ms`).join('; '),
          history.of('not-observed').map(({ what }) => ({ label: 'waited for', detail: what })),
        ),
      );
    } else if (waiting.length === 0) {
      judgements.push(judged(true, expected, `all ${joins.length} were`));
    }
    return judgements;
  },
});

// same-bytes

/** More than two GOPs and more than any period of the lab's own frame defects. */
const COMPARED_FRAMES = 60;
/** What was sent so long ago is at every player: to the origin through an edge (facts/srs.md 1.7), and two hops. */
const OVERDUE_MS = 2 * TWO_HOPS_MS;

const sameBytes = check({
  id: 'back-to-source/same-bytes',
  title: 'A player behind an edge gets frame for frame what the publisher sent',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_edge.cpp, SrsEdgeIngester::process_publish_message; conf/full.conf time_jitter',
    says: 'RTMP to RTMP and RTMP to HTTP-FLV, through an edge as well, relay audio and video byte-exact; with time_jitter off the timestamps are the publisher’s. An edge passes what is published at it on to the origin as it is.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
  mutants: [
    'media-drops-frames',
    'media-doubles-frames',
    'media-swaps-frames',
    'media-flips-byte',
    'media-drops-audio',
    'media-resets-timestamps',
    'edge-forwards-no-headers',
  ],

  async run(t) {
    const edges = t.nodes('edge').map(({ spec }) => spec.name);
    await Promise.all([
      compareCopies(t, edges[0]!, 'origin', (stream) => t.publishUrl(stream)),
      compareCopies(t, edges[0]!, 'edge', (stream) => t.publishUrl(stream, edges.at(-1)!)),
      ...t
        .nodes('balancer')
        .map(({ spec: { name } }) =>
          compareCopies(t, edges[0]!, 'balancer', (stream) => t.publishUrl(stream, name)),
        ),
    ]);
    t.step('compared');
  },

  judge(history) {
    const settings = history.of('step').filter(({ step }) => step === 'players');
    if (settings.length === 0) return [notSeen(history, 'a publisher and two players')];
    return settings.flatMap(({ data }) => {
      const sent = history.sent(String(data.publisher));
      return words(data.players).flatMap((player) => judgeCopy(history, player, sent, history.got(player)));
    });
  },
});

/** A stream that is published at `place` and played at an edge, in both protocols. */
async function compareCopies(
  t: CheckContext,
  edge: string,
  place: 'origin' | 'edge' | 'balancer',
  publishUrl: (stream: string) => string,
): Promise<void> {
  const stream = t.stream(`at-${place}`);
  const publisher = await t.publish({ url: publishUrl(stream), label: `publisher-at-${place}` });
  const players = (['rtmp', 'flv'] as const).map((protocol) =>
    t.play(t.playUrl(protocol, stream, edge), `${protocol}-from-${place}`),
  );
  t.step('players', { players: players.map(({ label }) => label).join(' '), publisher: publisher.label });
  await allPlaying(players);
  await Promise.all(
    players.map((player) => player.frames(COMPARED_FRAMES, COMPARED_FRAMES * FRAME_MS + 2 * TWO_HOPS_MS)),
  );
}

/** What one player got, held against what was sent. */
function judgeCopy(
  history: History,
  player: string,
  sent: ReturnType<History['sent']>,
  got: ReturnType<History['got']>,
): Judgement[] {
  const expected = `${player}: from where it joined, every frame as it was sent`;
  const seen = videoOf(got);
  const overdue = videoOf(sent).filter(({ t }) => t < sent.at(-1)!.t - OVERDUE_MS);
  if (seen.length === 0) {
    const actual = `it got no video frame at all; ${overdue.length} were sent more than ${OVERDUE_MS} ms before`;
    return [(overdue.length < COMPARED_FRAMES ? inconclusive : failed)(expected, actual)];
  }
  const { compared, differences } = compareFrames(sent, got);
  if (differences.length > 0) {
    return differences.map((difference) =>
      failed(
        `${player}: ${difference.expected}`,
        `${difference.actual} (frame ${difference.at} of those it got)`,
      ),
    );
  }
  const judgements: Judgement[] = [];
  if (compared.audio === 0) judgements.push(failed(`${player}: audio frames too`, 'none in all that it got'));
  for (const kind of ['audio-config', 'video-config'] as const) {
    const original = sent.find((item) => item.kind === kind);
    const copies = got.filter((item) => item.kind === kind);
    if (original === undefined) continue;
    const other = copies.find(({ sum, size }) => sum !== original.sum || size !== original.size);
    if (copies.length === 0) judgements.push(failed(`${player}: ${nameOf(original)}`, 'none'));
    else if (other)
      judgements.push(failed(`${player}: ${nameOf(original)}`, `${nameOf(other)}, other bytes`));
  }
  if (judgements.length > 0) return judgements;
  const [latest, due] = [seen.at(-1)!, overdue.at(-1)];
  if (due?.stamp && latest.stamp && latest.stamp.frame < due.stamp.frame) {
    const late = failed(
      expected,
      `nothing after ${nameOf(latest)}, ${OVERDUE_MS} ms after ${nameOf(due)} was sent`,
    );
    return [unlessOurs(history, late, OVERDUE_MS)];
  }
  if (compared.video < COMPARED_FRAMES) {
    return [
      inconclusive(
        `${player}: ${COMPARED_FRAMES} video frames to compare`,
        `${compared.video}, all the same`,
      ),
    ];
  }
  return [judged(true, expected, `${compared.video} video and ${compared.audio} audio frames, all the same`)];
}

// what the checks share

async function allPlaying(players: readonly RecordedPlayer[]): Promise<void> {
  await Promise.all(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
}

/** A cluster that somebody else started has none. */
function hasTaps(t: CheckContext): boolean {
  return t.cluster.taps.length > 0;
}

function originOf(t: CheckContext): string {
  return t.nodes('origin')[0]!.spec.name;
}

/** Reads the origin's API until it says what the taps say, or for AGREE_WITHIN_MS; what it said last is recorded. */
async function readUpstreams(t: CheckContext, stream: string, edges: readonly ClusterNode[]): Promise<void> {
  if (!hasTaps(t)) {
    await t.observe(AGREE_WITHIN_MS, 'a pull that is opened late, or opened twice, is in the API by then');
    await t.readApi(originOf(t), stream);
    return;
  }
  await t.untilApi(originOf(t), stream, AGREE_WITHIN_MS, ({ upstreamsOf }) =>
    edges.every(({ spec: { name } }) => {
      const told = upstreamsOf[name] ?? 0;
      const seen = openOf(t.history, name);
      return told === seen || (told > 1 && seen > 1);
    }),
  );
}

/** The same for several streams: a tap does not know what is asked for, so an edge's pulls are counted together. */
async function readUpstreamsOfAll(
  t: CheckContext,
  streams: readonly string[],
  edges: readonly ClusterNode[],
): Promise<void> {
  if (!hasTaps(t)) {
    await t.observe(AGREE_WITHIN_MS, 'a pull that is opened late, or opened twice, is in the API by then');
    for (const stream of streams) await t.readApi(originOf(t), stream);
    return;
  }
  const end = performance.now() + AGREE_WITHIN_MS;
  for (;;) {
    const readings: ApiReading[] = [];
    for (const stream of streams) readings.push(await t.readApi(originOf(t), stream));
    const agreed = edges.every(({ spec: { name } }) => {
      const told = readings.reduce((sum, { upstreamsOf }) => sum + (upstreamsOf[name] ?? 0), 0);
      return told === openOf(t.history, name);
    });
    if (agreed || performance.now() > end) return;
    await t.observe(AGREE_LOOK_MS, 'the API of the origin does not tell yet what the taps have seen');
  }
}

/** A frame that was sent after `since`. */
function freshFrame(t: CheckContext, player: string, since: number): Promise<void> {
  return t.until(`${player}: a frame that was sent after it came`, REJOINED_WITHIN_MS, (history) =>
    history.got(player).some((item) => item.stamp !== null && item.stamp.sentAt > since),
  );
}

export const backToSource: readonly Check[] = [
  mergedPerEdge,
  mergedUnderHerd,
  onePerEdgeAndStream,
  lazy,
  released,
  rejoinRace,
  sameBytes,
];
