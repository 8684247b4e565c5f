/** The cache in front of an origin's HLS goes: its viewers come back to what is new, and nobody else notices. */
import { HLS_AVAILABLE_MS, HLS_PLAYLIST_LIFE_MS, PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { type Check, check } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG } from '../habits.ts';
import { judgeGone, judgeHeld } from '../wire/presence.ts';
import { dieAndReturn, standStill } from './failover-faults.ts';
import { boundStorm, judgeFailover, watchFor } from './failover-judging.ts';
import { EDGE_CLUSTER, hlsViewers, RELOADS, SEGMENT_MS, viewersOf } from './failover-setting.ts';
import { namesOf } from './masters-and-slaves.ts';

const GROUP = 'cache';
const STALL_MS = 1000;
/** Longer than a cache may keep a playlist: the one that it has on its disk is old when it comes back. */
const DOWN_MS = 2 * HLS_PLAYLIST_LIFE_MS;
const BACK_MS = RELOADS.waitMs(0) + HLS_PLAYLIST_LIFE_MS + SEGMENT_MS;

const cacheKilled = check({
  id: 'failover/cache-killed',
  title:
    'A cache that freezes, dies and comes back has its viewers again at once, with nothing old; nobody else notices',
  level: 'must',
  spec: {
    source: 'RFC 8216',
    where: '6.2.1 and 6.3.4; SRS 7.0.18, conf/hls.edge.conf',
    says: 'What a cache has on its disk outlives it, and playlists on it are old when it comes back: they are asked for anew. Its viewers have lost requests and go on with the newest segments. Who is served by another Nginx, and the encoder, notice nothing.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.hls', 'cache', 'control.process'],
  mutants: ['cache-playlist-too-long', 'hls-drops-frame-at-cut'],
  deadlineMs: 30_000,

  async run(t) {
    const stream = t.stream();
    const { label: publisher } = await t.encode({ url: t.publishUrl(stream), habit: FFMPEG });
    const cache = t.nodes('web').find(({ spec }) => spec.web === 'cache')!;
    const asked = { group: GROUP, publisher } as const;
    const viewers = await viewersOf(t, hlsViewers(t, stream), HLS_AVAILABLE_MS + PLAYING_WITHIN_MS);
    for (const [i, web] of namesOf(t, 'web').entries()) {
      const client = viewers[i]!;
      watchFor(
        t,
        web === cache.spec.name
          ? {
              ...asked,
              client,
              part: 'returns',
              since: 'cure',
              boundMs: BACK_MS,
              why: 'it asks every half second; a playlist that may be half a fragment old, the next segment',
              lossless: false,
            }
          : {
              ...asked,
              client,
              part: 'untouched',
              since: 'fault',
              boundMs: SEGMENT_MS,
              why: 'a segment after the other',
              lossless: true,
            },
      );
    }
    watchFor(t, {
      ...asked,
      client: publisher,
      part: 'untouched',
      since: 'fault',
      boundMs: TWO_HOPS_MS,
      why: 'it is not concerned',
      lossless: true,
    });
    boundStorm(t, GROUP, 0, namesOf(t, 'edge'), []);
    await standStill(t, [cache], { forMs: STALL_MS, why: 'the cache says nothing' });
    await dieAndReturn(t, [cache], { group: GROUP, forMs: DOWN_MS, why: 'there is no cache' });
  },

  judge: (history) => [...judgeFailover(history, GROUP), ...judgeHeld(history), ...judgeGone(history)],
  timeline: (history) => timelineOf(history, GROUP),
});

export const FAILOVER_CACHE: readonly Check[] = [cacheKilled];
