/** SRT: how callers are let in, and what they are let in to. */
import { setImmediate } from 'node:timers/promises';
import { HandshakeType } from '../../protocols/srt/handshake.ts';
import { RejectReason, rejectionName, rejectionOf } from '../../protocols/srt/rejection.ts';
import {
  SRT_CLOSED_WITHIN_MS,
  SRT_PASSPHRASE,
  SRT_PEER_LATENCY_MS,
  SRT_RECEIVE_LATENCY_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, nameOf, notSeen, videoOf } from '../judging.ts';
import { attempt, judgeAttempts, stepsOf } from '../wire/attempt.ts';
import { WireSrt } from '../wire/srt.ts';
import { judgeFrames } from './srt-delivery.ts';
import {
  closedByPeer,
  DRAFT,
  EDGE_CLUSTER,
  entryOf,
  judgeLetIn,
  SRS,
  SRT_PLAYING_WITHIN_MS,
  withStreamId,
} from './srt-lines.ts';

// handshake

/** Less than what the servers have, and more. */
const WISHES = [
  { name: 'little', receive: 20, send: 30 },
  { name: 'much', receive: 480, send: 520 },
] as const;
/** Callers whom a handshake of version 5 is not for. */
const OLD = ['version 4', 'SRT 1.2'] as const;
/** Those who speak of stream ids. */
const VERSION_1_3 = 0x010300;
const VERSION_1_2 = 0x010200;
/** What callers who are too old are rejected with: the version is too low, or does not go with the handshake. */
const TOO_OLD: readonly number[] = [RejectReason.version, RejectReason.rogue];

const handshake = check({
  id: 'srt/handshake',
  title: 'An SRT caller is answered in version 5, and the greater latency is agreed on',
  level: 'must',
  spec: {
    source: DRAFT,
    where:
      'sections 3.2.1, 4.3.1.1, 4.3.1.2 and 4.4, table 7; SRS 7.0.18 conf/full.conf recvlatency, peerlatency',
    says: 'The induction is answered with version 5, the magic 0x4a17 and a cookie; the conclusion with HSRSP, in which each direction has the greater of both ends’ latencies. A caller who concludes in version 4 is answered in version 4 or rejected; one who says in a handshake of version 5 that it is SRT 1.2, which has none, is rejected.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['play.srt'],
  mutants: ['srt-latency-ignored', 'srt-admits-old-versions'],

  async run(t) {
    const stream = t.stream();
    t.step('configured', { receive: SRT_RECEIVE_LATENCY_MS, peer: SRT_PEER_LATENCY_MS });
    for (const { name, receive, send } of WISHES) {
      await attempt(t, `a caller who wants ${receive} and ${send} ms`, async () => {
        const caller = await WireSrt.open(entryOf(t));
        t.cleanUp(() => caller.close());
        const induction = await caller.ask(caller.induction());
        const wish = {
          streamId: `#!::r=live/${stream},m=request`,
          receiveLatencyMs: receive,
          sendLatencyMs: send,
        };
        const { type, version, hs, socketId } = await caller.ask(caller.conclusion(induction.cookie, wish));
        t.step('agreed', {
          name,
          receive,
          send,
          inductionVersion: induction.version,
          magic: induction.extensionField,
          cookie: induction.cookie !== 0,
          type,
          version,
          srtVersion: hs?.version ?? null,
          response: hs?.response ?? null,
          serverReceives: hs?.receiverDelay ?? null,
          serverSends: hs?.senderDelay ?? null,
        });
        await caller.close(socketId);
      });
    }
    const wish = { streamId: `#!::r=live/${stream},m=request`, receiveLatencyMs: 120, sendLatencyMs: 120 };
    await askAsOld(t, 'version 4', (caller, cookie) => caller.oldConclusion(cookie));
    await askAsOld(t, 'SRT 1.2', (caller, cookie) =>
      caller.conclusion(cookie, { ...wish, srtVersion: VERSION_1_2 }),
    );
  },

  judge(history) {
    const configured = history.step('configured');
    const agreed = stepsOf(history, 'agreed');
    const broken = judgeAttempts(history);
    if (configured === undefined || agreed.length === 0) {
      return broken.length > 0 ? broken : [notSeen(history, 'two handshakes')];
    }
    return [
      ...broken,
      ...(agreed.length < WISHES.length ? [notSeen(history, 'two handshakes')] : []),
      ...judgeOld(history),
      ...agreed.flatMap((one): Judgement[] => {
        const { inductionVersion, magic, cookie, version, srtVersion, response } = one;
        const induction = `induction: version ${inductionVersion}, magic 0x${Number(magic).toString(16)}, ${cookie ? 'a' : 'no'} cookie`;
        const hello = `conclusion: version ${version}, ${response ? 'HSRSP' : 'no HSRSP'}, SRT ${hex(srtVersion)}`;
        const five =
          inductionVersion === 5 &&
          magic === 0x4a17 &&
          cookie === true &&
          version === 5 &&
          response === true &&
          Number(srtVersion) >= VERSION_1_3;
        const receives = Math.max(Number(configured.receive), Number(one.send));
        const sends = Math.max(Number(configured.peer), Number(one.receive));
        return [
          judged(five, 'a handshake of version 5, with a cookie and HSRSP', `${induction}; ${hello}`),
          judged(
            one.serverReceives === receives && one.serverSends === sends,
            `asked for ${one.receive} and ${one.send} ms: the server sends with ${sends} and receives with ${receives} ms`,
            `${one.serverSends} and ${one.serverReceives} ms`,
          ),
        ];
      }),
    ];
  },
});

async function askAsOld(
  t: CheckContext,
  name: (typeof OLD)[number],
  conclude: (caller: WireSrt, cookie: number) => Uint8Array,
): Promise<void> {
  await attempt(t, `a caller of ${name}`, async () => {
    const caller = await WireSrt.open(entryOf(t));
    t.cleanUp(() => caller.close());
    const { cookie } = await caller.ask(caller.induction());
    const { type, version, hs, socketId } = await caller.ask(conclude(caller, cookie));
    t.step('old', { name, type, version, response: hs?.response ?? null });
    await caller.close(type === HandshakeType.conclusion ? socketId : 0);
  });
}

function judgeOld(history: History): Judgement[] {
  const old = stepsOf(history, 'old');
  const missing = OLD.filter((name) => !old.some((one) => one.name === name));
  return [
    ...old.map(({ name, type, version, response }): Judgement => {
      const reason = rejectionOf(Number(type));
      const rejected = reason !== undefined && TOO_OLD.includes(reason);
      const answered =
        reason === undefined ? `an answer of type ${type}` : `rejected: ${rejectionName(reason)}`;
      const told = `${answered}, version ${version}, ${response === null ? 'no HSRSP' : 'HSRSP'}`;
      if (name !== 'version 4') return judged(rejected, `a caller of ${name} in version 5 is rejected`, told);
      const asOfOld = type === HandshakeType.conclusion && version === 4 && response === null;
      return judged(
        rejected || asOfOld,
        'a caller who concludes in version 4 is answered in it, or rejected',
        told,
      );
    }),
    ...missing.map((name) => notSeen(history, `the answer to a caller of ${name}`)),
  ];
}

function hex(value: unknown): string {
  return typeof value === 'number' ? `0x${value.toString(16)}` : 'of no version';
}

// handshake-flood

/** As many callers as do not come back; what a server keeps of each would be a socket's size and more. */
const FLOOD = 20_000;
const SOCKETS = 16;
const BATCH = 64;
const BATCH_MS = 20;
/** Far below 1 KiB of each: buffers of the system's and a garbage collector's are in it, too. */
const GROWTH_MB = 48;

const handshakeFlood = check({
  id: 'srt/handshake-flood',
  title: 'Callers who begin an SRT handshake and do not go on leave nothing behind',
  level: 'must',
  spec: {
    source: DRAFT,
    where: 'section 4.3.1.1 (SYN cookie); section 9 (security considerations)',
    says: 'The cookie of an induction is made of what the server knows anyway, so that nothing need be kept of a caller before it has come back.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt', 'control.process'],
  mutants: ['srt-handshake-flood-grows'],
  disrupts: `sends a flood of ${FLOOD} handshakes`,

  alone: true,
  async run(t) {
    const node = t.cluster.nodes.get(t.cluster.entry('play', 'srt').node)!;
    const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => WireSrt.open(entryOf(t))));
    for (const socket of sockets) t.cleanUp(() => socket.close());
    // Whatever a first answer needs is there before the first figure.
    await attempt(t, 'an induction', () => sockets[0]!.ask(sockets[0]!.induction()));
    t.step('before', { rssMb: node.usage().rssMb });
    for (let sent = 0; sent < FLOOD; sent += BATCH) {
      const batch = Array.from({ length: BATCH }, (_, i) => {
        const socket = sockets[i % SOCKETS]!;
        return socket.send(socket.induction());
      });
      await Promise.all(batch);
      await answered(sockets, sent + BATCH);
    }
    // It answers this one after all that came before it.
    await attempt(t, 'an induction after the flood', async () => {
      const late = await WireSrt.open(entryOf(t));
      t.cleanUp(() => late.close());
      await late.ask(late.induction());
      t.step('after', { rssMb: node.usage().rssMb, sent: FLOOD, answered: answers(sockets) });
    });
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream, undefined, 'srt'), label: 'publisher' });
    await t.play(t.playUrl('srt', stream), 'served').playing(SRT_PLAYING_WITHIN_MS);
  },

  judge(history) {
    const before = history.step('before');
    const after = history.step('after');
    const broken = judgeAttempts(history);
    const expected = `${FLOOD} inductions leave less than ${GROWTH_MB} MB behind`;
    if (before === undefined || after === undefined) {
      return broken.length > 0 ? broken : [notSeen(history, expected)];
    }
    const grown = Math.round(Number(after.rssMb) - Number(before.rssMb));
    const told = `${grown} MB more, ${after.answered} were answered`;
    // A flood that did not arrive shows nothing, and neither does a process that is gone.
    const measured = Number(before.rssMb) > 0 && Number(after.rssMb) > 0;
    const arrived = Number(after.answered) >= FLOOD / 2;
    const kept =
      !measured || (grown < GROWTH_MB && !arrived)
        ? inconclusive(expected, told)
        : judged(grown < GROWTH_MB, expected, told);
    return [...broken, kept, judgeFrames(history, 'publisher', 'served', 1)];
  },
});

/** Until all are answered, or for a while: what a buffer had no room for is not. */
async function answered(sockets: readonly WireSrt[], count: number): Promise<void> {
  const end = performance.now() + BATCH_MS;
  while (answers(sockets) < count && performance.now() < end) await setImmediate();
}

function answers(sockets: readonly WireSrt[]): number {
  return sockets.reduce((sum, { received }) => sum + received, 0);
}

// stream-id-routing

/** Forms of stream ids by which a stream is asked for, with where they are to lead. */
function forms(a: string, b: string): { form: string; id: string; of: string }[] {
  return [
    { form: 'r-and-m', id: `#!::r=live/${a},m=request`, of: a },
    { form: 'question-mark', id: `#!::r=live/${b}?key=1,m=request`, of: b },
    { form: 'm-first', id: `#!::m=request,r=live/${b}`, of: b },
    { form: 'path', id: `live/${b}`, of: b },
    { form: 'name', id: b, of: b },
    { form: 'other-name', id: a, of: a },
  ];
}

const ROUTED_FRAMES = 5;

const streamIdRouting = check({
  id: 'srt/stream-id-routing',
  title: 'A stream id says which stream is published or played, in each of its forms',
  level: 'must',
  spec: {
    source: SRS,
    where: 'protocol/srs_protocol_srt util, srs_srt_streamid_info; draft-sharabayko-srt-01 appendix B',
    says: '#!::r=app/stream,m=publish or m=request, h=app/stream,m=publish of old, app/stream, and stream of app live. What has no mode is a request.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt'],
  mutants: ['srt-stream-id-ignored'],

  async run(t) {
    const [a, b] = [t.stream('a'), t.stream('b')];
    const published = [
      { stream: a, id: `#!::r=live/${a},m=publish` },
      { stream: b, id: `#!::h=live/${b},m=publish` },
    ];
    const url = t.playUrl('srt', a);
    const publishers = new Map<string, string>();
    for (const { stream, id } of published) {
      const publisher = await t.publish({ url: withStreamId(url, id) });
      publishers.set(stream, publisher.label);
      await publisher.sent(1, 2000);
    }
    const players = forms(a, b).map(({ form, id, of }) => {
      const player = t.play(withStreamId(url, id), form);
      t.step('form', { player: player.label, id, publisher: publishers.get(of)! });
      return player;
    });
    await Promise.all(players.map((player) => player.frames(ROUTED_FRAMES, SRT_PLAYING_WITHIN_MS)));
  },

  judge(history) {
    const players = stepsOf(history, 'form');
    if (players.length === 0) {
      const refused = history.of('client.closed').find(({ reason }) => reason !== 'local');
      if (refused === undefined) return [notSeen(history, 'players of two streams')];
      return [failed('two publishers with stream ids of their own', `${refused.client}: ${refused.code}`)];
    }
    return [
      ...players.map(({ player, id, publisher }) =>
        judgeRoute(history, `${player}`, `${id}`, `${publisher}`),
      ),
      ...(players.length < forms('', '').length
        ? [notSeen(history, 'players with every form of stream id')]
        : []),
    ];
  },
});

function judgeRoute(history: History, player: string, id: string, publisher: string): Judgement {
  const expected = `${id} gives the frames that were published as ${publisher}`;
  const own = videoOf(history.sent(publisher)).find(({ stamp }) => stamp !== null)?.stamp?.stream;
  if (own === undefined) return inconclusive(expected, 'nothing was published');
  const got = videoOf(history.got(player));
  const foreign = got.find(({ stamp }) => stamp?.stream !== own);
  if (foreign !== undefined) return failed(expected, `another stream: ${nameOf(foreign)}`);
  return judged(got.length >= ROUTED_FRAMES, expected, got.length > 0 ? `${got.length} frames` : 'no frame');
}

// missing-and-refused

const SILENCE_MS = 1500;

const missingAndRefused = check({
  id: 'srt/missing-and-refused',
  title: 'A player of an absent stream waits in silence; a caller who asks for nonsense is closed',
  level: 'must',
  spec: {
    source: SRS,
    where: 'app/srs_app_srt_conn.cpp, SrsMpegtsSrtConn::do_cycle, acquire_publish (error 6007)',
    says: 'Every caller is let in. One that plays a stream nobody publishes stays, without data; an unknown mode, and a stream that is busy, is closed.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt', 'observe.api'],
  mutants: ['srt-refuses-without-close', 'srt-two-publishers', 'srt-stream-id-ignored'],

  async run(t) {
    const node = t.cluster.entry('play', 'srt').node;
    const stream = t.stream('busy');
    const absent = t.stream('absent');
    const url = t.playUrl('srt', stream);
    const first = await t.publish({ url: t.publishUrl(stream, undefined, 'srt'), label: 'first' });
    await first.sent(1, 2000);
    const waiting = t.play(t.playUrl('srt', absent), 'waiting');
    const confused = t.play(withStreamId(url, `#!::r=live/${stream},m=steal`), 'confused');
    await letIn(t, 'waiting');
    t.step('waits', { player: waiting.label });
    await t.untilApi(node, absent, 1000, ({ clients }) => clients === 1);
    const busy = await t.publish({ url: t.publishUrl(stream, undefined, 'srt'), label: 'busy' });
    t.step('refused', { client: busy.label, why: 'a stream that is busy' });
    t.step('refused', { client: confused.label, why: 'an unknown mode' });
    await t.observe(SILENCE_MS, 'a player of an absent stream gets nothing and stays');
    await t.readApi(node, absent);
    t.step('waited');
  },

  judge(history) {
    const refused = history.of('step').filter(({ step }) => step === 'refused');
    return [
      ...judgeLetIn(history, ['first']),
      judgeWaiting(history),
      ...refused.map(({ t, data: { client, why } }) => {
        const expected = `${client}, who asks for ${why}: let in, and closed within ${SRT_CLOSED_WITHIN_MS} ms`;
        return judgeClosed(history, `${client}`, t, expected);
      }),
      ...(refused.length < 2 ? [notSeen(history, 'callers who ask for what cannot be')] : []),
    ];
  },
});

function judgeWaiting(history: History): Judgement {
  const expected = 'a player of an absent stream is let in, listed, gets nothing and stays';
  const closed = closedByPeer(history, 'waiting');
  if (closed !== undefined) return failed(expected, `closed: ${closed.code}`);
  const got = videoOf(history.got('waiting'));
  if (got.length > 0) return failed(expected, `${got.length} frames`);
  const readings = history.of('api.stream');
  const waits = history.of('step').find(({ step }) => step === 'waits');
  if (waits === undefined) {
    const tried = history.events.some((event) => 'client' in event && event.client === 'waiting');
    return tried || readings.length > 0 ? failed(expected, 'it was not let in') : notSeen(history, expected);
  }
  const last = readings.at(-1);
  if (last === undefined) return notSeen(history, expected);
  if (last.clients !== 1) return failed(expected, `${last.clients} clients in the API`);
  return history.step('waited') === undefined || last.t < waits.t + SILENCE_MS
    ? notSeen(history, expected)
    : judged(true, expected, 'so it is');
}

/** Whether a client was let in, at the latest at `latest`, and closed in time by the server. */
export function judgeClosed(history: History, client: string, latest: number, expected: string): Judgement {
  const entered = history
    .of('client.state')
    .find((one) => one.client === client && one.state === 'streaming');
  const since = Math.min(latest, entered?.t ?? latest);
  const closed = closedByPeer(history, client);
  if (closed === undefined) {
    const seenMs = Math.max(...history.events.map(({ t }) => t)) - since;
    return seenMs > SRT_CLOSED_WITHIN_MS ? failed(expected, 'it was kept') : notSeen(history, expected);
  }
  if (closed.reason !== 'remote' || closed.during !== 'streaming') {
    return failed(expected, `${closed.reason} while ${closed.during}: ${closed.code}`);
  }
  const afterMs = Math.max(0, Math.round(closed.t - since));
  return judged(afterMs <= SRT_CLOSED_WITHIN_MS, expected, `${closed.code} after ${afterMs} ms`);
}

async function letIn(t: CheckContext, client: string): Promise<void> {
  await t.until(`${client} is let in`, SRT_PLAYING_WITHIN_MS, (history) =>
    history.of('client.state').some((event) => event.client === client && event.state === 'streaming'),
  );
}

// encryption

/** A server that is full, or knows no such stream, rejects for other reasons. */
const SECRET_REFUSED: readonly string[] = ['srt.rejected.bad-secret', 'srt.rejected.unsecure'];
const WRONG = 'not-the-passphrase';

const encryption = check({
  id: 'srt/encryption',
  title: 'Only who has the passphrase is let in, and what is sent can be read',
  level: 'must',
  spec: {
    source: DRAFT,
    where:
      'sections 4.3.1.2, 6 and 3.2.1.2.1 (key material); rejection reasons of libsrt: BADSECRET, UNSECURE',
    says: 'Keys are wrapped with the passphrase in the handshake. A caller whose keys cannot be unwrapped, or who brings none, is rejected where encryption is enforced.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt'],
  mutants: ['srt-accepts-wrong-passphrase'],

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream, undefined, 'srt'), label: 'publisher' });
    const url = t.playUrl('srt', stream);
    const right = t.play(url, 'right');
    await right.playing(SRT_PLAYING_WITHIN_MS);
    for (const [label, other] of [
      ['wrong', url.replace(SRT_PASSPHRASE, WRONG)],
      ['none', url.replace(`&passphrase=${SRT_PASSPHRASE}`, '')],
    ] as const) {
      const player = t.play(other, label);
      t.step('stranger', { player: player.label });
      await player.closed(SRT_PLAYING_WITHIN_MS);
    }
  },

  judge(history) {
    const strangers = stepsOf(history, 'stranger');
    return [
      judgeFrames(history, 'publisher', 'right', 1),
      ...strangers.map(({ player }) => judgeStranger(history, `${player}`)),
      ...(strangers.length < 2 ? [notSeen(history, 'callers with another passphrase and with none')] : []),
    ];
  },
});

export function judgeStranger(history: History, player: string): Judgement {
  const expected = `${player} passphrase: rejected in the handshake`;
  const entered = history
    .of('client.state')
    .some((event) => event.client === player && event.state === 'streaming');
  const closed = closedByPeer(history, player);
  if (entered) return failed(expected, 'it was let in');
  if (closed === undefined) return failed(expected, 'neither let in nor rejected');
  return judged(SECRET_REFUSED.includes(closed.code), expected, closed.code);
}

export const SRT_HANDSHAKES: readonly Check[] = [
  handshake,
  handshakeFlood,
  streamIdRouting,
  missingAndRefused,
  encryption,
];
