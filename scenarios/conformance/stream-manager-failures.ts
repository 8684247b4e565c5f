/** What a stream manager knows when an origin, its Redis or it itself is gone, and of reports that are none. */
import {
  MANAGER_KNOWS_WITHIN_MS,
  ORIGIN_DEAD_WITHIN_MS,
  PLAYING_WITHIN_MS,
  REDIS_BACK_WITHIN_MS,
  REPORTED_WITHIN_MS,
} from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { judged, notSeen } from '../judging.ts';
import { judgeGone, killSeen, knock } from '../wire/presence.ts';
import {
  answersOf,
  ask,
  judgeLast,
  judgeNowhere,
  judgePlayed,
  lookFor,
  MANAGER,
  NOWHERE,
  post,
  reportsOf,
  rtmpOf,
  SPEC,
} from './stream-manager-questions.ts';

// dead-origin

const deadOrigin = check({
  id: 'stream-manager/dead-origin',
  title: 'No answer points at an origin that is dead; its publisher is found where it comes back',
  level: 'must',
  spec: {
    source: SPEC.seed,
    where: SPEC.manager,
    says: 'The answer is the server where the stream is: one that gives no sign of life for the time set is none.',
  },
  topologies: MANAGER,
  needs: ['publish.rtmp', 'play.rtmp', 'stream-manager', 'control.process'],
  mutants: ['manager-keeps-dead-origins', 'manager-believes-reports-only'],
  deadlineMs: 40_000,

  async run(t) {
    const [moves, stays] = [t.stream('moves'), t.stream('ends')];
    const [dying, other, third] = t.nodes('origin');
    for (const stream of [moves, stays]) {
      await t.publish({
        url: t.publishUrl(stream, dying!.spec.name),
        label: stream === moves ? 'before' : 'ended',
      });
    }
    await lookFor(t, 'before', moves, REPORTED_WITHIN_MS, rtmpOf(dying!));
    await lookFor(t, 'ending', stays, REPORTED_WITHIN_MS, rtmpOf(dying!));
    await t.control(dying!, 'kill');
    t.step('dead', { dead: rtmpOf(dying!), other: rtmpOf(other!) });
    await t.publish({ url: t.publishUrl(moves, other!.spec.name), label: 'again' });
    await lookFor(t, 'again', moves, REPORTED_WITHIN_MS, rtmpOf(other!));
    const player = t.play(t.playUrl('rtmp', moves, third!.spec.name), 'player');
    await player.playing(PLAYING_WITHIN_MS);
    await lookFor(t, 'ended', stays, ORIGIN_DEAD_WITHIN_MS, NOWHERE);
    t.step('expired');
    await ask(t, 'ended', stays);
    await ask(t, 'again', moves);
    await t.control(dying!, 'restart');
    t.step('restarted');
    await t.observe(ORIGIN_DEAD_WITHIN_MS, 'an origin that is started anew has none of its streams');
    await ask(t, 'restarted', stays);
  },

  judge(history) {
    const setting = history.step('dead');
    if (setting === undefined) return [notSeen(history, 'an origin with a publisher dies')];
    const dead = String(setting.dead);
    const expired = history.of('step').find(({ step }) => step === 'expired')?.t;
    const judgements = [
      judgeLast(history, 'before', dead, 'the manager knows it while it lives'),
      judgeLast(history, 'ending', dead, 'and the stream that will not come back'),
      judgeLast(
        history,
        'again',
        String(setting.other),
        'a publisher that comes back elsewhere is found there',
      ),
      judgePlayed(history, 'player', 'again'),
    ];
    if (expired === undefined) return [...judgements, notSeen(history, 'the dead origin expires')];
    return [
      ...judgements,
      judgeNowhere(
        history,
        'ended',
        expired,
        `what a dead origin had is nowhere ${ORIGIN_DEAD_WITHIN_MS} ms after its death`,
      ),
      judgeLast(history, 'restarted', NOWHERE, 'nor at one that was started anew without the stream'),
    ];
  },
});

// heartbeat

const EXPIRES_MS = 1500;
const BEATS = 4;
const BEAT_EVERY_MS = EXPIRES_MS / 2;
/** As a client of the history. */
const HEARTBEATS = 'reports-heartbeat';

const heartbeat = check({
  id: 'stream-manager/heartbeat',
  title: 'What is reported lives as long as its reporter says so',
  level: 'must',
  spec: {
    source: 'lab/builtin/stream-manager/reports.ts',
    where: 'POST /api/v1/streams, origin.expiresMs',
    says: 'An origin that is reported without an API lives by its reports: a heartbeat keeps it, and without one it is dead when its time is over.',
  },
  topologies: MANAGER,
  needs: ['stream-manager'],
  disrupts: 'reports an origin that does not exist',
  mutants: ['manager-keeps-dead-origins', 'manager-ignores-heartbeats'],

  async run(t) {
    const stream = t.stream();
    const report = (streams: readonly object[]) =>
      post(
        t,
        'heartbeat',
        '/api/v1/streams',
        JSON.stringify({ origin: { rtmp: BEATING, expiresMs: EXPIRES_MS }, streams }),
      );
    await report([{ app: 'live', stream }]);
    await ask(t, 'reported', stream);
    for (let beat = 0; beat < BEATS; beat++) {
      await t.observe(BEAT_EVERY_MS, 'half of the time that it has without a heartbeat');
      await report([]);
    }
    await ask(t, 'beating', stream);
    t.step('last-beat');
    await lookFor(t, 'silent', stream, EXPIRES_MS + SPARE_MS, NOWHERE);
  },

  judge(history) {
    if (history.step('last-beat') === undefined) return [notSeen(history, 'heartbeats')];
    return [
      judgeLast(history, 'reported', BEATING, 'what is reported is known'),
      judgeLast(history, 'beating', BEATING, `heartbeats keep it beyond ${EXPIRES_MS} ms`),
      judgeLast(history, 'silent', NOWHERE, `without one it is dead after ${EXPIRES_MS} ms`),
      judgeLife(history),
    ];
  },
});

/** The manager has heard a heartbeat no sooner than it was sent, and has answered no later than that was read. */
function judgeLife(history: History): Judgement {
  const expected = `not before ${EXPIRES_MS} ms after the last heartbeat`;
  const sentAt = history.of('http.exchange').findLast(({ client }) => client === HEARTBEATS)?.sentAt;
  const over = answersOf(history, 'silent').find(({ place }) => place === NOWHERE);
  if (sentAt === undefined || over === undefined) return notSeen(history, expected);
  const ms = over.t - sentAt;
  return judged(ms >= EXPIRES_MS, expected, `after ${Math.round(ms)} ms`);
}

/** An origin of no cluster: nobody is ever sent there. */
const BEATING = '127.0.0.1:10';
const SPARE_MS = 500;

// redis-restart

const redisRestart = check({
  id: 'stream-manager/redis-restart',
  title: 'While Redis is gone, and after it is back, every stream that is alive is found',
  level: 'must',
  spec: {
    source: SPEC.seed,
    where: `${SPEC.manager}: 借助Redis进行状态管理`,
    says: 'Redis keeps the state. A failure of it costs no stream that is alive: neither those reported before, nor those reported meanwhile, nor after a restart of the manager.',
  },
  topologies: MANAGER,
  needs: ['publish.rtmp', 'stream-manager', 'redis', 'control.process'],
  mutants: ['manager-loses-state-with-redis', 'manager-needs-redis', 'manager-writes-redis-once'],
  deadlineMs: 40_000,

  async run(t) {
    const [before, meanwhile, ended] = [t.stream('before'), t.stream('meanwhile'), t.stream('ended')];
    const posted = t.stream('posted');
    const [first, second] = t.nodes('origin');
    const redis = t.nodes('redis')[0]!;
    const manager = t.nodes('stream-manager')[0]!;
    t.step('places', { before: rtmpOf(first!), meanwhile: rtmpOf(second!) });
    const publish = (stream: string, origin = first!, label = stream) =>
      t.publish({ url: t.publishUrl(stream, origin.spec.name), label });
    await publish(before);
    const ending = await publish(ended);
    await lookFor(t, 'before', before, REPORTED_WITHIN_MS, rtmpOf(first!));
    await lookFor(t, 'ending', ended, REPORTED_WITHIN_MS, rtmpOf(first!));
    await killSeen(t, redis, 'redis');
    t.step('gone');
    await ask(t, 'gone-before', before);
    await publish(meanwhile, second!);
    await ending.stop();
    await lookFor(t, 'gone-meanwhile', meanwhile, REPORTED_WITHIN_MS, rtmpOf(second!));
    await post(t, 'posted', '/api/v1/streams', postedReport(posted));
    await ask(t, 'gone-posted', posted);
    await lookFor(t, 'gone-ended', ended, REPORTED_WITHIN_MS, NOWHERE);
    await knock(t, redis, 'redis');
    await t.control(redis, 'restart');
    t.step('back');
    await untilRedisHasAll(t);
    await ask(t, 'back-before', before);
    await ask(t, 'back-meanwhile', meanwhile);
    await ask(t, 'back-ended', ended);
    await killSeen(t, manager, 'api');
    await t.control(manager, 'restart');
    t.step('anew');
    await lookFor(t, 'anew-before', before, MANAGER_KNOWS_WITHIN_MS, rtmpOf(first!));
    await lookFor(t, 'anew-meanwhile', meanwhile, MANAGER_KNOWS_WITHIN_MS, rtmpOf(second!));
    await ask(t, 'anew-posted', posted);
    await ask(t, 'anew-ended', ended);
  },

  judge(history) {
    const setting = history.step('places');
    if (setting === undefined) return [notSeen(history, 'streams are published')];
    const [before, meanwhile] = [String(setting.before), String(setting.meanwhile)];
    return [
      ...judgeGone(history),
      judgeLast(history, 'before', before, 'the manager knows what is published'),
      judgeLast(history, 'ending', before, 'and what is to end'),
      judgeLast(history, 'gone-before', before, 'while Redis is gone it knows what it knew'),
      judgeLast(history, 'gone-meanwhile', meanwhile, 'and takes reports'),
      judgeLast(history, 'gone-posted', POSTED, 'in either form'),
      judgeLast(history, 'gone-ended', NOWHERE, 'and heeds ends'),
      judgeLast(history, 'back-before', before, 'when Redis is back, nothing is lost'),
      judgeLast(history, 'back-meanwhile', meanwhile, 'nor of what was reported meanwhile'),
      judgeLast(history, 'back-ended', NOWHERE, 'and nothing that has ended is back'),
      judgeLast(history, 'anew-before', before, 'a manager that is started anew knows all of it from Redis'),
      judgeLast(history, 'anew-meanwhile', meanwhile, 'also what was reported meanwhile'),
      judgeLast(history, 'anew-posted', POSTED, 'and what nobody but Redis could tell it'),
      judgeLast(history, 'anew-ended', NOWHERE, 'and not what has ended'),
    ];
  },
});

/** An origin of no cluster: nobody is ever sent there. */
const POSTED = '127.0.0.1:9';

/** It lives by its reports alone, until the check is long over. */
function postedReport(stream: string): string {
  return JSON.stringify({
    origin: { rtmp: POSTED, expiresMs: 60_000 },
    streams: [{ app: 'live', stream }],
  });
}

/** The manager's own figure; without it, or when it does not say so in time, the answers tell. */
async function untilRedisHasAll(t: CheckContext): Promise<void> {
  const { host, ports } = t.nodes('stream-manager')[0]!;
  const end = performance.now() + REDIS_BACK_WITHIN_MS;
  while (performance.now() < end) {
    const { body } = await t.http(`http://${host}:${ports.api}/metrics`, { label: 'metrics' });
    const text = Buffer.from(body).toString();
    if (/^stream_manager_redis_up 1$/m.test(text) && /^stream_manager_redis_pending 0$/m.test(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// bad-reports

const LIMIT = 4 * 1024 * 1024;

/** What is posted, and where. */
interface BadReport {
  readonly about: string;
  readonly path?: string;
  readonly body: string;
}

const HOOK = '/api/v1/hooks/on_publish?rtmp=127.0.0.1:1935&api=127.0.0.1:1985';
const ORIGIN = '{"rtmp":"127.0.0.1:1935"}';
const STREAM = '{"app":"live","stream":"x"}';
const HOOK_BODY =
  '{"action":"on_publish","client_id":"c","vhost":"__defaultVhost__","app":"live","stream":"x"}';

const BAD_REPORTS: readonly BadReport[] = [
  { about: 'empty', body: '' },
  { about: 'no-json', body: '{"origin":' },
  { about: 'no-object', body: '[]' },
  { about: 'null', body: 'null' },
  { about: 'deep', body: '['.repeat(100_000) },
  { about: 'no-origin', body: `{"streams":[${STREAM}]}` },
  { about: 'no-streams', body: `{"origin":${ORIGIN}}` },
  { about: 'port-missing', body: `{"origin":{"rtmp":"127.0.0.1"},"streams":[${STREAM}]}` },
  { about: 'port-too-high', body: `{"origin":{"rtmp":"127.0.0.1:65536"},"streams":[${STREAM}]}` },
  { about: 'any-address', body: `{"origin":{"rtmp":"0.0.0.0:1935"},"streams":[${STREAM}]}` },
  { about: 'address-with-path', body: `{"origin":{"rtmp":"a/b:1935"},"streams":[${STREAM}]}` },
  { about: 'stream-empty', body: `{"origin":${ORIGIN},"streams":[{"app":"live","stream":""}]}` },
  { about: 'stream-number', body: `{"origin":${ORIGIN},"streams":[{"app":"live","stream":1}]}` },
  { about: 'stream-control', body: `{"origin":${ORIGIN},"streams":[{"app":"live","stream":"a\\r\\nb"}]}` },
  {
    about: 'stream-long',
    body: `{"origin":${ORIGIN},"streams":[{"app":"live","stream":"${'x'.repeat(2000)}"}]}`,
  },
  {
    about: 'unknown-action',
    body: `{"origin":${ORIGIN},"streams":[{"app":"l","stream":"x","action":"no"}]}`,
  },
  { about: 'hook-without-address', path: '/api/v1/hooks/on_publish', body: HOOK_BODY },
  { about: 'hook-of-another-action', path: HOOK, body: HOOK_BODY.replace('on_publish', 'on_play') },
  { about: 'hook-without-client', path: HOOK, body: HOOK_BODY.replace('"client_id":"c",', '') },
  { about: 'hook-no-json', path: HOOK, body: 'action=on_publish' },
  { about: 'huge', body: `{"origin":${ORIGIN},"streams":[],"complete":${' '.repeat(LIMIT)}false}` },
];

const badReports = check({
  id: 'stream-manager/bad-reports',
  title: 'Malformed and huge reports are refused with a 4xx, and change nothing',
  level: 'must',
  spec: {
    source: 'RFC 9110',
    where: '15.5.1 400 Bad Request, 15.5.14 413 Content Too Large',
    says: 'What cannot be used is the fault of who sent it, and is told so; what is known stays known.',
  },
  topologies: MANAGER,
  needs: ['publish.rtmp', 'stream-manager'],
  disrupts: 'sends what breaks servers',
  mutants: ['manager-malformed-tolerated', 'manager-malformed-kills', 'manager-no-body-limit'],

  async run(t) {
    const stream = t.stream();
    const origin = t.nodes('origin')[0]!;
    t.step('place', { place: rtmpOf(origin) });
    await t.publish({ url: t.publishUrl(stream, origin.spec.name) });
    await lookFor(t, 'before', stream, REPORTED_WITHIN_MS, rtmpOf(origin));
    for (const { about, path = '/api/v1/streams', body } of BAD_REPORTS) await post(t, about, path, body);
    await ask(t, 'after', stream);
    await ask(t, 'invented', 'x');
  },

  judge(history) {
    const setting = history.step('place');
    if (setting === undefined) return [notSeen(history, 'a stream is published')];
    const place = String(setting.place);
    const answers = reportsOf(history);
    return [
      judgeLast(history, 'before', place, 'the manager knows what is published'),
      ...BAD_REPORTS.map(({ about }) => {
        const expected = `${about}: refused with a 4xx`;
        const answer = answers.find((one) => one.about === about);
        if (answer === undefined) return notSeen(history, expected);
        return judged(
          answer.status >= 400 && answer.status < 500,
          expected,
          answer.status === 0 ? String(answer.error) : `HTTP status ${answer.status}`,
        );
      }),
      judgeLast(history, 'after', place, 'what was known is known afterwards'),
      judgeLast(history, 'invented', NOWHERE, 'of what was refused nothing is known'),
    ];
  },
});

export const MANAGER_FAILURES = [deadOrigin, heartbeat, redisRestart, badReports];
