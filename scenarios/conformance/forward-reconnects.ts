/** Forwarding after a break: the slave or the link to it was gone, and the master connects anew. */
import {
  FORWARD_DELAY_MS,
  FORWARD_RESUMED_WITHIN_MS,
  FORWARD_RETRY_MS,
  FORWARDED_WITHIN_MS,
  PLAYING_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
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
  unlessOurs,
  videoOf,
  words,
} from '../judging.ts';
import { FRAME_MS, labels, type RecordedPlayer } from '../stage.ts';
import { judgeGone } from '../wire/presence.ts';
import { strike } from './failover-faults.ts';
import {
  breakLink,
  everyOne,
  FORWARD_CLUSTER,
  type Got,
  holderOf,
  lossOf,
  missedBy,
  namesOf,
  SRS,
  timeOf,
} from './masters-and-slaves.ts';

const WHERE = 'app/srs_app_forward.cpp, SrsForwarder::cycle';
const RECONNECTED = 'players at a slave after a reconnect';

// slave-restart

const AFTERWARDS_FRAMES = 5;

const slaveRestart = check({
  id: 'forward/slave-restart',
  title: 'A slave that was down has the stream again, and nobody else notices',
  level: 'must',
  spec: {
    source: SRS,
    where: WHERE,
    says: 'A forwarder tries again every 3 s, for as long as the stream is published. What a slave does, or does not, is no affair of the publisher, nor of the other slaves.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'balancer', 'forward', 'control.process', 'observe.api'],
  mutants: [
    'master-forward-stops-after-slave-restart',
    'master-forward-retries-late',
    'master-forward-disturbs-publisher',
    'master-forward-stalls-others',
    'media-drops-frames',
  ],
  deadlineMs: 25_000,

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    const holder = await holderOf(t, stream);
    const [victim, ...others] = t.nodes('slave');
    const bystanders = [holder, ...others.map(({ spec }) => spec.name)].map((node) =>
      t.play(t.playUrl('rtmp', stream, node), `at-${node}`),
    );
    const { name } = victim!.spec;
    await everyOne([
      ...bystanders.map((player) => player.playing(PLAYING_WITHIN_MS)),
      t.untilApi(name, stream, FORWARDED_WITHIN_MS, ({ publishers }) => publishers === 1),
    ]);
    t.step('all-play', {
      publisher: publisher.label,
      bystanders: labels(bystanders),
      slave: name,
    });
    await strike(t, victim!, 'kill');
    await t.control(victim!, 'restart');
    t.step('started-again');
    const back = t.play(t.playUrl('rtmp', stream, name), 'back');
    await back.playing(FORWARD_RESUMED_WITHIN_MS);
    await Promise.all(
      bystanders.map((player) => player.frames(AFTERWARDS_FRAMES, FORWARD_DELAY_MS + TWO_HOPS_MS)),
    );
  },

  judge(history) {
    const setting = history.step('all-play');
    const again = timeOf(history, 'started-again');
    if (setting === undefined || again === undefined) {
      return [notSeen(history, 'a slave that is killed and started again while a stream is live')];
    }
    const publisher = String(setting.publisher);
    const killed = history.of('node.control')[0]?.t;
    const bystanders = words(setting.bystanders);
    if (killed === undefined || bystanders.length === 0) {
      return [notSeen(history, 'a slave that is killed, and players elsewhere')];
    }
    const sent = history.sent(publisher);
    return [
      ...judgeGone(history),
      judgePublisher(history, publisher),
      ...bystanders.flatMap((player) => judgeBystander(history, player, sent, killed)),
      judgeBack(history, String(setting.slave), again),
    ];
  },
});

/** One that is not read from shows at the player who is at the same master. */
function judgePublisher(history: History, publisher: string): Judgement {
  const lost = lossOf(history, publisher);
  const actual = lost ? `closed: ${lost.reason}, ${lost.code}` : 'kept';
  return judged(lost === undefined, 'the publisher keeps its connection', actual);
}

/** A player somewhere else: every frame, and none late. */
function judgeBystander(
  history: History,
  player: string,
  sent: readonly EventOf<'publisher.sent'>[],
  since: number,
): Judgement[] {
  const got = history.got(player);
  const lost = lossOf(history, player);
  if (lost) return [failed(`${player} keeps its connection`, `closed: ${lost.reason}, ${lost.code}`)];
  const [difference] = compareFrames(sent, got).differences;
  if (difference) return [failed(`${player}: ${difference.expected}`, difference.actual)];
  const gap = longestGap(history, videoOf(got), since);
  const expected = `${player}: no gap of more than ${FORWARD_DELAY_MS} ms between two frames`;
  const afterwards = videoOf(got).filter(({ t }) => t > since).length;
  if (gap <= FORWARD_DELAY_MS && afterwards < AFTERWARDS_FRAMES)
    return [inconclusive(expected, `${afterwards} frames since the fault`)];
  return [
    unlessOurs(
      history,
      judged(gap <= FORWARD_DELAY_MS, expected, `${Math.round(gap)} ms at the most`),
      FORWARD_DELAY_MS,
    ),
  ];
}

/** Between two items, in order, the later of which came after `since`; the last one's lasts until the end of the run. */
function longestGap(history: History, items: readonly { readonly t: number }[], since: number): number {
  const end = history.of('generator')[0]?.t ?? history.events.at(-1)!.t;
  const times = [...items.map(({ t }) => t), end];
  return Math.max(...times.map((t, i) => (t > since ? t - (times[i - 1] ?? since) : 0)));
}

function judgeBack(history: History, slave: string, again: number): Judgement {
  const expected = `a keyframe of the stream from ${slave} within ${FORWARD_RESUMED_WITHIN_MS} ms (a retry after ${FORWARD_RETRY_MS} ms, one GOP) after it was started again`;
  const first = videoOf(history.got('back')).find(({ key, t }) => key && t >= again);
  if (first === undefined) return missedBy(history, 'back', expected, 'none');
  const after = Math.round(first.t - again);
  const inTime = judged(after <= FORWARD_RESUMED_WITHIN_MS, expected, `after ${after} ms`);
  return unlessOurs(history, inTime, FORWARD_RESUMED_WITHIN_MS);
}

// absolute-timestamps

const COMPARED_FRAMES = 10;

const absoluteTimestamps = check({
  id: 'forward/absolute-timestamps',
  title: 'Timestamps at a slave are the publisher’s, also after the forwarder connected anew',
  level: 'must',
  spec: {
    source: SRS,
    where: 'app/srs_app_forward.cpp, SrsForwarder: on_audio, on_video, SrsRtmpJitterAlgorithmOFF',
    says: 'A forwarder does not correct timestamps: they do not begin at 0 when a connection does.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'balancer', 'forward', 'observe.upstream', 'observe.api'],
  mutants: ['master-rebases-timestamps', 'media-resets-timestamps'],

  async run(t) {
    const { stream, publisher, slave, other } = await breakForwarding(t, 'kept');
    const late = await reconnected(t, stream, slave);
    t.step('players', { publisher, all: labels([other, ...late]) });
    await everyOne(
      [other, ...late].map((player) => player.frames(COMPARED_FRAMES, FORWARD_RESUMED_WITHIN_MS)),
    );
  },

  judge: (history) => judgeReconnected(history, judgeTimestamps),
});

/** Video by the number in its stamp, audio by its bytes, of which there may be more than one of a kind. */
function judgeTimestamps(
  player: string,
  sent: readonly EventOf<'publisher.sent'>[],
  got: readonly Got[],
): Judgement {
  const expected = `${player}: every frame with the timestamp that the publisher gave it`;
  const frames = got.filter(isFrame);
  const originals = new Map<string, number[]>();
  for (const item of sent.filter(isFrame)) {
    const same = originals.get(identity(item));
    if (same) same.push(item.timestamp);
    else originals.set(identity(item), [item.timestamp]);
  }
  for (const item of frames) {
    const given = originals.get(identity(item));
    if (given?.includes(item.timestamp)) continue;
    if (given === undefined) return failed(`${player}: frames that were sent`, nameOf(item));
    return failed(expected, `${nameOf(item)}, sent with ${given.join(' or ')} ms`);
  }
  const video = videoOf(frames);
  const audio = frames.length - video.length;
  if (video.filter(({ stamp }) => stamp !== null).length < COMPARED_FRAMES || audio === 0) {
    return inconclusive(
      `${player}: ${COMPARED_FRAMES} video frames, and audio`,
      `${video.length} video and ${audio} audio frames`,
    );
  }
  return judged(true, expected, `${frames.length} frames, all as sent`);
}

function identity({ kind, sum, size, stamp }: Got | EventOf<'publisher.sent'>): string {
  return stamp === null ? `${kind} ${size} ${sum}` : `${kind} ${stamp.stream} ${stamp.frame}`;
}

// headers-first

const headersFirst = check({
  id: 'forward/headers-first',
  title: 'A player at a slave gets metadata and sequence headers before frames, also after a reconnect',
  level: 'must',
  spec: {
    source: SRS,
    where: 'app/srs_app_source.cpp, SrsOriginHub::on_forwarder_start',
    says: 'Every new connection of a forwarder begins with the metadata and both sequence headers of the stream, so that the slave can serve whoever joins.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'balancer', 'forward', 'observe.upstream', 'observe.api'],
  mutants: ['master-forward-without-headers', 'media-headers-after-frames', 'media-no-metadata'],

  async run(t) {
    const { stream, publisher, slave, other } = await breakForwarding(t, 'before');
    const waiting = t.play(t.playUrl('rtmp', stream, slave), 'waiting');
    const late = await reconnected(t, stream, slave);
    const early = [other, waiting, ...late];
    t.step('players', { publisher, all: labels(early) });
    await everyOne([waiting, ...late].map((player) => player.frames(1, FORWARD_RESUMED_WITHIN_MS)));
    // From the first keyframe on the slave has a GOP, which must not come before the headers either.
    await waiting.playing(FORWARD_RESUMED_WITHIN_MS);
    const cached = t.play(t.playUrl('rtmp', stream, slave), 'cached');
    t.step('players', { publisher, all: labels([...early, cached]) });
    await cached.frames(1, PLAYING_WITHIN_MS);
  },

  judge: (history) => judgeReconnected(history, judgeHeaders),
});

/** A keyframe need not be next: a forwarder keeps no GOP (facts/srs.md 5). */
function judgeHeaders(
  player: string,
  sent: readonly EventOf<'publisher.sent'>[],
  got: readonly Got[],
): Judgement {
  const expected = `${player}: metadata, audio and video sequence header as published, then frames`;
  const firstFrame = got.findIndex(isFrame);
  if (firstFrame < 0) return inconclusive(expected, 'no frame was seen');
  const before = got.slice(0, firstFrame);
  const lacking = (['metadata', 'audio-config', 'video-config'] as const).filter((kind) => {
    const copy = before.find((item) => item.kind === kind);
    const original = sent.find((item) => item.kind === kind);
    // Nodes add to the metadata what they know of themselves.
    return copy === undefined || (kind !== 'metadata' && copy.sum !== original?.sum);
  });
  const actual = [...before.map(({ kind }) => kind), nameOf(got[firstFrame]!)].join(', ');
  return judged(
    lacking.length === 0,
    expected,
    lacking.length ? `no ${lacking.join(', ')}: ${actual}` : actual,
  );
}

// what the checks share

/** What `judge` says of each player, after a break that was seen. */
function judgeReconnected(history: History, judge: Parameters<typeof judgePlayers>[3]): Judgement[] {
  return [...judgePlayers(history, 'all', RECONNECTED, judge), judgeBreak(history)];
}

/** The tap of the link saw the forwarder's connection end, and another one begin. */
function judgeBreak(history: History): Judgement {
  const expected = 'a forwarder that loses its connection and connects anew';
  const broken = history.of('step').find(({ step }) => step === 'link-broken');
  if (broken === undefined) return notSeen(history, expected);
  const tap = `${broken.data.from}>${broken.data.to}`;
  const lost = history.of('tap.close').find((event) => event.tap === tap && event.t >= broken.t);
  const anew = lost && history.of('tap.open').find((event) => event.tap === tap && event.t >= lost.t);
  if (anew !== undefined) return judged(true, expected, `${tap}, after ${Math.round(anew.t - broken.t)} ms`);
  return inconclusive(expected, `the tap ${tap} saw no ${lost ? 'other connection' : 'connection end'}`);
}

interface Broken {
  stream: string;
  publisher: string;
  /** Whose link was broken, and which has the forwarder no more. */
  slave: string;
  /** At a slave whose link was not broken. */
  other: RecordedPlayer;
}

/** A stream that is at every slave, then the link of one of them breaks. */
async function breakForwarding(t: CheckContext, label: string): Promise<Broken> {
  const stream = t.stream();
  const publisher = await t.publish({ url: t.publishUrl(stream) });
  const holder = await holderOf(t, stream);
  const [slave, elsewhere] = namesOf(t, 'slave') as [string, string];
  const other = t.play(t.playUrl('rtmp', stream, elsewhere), label);
  await everyOne([
    other.playing(PLAYING_WITHIN_MS),
    t.untilApi(slave, stream, FORWARDED_WITHIN_MS, ({ publishers }) => publishers === 1),
  ]);
  // No timestamp is near 0 any more.
  await publisher.sent(1, FRAME_MS + TWO_HOPS_MS);
  breakLink(t, holder, slave);
  await t.untilApi(slave, stream, FORWARD_RETRY_MS, ({ publishers }) => publishers === 0);
  return { stream, publisher: publisher.label, slave, other };
}

/** The forwarder is back; players of both protocols join then. */
async function reconnected(t: CheckContext, stream: string, slave: string): Promise<RecordedPlayer[]> {
  await t.untilApi(slave, stream, FORWARD_RESUMED_WITHIN_MS, ({ publishers }) => publishers === 1);
  return (['rtmp', 'flv'] as const).map((protocol) => t.play(t.playUrl(protocol, stream, slave), protocol));
}

export const FORWARD_RECONNECTS: readonly Check[] = [slaveRestart, absoluteTimestamps, headersFirst];
