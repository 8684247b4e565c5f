/**
 * Whether a node that a check killed is gone, one that it froze hangs, and one that it let go is at work again: by what is
 * met there, not by what was done to it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode, NodePorts } from '../../lab/cluster.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { EventOf, History, HistoryEvent } from '../history.ts';
import { inconclusive, notSeen } from '../judging.ts';
import { WireError, WireErrorCode, WireSocket } from './socket.ts';

const Step = { knocked: 'node.knocked', asked: 'node.asked', answered: 'node.answered' } as const;

type Action = EventOf<'node.control'>['action'];
type Port = keyof NodePorts;

const OPEN = 'open';
const SILENCE = 'silence';
/** What is met where a process died, and where its address went with it. */
const GONE = ['ECONNREFUSED', 'EHOSTUNREACH', SILENCE];
const NO_PORT = 'no port that is known';
/** Of a question that had no answer: it is asked again. */
const TIMED_OUT = 'http.timeout';
const ANSWERS_WITHIN_MS = 5000;
/** Every thread of a process has heard of a signal by then, on a busy machine as well. */
const STOPPED_WITHIN_MS = 100;
/** By then a killed node takes no connection any more, or is seen to be silent: it is not kept away for longer than that. */
const SEEN_GONE_MS = 500;
const KNOCK_EVERY_MS = 50;
/** A host that is there takes a connection, or refuses it, in less. */
const LEAST_KNOCK_MS = 250;

/** Where a node is looked at: where it has such a port, as none of its clients, to whom a balancer would give a turn. */
function sideOf({ spec: { role }, ports }: ClusterNode): Port {
  if (role === 'redis') return 'redis';
  if (role === 'balancer' && ports.stats !== undefined) return 'stats';
  return (['api', 'http'] as const).find((kind) => ports[kind] !== undefined) ?? 'rtmp';
}

/** Opens TCP to a port of a node and records what it met. */
export async function knock(t: CheckContext, node: ClusterNode, port = sideOf(node)): Promise<void> {
  t.step(Step.knocked, { node: node.spec.name, met: await metAt(node, port) });
}

/**
 * Knocks until nobody opens any more, for so long at the most, and records what it met last: an address may take
 * connections for a moment longer than the container lives that has it.
 */
export async function untilGone(
  t: CheckContext,
  node: ClusterNode,
  withinMs = SEEN_GONE_MS,
  port = sideOf(node),
): Promise<void> {
  const end = performance.now() + withinMs;
  let met = await metAt(node, port, withinMs);
  while (met === OPEN && performance.now() < end) {
    await delay(KNOCK_EVERY_MS, undefined, { signal: t.signal });
    met = await metAt(node, port, Math.max(LEAST_KNOCK_MS, end - performance.now()));
  }
  t.signal.throwIfAborted();
  t.step(Step.knocked, { node: node.spec.name, met });
}

async function metAt({ host, ports }: ClusterNode, kind: Port, withinMs?: number): Promise<string> {
  const port = ports[kind];
  if (port === undefined) return NO_PORT;
  try {
    (await WireSocket.open({ host, port }, withinMs)).close();
    return OPEN;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return error.actual;
  }
}

/** Kills it, and knocks before and afterwards. */
export async function killSeen(t: CheckContext, node: ClusterNode, port = sideOf(node)): Promise<void> {
  await knock(t, node, port);
  await t.control(node, 'kill');
  await untilGone(t, node, WireSocket.openWithinMs, port);
}

/** Says nothing where every node that was killed was there before, and met by nobody from then on until its restart. */
export function judgeGone(history: History): Judgement[] {
  const kills = controlsOf(history, 'kill');
  if (kills.length === 0) return [notSeen(history, 'a node that is killed')];
  return kills.flatMap((kill) => {
    const { node, t: killedAt } = kill;
    const expected = `${node} is gone once it was killed`;
    const at = history.events.indexOf(kill);
    const before = stepsAt(Step.knocked, node, history.events.slice(0, at)).at(-1);
    const meanwhile = stepsAt(Step.knocked, node, eventsUntil('restart', node, history.events.slice(at + 1)));
    if (before?.data.met !== OPEN) {
      return [
        inconclusive(expected, `before, ${before ? `it was met with ${before.data.met}` : 'nobody looked'}`),
      ];
    }
    if (meanwhile.length === 0) return [inconclusive(expected, 'nobody looked')];
    const there = meanwhile.find(({ data }) => !GONE.includes(String(data.met)));
    if (there === undefined) return [];
    const { met } = there.data;
    const what = met === OPEN ? 'its port took a connection' : `its port was met with ${met}`;
    return [inconclusive(expected, `${what} ${Math.round(there.t - killedAt)} ms later`)];
  });
}

/**
 * Freezes it, and asks it until it says something: every answer is recorded, and so is that none came. Resolves when it
 * is frozen, with what lets it go.
 */
export async function hold(t: CheckContext, node: ClusterNode): Promise<() => Promise<void>> {
  const { name } = node.spec;
  await t.control(node, 'freeze');
  askUntilAnswered(t, node).catch((error) => {
    // It ends with the check where the node never says anything.
    if (!t.signal.aborted) t.step(Step.answered, { node: name, status: null, error: String(error) });
  });
  return () => t.control(node, 'thaw');
}

interface Answer {
  /** Null where it is not HTTP that is spoken. */
  readonly status: number | null;
  readonly error: string | null;
}

async function askUntilAnswered(t: CheckContext, node: ClusterNode): Promise<void> {
  await delay(STOPPED_WITHIN_MS, undefined, { signal: t.signal });
  let error: string | null = TIMED_OUT;
  while (error === TIMED_OUT) {
    t.step(Step.asked, { node: node.spec.name });
    const answer = await answerOf(t, node);
    t.signal.throwIfAborted();
    t.step(Step.answered, { node: node.spec.name, status: answer.status, error: answer.error });
    error = answer.error;
  }
}

/** Any HTTP answer is one, of a node without such an API as well. */
async function answerOf(t: CheckContext, node: ClusterNode): Promise<Answer> {
  const { spec, host, ports } = node;
  const side = sideOf(node);
  const port = ports[side];
  if (port === undefined) return { status: null, error: NO_PORT };
  if (side === 'redis') return pingRedis(t, host, port);
  const url = `http://${host}:${port}/api/v1/versions`;
  const { status, error } = await t.http(url, { label: `asks-${spec.name}` });
  return { status, error };
}

/** Any reply is an answer, also one that wants a password first. */
async function pingRedis(t: CheckContext, host: string, port: number): Promise<Answer> {
  try {
    const socket = await WireSocket.open({ host, port });
    t.cleanUp(() => socket.close());
    socket.write(Buffer.from('PING\r\n'));
    await socket.until('a reply', ANSWERS_WITHIN_MS, () => socket.bytesIn > 0 || undefined);
    socket.close();
    return { status: null, error: null };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const isSilent = error.code === WireErrorCode.Timeout || error.actual === SILENCE;
    return { status: null, error: isSilent ? TIMED_OUT : error.actual };
  }
}

/** Says nothing where every node that was frozen was asked and did not answer, not even that it refuses, until it was let go. */
export function judgeHeld(history: History): Judgement[] {
  const asked = history.of('step').filter(({ step }) => step === Step.asked);
  const nodes = new Set([
    ...controlsOf(history, 'freeze').map(({ node }) => node),
    ...asked.map(({ data }) => String(data.node)),
  ]);
  if (nodes.size === 0) return [notSeen(history, 'a node that is frozen')];
  return [...nodes].flatMap((node) => {
    const expected = `${node} does not answer while it is frozen`;
    const first = asked.find(({ data }) => data.node === node);
    if (first === undefined) return [inconclusive(expected, 'nobody asked it')];
    const since = history.events.slice(history.events.indexOf(first));
    const answer = stepsAt(Step.answered, node, eventsUntil('thaw', node, since)).find(
      ({ data }) => data.error !== TIMED_OUT,
    );
    if (answer === undefined) return [];
    const { status, error } = answer.data;
    const said = error ?? (status === null ? 'a reply' : `HTTP status ${status}`);
    return [inconclusive(expected, `it answered after ${Math.round(answer.t - first.t)} ms: ${said}`)];
  });
}

/** Says nothing where every node that was let go has answered since. */
export function judgeLetGo(history: History): Judgement[] {
  const thaws = controlsOf(history, 'thaw');
  if (thaws.length === 0) return [notSeen(history, 'a node that goes on')];
  return thaws.flatMap((thaw) => {
    const { node } = thaw;
    const since = history.events.slice(history.events.indexOf(thaw));
    const answered = stepsAt(Step.answered, node, since).some(({ data }) => data.error === null);
    return answered ? [] : [inconclusive(`${node} goes on when it is let go`, 'it did not answer')];
  });
}

function controlsOf(history: History, action: Action): EventOf<'node.control'>[] {
  return history.of('node.control').filter((event) => event.action === action);
}

/** Up to where a control was used on a node; all of them where it was not. */
function eventsUntil(action: Action, node: string, events: readonly HistoryEvent[]): readonly HistoryEvent[] {
  const end = events.findIndex(
    (event) => event.type === 'node.control' && event.node === node && event.action === action,
  );
  return end < 0 ? events : events.slice(0, end);
}

function stepsAt(step: string, node: string, events: readonly HistoryEvent[]): EventOf<'step'>[] {
  return events.filter(
    (event): event is EventOf<'step'> =>
      event.type === 'step' && event.step === step && event.data.node === node,
  );
}
