/** What the checks of RTMP 302 share: who asks whom, plays by hand, and what is recorded of them. */
import { type ClusterNode, SRS_PATIENCE } from '../../lab/cluster.ts';
import { LabError, LabErrorCode } from '../../lab/errors.ts';
import { isAmfObject } from '../../protocols/amf0/amf0.ts';
import { type Command, decodeCommand, redirectOf } from '../../protocols/rtmp/commands.ts';
import { decodeUserControl, UserControlEvent } from '../../protocols/rtmp/messages.ts';
import { COWORKER_WITHIN_MS } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { failed, inconclusive, judged, unlessOurs } from '../judging.ts';
import { FRAME_MS, type RecordedPlayer, type RecordedPublisher } from '../stage.ts';
import { attempt, openRtmp, stepsOf } from '../wire/attempt.ts';
import { MessageType } from '../wire/chunks.ts';
import { infoOf, type WireMessage, type WireRtmp } from '../wire/rtmp.ts';

/** Origins that ask each other, the same beside a local origin, and origins that ask a stream manager. */
export const ALL_COWORKERS = ['coworker-cluster', 'local-origin', 'stream-manager'] as const;
/** Where whom an origin asks first is not the one that has the stream, and edges begin with different origins. */
export const THIRD_PARTIES = ['coworker-cluster', 'stream-manager'] as const;
/** Where an origin has more than one coworker. */
export const MANY_COWORKERS = ['coworker-cluster'] as const;
export const SEED = 'SRS clusters with coworkers (seeds/002)';
export const SRS = 'SRS 7.0.18';
export const APP = 'live';

export interface Roles {
  /** The origin that is asked for what it does not have. Most edges begin with it. */
  readonly asker: ClusterNode;
  /** The origin that has it. No edge begins with it. */
  readonly holder: ClusterNode;
  /** Whom the asker asks first. */
  readonly coworker: ClusterNode;
}

/** Origins that have somebody to ask, in the order of the topology. */
export function clusteredOrigins(t: CheckContext): ClusterNode[] {
  return t.nodes('origin').filter(({ spec }) => (spec.coworkers ?? []).length > 0);
}

export function rolesOf(t: CheckContext): Roles {
  const [asker, ...others] = clusteredOrigins(t);
  const coworker = t.cluster.nodes.get(asker?.spec.coworkers?.[0] ?? '');
  const holder = others.findLast((node) => node !== coworker) ?? others.at(-1);
  if (!asker || !holder || !coworker) {
    throw new LabError(LabErrorCode.Absent, 'it has no two origins with coworkers');
  }
  return { asker, holder, coworker };
}

/** The roles where whom the asker asks first is not the one that has the stream: two coworkers alone have no such third. */
export function threeRolesOf(t: CheckContext): Roles {
  const roles = rolesOf(t);
  if (roles.holder !== roles.coworker) return roles;
  const { asker, holder } = roles;
  throw new LabError(
    LabErrorCode.Absent,
    `nobody is asked but the origin that has the stream: ${asker.spec.name} and ${holder.spec.name} are all there are`,
  );
}

/** An edge that fetches from origins itself, and begins with this one. */
export function edgeOf(t: CheckContext, asker: ClusterNode): ClusterNode {
  const edge = t.nodes('edge').find(({ spec }) => spec.upstreams[0] === asker.spec.name);
  if (edge !== undefined) return edge;
  throw new LabError(LabErrorCode.Absent, `no edge begins with ${asker.spec.name}`);
}

/** Edges that fetch from origins themselves. */
export function edgesOfOrigins(t: CheckContext): ClusterNode[] {
  const origins = new Set(clusteredOrigins(t).map(({ spec }) => spec.name));
  return t.nodes('edge').filter(({ spec }) => spec.upstreams.some((name) => origins.has(name)));
}

/**
 * Of an SRS edge with each answer of an origin (facts/srs.md 1.1): its links pass through the taps of this process. When
 * that stands still for as long, the edge is not to blame; it gives the origin up, and comes back after a pause that is
 * longer than checks wait for a 302.
 */
const SRS_PATIENCE_MS = 500;

export function isImpatient(t: CheckContext): boolean {
  return t.cluster.engine === 'srs';
}

/** @param judgement of an edge that did not come. */
export function missedByEdge(history: History, impatient: boolean, judgement: Judgement): Judgement {
  return impatient ? unlessOurs(history, judgement, 2 * SRS_PATIENCE_MS) : judgement;
}

/** Publishes right at an origin. Who is told of publishers has been told when it resolves. */
export async function publishAt(
  t: CheckContext,
  node: ClusterNode,
  stream: string,
  label?: string,
): Promise<RecordedPublisher> {
  return t.publish({ url: t.publishUrl(stream, node.spec.name), ...(label === undefined ? {} : { label }) });
}

/** How long an origin waits for a coworker. ms. */
export function coworkerMs(t: CheckContext): number {
  return (t.cluster.patience ?? SRS_PATIENCE).coworker;
}

/** Of a check that waits for it. */
export const SLOW_DEADLINE_MS = 3 * SRS_PATIENCE.coworker;

// Plays by hand.

const Step = {
  play: 'redirect.play',
  message: 'redirect.message',
  answer: 'redirect.answer',
  end: 'redirect.end',
} as const;

export interface HandPlay {
  /** Of this play in the history. */
  readonly name: string;
  readonly node: ClusterNode;
  /** With its query. */
  readonly stream: string;
  /** Host that tcUrl names. Default the address of the node. */
  readonly vhost?: string;
  /** How long an answer is waited for. Default COWORKER_WITHIN_MS. */
  readonly withinMs?: number;
}

/**
 * Plays by hand and records every message from the answer to play on, up to a 302, to media, or to the end of the
 * connection, whichever comes first, and which of them it was.
 */
export async function playByHand(t: CheckContext, play: HandPlay): Promise<WireRtmp | undefined> {
  const { name, node, stream, vhost = node.host, withinMs = COWORKER_WITHIN_MS } = play;
  t.step(Step.play, { name, node: node.spec.name, stream });
  return attempt(t, `${name}: playing ${stream} at ${node.spec.name}`, async () => {
    const client = await openRtmp(t, node);
    await client.handshake();
    const tcUrl = `rtmp://${vhost}:${node.ports.rtmp}/${APP}`;
    client.command('connect', 1, { app: APP, flashVer: 'LNX 9,0,124,2', tcUrl, objectEncoding: 0 }, []);
    await client.replyTo(1);
    const id = await client.createStream();
    const first = client.messages.length;
    const asked = performance.now();
    client.play(id, stream);
    const kind = await client.socket
      .until('an answer', withinMs, () => answerOf(client, first), { evenAfterEnd: true })
      .catch(() => 'silence');
    const afterMs = performance.now() - asked;
    for (const message of client.messages.slice(first)) t.step(Step.message, { name, ...toldOf(message) });
    t.step(Step.answer, { name, kind, afterMs, how: client.socket.end?.how ?? null });
    return client;
  });
}

/** Waits for the end of the connection and records how it came, in ms from here on. */
export async function awaitEnd(
  t: CheckContext,
  name: string,
  client: WireRtmp,
  withinMs: number,
): Promise<void> {
  const from = performance.now();
  const end = await client.socket.ended(withinMs);
  t.step(Step.end, { name, how: end?.how ?? 'open', afterMs: performance.now() - from });
}

function answerOf(client: WireRtmp, first: number): '302' | 'media' | 'end' | undefined {
  for (const { messageTypeId, payload } of client.messages.slice(first)) {
    if (messageTypeId === MessageType.command && errorOf(decodeCommand(payload))) return '302';
    if (messageTypeId === MessageType.audio || messageTypeId === MessageType.video) return 'media';
  }
  return client.socket.end ? 'end' : undefined;
}

/** Also one in a form that nobody could follow. */
function errorOf(command: Command): boolean {
  const isError = command.name === 'onStatus' && infoOf(command.args[0], 'level') === 'error';
  return isError || redirectOf(command) !== undefined;
}

function toldOf({ messageTypeId, messageStreamId, payload }: WireMessage): StepData {
  const none = { event: null, command: null, level: null, code: null, description: null };
  const base = {
    type: messageTypeId,
    messageStreamId,
    ...none,
    exCode: null,
    redirect: null,
    redirect2: null,
  };
  if (messageTypeId === MessageType.userControl) {
    const { event } = decodeUserControl(payload);
    return { ...base, event: event === UserControlEvent.StreamBegin ? 'StreamBegin' : String(event) };
  }
  if (messageTypeId !== MessageType.command) return base;
  const { name, args } = decodeCommand(payload);
  const information = args.find(isAmfObject);
  const ex = information && isAmfObject(information.ex) ? information.ex : {};
  return {
    ...base,
    command: name,
    level: plain(information?.level),
    code: plain(information?.code),
    description: plain(information?.description),
    exCode: plain(ex.code),
    redirect: plain(ex.redirect),
    redirect2: plain(ex.redirect2),
  };
}

function plain(value: unknown): string | number | null {
  return typeof value === 'string' || typeof value === 'number' ? value : null;
}

// What was recorded.

/** What a play was told from the answer to play on. */
export function toldTo(history: History, name: string): StepData[] {
  return stepsOf(history, Step.message).filter((message) => message.name === name);
}

export function answerTo(history: History, name: string): StepData | undefined {
  return stepsOf(history, Step.answer).find((answer) => answer.name === name);
}

/** Until when a play was without an answer, epoch ms: for ever where none came; undefined when there was no such play. */
export function waitedUntil(history: History, name: string): number | undefined {
  const play = history.of('step').find(({ step, data }) => step === Step.play && data.name === name);
  if (play === undefined) return undefined;
  return play.t + Number(answerTo(history, name)?.afterMs ?? Number.POSITIVE_INFINITY);
}

export function endOf(history: History, name: string): StepData | undefined {
  return stepsOf(history, Step.end).find((end) => end.name === name);
}

/** The 302 that a play was told, of whatever form. */
export function redirectTold(history: History, name: string): StepData | undefined {
  return toldTo(history, name).find(({ level }) => level === 'error');
}

/** Where a play by hand was sent. */
export function judgeSentTo(history: History, name: string, location: string): Judgement {
  const expected = `${name}: a 302 to ${location}`;
  const answer = answerTo(history, name);
  if (answer === undefined) return inconclusive(expected, 'there was no such play');
  const told = redirectTold(history, name);
  if (told === undefined) return failed(expected, `${answer.kind} after ${ms(answer.afterMs)}`);
  return judged(told.redirect2 === location, expected, `redirect2 ${told.redirect2}`);
}

/** A play by hand of what nobody has: it ends soon, and is sent nowhere. */
export function judgeEndsSoon(history: History, name: string, withinMs: number): Judgement {
  const expected = `${name}: its connection is closed within ${withinMs} ms, without a 302`;
  const answer = answerTo(history, name);
  if (answer === undefined) return inconclusive(expected, 'there was no such play');
  const told = redirectTold(history, name);
  if (told !== undefined) return failed(expected, `sent to ${told.redirect2 ?? told.code}`);
  const right = answer.kind === 'end' && Number(answer.afterMs) <= withinMs;
  return judged(right, expected, `${answer.kind} after ${ms(answer.afterMs)}`);
}

export function ms(value: StepData[string] | undefined): string {
  return `${Math.round(Number(value))} ms`;
}

/** Of the RTMP listener of a node. */
export function rtmpUrl(node: ClusterNode, stream: string): string {
  return `rtmp://${node.host}:${node.ports.rtmp}/${APP}/${stream}`;
}

/** RTMP and HTTP-FLV players at nodes, on record as those that a check is about. */
export function watchAt(
  t: CheckContext,
  nodes: readonly ClusterNode[],
  stream: string,
  prefix = '',
): RecordedPlayer[] {
  return nodes.flatMap(({ spec: { name } }) =>
    (['rtmp', 'flv'] as const).map((protocol) =>
      t.play(t.playUrl(protocol, stream, name), `${prefix}${name}-${protocol}`),
    ),
  );
}

/** Enough frames to see a gap. */
export const WATCHED_FRAMES = 50;
export const WATCHED_WITHIN_MS = WATCHED_FRAMES * FRAME_MS + 2000;
