/** WebRTC: what comes over RTP, and when, and what is asked for again. */

import type { WhepPlayer } from '../../drivers/webrtc/player.ts';
import {
  FAN_OUT_DELAY_MS,
  RTC_CONNECTED_WITHIN_MS,
  RTC_FORGOTTEN_AT_LAST_MS,
  RTC_JOINED_WITHIN_MS,
  RTC_PLAYING_WITHIN_MS,
  RTC_PLI_WITHIN_MS,
  rtcForgottenWithinMs,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, inconclusive, judged, nameOf, notSeen, unlessOurs, videoOf, words } from '../judging.ts';
import { shareObservation } from '../shared-observation.ts';
import { FRAME_MS, GOP_FRAMES, labels } from '../stage.ts';
import { bridgeMissing, sourceUrl } from '../wire/webrtc.ts';
import { judgeCount, judgeFrames } from './srt-delivery.ts';
import { closedByPeer } from './srt-lines.ts';
import { judgeLossy, lineToMedia, watchLossy } from './webrtc-line.ts';
import { EDGE_CLUSTER } from './webrtc-signalling.ts';

const SRS = 'SRS 7.0.18';
const WHEP = 'draft-ietf-wish-whep';

// first-frame-within-gop, no-frame-lost-clean

/** More than the longest period of the lab's own defects. */
const FRAMES = 75;

/** A publisher over RTMP, and a player who comes in the middle of a GOP. */
function observeClean(t: CheckContext): Promise<void> {
  return shareObservation(t, 'webrtc-clean', async () => {
    const stream = t.stream();
    const url = await sourceUrl(t, stream);
    const publisher = await t.publish({ url });
    await publisher.sent(GOP_FRAMES / 2, GOP_FRAMES * FRAME_MS + 1000);
    const player = t.play(t.playUrl('webrtc', stream), 'whep');
    t.step('join', { player: player.label, publisher: publisher.label, relayed: url.startsWith('whip') });
    await player.frames(FRAMES, FRAMES * FRAME_MS + RTC_PLAYING_WITHIN_MS);
  });
}

const firstFrame = check({
  id: 'webrtc/first-frame-within-gop',
  title: 'A WHEP player starts with a keyframe, the first one that comes once it is connected',
  level: 'must',
  spec: {
    source: SRS,
    where: 'app/srs_app_rtc_source.cpp (no GOP cache for RTC); facts of RTMP to RTC',
    says: 'A player who joins waits for the next keyframe of the publisher, and gets nothing that it could not decode before; a server with a GOP cache may begin with the one before. Of a WHIP publisher everything is passed on.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.webrtc'],
  mutants: ['rtc-no-keyframe-first', 'rtc-skips-first-keyframe'],
  run: observeClean,

  judge(history) {
    const join = history.of('step').find(({ step }) => step === 'join');
    if (join === undefined) return [notSeen(history, 'a WHEP player who joins')];
    const [player, publisher] = [`${join.data.player}`, `${join.data.publisher}`];
    const connected = `${player}: connected within ${RTC_CONNECTED_WITHIN_MS} ms`;
    const since = connectedAt(history, player);
    if (since === undefined) {
      const refused = closedByPeer(history, player);
      return [refused ? failed(connected, `closed: ${refused.code}`) : notSeen(history, connected)];
    }
    const afterMs = Math.round(since - join.t);
    const inTime = judged(afterMs <= RTC_CONNECTED_WITHIN_MS, connected, `after ${afterMs} ms`);
    return [
      unlessOurs(history, inTime, RTC_CONNECTED_WITHIN_MS),
      // RTP of a WHIP publisher is passed on as it is: who joins gets what comes, and the keyframe that is asked for.
      judgeFirst(history, { player, publisher, relayed: join.data.relayed === true }, since),
    ];
  },
});

interface Joined {
  readonly player: string;
  readonly publisher: string;
  /** What comes before the first keyframe is passed on, too. */
  readonly relayed: boolean;
}

/** @param since epoch ms at which the player was connected. */
function judgeFirst(history: History, { player, publisher, relayed }: Joined, since: number): Judgement {
  const sent = videoOf(history.sent(publisher));
  const keys = sent.filter(({ key }) => key);
  const next = keys.find(({ t }) => t > since + RTC_JOINED_WITHIN_MS);
  if (next === undefined) return notSeen(history, `${player}: the next keyframe of ${publisher}`);
  const expected = `${player}: ${relayed ? '' : 'first of all '}${nameOf(next)}, or the keyframe before, within ${FAN_OUT_DELAY_MS} ms`;
  const got = videoOf(history.got(player));
  const first = relayed ? got.find(({ key }) => key) : got[0];
  if (first === undefined) {
    const none = `none of ${got.length} frames`;
    const lost = closedByPeer(history, player);
    if (lost !== undefined) return failed(expected, `${none}, and it was closed: ${lost.code}`);
    return sent.at(-1)!.t - next.t < FAN_OUT_DELAY_MS ? notSeen(history, expected) : failed(expected, none);
  }
  if (!first.key) return failed(expected, nameOf(first));
  // From the one of the GOP that it came into, which a server may have kept, to the next one.
  const cached = keys.findLastIndex(({ t }) => t <= since);
  const original = keys
    .slice(Math.max(0, cached), keys.indexOf(next) + 1)
    .find(({ stamp }) => stamp?.stream === first.stamp?.stream && stamp?.frame === first.stamp?.frame);
  if (original === undefined) return failed(expected, nameOf(first));
  const afterMs = Math.round(first.t - Math.max(original.t, since));
  const inTime = judged(afterMs <= FAN_OUT_DELAY_MS, expected, `${nameOf(first)}, after ${afterMs} ms`);
  return unlessOurs(history, inTime, FAN_OUT_DELAY_MS);
}

const noFrameLost = check({
  id: 'webrtc/no-frame-lost-clean',
  title: 'On a clean link a WHEP player gets every frame',
  level: 'must',
  spec: {
    source: SRS,
    where: 'app/srs_app_rtc_source.cpp, SrsRtcRtpBuilder::on_video; keep_avc_nalu_sei (on)',
    says: 'The NAL units of every frame, SEI too, go to every player as RTP, in order.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.webrtc'],
  mutants: ['rtc-drops-frames', 'rtc-drops-sei'],
  run: observeClean,

  judge(history) {
    const join = history.step('join');
    if (join === undefined) return [notSeen(history, 'a WHEP player')];
    return [judgeFrames(history, `${join.publisher}`, `${join.player}`, FRAMES)];
  },
});

// nack-recovers

const nackRecovers = check({
  id: 'webrtc/nack-recovers',
  title: 'What a link loses is sent again when a WHEP player asks for it',
  level: 'must',
  spec: {
    source: 'RFC 4585',
    where: 'section 6.2.1 (generic NACK); SRS 7.0.18 conf/full.conf nack (on)',
    says: 'With 2 % loss and NACK agreed on, packets that are asked for come again, and no frame is missing.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.webrtc'],
  mutants: ['rtc-nack-ignored'],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: await sourceUrl(t, stream) });
    const { tap, to } = await lineToMedia(t);
    const player = t.play(t.playUrl('webrtc', stream), 'whep', { mediaTo: to });
    await watchLossy(t, { tap, way: 'downstream', publisher, player }, () => {
      const { lost, recovered, nacked } = (player.client as WhepPlayer).rtp;
      return { lost, recovered, nacked };
    });
  },

  judge: (history) =>
    judgeLossy(history, 'a WHEP player', ({ dropped, nacked, recovered, lost }) => {
      const expected = 'the link lost packets, which were asked for and came again';
      const actual = `${dropped} lost by the link, ${nacked} asked for, ${recovered} recovered, ${lost} never came`;
      const worked = [dropped, nacked, recovered].every((count) => Number(count) > 0);
      return worked ? judged(true, expected, actual) : inconclusive(expected, actual);
    }),
});

// pli-brings-keyframe

const pliBringsKeyframe = check({
  id: 'webrtc/pli-brings-keyframe',
  title: 'A WHIP publisher who sends no keyframe is asked for one, and players get it',
  level: 'must',
  spec: {
    source: SRS,
    where: 'conf/full.conf pli_for_rtmp; RFC 4585 section 6.3.1 (PLI)',
    says: 'Players can only join at a keyframe, so a publisher who sends none for a while is asked for it. What it sends then goes to all who play.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.webrtc', 'play.webrtc', 'play.rtmp'],
  mutants: ['whip-no-pli', 'whip-asked-keyframe-lost'],

  async run(t) {
    const stream = t.stream();
    const bridged = (await bridgeMissing(t)) === undefined;
    const url = t.publishUrl(stream, undefined, 'webrtc');
    const publisher = await t.publish({ url, rareKeyframes: true });
    const { node } = t.cluster.entry('publish', 'webrtc');
    const players = bridged ? [t.play(t.playUrl('rtmp', stream, node), 'rtmp')] : [];
    await publisher.sent(1, RTC_CONNECTED_WITHIN_MS);
    players.push(t.play(t.playUrl('webrtc', stream), 'whep'));
    t.step('asking', { publisher: publisher.label, players: labels(players) });
    const withinMs = RTC_CONNECTED_WITHIN_MS + RTC_JOINED_WITHIN_MS + RTC_PLI_WITHIN_MS + FAN_OUT_DELAY_MS;
    await t.until('a keyframe that was asked for, at every player', withinMs, (history) =>
      players.every(({ label }) => {
        const { keyframe } = requestSeenBy(history, publisher.label, label);
        return keyframe !== undefined && arrivalOf(history, label, keyframe) !== undefined;
      }),
    );
  },

  judge(history) {
    const asking = history.of('step').find(({ step }) => step === 'asking');
    if (asking === undefined) return [notSeen(history, 'players of a publisher who sends no keyframe')];
    const publisher = `${asking.data.publisher}`;
    return [
      judgeAsked(history, publisher, asking.t),
      ...words(asking.data.players).map((player) => judgeAskedFor(history, publisher, player)),
    ];
  },
});

const isRequest = (event: EventOf<'step'>, publisher: string): boolean =>
  event.step === 'keyframe-requested' && event.data.publisher === publisher;

/** The first request while the player was there, in epoch ms, and the first keyframe that was sent on it. */
function requestSeenBy(
  history: History,
  publisher: string,
  player: string,
): { thereAt?: number; askedAt?: number; keyframe?: SentFrame } {
  const streamingAt = connectedAt(history, player);
  if (streamingAt === undefined) return {};
  const thereAt = streamingAt + RTC_JOINED_WITHIN_MS;
  const request = history.of('step').find((event) => event.t >= thereAt && isRequest(event, publisher));
  if (request === undefined) return { thereAt };
  const keyframe = videoOf(history.sent(publisher)).find(({ key, t }) => key && t >= request.t);
  return { thereAt, askedAt: request.t, ...(keyframe && { keyframe }) };
}

function judgeAsked(history: History, publisher: string, since: number): Judgement {
  const expected = `PLI or FIR within ${RTC_PLI_WITHIN_MS} ms`;
  const first = history.of('step').find((event) => event.t >= since && isRequest(event, publisher));
  if (first !== undefined) {
    const afterMs = Math.round(first.t - since);
    const inTime = judged(afterMs <= RTC_PLI_WITHIN_MS, expected, `after ${afterMs} ms`);
    return unlessOurs(history, inTime, RTC_PLI_WITHIN_MS);
  }
  const refused = closedByPeer(history, publisher);
  if (refused !== undefined) return failed(expected, `${publisher} was closed: ${refused.code}`);
  const sent = videoOf(history.sent(publisher));
  const watchedMs = Math.round((sent.at(-1)?.t ?? since) - since);
  if (watchedMs < RTC_PLI_WITHIN_MS) return notSeen(history, expected);
  const actual = `none in ${watchedMs} ms and ${sent.length} frames`;
  // A file that is over begins anew, with its keyframe, and need not be asked for it.
  const unasked = sent.filter(({ key }) => key).length > 1;
  return unasked ? inconclusive(expected, `${actual}, but keyframes were sent`) : failed(expected, actual);
}

function judgeAskedFor(history: History, publisher: string, player: string): Judgement {
  const expected = `${player}: the keyframe that ${publisher} sends when it is asked for one, within ${FAN_OUT_DELAY_MS} ms`;
  const refused = closedByPeer(history, player);
  const { thereAt, askedAt, keyframe } = requestSeenBy(history, publisher, player);
  if (refused !== undefined && keyframe === undefined) {
    return failed(expected, `${player} was closed: ${refused.code}`);
  }
  if (thereAt === undefined) return notSeen(history, expected);
  const got = videoOf(history.got(player));
  const last = videoOf(history.sent(publisher)).at(-1)?.t ?? thereAt;
  const keys = got.filter(({ key }) => key);
  const told = `${got.length} frames, keyframes among them: ${keys.map(nameOf).join(', ') || 'none'}`;
  if (askedAt === undefined) {
    return last - thereAt < RTC_PLI_WITHIN_MS
      ? notSeen(history, expected)
      : failed(expected, `nobody asks; ${told}`);
  }
  if (keyframe === undefined) return notSeen(history, expected);
  const arrival = arrivalOf(history, player, keyframe);
  if (arrival === undefined) {
    return last - keyframe.t < FAN_OUT_DELAY_MS
      ? notSeen(history, expected)
      : failed(expected, `not ${nameOf(keyframe)}; ${told}`);
  }
  const lateMs = Math.round(arrival.t - keyframe.t);
  const inTime = judged(lateMs <= FAN_OUT_DELAY_MS, expected, `${nameOf(arrival)}, after ${lateMs} ms`);
  return unlessOurs(history, inTime, FAN_OUT_DELAY_MS);
}

type SentFrame = EventOf<'publisher.sent'>;

/** The keyframe as the player got it, whole. */
function arrivalOf(
  history: History,
  player: string,
  { stamp }: SentFrame,
): EventOf<'player.got'> | undefined {
  return videoOf(history.got(player)).find(
    (frame) =>
      frame.key &&
      frame.stamp?.intact &&
      frame.stamp.stream === stamp?.stream &&
      frame.stamp.frame === stamp.frame,
  );
}

/** Epoch ms. */
function connectedAt(history: History, client: string): number | undefined {
  return history.of('client.state').find((event) => event.client === client && event.state === 'streaming')
    ?.t;
}

// session-forgotten

const STAYING_FRAMES = 5;

const sessionForgotten = check({
  id: 'webrtc/session-forgotten',
  title: 'A WHEP player who vanishes without a word is forgotten',
  level: 'must',
  spec: {
    source: SRS,
    where: 'conf/full.conf stun_timeout; app/srs_app_rtc_conn.cpp, SrsRtcConnection::is_alive; RFC 7675',
    says: 'A session of which no STUN has come for stun_timeout is gone, and no client any more.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.webrtc', 'observe.api'],
  mutants: ['rtc-session-kept', 'rtc-session-lingers'],
  deadlineMs: RTC_FORGOTTEN_AT_LAST_MS + 10_000,

  async run(t) {
    const { node } = t.cluster.entry('play', 'webrtc');
    const withinMs = rtcForgottenWithinMs(t.cluster.nodes.get(node)!.engine);
    const stream = t.stream();
    const publisher = await t.publish({ url: await sourceUrl(t, stream) });
    const { tap, to } = await lineToMedia(t);
    const staying = t.play(t.playUrl('webrtc', stream), 'staying');
    const leaving = t.play(t.playUrl('webrtc', stream), 'leaving', { mediaTo: to });
    await Promise.all([staying, leaving].map((player) => player.playing(RTC_PLAYING_WITHIN_MS)));
    await t.untilApi(node, stream, 1000, ({ clients }) => clients === 3);
    tap.cut();
    t.step('vanished', { publisher: publisher.label, withinMs });
    await t.untilApi(node, stream, withinMs, ({ clients }) => clients <= 2);
    await staying.frames(STAYING_FRAMES, RTC_PLAYING_WITHIN_MS);
  },

  judge(history) {
    const vanished = history.of('step').find(({ step }) => step === 'vanished');
    if (vanished === undefined) return [notSeen(history, 'a player who vanishes')];
    const expected = `the one who vanished is no client any more within ${vanished.data.withinMs} ms, the other one is`;
    const last = history.of('api.stream').at(-1);
    if (last === undefined || last.t < vanished.t) return [notSeen(history, expected)];
    const listed = history.of('api.stream').some(({ t, clients }) => t <= vanished.t && clients > 2);
    const after = Math.round(last.t - vanished.t);
    const staying = {
      publisher: `${vanished.data.publisher}`,
      player: 'staying',
      least: STAYING_FRAMES,
      since: last.t,
    };
    return [
      listed
        ? judged(
            last.clients === 2,
            expected,
            `${last.clients} clients with the publisher, after ${after} ms`,
          )
        : inconclusive(expected, 'the API did not list it before'),
      judgeCount(history, staying, 'the other one goes on playing'),
    ];
  },
});

// republish-while-waiting

const BEFORE_FRAMES = 5;
const AFTER_FRAMES = 30;
/** Of the first publication, still under way when the second one begins. */
const LEFT_OVER_FRAMES = 5;

const republish = check({
  id: 'webrtc/republish-while-waiting',
  title: 'WHEP players who are there before the publisher, and when it comes again, are served',
  level: 'must',
  spec: {
    source: `${WHEP}; ${SRS}`,
    where: 'app/srs_app_rtc_source.cpp, SrsRtcSource::on_publish, on_unpublish, on_source_changed',
    says: 'A session outlives the publication: its player gets the next one of the same stream, over the same transport.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.webrtc'],
  mutants: ['rtc-republish-loses-players'],

  async run(t) {
    const stream = t.stream();
    const url = await sourceUrl(t, stream);
    const player = t.play(t.playUrl('webrtc', stream), 'waiting');
    await t.until(
      'waiting: connected',
      RTC_CONNECTED_WITHIN_MS,
      (history) => connectedAt(history, 'waiting') !== undefined,
    );
    const first = await t.publish({ url, label: 'first' });
    t.step('published', { publisher: first.label, frames: BEFORE_FRAMES });
    await player.frames(BEFORE_FRAMES, RTC_PLAYING_WITHIN_MS);
    await first.stop();
    const second = await t.publish({ url, label: 'second' });
    t.step('published', { publisher: second.label, frames: AFTER_FRAMES });
    const further = LEFT_OVER_FRAMES + AFTER_FRAMES;
    await player.frames(further, further * FRAME_MS + RTC_PLAYING_WITHIN_MS);
  },

  judge(history) {
    const published = history.of('step').filter(({ step }) => step === 'published');
    if (published.length === 0) return [notSeen(history, 'a WHEP player who waits for a publisher')];
    const got = videoOf(history.got('waiting'));
    const judgements = published.map(({ data }): Judgement => {
      const [publisher] = words(data.publisher);
      const expected = `waiting gets the frames of the ${publisher} publisher, from a keyframe on`;
      const own = videoOf(history.sent(`${publisher}`)).find(({ stamp }) => stamp)?.stamp?.stream;
      if (own === undefined) return inconclusive(expected, 'nothing was published');
      const frames = got.filter(({ stamp }) => stamp?.stream === own);
      if (frames.length === 0) return failed(expected, 'none');
      const actual = `${frames.length} frames, first ${nameOf(frames[0]!)}`;
      if (!frames[0]!.key) return failed(expected, actual);
      const least = Number(data.frames);
      if (frames.length >= least) return judged(true, expected, actual);
      const sent = videoOf(history.sent(`${publisher}`)).length;
      const stopped = sent >= least + GOP_FRAMES || closedByPeer(history, 'waiting') !== undefined;
      return stopped ? failed(`${expected}, ${least} of them`, actual) : notSeen(history, expected);
    });
    return published.length < 2 ? [...judgements, notSeen(history, 'a second publication')] : judgements;
  },
});

export const WEBRTC_MEDIA: readonly Check[] = [
  firstFrame,
  noFrameLost,
  nackRecovers,
  pliBringsKeyframe,
  republish,
  sessionForgotten,
];
