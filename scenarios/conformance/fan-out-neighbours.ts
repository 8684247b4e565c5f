/** What players notice of each other, and of a publisher who leaves. */
import {
  FAN_OUT_DELAY_MS,
  MERGED_WRITE_MS,
  PLAYING_WITHIN_MS,
  RELEASED_WITHIN_MS,
  RESUMED_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import {
  compareFrames,
  failed,
  inconclusive,
  judged,
  nameOf,
  notSeen,
  unlessOurs,
  videoOf,
  words,
} from '../judging.ts';
import { allPlaying, FRAME_MS, labels } from '../stage.ts';
import { attempt, judgeAttempts, openRtmp } from '../wire/attempt.ts';
import { EDGE_CLUSTER, PROTOCOLS, places } from './fan-out-setting.ts';
import { lossOf } from './masters-and-slaves.ts';

const APP = 'live';

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

export const slowReader = check({
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

// publisher-restart

const RESTART_FRAMES = 10;

export const publisherRestart = check({
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
    const broken = judgeAttempts(history);
    const missed = (what: string) => history.of('not-observed').some((one) => one.what.startsWith(what));
    if (history.step('again') === undefined) {
      const expected = 'the stream is free within 2 s after its publisher left';
      return missed('API of ')
        ? [failed(expected, 'the API still shows a publisher')]
        : [...broken, notSeen(history, expected)];
    }
    if (history.step('published') === undefined) {
      const expected = 'the stream can be published again';
      const closed = lossOf(history, 'second');
      if (closed !== undefined) return [failed(expected, `refused: ${closed.code}`)];
      return [missed('second:') ? failed(expected, 'no Publish.Start') : notSeen(history, expected)];
    }
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
