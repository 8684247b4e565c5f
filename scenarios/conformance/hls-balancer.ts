/** Segments through a balancer in front of edges, each of which cuts its own: what the guide could not get to work. */
import { HLS_AVAILABLE_MS, HLS_FRAGMENT_MS, PLAYING_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { inconclusive, judged, notSeen } from '../judging.ts';
import {
  allOf,
  type FetchedSegment,
  loadedBy,
  segmentsOf,
  told,
  versionsOf,
  watchedOf,
} from './hls-history.ts';
import { HLS_DEADLINE_MS, holdEdges } from './hls-observation.ts';
import { HLS_NEEDS } from './hls-playlists.ts';
import { fetchSegment, HLS_POLL_MS, HlsWatch, loadPlaylist } from './hls-watch.ts';

/** Clients with an address of their own, each in another /24: ip_hash takes the first three numbers. */
const CLIENTS = 8;
/** Clients whose address changes between playlist and segments, as behind the NAT of a mobile network. */
const MOVERS = 8;
/** Of each playlist, the last ones. */
const SEGMENTS_ASKED = 2;
/** So many segments each edge has to have before it begins. */
const LISTED = 2;

/** 127.x.y.z with x, y and z of its own; the lab's nodes have an x of 0. */
function addressOf(client: number): string {
  return `127.${10 + client * 7}.${(client * 53) % 250}.${1 + ((client * 29) % 250)}`;
}

export const throughTheBalancer = check({
  id: 'hls/through-the-balancer',
  title: 'A playlist through the balancer and its segments come from the same edge, whoever asks',
  level: 'must',
  spec: {
    source: 'SRS cluster with HAProxy and Nginx (seeds/003)',
    where: 'nginx_srs.conf and the afterword: segments cannot be fetched through Nginx; facts/srs.md 6.5',
    says: 'Every edge cuts and numbers the segments of a stream by itself, so a playlist is of use only with the segments of the same edge. The guide picks the edge by the address of the client, which a viewer may change.',
  },
  topologies: ['forward-cluster'],
  needs: [...HLS_NEEDS, 'play.rtmp'],
  mutants: ['web-ip-hash', 'web-round-robin'],
  deadlineMs: HLS_DEADLINE_MS,

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    // A segment apart, so that the same number means another segment at every edge.
    await holdEdges(t, stream, HLS_FRAGMENT_MS);
    const edges = t
      .nodes('edge')
      .filter(({ spec }) => spec.hls)
      .map(({ spec }) => spec.name);
    const watches = edges.map(
      (name) => new HlsWatch(t, { label: name, url: t.playUrl('hls', stream, name) }),
    );
    for (const one of watches) one.start();
    t.step('watched', { nodes: edges.join(' ') });
    await t.until(
      `${LISTED} segments at every edge`,
      PLAYING_WITHIN_MS + LISTED * HLS_AVAILABLE_MS,
      (history) => edges.every((edge) => segmentsOf(history, edge).length >= LISTED),
    );
    for (let client = 1; client <= CLIENTS + MOVERS; client++) await visit(t, stream, client);
    // What the edges listed meanwhile is known when their watches end.
    await Promise.all(watches.map((one) => one.stop()));
    t.step('visited');
  },

  judge: judgeThroughTheBalancer,
});

async function visit(t: CheckContext, stream: string, client: number): Promise<void> {
  const moves = client > CLIENTS;
  const label = `${moves ? 'mover' : 'client'}-${client}`;
  const url = t.playUrl('hls', stream);
  t.step('visit', { client: label, moves });
  const playlist = await loadPlaylist(t, url, label, addressOf(client));
  const localAddress = addressOf(moves ? client + MOVERS : client);
  for (const segment of playlist?.segments.slice(-SEGMENTS_ASKED) ?? []) {
    await fetchSegment(t, { label, base: url, segment, localAddress });
  }
}

function judgeThroughTheBalancer(history: History): Judgement[] {
  const visits = history.of('step').filter(({ step }) => step === 'visit');
  if (visits.length === 0) return [notSeen(history, 'players through the balancer')];
  const edges = watchedOf(history).map((name) => edgeOf(history, name));
  return [
    judgeEdgesDiffer(edges),
    judgeVisits(
      history,
      'clients that keep their address get the segments of their playlist',
      visits.filter(({ data }) => data.moves === false),
      edges,
    ),
    judgeVisits(
      history,
      'clients whose address changes do, too',
      visits.filter(({ data }) => data.moves === true),
      edges,
    ),
  ];
}

/** A client of whose segments one has no number is not known to have got the right ones. */
function judgeVisits(
  history: History,
  expected: string,
  visits: readonly { readonly data: StepData }[],
  edges: readonly EdgeSeen[],
): Judgement {
  const clients = visits.map(({ data }) => String(data.client));
  const flaws = clients.flatMap((client) => {
    const flaw = visitFlaw(history, client, edges);
    return flaw === undefined ? [] : [`${client}: ${flaw}`];
  });
  const unknown = clients.flatMap((client) => {
    const segment = segmentsOf(history, client).find((one) => frameOf(one) === undefined);
    return segment === undefined ? [] : [`${client}: ${segment.uri} has no frame with a number`];
  });
  if (flaws.length === 0 && unknown.length > 0) return inconclusive(expected, told(unknown));
  return allOf(expected, clients.length, flaws, `${clients.length} clients`);
}

/** What an edge itself listed, and the number of the first frame of each of its segments. */
interface EdgeSeen {
  readonly name: string;
  readonly frames: ReadonlyMap<string, number | undefined>;
  readonly versions: readonly { readonly text: string; readonly from: number; readonly to: number }[];
}

function edgeOf(history: History, name: string): EdgeSeen {
  const versions = versionsOf(loadedBy(history, name));
  return {
    name,
    frames: new Map(segmentsOf(history, name).map((segment) => [segment.uri, frameOf(segment)])),
    versions: versions.map(({ text, sentAt }, i) => ({
      text,
      from: sentAt - SEEN_WITHIN_MS,
      to: (versions[i + 1]?.t ?? Number.POSITIVE_INFINITY) + SEEN_WITHIN_MS,
    })),
  };
}

/** The number of the first frame; undefined when it has none. */
function frameOf({ frames }: FetchedSegment): number | undefined {
  return frames[0]?.stamp?.frame;
}

/** How late a watch may see what an edge lists. */
const SEEN_WITHIN_MS = 2 * HLS_POLL_MS;

function judgeEdgesDiffer(edges: readonly EdgeSeen[]): Judgement {
  const expected = 'edges whose segments of the same name are not the same';
  const [first, ...others] = edges;
  const blank = edges.find(({ frames }) => [...frames.values()].every((frame) => frame === undefined));
  if (blank !== undefined) return inconclusive(expected, `no frame with a number of ${blank.name}`);
  const same = others.filter(({ frames }) =>
    [...frames].some(([uri, frame]) => frame !== undefined && first?.frames.get(uri) === frame),
  );
  if (first === undefined || others.length === 0) return inconclusive(expected, 'one edge');
  if (same.length === others.length)
    return inconclusive(expected, 'every edge cuts alike: nothing could be seen');
  return judged(true, expected, `${edges.length - same.length} of ${edges.length} differ`);
}

function visitFlaw(history: History, client: string, edges: readonly EdgeSeen[]): string | undefined {
  const [loaded] = loadedBy(history, client);
  if (loaded === undefined) {
    const answer = history.of('http.exchange').find((exchange) => exchange.client === client);
    return `no playlist (${answer?.status || answer?.error || 'not asked'})`;
  }
  const segments = segmentsOf(history, client);
  const broken = segments.find(({ status, error }) => status !== 200 || error !== null);
  if (broken !== undefined)
    return `${broken.uri} of its playlist: ${broken.status === 200 ? broken.error : broken.status}`;
  if (segments.length === 0) return 'its playlist lists nothing';
  const sources = edges.filter(({ versions }) =>
    versions.some(({ text, from, to }) => text === loaded.text && loaded.t >= from && loaded.sentAt <= to),
  );
  if (sources.length === 0) return 'no edge listed what it got';
  if (sources.some((edge) => segments.every((segment) => edge.frames.get(segment.uri) === frameOf(segment))))
    return undefined;
  const names = sources.map(({ name }) => name).join(' or ');
  const wrong =
    segments.find((segment) => sources[0]!.frames.get(segment.uri) !== frameOf(segment)) ?? segments[0]!;
  return `the playlist of ${names}, but its ${wrong.uri} begins with frame ${frameOf(wrong)} instead of ${sources[0]!.frames.get(wrong.uri)}`;
}
