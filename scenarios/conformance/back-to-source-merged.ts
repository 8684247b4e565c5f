/** Back-to-source: an edge pulls a stream once, whoever plays it and however many do. */
import { type Check, check, type Judgement, NotObservedError } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, notSeen, unlessOurs, videoOf, words } from '../judging.ts';
import { allPlaying, labels, type RecordedPlayer } from '../stage.ts';
import { EDGE_CLUSTER, hasTaps, readUpstreams, readUpstreamsOfAll, SEED } from './back-to-source-setting.ts';
import { disagreement, longestOverlap, openings, openOf, toldOf, unread } from './upstreams.ts';

const MERGE = 'An edge takes one stream from the origin, however many clients play it';

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
    const everybody: RecordedPlayer[] = [];
    await Promise.all(
      edges.map(async ({ spec: { name } }, i) => {
        for (const protocols of JOIN_ORDERS[i % JOIN_ORDERS.length]!) {
          const players = (protocols === 'both' ? (['rtmp', 'flv'] as const) : [protocols]).flatMap(
            (protocol) =>
              Array.from({ length: PLAYERS_PER_PROTOCOL }, () =>
                t.play(t.playUrl(protocol, stream, name), `${name}-${protocol}`),
              ),
          );
          everybody.push(...players);
          await allPlaying(players);
        }
      }),
    );
    t.step('all-play', {
      stream,
      edges: edges.map((edge) => edge.spec.name).join(' '),
      players: labels(everybody),
      taps: hasTaps(t),
    });
    await readUpstreams(t, stream, edges);
    t.step('counted');
  },

  judge(history) {
    const setting = history.step('all-play');
    if (setting === undefined) return [notSeen(history, 'every player of every edge has a frame')];
    const edges = words(setting.edges);
    const stream = String(setting.stream);
    const unserved = judgeServed(history, words(setting.players));
    const untapped = setting.taps === false;
    const disagree = untapped ? unread(history, stream) : disagreement(history, stream, edges);
    if (disagree) return [disagree];
    const pulls = edges.map((edge) => {
      const expected = `1 upstream connection of ${edge}`;
      const seen = untapped ? toldOf(history, stream, edge) : openings(history, edge);
      return seen === 0
        ? inconclusive(
            expected,
            `${untapped ? "the origin's API" : 'the tap'} saw none, yet its players got frames`,
          )
        : judged(seen === 1, expected, `${seen}`);
    });
    return [...pulls, ...unserved];
  },
});

/** Nothing, where every player had a frame of the stream: what nobody plays is not pulled twice either. */
function judgeServed(history: History, players: readonly string[]): Judgement[] {
  const unserved = players.filter((player) =>
    videoOf(history.got(player)).every(({ stamp }) => stamp === null),
  );
  if (players.length > 0 && unserved.length === 0) return [];
  return [inconclusive('frames at every player', `none at ${unserved.join(', ') || 'any: nobody plays'}`)];
}

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
    // Only the herd is at this edge: two at once are wrong, and an origin that is overrun may be late to tell of them.
    const { open } = longestOverlap(history, edge);
    if (open > 1) return [failed(`1 upstream connection of ${edge}`, `${open} at once`)];
    const disagree = disagreement(history, String(setting.stream), [edge]);
    if (disagree) return [disagree];
    if (opened > 1) return [failed(`1 upstream connection of ${edge}`, `${opened}`)];
    const crowd = history.of('crowd').at(-1);
    if (!crowd?.requested) return [inconclusive(`${HERD} players join at once`, 'they were not counted')];
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
    t.step('all-play', { players: labels(players) });
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
    const playing = history.step('all-play');
    if (playing === undefined) return [notSeen(history, 'every player has a frame')];
    const judgements = judgeServed(history, words(playing.players));
    if (setting.taps === false) return [...judgements, ...judgeTold(history, streams, words(setting.edges))];
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

export const MERGED_PULLS: readonly Check[] = [mergedPerEdge, mergedUnderHerd, onePerEdgeAndStream];
