/** Back-to-source: a pull begins with the first player and ends with the last one. */
import { HANDOVER_MS, PLAYING_WITHIN_MS, PULL_RETRY_MS, RELEASED_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, listed, notSeen, unlessOurs, words } from '../judging.ts';
import { allPlaying } from '../stage.ts';
import { AGREE_WITHIN_MS, EDGE_CLUSTER, originOf } from './back-to-source-setting.ts';
import { longestOverlap, openings, openOf } from './upstreams.ts';

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
    const reading = history.of('api.stream').findLast((event) => event.t <= observed.t);
    const expected = `no upstream connection in ${LAZY_OBSERVED_MS} ms without a player`;
    const told = reading?.upstreams ?? 0;
    if (early.length > 0 || told > 0) {
      return [
        failed(expected, `${early.length} at the taps, ${told} in the origin's API`, [
          { label: 'opened', detail: early.map((event) => event.tap).join(', ') },
        ]),
      ];
    }
    if (reading?.publishers !== 1) {
      return [
        inconclusive('a live stream while nobody plays', `${reading?.publishers ?? 0} publishers of it`),
      ];
    }
    const edges = words(history.step('control')?.edges);
    const blind = edges.filter((edge) => openings(history, edge) === 0);
    if (edges.length === 0 || blind.length > 0) {
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
    const unseen = joins.filter(
      ({ t, data }) =>
        served.has(data.player!) && freshOf(history, String(data.player), t).length < REJOIN_FRAMES,
    );
    if (unseen.length > 0) {
      const players = unseen.map(({ data }) => data.player).join(', ');
      judgements.push(inconclusive(`${REJOIN_FRAMES} frames of everybody who joined`, `not of ${players}`));
    }
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

/** Frames that were sent after `since`. */
function freshOf(history: History, player: string, since: number): ReturnType<History['got']> {
  return history.got(player).filter(({ stamp }) => stamp !== null && stamp.sentAt > since);
}

function freshFrame(t: CheckContext, player: string, since: number): Promise<void> {
  return t.until(
    `${player}: a frame that was sent after it came`,
    REJOINED_WITHIN_MS,
    (history) => freshOf(history, player, since).length > 0,
  );
}

export const PULL_LIVES: readonly Check[] = [lazy, released, rejoinRace];
