/** Where a proxy sends streams: one origin for all protocols of a stream, all origins for many streams. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { PLAYING_WITHIN_MS, RELEASED_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History, MediaItem } from '../history.ts';
import { inconclusive, isFrame, judged, listed, notSeen, words } from '../judging.ts';
import { GOP_FRAMES, type RecordedPlayer } from '../stage.ts';
import { attempt } from '../wire/attempt.ts';
import { WireRtmp } from '../wire/rtmp.ts';
import { missedBy, namesOf } from './masters-and-slaves.ts';
import { PROXY_SPEC, PROXY_TOPOLOGIES } from './proxy-origins.ts';

/** HLS begins with its first segment; the others as from an origin. */
const PLAYED = ['rtmp', 'flv', 'hls'] as const;
/**
 * Streams: three per origin and one more. A second pick for each of them by chance is right for all ten once in 59 000
 * gates; one in turn never is, for the turn does not come back to where it began (of nine streams on three origins each
 * got its own origin again).
 */
const streamsFor = (origins: number): number => 3 * origins + 1;

/** None is another with a number behind it: HTTP-TS of `a-2` and segment 2 of `a` have one path, `a-2.ts`. */
function streamsOf(t: CheckContext): string[] {
  return Array.from({ length: streamsFor(t.nodes('origin').length) }, (_, i) => t.stream(`stream-${i}`));
}

const Step = {
  playing: 'sticky.playing',
  remuxed: 'http-ts.playing',
  spread: 'spread.published',
  left: 'gone.left',
} as const;

export const sticky = check({
  id: 'proxy/sticky',
  title: 'Every protocol of a stream goes to the origin that has it',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: PROXY_SPEC.design,
    says: 'Origins are independent of each other: a player who is sent to another one than the publisher of its stream gets nothing.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'publish.rtmp', 'play.rtmp', 'play.flv', 'play.hls', 'observe.api'],
  mutants: ['proxy-not-sticky', 'proxy-picks-per-protocol', 'proxy-segment-elsewhere'],
  deadlineMs: 40_000,

  async run(t) {
    const streams = streamsOf(t);
    await Promise.all(
      streams.map((stream) => t.publish({ url: t.publishUrl(stream), label: `to-${stream}` })),
    );
    const players = streams.flatMap((stream) => playersOf(t, stream));
    t.step(Step.playing, { streams: streams.join(' '), origins: namesOf(t, 'origin').join(' ') });
    await t.within('frames for every player', 3 * PLAYING_WITHIN_MS, allPlay(players));
    for (const stream of streams) await readOrigins(t, stream);
  },

  judge(history) {
    const streams = words(history.step(Step.playing)?.streams);
    if (streams.length === 0) return [notSeen(history, 'streams are published through the proxy')];
    const origins = words(history.step(Step.playing)?.origins);
    return streams.flatMap((stream) => [
      ...judgePlayers(history, stream),
      judgeOrigins(history, stream, origins),
    ]);
  },
});

export const httpTs = check({
  id: 'proxy/http-ts',
  title: 'HTTP-TS is passed on from the origin that has the stream, whole',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: `${PROXY_SPEC.design}; SRS http_remux`,
    says: 'HTTP-TS of a stream is the transport stream of its origin: each access unit once, as it was published.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'publish.rtmp', 'play.flv', 'play.ts'],
  mutants: ['proxy-not-sticky', 'http-ts-no-tables', 'media-drops-frames'],

  async run(t) {
    const streams = streamsOf(t);
    await Promise.all(
      streams.map((stream) => t.publish({ url: t.publishUrl(stream), label: `to-${stream}` })),
    );
    const players = streams.map((stream) =>
      t.play(t.playUrl('flv', stream).replace(/\.flv(?=\?|$)/, '.ts'), `ts-${stream}`),
    );
    t.step(Step.remuxed, { streams: streams.join(' ') });
    await t.within('frames for every player', 3 * PLAYING_WITHIN_MS, allPlay(players, 2 * GOP_FRAMES));
  },

  judge(history) {
    const streams = words(history.step(Step.remuxed)?.streams);
    if (streams.length === 0) return [notSeen(history, 'streams are published through the proxy')];
    return streams.flatMap((stream) => [judgePlayer(history, stream, 'ts'), judgeOrder(history, stream)]);
  },
});

/** Through whatever is in front: with two proxies every connection may come to another one. */
function playersOf(t: CheckContext, stream: string): RecordedPlayer[] {
  return PLAYED.map((protocol) => t.play(t.playUrl(protocol, stream), `${protocol}-${stream}`));
}

async function allPlay(players: readonly RecordedPlayer[], frames = GOP_FRAMES): Promise<void> {
  await Promise.all(
    players.map(async (player) => {
      await player.playing(3 * PLAYING_WITHIN_MS);
      await player.frames(frames, 3 * PLAYING_WITHIN_MS);
    }),
  );
}

async function readOrigins(t: CheckContext, stream: string): Promise<void> {
  for (const { spec } of t.nodes('origin')) await t.readApi(spec.name, stream);
}

function judgePlayers(history: History, stream: string): Judgement[] {
  return PLAYED.map((protocol) => judgePlayer(history, stream, protocol));
}

function judgePlayer(history: History, stream: string, protocol: (typeof PLAYED)[number] | 'ts'): Judgement {
  const sent = new Set(
    history
      .sent(`to-${stream}`)
      .filter(({ kind }) => kind === 'video')
      .map(frameOf),
  );
  const expected = `${protocol}: a GOP of what was published`;
  const frames = history.got(`${protocol}-${stream}`).filter(({ kind }) => kind === 'video');
  const foreign = frames.filter((frame) => !sent.has(frameOf(frame))).length;
  if (sent.size === 0) return inconclusive(expected, 'nothing was published');
  return judged(
    frames.length >= GOP_FRAMES && foreign === 0,
    expected,
    `${frames.length} frames, ${foreign} of them of others`,
  );
}

/** With its stream: frames of every stream are numbered from 0. */
function frameOf({ stamp }: MediaItem): string {
  return stamp === null ? 'without a stamp' : `${stamp.stream}:${stamp.frame}`;
}

function judgeOrder(history: History, stream: string): Judgement {
  const frames = history.got(`ts-${stream}`).filter(({ kind }) => kind === 'video');
  const astray = frames.filter(
    ({ stamp }, i) => i > 0 && stamp?.frame !== (frames[i - 1]!.stamp?.frame ?? Number.NaN) + 1,
  );
  return judged(
    frames.length > 0 && astray.length === 0,
    'ts: each access unit once, in order',
    `${astray.length} of ${frames.length} do not follow the one before`,
  );
}

/** As the origins tell it: one has the publisher and whoever plays, the others nobody. */
function judgeOrigins(history: History, stream: string, origins: readonly string[]): Judgement {
  const expected = `one origin has publisher and players of ${stream}, the others nobody`;
  const readings = history.of('api.stream').filter((event) => event.stream === stream);
  if (readings.length === 0) return notSeen(history, expected);
  const told = listed(Object.fromEntries(readings.map(({ node, clients }) => [node, clients])));
  const busy = readings.filter(({ clients }) => clients > 0);
  const unasked = originsUnasked(history, stream, origins);
  if (busy.length <= 1 && unasked.length > 0)
    return inconclusive(expected, `not asked: ${unasked.join(', ')}`);
  return judged(busy.length === 1 && busy[0]!.publishers === 1, expected, told);
}

/** Origins that were not asked for a stream: of all, and of those that were asked for another one. */
export function originsUnasked(history: History, stream: string, origins: readonly string[]): string[] {
  const readings = history.of('api.stream');
  const asked = new Set(readings.filter((one) => one.stream === stream).map(({ node }) => node));
  const all = new Set([...origins, ...readings.map(({ node }) => node)]);
  return [...all].filter((node) => !asked.has(node));
}

/** With three origins by chance, all of these leave one of them out once in three million gates. */
const SPREAD_STREAMS = 40;

export const spread = check({
  id: 'proxy/spread',
  title: 'Many streams are spread over all origins',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: `${PROXY_SPEC.design}; facts/srs.md 4.3`,
    says: 'The proxy balances streams over the origins that are alive, each with the same chance.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'publish.rtmp', 'observe.api'],
  mutants: ['proxy-first-origin'],

  async run(t) {
    const entry = t.cluster.entry('publish', 'rtmp');
    const prefix = t.stream('spread');
    let published = 0;
    for (let i = 0; i < SPREAD_STREAMS; i++) {
      const done = await attempt(t, `publisher ${i + 1} of ${SPREAD_STREAMS}`, async () => {
        const client = await WireRtmp.open(entry);
        t.cleanUp(() => client.close());
        await client.startPublish('live', `${prefix}-${i}`);
        return true;
      });
      if (done) published++;
    }
    const counts: Record<string, number> = {};
    for (const { spec } of t.nodes('origin')) {
      const streams = await t.cluster.api(spec.name).streams();
      counts[spec.name] = streams.filter(
        ({ name, publish }) => name.startsWith(prefix) && publish.active,
      ).length;
    }
    t.step(Step.spread, { published, ...counts });
  },

  judge(history) {
    const expected = `${SPREAD_STREAMS} streams, some of them at every origin`;
    const seen = history.step(Step.spread);
    if (seen === undefined) return [notSeen(history, expected)];
    const { published, ...counts } = seen;
    const numbers = Object.values(counts).map(Number);
    const sum = numbers.reduce((a, b) => a + b, 0);
    if (sum !== Number(published))
      return [inconclusive(expected, `${published} were let in, the origins tell of ${sum}`)];
    return [
      judged(
        published === SPREAD_STREAMS && numbers.every((count) => count > 0),
        expected,
        listed(counts as Record<string, number>),
      ),
    ];
  },
});

/** Players of whom each is one connection to the origin. */
const LEAVING = ['rtmp', 'flv'] as const;

export const clientGone = check({
  id: 'proxy/client-gone',
  title: 'A client that leaves, or is cut off, frees its connection to the origin',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: `${PROXY_SPEC.design}; facts/srs.md 1.2`,
    says: 'One connection of a client is one connection to an origin: without the client nobody needs it, and a publisher that is gone must not hold its stream.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api'],
  mutants: ['proxy-keeps-backend'],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream), label: 'publisher' });
    const players = LEAVING.map((protocol) => t.play(t.playUrl(protocol, stream), protocol));
    await Promise.all(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
    const home = await homeOf(t, stream);
    t.step(Step.left, { home: home?.spec.name ?? null, who: 'players' });
    if (home === undefined) return;
    await Promise.all(players.map((player) => player.stop()));
    await t.untilApi(home.spec.name, stream, RELEASED_WITHIN_MS, ({ clients }) => clients === 1);
    t.step(Step.left, { home: home.spec.name, who: 'publisher' });
    await publisher.stop();
    await t.untilApi(home.spec.name, stream, RELEASED_WITHIN_MS, ({ clients }) => clients === 0);
    const again = await t.publish({ url: t.publishUrl(stream), label: 'again' });
    await again.sent(GOP_FRAMES, PLAYING_WITHIN_MS);
  },

  judge(history) {
    const setting = history.step(Step.left);
    if (setting === undefined) return [notSeen(history, 'players through the proxy')];
    if (setting.home === null) return [inconclusive('an origin tells of the stream', 'none does')];
    const [players, publisher] = ['players', 'publisher'].map(
      (who) => history.of('step').find(({ step, data }) => step === Step.left && data.who === who)?.t,
    );
    const told = (from = Number.POSITIVE_INFINITY, to = Number.POSITIVE_INFINITY) =>
      clientsTold(history, String(setting.home), from, to);
    const there = told(0, players);
    return [
      ...(there !== undefined && there > LEAVING.length
        ? []
        : [
            inconclusive(
              'their origin knows of publisher and players',
              `it tells of ${there ?? 'no'} clients`,
            ),
          ]),
      judgeFreed(history, 'players', 1, told(players, publisher)),
      judgeFreed(history, 'publisher', 0, told(publisher)),
      judgeAgain(history, 'the stream can be published again'),
    ];
  },
});

/** @param told clients of whom the origin tells, whose client has left. */
function judgeFreed(history: History, who: string, left: number, told: number | undefined): Judgement {
  const expected = `${RELEASED_WITHIN_MS} ms after the ${who} left, their origin does not know of them`;
  return told === undefined
    ? notSeen(history, expected)
    : judged(told <= left, expected, `it tells of ${told} clients`);
}

/** A stream that is free: `again` publishes it. A failure only where that was tried. */
export function judgeAgain(history: History, expected: string): Judgement {
  const sent = history.sent('again');
  const actual = `${sent.length} items sent`;
  if (sent.filter(isFrame).length >= GOP_FRAMES) return judged(true, expected, actual);
  return missedBy(history, 'again', expected, actual);
}

/** Clients of whom an origin told last between two times, epoch ms; undefined when it was not asked then. */
export function clientsTold(
  history: History,
  node: string,
  from: number,
  to = Number.POSITIVE_INFINITY,
  stream?: string,
): number | undefined {
  return history
    .of('api.stream')
    .findLast(
      (one) =>
        one.node === node && one.t >= from && one.t <= to && (stream === undefined || one.stream === stream),
    )?.clients;
}

/** The origin that has the publisher, as the origins tell it. */
export async function homeOf(t: CheckContext, stream: string): Promise<ClusterNode | undefined> {
  for (const node of t.nodes('origin')) {
    const { publishers } = await t.readApi(node.spec.name, stream);
    if (publishers > 0) return node;
  }
  return undefined;
}
