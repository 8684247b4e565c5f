/** Forwarding: a stream that is published to one master through the balancer is at every slave, as it is. */
import { FORWARD_ENDED_WITHIN_MS, FORWARDED_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import type { History, MediaItem, StepData } from '../history.ts';
import {
  compareFrames,
  failed,
  inconclusive,
  judged,
  listed,
  notSeen,
  unlessOurs,
  words,
} from '../judging.ts';
import { FRAME_MS } from '../stage.ts';
import { FORWARD_FAILURES } from './forward-failures.ts';
import { FORWARD_RECONNECTS } from './forward-reconnects.ts';
import {
  everyOne,
  FORWARD_CLUSTER,
  holderOf,
  missedBy,
  namesOf,
  openingsOf,
  SEED,
  SRS,
} from './masters-and-slaves.ts';

// reaches-every-slave

/** More than two GOPs and more than any period of the lab's own frame defects. */
const COMPARED_FRAMES = 60;
/** Audio and video leave the publisher in the order of their timestamps; a merged write or two may be between. */
const AUDIO_BEHIND_MS = TWO_HOPS_MS;

const reachesEverySlave = check({
  id: 'forward/reaches-every-slave',
  title: 'What is published through the balancer is at one master and, frame for frame, at every slave',
  level: 'must',
  spec: {
    source: SEED,
    where: 'master.conf: forward; haproxy.cfg: listen srs-cluster',
    says: 'The balancer gives a publisher to one master. That master forwards the stream to all slaves, over one connection each.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'balancer', 'forward', 'observe.upstream', 'observe.api'],
  mutants: [
    'master-skips-a-slave',
    'master-forwards-twice',
    'media-drops-frames',
    'media-flips-byte',
    'media-drops-audio',
  ],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    const holder = await holderOf(t, stream);
    const [masters, slaves] = [namesOf(t, 'master'), namesOf(t, 'slave')];
    t.step('published', {
      publisher: publisher.label,
      holder,
      masters: masters.join(' '),
      slaves: slaves.join(' '),
    });
    await everyOne(
      slaves.flatMap((slave) => [
        t.untilApi(slave, stream, FORWARDED_WITHIN_MS, ({ publishers }) => publishers === 1),
        t
          .play(t.playUrl('rtmp', stream, slave), slave)
          .frames(COMPARED_FRAMES, COMPARED_FRAMES * FRAME_MS + FORWARDED_WITHIN_MS + TWO_HOPS_MS),
      ]),
    );
    for (const master of masters) await t.readApi(master, stream);
  },

  judge(history) {
    const setting = history.step('published');
    if (setting === undefined) return [notSeen(history, 'a stream that is published through the balancer')];
    const [masters, slaves] = [words(setting.masters), words(setting.slaves)];
    if (slaves.length === 0) return [notSeen(history, 'slaves that a stream is forwarded to')];
    const sent = history.sent(String(setting.publisher));
    return [
      judgeHolder(history, masters),
      ...slaves.flatMap((slave) => [
        judgeLink(history, String(setting.holder), slave, masters),
        judgeSlave(history, slave, sent),
      ]),
    ];
  },
});

/** A master that was not asked may have a publisher as well. */
function judgeHolder(history: History, masters: readonly string[]): Judgement {
  const expected = 'one master has the publisher';
  const having = masters.filter((master) => publishersAt(history, master) > 0);
  const unread = masters.filter((master) => !history.of('api.stream').some(({ node }) => node === master));
  if (having.length <= 1 && unread.length > 0) {
    return inconclusive(expected, `not asked: ${unread.join(', ')}`);
  }
  return judged(having.length === 1, expected, having.join(', ') || 'none');
}

function publishersAt(history: History, node: string): number {
  return history.of('api.stream').findLast((event) => event.node === node)?.publishers ?? 0;
}

/** One connection of the master that has the stream, none of the others; the taps and the slave's API agree. */
function judgeLink(history: History, holder: string, slave: string, masters: readonly string[]): Judgement {
  const opened = Object.fromEntries(masters.map((master) => [master, openingsOf(history, master, slave)]));
  const publishers = publishersAt(history, slave);
  const expected = `${slave}: one forwarder, of ${holder}`;
  const actual = `connections of ${listed(opened)}; publishers in its API: ${publishers}`;
  const one = masters.every((master) => opened[master] === (master === holder ? 1 : 0));
  if (publishers === 1 && Object.values(opened).every((count) => count === 0)) {
    return inconclusive(expected, `${actual}: the tap did not see it`);
  }
  return judged(one && publishers === 1, expected, actual);
}

function judgeSlave(history: History, slave: string, sent: ReturnType<History['sent']>): Judgement {
  const expected = `${slave}: ${COMPARED_FRAMES} video frames, and audio, as they were sent`;
  const { compared, differences } = compareFrames(sent, history.got(slave));
  const [difference] = differences;
  if (difference) return failed(`${slave}: ${difference.expected}`, difference.actual);
  const actual = `${compared.video} video and ${compared.audio} audio frames, all the same`;
  if (compared.video < COMPARED_FRAMES) return missedBy(history, slave, expected, actual);
  const timeOf = (kind: MediaItem['kind']) =>
    history.got(slave).findLast((item) => item.kind === kind)?.timestamp ?? Number.NEGATIVE_INFINITY;
  const behindMs = timeOf('video') - timeOf('audio');
  return judged(behindMs <= AUDIO_BEHIND_MS, expected, `${actual}; audio ends ${behindMs} ms before video`);
}

// round-robin

/** Of two masters each is to get two. */
const TURNS = 4;

const roundRobin = check({
  id: 'forward/round-robin',
  title: 'Publishers who come through the balancer are given to the masters in turn',
  level: 'must',
  spec: {
    source: SEED,
    where: 'haproxy.cfg: balance roundrobin; HAProxy 2.6 Configuration Manual, "balance"',
    says: 'Each server is used in turns, so that the masters share the publishers.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'balancer', 'observe.api'],
  mutants: ['balancer-one-master'],

  async run(t) {
    t.step('turns', { masters: namesOf(t, 'master').join(' ') });
    for (let turn = 1; turn <= TURNS; turn++) {
      const stream = t.stream(`turn-${turn}`);
      await t.publish({ url: t.publishUrl(stream), label: stream });
      t.step('landed', { stream, master: await holderOf(t, stream) });
    }
  },

  judge(history) {
    const masters = words(history.step('turns')?.masters);
    const landed = history
      .of('step')
      .filter(({ step, data }) => step === 'landed' && tells(history, data))
      .map(({ data }) => String(data.master));
    const share = Object.fromEntries(
      masters.map((master) => [master, landed.filter((one) => one === master).length]),
    );
    const expected = `${TURNS} publishers, the same number at each of ${masters.length} masters`;
    const even = masters.every((master) => share[master] === TURNS / masters.length);
    if (masters.length === 0) return [notSeen(history, expected)];
    if (landed.length === TURNS) return [judged(even, expected, listed(share))];
    const refused = history.of('not-observed')[0];
    if (refused === undefined) return [notSeen(history, expected)];
    return [failed(expected, `${listed(share)}; then not ${refused.what}`)];
  },
});

/** Whether the API of a master told of the stream that is said to have landed there. */
function tells(history: History, { master, stream }: StepData): boolean {
  return history
    .of('api.stream')
    .some((event) => event.node === master && event.stream === stream && event.publishers > 0);
}

// publish-ends-everywhere

const publishEndsEverywhere = check({
  id: 'forward/publish-ends-everywhere',
  title: 'When the publisher leaves, the stream ends at every slave',
  level: 'must',
  spec: {
    source: SRS,
    where:
      'app/srs_app_source.cpp, SrsOriginHub::on_unpublish; app/srs_app_forward.cpp, SrsForwarder::on_unpublish',
    says: 'The forwarders of a stream end with its publisher: no slave goes on having it.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'balancer', 'forward', 'observe.upstream', 'observe.api'],
  mutants: ['master-forward-keeps-after-unpublish'],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    const holder = await holderOf(t, stream);
    const slaves = namesOf(t, 'slave');
    const untilAll = (count: number, withinMs: number) =>
      everyOne(
        slaves.map((slave) => t.untilApi(slave, stream, withinMs, ({ publishers }) => publishers === count)),
      );
    await untilAll(1, FORWARDED_WITHIN_MS);
    t.step('everywhere', { holder, slaves: slaves.join(' ') });
    await publisher.stop();
    t.step('left');
    await untilAll(0, FORWARD_ENDED_WITHIN_MS);
    await t.until('every forwarder closed', FORWARD_ENDED_WITHIN_MS, (history) =>
      slaves.every((slave) => openLinks(history, holder, slave) === 0),
    );
  },

  judge(history) {
    const setting = history.step('everywhere');
    const left = history.of('step').find(({ step }) => step === 'left')?.t;
    if (setting === undefined || left === undefined) {
      return [notSeen(history, 'a stream at every slave, whose publisher leaves')];
    }
    return words(setting.slaves).flatMap((slave) => {
      const expected = `${slave}: no publisher and no forwarder within ${FORWARD_ENDED_WITHIN_MS} ms after the publisher left`;
      const last = history.of('api.stream').findLast((event) => event.node === slave && event.t > left);
      if (last === undefined) return [inconclusive(expected, 'its API was not read')];
      const links = openLinks(history, String(setting.holder), slave);
      if (last.publishers === 0 && openingsOf(history, String(setting.holder), slave) === 0)
        return [inconclusive(expected, 'the tap saw no forwarder at all')];
      const before = history.of('api.stream').findLast((event) => event.node === slave && event.t < left);
      if (last.publishers === 0 && links === 0 && !before?.publishers)
        return [inconclusive(expected, 'its API told of no publisher before either')];
      const closed = history.of('tap.close').findLast(({ tap }) => tap === `${setting.holder}>${slave}`);
      const after = Math.round((closed?.t ?? left) - left);
      const actual = `${last.publishers} in its API after ${Math.round(last.t - left)} ms, ${links} open at the tap, the last one closed after ${after} ms`;
      if (last.publishers > 0 || links > 0) return [failed(expected, actual)];
      const inTime = judged(after <= FORWARD_ENDED_WITHIN_MS, expected, actual);
      return [unlessOurs(history, inTime, FORWARD_ENDED_WITHIN_MS)];
    });
  },
});

function openLinks(history: History, from: string, to: string): number {
  const count = (type: 'tap.open' | 'tap.close') =>
    history.of(type).filter(({ tap }) => tap === `${from}>${to}`).length;
  return count('tap.open') - count('tap.close');
}

export const forward: readonly Check[] = [
  reachesEverySlave,
  roundRobin,
  publishEndsEverywhere,
  ...FORWARD_RECONNECTS,
  ...FORWARD_FAILURES,
];
