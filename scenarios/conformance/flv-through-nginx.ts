/** HTTP-FLV through the Nginx that stands in front of the edges. */
import { PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, judged, notSeen, unlessOurs } from '../judging.ts';
import { FORWARD_CLUSTER, framesFrom, missedBy, SEED } from './masters-and-slaves.ts';

/** 4 s at 25 frames/s. */
const FRAMES = 100;
const FRAMES_LAST_MS = 4000;
/** Of these, what was in the GOP cache or on its way when the player joined is not live: 2 s are. */
const LIVE_FRAMES = 50;
const PLAYER = 'through-nginx';

/** Master to edge, edge to player, and what Nginx adds, which is next to nothing where it does not wait. */
const DELAY_MS = TWO_HOPS_MS + 200;

export const throughNginx = check({
  id: 'flv/through-nginx',
  title: 'HTTP-FLV that passes Nginx is as live as it leaves the edge',
  level: 'must',
  spec: {
    source: SEED,
    where: 'nginx_srs.conf',
    says: 'Nginx gives players one address for HTTP-FLV. What is live has to pass it frame by frame: a proxy that collects a buffer first adds its length to the latency.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.flv', 'forward'],
  mutants: ['web-buffers-flv'],

  async run(t) {
    const stream = t.stream();
    // At the master that edges ask first: an edge that asks the other one waits for its timeout.
    const publisher = await t.publish({ url: t.publishUrl(stream, t.nodes('master')[0]!.spec.name) });
    const player = t.play(t.playUrl('flv', stream), PLAYER);
    await player.playing(PLAYING_WITHIN_MS);
    t.step('playing', { publisher: publisher.label });
    await player.frames(FRAMES, FRAMES_LAST_MS + 2 * DELAY_MS + 1000);
    t.step('played');
  },

  judge(history) {
    const began = history.step('playing');
    if (began === undefined) return [notSeen(history, 'a player through Nginx')];
    return [judgeDelay(history, String(began.publisher))];
  },
});

/** Only frames that were sent after the player had joined: those before come out of a GOP cache. */
function judgeDelay(history: History, publisher: string): Judgement {
  const joined = history.of('step').find(({ step }) => step === 'playing')!.t;
  const sentAt = new Map(
    history.sent(publisher).flatMap(({ stamp, t }) => (stamp && t >= joined ? [[stamp.frame, t]] : [])),
  );
  const delays = framesFrom(history, PLAYER, publisher).flatMap(({ stamp, t }) => {
    const sent = sentAt.get(stamp!.frame);
    return sent === undefined ? [] : [t - sent];
  });
  const expected = `live frames at a player through Nginx within ${DELAY_MS} ms`;
  const worst = Math.max(...delays);
  const actual = `${delays.length} live frames, the latest after ${Math.round(worst)} ms`;
  if (worst > DELAY_MS) return unlessOurs(history, failed(expected, actual), DELAY_MS);
  if (history.step('played') === undefined || delays.length < LIVE_FRAMES) {
    return missedBy(history, PLAYER, expected, `${delays.length} live frames came`);
  }
  return judged(true, expected, actual);
}
