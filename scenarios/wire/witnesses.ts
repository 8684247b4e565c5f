/** Players who must notice nothing of what is done to their node: an RTMP and an HTTP-FLV player on each. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { PLAYING_WITHIN_MS } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { compareFrames, inconclusive, judged, videoOf } from '../judging.ts';
import type { RecordedPlayer, RecordedPublisher } from '../stage.ts';
import { stepsOf } from './attempt.ts';

/** Frames that a witness must get after the deed: at 25 frames/s, more than two merged writes. */
const FRAMES_AFTER = 25;
const FRAMES_WITHIN_MS = 5000;

const Step = {
  witness: 'witness',
  before: 'witnesses.before',
  after: 'witnesses.after',
  /** The process that a node's API answers for; null when it does not answer. */
  process: 'witnesses.process',
} as const;

export class Witnesses {
  readonly stream: string;
  readonly publisher: RecordedPublisher;
  readonly #t: CheckContext;
  readonly #nodes: readonly ClusterNode[];
  readonly #players: readonly RecordedPlayer[];

  private constructor(
    t: CheckContext,
    nodes: readonly ClusterNode[],
    stream: string,
    publisher: RecordedPublisher,
    players: readonly RecordedPlayer[],
  ) {
    this.#t = t;
    this.#nodes = nodes;
    this.stream = stream;
    this.publisher = publisher;
    this.#players = players;
  }

  /** Publishes a stream of their own and resolves when all play it. */
  static async start(t: CheckContext, nodes: readonly ClusterNode[]): Promise<Witnesses> {
    const stream = t.stream('witnessed');
    const publisher = await t.publish({ url: t.publishUrl(stream), label: 'witnessed' });
    const players = nodes.flatMap(({ spec: { name } }) =>
      (['rtmp', 'flv'] as const).map((protocol) => {
        const player = t.play(t.playUrl(protocol, stream, name), `witness-${protocol}-${name}`);
        t.step(Step.witness, { client: player.label, publisher: publisher.label, node: name, protocol });
        return player;
      }),
    );
    await Promise.all(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
    const witnesses = new Witnesses(t, nodes, stream, publisher, players);
    await witnesses.#recordProcesses();
    t.step(Step.before);
    return witnesses;
  }

  /** Call when the deed is done; resolves when every witness has gone on playing for a while. */
  async goOn(): Promise<void> {
    this.#t.step(Step.after);
    await this.#recordProcesses();
    await Promise.all(this.#players.map((player) => player.frames(FRAMES_AFTER, FRAMES_WITHIN_MS)));
  }

  async #recordProcesses(): Promise<void> {
    for (const node of this.#nodes) {
      const { name } = node.spec;
      const pid = await this.#t.cluster
        .api(name)
        .versions()
        .then((versions) => versions.pid)
        .catch(() => null);
      this.#t.step(Step.process, { node: name, pid });
    }
  }
}

/** Each witness was there before and has every frame of its stream, up to a while after the deed. */
export function judgeWitnesses(history: History): Judgement[] {
  const witnesses = stepsOf(history, Step.witness);
  const expected = 'players of another stream on the same node get every frame, before and after';
  if (witnesses.length === 0 || history.step(Step.before) === undefined) {
    return [inconclusive(expected, 'they were not playing when it began')];
  }
  const after = history.of('step').find(({ step }) => step === Step.after)?.t;
  if (after === undefined) return [inconclusive(expected, 'what was to be done to the node was not done')];
  const seen = witnesses.map(({ client, publisher }) =>
    witnessed(history, String(client), String(publisher), after),
  );
  const losers = seen.filter(({ lost }) => lost);
  const told = (losers.length > 0 ? losers : seen).map(({ says }) => says).join(', ');
  return [judged(losers.length === 0, expected, told), ...judgeProcesses(history)];
}

/** The same process answers before and after the deed. */
function judgeProcesses(history: History): Judgement[] {
  const readings = stepsOf(history, Step.process);
  const nodes = [...new Set(readings.map(({ node }) => String(node)))];
  return nodes.map((node) => {
    const pids = readings.filter((reading) => reading.node === node).map(({ pid }) => pid);
    const expected = `${node} lives: its API answers for the same process before and after`;
    if (pids.length < 2 || pids[0] === null) return inconclusive(expected, `asked ${pids.length} times`);
    const [before, after] = [pids[0], pids.at(-1)];
    return judged(
      before === after,
      expected,
      after === null ? 'no answer' : `process ${before}, then ${after}`,
    );
  });
}

function witnessed(
  history: History,
  name: string,
  publisher: string,
  after: number,
): { readonly lost: boolean; readonly says: string } {
  const got = history.got(name);
  const closed = history
    .of('client.closed')
    .find((event) => event.client === name && event.reason !== 'local');
  if (closed !== undefined) return { lost: true, says: `${name} lost its connection (${closed.code})` };
  const { compared, differences } = compareFrames(history.sent(publisher), got);
  if (differences.length > 0) {
    const { expected, actual } = differences[0]!;
    return { lost: true, says: `${name} got ${actual} instead of ${expected}` };
  }
  const later = videoOf(got).filter((event) => event.t > after).length;
  const says = `${name}: ${compared.video} video and ${compared.audio} audio frames equal, ${later} after it`;
  return { lost: later < FRAMES_AFTER, says };
}
