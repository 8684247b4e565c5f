/** WebRTC: what becomes of a WHIP publisher on a link that loses, and of one who vanishes. */
import type { WhipPublisher } from '../../drivers/webrtc/publisher.ts';
import {
  RTC_CONNECTED_WITHIN_MS,
  RTC_FORGOTTEN_AT_LAST_MS,
  RTC_PLAYING_WITHIN_MS,
  rtcForgottenWithinMs,
} from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, notSeen, videoOf } from '../judging.ts';
import { closedByPeer } from './srt-lines.ts';
import { judgeLossy, lineToMedia, watchLossy } from './webrtc-line.ts';
import { EDGE_CLUSTER } from './webrtc-signalling.ts';

const nackRecovers = check({
  id: 'webrtc/publisher-nack-recovers',
  title: 'What a link loses of a WHIP publisher is asked for, and comes again',
  level: 'must',
  spec: {
    source: 'RFC 4585',
    where: 'section 6.2.1 (generic NACK); SRS 7.0.18 conf/full.conf nack (on)',
    says: 'With 2 % loss and NACK agreed on, the server asks its publisher for what is missing, and no frame is.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.webrtc', 'play.webrtc'],
  mutants: ['whip-no-nack'],

  async run(t) {
    const stream = t.stream();
    const { tap, to } = await lineToMedia(t, 'publish');
    const publisher = await t.publish({ url: t.publishUrl(stream, undefined, 'webrtc'), mediaTo: to });
    const player = t.play(t.playUrl('webrtc', stream), 'whep');
    await watchLossy(t, { tap, way: 'upstream', publisher, player }, () => {
      const { naks, retransmitted, forgotten } = (publisher.client as WhipPublisher).rtp;
      return { naks, retransmitted, forgotten };
    });
  },

  judge: (history) =>
    judgeLossy(history, 'a WHIP publisher', ({ dropped, naks, retransmitted, forgotten }) => {
      const expected = 'the publisher was asked for what the link lost, and sent it again';
      const actual = `${dropped} lost by the link, ${naks} requests, ${retransmitted} sent again, ${forgotten} not kept any more`;
      return Number(dropped) > 0
        ? judged(Number(retransmitted) > 0, expected, actual)
        : inconclusive(expected, actual);
    }),
});

const AGAIN_FRAMES = 5;

const vanishedForgotten = check({
  id: 'webrtc/publisher-forgotten',
  title: 'The stream of a WHIP publisher who vanishes without a word is free again',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'conf/full.conf stun_timeout; app/srs_app_rtc_conn.cpp, SrsRtcConnection::is_alive; RFC 7675',
    says: 'A session of which no STUN has come for stun_timeout is gone; a publisher with it, and its stream may be published again.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.webrtc', 'play.webrtc', 'observe.api'],
  mutants: ['rtc-session-kept', 'rtc-session-lingers', 'whip-vanished-kept'],
  deadlineMs: RTC_FORGOTTEN_AT_LAST_MS + 15_000,

  async run(t) {
    const { node } = t.cluster.entry('publish', 'webrtc');
    const withinMs = rtcForgottenWithinMs(t.cluster.nodes.get(node)!.engine);
    const stream = t.stream();
    const url = t.publishUrl(stream, undefined, 'webrtc');
    const { tap, to } = await lineToMedia(t, 'publish');
    await t.publish({ url, label: 'vanishing', mediaTo: to });
    const player = t.play(t.playUrl('webrtc', stream), 'whep');
    await player.playing(RTC_PLAYING_WITHIN_MS);
    await t.untilApi(node, stream, 1000, ({ publishers }) => publishers === 1);
    tap.cut();
    t.step('vanished', { withinMs });
    await t.untilApi(node, stream, withinMs, ({ publishers }) => publishers === 0);
    const again = await t.publish({ url, label: 'again' });
    await again.sent(AGAIN_FRAMES, RTC_CONNECTED_WITHIN_MS);
  },

  judge(history) {
    const vanished = history.of('step').find(({ step }) => step === 'vanished');
    if (vanished === undefined) return [notSeen(history, 'a publisher who vanishes')];
    const expected = `the publisher who vanished is none any more within ${vanished.data.withinMs} ms`;
    const last = history.of('api.stream').findLast(({ t }) => t > vanished.t);
    if (last === undefined) return [notSeen(history, expected)];
    const listed = history.of('api.stream').some(({ t, publishers }) => t <= vanished.t && publishers > 0);
    if (!listed) return [inconclusive(expected, 'the API did not list it before')];
    const after = Math.round(last.t - vanished.t);
    const gone = judged(last.publishers === 0, expected, `${last.publishers} publishers after ${after} ms`);
    return gone.verdict === 'pass' ? [gone, judgeFree(history)] : [gone];
  },
});

/** The next publisher is let in: before that it sends nothing. */
function judgeFree(history: History): Judgement {
  const free = 'the stream may be published again';
  const refused = closedByPeer(history, 'again');
  if (refused !== undefined) return failed(free, `${refused.code}: ${refused.detail}`);
  const frames = videoOf(history.sent('again')).length;
  return frames < AGAIN_FRAMES ? notSeen(history, free) : judged(true, free, `${frames} frames`);
}

export const WEBRTC_PUBLISHERS: readonly Check[] = [nackRecovers, vanishedForgotten];
