/** Fan-out to many: every frame for every one of them, and every edge for some. */
import { MERGED_WRITE_MS, PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { check, type Judgement } from '../check.ts';
import type { CrowdFigures, History } from '../history.ts';
import {
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
import { FRAME_MS, labels } from '../stage.ts';
import { EDGE_CLUSTER, PROTOCOLS } from './fan-out-setting.ts';

const SEED = 'Edge cluster on Kubernetes (seeds/000)';

// every-player-every-frame

/** 110 of each protocol on each of three edges: a bound of a hundred shows, and a defect of every hundredth. */
const CROWD = 660;
/** More than the longest period of the lab's own frame defects. */
const CROWD_FRAMES = 60;

export const everyPlayerEveryFrame = check({
  id: 'fan-out/every-player-every-frame',
  title: 'Every player gets every frame, once, in order and unharmed',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_source.cpp, SrsLiveSource::on_video; app/srs_app_http_stream.cpp',
    says: 'A frame of the publisher goes to the queue of every consumer as it is; none is left out as long as the queue is not full.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
  mutants: [
    'media-every-7th-player-loses',
    'media-serves-first-100-only',
    'media-deaf-after-overload',
    'media-sends-nothing',
    'media-drops-frames',
    'media-doubles-frames',
    'media-swaps-frames',
    'media-flips-byte',
  ],
  disrupts: `has ${CROWD} players join`,

  alone: true,
  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    const edges = t.nodes('edge').map((edge) => edge.spec.name);
    const crowd = await t.crowd({
      label: 'crowd',
      urls: edges.flatMap((edge) => PROTOCOLS.map((protocol) => t.playUrl(protocol, stream, edge))),
      clients: CROWD,
      rampMs: 0,
    });
    try {
      await crowd.joined(PLAYING_WITHIN_MS);
      await crowd.frames(CROWD_FRAMES, CROWD_FRAMES * FRAME_MS + TWO_HOPS_MS);
    } finally {
      crowd.record();
    }
    await crowd.stop();
    await t.observe(MERGED_WRITE_MS, 'edges hear that the crowd has gone');
    const late = edges.flatMap((edge) =>
      PROTOCOLS.map((protocol) => t.play(t.playUrl(protocol, stream, edge), `after-${edge}-${protocol}`)),
    );
    t.step('after', { players: labels(late) });
    await Promise.all(late.map((player) => player.playing(PLAYING_WITHIN_MS)));
  },

  judge(history) {
    const crowd = history.of('crowd').at(-1);
    const sent = videoOf(history.of('publisher.sent')).length;
    if (crowd === undefined || sent < CROWD_FRAMES) {
      return [inconclusive(`a crowd, and ${CROWD_FRAMES} video frames published`, `${sent} were`)];
    }
    if (crowd.frames === 0) {
      return [failed(`${crowd.requested} players get the frames`, `none of ${sent} that were sent`)];
    }
    const clean = judged(
      isClean(crowd),
      'no frame missing, twice, out of order, corrupt or without its stamp',
      flaws(crowd),
    );
    const complete = judged(
      crowd.joined === crowd.requested && crowd.dropped === 0,
      `all ${crowd.requested} players join and stay`,
      `${crowd.joined} joined, ${crowd.failed} failed, ${crowd.dropped} dropped`,
    );
    if (clean.verdict === 'fail' || complete.verdict === 'fail') return [clean, complete];
    const enough = `${CROWD_FRAMES} video frames in time for the player with the fewest`;
    const inTime = judged(crowd.framesOfWorst >= CROWD_FRAMES, enough, `${crowd.framesOfWorst}`);
    return [clean, complete, unlessOurs(history, inTime, TWO_HOPS_MS), ...judgeAfter(history)];
  },
});

/** Who comes when the crowd has gone. */
function judgeAfter(history: History): Judgement[] {
  const players = words(history.step('after')?.players);
  if (players.length === 0) return [notSeen(history, 'players who come when the crowd has gone')];
  const missed = new Set(history.of('not-observed').map(({ what }) => what.split(':')[0]));
  return players.map((player) => {
    const expected = `${player}: a frame, when the crowd has gone`;
    const [frame] = videoOf(history.got(player));
    if (frame !== undefined) return judged(true, expected, nameOf(frame));
    const closed = history
      .of('client.closed')
      .find(({ client, reason }) => client === player && reason !== 'local');
    if (closed) return failed(expected, `closed: ${closed.reason}, ${closed.code}`);
    return missed.has(player)
      ? failed(expected, 'none')
      : inconclusive(expected, 'none yet when the check ended');
  });
}

function isClean(crowd: CrowdFigures): boolean {
  const { unstamped, missing, duplicated, reordered, corrupt } = crowd;
  return unstamped + missing + duplicated + reordered + corrupt === 0;
}

function flaws({ frames, unstamped, missing, duplicated, reordered, corrupt }: CrowdFigures): string {
  return `of ${frames}: ${listed({ missing, duplicated, reordered, corrupt, unstamped })}`;
}

// spread

const SPREAD_PLAYERS = 24;
/** API and players are counted one after the other. */
const COUNTED_WITHIN_MS = 1500;

export const spread = check({
  id: 'fan-out/spread',
  title: 'Players who come through the balancer land on every edge',
  level: 'must',
  spec: {
    source: SEED,
    where: 'steps 5 and 6: edge deployment behind an SLB',
    says: 'The edges serve as one: what the balancer is asked for is spread over all of them, so that more edges carry more players.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'balancer', 'observe.api'],
  mutants: ['balancer-one-server'],

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    for (const protocol of PROTOCOLS) {
      const crowd = await t.crowd({
        label: protocol,
        urls: [t.playUrl(protocol, stream)],
        clients: SPREAD_PLAYERS,
        rampMs: 0,
      });
      await crowd.joined(PLAYING_WITHIN_MS);
      crowd.record();
      t.step('counting', {
        protocol,
        edges: t
          .nodes('edge')
          .map((edge) => edge.spec.name)
          .join(' '),
      });
      for (const { spec } of t.nodes('edge')) await t.readApi(spec.name, stream);
      t.step('counted', { protocol });
      await crowd.stop();
      // The next protocol is counted by itself.
      for (const { spec } of t.nodes('edge')) {
        await t.untilApi(spec.name, stream, COUNTED_WITHIN_MS, (reading) => reading.clients === 0);
      }
    }
  },

  judge(history) {
    const countings = history.of('step').filter(({ step }) => step === 'counted');
    if (countings.length === 0) return [notSeen(history, 'players through the balancer')];
    const judgements = countings.map(({ data, t: until }) => {
      const protocol = String(data.protocol);
      const begun = history
        .of('step')
        .find(({ step, data }) => step === 'counting' && data.protocol === protocol)!;
      const readings = history.of('api.stream').filter((event) => event.t >= begun.t && event.t <= until);
      const served = Object.fromEntries(
        readings.map((reading) => [reading.node, reading.clients - reading.publishers]),
      );
      const crowd = history.of('crowd').find((event) => event.crowd === protocol)!;
      const total = Object.values(served).reduce((sum, count) => sum + count, 0);
      if (crowd.joined === 0)
        return inconclusive(`${protocol} players through the balancer`, 'none got a frame');
      if (total !== crowd.joined) {
        return inconclusive(
          `the edges' APIs count the ${crowd.joined} ${protocol} players who got a frame`,
          `${total}: ${listed(served)}`,
        );
      }
      const idle = words(begun.data.edges).filter((edge) => !served[edge]);
      return judged(
        idle.length === 0,
        `every edge serves some of ${crowd.joined} ${protocol} players`,
        listed(served),
      );
    });
    const all = judgements.length === PROTOCOLS.length;
    return all ? judgements : [...judgements, notSeen(history, 'both protocols counted')];
  },
});
