/** What an origin with coworkers says to players of streams that are not published there, by hand. */
import { COWORKER_WITHIN_MS, REDIRECTED_CLOSED_WITHIN_MS, REDIRECTED_HEARD_WITHIN_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { failed, inconclusive, judged, notSeen, words } from '../judging.ts';
import { judgeAttempts, stepsOf } from '../wire/attempt.ts';
import { MessageType } from '../wire/chunks.ts';
import {
  ALL_COWORKERS,
  APP,
  answerTo,
  awaitEnd,
  clusteredOrigins,
  endOf,
  judgeEndsSoon,
  judgeSentTo,
  ms,
  playByHand,
  publishAt,
  redirectTold,
  rolesOf,
  rtmpUrl,
  SRS,
  toldTo,
} from './redirect-setting.ts';

// on-the-wire

const onTheWire = check({
  id: 'redirect/on-the-wire',
  title: 'An origin sends the player of a stream that another origin has there, with a 302 in SRS’s form',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_rtmp_conn.cpp, playing; srs_protocol_rtmp_stack.cpp, redirect (facts/srs.md 2)',
    says: 'StreamBegin, Play.Reset, Play.Start, |RtmpSampleAccess, then onStatus of level error on message stream 0 with ex.code 302, ex.redirect (application) and ex.redirect2 (stream). It waits 3 s for the player’s word, and closes.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers'],
  mutants: [
    'origin-redirects-to-itself',
    'origin-redirect-without-stream',
    'origin-redirect-without-ex',
    'origin-redirect-wrong-code',
    'origin-redirect-wrong-status',
    'origin-redirects-before-start',
    'origin-keeps-redirected',
  ],

  async run(t) {
    const { holder } = rolesOf(t);
    const stream = t.stream();
    await publishAt(t, holder, stream);
    const askers = clusteredOrigins(t).filter((node) => node !== holder);
    const names = askers.flatMap(({ spec }) => [`silent-${spec.name}`, `speaks-${spec.name}`]);
    t.step('wire.setting', { names: names.join(' '), location: rtmpUrl(holder, stream) });
    await Promise.all(
      askers.map(async (node) => {
        const silent = await playByHand(t, { name: `silent-${node.spec.name}`, node, stream });
        const speaks = await playByHand(t, { name: `speaks-${node.spec.name}`, node, stream });
        speaks?.command('redirected', 0, null, []);
        await Promise.all([
          speaks && awaitEnd(t, `speaks-${node.spec.name}`, speaks, REDIRECTED_CLOSED_WITHIN_MS),
          silent && awaitEnd(t, `silent-${node.spec.name}`, silent, REDIRECTED_CLOSED_WITHIN_MS),
        ]);
      }),
    );
  },

  judge(history) {
    const setting = history.step('wire.setting');
    if (setting === undefined) return [...judgeAttempts(history), notSeen(history, 'a published stream')];
    return [
      ...judgeAttempts(history),
      ...words(setting.names).flatMap((name) => [
        judgeForm(history, name, String(setting.location)),
        judgeClosed(history, name),
      ]),
    ];
  },
});

/** What comes, in short: type, message stream, event or code. */
const DIALOGUE = [
  `${MessageType.userControl} on 0: StreamBegin`,
  `${MessageType.command} on 1: NetStream.Play.Reset`,
  `${MessageType.command} on 1: NetStream.Play.Start`,
  `${MessageType.data} on 1`,
  `${MessageType.command} on 0: NetConnection.Connect.Rejected`,
].join(', ');

function judgeForm(history: History, name: string, location: string): Judgement {
  const redirect = location.slice(0, location.lastIndexOf('/'));
  const form = `code 302, redirect ${redirect}, redirect2 ${location}`;
  const expected = `${name}: ${DIALOGUE} (RTMP 302 Redirect; ${form})`;
  const answer = answerTo(history, name);
  if (answer === undefined) return inconclusive(expected, 'there was no such play');
  const told = toldTo(history, name);
  const dialogue = told.map(inShort).filter(isNews).join(', ');
  const last = redirectTold(history, name);
  if (last === undefined) return failed(expected, `${dialogue}; ${answer.kind}`);
  const { description, exCode, redirect: app, redirect2 } = last;
  const actual = `${dialogue} (${description}; code ${exCode}, redirect ${app}, redirect2 ${redirect2})`;
  return judged(actual === `${DIALOGUE} (RTMP 302 Redirect; ${form})`, expected, actual);
}

/** Data messages in a row are one: SRS 5 has NetStream.Data.Start behind |RtmpSampleAccess. */
function isNews(message: string, at: number, all: readonly string[]): boolean {
  return message !== `${MessageType.data} on 1` || message !== all[at - 1];
}

function inShort({ type, messageStreamId, event, code }: StepData): string {
  const what = event ?? code;
  return `${type} on ${messageStreamId}${what === null ? '' : `: ${what}`}`;
}

function judgeClosed(history: History, name: string): Judgement {
  const withinMs = name.startsWith('speaks-') ? REDIRECTED_HEARD_WITHIN_MS : REDIRECTED_CLOSED_WITHIN_MS;
  const expected = `${name}: closed within ${withinMs} ms of the 302`;
  const end = endOf(history, name);
  if (end === undefined) return inconclusive(expected, 'there was no 302');
  const right = end.how !== 'open' && Number(end.afterMs) <= withinMs;
  return judged(right, expected, `${end.how} after ${ms(end.afterMs)}`);
}

// query-and-vhost

const QUERIES: readonly { readonly name: string; readonly query: string; readonly vhost?: string }[] = [
  { name: 'token', query: '?token=a-b.c&x=1' },
  { name: 'vhost-in-query', query: '?vhost=shop.example&token=7' },
  { name: 'vhost-in-tcurl', query: '?token=7', vhost: 'shop.example' },
];

/** A query may hold slashes (RFC 3986 3.4); so may a token in base64. */
const SLASH = '?token=a/b+c=&x=1';

const slashInQuery = check({
  id: 'redirect/slash-in-query',
  title: 'A slash in the query of a player is no part of the path, neither in the question nor in the 302',
  level: 'should',
  spec: {
    source: 'RFC 3986',
    where: '3.4: query may contain "/"',
    says: 'What follows the first question mark is the query, up to its end. The stream is asked for without it, and redirect2 has it as it came.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers'],
  mutants: ['origin-redirect-loses-query'],

  async run(t) {
    const { asker, holder } = rolesOf(t);
    const stream = t.stream();
    await publishAt(t, holder, stream);
    t.step('slash.setting', { location: `${rtmpUrl(holder, stream)}${SLASH}` });
    (await playByHand(t, { name: 'player', node: asker, stream: `${stream}${SLASH}` }))?.close();
  },

  judge(history) {
    const setting = history.step('slash.setting');
    if (setting === undefined) return [...judgeAttempts(history), notSeen(history, 'a published stream')];
    return [...judgeAttempts(history), judgeSentTo(history, 'player', String(setting.location))];
  },
});

const queryAndVhost = check({
  id: 'redirect/query-and-vhost',
  title: 'A 302 names the query and the virtual host of the player',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_protocol_utility.cpp, srs_generate_rtmp_url (facts/srs.md 1.3, 2)',
    says: 'redirect2 is rtmp://host:port/app/stream with the player’s parameters; a virtual host that tcUrl names, and is no address, follows as vhost.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers'],
  mutants: ['origin-redirect-loses-query', 'origin-redirect-loses-vhost'],

  async run(t) {
    const { asker, holder } = rolesOf(t);
    const stream = t.stream();
    await publishAt(t, holder, stream);
    for (const { name, query, vhost } of QUERIES) {
      const location = `${rtmpUrl(holder, stream)}${query}${vhost === undefined ? '' : `&vhost=${vhost}`}`;
      t.step('query.setting', { name, location });
      const play = { name, node: asker, stream: `${stream}${query}` };
      (await playByHand(t, vhost === undefined ? play : { ...play, vhost }))?.close();
    }
  },

  judge(history) {
    const settings = stepsOf(history, 'query.setting');
    if (settings.length < QUERIES.length) return [...judgeAttempts(history), notSeen(history, 'every play')];
    return [
      ...judgeAttempts(history),
      ...settings.map(({ name, location }) => judgeSentTo(history, String(name), String(location))),
    ];
  },
});

// nowhere

const nowhere = check({
  id: 'redirect/nowhere',
  title: 'A player of a stream that no origin has is told so by a prompt end, and sent nowhere',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_rtmp_conn.cpp, playing: ERROR_OCLUSTER_DISCOVER (facts/srs.md 2)',
    says: 'When the last coworker does not have the stream, the connection is closed, after Play.Start.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'observe.api'],
  mutants: ['origin-redirects-nowhere', 'origin-keeps-players-of-nowhere', 'coworker-claims-everything'],

  async run(t) {
    const { holder } = rolesOf(t);
    // Others are there.
    await publishAt(t, holder, t.stream('other'));
    const stream = t.stream('nowhere');
    const origins = clusteredOrigins(t);
    t.step('nowhere.setting', { names: origins.map(({ spec }) => spec.name).join(' ') });
    for (const node of origins) {
      const play = { name: node.spec.name, node, stream, withinMs: 2 * COWORKER_WITHIN_MS };
      (await playByHand(t, play))?.close();
      await t.untilApi(node.spec.name, stream, 1000, ({ clients }) => clients === 0);
    }
  },

  judge(history) {
    const setting = history.step('nowhere.setting');
    const names = words(setting?.names);
    if (names.length === 0) return [...judgeAttempts(history), notSeen(history, 'plays of it')];
    const forgotten = 'no origin knows a player of it a second later';
    const lastOf = (name: string) => history.of('api.stream').findLast(({ node }) => node === name);
    const gone = names.every((name) => lastOf(name)?.clients === 0);
    const kept = history.of('api.stream').filter(({ clients }) => clients > 0);
    return [
      ...judgeAttempts(history),
      ...names.map((name) => judgeEndsSoon(history, name, COWORKER_WITHIN_MS)),
      gone
        ? judged(true, forgotten, 'none')
        : kept.length > 0
          ? failed(forgotten, kept.map(({ node, clients }) => `${node}: ${clients}`).join(', '))
          : inconclusive(forgotten, 'the API was not read to the end'),
    ];
  },
});

// only-players

const WATCH_MS = 1000;

const onlyPlayers = check({
  id: 'redirect/only-players',
  title: 'RTMP players are redirected, and nobody else: no publisher, no HTTP-FLV and no HLS player',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_rtmp_conn.cpp, playing (facts/srs.md 2)',
    says: 'The coworkers are asked when RTMP is played. A publisher is let in, whatever other origins have.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'coworkers'],
  mutants: ['origin-redirects-publishers', 'origin-redirects-flv'],

  async run(t) {
    const { asker, holder } = rolesOf(t);
    const stream = t.stream();
    await publishAt(t, holder, stream, 'first');
    await playByHand(t, { name: 'player', node: asker, stream });
    const base = `http://${asker.host}:${asker.ports.http}/${APP}/${stream}`;
    t.step('only.setting', { location: rtmpUrl(holder, stream), http: `${base}.flv ${base}.m3u8` });
    await Promise.all([
      t.http(`${base}.flv`, { label: 'flv' }),
      t.http(`${base}.m3u8`, { label: 'hls' }),
      publishWhereItIsNot(t, rtmpUrl(asker, stream)),
    ]);
  },

  judge(history) {
    const setting = history.step('only.setting');
    if (setting === undefined) return [...judgeAttempts(history), notSeen(history, 'a redirected player')];
    return [
      ...judgeAttempts(history),
      // Where no player is redirected, it says nothing that others are not.
      judgeSentTo(history, 'player', String(setting.location)),
      judgePublisher(history),
      ...words(setting.http).map((url) => judgeHttp(history, url)),
    ];
  },
});

async function publishWhereItIsNot(t: CheckContext, url: string): Promise<void> {
  // Players of what is published here get media, whatever is heard of coworkers by then.
  await t.observe(WATCH_MS, 'a redirect of an HTTP player would come now');
  const second = await t.publish({ url, label: 'second' });
  t.step('only.published');
  await t.observe(WATCH_MS, 'a 302 would come now');
  t.step('only.watched', { frames: second.frames });
}

function judgePublisher(history: History): Judgement {
  const expected = 'a publisher is let in and stays, though another origin has the stream';
  const closed = history
    .of('client.closed')
    .find(({ client, reason }) => client === 'second' && reason !== 'local');
  if (closed) return failed(expected, `closed: ${closed.reason} while ${closed.during}, ${closed.code}`);
  const redirect = history.of('client.redirect').find(({ client }) => client === 'second');
  if (redirect) return failed(expected, `sent to ${redirect.location}`);
  const refused = history.of('not-observed').find(({ what }) => what.startsWith('second:'));
  if (refused) return failed(expected, `not observed: ${refused.what}`);
  const watched = history.step('only.watched');
  if (watched === undefined) return inconclusive(expected, 'it was not watched');
  return judged(Number(watched.frames) > 0, expected, `${watched.frames} frames sent in ${WATCH_MS} ms`);
}

function judgeHttp(history: History, url: string): Judgement {
  const expected = `${url.replace(/.*\./, '')}: no redirect of an HTTP player`;
  const exchange = history.of('http.exchange').find((one) => one.url === url);
  if (exchange === undefined) return inconclusive(expected, 'it was not asked for');
  const { status, headers } = exchange;
  if (status === 0) return inconclusive(expected, 'it was not answered');
  const sent = (status >= 300 && status < 400) || headers.location !== undefined;
  return judged(!sent, expected, `status ${status}${headers.location ? `, to ${headers.location}` : ''}`);
}

// asks-in-order

const asksInOrder = check({
  id: 'redirect/asks-in-order',
  title: 'Coworkers are asked one after the other, for streams that are not here, and in SRS’s words',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_rtmp_conn.cpp, playing; srs_app_http_hooks.cpp, discover_co_workers (facts/srs.md 2)',
    says: 'POST /api/v1/clusters?vhost=&ip=&app=&stream=&coworker= to each coworker in turn, until one has the stream. The one that has it is the last to be asked.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'play.rtmp', 'coworkers', 'observe.requests'],
  mutants: ['origin-asks-first-coworker-only', 'origin-asks-always'],

  async run(t) {
    const { asker, holder } = rolesOf(t);
    const [here, there, nobodys] = [t.stream('here'), t.stream('there'), t.stream('nobodys')];
    await Promise.all([publishAt(t, asker, here), publishAt(t, holder, there)]);
    const player = t.play(rtmpUrl(asker, here), 'here');
    await player.playing(COWORKER_WITHIN_MS);
    const { coworkers = [] } = asker.spec;
    // A stream manager is the only one, whoever has the stream; of coworkers those up to the holder are asked.
    const until = coworkers.includes(holder.spec.name) ? coworkers.indexOf(holder.spec.name) + 1 : 1;
    const base = { asker: asker.spec.name, host: asker.host };
    t.step('order.setting', { ...base, stream: here, coworkers: '' });
    t.step('order.setting', { ...base, stream: there, coworkers: coworkers.slice(0, until).join(' ') });
    t.step('order.setting', { ...base, stream: nobodys, coworkers: coworkers.join(' ') });
    (await playByHand(t, { name: 'there', node: asker, stream: there }))?.close();
    (await playByHand(t, { name: 'nobodys', node: asker, stream: nobodys }))?.close();
    t.step('order.asked', { location: rtmpUrl(holder, there) });
  },

  judge(history) {
    const asked = history.step('order.asked');
    if (asked === undefined) return [...judgeAttempts(history), notSeen(history, 'players of all streams')];
    return [
      ...judgeAttempts(history),
      judgeSentTo(history, 'there', String(asked.location)),
      ...stepsOf(history, 'order.setting').map((setting) => judgeQuestions(history, setting)),
    ];
  },
});

function judgeQuestions(history: History, { asker, host, stream, coworkers }: StepData): Judgement {
  const expected = `${asker} asks for ${stream}: ${words(coworkers).join(', then ') || 'nobody'}`;
  const requests = history.of('tap.request').filter(({ from, path }) => {
    return from === asker && new URL(path, 'http://tap').searchParams.get('stream') === stream;
  });
  const asked = requests.map(({ tap }) => tap.split('>')[1]);
  const order = asked.join(', then ') || 'nobody';
  const odd = requests.find(({ method, path }) => {
    const { pathname, searchParams } = new URL(path, 'http://tap');
    const { coworker, ...query } = Object.fromEntries(searchParams);
    const asIs = { vhost: '__defaultVhost__', ip: String(host), app: APP, stream: String(stream) };
    return (
      method !== 'POST' ||
      pathname !== '/api/v1/clusters' ||
      !coworker ||
      Object.entries(asIs).some(([key, value]) => query[key] !== value)
    );
  });
  if (odd) return failed(expected, `${odd.method} ${odd.path}`);
  return judged(asked.join(' ') === String(coworkers), expected, `asks ${order}`);
}

// cluster-api

const API_TOLD = 'cluster-api.told';
/** Two origins by two methods, and two more. */
const FEWEST_ANSWERS = 6;

const clusterApi = check({
  id: 'redirect/cluster-api',
  title: 'An origin tells a coworker whether it has a stream, and where its RTMP port is',
  level: 'must',
  spec: {
    source: SRS,
    where: 'srs_app_coworkers.cpp, dumps; srs_app_http_api.cpp, SrsGoApiClusters (facts/srs.md 2)',
    says: 'code 0, data.query with ip, vhost, app and stream as asked, data.origin with ip, port, vhost, api and routers, or null. It has a stream as long as that is published there.',
  },
  topologies: ALL_COWORKERS,
  needs: ['publish.rtmp', 'coworkers', 'observe.api'],
  mutants: ['coworker-claims-everything', 'coworker-claims-ended', 'coworker-port-as-text'],

  async run(t) {
    const { holder } = rolesOf(t);
    const stream = t.stream();
    const publisher = await publishAt(t, holder, stream);
    await publisher.sent(1, 1000);
    for (const method of ['GET', 'POST']) {
      for (const node of clusteredOrigins(t)) {
        await ask(t, `${node.spec.name} by ${method}`, node, stream, { method, has: node === holder });
      }
    }
    await publisher.stop();
    await t.untilApi(holder.spec.name, stream, 1000, ({ publishers }) => publishers === 0);
    await ask(t, 'after its end', holder, stream, { method: 'POST', has: false });
    await ask(t, 'an empty name', holder, '', { method: 'POST', has: false });
    t.step('cluster-api.done');
  },

  judge(history) {
    const told = stepsOf(history, API_TOLD);
    const isWhole = told.length >= FEWEST_ANSWERS && history.step('cluster-api.done') !== undefined;
    if (!isWhole) return [notSeen(history, 'every answer')];
    return told.map(({ name, expected, actual }) =>
      judged(actual === expected, `${name}: ${expected}`, String(actual)),
    );
  },
});

interface Question {
  readonly method: string;
  readonly has: boolean;
}

async function ask(
  t: CheckContext,
  name: string,
  node: ReturnType<typeof clusteredOrigins>[number],
  stream: string,
  { method, has }: Question,
): Promise<void> {
  const api = `${node.host}:${node.ports.api}`;
  const query = { ip: '10.9.8.7', vhost: '__defaultVhost__', app: APP, stream };
  const asked = Object.entries({ ...query, coworker: api }).map(([key, value]) => `${key}=${value}`);
  const answer = await t.http(`http://${api}/api/v1/clusters?${asked.join('&')}`, { label: name, method });
  const ports = { ip: node.host, port: node.ports.rtmp };
  const origin = has ? { ...ports, vhost: '__defaultVhost__', api, routers: [api] } : null;
  const expected = JSON.stringify({ code: 0, query, origin });
  t.step(API_TOLD, { name, expected, actual: answerIn(answer.status, Buffer.from(answer.body).toString()) });
}

/** What matters of an answer, in the order in which it is expected; as it came where it is of another form. */
function answerIn(status: number, text: string): string {
  try {
    const { code, data } = JSON.parse(text);
    const { ip, vhost, app, stream } = data.query;
    const { origin } = data;
    const told = origin && {
      ip: origin.ip,
      port: origin.port,
      vhost: origin.vhost,
      api: origin.api,
      routers: origin.routers,
    };
    return JSON.stringify({ code, query: { ip, vhost, app, stream }, origin: told });
  } catch {
    return `status ${status}: ${text.slice(0, 200)}`;
  }
}

export const REDIRECT_ORIGIN: readonly Check[] = [
  onTheWire,
  queryAndVhost,
  slashInQuery,
  nowhere,
  onlyPlayers,
  asksInOrder,
  clusterApi,
];
