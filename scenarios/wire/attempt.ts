/** What a wire client meets, as the history has it: a server that does not answer is a finding, not a broken check. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { ProtocolError } from '../../protocols/errors.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { failed } from '../judging.ts';
import { WireHttp } from './http.ts';
import { WireRtmp } from './rtmp.ts';
import { WireError } from './socket.ts';

const FAILED = 'wire.failed';

/**
 * Resolves with what `exchange` gives, or with undefined when the server did not do its part; then a step of the
 * history says what was expected. Everything else passes through.
 */
export async function attempt<T>(
  t: CheckContext,
  what: string,
  exchange: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await exchange();
  } catch (error) {
    if (!(error instanceof WireError || error instanceof ProtocolError)) throw error;
    t.step(FAILED, { what, code: error.code, expected: error.expected, actual: error.actual });
    return undefined;
  }
}

/** How many broken exchanges a finding tells. */
const TOLD = 4;

/** One failure for all exchanges in which the server did not do its part; none when it always did. */
export function judgeAttempts(history: History): Judgement[] {
  const broken = stepsOf(history, FAILED);
  if (broken.length === 0) return [];
  const told = broken
    .slice(0, TOLD)
    .map(({ what, expected, actual }) => `${what}: no ${expected}, but ${actual}`);
  const more = broken.length > TOLD ? `; and ${broken.length - TOLD} more` : '';
  return [failed('the server answers what it is asked by the book', told.join('; ') + more)];
}

/** The data of all steps of one name, in order. */
export function stepsOf(history: History, step: string): StepData[] {
  return history
    .of('step')
    .filter((event) => event.step === step)
    .map(({ data }) => data);
}

/** TCP to the RTMP port of a node; closed when the check ends. @throws WireError */
export async function openRtmp(t: CheckContext, node: ClusterNode): Promise<WireRtmp> {
  const client = await WireRtmp.open({ host: node.host, port: portOf(node, 'rtmp') });
  t.cleanUp(() => client.close());
  return client;
}

/** TCP to the HTTP port of a node; closed when the check ends. @throws WireError */
export async function openHttp(t: CheckContext, node: ClusterNode): Promise<WireHttp> {
  const client = await WireHttp.open({ host: node.host, port: portOf(node, 'http') });
  t.cleanUp(() => client.close());
  return client;
}

function portOf(node: ClusterNode, protocol: 'rtmp' | 'http'): number {
  const port = node.ports[protocol];
  if (port === undefined) throw new Error(`node ${node.spec.name} has no ${protocol} port`);
  return port;
}

/** The first origin and the first edge: where a check looks when it looks at every role. */
export function oneOfEachRole(t: CheckContext): ClusterNode[] {
  return [t.nodes('origin')[0], t.nodes('edge')[0]].filter((node) => node !== undefined);
}
