/** A master of a forward cluster goes, and encoders come back through HAProxy as encoders do. */
import {
  ABSENT_ORIGIN_MS,
  FORWARD_DELAY_MS,
  FORWARD_RESUMED_WITHIN_MS,
  FORWARDED_WITHIN_MS,
  PULL_RETRY_MS,
  REDISPATCHED_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type Check, check } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { boundStorm, judgeFailover, settled, watchFor } from './failover-judging.ts';
import { ENCODERS, encoderAt, encoderBackMs, playersAt } from './failover-setting.ts';
import { FORWARD_CLUSTER, namesOf, SEED } from './masters-and-slaves.ts';

const GROUP = 'masters';
const HANDSHAKE_MS = 1000;
/** The slave has taken its stream off the master that died; the other one's forward may come a retry too early. */
const AT_SLAVES_MS = FORWARD_RESUMED_WITHIN_MS;
/** An edge asks the dead master once more at the most, and the next origin in turn, which has the stream. */
const AT_EDGES_MS = 2 * PULL_RETRY_MS + TWO_HOPS_MS + FORWARD_DELAY_MS + 1000;
const JOINED_MS = FORWARDED_WITHIN_MS + ABSENT_ORIGIN_MS;

const masterKilled = check({
  id: 'failover/master-killed',
  title:
    'When a master dies, encoders come back through HAProxy as ffmpeg and OBS do, and no frame comes twice',
  level: 'must',
  spec: {
    source: SEED,
    where: 'haproxy.cfg: option redispatch, retries; edge.conf: origin, all masters and slaves',
    says: 'An encoder has lost its connection and makes a new one when it would: the balancer gives it to the other master, which forwards to the same slaves. Players of slaves and edges stay; what is published at the other master goes on undisturbed.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'balancer', 'forward', 'control.process', 'observe.api'],
  mutants: ['slave-refuses-second-publish-forever', 'edge-never-retries', 'edge-closes-players-with-origin'],
  deadlineMs: 40_000,

  async run(t) {
    const [balancer] = namesOf(t, 'balancer') as [string];
    const masters = namesOf(t, 'master');
    const [slave, other] = namesOf(t, 'slave') as [string, string];
    const [edge] = namesOf(t, 'edge') as [string];
    const [victim] = masters as [string];
    const asked = { group: GROUP, since: 'fault', lossless: false } as const;
    const elsewhere = await encoderAt(t, {
      habit: ENCODERS[0]!,
      entry: balancer,
      among: masters,
      wanted: (holder) => holder !== victim,
    });
    for (const habit of ENCODERS) {
      const { stream, label } = await encoderAt(t, {
        habit,
        entry: balancer,
        among: masters,
        wanted: (holder) => holder === victim,
      });
      const backMs = encoderBackMs(habit, REDISPATCHED_WITHIN_MS + HANDSHAKE_MS);
      const why = `${habit.name} waits ${habit.waitMs(0)} ms, then ${habit.waitMs(1)} ms; HAProxy "retries" 3 s`;
      watchFor(t, { ...asked, publisher: label, client: label, part: 'publishes', boundMs: backMs, why });
      // HTTP-FLV players lose their connection when their stream ends at an origin (facts/srs.md 7.3).
      for (const client of await playersAt(t, stream, [slave], {
        prefix: `${habit.name}-`,
        protocols: ['rtmp'],
      })) {
        watchFor(t, {
          ...asked,
          publisher: label,
          client,
          part: 'waits',
          boundMs: backMs + AT_SLAVES_MS,
          why: `${why}; the forward is tried again after 3 s`,
        });
      }
      for (const client of await playersAt(t, stream, [edge], {
        prefix: `${habit.name}-`,
        withinMs: JOINED_MS,
      })) {
        watchFor(t, {
          ...asked,
          publisher: label,
          client,
          part: 'waits',
          boundMs: backMs + AT_EDGES_MS,
          why: `${why}; the pause of an edge is 3 s for each origin that is dead`,
        });
      }
    }
    for (const client of await playersAt(t, elsewhere.stream, [other], { prefix: 'elsewhere-' })) {
      watchFor(t, {
        ...asked,
        publisher: elsewhere.label,
        client,
        part: 'untouched',
        boundMs: FORWARD_DELAY_MS,
        why: 'a pulse of the forwarder, two merged writes',
        lossless: true,
      });
    }
    boundStorm(t, GROUP, ENCODERS.length);
    await t.control(t.cluster.nodes.get(victim)!, 'kill');
    await settled(t, GROUP);
  },

  judge: (history) => judgeFailover(history, GROUP),
  timeline: (history) => timelineOf(history, GROUP),
});

export const FAILOVER_FORWARD: readonly Check[] = [masterKilled];
