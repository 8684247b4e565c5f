/** What the HTTP API makes of names that need care. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { PLAYING_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { StepData } from '../history.ts';
import { failed, inconclusive, judged, notSeen, words } from '../judging.ts';
import { attempt, judgeAttempts, oneOfEachRole, openRtmp, stepsOf } from '../wire/attempt.ts';
import { infoOf, type WireRtmp } from '../wire/rtmp.ts';
import { firstMedia } from './rtmp-dialogue.ts';

const APP = 'live';
/** All that must be escaped, but for what SRS takes out of a name: tab, line feed, carriage return. */
const TO_ESCAPE = '\u0001\b\u000b\f\u000f\u001b\u001f"\\';
const LISTED_WITHIN_MS = 1000;
const POLL_MS = 50;
const Step = { nodes: 'names.nodes', seen: 'names.seen' } as const;

export const namesInApi = check({
  id: 'rtmp/names-in-api',
  title: 'The HTTP API is JSON, whatever the stream is called that somebody asks for',
  level: 'must',
  spec: {
    source: 'RFC 8259 (JSON)',
    where: 'section 7, Strings',
    says:
      'Quotation mark, reverse solidus and the control characters U+0000 to U+001F are escaped. Anyone may ask for a stream ' +
      'by any name; who reads the API is to read it all the same. In which form it shows such a name, or whether it takes ' +
      'it at all, is the server’s own affair, but two streams are not shown by one name.',
  },
  topologies: ['edge-cluster'],
  needs: ['publish.rtmp', 'play.rtmp', 'observe.api'],
  mutants: ['api-control-characters', 'api-cleans-names'],
  disrupts: 'makes others unable to read the API',
  deadlineMs: 30_000,

  async run(t) {
    const nodes = oneOfEachRole(t);
    t.step(Step.nodes, { names: nodes.map(({ spec }) => spec.name).join(' ') });
    for (const node of nodes) {
      await attempt(t, `players at ${node.spec.name}`, async () => {
        const stream = t.stream(node.spec.name);
        const plain = await ask(t, node, stream);
        const odd = await ask(t, node, stream + TO_ESCAPE);
        const seen = await untilListed(t, node, stream, odd);
        const isOne = seen.suffix === '' ? await isOneStream(t, stream, plain, odd) : null;
        t.step(Step.seen, { node: node.spec.name, ...seen, isOne });
        plain.close();
        odd.close();
      });
    }
  },

  judge(history) {
    const nodes = words(history.step(Step.nodes)?.names);
    if (nodes.length === 0) return [notSeen(history, 'players of streams whose names need care')];
    const seen = stepsOf(history, Step.seen);
    return [
      ...judgeAttempts(history),
      ...nodes.map((node): Judgement => {
        const expected = `${node}: lists of clients and streams are JSON, with the player of the odd name under a name of its own`;
        const data = seen.find((one) => one.node === node);
        return data === undefined ? notSeen(history, expected) : judgeNames(data, expected);
      }),
    ];
  },
});

function judgeNames({ problem, plain, refused, suffix, isOne }: StepData, expected: string): Judgement {
  if (typeof problem === 'string') return failed(expected, problem);
  if (plain !== true) return inconclusive(expected, 'not even the player of the other stream is in it');
  if (refused === true) return judged(true, expected, 'the name is refused, and the API is JSON');
  if (typeof suffix !== 'string') return failed(expected, 'no such player in it');
  if (suffix !== '') return judged(true, expected, `its name ends with ${JSON.stringify(suffix)}`);
  if (typeof isOne !== 'boolean') return inconclusive(expected, 'it has the name of another stream');
  return judged(
    isOne,
    expected,
    isOne ? 'both names are of one stream' : 'it has the name of another stream, which it does not get',
  );
}

async function ask(t: CheckContext, node: ClusterNode, stream: string): Promise<WireRtmp> {
  const client = await openRtmp(t, node);
  client.play(await client.startStream(APP), stream);
  return client;
}

function isRefused(client: WireRtmp): boolean {
  const isError = client.commands().some(({ args }) => infoOf(args[0], 'level') === 'error');
  return isError || client.socket.end !== undefined;
}

/**
 * What the API says once both players are there, or the odd one is refused, or once what it says is no JSON. `suffix` is
 * what the name of the odd one has behind that of the plain one, of which there may be two.
 */
async function untilListed(
  t: CheckContext,
  node: ClusterNode,
  stream: string,
  odd: WireRtmp,
): Promise<StepData> {
  const end = performance.now() + LISTED_WITHIN_MS;
  for (;;) {
    const refused = isRefused(odd);
    let names: string[];
    try {
      names = (await namesIn(t, node, 'clients')).filter((name) => name.startsWith(stream));
      await namesIn(t, node, 'streams');
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
      return { problem: error.message };
    }
    const plain = names.indexOf(stream);
    if (plain >= 0) names.splice(plain, 1);
    const suffix = names[0]?.slice(stream.length) ?? null;
    const settled = plain >= 0 && (refused || suffix !== null);
    if (settled || performance.now() >= end) return { plain: plain >= 0, refused, suffix };
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    t.signal.throwIfAborted();
  }
}

/** @throws SyntaxError, TypeError: the answer is no JSON, or of another form. */
async function namesIn(
  t: CheckContext,
  { host, ports, spec }: ClusterNode,
  list: 'clients' | 'streams',
): Promise<string[]> {
  const url = `http://${host}:${ports.api}/api/v1/${list}/?start=0&count=1000`;
  const { body } = await t.http(url, { label: `${list}-of-${spec.name}` });
  const told = JSON.parse(Buffer.from(body).toString()) as Partial<Record<typeof list, { name?: unknown }[]>>;
  return (told[list] ?? []).map(({ name }) => String(name));
}

/** Whether who asked by the odd name gets the stream of the other one. */
async function isOneStream(
  t: CheckContext,
  stream: string,
  plain: WireRtmp,
  odd: WireRtmp,
): Promise<boolean> {
  await t.publish({ url: t.publishUrl(stream, t.nodes('origin')[0]!.spec.name) });
  await plain.until('media of the stream', PLAYING_WITHIN_MS, () => firstMedia(plain));
  return odd.until('media of the stream', PLAYING_WITHIN_MS, () => firstMedia(odd)).catch(() => false);
}
