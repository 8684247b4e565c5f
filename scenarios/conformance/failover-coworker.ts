/** Origins that redirect: the one with the stream dies or freezes, and the stream manager that knows where streams are. */
import type { ClusterNode } from '../../lab/cluster.ts';
import {
  MANAGER_KNOWS_WITHIN_MS,
  ORIGIN_DEAD_WITHIN_MS,
  PULL_RETRY_MS,
  PULL_SILENCE_MS,
  REDIRECTED_PLAYING_WITHIN_MS,
} from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG } from '../habits.ts';
import type { History } from '../history.ts';
import { judged, notSeen } from '../judging.ts';
import { judgeGone, judgeHeld } from '../wire/presence.ts';
import { watchUntouched } from './failover-asked.ts';
import { dieAndReturn, standStill, standStillAndGoOn } from './failover-faults.ts';
import { boundStorm, judgeFailover, settled, watchFor } from './failover-judging.ts';
import { encoderAt, encoderBackMs, HANDSHAKE_MS, playersAt } from './failover-setting.ts';
import { framesFrom, missedBy, namesOf } from './masters-and-slaves.ts';

const SEED = 'SRS clusters with coworkers (seeds/002)';

// coworker-killed

const ORIGIN = 'coworker';
/** An edge passes a publisher on to its origins in turn; the dead one may be its turn once. */
const ENCODER_BACK_MS = encoderBackMs(FFMPEG, HANDSHAKE_MS);
/** A pause, the dead origin in turn, a pause; then an origin that does not have the stream, a 302, a GOP of a second. */
const FOLLOWED_MS =
  ENCODER_BACK_MS + 2 * PULL_RETRY_MS + ORIGIN_DEAD_WITHIN_MS + REDIRECTED_PLAYING_WITHIN_MS + 1000;

const coworkerKilled = check({
  id: 'failover/coworker-killed',
  title:
    'When the origin with the stream dies, its encoder comes back at another one and edges find it there by a 302',
  level: 'must',
  spec: {
    source: SEED,
    where: 'the flow of a cluster: an edge is sent to the origin that has the stream',
    says: 'An edge passes its publisher on to another origin. Edges whose origin died try the next one after their pause; it asks where the stream is now, never the dead one, and sends them there. Their players have stayed.',
  },
  topologies: ['coworker-cluster', 'stream-manager'],
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'coworkers',
    'observe.api',
    'observe.upstream',
    'control.process',
  ],
  mutants: ['edge-never-retries', 'edge-remembers-redirect', 'edge-doubles-after-resume'],
  deadlineMs: 45_000,

  async run(t) {
    const edges = namesOf(t, 'edge');
    const [north] = edges as [string];
    const among = namesOf(t, 'origin');
    const asked = { group: ORIGIN, since: 'fault', lossless: false } as const;
    // Where edge-2 does not begin, so that a 302 brings it there.
    const [, begins] = among;
    const { stream, label, holder } = await encoderAt(t, {
      habit: FFMPEG,
      entry: north,
      among,
      wanted: (one) => one !== begins,
    });
    watchFor(t, {
      ...asked,
      publisher: label,
      client: label,
      part: 'publishes',
      boundMs: ENCODER_BACK_MS,
      why: `ffmpeg waits ${FFMPEG.waitMs(1)} ms; the dead origin is in turn once`,
    });
    for (const client of await playersAt(t, stream, edges)) {
      watchFor(t, {
        ...asked,
        publisher: label,
        client,
        part: 'waits',
        boundMs: FOLLOWED_MS,
        why: 'the encoder is back, two pauses of 3 s, a 302',
      });
    }
    boundStorm(t, ORIGIN, 2);
    await t.control(t.cluster.nodes.get(holder)!, 'kill');
    await settled(t, ORIGIN);
  },

  judge: (history) => judgeFailover(history, ORIGIN),
  timeline: (history) => timelineOf(history, ORIGIN),
});

// coworker-frozen

const FROZEN = 'frozen-coworker';
/** Longer than the patience of an edge, so that it gives up; what it finds in its next turn depends on how busy all are. */
const FREEZE_MS = PULL_SILENCE_MS + 1500;
/** A pause, an origin that cannot say yet where the stream is, a pause; then a 302, a GOP of a second. */
const FOUND_AGAIN_MS = 2 * PULL_RETRY_MS + ORIGIN_DEAD_WITHIN_MS + REDIRECTED_PLAYING_WITHIN_MS + 1000;

const coworkerFrozen = check({
  id: 'failover/coworker-frozen',
  title:
    'When the origin with the stream freezes, edges look for it elsewhere and find it by a 302 as soon as it goes on',
  level: 'must',
  spec: {
    source: SEED,
    where: 'the flow of a cluster; SRS 7.0.18, app/srs_app_edge.cpp, SrsEdgeIngester::cycle',
    says: 'An edge gives up an origin that is silent for 5 s and asks the others in turn. Nobody has the stream, and the one that does cannot say so; once it goes on it can, and edges are sent there. Their players have stayed, and streams of other origins went on.',
  },
  topologies: ['coworker-cluster', 'stream-manager'],
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'coworkers',
    'observe.api',
    'observe.upstream',
    'control.process',
  ],
  mutants: ['edge-never-retries', 'edge-closes-players-with-origin', 'media-drops-frames'],
  deadlineMs: 45_000,

  async run(t) {
    const edges = namesOf(t, 'edge');
    const [victim, other] = t.nodes('origin') as [ClusterNode, ClusterNode];
    const asked = { group: FROZEN, lossless: false } as const;
    const stream = t.stream();
    const encoder = await t.encode({ url: t.publishUrl(stream, victim.spec.name), habit: FFMPEG });
    const aside = t.stream('aside');
    const { label: publisher } = await t.publish({
      url: t.publishUrl(aside, other.spec.name),
      label: 'aside',
    });
    watchFor(t, {
      ...asked,
      publisher: encoder.label,
      client: encoder.label,
      part: 'publishes',
      since: 'cure',
      boundMs: ENCODER_BACK_MS,
      why: 'an origin that goes on may take it for one that was silent; it tries every second',
    });
    for (const client of await playersAt(t, stream, edges)) {
      watchFor(t, {
        ...asked,
        publisher: encoder.label,
        client,
        part: 'waits',
        since: 'cure',
        boundMs: ENCODER_BACK_MS + FOUND_AGAIN_MS,
        why: 'two pauses of 3 s, a 302',
      });
    }
    // Its edge begins with the origin that does not freeze.
    const untouched = await playersAt(t, aside, edges.slice(1), { prefix: 'aside-' });
    watchUntouched(t, { group: FROZEN, publisher }, untouched);
    boundStorm(t, FROZEN, 2);
    await standStillAndGoOn(t, [victim], {
      group: FROZEN,
      forMs: FREEZE_MS,
      why: 'an origin that stands still',
    });
  },

  judge: (history) => judgeFailover(history, FROZEN),
  timeline: (history) => timelineOf(history, FROZEN),
});

// stream-manager-killed

const MANAGER = 'manager';
const GONE_MS = 1000;

const managerKilled = check({
  id: 'failover/stream-manager-killed',
  title:
    'A stream manager that freezes and dies is missed by nobody who plays, and knows every stream once it is back',
  level: 'must',
  spec: {
    source: SEED,
    where: 'the stream manager: its state is in a Redis',
    says: 'Origins ask when a play comes for what they do not have. Publishers and players that are there notice nothing. A manager that is started again has its streams from its Redis, and sends the next edge to the right origin.',
  },
  topologies: ['stream-manager'],
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'stream-manager',
    'redis',
    'observe.api',
    'observe.upstream',
    'control.process',
  ],
  mutants: ['manager-starts-empty', 'manager-wrong-port', 'media-drops-frames'],
  deadlineMs: 40_000,

  async run(t) {
    const [manager] = t.nodes('stream-manager');
    const [north, south] = t.nodes('edge');
    // The one edge begins with it; the other one asks it last, so that a 302 comes before.
    const [holder] = north!.spec.upstreams as [string];
    const stream = t.stream();
    const encoder = await t.encode({ url: t.publishUrl(stream, holder), habit: FFMPEG });
    const clients = await playersAt(t, stream, [north!.spec.name]);
    watchUntouched(t, { group: MANAGER, publisher: encoder.label }, [encoder.label, ...clients]);
    boundStorm(t, MANAGER, 0, [north!.spec.name]);
    await standStill(t, [manager!], { forMs: GONE_MS, why: 'the stream manager says nothing' });
    await dieAndReturn(t, [manager!], {
      group: MANAGER,
      forMs: GONE_MS,
      why: 'there is no stream manager',
    });
    t.step('asked', { edge: south!.spec.name, publisher: encoder.label });
    await t
      .play(t.playUrl('rtmp', stream, south!.spec.name), 'newcomer')
      .playing(MANAGER_KNOWS_WITHIN_MS + REDIRECTED_PLAYING_WITHIN_MS);
  },

  judge: (history) => [
    ...judgeFailover(history, MANAGER),
    ...judgeHeld(history),
    ...judgeGone(history),
    ...judgeNewcomer(history),
  ],
  timeline: (history) => timelineOf(history, MANAGER),
});

function judgeNewcomer(history: History): Judgement[] {
  const expected =
    'a player at another edge is brought to the stream by a 302, once the stream manager is back';
  const asked = history.step('asked');
  if (asked === undefined) return [notSeen(history, expected)];
  const played = framesFrom(history, 'newcomer', String(asked.publisher)).length;
  if (played > 0) return [judged(true, expected, 'it was')];
  return [missedBy(history, 'newcomer', expected, 'it got nothing')];
}

export const FAILOVER_COWORKER: readonly Check[] = [coworkerKilled, coworkerFrozen, managerKilled];
