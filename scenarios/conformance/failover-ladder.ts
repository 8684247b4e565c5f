/** The only media node of an nginx-rtmp cluster dies or freezes and comes back: so does everybody, and the ladder. */
import { HLS_FRAGMENT_MS, HLS_UPDATE_TARGETS, PLAYING_WITHIN_MS } from '../bounds.ts';
import { type Check, type CheckContext, check } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG, VIEWER } from '../habits.ts';
import { judgeGone, judgeHeld } from '../wire/presence.ts';
import { CAUGHT_UP_MS, watchHeld, watchSender } from './failover-asked.ts';
import { dieAndReturn, standStillAndGoOn } from './failover-faults.ts';
import { judgeFailover, watchFor } from './failover-judging.ts';
import { playersAt, RELOADS, viewersOf } from './failover-setting.ts';
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
    const [rtmp, ladder] = await Promise.all([
      viewersOf(t, [{ url: t.playUrl('rtmp', stream), label: 'viewer-rtmp' }]),
      ladderViewer(t, stream),
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
    await dieAndReturn(t, [live!], { group: GROUP, forMs: DOWN_MS, why: 'there is no media node' });
  },

  judge: (history) => [...judgeFailover(history, GROUP), ...judgeGone(history)],
  timeline: (history) => timelineOf(history, GROUP),
});

// ladder-origin-frozen

const FROZEN = 'frozen-ladder';
/** Shorter than anybody's patience. */
const FREEZE_MS = 2000;

const ladderOriginFrozen = check({
  id: 'failover/ladder-origin-frozen',
  title: 'When nginx-rtmp freezes for 2 s and goes on, nobody is sent away, and the ladder goes on',
  level: 'must',
  spec: {
    source: 'nginx-rtmp on Kubernetes (seeds/004)',
    where: 'nginx-rtmp.conf, live and show; the Nginx that serves their files',
    says: 'There is one media node, and nothing is broken: what its clients and encoders send waits in the buffers of the system. Players over RTMP get every frame once; the Nginx of the folder serves what is there, and new segments follow.',
  },
  topologies: ['nginx-rtmp'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.hls', 'control.process'],
  mutants: ['web-keeps-open-files'],
  deadlineMs: 45_000,

  async run(t) {
    const stream = t.stream();
    const [live] = t.nodes('origin');
    const { label: publisher } = await t.encode({ url: t.publishUrl(stream), habit: FFMPEG });
    const asked = { publisher, group: FROZEN } as const;
    watchSender(t, asked);
    const [rtmp, [hls]] = await Promise.all([
      playersAt(t, stream, [live!.spec.name], { protocols: ['rtmp'] }),
      ladderViewer(t, stream),
    ]);
    watchHeld(t, asked, rtmp);
    watchFor(t, {
      ...asked,
      client: hls!,
      part: 'returns',
      since: 'cure',
      boundMs: CAUGHT_UP_MS + HLS_FRAGMENT_MS + PLAYER_LOOKS_MS,
      why: 'the next segment of a ladder, a look at the playlist',
      lossless: false,
    });
    await standStillAndGoOn(t, [live!], {
      group: FROZEN,
      forMs: FREEZE_MS,
      why: 'the media node says nothing',
    });
  },

  judge: (history) => [...judgeFailover(history, FROZEN), ...judgeHeld(history)],
  timeline: (history) => timelineOf(history, FROZEN),
});

/** Of the highest rung, from its first segment on. */
function ladderViewer(t: CheckContext, stream: string): Promise<string[]> {
  const hls = { start: 'live-edge', maxRetries: 0, variant: 'highest' } as const;
  const url = t.playUrl('hls', stream);
  const patience = { habit: RELOADS, patienceMs: FIRST_SEGMENT_WITHIN_MS };
  return viewersOf(
    t,
    [{ url, label: 'viewer-hls', ...patience, options: { hls } }],
    FIRST_SEGMENT_WITHIN_MS + PLAYING_WITHIN_MS,
  );
}

export const FAILOVER_LADDER: readonly Check[] = [ladderOriginKilled, ladderOriginFrozen];
