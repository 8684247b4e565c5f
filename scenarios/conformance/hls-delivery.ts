/** What stands between HLS and its players: Nginx over a folder, and a cache. */
import { HLS_ABSENT_LIFE_MS, HLS_LISTED_MS, HLS_PLAYLIST_LIFE_MS } from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, inconclusive, judged, notSeen, unlessOurs } from '../judging.ts';
import { allOf, loadedBy, stepAt } from './hls-history.ts';
import { HLS_DEADLINE_MS, observeStream } from './hls-observation.ts';
import { BOTH_CLUSTERS, HLS_NEEDS, RFC } from './hls-playlists.ts';
import { HLS_POLL_MS } from './hls-watch.ts';

type Exchange = EventOf<'http.exchange'>;

function exchangesOf(history: History, client: string): Exchange[] {
  return history.of('http.exchange').filter((exchange) => exchange.client === client);
}

// content-types-and-cors

/** RFC 8216 4; media types are compared without regard to case (RFC 9110 8.3.1). */
const TYPES: Readonly<Record<Exchange['kind'], readonly string[]>> = {
  playlist: ['application/vnd.apple.mpegurl', 'audio/mpegurl'],
  segment: ['video/mp2t'],
  other: [],
};

const contentTypesAndCors = check({
  id: 'hls/content-types-and-cors',
  title: 'A browser may read playlists and segments, and knows what they are',
  level: 'must',
  spec: {
    source: RFC,
    where:
      '4 (media types); Fetch standard, 3.2 (CORS protocol), 3.2.5 (CORS protocol and HTTP caches); RFC 9111 5.2.2 (Cache-Control); seeds/003, nginx_srs.conf',
    says: 'Playlists are application/vnd.apple.mpegurl or audio/mpegurl, segments video/MP2T. A request with an Origin gets one Access-Control-Allow-Origin that lets it in, also when the same was asked before without one; a preflight gets a 2xx that lets Range and CMCD through. Nothing tells a browser to keep a playlist for longer than half a fragment.',
  },
  topologies: BOTH_CLUSTERS,
  needs: HLS_NEEDS,
  mutants: [
    'hls-wrong-content-type',
    'hls-no-cors',
    'web-wrong-content-type',
    'web-no-cors',
    'web-keeps-playlists',
  ],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,

  judge(history) {
    const probes = history.of('step').filter(({ step }) => step === 'probed');
    if (probes.length === 0) return [notSeen(history, 'answers to a browser')];
    return probes.flatMap(({ data }) => {
      const node = String(data.node);
      return [
        judgeTypes(node, [...exchangesOf(history, `${node}-plain`), ...exchangesOf(history, `${node}-cors`)]),
        judgeCors(node, exchangesOf(history, `${node}-cors`), String(data.origin)),
        judgePreflight(node, exchangesOf(history, `${node}-preflight`), data),
        judgeKept(node, exchangesOf(history, `${node}-cors`)),
      ];
    });
  },
});

function judgeTypes(node: string, exchanges: readonly Exchange[]): Judgement {
  const expected = `${node}: the types of HLS`;
  const kinds = new Set(exchanges.map(({ kind }) => kind));
  const wrong = exchanges.flatMap(({ kind, status, headers }) => {
    if (status !== 200) return [`${kind}: ${status}`];
    const type = (headers['content-type'] ?? 'none').split(';')[0]!.trim().toLowerCase();
    return TYPES[kind].includes(type) ? [] : [`${kind}: ${headers['content-type'] ?? 'none'}`];
  });
  if (wrong.length === 0 && !(kinds.has('playlist') && kinds.has('segment'))) {
    return inconclusive(expected, `asked for: ${[...kinds].join(', ') || 'nothing'}`);
  }
  return allOf(expected, exchanges.length, [...new Set(wrong)], [...kinds].join(', '));
}

/** Why a browser would not hand the answer to the page; undefined when it would. */
function corsFlaw({ headers }: Exchange, origin: string): string | undefined {
  const allowed = headers['access-control-allow-origin'];
  if (allowed === undefined) return 'no Access-Control-Allow-Origin';
  if (allowed === '*') return undefined;
  if (allowed !== origin) return `Access-Control-Allow-Origin: ${allowed}`;
  const vary = (headers.vary ?? '').toLowerCase();
  return vary.includes('origin') || vary.includes('*') ? undefined : 'the origin echoed without Vary: Origin';
}

function judgeCors(node: string, exchanges: readonly Exchange[], origin: string): Judgement {
  const wrong = exchanges.flatMap((exchange) => {
    const flaw = corsFlaw(exchange, origin);
    return flaw === undefined ? [] : [`${exchange.kind}: ${flaw}`];
  });
  return allOf(
    `${node}: answers that a page may read`,
    exchanges.length,
    wrong,
    `${exchanges.length} answers`,
  );
}

function judgePreflight(
  node: string,
  exchanges: readonly Exchange[],
  asked: EventOf<'step'>['data'],
): Judgement {
  const wrong = exchanges.flatMap((exchange) => {
    const { kind, status, headers } = exchange;
    if (status < 200 || status > 299) return [`${kind}: ${status}`];
    const flaw = corsFlaw(exchange, String(asked.origin));
    if (flaw !== undefined) return [`${kind}: ${flaw}`];
    const allowed = (headers['access-control-allow-headers'] ?? '').toLowerCase().split(/\s*,\s*/);
    const refused = String(asked.headers)
      .split(',')
      .filter((name) => !allowed.includes('*') && !allowed.includes(name));
    return refused.length === 0 ? [] : [`${kind}: ${refused.join(', ')} not allowed`];
  });
  return allOf(
    `${node}: preflights that let a player in`,
    exchanges.length,
    wrong,
    `${exchanges.length} answers`,
  );
}

/** A playlist without Cache-Control is kept or not as browsers see fit; SRS sends none. */
function judgeKept(node: string, exchanges: readonly Exchange[]): Judgement {
  const playlists = exchanges.filter(({ kind, status }) => kind === 'playlist' && status === 200);
  const wrong = playlists.flatMap(({ headers }) => {
    const told = headers['cache-control'] ?? '';
    const seconds = Number(/\bmax-age="?(\d+)/i.exec(told)?.[1] ?? 0);
    const mayKeep = !/\bno-(cache|store)\b/i.test(told);
    return mayKeep && seconds * 1000 > HLS_PLAYLIST_LIFE_MS ? [`Cache-Control: ${told}`] : [];
  });
  const expected = `${node}: a playlist that no browser keeps for more than ${HLS_PLAYLIST_LIFE_MS} ms`;
  return allOf(expected, playlists.length, wrong, `${playlists.length} playlists`);
}

// cache-freshness

const CACHE_CLUSTER = ['edge-cluster'] as const;
const CACHE_NEEDS = [...HLS_NEEDS, 'cache'] as const;

const cacheFreshness = check({
  id: 'hls/cache-freshness',
  title: 'A playlist out of the cache is never older than it may be',
  level: 'must',
  spec: {
    source: RFC,
    where: '6.2.1, 6.3.4; SRS: facts/srs.md 6.5 (life of a playlist in a cache, life of a 404)',
    says: 'What the origin listed half a fragment ago the cache lists, too: an older playlist makes players stand still, or ask for segments that are gone. That a playlist is not there yet is not remembered.',
  },
  topologies: CACHE_CLUSTER,
  needs: CACHE_NEEDS,
  mutants: ['cache-playlist-too-long', 'cache-404'],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,

  judge(history) {
    const absent = exchangesOf(history, 'cache').filter(
      ({ kind, status }) => kind === 'playlist' && status === 404,
    );
    if (stepAt(history, 'watched-to-end') === undefined)
      return [notSeen(history, 'a stream through the cache')];
    const origin = loadedBy(history, 'origin');
    const cached = loadedBy(history, 'cache');
    if (origin.length === 0) return [notSeen(history, 'playlists of the origin')];
    return [
      unlessOurs(history, judgeAbsence(absent.length, origin[0]!.t, cached[0]?.t), HLS_LISTED_MS),
      unlessOurs(history, judgeAge(origin, cached), HLS_LISTED_MS),
    ];
  },
});

function judgeAbsence(absent: number, originAt: number, cacheAt: number | undefined): Judgement {
  const bound = HLS_ABSENT_LIFE_MS + 2 * HLS_POLL_MS;
  const expected = `a playlist through the cache within ${bound} ms of the origin's first one`;
  if (cacheAt === undefined) return failed(expected, 'none');
  if (absent === 0) return inconclusive('a 404 through the cache before the publish', 'none was seen');
  const tookMs = Math.round(cacheAt - originAt);
  return judged(tookMs <= bound, expected, `${Math.max(0, tookMs)} ms`);
}

interface Listing {
  readonly t: number;
  readonly sentAt: number;
  readonly playlist: { readonly segments: readonly { readonly sequence: number }[] };
}

function judgeAge(origin: readonly Listing[], cached: readonly Listing[]): Judgement {
  const bound = HLS_PLAYLIST_LIFE_MS + 2 * HLS_POLL_MS;
  // From when on the origin is known to list a segment, and the ones before it.
  const since = new Map<number, number>();
  for (const { t, playlist } of origin) {
    const last = playlist.segments.at(-1)?.sequence;
    if (last !== undefined && !since.has(last)) since.set(last, t);
  }
  let oldest = 0;
  for (const { sentAt, playlist } of cached) {
    const last = playlist.segments.at(-1)?.sequence ?? -1;
    for (const [sequence, t] of since) if (sequence > last) oldest = Math.max(oldest, sentAt - t);
  }
  const expected = `no playlist of the cache lacks what the origin listed ${bound} ms before`;
  if (cached.length === 0) return inconclusive(expected, 'no playlist came through the cache');
  const newest = Math.max(...since.values());
  if (oldest <= bound && cached.at(-1)!.sentAt < newest)
    return inconclusive(expected, 'none came through the cache since the last that the origin listed');
  return judged(oldest <= bound, expected, `up to ${Math.round(oldest)} ms, of ${cached.length} playlists`);
}

// cache-fan-in

const cacheFanIn = check({
  id: 'hls/cache-fan-in',
  title: 'However many players there are, the origin is asked once',
  level: 'must',
  spec: {
    source: 'SRS',
    where:
      'facts/srs.md 6.5 (conf/hls.edge.conf: proxy_cache_lock); seeds/000 (an origin is not to carry its players)',
    says: 'Of many requests for a segment through a cache one reaches the origin, also when they come at the same time and tell something of their own in the query (CMCD); of those for a playlist as many as it has lives in the time.',
  },
  topologies: CACHE_CLUSTER,
  needs: [...CACHE_NEEDS, 'observe.requests'],
  mutants: ['cache-no-lock', 'cache-no-segments', 'cache-key-with-query'],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,

  judge(history) {
    const asked = history.of('http.exchange').filter(({ client }) => /^cache(-|$)/.test(client));
    if (stepAt(history, 'watched-to-end') === undefined)
      return [notSeen(history, 'a stream through the cache')];
    const passed = history
      .of('tap.request')
      .filter(({ tap, method }) => tap === 'cache>origin' && method === 'GET');
    return [judgeSegmentFanIn(asked, passed), judgePlaylistFanIn(asked, passed)];
  },
});

type Passed = EventOf<'tap.request'>;

function judgeSegmentFanIn(asked: readonly Exchange[], passed: readonly Passed[]): Judgement {
  const expected = 'one request of each segment passes the cache';
  const wrong: string[] = [];
  const paths = countBy(
    asked.filter(({ kind, status }) => kind === 'segment' && status === 200),
    pathOfExchange,
  );
  const upstream = countBy(passed, ({ path }) => path.split('?')[0]!);
  const misses = countBy(
    asked.filter(({ headers }) => headers['x-cache-status'] === 'MISS'),
    pathOfExchange,
  );
  const tellsMisses = asked.some(({ headers }) => headers['x-cache-status'] !== undefined);
  for (const [path, players] of paths) {
    const count = upstream.get(path) ?? 0;
    if (count !== 1) wrong.push(`${path}: ${count} for ${players} requests`);
    // The cache's own word, beside the tap's.
    else if (tellsMisses && (misses.get(path) ?? 0) !== 1) {
      return inconclusive(
        expected,
        `${path}: the tap saw 1 request, the cache tells of ${misses.get(path) ?? 0} misses`,
      );
    }
  }
  const players = [...paths.values()].reduce((sum, count) => sum + count, 0);
  return allOf(expected, paths.size, wrong, `${paths.size} segments, ${players} requests for them`);
}

function judgePlaylistFanIn(asked: readonly Exchange[], passed: readonly Passed[]): Judgement {
  const times = asked.filter(({ kind }) => kind === 'playlist').map(({ sentAt }) => sentAt);
  const durationMs = Math.max(0, ...times) - Math.min(...times);
  const count = passed.filter(({ path }) => path.split('?')[0]!.endsWith('.m3u8')).length;
  // One for each life, one for the life that had begun, and nginx's lives need not begin with the first request.
  const bound = Math.ceil(durationMs / HLS_PLAYLIST_LIFE_MS) + 2;
  const expected = `of ${times.length} requests for the playlist in ${Math.round(durationMs)} ms at most ${bound} pass`;
  const answered = asked.filter(({ kind, status }) => kind === 'playlist' && status === 200).length;
  if (Math.min(times.length, answered) <= bound) return inconclusive(expected, 'too few requests to tell');
  if (count === 0) return inconclusive(expected, 'the tap saw none');
  return judged(count <= bound, expected, `${count}`);
}

function pathOfExchange({ url }: Exchange): string {
  return new URL(url).pathname;
}

function countBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const one of all) counts.set(keyOf(one), (counts.get(keyOf(one)) ?? 0) + 1);
  return counts;
}

export const HLS_DELIVERY_CHECKS: readonly Check[] = [contentTypesAndCors, cacheFreshness, cacheFanIn];
