/** Masters of a forward cluster die and freeze, and encoders come back through HAProxy as encoders do; slaves go. */
import { setTimeout } from 'node:timers/promises';
import type { ClusterNode } from '../../lab/cluster.ts';
import {
  ABSENT_ORIGIN_MS,
  BALANCER_NOTICES_MS,
  FORWARD_DELAY_MS,
  FORWARD_RESUMED_WITHIN_MS,
  FORWARDED_WITHIN_MS,
  PLAYING_WITHIN_MS,
  PUBLISHER_FIRST_LOOK_MS,
  PUBLISHER_LOOK_MS,
  PULL_RETRY_MS,
  PULL_SILENCE_MS,
  REDISPATCHED_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG } from '../habits.ts';
import { judgeGone, judgeHeld, judgeLetGo } from '../wire/presence.ts';
import { FORWARDED, watchUntouched } from './failover-asked.ts';
import { strike } from './failover-faults.ts';
import { boundStorm, cured, judgeFailover, settled, watchFor } from './failover-judging.ts';
import {
  ENCODERS,
  encoderAt,
  encoderBackMs,
  HANDSHAKE_MS,
  playersAt,
  viewersOf,
} from './failover-setting.ts';
import { FORWARD_CLUSTER, namesOf, SEED } from './masters-and-slaves.ts';

const JOINED_MS = FORWARDED_WITHIN_MS + ABSENT_ORIGIN_MS;

// master-killed, master-frozen

const MASTERS = 'masters';
const NEEDS = [
  'publish.rtmp',
  'play.rtmp',
  'play.flv',
  'balancer',
  'forward',
  'control.process',
  'observe.api',
] as const;

/** What a fault of a master is to its encoders, and to players at slaves and edges. */
interface MasterFault {
  readonly action: 'kill' | 'freeze';
  /** From the fault until the balancer gives the next attempt of an encoder to the other master. */
  readonly noticedMs: number;
  readonly noticed: string;
  /** From the encoder's return until players of slaves see it. */
  readonly atSlavesMs: number;
  readonly atSlaves: string;
  /** The same for those of edges. */
  readonly atEdgesMs: number;
  readonly atEdges: string;
}

const KILLED: MasterFault = {
  action: 'kill',
  noticedMs: REDISPATCHED_WITHIN_MS,
  noticed: 'HAProxy "retries" 3 s',
  // The slave has taken its stream off the master that died; the other one's forward may come a retry too early.
  atSlavesMs: FORWARD_RESUMED_WITHIN_MS,
  atSlaves: 'the forward is tried again after 3 s',
  // An edge asks the dead master once more at the most, and the next origin in turn, which has the stream.
  atEdgesMs: 2 * PULL_RETRY_MS + TWO_HOPS_MS + FORWARD_DELAY_MS + 1000,
  atEdges: 'the pause of an edge is 3 s for each origin that is dead',
};

const FROZEN: MasterFault = {
  action: 'freeze',
  noticedMs: BALANCER_NOTICES_MS,
  noticed: 'HAProxy "inter", "fall", "timeout check"',
  // Until the frozen one is given up the slave has a publisher, and refuses the other master.
  atSlavesMs: PUBLISHER_LOOK_MS + FORWARD_RESUMED_WITHIN_MS,
  atSlaves:
    'a slave gives up a publisher that was silent from one look to the next, the forward is tried again after 3 s',
  atEdgesMs: PULL_SILENCE_MS + PULL_RETRY_MS + TWO_HOPS_MS + FORWARD_DELAY_MS + 1000,
  atEdges: 'an edge gives a silent origin up after 5 s, its pause is 3 s',
};

/** Until a slave looks at a publisher that has just begun; nothing where nobody waits for that. */
function firstLookMs(t: CheckContext, { action }: MasterFault): number {
  return action === 'kill' ? 0 : (t.cluster.patience?.publishFirst ?? PUBLISHER_FIRST_LOOK_MS);
}

/** Encoders of both habits at one master, which goes, and one at the other; resolves when everybody has its stream again. */
async function loseMaster(t: CheckContext, fault: MasterFault): Promise<string> {
  const [balancer] = namesOf(t, 'balancer') as [string];
  const masters = namesOf(t, 'master');
  const [slave, other] = namesOf(t, 'slave') as [string, string];
  const [edge] = namesOf(t, 'edge') as [string];
  const [victim] = masters as [string];
  const asked = { group: MASTERS, since: 'fault', lossless: false } as const;
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
    const backMs = encoderBackMs(habit, fault.noticedMs + HANDSHAKE_MS);
    const why = `${habit.name} waits ${habit.waitMs(0)} ms, then ${habit.waitMs(1)} ms; ${fault.noticed}`;
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
        boundMs: backMs + firstLookMs(t, fault) + fault.atSlavesMs,
        why: `${why}; ${fault.atSlaves}`,
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
        boundMs: backMs + fault.atEdgesMs,
        why: `${why}; ${fault.atEdges}`,
      });
    }
  }
  const untouched = await playersAt(t, elsewhere.stream, [other], { prefix: 'elsewhere-' });
  watchUntouched(t, { group: MASTERS, publisher: elsewhere.label }, untouched, FORWARDED);
  boundStorm(t, MASTERS, ENCODERS.length);
  await strike(t, t.cluster.nodes.get(victim)!, fault.action);
  await settled(t, MASTERS);
  return victim;
}

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
  needs: NEEDS,
  mutants: ['slave-refuses-second-publish-forever', 'edge-never-retries', 'edge-closes-players-with-origin'],
  deadlineMs: 40_000,
  async run(t) {
    await loseMaster(t, KILLED);
  },
  judge: (history) => [...judgeFailover(history, MASTERS), ...judgeGone(history)],
  timeline: (history) => timelineOf(history, MASTERS),
});

/** What a master that goes on still has for its slaves is there at once; a retry of its forwards is not waited for. */
const THAWED_MS = 1500;

const masterFrozen = check({
  id: 'failover/master-frozen',
  title:
    'When a master freezes, HAProxy sends its encoders to the other one, slaves and edges give it up, and nothing of it comes later',
  level: 'must',
  spec: {
    source: SEED,
    where:
      'haproxy.cfg; HAProxy 2.6 Configuration Manual, "check", "on-marked-down"; SRS 7.0.18, normal_timeout',
    says: 'A frozen master keeps its connections and says nothing. The balancer finds it down and ends its sessions; slaves give up a publisher that is silent for 5 s, edges an origin. Then it is as with one that died. When it goes on, what it still had reaches nobody.',
  },
  topologies: FORWARD_CLUSTER,
  needs: NEEDS,
  mutants: ['balancer-keeps-sessions', 'edge-never-retries', 'slave-refuses-second-publish-forever'],
  deadlineMs: 50_000,
  async run(t) {
    const victim = await loseMaster(t, FROZEN);
    await t.control(t.cluster.nodes.get(victim)!, 'thaw');
    await t.observe(THAWED_MS, 'a master that goes on where it stood still');
  },
  judge: (history) => [...judgeFailover(history, MASTERS), ...judgeHeld(history), ...judgeLetGo(history)],
  timeline: (history) => timelineOf(history, MASTERS),
});

// slave-gone

const SLAVES = 'slaves';
/** Until a master has noticed, and before it tries again. */
const DOWN_MS = 1000;
/** Shorter than any patience: 5 s of an edge with its origin, 30 s of a master with what a slave does not take. */
const STALL_MS = 3000;

const slaveGone = check({
  id: 'failover/slave-gone',
  title:
    'One slave dies, one stands still, the links of another and of an edge break: each has the stream again, nobody else notices',
  level: 'must',
  spec: {
    source: SEED,
    where:
      'origin_master.conf: forward; edge.conf: origin, all masters and slaves; SRS 7.0.18, app/srs_app_forward.cpp',
    says: 'A master forwards to each slave by itself, tries again every 3 s, and keeps what a slave does not take yet. An edge that has lost its master asks the other origins in turn, and a slave has the stream. The encoder, other slaves and other edges notice nothing.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'forward', 'observe.upstream', 'control.process'],
  mutants: [
    'master-forward-stops-after-slave-restart',
    'master-forward-disturbs-publisher',
    'master-forward-stalls-others',
    'edge-stays-with-first-origin',
  ],
  deadlineMs: 40_000,

  async run(t) {
    const [master] = namesOf(t, 'master') as [string];
    const slaves = t.nodes('slave');
    const [killed, frozen, cut, ...others] = slaves.map(({ spec }) => spec.name) as [string, string, string];
    const [lost, ...edges] = namesOf(t, 'edge') as [string, string];
    const stream = t.stream();
    const { label: publisher } = await t.encode({ url: t.publishUrl(stream, master), habit: FFMPEG });
    const asked = { group: SLAVES, publisher, lossless: false } as const;
    const retry = 'the forward is tried again after 3 s';
    const [dead, still, apart, away, ...well] = await Promise.all([
      viewersOf(t, [{ url: t.playUrl('rtmp', stream, killed), label: `at-${killed}`, habit: FFMPEG }]),
      playersAt(t, stream, [frozen]),
      playersAt(t, stream, [cut], { protocols: ['rtmp'] }),
      playersAt(t, stream, [lost]),
      playersAt(t, stream, others),
      playersAt(t, stream, edges.slice(0, 1)),
    ]);
    for (const client of dead) {
      const boundMs = FFMPEG.waitMs(1) + FORWARD_RESUMED_WITHIN_MS;
      watchFor(t, {
        ...asked,
        client,
        part: 'returns',
        since: 'cure',
        boundMs,
        why: `${retry}; it tries every second`,
      });
    }
    for (const client of still) {
      const boundMs = STALL_MS + FORWARD_DELAY_MS;
      watchFor(t, {
        ...asked,
        client,
        part: 'waits',
        since: 'fault',
        boundMs,
        why: `a stall of ${STALL_MS} ms, a pulse, two merged writes`,
        lossless: true,
      });
    }
    for (const client of apart) {
      watchFor(t, {
        ...asked,
        client,
        part: 'waits',
        since: 'fault',
        boundMs: DOWN_MS + FORWARD_RESUMED_WITHIN_MS,
        why: `a link that is broken for ${DOWN_MS} ms; ${retry}`,
      });
    }
    for (const client of away) {
      const boundMs = PULL_RETRY_MS + ABSENT_ORIGIN_MS + PLAYING_WITHIN_MS;
      watchFor(t, {
        ...asked,
        client,
        part: 'waits',
        since: 'fault',
        boundMs,
        why: 'the pause of an edge is 3 s, the other master has nothing for 5 s, then a slave',
      });
    }
    watchUntouched(t, { group: SLAVES, publisher }, [publisher, ...well.flat()], FORWARDED);
    boundStorm(t, SLAVES, 1);
    const [first, second] = slaves as [ClusterNode, ClusterNode];
    t.link(lost, master, 'cut');
    t.link(master, cut, 'cut');
    await Promise.all([t.control(first, 'kill'), t.control(second, 'freeze')]);
    const stalled = setTimeout(STALL_MS, undefined, { signal: t.signal }).then(() =>
      t.control(second, 'thaw'),
    );
    await t.observe(DOWN_MS, 'a slave that is down, one without its link');
    t.link(master, cut, 'restore');
    await t.control(first, 'restart');
    cured(t, `${killed} is ready`);
    await stalled;
    await settled(t, SLAVES);
  },

  judge: (history) => judgeFailover(history, SLAVES),
  timeline: (history) => timelineOf(history, SLAVES),
});

export const FAILOVER_FORWARD: readonly Check[] = [masterKilled, masterFrozen, slaveGone];
