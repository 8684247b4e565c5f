/** What the HTTP API makes of names that need care. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { StepData } from '../history.ts';
import { failed, judged, notSeen } from '../judging.ts';
import { attempt, judgeAttempts, oneOfEachRole, openRtmp, stepsOf } from '../wire/attempt.ts';

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
      'by any name; who reads the API is to read it all the same.',
  },
  topologies: ['edge-cluster'],
  needs: ['play.rtmp', 'observe.api'],
  mutants: ['api-control-characters'],
  disrupts: 'makes others unable to read the API',

  async run(t) {
    const nodes = oneOfEachRole(t);
    t.step(Step.nodes, { names: nodes.map(({ spec }) => spec.name).join(' ') });
    for (const node of nodes) {
      await attempt(t, `player at ${node.spec.name}`, async () => {
        const client = await openRtmp(t, node);
        const stream = t.stream(node.spec.name);
        client.play(await client.startStream(APP), stream + TO_ESCAPE);
        const seen = await untilListed(t, node, stream);
        t.step(Step.seen, { node: node.spec.name, ...seen });
        client.close();
      });
    }
  },

  judge(history) {
    const nodes = String(history.step(Step.nodes)?.names ?? '')
      .split(' ')
      .filter(Boolean);
    if (nodes.length === 0) return [notSeen(history, 'players of streams whose names need care')];
    const seen = stepsOf(history, Step.seen);
    return [
      ...judgeAttempts(history),
      ...nodes.map((node): Judgement => {
        const expected = `${node}: /api/v1/clients/ is JSON, with the player in it`;
        const data = seen.find((one) => one.node === node);
        if (data === undefined) return notSeen(history, expected);
        if (typeof data.problem === 'string') return failed(expected, data.problem);
        if (data.listed !== true)
          return { verdict: 'inconclusive', expected, actual: 'no such player in it' };
        return judged(data.name === TO_ESCAPE, expected, `its name ends with ${JSON.stringify(data.name)}`);
      }),
    ];
  },
});

/** What the API says of the player once it is there, or once what it says is no JSON. */
async function untilListed(
  t: CheckContext,
  { host, ports, spec }: ClusterNode,
  stream: string,
): Promise<StepData> {
  const end = performance.now() + LISTED_WITHIN_MS;
  for (;;) {
    const url = `http://${host}:${ports.api}/api/v1/clients/?start=0&count=1000`;
    const { body } = await t.http(url, { label: `clients-of-${spec.name}` });
    const text = Buffer.from(body).toString();
    let name: string | undefined;
    try {
      const { clients } = JSON.parse(text) as { clients?: { name?: unknown }[] };
      name = clients?.map((client) => String(client.name)).find((one) => one.startsWith(stream));
    } catch (error) {
      return { listed: text.includes(stream), problem: (error as Error).message };
    }
    if (name !== undefined) return { listed: true, name: name.slice(stream.length) };
    if (performance.now() >= end) return { listed: false };
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    t.signal.throwIfAborted();
  }
}
