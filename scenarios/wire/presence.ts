/** Whether a node that a check killed is gone, and one that it froze hangs: by what is met there, not by what was done to it. */
import type { ClusterNode } from '../../lab/cluster.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { EventOf, History, HistoryEvent } from '../history.ts';
import { inconclusive, notSeen } from '../judging.ts';
import { WireError, WireSocket } from './socket.ts';

const Step = { knocked: 'node.knocked', asked: 'node.asked', answered: 'node.answered' } as const;

const OPEN = 'open';
/** What is met where a process died, and where its address went with it. */
const GONE = ['ECONNREFUSED', 'EHOSTUNREACH', 'silence'];
/** Of a question that had no answer: it is asked again. */
const TIMED_OUT = 'http.timeout';

/** Opens TCP to a port of a node and records what it met. */
export async function knock(t: CheckContext, node: ClusterNode, port: 'api' | 'redis'): Promise<void> {
  const target = { host: node.host, port: node.ports[port] ?? 0 };
  let met: string = OPEN;
  try {
    (await WireSocket.open(target)).close();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    met = error.actual;
  }
  t.step(Step.knocked, { node: node.spec.name, met });
}

/** Kills it, and knocks before and afterwards. */
export async function killSeen(t: CheckContext, node: ClusterNode, port: 'api' | 'redis'): Promise<void> {
  await knock(t, node, port);
  await t.control(node, 'kill');
  await knock(t, node, port);
}

/** Says nothing where every node that was killed was there before, and met by nobody from then on until its restart. */
export function judgeGone(history: History): Judgement[] {
  const kills = history.of('node.control').filter(({ action }) => action === 'kill');
  if (kills.length === 0) return [notSeen(history, 'a node that is killed')];
  return kills.flatMap((kill) => {
    const { node, t: killedAt } = kill;
    const expected = `${node} is gone once it was killed`;
    const at = history.events.indexOf(kill);
    const before = knocksAt(node, history.events.slice(0, at)).at(-1);
    const since = history.events.slice(at + 1);
    const restart = since.findIndex((event) => isControl(event, node, 'restart'));
    const meanwhile = knocksAt(node, restart < 0 ? since : since.slice(0, restart));
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
 * Freezes it, and asks its HTTP API until it is let go, which the returned function does. Every answer is recorded, and so
 * is that none came.
 */
export async function hold(t: CheckContext, node: ClusterNode): Promise<() => Promise<void>> {
  const { name } = node.spec;
  await t.control(node, 'freeze');
  let held = true;
  const ask = async (): Promise<void> => {
    let unanswered = true;
    while (held && unanswered) {
      t.step(Step.asked, { node: name });
      const url = `http://${node.host}:${node.ports.api}/api/v1/versions`;
      const { status, error } = await t.http(url, { label: `asks-${name}` });
      t.step(Step.answered, { node: name, status, error });
      unanswered = error === TIMED_OUT;
    }
  };
  // It ends with the check where nobody lets the node go.
  const asking = ask().catch(() => {});
  return async () => {
    held = false;
    await t.control(node, 'thaw');
    await asking;
  };
}

/** Says nothing where a frozen node was asked and did not answer, not even that it refuses, until it was let go. */
export function judgeHeld(history: History): Judgement[] {
  const expected = 'a node that is frozen does not answer';
  const asked = history.of('step').find(({ step }) => step === Step.asked);
  if (asked === undefined) return [notSeen(history, expected)];
  const node = String(asked.data.node);
  const since = history.events.slice(history.events.indexOf(asked));
  const thaw = since.findIndex((event) => isControl(event, node, 'thaw'));
  const answer = (thaw < 0 ? since : since.slice(0, thaw)).find(
    (event) =>
      event.type === 'step' &&
      event.step === Step.answered &&
      event.data.node === node &&
      event.data.error !== TIMED_OUT,
  ) as EventOf<'step'> | undefined;
  if (answer === undefined) return [];
  const { status, error } = answer.data;
  const said = error ?? `HTTP status ${status}`;
  return [inconclusive(expected, `it answered after ${Math.round(answer.t - asked.t)} ms: ${said}`)];
}

function isControl(event: HistoryEvent, node: string, action: EventOf<'node.control'>['action']): boolean {
  return event.type === 'node.control' && event.node === node && event.action === action;
}

function knocksAt(node: string, events: readonly HistoryEvent[]): EventOf<'step'>[] {
  return events.filter(
    (event) => event.type === 'step' && event.step === Step.knocked && event.data.node === node,
  ) as EventOf<'step'>[];
}
