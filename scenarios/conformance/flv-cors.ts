/** HTTP-FLV for pages of other origins: without leave, a browser keeps from them what came. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { PLAYING_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { inconclusive, judged } from '../judging.ts';
import { attempt, judgeAttempts, oneOfEachRole, openHttp, stepsOf } from '../wire/attempt.ts';

const ORIGIN = 'http://player.liveproof.test';

async function ask(t: CheckContext, node: ClusterNode, stream: string): Promise<void> {
  const { name } = node.spec;
  await attempt(t, `HTTP-FLV of ${name} for a page`, async () => {
    const client = await openHttp(t, node);
    client.raw(`GET /live/${stream}.flv HTTP/1.1\r\nHost: liveproof\r\nOrigin: ${ORIGIN}\r\n\r\n`);
    const head = await client.socket.until('the head of an answer', PLAYING_WITHIN_MS, () => client.head());
    t.step('flv-cors', {
      name,
      status: head.status,
      allowed: head.headers.get('access-control-allow-origin') ?? null,
    });
    client.close();
  });
}

function judgeNode(history: History, name: string): Judgement {
  const expected = `${name}: 200, for ${ORIGIN} as for any other`;
  const seen = stepsOf(history, 'flv-cors').find((data) => data.name === name);
  if (seen === undefined) return inconclusive(expected, 'no answer');
  const isOpen = seen.status === 200 && (seen.allowed === '*' || seen.allowed === ORIGIN);
  return judged(isOpen, expected, `${seen.status}, for origin ${seen.allowed ?? 'none'}`);
}

export const flvCors = check({
  id: 'flv/cors',
  title: 'A page of another origin may read HTTP-FLV',
  level: 'must',
  spec: {
    source: 'Fetch standard',
    where: '3.2 CORS protocol; SRS http_server.crossdomain, which is on by default',
    says: 'A page may read the answer of another origin only when Access-Control-Allow-Origin names the page’s or is *.',
  },
  topologies: ['edge-cluster'],
  needs: ['publish.rtmp', 'play.flv'],
  mutants: ['flv-no-cors'],

  async run(t) {
    const stream = t.stream();
    const nodes = oneOfEachRole(t);
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    await publisher.sent(1, PLAYING_WITHIN_MS);
    t.step('asked', { nodes: nodes.map(({ spec }) => spec.name).join(' ') });
    await Promise.all(nodes.map((node) => ask(t, node, stream)));
  },

  judge(history) {
    const asked = history.step('asked');
    if (asked === undefined) return [inconclusive('a stream to read', 'its publisher sent nothing')];
    const nodes = String(asked.nodes).split(' ');
    return [...judgeAttempts(history), ...nodes.map((name) => judgeNode(history, name))];
  },
});
