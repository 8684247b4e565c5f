/** The only media node of an nginx-rtmp cluster dies and comes back: everybody has to come back, the ladder too. */
import { HLS_FRAGMENT_MS, HLS_UPDATE_TARGETS, PLAYING_WITHIN_MS } from '../bounds.ts';
import { type Check, check } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG, VIEWER } from '../habits.ts';
import { cured, judgeFailover, settled, watchFor } from './failover-judging.ts';
import { RELOADS, viewersOf } from './failover-setting.ts';
import { FIRST_SEGMENT_WITHIN_MS } from './nginx-rtmp-watch.ts';

const GROUP = 'ladder';
const DOWN_MS = 500;
const ENCODER_BACK_MS = FFMPEG.waitMs(1) + 1000;
const PLAYER_LOOKS_MS = HLS_UPDATE_TARGETS * HLS_FRAGMENT_MS + RELOADS.waitMs(0);

const ladderOriginKilled = check({
  id: 'failover/ladder-origin-killed',
  title:
    'When nginx-rtmp dies and comes back, encoder and viewers come back, and the ladder goes on with new segments',
  level: 'must',
  spec: {
    source: 'nginx-rtmp on Kubernetes (seeds/004)',
    where: 'nginx-rtmp.conf, live and show; the Nginx that serves their files',
    says: 'There is one media node: its clients lose their connections and make new ones. The next publication of a stream is encoded again, and its segments replace those of before.',
  },
  topologies: ['nginx-rtmp'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.hls', 'control.process'],
  mutants: ['web-keeps-open-files'],
  deadlineMs: 45_000,

  async run(t) {
    const stream = t.stream();
    const [live] = t.nodes('origin');
    const encoder = await t.encode({ url: t.publishUrl(stream), habit: FFMPEG });
    const asked = { publisher: encoder.label, since: 'cure', lossless: false, group: GROUP } as const;
    const why = `the encoder is back within ${ENCODER_BACK_MS} ms`;
    watchFor(t, {
      ...asked,
      client: encoder.label,
      part: 'publishes',
      boundMs: ENCODER_BACK_MS,
      why: 'it tries every second',
    });
    const hls = { hls: { start: 'live-edge', maxRetries: 0, variant: 'highest' } } as const;
    const [rtmp, ladder] = await Promise.all([
      viewersOf(t, [{ url: t.playUrl('rtmp', stream), label: 'viewer-rtmp' }]),
      viewersOf(
        t,
        [
          {
            url: t.playUrl('hls', stream),
            label: 'viewer-hls',
            habit: RELOADS,
            patienceMs: FIRST_SEGMENT_WITHIN_MS,
            options: hls,
          },
        ],
        FIRST_SEGMENT_WITHIN_MS + PLAYING_WITHIN_MS,
      ),
    ]);
    const rtmpMs = ENCODER_BACK_MS + VIEWER.waitMs(2) + PLAYING_WITHIN_MS;
    watchFor(t, {
      ...asked,
      client: rtmp[0]!,
      part: 'returns',
      boundMs: rtmpMs,
      why: `${why}; a viewer waits up to ${VIEWER.waitMs(2)} ms`,
    });
    const hlsMs = ENCODER_BACK_MS + FIRST_SEGMENT_WITHIN_MS + PLAYER_LOOKS_MS;
    watchFor(t, {
      ...asked,
      client: ladder[0]!,
      part: 'returns',
      boundMs: hlsMs,
      why: `${why}; the first segment of a ladder, a look at the playlist`,
    });
    await t.control(live!, 'kill');
    await t.observe(DOWN_MS, 'there is no media node');
    await t.control(live!, 'restart');
    cured(t, `${live!.spec.name} is ready`);
    await settled(t, GROUP);
  },

  judge: (history) => judgeFailover(history, GROUP),
  timeline: (history) => timelineOf(history, GROUP),
});

export const FAILOVER_LADDER: readonly Check[] = [ladderOriginKilled];
