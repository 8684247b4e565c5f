/** What goes wrong without a word: a stream that ends after a while, and an API that counts wrong. */
import { PLAYING_WITHIN_MS, RELEASED_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, inconclusive, judged, listed, notSeen, unlessOurs, videoOf, words } from '../judging.ts';
import { FRAME_MS } from '../stage.ts';

const PROTOCOLS = ['rtmp', 'flv'] as const;

// goes-on

/** Longer than the timeouts that servers have by default: 30 s (facts/srs.md 10.2). */
const LASTING_MS = 33_000;
const LASTING_FRAMES = LASTING_MS / FRAME_MS;

const goesOn = check({
  id: 'fan-out/goes-on',
  title: 'A stream goes on for longer than half a minute',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_rtmp_conn.cpp, playing and publishing (facts/srs.md 10.2)',
    says: 'Timeouts are for peers that are silent. A stream that is published goes to its players for as long as both are there.',
  },
  // Its clusters take the least time; origins and edges are the same there.
  topologies: ['local-origin'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
  mutants: ['media-serves-30s-only'],
  deadlineMs: LASTING_MS + 15_000,

  async run(t) {
    const stream = t.stream();
    const [origin] = t.nodes('origin');
    const [edge] = t.nodes('edge');
    await t.publish({ url: t.publishUrl(stream, origin!.spec.name) });
    const nodes = [origin!.spec.name, edge!.spec.name];
    const crowd = await t.crowd({
      label: 'lasting',
      urls: nodes.flatMap((node) => PROTOCOLS.map((protocol) => t.playUrl(protocol, stream, node))),
      clients: nodes.length * PROTOCOLS.length,
      rampMs: 0,
    });
    try {
      await crowd.joined(PLAYING_WITHIN_MS);
      await crowd.frames(LASTING_FRAMES, LASTING_MS + TWO_HOPS_MS);
    } finally {
      crowd.record();
    }
  },

  judge(history) {
    const crowd = history.of('crowd').at(-1);
    const sent = videoOf(history.of('publisher.sent')).length;
    const expected = `${LASTING_FRAMES} frames, in ${LASTING_MS} ms, for the player with the fewest`;
    const publishers = new Set(history.of('publisher.sent').map(({ client }) => client));
    const lost = history
      .of('client.closed')
      .find(({ client, reason }) => publishers.has(client) && reason !== 'local');
    if (lost !== undefined) {
      return [failed('the publisher keeps its connection', `closed (${lost.code}) after ${sent} frames`)];
    }
    if (crowd === undefined || crowd.joined < crowd.requested || sent < LASTING_FRAMES) {
      return [inconclusive(expected, `${sent} were sent to ${crowd?.joined ?? 0} players`)];
    }
    if (crowd.unstamped > 0) return [inconclusive(expected, `${crowd.unstamped} frames without a number`)];
    if (crowd.duplicated > 0) return [failed(expected, `${crowd.duplicated} of all frames came again`)];
    const enough = judged(crowd.framesOfWorst >= LASTING_FRAMES, expected, `${crowd.framesOfWorst}`);
    const missingMs = (LASTING_FRAMES - crowd.framesOfWorst) * FRAME_MS;
    return [unlessOurs(history, enough, Math.max(TWO_HOPS_MS, missingMs))];
  },
});

// api-counts

/** Of each protocol at each node. */
const COUNTED_PLAYERS = 3;
const COUNTED_WITHIN_MS = 1500;

const apiCounts = check({
  id: 'fan-out/api-counts',
  title: 'The HTTP API tells as many players as there are, while they are there',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_http_api.cpp, SrsGoApiClients; app/srs_app_statistic.cpp',
    says: 'Every client of a stream is in the list of clients as long as it is connected, once, and is not in it afterwards.',
  },
  topologies: ['edge-cluster'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api'],
  mutants: ['api-misses-players'],

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    const nodes = [t.nodes('origin')[0]!, t.nodes('edge')[0]!].map(({ spec }) => spec.name);
    const players = nodes.flatMap((node) =>
      PROTOCOLS.flatMap((protocol) =>
        Array.from({ length: COUNTED_PLAYERS }, () =>
          t.play(t.playUrl(protocol, stream, node), `${node}-${protocol}`),
        ),
      ),
    );
    await Promise.all(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
    const perNode = COUNTED_PLAYERS * PROTOCOLS.length;
    t.step('players', { stream, nodes: nodes.join(' '), perNode });
    for (const node of nodes) {
      await t.untilApi(node, stream, COUNTED_WITHIN_MS, (reading) => playersOf(reading) === perNode);
    }
    await Promise.all(players.map((player) => player.stop()));
    t.step('left');
    for (const node of nodes.toReversed()) {
      await t.untilApi(node, stream, RELEASED_WITHIN_MS, (reading) => playersOf(reading) === 0);
    }
  },

  judge(history) {
    const setting = history.of('step').find(({ step }) => step === 'players');
    if (setting === undefined) return [notSeen(history, 'players at an origin and at an edge')];
    const left = history.of('step').find(({ step }) => step === 'left');
    const { nodes, perNode } = setting.data;
    return words(nodes).flatMap((node) => {
      const of = (matches: (t: number) => boolean) =>
        history.of('api.stream').findLast((reading) => reading.node === node && matches(reading.t));
      return [
        judgeCount(
          history,
          `${node} while they play`,
          Number(perNode),
          of((t) => left === undefined || t < left.t),
        ),
        judgeCount(history, `${node} when they have left`, 0, left && of((t) => t >= left.t)),
      ];
    });
  },
});

function judgeCount(
  history: History,
  where: string,
  count: number,
  reading: EventOf<'api.stream'> | undefined,
): Judgement {
  const expected = `${count} players in the API of ${where}`;
  if (reading === undefined) return notSeen(history, expected);
  const { clients, upstreams, publishers } = reading;
  const told = playersOf(reading);
  return told === count
    ? judged(true, expected, String(told))
    : failed(expected, `${told} (${listed({ clients, upstreams, publishers })})`);
}

function playersOf({
  clients,
  upstreams,
  publishers,
}: Pick<EventOf<'api.stream'>, 'clients' | 'upstreams' | 'publishers'>): number {
  return clients - upstreams - publishers;
}

export const QUIET_CHECKS: readonly Check[] = [goesOn, apiCounts];
