/** Fan-out: what the players of a stream get, from the first byte on, and what they notice of each other. */
import {
  FAN_OUT_DELAY_MS,
  MERGED_WRITE_MS,
  PLAYING_WITHIN_MS,
  RELEASED_WITHIN_MS,
  RESUMED_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { CrowdFigures, EventOf, History } from '../history.ts';
import {
  compareFrames,
  failed,
  inconclusive,
  isFrame,
  judged,
  judgePlayers,
  listed,
  nameOf,
  notSeen,
  unlessOurs,
  videoOf,
  words,
} from '../judging.ts';
import { FRAME_MS, GOP_FRAMES, labels, type RecordedPlayer } from '../stage.ts';
import { attempt, judgeAttempts, openRtmp } from '../wire/attempt.ts';
import { lossOf } from './masters-and-slaves.ts';

const EDGE_CLUSTER = ['edge-cluster'] as const;
const SEED = 'Edge cluster on Kubernetes (seeds/000)';
const PROTOCOLS = ['rtmp', 'flv'] as const;
const APP = 'live';

// every-player-every-frame

/** 110 of each protocol on each of three edges: a bound of a hundred shows, and a defect of every hundredth. */
const CROWD = 660;
/** More than the longest period of the lab's own frame defects. */
const CROWD_FRAMES = 60;

const everyPlayerEveryFrame = check({
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

// first-frame-from-gop-cache

/**
 * The publisher is so far when players join: in the middle of its third GOP, so that the next keyframe is far away,
 * and what is older than one GOP can be told from what is not, in spite of two merged writes on the way.
 */
const JOIN_AT_FRAME = 2 * GOP_FRAMES + 12;

const firstFrameFromGopCache = check({
  id: 'fan-out/first-frame-from-gop-cache',
  title: 'A player starts with the keyframe of the GOP that is under way',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_source.cpp, SrsGopCache; conf/full.conf gop_cache (on)',
    says: 'The last GOP is kept, so that a player who comes in the middle of it starts with its keyframe at once and not with the next. An edge forgets it with its pull.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
  mutants: ['media-no-gop-cache', 'media-gop-cache-grows', 'edge-keeps-gop-after-release'],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    const { warm, cold, left, origin } = places(t);
    const past = t.play(t.playUrl('rtmp', stream, left), 'past');
    await Promise.all([
      t.play(t.playUrl('rtmp', stream, warm), 'keeper').playing(PLAYING_WITHIN_MS),
      past.playing(PLAYING_WITHIN_MS).then(() => past.stop()),
    ]);
    await publisher.sent(JOIN_AT_FRAME - publisher.frames, JOIN_AT_FRAME * FRAME_MS + TWO_HOPS_MS);
    // `cold` has no pull yet: its first GOP is the origin's. That of `left`, which had one, is of old.
    const nodes = [...new Set([warm, cold, left, origin])];
    const players = nodes.flatMap((node) =>
      PROTOCOLS.map((protocol) => {
        const player = t.play(t.playUrl(protocol, stream, node), `${node}-${protocol}`);
        t.step('join', { player: player.label, publisher: publisher.label });
        return player;
      }),
    );
    await Promise.all(players.map((player) => player.frames(1, PLAYING_WITHIN_MS)));
  },

  judge(history) {
    const joins = history.of('step').filter(({ step }) => step === 'join');
    if (joins.length === 0) return [notSeen(history, 'players who join in the middle of a GOP')];
    return joins.map((join) => judgeFirstFrame(history, join));
  },
});

function judgeFirstFrame(history: History, join: EventOf<'step'>): Judgement {
  const player = String(join.data.player);
  const expected = `${player}: first the keyframe of the GOP under way when it joined`;
  const first = videoOf(history.got(player))[0];
  if (first === undefined) return inconclusive(expected, 'no video frame was seen');
  if (!first.key || first.stamp === null) return failed(expected, nameOf(first));
  if (first.stamp.sentAt >= join.t) {
    return failed(expected, `${nameOf(first)}, sent ${Math.round(first.stamp.sentAt - join.t)} ms after`);
  }
  // What was sent this long before the join has reached every node; a GOP that ended before that is an old one.
  const arrived = history
    .sent(String(join.data.publisher))
    .findLast((item) => item.kind === 'video' && item.key && item.t < join.t - TWO_HOPS_MS);
  const oldest = arrived?.stamp?.frame ?? 0;
  return judged(
    first.stamp.frame >= oldest,
    `${expected} (frame ${oldest} or a later one)`,
    `${nameOf(first)}, sent ${Math.round(join.t - first.stamp.sentAt)} ms before`,
  );
}

// headers-first

const headersFirst = check({
  id: 'fan-out/headers-first',
  title: 'A player gets metadata, then the sequence headers, then a keyframe',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_source.cpp, SrsLiveSource::consumer_dumps; FLV v10.1 E.4.2.1 and E.4.3.1',
    says: 'onMetaData comes first, the AAC and AVC sequence headers before any frame that needs them, then the cached GOP from its keyframe on.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
  mutants: ['media-headers-after-frames', 'media-no-metadata', 'media-no-gop-cache'],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    // In the middle of a GOP: where there is no cached one, the first frame is not a keyframe.
    await publisher.sent(GOP_FRAMES / 2, GOP_FRAMES * FRAME_MS + TWO_HOPS_MS);
    const { warm, origin } = places(t);
    const players = [origin, warm].flatMap((node) =>
      PROTOCOLS.map((protocol) => t.play(t.playUrl(protocol, stream, node), `${node}-${protocol}`)),
    );
    t.step('players', { players: labels(players), publisher: publisher.label });
    await allPlaying(players);
    await Promise.all(players.map((player) => player.frames(1, PLAYING_WITHIN_MS)));
  },

  judge: (history) => judgePlayers(history, 'players', 'players', judgeHeaders),
});

function judgeHeaders(
  player: string,
  sent: readonly EventOf<'publisher.sent'>[],
  got: readonly EventOf<'player.got'>[],
): Judgement {
  const expected = `${player}: metadata, audio and video sequence header, keyframe`;
  const firstFrame = got.findIndex(isFrame);
  if (firstFrame < 0) return inconclusive(expected, 'no frame was seen');
  // RTMP servers send |RtmpSampleAccess before everything else; it is not of the stream.
  const before = got.slice(0, firstFrame).filter(({ kind }) => kind !== 'script');
  const kinds = before.map(({ kind }) => kind);
  const actual = [...kinds, `then ${nameOf(got[firstFrame]!)}`].join(', ');
  const video = videoOf(got)[0];
  const inOrder =
    kinds[0] === 'metadata' &&
    kinds.includes('audio-config') &&
    kinds.includes('video-config') &&
    (video?.key ?? true);
  if (!inOrder) {
    return failed(expected, video && !video.key ? `${actual}; first picture: ${nameOf(video)}` : actual);
  }
  for (const kind of ['audio-config', 'video-config'] as const) {
    const original = sent.find((item) => item.kind === kind);
    const copy = before.find((item) => item.kind === kind);
    if (original?.sum === copy?.sum) continue;
    return failed(`${player}: the ${kind} that was published`, `${nameOf(copy!)}, other bytes`);
  }
  return judged(true, expected, actual);
}

// spread

const SPREAD_PLAYERS = 24;
/** API and players are counted one after the other. */
const COUNTED_WITHIN_MS = 1500;

const spread = check({
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

// slow-reader

/**
 * Fat frames fill the buffers of the slow player's connection: 10 Mbit/s. With twice that SRS 7.0.18 falls behind on a
 * single RTMP connection, slow readers or not.
 */
const FILLER_BYTES = 50_000;
/**
 * Sent while the slow players do not read: more than Linux holds of a connection whose receiver has not read yet
 * (tcp(7): tcp_wmem 4 MiB at the most, tcp_rmem 128 KiB at the start).
 */
const STALLED_BYTES = 4.25 * 1024 * 1024;
const STALLED_FRAMES = Math.ceil(STALLED_BYTES / FILLER_BYTES);
const BEFORE_FRAMES = 20;

const slowReader = check({
  id: 'fan-out/slow-reader',
  title: 'A player who stops reading delays nobody',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_source.cpp, SrsMessageQueue; conf/full.conf queue_length',
    says: 'Every consumer has a queue and a coroutine of its own: one that does not read fills its own queue, and the others get their frames as before.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
  mutants: ['media-slow-reader-blocks'],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream), filler: FILLER_BYTES });
    const { warm } = places(t);
    const others = PROTOCOLS.map((protocol) =>
      t.play(t.playUrl(protocol, stream, warm), `other-${protocol}`),
    );
    await allPlaying(others);
    t.step('before');
    await Promise.all(
      others.map((player) => player.frames(BEFORE_FRAMES, BEFORE_FRAMES * FRAME_MS + TWO_HOPS_MS)),
    );
    const slow = PROTOCOLS.map((protocol) => t.play(t.playUrl(protocol, stream, warm), `slow-${protocol}`));
    t.step('players', { others: labels(others), slow: labels(slow), publisher: publisher.label });
    await Promise.all(
      slow.map(async (player) => {
        await t.until(
          `${player.label}: served`,
          PLAYING_WITHIN_MS,
          () => player.client.state === 'streaming',
        );
        player.client.pause();
      }),
    );
    t.step('stalled');
    const withinMs = STALLED_FRAMES * FRAME_MS + TWO_HOPS_MS + FAN_OUT_DELAY_MS;
    await Promise.all(others.map((player) => player.frames(STALLED_FRAMES, withinMs)));
    t.step('end');
  },

  judge(history) {
    const setting = history.step('players');
    const before = history.of('step').find(({ step }) => step === 'before');
    const stalled = history.of('step').find(({ step }) => step === 'stalled');
    if (setting === undefined || before === undefined || stalled === undefined) {
      return [notSeen(history, 'players, two of which stop reading')];
    }
    const read = words(setting.slow).filter((player) =>
      history.got(player).some((item) => item.kind === 'video' && item.t > stalled.t + MERGED_WRITE_MS),
    );
    if (read.length > 0)
      return [inconclusive('players that do not read', `${read.join(', ')} went on reading`)];
    const served = new Set(
      history.of('client.state').flatMap(({ client, state }) => (state === 'streaming' ? [client] : [])),
    );
    const unserved = words(setting.slow).filter((player) => !served.has(player));
    const sent = history.sent(String(setting.publisher));
    return [
      ...unserved.map((player) => inconclusive(`${player}: served, before it stops reading`, 'it was not')),
      ...words(setting.others).flatMap((player) =>
        judgeBystander(history, player, sent, before.t, stalled.t),
      ),
    ];
  },
});

/** One who went on reading: as soon as before, and every frame. */
function judgeBystander(
  history: History,
  player: string,
  sent: readonly EventOf<'publisher.sent'>[],
  before: number,
  stalled: number,
): Judgement[] {
  const got = videoOf(history.got(player));
  const earlier = got.filter(({ t }) => t >= before && t < stalled);
  const later = got.filter(({ t }) => t >= stalled);
  const name = `${player}, while others do not read`;
  if (earlier.length === 0) return [inconclusive(`${player}: frames before`, 'none was seen')];
  const { differences } = compareFrames(sent, got);
  const judgements = differences.map(({ expected, actual }) => failed(`${name}: ${expected}`, actual));
  judgements.push(
    judged(
      later.length >= STALLED_FRAMES,
      `${name}: ${STALLED_FRAMES} frames of ${FILLER_BYTES / 1000} kB in time`,
      `${later.length}`,
    ),
  );
  if (later.length === 0) return judgements;
  const usual = worstDelay(earlier);
  const now = worstDelay(later);
  const soon = judged(
    now <= usual + FAN_OUT_DELAY_MS,
    `${name}: a frame takes at the most ${FAN_OUT_DELAY_MS} ms longer than before (${Math.round(usual)} ms)`,
    `${Math.round(now)} ms`,
  );
  judgements.push(unlessOurs(history, soon, FAN_OUT_DELAY_MS));
  return judgements;
}

function worstDelay(items: readonly EventOf<'player.got'>[]): number {
  return Math.max(...items.map(({ t, stamp }) => (stamp === null ? 0 : t - stamp.sentAt)));
}

// late-join

const LATE_AT_FRAME = 3 * GOP_FRAMES + 12;
const LATE_FRAMES = GOP_FRAMES + 5;

const lateJoin = check({
  id: 'fan-out/late-join',
  title: 'Who joins late gets the stream as it is now, and those who watch do not notice',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_source.cpp, SrsLiveSource::consumer_dumps, SrsGopCache',
    says: 'A player who comes minutes after the publisher gets metadata and sequence headers although they were sent long ago, at the most one GOP of the past, and from there on every frame.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
  mutants: [
    'media-gop-cache-grows',
    'media-headers-after-frames',
    'media-no-gop-cache',
    'media-drops-frames',
  ],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    const { warm } = places(t);
    const early = PROTOCOLS.map((protocol) => t.play(t.playUrl(protocol, stream, warm), `early-${protocol}`));
    await allPlaying(early);
    await publisher.sent(LATE_AT_FRAME - publisher.frames, LATE_AT_FRAME * FRAME_MS + TWO_HOPS_MS);
    const late = PROTOCOLS.map((protocol) => {
      const player = t.play(t.playUrl(protocol, stream, warm), `late-${protocol}`);
      t.step('join', { player: player.label, publisher: publisher.label });
      return player;
    });
    t.step('players', { early: labels(early), late: labels(late), publisher: publisher.label });
    await Promise.all(late.map((player) => player.frames(LATE_FRAMES, PLAYING_WITHIN_MS)));
    t.step('end');
  },

  judge(history) {
    const setting = history.step('players');
    if (setting === undefined) return [notSeen(history, 'players early and late')];
    const sent = history.sent(String(setting.publisher));
    const late = words(setting.late).flatMap((player) => {
      const got = history.got(player);
      if (videoOf(got).length === 0) {
        return [failed(`${player}: the stream within ${PLAYING_WITHIN_MS} ms`, 'no video frame')];
      }
      const join = history.of('step').find(({ step, data }) => step === 'join' && data.player === player)!;
      return [
        judgeHeaders(player, sent, got),
        judgeFirstFrame(history, join),
        judgeContinuation(history, player, sent, LATE_FRAMES),
      ];
    });
    const early = words(setting.early).map((player) => judgeContinuation(history, player, sent, 1));
    return [...late, ...early];
  },
});

/** @param least video frames since the others joined, of one who has to have them. */
function judgeContinuation(
  history: History,
  player: string,
  sent: readonly EventOf<'publisher.sent'>[],
  least: number,
): Judgement {
  const expected = `${player}: every frame from where it began`;
  const got = history.got(player);
  const closed = lossOf(history, player);
  if (closed) return failed(expected, `closed: ${closed.reason}, ${closed.code}`);
  const { compared, differences } = compareFrames(sent, got);
  const [difference] = differences;
  if (difference) return failed(`${player}: ${difference.expected}`, difference.actual);
  const joined = history.of('step').find(({ step }) => step === 'join')?.t ?? Number.POSITIVE_INFINITY;
  const since = videoOf(got).filter(({ t }) => t > joined).length;
  if (since < least) return inconclusive(expected, `${since} video frames since the others joined`);
  return judged(true, expected, `${compared.video} video and ${compared.audio} audio frames, all the same`);
}

// publisher-restart

const RESTART_FRAMES = 10;

const publisherRestart = check({
  id: 'fan-out/publisher-restart',
  title: 'When the publisher comes back, the players behind edges see the stream again',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_source.cpp, SrsLiveSource::on_unpublish; app/srs_app_edge.cpp',
    says: 'A stream is free again when its publisher has left, with a word or without. Nothing of it is kept for who comes next. The players of an edge stay connected and get the frames of the next publisher.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api'],
  mutants: [
    'origin-forgets-unpublish',
    'origin-frees-on-unpublish-only',
    'origin-keeps-gop-of-publisher',
    'origin-serves-every-second-source',
    'edge-drops-players-on-unpublish',
  ],
  deadlineMs: 20_000,

  async run(t) {
    const stream = t.stream();
    const url = t.publishUrl(stream);
    const first = await t.publish({ url, label: 'first' });
    const { warm, cold, origin } = places(t);
    const free = () => t.untilApi(origin, stream, RELEASED_WITHIN_MS, (reading) => reading.publishers === 0);
    const players = [
      t.play(t.playUrl('rtmp', stream, warm), 'rtmp'),
      t.play(t.playUrl('flv', stream, cold), 'flv'),
    ];
    await allPlaying(players);
    t.step('players', { players: labels(players) });
    await first.stop();
    t.step('gone');
    await free();
    const between = t.play(t.playUrl('rtmp', stream, origin), 'between');
    await t.until('between: served', PLAYING_WITHIN_MS, () => between.client.state === 'streaming');
    await breakOff(t, stream);
    await free();
    t.step('again');
    const second = await t.publish({ url, label: 'second' });
    t.step('published', { publisher: second.label });
    await Promise.all([...players, between].map((player) => framesOf(t, player.label, second.label)));
    t.step('end');
  },

  judge(history) {
    const setting = history.step('players');
    if (setting === undefined || history.step('gone') === undefined) {
      return [notSeen(history, 'players whose publisher leaves')];
    }
    if (history.step('again') === undefined) {
      return [
        failed('the stream is free within 2 s after its publisher left', 'the API still shows a publisher'),
      ];
    }
    if (history.step('published') === undefined) {
      const closed = history.of('client.closed').findLast(({ client }) => client === 'second');
      return [
        failed('the stream can be published again', closed ? `refused: ${closed.code}` : 'no Publish.Start'),
      ];
    }
    const broken = judgeAttempts(history);
    if (broken.length > 0) return broken;
    const seen = words(setting.players).map((player) => {
      const expected = `${player}: still connected, and ${RESTART_FRAMES} frames of the second publisher within ${RESUMED_WITHIN_MS} ms`;
      const closed = history
        .of('client.closed')
        .find((event) => event.client === player && event.reason !== 'local');
      const count = framesFrom(history, player, 'second').length;
      if (closed) return failed(expected, `closed: ${closed.reason}, ${closed.code}`);
      if (count >= RESTART_FRAMES) return judged(true, expected, `connected, ${count} frames`);
      const waited = history.of('not-observed').some(({ what }) => what.startsWith(`${player}:`));
      return waited
        ? failed(expected, `${count} frames`)
        : inconclusive(expected, `${count} frames when the check ended for another reason`);
    });
    return [...seen, judgeBetween(history)];
  },
});

/** A publisher whose connection breaks: no FCUnpublish, no deleteStream, no FIN. */
async function breakOff(t: CheckContext, stream: string): Promise<void> {
  await attempt(t, 'a publisher after the first', async () => {
    const client = await openRtmp(t, t.nodes('origin')[0]!);
    await client.startPublish(APP, stream);
    client.socket.reset();
  });
}

/** Who came while nobody published: the first thing to see is of the next publisher. */
function judgeBetween(history: History): Judgement {
  const expected = 'who comes while nobody publishes gets nothing of the publisher before';
  const [frame] = videoOf(history.got('between'));
  const next = framesFrom(history, 'between', 'second')[0];
  if (frame === undefined) return inconclusive(expected, 'it got no frame at all');
  return judged(frame === next, expected, nameOf(frame));
}

/** Waits for frames with the stamp of one publisher. */
function framesOf(t: CheckContext, player: string, publisher: string): Promise<void> {
  return t.until(
    `${player}: ${RESTART_FRAMES} frames of the publisher who came back`,
    RESUMED_WITHIN_MS,
    (history) => framesFrom(history, player, publisher).length >= RESTART_FRAMES,
  );
}

function framesFrom(history: History, player: string, publisher: string): EventOf<'player.got'>[] {
  const stream = history.sent(publisher).find(({ stamp }) => stamp !== null)?.stamp?.stream;
  return history.got(player).filter(({ stamp }) => stamp !== null && stamp.stream === stream);
}

// what the checks share

/**
 * Where players are put: an edge that is in use, one that is not, one that was (the same where there are fewer), the
 * origin.
 */
function places(t: CheckContext): { warm: string; cold: string; left: string; origin: string } {
  const edges = t.nodes('edge').map((edge) => edge.spec.name);
  const [warm = '', cold = warm, left = cold] = edges;
  return { warm, cold, left, origin: t.nodes('origin')[0]!.spec.name };
}

async function allPlaying(players: readonly RecordedPlayer[]): Promise<void> {
  await Promise.all(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
}

export const fanOut: readonly Check[] = [
  everyPlayerEveryFrame,
  firstFrameFromGopCache,
  headersFirst,
  spread,
  slowReader,
  lateJoin,
  publisherRestart,
];
