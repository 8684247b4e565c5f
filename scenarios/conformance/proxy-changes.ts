/** Origins behind a proxy come, go, start anew and flap; proxies share what they picked; ten thousand clients come and go. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { ORIGIN_ALIVE_MS, ORIGIN_DEAD_WITHIN_MS, PLAYING_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { compareFrames, failed, inconclusive, judged, notSeen, words } from '../judging.ts';
import { GOP_FRAMES } from '../stage.ts';
import { attempt } from '../wire/attempt.ts';
import { FakeOrigin } from '../wire/fake-origin.ts';
import { WireHttp } from '../wire/http.ts';
import { judgeGone, knock, untilGone } from '../wire/presence.ts';
import { WireRtmp } from '../wire/rtmp.ts';
import { lossOf, namesOf } from './masters-and-slaves.ts';
import { PROXY_SPEC, PROXY_TOPOLOGIES, register, registrationOf, streamAt } from './proxy-origins.ts';
import { homeOf, judgeAgain, originsUnasked } from './proxy-streams.ts';

const Step = {
  dead: 'changes.dead',
  asked: 'changes.asked',
  published: 'changes.published',
  anew: 'changes.anew',
  agree: 'changes.agree',
  flapping: 'changes.flapping',
  grown: 'changes.grown',
} as const;

/** New streams, of which some are picked for every origin: all miss one of three once in 10^5. */
const NEW_STREAMS = 30;

/** Whether there was anything to bear. */
function judgeKills(history: History, name: StepData[string] | undefined, times: number): Judgement[] {
  const kills = history.of('node.control').filter(({ node, action }) => node === name && action === 'kill');
  if (kills.length >= times) return [];
  return [inconclusive(`${name} dies, ${times} times`, `${kills.length} times`)];
}

/** Publishes a new stream by hand; resolves with whether it was let in. */
async function letIn(t: CheckContext, name: string): Promise<boolean> {
  const done = await attempt(t, `${name} is let in`, async () => {
    const client = await WireRtmp.open(t.cluster.entry('publish', 'rtmp'));
    t.cleanUp(() => client.close());
    await client.startPublish('live', name);
    return true;
  });
  return done === true;
}

export const deadOrigin = check({
  id: 'proxy/dead-origin',
  title:
    'New streams find an origin while one has just died, and none is sent to it once its heartbeat is missed',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: `${PROXY_SPEC.register}; facts/srs.md 4.3`,
    says: 'Origins that have not registered for the time set are not alive, and get no streams. A publisher who is sent to one that has just died is sent to another.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'publish.rtmp', 'play.hls', 'control.process'],
  mutants: ['proxy-keeps-dead-origins', 'proxy-never-repicks'],
  deadlineMs: 60_000,

  async run(t) {
    const kept = t.stream('kept');
    const first = await t.publish({ url: t.publishUrl(kept), label: 'first' });
    await first.sent(1, PLAYING_WITHIN_MS);
    const dying = await homeOf(t, kept);
    t.step(Step.dead, { node: dying?.spec.name ?? null });
    if (dying === undefined) return;
    await t.control(dying, 'kill');
    let taken = 0;
    const prefix = t.stream('new');
    for (let i = 0; i < NEW_STREAMS; i++) if (await letIn(t, `${prefix}-${i}`)) taken++;
    t.step(Step.published, { taken });
    await t
      .publish({ url: t.publishUrl(kept), label: 'again' })
      .then((publisher) => publisher.sent(GOP_FRAMES, PLAYING_WITHIN_MS));
    await t.observe(ORIGIN_DEAD_WITHIN_MS, 'the dead origin leaves the rotation');
    for (let i = 0; i < NEW_STREAMS; i++) {
      await t.http(t.playUrl('hls', t.stream('after')), { label: 'after' });
    }
    t.step(Step.asked);
    await t.control(dying, 'restart');
    await t.observe(ORIGIN_ALIVE_MS, 'the origin is in the rotation again');
  },

  judge(history) {
    const dead = history.step(Step.dead);
    if (dead === undefined) return [notSeen(history, 'an origin with a publisher')];
    if (dead.node === null) return [inconclusive('an origin tells of the stream', 'none does')];
    const published = history.step(Step.published);
    const entering = `${NEW_STREAMS} new streams are let in while the proxy takes a dead origin for alive`;
    const after = history.of('http.exchange').filter(({ client }) => client === 'after');
    const failedAfter = after.filter(({ status }) => status === 0 || status >= 500);
    const expected = `no request goes to an origin whose last heartbeat was ${ORIGIN_DEAD_WITHIN_MS} ms ago`;
    return [
      ...judgeKills(history, dead.node, 1),
      published === undefined
        ? notSeen(history, entering)
        : judged(published.taken === NEW_STREAMS, entering, `${published.taken} were`),
      judgeAgain(history, 'the stream of the dead origin is published again'),
      after.length < NEW_STREAMS
        ? notSeen(history, expected)
        : judged(failedAfter.length === 0, expected, `${failedAfter.length} of ${after.length} failed`),
    ];
  },
});

/** Of a restarted origin. Each comes back to it by chance once in four, all of them once in 10^5. */
const STREAMS_BEFORE = 8;

export const restartedOrigin = check({
  id: 'proxy/restarted-origin',
  title: 'An origin that was started anew is a new one: its streams of before are picked anew',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: `${PROXY_SPEC.register}: service, pid`,
    says: 'service and pid of an origin change with every start, server may stay: by these a restart is known. What it had before is gone, so that a stream which comes back may go anywhere.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'play.hls'],
  mutants: ['proxy-restart-is-same'],
  deadlineMs: 40_000,

  async run(t) {
    const origin = await FakeOrigin.listen(t);
    const told = registrationOf(origin, 'restarts');
    const streams: string[] = [];
    for (let i = 0; i < STREAMS_BEFORE; i++) {
      await register(t, 'registers', told);
      const found = await streamAt(t, origin, `before-${i}`);
      if (found !== undefined) streams.push(found.stream);
    }
    const again = async (): Promise<number> => {
      const from = origin.requests.length;
      for (const stream of streams) await t.http(t.playUrl('hls', stream), { label: 'again' });
      return origin.requests.length - from;
    };
    await register(t, 'registers', told);
    const same = await again();
    await register(t, 'registers', { ...told, service: 'restarts-2', pid: '4712' });
    t.step(Step.anew, { streams: streams.length, same, anew: await again() });
    await t.observe(
      ORIGIN_ALIVE_MS,
      'the origin of this check, which sends no heartbeat, leaves the rotation',
    );
  },

  judge(history) {
    const seen = history.step(Step.anew);
    if (seen === undefined) return [notSeen(history, 'an origin is started anew')];
    const { streams, same, anew } = seen;
    if (Number(streams) < STREAMS_BEFORE)
      return [inconclusive(`${STREAMS_BEFORE} streams of one origin`, `${streams} were found`)];
    const second = history
      .of('http.exchange')
      .filter(({ client }) => client === 'again')
      .slice(-STREAMS_BEFORE);
    const answered = second.filter(({ status }) => status > 0 && status < 500).length;
    const moved = `after a restart not all ${streams} streams are taken to be where they were`;
    return [
      judged(same === streams, 'a heartbeat changes nothing: every stream goes where it went', `${same}`),
      answered < STREAMS_BEFORE && Number(anew) < Number(streams)
        ? inconclusive(moved, `${anew} came to it, but only ${answered} were answered`)
        : judged(Number(anew) < Number(streams), moved, `${anew} came to it`),
    ];
  },
});

const FLAPS = 3;
const STREAMS_PER_FLAP = 6;

export const flappingOrigin = check({
  id: 'proxy/flapping-origin',
  title: 'An origin that dies and comes back again and again harms nobody else',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: PROXY_SPEC.design,
    says: 'Origins are independent: streams of others lose nothing, and every new stream finds an origin, whatever the state of one.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'publish.rtmp', 'play.rtmp', 'control.process'],
  mutants: ['proxy-never-repicks'],
  deadlineMs: 60_000,

  async run(t) {
    const stream = t.stream('steady');
    const publisher = await t.publish({ url: t.publishUrl(stream), label: 'steady' });
    const player = t.play(t.playUrl('rtmp', stream), 'player');
    await player.playing(PLAYING_WITHIN_MS);
    const home = await homeOf(t, stream);
    const flapping = t.nodes('origin').find((node) => node !== home);
    t.step(Step.flapping, { node: home === undefined ? null : (flapping?.spec.name ?? null) });
    if (home === undefined || flapping === undefined) return;
    let taken = 0;
    for (let flap = 0; flap < FLAPS; flap++) taken += await flapOnce(t, flapping, flap);
    t.step(Step.published, { taken });
    await publisher.sent(GOP_FRAMES, PLAYING_WITHIN_MS);
    await player.frames(GOP_FRAMES, PLAYING_WITHIN_MS);
  },

  judge(history) {
    const setting = history.step(Step.flapping);
    if (setting === undefined) return [notSeen(history, 'a stream through the proxy')];
    if (setting.node === null) return [inconclusive('an origin tells of the stream', 'none does')];
    const wanted = FLAPS * STREAMS_PER_FLAP;
    const published = history.step(Step.published);
    const entering = `${wanted} new streams are let in meanwhile`;
    return [
      ...judgeKills(history, setting.node, FLAPS),
      ...judgeGone(history),
      published === undefined
        ? notSeen(history, entering)
        : judged(published.taken === wanted, entering, `${published.taken} were`),
      judgeWhole(history, 'steady', 'player'),
    ];
  },
});

async function flapOnce(t: CheckContext, node: ClusterNode, flap: number): Promise<number> {
  const prefix = t.stream(`flap-${flap}`);
  let taken = 0;
  const comeMeanwhile = async (): Promise<void> => {
    for (let i = 0; i < STREAMS_PER_FLAP; i++) if (await letIn(t, `${prefix}-${i}`)) taken++;
  };
  await knock(t, node);
  await t.control(node, 'kill');
  await Promise.all([untilGone(t, node), comeMeanwhile()]);
  await t.control(node, 'restart');
  return taken;
}

function judgeWhole(history: History, publisher: string, player: string): Judgement {
  const expected = 'the player of another origin gets every frame';
  const closed = lossOf(history, player);
  if (closed !== undefined) return failed(expected, `closed: ${closed.reason}, ${closed.code}`);
  const got = history.got(player);
  const sent = history.sent(publisher);
  const { compared, differences } = compareFrames(sent, got);
  const [first] = differences;
  if (first !== undefined) return failed(expected, `${first.expected}, got ${first.actual}`);
  const faultAt = history.of('node.control').at(-1)?.t ?? Number.POSITIVE_INFINITY;
  const afterwards = got.filter(({ t, kind }) => kind === 'video' && t > faultAt).length;
  if (afterwards < GOP_FRAMES)
    return inconclusive(expected, `${afterwards} frames came after the last fault`);
  const isHeard = compared.audio > 0 || !sent.some(({ kind }) => kind === 'audio');
  return judged(isHeard, expected, `${compared.video} video and ${compared.audio} audio frames are equal`);
}

/** Streams whose publisher and player meet two proxies at one moment; by chance they agree once in three. */
const RACES = 10;

export const proxiesAgree = check({
  id: 'proxy/two-proxies-agree',
  title: 'Two proxies that are asked for one stream at the same moment send it to the same origin',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: `${PROXY_SPEC.design}: several proxies on one Redis`,
    says: 'Proxies share their state, so that it does not matter which of them a client comes to.',
  },
  topologies: ['proxy-redis'],
  needs: ['proxy', 'redis', 'publish.rtmp', 'play.rtmp', 'observe.api'],
  mutants: ['proxies-pick-apart'],
  deadlineMs: 40_000,

  async run(t) {
    const [one, other] = t.nodes('proxy').map(({ spec }) => spec.name);
    const streams = Array.from({ length: RACES }, () => t.stream());
    const players = streams.map((stream) => {
      const player = t.play(t.playUrl('rtmp', stream, other), `player-${stream}`);
      return { player, published: t.publish({ url: t.publishUrl(stream, one), label: `to-${stream}` }) };
    });
    t.step(Step.agree, { streams: streams.join(' '), origins: namesOf(t, 'origin').join(' ') });
    await Promise.all(players.map(({ published }) => published));
    await t.observe(PLAYING_WITHIN_MS, 'players wait for a stream that somebody publishes');
    for (const stream of streams)
      for (const { spec } of t.nodes('origin')) await t.readApi(spec.name, stream);
  },

  judge(history) {
    const setting = history.step(Step.agree);
    const [streams, origins] = [words(setting?.streams), words(setting?.origins)];
    if (streams.length === 0) return [notSeen(history, 'streams through two proxies')];
    const readings = history.of('api.stream');
    if (readings.length === 0) return [notSeen(history, 'the origins tell of the streams')];
    const busyAt = (stream: string) =>
      readings.filter((reading) => reading.stream === stream && reading.clients > 0).length;
    const unasked = streams.filter((stream) => originsUnasked(history, stream, origins).length > 0);
    // One that no origin tells of may be at the one that was not asked.
    const apart = streams.filter(
      (stream) => busyAt(stream) > 1 || (busyAt(stream) === 0 && !unasked.includes(stream)),
    );
    const played = streams.filter(
      (stream) => history.got(`player-${stream}`).filter(({ kind }) => kind === 'video').length >= GOP_FRAMES,
    );
    const together = `each of ${RACES} streams is at one origin`;
    return [
      apart.length === 0 && unasked.length > 0
        ? inconclusive(together, `not every origin was asked for ${unasked.join(', ')}`)
        : judged(apart.length === 0, together, `${RACES - apart.length} of them`),
      judged(
        played.length === RACES,
        `each of ${RACES} players gets its stream`,
        `${played.length} of them do`,
      ),
    ];
  },
});

const CLIENTS = 10_000;
/** Before the first reading: what a process takes once, for its code and its pools. */
const CLIENTS_BEFORE = 2000;
const AT_A_TIME = 50;
/** Every so many asks for an RTMP stream, as far as the origin; the others shake hands, or ask over HTTP. */
const PLAYS_EVERY = 10;
/** V8's heap grows and shrinks by tens of megabytes by itself; a kilobyte of each client would be less than is seen. */
const MOST_GROWTH_MB = 64;

export const growth = check({
  id: 'proxy/no-growth',
  title: 'Ten thousand clients that come and go leave nothing behind',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: PROXY_SPEC.design,
    says: 'A proxy runs for months: what a client costs ends with the client.',
  },
  topologies: ['proxy-cluster'],
  needs: ['proxy', 'publish.rtmp', 'play.hls', 'control.process'],
  mutants: ['proxy-grows'],
  deadlineMs: 120_000,

  alone: true,
  async run(t) {
    const proxy = t.nodes('proxy')[0]!;
    await comeAndGo(t, CLIENTS_BEFORE);
    const before = proxy.usage().rssMb;
    const served = await comeAndGo(t, CLIENTS);
    t.step(Step.grown, { served, beforeMb: before, afterMb: proxy.usage().rssMb });
  },

  judge(history) {
    const seen = history.step(Step.grown);
    const expected = `memory grows by less than ${MOST_GROWTH_MB} MB over ${CLIENTS} clients`;
    if (seen === undefined) return [notSeen(history, expected)];
    const grown = Number(seen.afterMb) - Number(seen.beforeMb);
    const isRead = Number(seen.beforeMb) > 0 && Number(seen.afterMb) > 0;
    const from = `${Math.round(grown)} MB, from ${Math.round(Number(seen.beforeMb))} MB`;
    return [
      judged(seen.served === CLIENTS, `${CLIENTS} clients are served`, `${seen.served}`),
      isRead
        ? judged(grown < MOST_GROWTH_MB, expected, from)
        : inconclusive(expected, 'its memory could not be read'),
    ];
  },
});

/** Returns how many were served. */
async function comeAndGo(t: CheckContext, clients: number): Promise<number> {
  const rtmp = t.cluster.entry('play', 'rtmp');
  const http = t.cluster.entry('play', 'flv');
  const stream = t.stream('absent');
  let [next, served] = [0, 0];
  const one = async (index: number): Promise<void> => {
    if (index % 2 === 1) {
      const client = await WireHttp.open(http);
      client.get(`/live/${stream}-${index % 100}.m3u8`);
      await client.socket.until('a status', PLAYING_WITHIN_MS, client.status.bind(client));
      client.socket.close();
    } else {
      const client = await WireRtmp.open(rtmp);
      if (index % PLAYS_EVERY === 0)
        client.play(await client.startStream('live'), `${stream}-${index % 100}`);
      else await client.handshake();
      client.close();
    }
    served++;
  };
  const many = async (): Promise<void> => {
    while (next < clients) {
      t.signal.throwIfAborted();
      const index = next++;
      await attempt(t, `client ${index}`, () => one(index));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, many));
  return served;
}
