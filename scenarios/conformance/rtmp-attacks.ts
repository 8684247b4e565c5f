/** Clients that send what no client should, all at once, and what becomes of them and of everybody else. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { TWO_HOPS_MS } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, inconclusive, judged, words } from '../judging.ts';
import { attempt, judgeAttempts, oneOfEachRole, openRtmp, stepsOf } from '../wire/attempt.ts';
import type { RtmpAttack } from '../wire/malformed-rtmp.ts';
import { wallClock } from '../wire/socket.ts';
import { judgeWitnesses, Witnesses } from '../wire/witnesses.ts';

const APP = 'live';

/**
 * Bytes that are wrong are wrong when they come, and a connection that has ended has ended; no document gives a time.
 * SRS closes within 30 ms; the rest is for a machine with other things to do.
 */
const CLOSED_WITHIN_MS = 2000;

async function attack(t: CheckContext, node: ClusterNode, attack: RtmpAttack, stream: string): Promise<void> {
  const { name, ending } = attack;
  const where = `${name} at ${node.spec.name}`;
  await attempt(t, where, async () => {
    const client = await openRtmp(t, node);
    await attack.send(client, APP, stream);
    const sent = wallClock();
    if (ending === 'rst') await client.socket.drained(CLOSED_WITHIN_MS);
    if (ending === 'fin') client.socket.finish();
    if (ending === 'rst') client.socket.reset();
    const end = await client.socket.ended(CLOSED_WITHIN_MS);
    t.step('attack', {
      name: where,
      ending,
      against: attack.against,
      ended: end?.how ?? null,
      afterMs: end === undefined ? null : Math.round(end.at - sent),
    });
    client.close();
  });
}

/** All at once, and players on the same nodes who must not notice; then nothing may be left of the attackers. */
export async function attackAll(t: CheckContext, attacks: readonly RtmpAttack[]): Promise<void> {
  const nodes = oneOfEachRole(t);
  const witnesses = await Witnesses.start(t, nodes);
  const attacked = t.stream('attacked');
  const cases = nodes.flatMap((node) =>
    attacks
      .filter(({ publishes }) => publishes !== true || node.spec.role === 'origin')
      .map((one) => ({ node, one, stream: one.publishes ? t.stream(one.name) : attacked })),
  );
  t.step('attacks', {
    count: cases.length,
    nodes: nodes.map(({ spec }) => spec.name).join(' '),
    witnessed: witnesses.stream,
  });
  await Promise.all(cases.map(({ node, one, stream }) => attack(t, node, one, stream)));
  await witnesses.goOn();
  for (const { node, stream } of cases.filter(
    (one, i) => cases.findIndex(({ node, stream }) => node === one.node && stream === one.stream) === i,
  )) {
    await t.untilApi(node.spec.name, stream, TWO_HOPS_MS + CLOSED_WITHIN_MS, ({ clients }) => clients === 0);
  }
  // The control: an API that knows of nobody knows of no attacker either.
  for (const { spec } of nodes) await t.readApi(spec.name, witnesses.stream);
  t.step('forgotten');
}

/** Every connection was closed in time, and neither node nor witnesses took harm. */
export function judgeAttacks(history: History): Judgement[] {
  const wanted = Number(history.step('attacks')?.count ?? 0);
  const attacks = stepsOf(history, 'attack');
  // Who breaks off by itself ends its own connection, another one the server has to.
  const tolerated = attacks.filter(
    ({ ended, ending }) => ended === null || (ending === 'server' && ended === 'local'),
  );
  const broken = judgeAttempts(history);
  const expected = `each of ${wanted} connections closed within ${CLOSED_WITHIN_MS} ms of the bytes`;
  const rest = judgeWitnesses(history);
  if (tolerated.length > 0) {
    return [...broken, ...rest, failed(expected, `kept: ${tolerated.map(({ name }) => name).join(', ')}`)];
  }
  if (wanted === 0 || attacks.length < wanted) {
    return [...broken, ...rest, inconclusive(expected, `${attacks.length} were seen to their end`)];
  }
  const slowest = Math.max(...attacks.map(({ afterMs }) => Number(afterMs)));
  return [
    ...broken,
    ...rest,
    judged(true, expected, `the slowest after ${slowest} ms`),
    judgeTraces(history),
  ];
}

/** At every node, whose API knows the witnesses. */
function judgeTraces(history: History): Judgement {
  const expected = 'no attacker is left in the API';
  const setting = history.step('attacks');
  const isWitnessed = ({ stream }: EventOf<'api.stream'>): boolean => stream === setting?.witnessed;
  const readings = history.of('api.stream');
  const left = readings.filter((event) => event.clients > 0 && !isWitnessed(event));
  if (left.length > 0)
    return failed(expected, left.map(({ node, clients }) => `${node}: ${clients}`).join(', '));
  if (history.step('forgotten') === undefined) return inconclusive(expected, 'it was not read to the end');
  const nodes = words(setting?.nodes);
  const blind = nodes.filter((name) => {
    const own = readings.filter(({ node }) => node === name);
    return own.every(isWitnessed) || !own.some((event) => isWitnessed(event) && event.clients > 0);
  });
  if (nodes.length === 0 || blind.length > 0)
    return inconclusive(expected, `an API that knows of nobody: ${blind.join(', ') || 'no node was asked'}`);
  return judged(true, expected, 'none');
}
