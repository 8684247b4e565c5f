/** A master goes down while it holds a stream, and comes back: what the encoder, the slaves and the players see. */
import type { KilledNode } from '../../lab/cluster.ts';
import {
  ABSENT_ORIGIN_MS,
  FORWARD_DELAY_MS,
  FORWARD_RESUMED_WITHIN_MS,
  FORWARDED_WITHIN_MS,
  PLAYING_WITHIN_MS,
  PULL_CONNECT_MS,
  PULL_RETRY_MS,
  REDISPATCHED_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
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
import { FRAME_MS, GOP_FRAMES, labels, type RecordedPublisher } from '../stage.ts';
import {
  everyOne,
  FORWARD_CLUSTER,
  framesFrom,
  framesOf,
  holderOf,
  lossOf,
  missedBy,
  namesOf,
  SEED,
  timeOf,
} from './masters-and-slaves.ts';

const PROTOCOLS = ['rtmp', 'flv'] as const;
const GOP_MS = GOP_FRAMES * FRAME_MS;

/** How often an encoder tries. */
const ENCODER_RETRY_MS = 500;
/** The balancer closes the encoder's connection when the master's process is gone. */
const NOTICED_WITHIN_MS = 1000;
/** One more try of the encoder than the balancer needs, and a second for the handshake on a busy machine. */
const ENCODER_BACK_WITHIN_MS = REDISPATCHED_WITHIN_MS + ENCODER_RETRY_MS + 1000;
const DEAD_ORIGINS = 1;
/**
 * facts/srs.md 1.4: 3 s for each dead origin in a row and once more, then the wait for a keyframe. An origin that refuses
 * nobody, because its host is gone, costs the time of a connect besides.
 */
function recoveredWithinMs(killed: KilledNode): number {
  const connects = killed === 'silent' ? DEAD_ORIGINS * PULL_CONNECT_MS : 0;
  return connects + PULL_RETRY_MS * (DEAD_ORIGINS + 1) + GOP_MS + FORWARD_DELAY_MS + TWO_HOPS_MS;
}
/** An edge may ask the other master first, which does not have the stream. */
const JOINED_WITHIN_MS = ABSENT_ORIGIN_MS + PLAYING_WITHIN_MS;
const RECOVERED_FRAMES = 10;

// master-down

/** Two turns of two masters. */
const NEWCOMERS = 4;
/** The balancer has known for long that the master is down: it has no reason to wait. */
const ADMITTED_WITHIN_MS = 1000;

const masterDown = check({
  id: 'forward/master-down',
  title:
    'When a master dies, its encoder gets through to the other one, and the players of every edge see it again',
  level: 'must',
  spec: {
    source: SEED,
    where: 'haproxy.cfg: option redispatch, retries; edge.conf: origin, all masters and slaves',
    says: 'The balancer gives publishers to the masters that are up. The other master forwards to the same slaves, and the edges, which know all of them, find the stream there.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'balancer', 'forward', 'control.process', 'observe.api'],
  mutants: [
    'balancer-no-check',
    'balancer-no-redispatch',
    'balancer-one-master',
    'edge-stays-with-first-origin',
  ],
  deadlineMs: 45_000,

  async run(t) {
    const { stream, url, encoder, holder } = await publishAtFirst(t);
    const players = namesOf(t, 'edge').flatMap((edge) =>
      PROTOCOLS.map((protocol) => t.play(t.playUrl(protocol, stream, edge), `${edge}-${protocol}`)),
    );
    const withinMs = recoveredWithinMs(t.cluster.killed ?? 'refuses');
    t.step('players', { players: labels(players), encoder: encoder.label, withinMs });
    await everyOne(players.map((player) => player.playing(JOINED_WITHIN_MS)));
    // The other master's turn: the encoder that comes back is given to the one that is down.
    await t.publish({ url: t.publishUrl(t.stream('turn')), label: 'turn' });
    t.step('all-play');
    await t.control(t.cluster.nodes.get(holder)!, 'kill');
    const again = await reconnect(t, encoder, url);
    t.step('back', { encoder: again.label });
    await everyOne(players.map(({ label }) => framesOf(t, label, again.label, RECOVERED_FRAMES, withinMs)));
    t.step('recovered');
    const living = namesOf(t, 'master').filter((master) => master !== holder);
    for (let i = 1; i <= NEWCOMERS; i++) {
      const label = `newcomer-${i}`;
      const newcomer = t.stream(label);
      t.step('newcomer', { label });
      await t.publish({ url: t.publishUrl(newcomer), label });
      t.step('admitted', { label });
      t.step('landed', { label, master: await holderOf(t, newcomer, living) });
    }
  },

  judge(history) {
    const setting = history.step('players');
    if (setting === undefined) return [notSeen(history, 'players on every edge')];
    if (timeOf(history, 'all-play') === undefined) {
      return words(setting.players).map((player) => judgeJoin(history, player));
    }
    const encoder = String(setting.encoder);
    const back = judgeReconnect(history, encoder);
    if (timeOf(history, 'back') === undefined) return [back];
    if (words(setting.players).length === 0) return [back, notSeen(history, 'players on every edge')];
    const recovered = words(setting.players).map((player) =>
      judgeRecovery(history, player, encoder, Number(setting.withinMs)),
    );
    if (timeOf(history, 'recovered') === undefined) return [back, ...recovered];
    return [back, ...recovered, ...judgeNewcomers(history)];
  },
});

/**
 * At the master that edges ask first, so that all of them pull from the one that dies: the balancer gives the next
 * publisher to the other master.
 */
async function publishAtFirst(t: CheckContext): Promise<{
  stream: string;
  url: string;
  encoder: RecordedPublisher;
  holder: string;
}> {
  const [first] = namesOf(t, 'master');
  for (;;) {
    const stream = t.stream();
    const url = t.publishUrl(stream);
    const encoder = await t.publish({ url, label: 'encoder' });
    const holder = await holderOf(t, stream);
    if (holder === first || encoder.label !== 'encoder') return { stream, url, encoder, holder };
    await encoder.stop();
  }
}

function judgeJoin(history: History, player: string): Judgement {
  const expected = `${player}: the stream within ${JOINED_WITHIN_MS} ms`;
  const frames = videoOf(history.got(player)).length;
  if (frames > 0) return judged(true, expected, `${frames} frames`);
  return missedBy(history, player, expected, 'no frame');
}

/** Waits until the encoder sees that its connection is gone, and publishes anew as encoders do. */
async function reconnect(
  t: CheckContext,
  encoder: RecordedPublisher,
  url: string,
): Promise<RecordedPublisher> {
  const { label } = encoder;
  await t.until(`${label}: its connection is closed`, NOTICED_WITHIN_MS, (history) =>
    history.of('client.closed').some(({ client }) => client === label),
  );
  const retry = { everyMs: ENCODER_RETRY_MS, withinMs: ENCODER_BACK_WITHIN_MS };
  return t.publish({ url, label: again(label), retry });
}

/** The label of an encoder that came back. */
function again(encoder: string): string {
  return `${encoder}-again`;
}

function judgeReconnect(history: History, encoder: string): Judgement {
  const expected = `the encoder, which tries every ${ENCODER_RETRY_MS} ms, gets through with its first attempt, which the balancer gives to the other master (redispatch), within ${ENCODER_BACK_WITHIN_MS} ms`;
  const closed = lossOf(history, encoder);
  if (closed === undefined) {
    return missedBy(history, encoder, 'the encoder is told that its master is gone', 'it was not');
  }
  const attempts = history
    .of('step')
    .filter(({ step, data }) => step === 'publish-attempt' && data.publisher === again(encoder)).length;
  const back = timeOf(history, 'back');
  if (back === undefined) return missedBy(history, again(encoder), expected, `not in ${attempts} attempts`);
  const after = Math.round(back - closed.t);
  const inTime = judged(
    after <= ENCODER_BACK_WITHIN_MS && attempts === 1,
    expected,
    `after ${after} ms, with attempt ${attempts}`,
  );
  return unlessOurs(history, inTime, ENCODER_BACK_WITHIN_MS);
}

/** The gap is what a viewer sees: from the last frame of the one publication to the first of the next. */
function judgeRecovery(history: History, player: string, encoder: string, withinMs: number): Judgement {
  const expected = `${player}: connected, and frames again within ${withinMs} ms after the encoder is back`;
  const lost = lossOf(history, player);
  if (lost) return failed(expected, `closed: ${lost.reason}, ${lost.code}`);
  const next = framesFrom(history, player, again(encoder));
  if (next.length < RECOVERED_FRAMES) {
    return missedBy(history, player, expected, `${next.length} frames`);
  }
  const last = framesFrom(history, player, encoder).at(-1);
  const after = Math.round(next[0]!.t - timeOf(history, 'back')!);
  const gap = last === undefined ? '' : `, a gap of ${Math.round(next[0]!.t - last.t)} ms`;
  const inTime = judged(after <= withinMs, expected, `after ${Math.max(0, after)} ms${gap}`);
  return unlessOurs(history, inTime, withinMs);
}

function judgeNewcomers(history: History): Judgement[] {
  const timeOfOne = (step: string, label: unknown) =>
    history.of('step').find((event) => event.step === step && event.data.label === label)?.t;
  const came = history.of('step').filter(({ step }) => step === 'newcomer');
  const expected = `with one master down, a publisher who comes is let in within ${ADMITTED_WITHIN_MS} ms, every one of ${NEWCOMERS}`;
  const refused: string[] = [];
  const waits: Record<string, number> = {};
  for (const { t, data } of came) {
    const label = String(data.label);
    const admitted = timeOfOne('admitted', label);
    if (admitted !== undefined) waits[label] = Math.round(admitted - t);
    else if (history.of('not-observed').some(({ what }) => what.startsWith(`${label}:`))) refused.push(label);
  }
  if (refused.length > 0) return [failed(expected, `not ${refused.join(', ')}`)];
  const worst = Math.max(...Object.values(waits));
  if (Object.keys(waits).length < NEWCOMERS && !(worst > ADMITTED_WITHIN_MS))
    return [notSeen(history, expected)];
  const inTime = judged(worst <= ADMITTED_WITHIN_MS, expected, `ms: ${listed(waits)}`);
  return [unlessOurs(history, inTime, ADMITTED_WITHIN_MS)];
}

// no-duplicate-after-failback

/** While two masters have a publisher of one stream: long enough for their frames to meet, shorter than a retry. */
const BOTH_MS = 1000;

const noDuplicateAfterFailback = check({
  id: 'forward/no-duplicate-after-failback',
  title: 'When a master comes back and has the stream too, no slave carries it twice',
  level: 'must',
  spec: {
    source: SEED,
    where: 'two masters, each of which forwards to the same slaves',
    says: 'A slave takes a stream from one master at a time: it refuses the other, which tries again every 3 s and gets in once the first has ended. No player sees two publications mixed, nor a frame twice.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'balancer', 'forward', 'control.process', 'observe.api'],
  mutants: ['slave-refuses-second-publish-forever', 'rtmp-double-publish-accepted', 'media-doubles-frames'],
  deadlineMs: 35_000,

  async run(t) {
    const stream = t.stream();
    const url = t.publishUrl(stream);
    const encoder = await t.publish({ url, label: 'encoder' });
    const holder = await holderOf(t, stream);
    const slaves = namesOf(t, 'slave');
    const players = slaves.map((slave) => t.play(t.playUrl('rtmp', stream, slave), `at-${slave}`));
    // Edges have pulls of their own, which other checks await; here it counts what they pass on.
    const onlookers = namesOf(t, 'edge').map((edge) => t.play(t.playUrl('rtmp', stream, edge), `at-${edge}`));
    await everyOne(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
    t.step('all-play', { players: labels(players), onlookers: labels(onlookers), slaves: slaves.join(' ') });

    const master = t.cluster.nodes.get(holder)!;
    await t.control(master, 'kill');
    const second = await reconnect(t, encoder, url);
    t.step('back', { encoder: second.label });
    await everyOne(players.map(({ label }) => resumed(t, label, second)));
    await t.control(master, 'restart');
    const third = await t.publish({ url: t.publishUrl(stream, holder), label: 'third' });
    t.step('both', { first: second.label, second: third.label });
    await t.observe(BOTH_MS, 'both masters have a publisher of the stream');
    for (const slave of slaves) await t.readApi(slave, stream);
    t.step('both-seen');

    await second.stop();
    t.step('failed-back');
    await everyOne(players.map(({ label }) => resumed(t, label, third)));
    await everyOne(
      slaves.map((slave) =>
        t.untilApi(slave, stream, FORWARDED_WITHIN_MS, ({ publishers }) => publishers === 1),
      ),
    );
    t.step('end');
  },

  judge(history) {
    const setting = history.step('all-play');
    if (setting === undefined) return [notSeen(history, 'players at every slave')];
    const [players, onlookers] = [words(setting.players), words(setting.onlookers)];
    const mixed = [...players, ...onlookers].flatMap((player) => judgeMixture(history, player));
    if (mixed.length > 0) return mixed;
    const twice = words(setting.slaves).flatMap((slave) => judgeCarried(history, slave));
    if (twice.length > 0) return twice;
    for (const publisher of [again('encoder'), 'third']) {
      const judgements = players.flatMap((player) => judgeResumed(history, player, publisher));
      if (judgements.length > 0) return judgements;
    }
    if (timeOf(history, 'end') === undefined) {
      return [
        judgeReconnect(history, 'encoder'),
        notSeen(history, 'a publisher at the master that came back'),
      ];
    }
    const slaves = words(setting.slaves);
    const both = bothPublished(history, again('encoder'), 'third');
    if (both === undefined) {
      return [inconclusive('two publishers of the stream at a time', 'one had left before the other sent')];
    }
    const read = new Set(
      history.of('api.stream').flatMap(({ node, t }) => (t >= both.from && t <= both.to ? [node] : [])),
    );
    const silent = players.filter((player) =>
      [again('encoder'), 'third'].some(
        (publisher) => framesFrom(history, player, publisher).length < RECOVERED_FRAMES,
      ),
    );
    if (slaves.length === 0 || silent.length > 0 || slaves.some((slave) => !read.has(slave))) {
      return [
        notSeen(
          history,
          'a player of both publications at every slave, and what the API of each says while there are both',
        ),
      ];
    }
    return [
      judged(true, 'no slave with two publishers of the stream at a time', 'never'),
      judged(
        true,
        'one publication after the other at every player, no frame twice',
        `${players.length} players at slaves, ${onlookers.length} at edges`,
      ),
    ];
  },
});

function resumed(t: CheckContext, player: string, publisher: RecordedPublisher): Promise<void> {
  return framesOf(t, player, publisher.label, RECOVERED_FRAMES, FORWARD_RESUMED_WITHIN_MS);
}

/** From the first frame of the second one until the first one left; undefined when it had sent its last before. */
function bothPublished(
  history: History,
  first: string,
  second: string,
): { from: number; to: number } | undefined {
  const from = history.sent(second)[0]?.t;
  const last = history.sent(first).at(-1)?.t;
  if (from === undefined || last === undefined || last <= from) return undefined;
  return { from, to: history.of('client.closed').find(({ client }) => client === first)?.t ?? last };
}

/** Failures only. */
function judgeMixture(history: History, player: string): Judgement[] {
  const seen = new Set<string>();
  const over = new Set<number>();
  let current: number | undefined;
  for (const item of videoOf(history.got(player))) {
    if (item.stamp === null) continue;
    const { stream, frame } = item.stamp;
    if (stream !== current) {
      if (current !== undefined) over.add(current);
      current = stream;
    }
    if (over.has(stream)) {
      return [
        failed(`${player}: one publication after the other`, `${nameOf(item)} is of one that was over`),
      ];
    }
    if (seen.has(`${stream} ${frame}`))
      return [failed(`${player}: no frame twice`, `${nameOf(item)}, again`)];
    seen.add(`${stream} ${frame}`);
  }
  return [];
}

/** Failures only. */
function judgeCarried(history: History, slave: string): Judgement[] {
  const most = Math.max(
    0,
    ...history.of('api.stream').flatMap(({ node, publishers }) => (node === slave ? [publishers] : [])),
  );
  return most > 1 ? [failed(`${slave}: one publisher of the stream at a time`, `${most} in its API`)] : [];
}

/** What is not a pass: a publisher who got in and whose frames did not come. */
function judgeResumed(history: History, player: string, publisher: string): Judgement[] {
  const expected = `${player}: ${RECOVERED_FRAMES} frames of ${publisher} within ${FORWARD_RESUMED_WITHIN_MS} ms`;
  const count = framesFrom(history, player, publisher).length;
  if (count >= RECOVERED_FRAMES || history.sent(publisher).length === 0) return [];
  if (publisher === 'third' && timeOf(history, 'failed-back') === undefined) {
    return [inconclusive(expected, 'the check did not get that far')];
  }
  return [missedBy(history, player, expected, `${count} frames`)];
}

export const FORWARD_FAILURES: readonly Check[] = [masterDown, noDuplicateAfterFailback];
