/** SRT and WebRTC through a proxy: media of the right origin, leave taken, sessions kept apart; and its API and exporter. */
import { createHmac, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { HandshakeType } from '../../protocols/srt/handshake.ts';
import { encodeStun, StunClass, StunMethod } from '../../protocols/stun/message.ts';
import { ORIGIN_ALIVE_MS, PLAYING_WITHIN_MS, RELEASED_WITHIN_MS, RTC_PLAYING_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, listed, notSeen, words } from '../judging.ts';
import { GOP_FRAMES } from '../stage.ts';
import { attempt, judgeAttempts } from '../wire/attempt.ts';
import { type FakeAnswer, FakeOrigin, type SeenRequest } from '../wire/fake-origin.ts';
import { WireSrt } from '../wire/srt.ts';
import { bridgeMissing, makeOffer } from '../wire/webrtc.ts';
import { PROXY_SPEC, PROXY_TOPOLOGIES, register, registrationOf, streamAt } from './proxy-origins.ts';
import { clientsTold, homeOf } from './proxy-streams.ts';
import { judgeMissing, SRT_PLAYING_WITHIN_MS } from './srt-lines.ts';

const Step = {
  playing: 'udp.playing',
  left: 'udp.left',
  rejected: 'udp.rejected',
  unknownCookie: 'udp.unknown-cookie',
  found: 'udp.found',
  exchange: 'udp.exchange',
  checks: 'udp.checks',
  metrics: 'udp.metrics',
} as const;

/** Each goes to the right one of three origins by chance once in three. */
const STREAMS = 4;
/** Players come from addresses of their own, and publishers from another one. */
const FIRST_PLAYER = 31;
const SILENT_MS = 500;
/** draft-sharabayko-srt-01, section 4.3, table 7: handshake types from 1000 are rejections; a conclusion is -1, unsigned. */
const FIRST_REJECTION = 1000;

/** What two kinds of UDP media have in common: players of their own stream, and what is left when they have gone. */
interface Kind {
  readonly protocol: 'srt' | 'webrtc';
  readonly source: 'srt' | 'rtmp' | 'webrtc';
  readonly withinMs: number;
}

/** In place of an origin that tells of a stream. */
const HOMELESS = 'none';

async function watchAndLeave(t: CheckContext, { protocol, source, withinMs }: Kind): Promise<void> {
  const streams = Array.from({ length: STREAMS }, () => t.stream(protocol));
  await Promise.all(
    streams.map((stream) =>
      t.publish({ url: t.publishUrl(stream, undefined, source), label: `to-${stream}` }),
    ),
  );
  const players = streams.map((stream, i) =>
    t.play(t.playUrl(protocol, stream), `of-${stream}`, { localAddress: `127.0.${FIRST_PLAYER + i}.1` }),
  );
  t.step(Step.playing, { streams: streams.join(' ') });
  // One more than is judged: the first may have begun before the player came.
  await Promise.all(players.map((player) => player.frames(2 * GOP_FRAMES + 1, withinMs + PLAYING_WITHIN_MS)));
  const homes: string[] = [];
  for (const stream of streams) homes.push((await homeOf(t, stream))?.spec.name ?? HOMELESS);
  await Promise.all(players.map((player) => player.stop()));
  t.step(Step.left, { homes: homes.join(' ') });
  if (homes.includes(HOMELESS)) return;
  for (const [i, stream] of streams.entries()) {
    await t.untilApi(homes[i]!, stream, RELEASED_WITHIN_MS, ({ clients }) => clients === 1);
  }
}

function judgeWatched(history: History): Judgement[] {
  const streams = words(history.step(Step.playing)?.streams);
  if (streams.length === 0) {
    const publishers = history.of('client.closed').map(({ client }) => client);
    return judgeMissing(history, publishers, 'streams and players through the proxy');
  }
  return [...streams.map((stream) => judgeFrames(history, stream)), ...judgeReleased(history, streams)];
}

/** Of each stream, as its origin told while the player was there and when it had left. */
function judgeReleased(history: History, streams: readonly string[]): Judgement[] {
  const expected = `${RELEASED_WITHIN_MS} ms after they have left their origins know of no player`;
  const left = history.of('step').find(({ step }) => step === Step.left);
  if (left === undefined) return [notSeen(history, expected)];
  const homes = words(left.data.homes);
  return streams.map((stream, i) => {
    const told = (from: number, to?: number) => clientsTold(history, homes[i] ?? HOMELESS, from, to, stream);
    const [there, afterwards] = [told(0, left.t), told(left.t)];
    if (there === undefined || there < 2)
      return inconclusive(expected, `of ${stream}: ${there ?? 'no'} clients`);
    return afterwards === undefined
      ? notSeen(history, expected)
      : judged(afterwards <= 1, expected, `of ${stream}: ${afterwards} clients`);
  });
}

/**
 * From the first frame on every frame of its own stream, once and in order: WebRTC has other timestamps. A player joins
 * anywhere (facts/srs.md 9.3: there is no GOP cache), also within a frame, whose stamp it then does not have; a later frame
 * without one has lost packets, and is nobody else's for that.
 */
function judgeFrames(history: History, stream: string): Judgement {
  const expected = `every frame of ${stream}, and nobody else's`;
  const sent = history.sent(`to-${stream}`).filter(({ kind }) => kind === 'video');
  const got = history.got(`of-${stream}`).filter(({ kind }) => kind === 'video');
  if (sent.length === 0) return inconclusive(expected, 'nothing was published');
  const id = sent[0]!.stamp?.stream;
  const whole = got[0]?.stamp ? got : got.slice(1);
  const stamps = whole.flatMap(({ stamp }) => (stamp ? [stamp] : []));
  const foreign = stamps.filter((stamp) => stamp.stream !== id).length;
  const torn = whole.length - stamps.length;
  const gaps = stamps.slice(1).filter(({ frame }, i) => frame !== stamps[i]!.frame + 1).length;
  return judged(
    whole.length >= 2 * GOP_FRAMES && foreign === 0 && torn === 0 && gaps === 0,
    expected,
    `${whole.length} frames, ${foreign} of others, ${torn} without their stamp, ${gaps} out of turn`,
  );
}

export const srtThrough = check({
  id: 'proxy/srt',
  title: 'SRT callers are sent to the origin of the stream in their stream id, and leave nothing there',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: `Protocols; facts/srs.md 4.3, 8`,
    says: 'The stream id of the conclusion picks the origin. Packets pass as they are; a caller that takes leave takes it from the origin. Without an origin the caller is rejected.',
  },
  topologies: ['proxy-cluster'],
  needs: ['proxy', 'publish.srt', 'play.srt', 'observe.api', 'play.hls'],
  mutants: [
    'proxy-srt-picks-by-caller',
    'proxy-srt-drops-packets',
    'proxy-srt-keeps-shutdown',
    'proxy-srt-no-rejection',
    'proxy-srt-any-cookie',
  ],
  deadlineMs: 40_000,

  async run(t) {
    const entry = t.cluster.entry('play', 'srt');
    const caller = async (streamId: string, spoil: number) => {
      const socket = await WireSrt.open(entry);
      t.cleanUp(() => socket.close());
      const { cookie } = await socket.ask(socket.induction());
      return { socket, conclusion: socket.conclusion(cookie ^ spoil, { ...WISH, streamId }) };
    };
    const stranger = await attempt(t, 'an induction', () =>
      caller(`#!::r=live/${t.stream('spoof')},m=publish`, 1),
    );
    if (stranger !== undefined) {
      const before = stranger.socket.received;
      await stranger.socket.send(stranger.conclusion);
      await t.observe(SILENT_MS, 'a conclusion with a cookie that was never given is not answered');
      t.step(Step.unknownCookie, { answers: stranger.socket.received - before });
    }
    const origin = await FakeOrigin.listen(t);
    await register(t, 'registers', registrationOf(origin, 'no-srt'));
    const found = await streamAt(t, origin, 'no-srt');
    if (found !== undefined) {
      const answer = await attempt(t, 'a rejection', async () => {
        const { socket, conclusion } = await caller(`#!::r=live/${found.stream},m=request`, 0);
        return await socket.ask(conclusion);
      });
      t.step(Step.rejected, { type: answer?.type ?? null });
    }
    await t.observe(
      ORIGIN_ALIVE_MS,
      'the origin of this check, which sends no heartbeat, leaves the rotation',
    );
    await watchAndLeave(t, { protocol: 'srt', source: 'srt', withinMs: SRT_PLAYING_WITHIN_MS });
  },

  judge(history) {
    const cookie = history.step(Step.unknownCookie);
    const rejected = history.step(Step.rejected);
    const ignoring = 'a conclusion with a cookie that was never given is not answered';
    const rejecting = 'a caller whose stream has an origin without SRT is rejected';
    return [
      ...judgeAttempts(history),
      cookie === undefined
        ? notSeen(history, ignoring)
        : judged(cookie.answers === 0, ignoring, `${cookie.answers} answers`),
      rejected === undefined
        ? notSeen(history, rejecting)
        : judged(isRejection(Number(rejected.type)), rejecting, `handshake type ${rejected.type}`),
      ...judgeWatched(history),
    ];
  },
});

function isRejection(type: number): boolean {
  return type >= FIRST_REJECTION && type < HandshakeType.conclusion;
}

const WISH = { receiveLatencyMs: 120, sendLatencyMs: 120 } as const;

export const webrtcThrough = check({
  id: 'proxy/webrtc',
  title: 'WHEP players behind a proxy get every frame of their own stream, and DELETE reaches its origin',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: 'Protocols; draft-ietf-wish-whep 4; RFC 8445 7.3',
    says: 'Offer and answer pass through the proxy, media through its UDP port, each session to its origin and to nobody else.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'publish.rtmp', 'publish.webrtc', 'play.webrtc', 'observe.api'],
  mutants: ['proxy-rtc-drops-packets', 'proxy-rtc-mixes-viewers', 'proxy-whip-delete-elsewhere'],
  deadlineMs: 40_000,

  async run(t) {
    const source = (await bridgeMissing(t)) === undefined ? 'rtmp' : 'webrtc';
    await watchAndLeave(t, { protocol: 'webrtc', source, withinMs: RTC_PLAYING_WITHIN_MS });
  },

  judge: judgeWatched,
});

const TOKEN = 'Bearer of-the-check';
const UFRAG = 'fakeufrag';
/** ice-chars (RFC 8839 5.4), 22 of them at least. */
const PASSWORD = 'fakePasswordOfTheCheck00';
const SESSION_PATH = '/rtc/v1/whip/?action=delete&token=17&session=fake';

export const whipRequests = check({
  id: 'proxy/whip-requests',
  title: 'WHIP and WHEP through the proxy: token, status and Location as they are, one candidate: its own',
  level: 'must',
  spec: {
    source: 'RFC 9725, RFC 8445',
    where: '4.2 to 4.6; 7.3.1: checks are authenticated',
    says: 'A client has to reach the media through the proxy, which the origin does not know: the candidate is the proxy’s. What else the origin says is for the client. Only who knows the password of a session may use it.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'play.webrtc', 'play.hls'],
  mutants: [
    'proxy-rtc-candidate-kept',
    'proxy-rtc-any-check',
    'proxy-whip-loses-location',
    'proxy-whip-drops-token',
    'proxy-whip-status-200',
  ],

  async run(t) {
    const media = await mediaPort(t);
    const offer = await makeOffer('whep');
    const origin = await FakeOrigin.listen(t, { answer: (request) => answerTo(request, media.port) });
    await register(t, 'registers', {
      ...registrationOf(origin, 'whip'),
      rtc: [`udp://127.0.0.1:${media.port}`],
    });
    const found = await streamAt(t, origin, 'whip');
    t.step(Step.found, { found: found !== undefined });
    if (found === undefined) return;
    const url = t.playUrl('webrtc', found.stream).replace(/^whep:/, 'http:');
    const post = (label: string, authorization: string) =>
      t.http(url, {
        label,
        method: 'POST',
        headers: { 'content-type': 'application/sdp', authorization },
        body: offer,
      });
    await post('refused', 'Bearer wrong');
    const answer = await post('created', TOKEN);
    const [, host = '', port = ''] = /^a=candidate:\S+ \d+ \S+ \d+ (\S+) (\d+) /m.exec(
      Buffer.from(answer.body).toString(),
    ) ?? ['', '', ''];
    t.step(Step.exchange, { host, port, origin: media.port });
    if (port === '') return;
    const client = { host, port: Number(port), ufrag: /^a=ice-ufrag:(\S+)/m.exec(offer)?.[1] ?? '' };
    await sendCheck(client, 'another password');
    await t.observe(SILENT_MS, 'a check without the password of its session does not pass');
    const [strange, before] = [media.received(), media.received()];
    await sendCheck(client, PASSWORD);
    const passed = media.next(before + 1).then(() => true);
    const came = await Promise.race([passed, t.observe(SILENT_MS, 'one with it does').then(() => false)]);
    t.step(Step.checks, { strange, genuine: came });
    await t.observe(
      ORIGIN_ALIVE_MS,
      'the origin of this check, which sends no heartbeat, leaves the rotation',
    );
  },

  judge(history) {
    const found = history.step(Step.found);
    if (found === undefined) return [notSeen(history, 'an origin registers')];
    if (found.found !== true) return [inconclusive('a stream goes to the origin of the check', 'none did')];
    const of = (label: string) => history.of('http.exchange').find(({ client }) => client === label);
    const [refused, created] = [of('refused'), of('created')];
    const exchange = history.step(Step.exchange);
    if (refused === undefined || created === undefined || exchange === undefined)
      return [notSeen(history, 'an offer')];
    const { location } = created.headers;
    const checks = history.step(Step.checks);
    return [
      judged(refused.status === 401, 'a wrong token: 401 of the origin', `${refused.status}`),
      judged(created.status === 201, 'the right token: 201 of the origin', `${created.status}`),
      judged(
        location !== undefined &&
          URL.canParse(location, created.url) &&
          new URL(location, created.url).href.endsWith(SESSION_PATH),
        'Location of the session',
        location ?? 'none',
      ),
      judged(
        exchange.port !== '' && Number(exchange.port) !== exchange.origin,
        'the candidate is the proxy’s',
        `${exchange.host}:${exchange.port}`,
      ),
      ...judgeChecks(history, checks),
    ];
  },
});

function judgeChecks(history: History, checks: ReturnType<History['step']>): Judgement[] {
  const expected = 'a STUN check passes with the password of its session, and only with it';
  if (checks === undefined) return [notSeen(history, expected)];
  if (checks.genuine !== true) return [failed(expected, 'the one with it did not come to the origin')];
  return [judged(checks.strange === 0, expected, `${checks.strange} packets of one without came`)];
}

function answerTo({ method, headers }: SeenRequest, port: number): FakeAnswer {
  if (method !== 'POST') return { status: 404 };
  if (headers.authorization !== TOKEN) return { status: 401, headers: { 'WWW-Authenticate': 'Bearer' } };
  const media = (kind: string, mid: number, payload: number, codec: string): string[] => [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payload}`,
    'c=IN IP4 0.0.0.0',
    `a=ice-ufrag:${UFRAG}`,
    `a=ice-pwd:${PASSWORD}`,
    `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => '17').join(':')}`,
    'a=setup:passive',
    `a=mid:${mid}`,
    'a=sendonly',
    'a=rtcp-mux',
    `a=rtpmap:${payload} ${codec}`,
    `a=candidate:0 1 udp 2130706431 127.0.0.1 ${port} typ host generation 0`,
  ];
  const lines = [
    ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=ice-lite', 'a=group:BUNDLE 0 1'],
    ...media('video', 0, 96, 'H264/90000'),
    ...media('audio', 1, 111, 'opus/48000/2'),
  ];
  return {
    status: 201,
    headers: { 'Content-Type': 'application/sdp', Location: SESSION_PATH },
    body: `${lines.join('\r\n')}\r\n`,
  };
}

/** Where the origin of the check would take media. */
async function mediaPort(t: CheckContext) {
  const socket: Socket = createSocket('udp4');
  t.cleanUp(() => {
    socket.close();
  });
  let received = 0;
  let wake = (): void => {};
  socket.on('message', () => {
    received++;
    wake();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: '127.0.0.1', port: 0 }, resolve);
  });
  return {
    port: socket.address().port,
    received: () => received,
    /** Resolves when so many have come. */
    next: (count: number) =>
      new Promise<void>((resolve) => {
        wake = () => {
          if (received >= count) resolve();
        };
        wake();
      }),
  };
}

/** One STUN binding request (RFC 8445 7.2.2) of a client of the session, signed with a password. */
function sendCheck(
  to: { readonly host: string; readonly port: number; readonly ufrag: string },
  password: string,
): Promise<void> {
  const bytes = encodeStun(
    {
      class: StunClass.request,
      method: StunMethod.binding,
      transactionId: randomBytes(12),
      username: `${UFRAG}:${to.ufrag}`,
      priority: 1,
      iceControlling: 1n,
      useCandidate: true,
    },
    {
      key: Buffer.from(password),
      hmac: (key, data) => createHmac('sha1', key).update(data).digest(),
    },
  );
  const socket = createSocket('udp4');
  return new Promise((resolve) => socket.send(bytes, to.port, to.host, () => socket.close(() => resolve())));
}

const PROTOCOLS = ['rtmp', 'http', 'srt', 'webrtc'] as const;
const EXPORTED_PUBLISHERS = ['srt-publisher', 'rtmp-publisher'] as const;

export const exporter = check({
  id: 'proxy/exporter',
  title:
    'The exporter counts clients while they are there and none when they have gone; the API tells what all origins say',
  level: 'should',
  spec: {
    source: PROXY_SPEC.source,
    where: 'Protocols: HTTP-API, Exporter, named as missing; Prometheus text format 0.0.4',
    says: 'An HTTP API that collects the metrics of all origins, and a Prometheus exporter.',
  },
  topologies: ['proxy-cluster'],
  needs: ['proxy', 'publish.srt', 'play.rtmp', 'play.flv', 'play.srt', 'play.webrtc'],
  mutants: ['proxy-srt-never-frees', 'proxy-rtc-never-frees'],
  deadlineMs: 30_000,

  async run(t) {
    const [first, second] = [t.stream('srt'), t.stream('rtmp')];
    const [overSrt, overRtmp] = EXPORTED_PUBLISHERS;
    await readMetrics(t, 'before');
    const publishers = [
      await t.publish({ url: t.publishUrl(first, undefined, 'srt'), label: overSrt }),
      await t.publish({ url: t.publishUrl(second), label: overRtmp }),
    ];
    const unbridged = await bridgeMissing(t);
    const players = [
      t.play(t.playUrl('rtmp', first), 'rtmp'),
      t.play(t.playUrl('flv', first), 'http'),
      t.play(t.playUrl('srt', first), 'srt'),
      ...(unbridged === undefined ? [t.play(t.playUrl('webrtc', second), 'webrtc')] : []),
    ];
    await Promise.all(players.map((player) => player.playing(SRT_PLAYING_WITHIN_MS + RTC_PLAYING_WITHIN_MS)));
    await readMetrics(t, 'during');
    const { host, ports } = t.nodes('proxy')[0]!;
    const streams = await t.http(`http://${host}:${ports.api}/api/v1/streams/`, { label: 'streams' });
    const told = Buffer.from(streams.body).toString();
    t.step(Step.exchange, { first: told.includes(first), second: told.includes(second) });
    await Promise.all([...players, ...publishers].map((one) => one.stop()));
    await t.within('the proxy counts as before', RELEASED_WITHIN_MS, asBefore(t));
  },

  judge(history) {
    const of = (when: string) =>
      history.of('step').findLast(({ step, data }) => step === Step.metrics && data.when === when)?.data;
    const [before, during, after] = ['before', 'during', 'after'].map(of);
    const told = history.step(Step.exchange);
    if (before === undefined || during === undefined || told === undefined)
      return judgeMissing(history, EXPORTED_PUBLISHERS, 'the exporter while clients are there');
    const played = PROTOCOLS.filter((protocol) => history.got(protocol).length > 0);
    const counting = `clients of ${played.join(', ') || 'any protocol'} are counted`;
    const silent = ['before', 'during', 'after'].filter((when) => !isAnswered(history, `metrics-${when}`));
    const uncounted = played.filter((protocol) => !(Number(during[protocol]) > Number(before[protocol])));
    const kept = PROTOCOLS.filter((protocol) => Number(after?.[protocol]) > Number(before[protocol]));
    const expected = `${RELEASED_WITHIN_MS} ms after all clients have left the exporter counts as before`;
    return [
      played.length === 0
        ? inconclusive(counting, 'nobody played')
        : judged(
            uncounted.length === 0,
            counting,
            uncounted.length === 0 ? 'they are' : `not those of ${uncounted.join(', ')}`,
          ),
      ...silent.map((when) => inconclusive('the exporter answers', `not ${when}`)),
      judged(
        told.first === true && told.second === true,
        'the API tells of streams of several origins',
        told.first === true && told.second === true ? 'it does' : 'one is missing',
      ),
      after === undefined
        ? notSeen(history, expected)
        : judged(
            kept.length === 0,
            expected,
            listed(Object.fromEntries(kept.map((name) => [name, Number(after[name])]))),
          ),
    ];
  },
});

/** The last request of a name; who is not answered counts nobody. */
function isAnswered(history: History, label: string): boolean {
  const last = history.of('http.exchange').findLast(({ client }) => client === label);
  return last?.status === 200 && last.bytes > 0;
}

async function readMetrics(t: CheckContext, when: string): Promise<Record<string, number>> {
  const { host, ports } = t.nodes('proxy')[0]!;
  const { body } = await t.http(`http://${host}:${ports.api}/metrics`, { label: `metrics-${when}` });
  const text = Buffer.from(body).toString();
  const counts: Record<string, number> = {};
  for (const protocol of PROTOCOLS) {
    const sample = new RegExp(`^\\w*proxy_connections\\{[^}]*protocol="${protocol}"[^}]*\\} (\\d+)$`, 'm');
    counts[protocol] = Number(sample.exec(text)?.[1] ?? 0);
  }
  t.step(Step.metrics, { when, ...counts });
  return counts;
}

async function asBefore(t: CheckContext): Promise<void> {
  const before = t.history
    .of('step')
    .find(({ step, data }) => step === Step.metrics && data.when === 'before')!.data;
  for (;;) {
    const now = await readMetrics(t, 'after');
    if (PROTOCOLS.every((protocol) => now[protocol]! <= Number(before[protocol]))) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.signal.throwIfAborted();
  }
}
