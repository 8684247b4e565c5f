/** Players of a stream that nobody publishes: what they get, what they cost, and what is left when they have gone. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { PULL_RETRY_MS, RELEASED_WITHIN_MS } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, words } from '../judging.ts';
import { attempt, judgeAttempts, oneOfEachRole, stepsOf } from '../wire/attempt.ts';
import { judgeWitnesses, Witnesses } from '../wire/witnesses.ts';

/** Someone who asked for the stream. */
export interface Seeker {
  /** What the server has said so far, in a word. */
  answer(): string;
  /** Whether media came. */
  media(): boolean;
  leave(): void;
}

const SEEKERS_PER_NODE = 3;
/** Shorter than the pause between two pulls: whoever asks twice in it does not wait. */
const WATCH_MS = PULL_RETRY_MS - 500;
const SEEN_WITHIN_MS = 2000;

const Step = {
  seeking: 'absent.seeking',
  seeker: 'absent.seeker',
  leaving: 'absent.leaving',
  gone: 'absent.gone',
} as const;

/** Sends players after an absent stream to an origin and an edge, watches for a while and lets them leave. */
export async function seekAbsent(
  t: CheckContext,
  seek: (node: ClusterNode, stream: string) => Promise<Seeker>,
): Promise<void> {
  const nodes = oneOfEachRole(t);
  const witnesses = await Witnesses.start(t, nodes);
  const stream = t.stream('absent');
  const edges = nodes.filter(({ spec }) => spec.role === 'edge').map(({ spec }) => spec.name);
  t.step(Step.seeking, {
    stream,
    nodes: nodes.map(({ spec }) => spec.name).join(' '),
    edges: edges.join(' '),
    seekers: nodes.length * SEEKERS_PER_NODE,
  });

  const asked = await Promise.all(
    nodes.flatMap((node) =>
      Array.from({ length: SEEKERS_PER_NODE }, async () => ({
        node: node.spec.name,
        seeker: await attempt(t, `asking ${node.spec.name} for an absent stream`, () => seek(node, stream)),
      })),
    ),
  );
  const seekers = asked.filter((one): one is { node: string; seeker: Seeker } => one.seeker !== undefined);
  for (const node of nodes) {
    await t.untilApi(node.spec.name, stream, SEEN_WITHIN_MS, ({ clients }) => clients >= SEEKERS_PER_NODE);
  }
  await t.observe(WATCH_MS, 'an edge that asked its origin for an absent stream waits before it asks again');
  for (const { node, seeker } of seekers) {
    t.step(Step.seeker, { node, answer: seeker.answer(), media: seeker.media() });
  }
  t.step(Step.leaving);
  for (const { seeker } of seekers) seeker.leave();
  const [origin, ...others] = nodes.toReversed();
  for (const node of [...others, origin!]) {
    await t.untilApi(node.spec.name, stream, RELEASED_WITHIN_MS, ({ clients }) => clients === 0);
  }
  t.step(Step.gone);
  await witnesses.goOn();
}

/** @param rejections answers that refuse the stream; silence is always right, media never. */
export function judgeAbsent(history: History): Judgement[] {
  const setting = history.step(Step.seeking);
  if (setting === undefined) return [...judgeAttempts(history), ...judgeWitnesses(history)];
  return [
    ...judgeAttempts(history),
    judgeAnswers(history, Number(setting.seekers)),
    ...judgePulls(history, words(setting.edges)),
    judgeTraces(history, String(setting.stream), words(setting.nodes)),
    ...judgeWitnesses(history),
  ];
}

function judgeAnswers(history: History, count: number): Judgement {
  const seekers = stepsOf(history, Step.seeker);
  const expected = 'no media for players of a stream that nobody publishes';
  if (seekers.length === 0) return inconclusive(expected, 'no player was seen to ask');
  const wrong = seekers.find(({ media }) => media === true);
  if (wrong !== undefined) return failed(expected, `media from ${wrong.node} (${wrong.answer})`);
  const told = `${seekers.length} players: ${[...new Set(seekers.map((s) => s.answer))].join(', ')}`;
  return seekers.length >= count
    ? judged(true, expected, told)
    : inconclusive(expected, `${told}, of ${count}`);
}

/** Between the asking and the leaving, on each edge: one pull for all, not more. */
function judgePulls(history: History, edges: readonly string[]): Judgement[] {
  const from = timeOf(history, Step.seeking);
  const to = timeOf(history, Step.leaving);
  return edges.map((edge) => {
    const expected = `${edge} asks its origin at most once in ${PULL_RETRY_MS} ms for all players of an absent stream`;
    const opened = history
      .of('tap.open')
      .filter((event) => event.from === edge && event.t >= from && event.t <= to).length;
    if (to === Number.POSITIVE_INFINITY && opened <= 1)
      return inconclusive(expected, 'it was not watched long enough');
    if (opened === 0) return inconclusive(expected, 'the tap saw no upstream connection at all');
    return judged(opened === 1, expected, `${opened} upstream connections`);
  });
}

/** Of every node that had them in its API. */
function judgeTraces(history: History, stream: string, nodes: readonly string[]): Judgement {
  const left = timeOf(history, Step.leaving);
  const readings = history.of('api.stream').filter((event) => event.stream === stream);
  const expected = `no node knows a player of it ${RELEASED_WITHIN_MS} ms after the last one has left`;
  const before = readings.filter(({ t, clients }) => t < left && clients > 0);
  const unknown = nodes.filter((name) => !before.some(({ node }) => node === name));
  if (left === Number.POSITIVE_INFINITY || nodes.length === 0 || unknown.length > 0)
    return inconclusive(expected, 'the players were never all seen in the API');
  const after = readings.filter(({ t }) => t >= left);
  const kept = after.filter(({ clients }) => clients > 0);
  if (kept.length > 0)
    return failed(expected, kept.map(({ node, clients }) => `${node}: ${clients}`).join(', '));
  const gone =
    history.step(Step.gone) !== undefined && nodes.every((name) => after.some(({ node }) => node === name));
  return gone ? judged(true, expected, 'none') : inconclusive(expected, 'the API was not read to the end');
}

function timeOf(history: History, step: string): number {
  return history.of('step').find((event) => event.step === step)?.t ?? Number.POSITIVE_INFINITY;
}
