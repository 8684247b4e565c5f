/** HTTP-FLV on the wire: the answer, the file that it carries, and what a server owes to those who get it wrong. */
import { type ClusterNode, SRS_PATIENCE } from '../../lab/cluster.ts';
import { MediaType } from '../../protocols/media.ts';
import { PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { failed, inconclusive, judged } from '../judging.ts';
import { labels } from '../stage.ts';
import { attempt, judgeAttempts, oneOfEachRole, openHttp, stepsOf } from '../wire/attempt.ts';
import { walkFlv } from '../wire/flv.ts';
import { HTTP_ATTACKS, type HttpAttack } from '../wire/malformed-http.ts';
import { wallClock } from '../wire/socket.ts';
import { judgeWitnesses, Witnesses } from '../wire/witnesses.ts';
import { judgeAbsent, seekAbsent } from './absent-stream.ts';
import { flvCors } from './flv-cors.ts';
import { judgeMonotonic } from './monotonic.ts';
import { judgeStalls, recordStall } from './stalls.ts';

const EDGE_CLUSTER = ['edge-cluster'] as const;
const FLV_SPEC = 'Adobe Flash Video File Format Specification 10.1';
const APP = 'live';

function pathOf(stream: string): string {
  return `/${APP}/${stream}.flv`;
}

// structure

const STRUCTURE_TAGS = 40;

async function readFile(t: CheckContext, node: ClusterNode, stream: string): Promise<void> {
  const name = node.spec.name;
  await attempt(t, `HTTP-FLV of ${name}`, async () => {
    const client = await openHttp(t, node);
    client.get(pathOf(stream));
    await client.socket
      .until(`${STRUCTURE_TAGS} tags`, PLAYING_WITHIN_MS, () =>
        walkFlv(client.body()).tags.length >= STRUCTURE_TAGS ? true : undefined,
      )
      .finally(() => {
        const { status, headers } = client.head() ?? {};
        t.step('http-head', { name, status: status ?? null, type: headers?.get('content-type') ?? null });
        const { header, tags } = walkFlv(client.body());
        if (header !== undefined) t.step('flv-header', { name, ...header });
        for (const { body: _, ...fields } of tags) t.step('flv-tag', { name, ...fields });
        client.close();
      });
    t.step('flv-read', { name });
  });
}

/** FLV v10.1 E.2: "FLV", version 1, audio and video announced as they come, 9 bytes; E.3: PreviousTagSize0 is 0. */
const HEADER_BY_THE_BOOK: StepData = {
  signature: 'FLV',
  version: 1,
  hasAudio: true,
  hasVideo: true,
  reservedFlags: 0,
  dataOffset: 9,
  previousTagSize0: 0,
};
/** Bytes of a tag in front of its body (E.4.1). */
const TAG_HEADER_SIZE = 11;
const TAG_TYPES: readonly number[] = Object.values(MediaType);

function judgeFile(history: History, name: string): Judgement[] {
  const of = (step: string): StepData[] => stepsOf(history, step).filter((data) => data.name === name);
  const head = of('http-head')[0];
  const header = of('flv-header')[0];
  const tags = of('flv-tag');
  if (head === undefined || head.status === null) return [inconclusive(`${name}: an answer`, 'none')];
  const answer = `${head.status} ${head.type}`;
  const judgements = [judged(answer === '200 video/x-flv', `${name}: 200 video/x-flv`, answer)];
  if (header === undefined) return [...judgements, failed(`${name}: an FLV header`, 'none')];
  const wrong = Object.entries(HEADER_BY_THE_BOOK).filter(([field, value]) => header[field] !== value);
  judgements.push(
    judged(
      wrong.length === 0,
      `${name}: ${wrong.map(([field, value]) => `${field} ${value}`).join(', ') || 'an FLV header by the book'}`,
      wrong.map(([field]) => `${field} ${header[field]}`).join(', ') || 'so it was',
    ),
  );
  const mistake = tags.map(mistakeOf).findIndex((text) => text !== undefined);
  const lacking = [MediaType.audio, MediaType.video].filter((type) => tags.every((tag) => tag.type !== type));
  if (mistake >= 0) {
    judgements.push(failed(`${name}: tags by the book`, `tag ${mistake + 1}: ${mistakeOf(tags[mistake]!)}`));
  } else if (tags.length < STRUCTURE_TAGS || !of('flv-read').length) {
    judgements.push(inconclusive(`${name}: ${STRUCTURE_TAGS} tags`, `${tags.length}`));
  } else if (lacking.length > 0) {
    judgements.push(
      inconclusive(
        `${name}: tags of audio and of video, as its flags say`,
        `none of TagType ${lacking.join(', ')}`,
      ),
    );
  } else {
    judgements.push(judged(true, `${name}: tags by the book`, `${tags.length} tags`));
  }
  return judgements;
}

function mistakeOf(tag: StepData): string | undefined {
  if (!TAG_TYPES.includes(Number(tag.type))) return `TagType ${tag.type}`;
  if (tag.flags !== 0) return `Reserved and Filter bits ${tag.flags}`;
  if (tag.streamId !== 0) return `StreamID ${tag.streamId}`;
  const size = TAG_HEADER_SIZE + Number(tag.dataSize);
  return tag.previousTagSize === size
    ? undefined
    : `PreviousTagSize ${tag.previousTagSize} instead of ${size}`;
}

const structure = check({
  id: 'flv/structure',
  title: 'An HTTP-FLV answer is an FLV file by the book',
  level: 'must',
  spec: {
    source: FLV_SPEC,
    where: 'Annex E.2 header, E.3 body, E.4.1 tags; facts/srs.md 7.1 (status, type, flags)',
    says:
      'Status 200, type video/x-flv; signature, version 1, flags for what is in it, DataOffset 9; every tag with ' +
      'StreamID 0 and behind it its size, 11 bytes of header and the body.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.flv'],
  mutants: ['flv-previous-tag-size-wrong', 'flv-header-flags-wrong'],

  async run(t) {
    const stream = t.stream();
    const nodes = oneOfEachRole(t);
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    await publisher.sent(1, PLAYING_WITHIN_MS);
    t.step('files', { nodes: nodes.map(({ spec }) => spec.name).join(' ') });
    await Promise.all(nodes.map((node) => readFile(t, node, stream)));
  },

  judge(history) {
    const setting = history.step('files');
    if (setting === undefined) return [inconclusive('a stream to read', 'its publisher sent nothing')];
    const nodes = String(setting.nodes).split(' ');
    return [...judgeAttempts(history), ...nodes.flatMap((name) => judgeFile(history, name))];
  },
});

// timestamps-monotonic

/** More than the 50 frames after which a clock that is reset now and then would show. */
const MONOTONIC_FRAMES = 60;

const timestampsMonotonic = check({
  id: 'flv/timestamps-monotonic',
  title: 'Timestamps of an HTTP-FLV player never go back',
  level: 'must',
  spec: {
    source: FLV_SPEC,
    where: 'Annex E.4.1 Timestamp, TimestampExtended; facts/srs.md 7.4',
    says: 'Timestamps of one kind of media do not decrease from the joining on.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.flv'],
  mutants: ['media-resets-timestamps'],

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    const players = oneOfEachRole(t).map(({ spec: { name } }) =>
      t.play(t.playUrl('flv', stream, name), name),
    );
    t.step('monotonic', { players: labels(players) });
    await Promise.all(players.map((player) => player.frames(MONOTONIC_FRAMES, 2 * PLAYING_WITHIN_MS)));
  },

  judge: (history) => judgeMonotonic(history, MONOTONIC_FRAMES),
});

// missing-stream

const missingStream = check({
  id: 'flv/missing-stream',
  title: 'HTTP-FLV players of a stream that nobody publishes cost next to nothing and harm nobody',
  level: 'must',
  spec: {
    source: 'SRS',
    where: 'facts/srs.md 7.1 (no byte of an answer), 1.1 (3 s between pulls), 1.2 (released)',
    says:
      'The request stays without an answer, or gets a 404: no 200 for what is not there. An edge asks its origin at ' +
      'most once in 3 s. When the player leaves, both nodes forget it. Players of other streams notice nothing.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'observe.api'],
  mutants: ['edge-missing-stream-floods', 'media-missing-stream-kept'],

  run: (t) =>
    seekAbsent(t, async (node, stream) => {
      const client = await openHttp(t, node);
      client.get(pathOf(stream));
      return {
        answer: () => String(client.head()?.status ?? 'silence'),
        media: () => client.head()?.status === 200,
        leave: () => client.close(),
      };
    }),

  judge: (history) => judgeAbsent(history),
});

// malformed

/** Wrong bytes are wrong when they come; no document gives a time. SRS closes within 10 ms. */
const REFUSED_WITHIN_MS = 2000;
const CLIENT_ERROR = 400;

async function attack(t: CheckContext, node: ClusterNode, one: HttpAttack, path: string): Promise<void> {
  const { ending, against } = one;
  const name = `${one.name} at ${node.spec.name}`;
  await attempt(t, name, async () => {
    const client = await openHttp(t, node);
    const { socket } = client;
    client.raw(one.bytes(path));
    const sent = wallClock();
    if (ending !== 'server') await socket.drained(REFUSED_WITHIN_MS);
    if (ending === 'fin') socket.finish();
    if (ending === 'rst') socket.reset();
    const refused = await socket
      .until('a refusal', REFUSED_WITHIN_MS, () => client.status() ?? socket.end?.how, { evenAfterEnd: true })
      .catch(() => null);
    t.step('attack', { name, ending, against, refused, afterMs: Math.round(wallClock() - sent) });
    client.close();
  });
}

function judgeAttacks(history: History): Judgement[] {
  const wanted = Number(history.step('attacks')?.count ?? 0);
  const attacks = stepsOf(history, 'attack');
  const expected = `each of ${wanted} requests refused by a status of 400 or above, or by the end of its connection`;
  const others = [...judgeAttempts(history), ...judgeWitnesses(history)];
  const wrong = attacks.filter(({ ending, refused }) => !isRefusal(String(ending), refused));
  if (wrong.length > 0) {
    const actual = wrong
      .map(({ name, refused }) => `${name}: ${refused ?? 'kept without an answer'}`)
      .join(', ');
    return [...others, failed(`${expected}, within ${REFUSED_WITHIN_MS} ms`, actual)];
  }
  if (wanted === 0 || attacks.length < wanted) {
    return [...others, inconclusive(expected, `${attacks.length} were seen to their end`)];
  }
  const slowest = Math.max(...attacks.map(({ afterMs }) => Number(afterMs)));
  return [...others, judged(true, expected, `the slowest after ${slowest} ms`), ...judgeTraces(history)];
}

/** No client of the API but the check's own, all of which it knows: one that counts nobody knows of nobody's end. */
function judgeTraces(history: History): Judgement[] {
  const owns = stepsOf(history, 'own');
  const nodes = new Set(stepsOf(history, 'witness').map(({ node }) => node));
  const unread = [...nodes].filter((node) => !owns.some((own) => own.node === node));
  const traces = owns.map(({ node, own }) => {
    const clients = history.of('api.stream').findLast((event) => event.node === node)?.clients;
    const expected = `${node} knows no client but the ${own} of the check`;
    if (clients === undefined) return inconclusive(expected, 'its API was not read');
    if (clients < Number(own)) return inconclusive(expected, `it knows ${clients}`);
    return judged(clients === own, expected, `${clients} clients`);
  });
  if (unread.length === 0) return traces;
  return [...traces, inconclusive('no client but those of the check', `not asked: ${unread.join(', ')}`)];
}

/** A client that broke off needs no status; one that did not must not get a 200. */
function isRefusal(ending: string, refused: StepData[string] | undefined): boolean {
  if (refused === null || refused === undefined) return false;
  return typeof refused === 'number' ? refused >= CLIENT_ERROR : ending !== 'server' || refused !== 'local';
}

const malformed = check({
  id: 'flv/malformed',
  title: 'Malformed and broken-off requests end their own connection only',
  level: 'must',
  spec: {
    source: 'RFC 9112 HTTP/1.1',
    where: '2.2, 3, 5, 6.1, 6.3; RFC 9110 9.1, 17.3 (each case names its own)',
    says:
      'A request that cannot be understood, that could be understood in two ways, or that is larger than the server ' +
      'reads is refused. It is the affair of one client: the node lives, and no other player loses a frame.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api', 'control.process'],
  mutants: ['http-malformed-kills-node', 'http-malformed-tolerated'],
  disrupts: 'sends what breaks servers',

  async run(t) {
    const nodes = oneOfEachRole(t);
    const witnesses = await Witnesses.start(t, nodes);
    const cases = nodes.flatMap((node) => HTTP_ATTACKS.map((one) => ({ node, one })));
    t.step('attacks', { count: cases.length });
    await Promise.all(cases.map(({ node, one }) => attack(t, node, one, pathOf(witnesses.stream))));
    await witnesses.goOn();
    // The witnesses of a node are two; at the origin the publisher and the edge's pull come to them.
    for (const { spec } of nodes) {
      const own = spec.role === 'origin' ? 4 : 2;
      t.step('own', { node: spec.name, own });
      await t.untilApi(
        spec.name,
        witnesses.stream,
        TWO_HOPS_MS + REFUSED_WITHIN_MS,
        ({ clients }) => clients <= own,
      );
    }
  },

  judge: judgeAttacks,
});

// stalled-request, dripping-request

interface Stall {
  readonly name: string;
  readonly bytes: string;
}

const STALLS: readonly Stall[] = [
  { name: 'before the request', bytes: '' },
  { name: 'in the request line', bytes: 'GET /live/' },
  { name: 'in the header', bytes: 'GET /live/stalled.flv HTTP/1.1\r\nHost: liveproof\r\nX-Slow: ' },
];
const DRIPS: readonly Stall[] = [
  { name: 'dripping', bytes: 'GET /live/slow.flv HTTP/1.1\r\nHost: liveproof\r\nX-Slow: ' },
];
/** One more byte of the header this often. */
const DRIP_MS = 500;

async function stall(t: CheckContext, stalls: readonly Stall[], drip: boolean): Promise<void> {
  const { httpRequest: boundMs } = t.cluster.patience ?? SRS_PATIENCE;
  const nodes = oneOfEachRole(t);
  const witnesses = await Witnesses.start(t, nodes);
  const cases = nodes.flatMap((node) => stalls.map((one) => ({ node, ...one })));
  t.step('stalls', { count: cases.length, boundMs });
  const stalling = cases.map(({ node, name, bytes }) =>
    attempt(t, `${name} at ${node.spec.name}`, async () => {
      const client = await openHttp(t, node);
      const opened = wallClock();
      client.raw(bytes);
      const timer = drip ? setInterval(() => client.raw('x'), DRIP_MS) : undefined;
      await recordStall(t, `${name} at ${node.spec.name}`, client.socket, opened, boundMs).finally(() =>
        clearInterval(timer),
      );
    }),
  );
  await Promise.all(stalling);
  await witnesses.goOn();
}

function judgePatience(history: History): Judgement[] {
  return [...judgeStalls(history), ...judgeWitnesses(history)];
}

const PATIENCE_SOURCE =
  'facts/srs.md 10.2 (15 s for a request header); builtin nodes of the gate wait less, which the cluster tells';

const stalledRequest = check({
  id: 'flv/stalled-request',
  title: 'A client that stops in its request is not kept for ever',
  level: 'must',
  spec: {
    source: 'SRS',
    where: PATIENCE_SOURCE,
    says: 'Whoever does not go on with the head of a request loses the connection; who watches does not.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api'],
  mutants: ['http-no-header-timeout', 'media-stall-timer-kept'],
  deadlineMs: SRS_PATIENCE.httpRequest + 10_000,
  run: (t) => stall(t, STALLS, false),
  judge: judgePatience,
});

const drippingRequest = check({
  id: 'flv/dripping-request',
  title: 'A request that comes byte by byte without end is not read for ever',
  level: 'should',
  spec: {
    source: 'SRS',
    where: PATIENCE_SOURCE,
    says:
      'The time for a request header is for the whole of it: a timer that starts again with every byte is no bound, ' +
      'and a few thousand clients that drip (Slowloris) take all connections.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api'],
  mutants: ['http-no-header-timeout', 'media-stall-timer-kept'],
  deadlineMs: SRS_PATIENCE.httpRequest + 10_000,
  run: (t) => stall(t, DRIPS, true),
  judge: judgePatience,
});

export const FLV_CHECKS: readonly Check[] = [
  structure,
  flvCors,
  timestampsMonotonic,
  missingStream,
  malformed,
  stalledRequest,
  drippingRequest,
];
