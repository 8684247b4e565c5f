/** What the checks of HLS look at together: a stream from before its publish to after its end, at every entry. */
import {
  ABSENT_ORIGIN_MS,
  HLS_AVAILABLE_MS,
  HLS_CLOSED_MS,
  HLS_FRAGMENT_MS,
  HLS_UPDATE_TARGETS,
  HLS_WINDOW_MS,
  PLAYING_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import type { CheckContext } from '../check.ts';
import { shareObservation } from '../shared-observation.ts';
import { FRAME_MS, GOP_FRAMES } from '../stage.ts';
import { HLS_POLL_MS, HlsWatch } from './hls-watch.ts';

export const HLS_DEADLINE_MS = 45_000;

/** Until two segments have left the playlist, and 10 frames more: the last segment is not a whole one. */
const WHOLE_SEGMENTS = HLS_WINDOW_MS / HLS_FRAGMENT_MS + 3;
const SENT_FRAMES = WHOLE_SEGMENTS * GOP_FRAMES + 10;
/** Nothing comes in this time after the end: a server that has more to tell would have told it (RFC 8216 6.2.1). */
const SILENCE_MS = HLS_CLOSED_MS + 2 * HLS_UPDATE_TARGETS * HLS_FRAGMENT_MS;
/** Requests at the same time, of which a cache may pass one on. */
const HERD = 5;

/** The nodes that serve HLS, one of each kind: where several edges do, one of them. */
function watchedNodes(t: CheckContext): string[] {
  const nodes = t.cluster.entries
    .filter(({ use, protocol }) => use === 'play' && protocol === 'hls')
    .map(({ node }) => node);
  const edge = nodes.find((name) => roleOf(t, name) === 'edge');
  return nodes.filter((name) => roleOf(t, name) !== 'edge' || name === edge);
}

export function roleOf(t: CheckContext, node: string) {
  return t.cluster.nodes.get(node)?.spec.role;
}

function watch(t: CheckContext, stream: string, nodes: readonly string[]): HlsWatch[] {
  const watches = nodes.map((node) => {
    const isCache = t.cluster.nodes.get(node)?.spec.web === 'cache';
    return new HlsWatch(t, {
      label: node,
      url: t.playUrl('hls', stream, node),
      ...(isCache ? { herd: HERD } : {}),
    });
  });
  for (const one of watches) one.start();
  return watches;
}

/**
 * An edge fetches and cuts a stream only while somebody plays it there (facts/srs.md 1.2). Where it asks the master
 * first that does not have the stream, that takes a while.
 * @param apartMs edges begin so long one after the other.
 */
export async function holdEdges(t: CheckContext, stream: string, apartMs = 0): Promise<void> {
  const playing: Promise<void>[] = [];
  for (const { spec } of t.nodes('edge').filter(({ spec }) => spec.hls)) {
    if (playing.length > 0 && apartMs > 0)
      await t.observe(apartMs, 'edges that count their segments differently');
    const holder = t.play(t.playUrl('rtmp', stream, spec.name), `holder-${spec.name}`);
    const held = holder.playing(ABSENT_ORIGIN_MS + PLAYING_WITHIN_MS);
    held.catch(() => {});
    playing.push(held);
  }
  await Promise.all(playing);
}

/**
 * One stream: entries are asked for its playlist before it is published, while it is, and after its end; every segment
 * is fetched when it is listed first, and again when it is not listed any more. A player plays beside.
 */
export function observeStream(t: CheckContext): Promise<void> {
  return shareObservation(t, 'hls-stream', async () => {
    const stream = t.stream();
    const nodes = watchedNodes(t);
    t.step('watched', { nodes: nodes.join(' '), direct: directNodes(t, nodes).join(' ') });
    const watches = watch(t, stream, nodes);
    // What is not there yet is asked for, through the cache, too.
    await t.observe(2 * HLS_POLL_MS, 'a playlist that is not there');
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    t.step('published', { publisher: publisher.label });
    await holdEdges(t, stream);
    await Promise.all(nodes.map((node) => listed(t, node, 1)));
    t.play(t.playUrl('hls', stream), 'player');
    await probe(t, stream, nodes);
    // An origin cuts from the first frame on, an edge from when it is held.
    const frames = directNodes(t, nodes).some((name) => roleOf(t, name) === 'edge')
      ? SENT_FRAMES
      : Math.max(1, SENT_FRAMES - publisher.frames);
    await publisher.sent(frames, SENT_FRAMES * FRAME_MS + TWO_HOPS_MS);
    await publisher.stop();
    t.step('unpublished', { publisher: publisher.label });
    await t.observe(SILENCE_MS, 'the stream is over');
    await Promise.all(watches.map((one) => one.stop()));
    t.step('watched-to-end');
  });
}

/** Nodes whose playlist is the media node's own file, with nothing that keeps it. */
function directNodes(t: CheckContext, nodes: readonly string[]): string[] {
  return nodes.filter((name) => t.cluster.nodes.get(name)?.spec.web !== 'cache');
}

/** The playlist at a node lists so many segments. Not seen in time, the observation goes on: the judges know. */
async function listed(t: CheckContext, node: string, count: number): Promise<void> {
  const end = performance.now() + 3 * HLS_AVAILABLE_MS;
  const seen = () =>
    t.history.of('step').filter(({ step, data }) => step === 'segment' && data.client === node).length;
  while (seen() < count && performance.now() < end) await t.observe(HLS_POLL_MS, `a segment at ${node}`);
}

const ORIGIN = 'http://player.liveproof.test';
/** Headers that a browser's player asks leave for: CMCD (CTA-5004) and ranges. */
const ASKED_HEADERS = 'cmcd-request,range';

/** Playlist and segment of each node as a browser asks: without Origin first, as a cache may keep that answer. */
async function probe(t: CheckContext, stream: string, nodes: readonly string[]): Promise<void> {
  for (const node of nodes) {
    const playlist = t.playUrl('hls', stream, node);
    const segment = t.history
      .of('http.exchange')
      .findLast(({ client, kind, status }) => client === node && kind === 'segment' && status === 200)?.url;
    for (const url of segment === undefined ? [playlist] : [playlist, segment]) {
      await t.http(url, { label: `${node}-plain` });
      await t.http(url, { label: `${node}-cors`, headers: { Origin: ORIGIN } });
      await t.http(url, {
        label: `${node}-preflight`,
        method: 'OPTIONS',
        headers: {
          Origin: ORIGIN,
          'Access-Control-Request-Method': 'GET',
          'Access-Control-Request-Headers': ASKED_HEADERS,
        },
      });
    }
    t.step('probed', { node, origin: ORIGIN, headers: ASKED_HEADERS });
  }
}

/** Two and a half segments of each of two publishers. */
const REPUBLISHED_FRAMES = 2 * GOP_FRAMES + 12;

/** A publisher, and when its last segment is there another one, under the same name. */
export function observeRepublish(t: CheckContext): Promise<void> {
  return shareObservation(t, 'hls-republish', async () => {
    const stream = t.stream();
    const [node] = watchedNodes(t);
    t.step('watched', { nodes: node! });
    const [one] = watch(t, stream, [node!]);
    for (const label of ['first', 'second']) {
      const publisher = await t.publish({ url: t.publishUrl(stream), label });
      t.step('published', { publisher: publisher.label });
      await publisher.sent(
        REPUBLISHED_FRAMES - publisher.frames,
        REPUBLISHED_FRAMES * FRAME_MS + TWO_HOPS_MS,
      );
      await publisher.stop();
      await t.observe(HLS_CLOSED_MS, 'its last segment');
    }
    await one!.stop();
    t.step('watched-to-end');
  });
}
