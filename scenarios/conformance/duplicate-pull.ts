/** Several edge processes on a host: what they fetch each by itself, and all together from a local origin. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { PLAYING_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { inconclusive, isFrame, judged, listed, notSeen, words } from '../judging.ts';
import { GOP_FRAMES, labels } from '../stage.ts';
import { openings, openOf } from './upstreams.ts';

/** Both pass through the Nginx of the host. */
const PROTOCOLS = ['rtmp', 'flv'] as const;
/** The taps and the origins' APIs, which are read one after the other, must agree within this time. */
const AGREE_WITHIN_MS = 2000;
/** A pull that is opened late, or again, is open by then. */
const WATCH_MS = 500;

/** What stands behind one Nginx: its edges, and those of the host that fetch from the origins. */
interface Host {
  readonly front: string;
  readonly edges: readonly string[];
  readonly pullers: readonly string[];
}

const duplicatePull = check({
  id: 'back-to-source/duplicate-pull',
  title: 'k edge processes of a host fetch a stream k times from the origins, and once with a local origin',
  level: 'must',
  spec: {
    source: 'Coworker cluster (seeds/002)',
    where: '问题:重复回源; 解决方案:本地源站',
    says: 'Instances behind a TCP balancer fetch the same stream each for itself. With a local origin that all of them fetch from, the host fetches it once.',
  },
  topologies: ['local-origin'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'observe.api'],
  mutants: ['edge-pulls-per-player', 'edge-pulls-per-protocol', 'edge-pulls-twice-under-herd'],
  deadlineMs: 30_000,

  async run(t) {
    const stream = t.stream();
    const origins = t.nodes('origin').map(({ spec }) => spec.name);
    const hosts = hostsOf(t, origins);
    await t.publish({ url: t.publishUrl(stream, origins[0]!), label: 'publisher' });
    t.step('hosts', {
      stream,
      origins: origins.join(' '),
      fronts: hosts.map(({ front }) => front).join(' '),
      ...Object.fromEntries(hosts.map(({ front, edges }) => [`${front}.edges`, edges.join(' ')])),
      ...Object.fromEntries(hosts.map(({ front, pullers }) => [`${front}.pullers`, pullers.join(' ')])),
    });
    const players = hosts.flatMap(({ front, edges }) =>
      edges.flatMap(() => PROTOCOLS.map((protocol) => t.play(t.playUrl(protocol, stream, front), front))),
    );
    t.step('players', { players: labels(players) });
    await Promise.all(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
    await Promise.all(players.map((player) => player.frames(GOP_FRAMES, PLAYING_WITHIN_MS)));
    await t.observe(WATCH_MS, 'a pull that is opened late is open by then');
    for (const edge of hosts.flatMap(({ edges }) => edges)) await t.readApi(edge, stream);
    await readOrigins(
      t,
      stream,
      origins,
      hosts.flatMap(({ pullers }) => pullers),
    );
    t.step('counted');
  },

  judge(history) {
    const setting = history.step('hosts');
    if (setting === undefined) return [notSeen(history, 'a stream is published')];
    const players = words(history.step('players')?.players);
    if (history.step('counted') === undefined) return [notSeen(history, 'every player of both hosts plays')];
    const stream = String(setting.stream);
    const fronts = words(setting.fronts);
    if (players.length === 0 || fronts.some((front) => words(setting[`${front}.pullers`]).length === 0)) {
      return [notSeen(history, 'players of both hosts, and who fetches for them')];
    }
    if (fronts.length === 0) return [notSeen(history, 'hosts')];
    const told = toldBy(history, stream, words(setting.origins));
    const judgements = fronts.flatMap((front): Judgement[] => {
      const edges = words(setting[`${front}.edges`]);
      const pullers = words(setting[`${front}.pullers`]);
      return [judgeSpread(history, stream, front, edges), judgePulls(history, front, edges, pullers, told)];
    });
    return [...judgements, ...players.map((client) => judgeMedia(history, client))];
  },
});

function hostsOf(t: CheckContext, origins: readonly string[]): Host[] {
  const fromOrigins = ({ spec }: ClusterNode) => spec.upstreams.every((name) => origins.includes(name));
  return t.nodes('web').map(({ spec: { name: front, upstreams: edges } }) => {
    const nodes = edges.map((edge) => t.cluster.nodes.get(edge)!);
    const locals = nodes.filter((node) => !fromOrigins(node)).flatMap(({ spec }) => spec.upstreams);
    const pullers = [...nodes.filter(fromOrigins).map(({ spec }) => spec.name), ...new Set(locals)];
    return { front, edges, pullers };
  });
}

/** Reads the origins' APIs until they tell what the taps have seen, or the time for that is over. */
async function readOrigins(
  t: CheckContext,
  stream: string,
  origins: readonly string[],
  pullers: readonly string[],
): Promise<void> {
  const end = performance.now() + AGREE_WITHIN_MS;
  for (;;) {
    for (const origin of origins) await t.readApi(origin, stream);
    const told = toldBy(t.history, stream, origins);
    if (pullers.every((name) => (told[name] ?? 0) === openOf(t.history, name))) return;
    if (performance.now() > end) return;
    await t.observe(50, 'the APIs of the origins do not tell yet what the taps have seen');
  }
}

/** Pulls by node, as the origins' APIs told last. */
function toldBy(history: History, stream: string, origins: readonly string[]): Record<string, number> {
  const told: Record<string, number> = {};
  for (const origin of origins) {
    const reading = history
      .of('api.stream')
      .findLast((event) => event.node === origin && event.stream === stream);
    for (const [name, count] of Object.entries(reading?.upstreamsOf ?? {}))
      told[name] = (told[name] ?? 0) + count;
  }
  return told;
}

/** Without a player at each of the edges nothing is known about what they fetch. */
function judgeSpread(history: History, stream: string, front: string, edges: readonly string[]): Judgement {
  const clients = edges.map(
    (edge) =>
      history.of('api.stream').findLast((event) => event.node === edge && event.stream === stream)?.clients ??
      0,
  );
  const expected = `${front} spreads its players over ${edges.join(', ')}`;
  const actual = listed(Object.fromEntries(edges.map((edge, i) => [edge, clients[i]!])));
  return clients.every((count) => count > 0)
    ? judged(true, expected, actual)
    : inconclusive(expected, actual);
}

/** What was opened in vain was fetched, too, so that every connection counts; what is open is what the APIs tell. */
function judgePulls(
  history: History,
  front: string,
  edges: readonly string[],
  pullers: readonly string[],
  told: Readonly<Record<string, number>>,
): Judgement {
  const at = history.of('step').findLast(({ step }) => step === 'counted')?.t;
  const everybody = [...new Set([...pullers, ...edges])];
  const opened = Object.fromEntries(pullers.map((name) => [name, openings(history, name)]));
  const open = Object.fromEntries(pullers.map((name) => [name, openOf(history, name, at)]));
  const apis = Object.fromEntries(everybody.filter((name) => told[name]).map((name) => [name, told[name]!]));
  const total = (counts: Readonly<Record<string, number>>): number =>
    Object.values(counts).reduce((sum, count) => sum + count, 0);
  const expected = `the host of ${front} with ${edges.length} edges fetches the stream ${pullers.length} times, through ${pullers.join(', ')}`;
  const actual = `taps: ${listed(opened)}; APIs of the origins: ${listed(apis)}`;
  if (total(open) !== total(apis)) {
    return inconclusive(expected, `open by the taps: ${listed(open)}; APIs of the origins: ${listed(apis)}`);
  }
  if (total(opened) === 0) return inconclusive(expected, `${actual}; yet players got frames`);
  const once = pullers.every((name) => opened[name] === 1 && apis[name] === 1);
  return judged(once, expected, actual);
}

function judgeMedia(history: History, client: string): Judgement {
  const sums = new Set(history.sent('publisher').map(({ sum }) => sum));
  const got = history.got(client).filter((item) => isFrame(item) && item.kind === 'video');
  const foreign = got.filter(({ sum }) => !sums.has(sum)).length;
  return judged(
    got.length > 0 && foreign === 0,
    `${client} gets what is published`,
    `${got.length} video frames, ${foreign} of them others`,
  );
}

export const DUPLICATE_PULL = [duplicatePull];
