/** What a player of a stream that is under way gets first, and then. */
import { PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import {
  compareFrames,
  failed,
  inconclusive,
  isFrame,
  judged,
  judgePlayers,
  nameOf,
  notSeen,
  videoOf,
  words,
} from '../judging.ts';
import { allPlaying, FRAME_MS, GOP_FRAMES, labels } from '../stage.ts';
import { EDGE_CLUSTER, PROTOCOLS, places } from './fan-out-setting.ts';
import { everyOne, lossOf, missedBy } from './masters-and-slaves.ts';

// first-frame-from-gop-cache

/**
 * The publisher is so far when players join: in the middle of its third GOP, so that the next keyframe is far away,
 * and what is older than one GOP can be told from what is not, in spite of two merged writes on the way.
 */
const JOIN_AT_FRAME = 2 * GOP_FRAMES + 12;

export const firstFrameFromGopCache = check({
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
  if (first === undefined) return missedBy(history, player, expected, 'no video frame was seen');
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

export const headersFirst = check({
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

// late-join

const LATE_AT_FRAME = 3 * GOP_FRAMES + 12;
const LATE_FRAMES = GOP_FRAMES + 5;

export const lateJoin = check({
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
    await everyOne([...late, ...early].map((player) => player.frames(LATE_FRAMES, PLAYING_WITHIN_MS)));
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
        judgeContinuation(history, player, sent),
      ];
    });
    return [...late, ...words(setting.early).map((player) => judgeContinuation(history, player, sent))];
  },
});

function judgeContinuation(
  history: History,
  player: string,
  sent: readonly EventOf<'publisher.sent'>[],
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
  if (since < LATE_FRAMES)
    return missedBy(history, player, expected, `${since} video frames since the others joined`);
  return judged(true, expected, `${compared.video} video and ${compared.audio} audio frames, all the same`);
}
