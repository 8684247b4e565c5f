/** SRT: what a publisher sends is what players get, when they are to get it, and though the link loses some of it. */
import { SrtClient } from '../../drivers/srt/client.ts';
import {
  MERGED_WRITE_MS,
  SRT_EARLY_MS,
  SRT_LATE_MS,
  SRT_PEER_LATENCY_MS,
  SRT_RECEIVE_LATENCY_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, inconclusive, judged, nameOf, notSeen, unlessOurs, videoOf, words } from '../judging.ts';
import { shareObservation } from '../shared-observation.ts';
import { FRAME_MS, labels, type RecordedPlayer, type RecordedPublisher } from '../stage.ts';
import { stepsOf } from '../wire/attempt.ts';
import {
  closedByPeer,
  DRAFT,
  EDGE_CLUSTER,
  judgeMissing,
  line,
  SRS,
  SRT_PLAYING_WITHIN_MS,
  withLatency,
} from './srt-lines.ts';

/** More than the longest period of the lab's own defects: 500 transport packets are one and a half seconds. */
const FRAMES = 75;
const ASKED = { publisher: 400, player: 300 } as const;

/** A publisher and players, all asking for more latency than the server has. */
function observeDelivery(t: CheckContext): Promise<void> {
  return shareObservation(t, 'srt-delivery', async () => {
    const stream = t.stream();
    const publisher = await t.publish({
      url: withLatency(t.publishUrl(stream, undefined, 'srt'), ASKED.publisher),
    });
    const srt = t.play(withLatency(t.playUrl('srt', stream), ASKED.player), 'srt');
    const node = t.cluster.entry('play', 'srt').node;
    const others = (['rtmp', 'flv'] as const).map((protocol) =>
      t.play(t.playUrl(protocol, stream, node), protocol),
    );
    t.step('watched', {
      publisher: publisher.label,
      player: srt.label,
      others: labels(others),
      sendLatency: Math.max(SRT_RECEIVE_LATENCY_MS, ASKED.publisher),
      playLatency: Math.max(SRT_PEER_LATENCY_MS, ASKED.player),
    });
    await Promise.all(
      [srt, ...others].map((player) => player.frames(FRAMES, FRAMES * FRAME_MS + SRT_PLAYING_WITHIN_MS)),
    );
  });
}

// publish-play-exact

const publishPlayExact = check({
  id: 'srt/publish-play-exact',
  title:
    'What is published over SRT is played over SRT byte for byte, and over RTMP and HTTP-FLV frame for frame',
  level: 'must',
  spec: {
    source: SRS,
    where: 'app/srs_app_srt_source.cpp, SrsSrtSource::on_packet and SrsSrtFrameBuilder',
    says: 'The transport stream of an SRT publisher goes to SRT players as it is. Its access units go to all other players.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt', 'play.rtmp', 'play.flv'],
  mutants: ['srt-drops-ts-packets', 'srt-swaps-packets'],
  run: observeDelivery,

  judge(history) {
    const watched = history.step('watched');
    if (watched === undefined) return judgeMissing(history, ['publisher'], 'players of an SRT publisher');
    const publisher = `${watched.publisher}`;
    return [
      judgePackets(history, publisher, `${watched.player}`, FRAMES),
      ...[`${watched.player}`, ...words(watched.others)].map((player) =>
        judgeFrames(history, publisher, player, FRAMES),
      ),
    ];
  },
});

/** Whether a player got every transport packet from its first one on, in order; a frame is one at the least. */
export function judgePackets(history: History, publisher: string, player: string, frames: number): Judgement {
  const sent = packetsOf(history, publisher, 'sent');
  const got = packetsOf(history, player, 'got');
  const expected = `${player}: the transport packets as they were sent`;
  if (sent.length === 0) return inconclusive(expected, 'no packet was seen to be sent');
  if (got.length === 0) return failed(expected, `none of ${sent.length}`);
  // The first of them may be a table, which comes again and again but for its counter.
  const from = sent.findIndex((_, at) => got.slice(0, 20).every((sum, i) => sum === sent[at + i]));
  if (from < 0) return failed(expected, 'its first packets were not sent in that order');
  const at = got.findIndex((sum, i) => sum !== sent[from + i]);
  if (at < 0) {
    const told = `${got.length} packets, all the same`;
    return got.length < frames
      ? inconclusive(`${expected}, ${frames} of them`, told)
      : judged(true, expected, told);
  }
  const place = sent.indexOf(got[at]!, from + at);
  const other = place < 0 ? 'is none that was to come' : `was to come ${place - from - at} packets later`;
  return failed(expected, `after ${at} packets one that ${other}`);
}

function packetsOf(history: History, client: string, way: 'sent' | 'got'): number[] {
  return history
    .of('srt.message')
    .filter((event) => event.client === client && event.way === way)
    .flatMap(({ packets }) => [...packets]);
}

/**
 * Whether a player got every frame of a publisher from its first one on, unharmed, and `least` of them from `since` on
 * (epoch ms; default whenever).
 */
export function judgeFrames(
  history: History,
  publisher: string,
  player: string,
  least: number,
  since = Number.NEGATIVE_INFINITY,
): Judgement {
  const expected = `${player}: every frame of ${publisher} once, in order and unharmed`;
  const own = videoOf(history.sent(publisher)).find(({ stamp }) => stamp !== null)?.stamp?.stream;
  if (own === undefined) {
    const refused = closedByPeer(history, publisher);
    if (refused !== undefined) return failed(expected, `${publisher} was closed: ${refused.code}`);
    return inconclusive(expected, 'nothing was published');
  }
  const got = videoOf(history.got(player));
  let next = got[0]?.stamp?.frame ?? 0;
  for (const frame of got) {
    const { stamp } = frame;
    if (stamp === null || stamp.stream !== own) return failed(expected, `not its own: ${nameOf(frame)}`);
    if (!stamp.intact) return failed(expected, `damaged: ${nameOf(frame)}`);
    if (stamp.frame !== next) return failed(expected, `frame ${stamp.frame} instead of ${next}`);
    next++;
  }
  return judgeCount(history, { publisher, player, least, since }, expected);
}

interface Goal {
  readonly publisher: string;
  readonly player: string;
  readonly least: number;
  /** Epoch ms. */
  readonly since: number;
}

/** Whether a player got `least` frames from `since` on. It has not to where a publisher that is well sent fewer. */
export function judgeCount(history: History, goal: Goal, expected: string): Judgement {
  const { publisher, player, least, since } = goal;
  const all = videoOf(history.got(player));
  const later = all.filter(({ t }) => t >= since).length;
  const actual = `${all.length} frames, all well${since > 0 ? `, ${later} of them after it` : ''}`;
  if (later >= least) return judged(true, expected, actual);
  // What has come is well, but it has stopped coming, or never began.
  const asked = `${expected}, ${least} of them`;
  const lost = closedByPeer(history, player) ?? closedByPeer(history, publisher);
  if (lost !== undefined) return failed(asked, `${actual}, and ${lost.client} was closed: ${lost.code}`);
  const sent = videoOf(history.sent(publisher)).filter(({ t }) => t >= since).length;
  return sent >= least ? failed(asked, actual) : notSeen(history, expected);
}

// latency-as-configured

const latencyAsConfigured = check({
  id: 'srt/latency-as-configured',
  title: 'What is received over SRT is handed on after the latency that was agreed on, and not before',
  level: 'must',
  spec: {
    source: DRAFT,
    where: 'sections 4.4 and 4.5.1 (TSBPD, packet delivery time)',
    says: 'A packet is delivered at its timestamp and the latency, in the clock of the receiver. From a publisher through a server to a player that is the sum of both latencies.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt', 'play.rtmp', 'play.flv'],
  mutants: ['srt-latency-ignored'],
  run: observeDelivery,

  judge(history) {
    const watched = history.step('watched');
    if (watched === undefined) return judgeMissing(history, ['publisher'], 'players of an SRT publisher');
    const first = Number(watched.sendLatency);
    const both = first + Number(watched.playLatency);
    return [
      judgeDelays(history, `${watched.player}`, both, SRT_LATE_MS),
      ...words(watched.others).map((player) =>
        judgeDelays(history, player, first, SRT_LATE_MS + MERGED_WRITE_MS),
      ),
    ];
  },
});

/** The earliest frame is held against the latency, the middle one against what comes on top of it. */
function judgeDelays(history: History, player: string, latencyMs: number, lateMs: number): Judgement {
  const delays = videoOf(history.got(player))
    .flatMap(({ stamp, t }) => (stamp === null ? [] : [t - stamp.sentAt]))
    .sort((a, b) => a - b);
  const expected = `${player}: frames after ${latencyMs} ms, at the most ${lateMs} ms more`;
  const [earliest, middle] = [delays[0], delays[delays.length >> 1]];
  if (earliest === undefined || middle === undefined) return inconclusive(expected, 'no frame was seen');
  const actual = `the earliest after ${Math.round(earliest)} ms, half of them after ${Math.round(middle)} ms`;
  if (earliest < latencyMs - SRT_EARLY_MS) return failed(expected, actual);
  const inTime = middle <= latencyMs + lateMs;
  if (inTime && delays.length < FRAMES)
    return inconclusive(expected, `${actual}, of ${delays.length} frames`);
  return unlessOurs(history, judged(inTime, expected, actual), lateMs);
}

// loss-recovered

const LOSS = 0.05;
const LOSS_LATENCY_MS = 400;
/** At 46 messages per second and one in twenty lost, about nine are. */
const LOSSY_FRAMES = 100;

const lossRecovered = check({
  id: 'srt/loss-recovered',
  title: 'Of what a link loses nothing is missing, within the latency',
  level: 'must',
  spec: {
    source: DRAFT,
    where: 'section 4.8 (acknowledgement and lost packet handling)',
    says: 'A receiver reports what is missing, and the sender sends it again: with 5 % loss, and a latency of many round trips, every packet comes in time.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt', 'play.rtmp'],
  mutants: ['srt-loss-not-recovered', 'srt-no-nak'],

  async run(t) {
    const stream = t.stream();
    const spoiled = { loss: LOSS };
    const up = await line(t, 'publisher', ['upstream', spoiled]);
    const down = await line(t, 'player', ['downstream', spoiled]);
    up.tap.setFaults('downstream', spoiled);
    down.tap.setFaults('upstream', spoiled);
    const publisher = await t.publish({
      url: up.through(withLatency(t.publishUrl(stream, undefined, 'srt'), LOSS_LATENCY_MS)),
    });
    const player = t.play(down.through(withLatency(t.playUrl('srt', stream), LOSS_LATENCY_MS)), 'srt');
    const rtmp = t.play(t.playUrl('rtmp', stream, t.cluster.entry('play', 'srt').node), 'rtmp');
    t.step('watched', { publisher: publisher.label, players: `${player.label} ${rtmp.label}` });
    try {
      await Promise.all(
        [player, rtmp].map((one) =>
          one.frames(LOSSY_FRAMES, LOSSY_FRAMES * FRAME_MS + SRT_PLAYING_WITHIN_MS),
        ),
      );
    } finally {
      recordFigures(t, publisher);
      recordFigures(t, player);
      t.step('lost', { up: up.tap.counts('upstream').lost, down: down.tap.counts('downstream').lost });
    }
  },

  judge(history) {
    const watched = history.step('watched');
    const lost = history.step('lost');
    if (watched === undefined || lost === undefined) {
      return judgeMissing(history, ['publisher'], 'a publisher and a player on links that lose');
    }
    const publisher = `${watched.publisher}`;
    const frames = words(watched.players).map((player) =>
      judgeFrames(history, publisher, player, LOSSY_FRAMES),
    );
    return [...frames, ...judgeRepairs(history, publisher, words(watched.players)[0]!, lost)];
  },
});

function recordFigures(t: CheckContext, { label, client }: RecordedPlayer | RecordedPublisher): void {
  const srt = client instanceof SrtClient ? client.srt : undefined;
  if (srt === undefined) return;
  const { naksSent, naksReceived, retransmitsSent, retransmitsReceived, packetsDropped } = srt;
  t.step('figures', {
    client: label,
    naksSent,
    naksReceived,
    retransmitsSent,
    retransmitsReceived,
    packetsDropped,
  });
}

/** Where nothing was lost, or nothing sent again, a whole stream proves nothing. */
function judgeRepairs(
  history: History,
  publisher: string,
  player: string,
  lost: EventOf<'step'>['data'],
): Judgement[] {
  const figures = (client: string) => stepsOf(history, 'figures').find((one) => one.client === client);
  const [sender, receiver] = [figures(publisher), figures(player)];
  const expected = 'both links lost packets, which were asked for and sent again';
  const told = `lost ${lost.up} and ${lost.down}; sent again by the publisher: ${sender?.retransmitsSent ?? 0}, asked for by the player: ${receiver?.naksSent ?? 0} times, come again: ${receiver?.retransmitsReceived ?? 0}`;
  const all = [
    lost.up,
    lost.down,
    sender?.retransmitsSent,
    receiver?.naksSent,
    receiver?.retransmitsReceived,
  ];
  return [
    all.every((count) => Number(count ?? 0) > 0)
      ? judged(true, expected, told)
      : inconclusive(expected, told),
  ];
}

export const SRT_DELIVERY: readonly Check[] = [publishPlayExact, latencyAsConfigured, lossRecovered];
