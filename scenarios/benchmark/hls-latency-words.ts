/** What the figures of the HLS latency mean, what was claimed, and what they are made of. Pure. */
import type { LatencyRow } from './hls-latency-run.ts';

/** seeds/004: "当配置ts时间间隔为1时,延时最小,测试发现大概在5~10秒左右的时间". */
export const CLAIM = {
  source: 'seeds/004-nginx-rtmp-hls-on-kubernetes.txt',
  fragmentSeconds: 1,
  fromSeconds: 5,
  toSeconds: 10,
} as const;

export const DEFINITIONS = {
  arrival:
    'from the publishing of a frame until its last byte is at the player; frames that were published after the player came',
  shown:
    'from the publishing of a frame until the player shows it (glass to glass without camera, encoder and screen): it begins with its first frame, once it has a second of media, and plays at the clock’s pace',
  '3-segments':
    'the player begins three target durations before the end of the playlist (RFC 8216 section 6.3.3), as most do',
  'live-edge': 'the player begins with the last segment of the playlist',
} as const;

/** Sentences for a report, with the figures of `rows`. */
export function explain(rows: readonly LatencyRow[]): string[] {
  const usual = rows.filter(({ start, shown }) => start === '3-segments' && shown.p50 !== null);
  const sentences = [
    'A frame waits until its segment is closed (up to one segment), then until the player reloads the playlist (up to one target duration), then for the fetch: that is the arrival.',
    'A player that begins three target durations before the end of the playlist shows it 3 target durations late, plus the age of that end when it came (up to one segment). The target duration is the longest segment rounded up to whole seconds (RFC 8216 section 4.3.3.1), so that segments of a little more than a second count as two.',
  ];
  for (const { engine, fragmentSeconds, segmentSeconds, targetDuration, shown } of usual) {
    const from = 3 * targetDuration;
    sentences.push(
      `${engine}, fragments of ${fragmentSeconds} s: ${seconds(shown.p50)} s at the median, ${seconds(shown.p99)} s at the 99th percentile; 3 × ${targetDuration} s and up to ${segmentSeconds.toFixed(2)} s make ${from} to ${(from + segmentSeconds).toFixed(1)} s.`,
    );
  }
  return [...sentences, ...verdict(usual)];
}

function verdict(usual: readonly LatencyRow[]): string[] {
  const claimed = usual.filter(({ fragmentSeconds }) => fragmentSeconds === CLAIM.fragmentSeconds);
  if (claimed.length === 0) return [];
  const told = claimed.map(
    (row) => `${row.engine} ${seconds(row.shown.p50)} s (${isClaimed(row) ? 'within' : 'not within'} it)`,
  );
  const longer = usual.filter((row) => row.fragmentSeconds > CLAIM.fragmentSeconds && isClaimed(row));
  const like = longer.map(
    (row) => `${row.engine} ${seconds(row.shown.p50)} s with segments of ${row.segmentSeconds.toFixed(0)} s`,
  );
  return [
    `The guide (${CLAIM.source}) claims ${CLAIM.fromSeconds} to ${CLAIM.toSeconds} s at fragments of ${CLAIM.fragmentSeconds} s. Measured: ${told.join(', ')}.`,
    'Not measured here: the guide’s encoder, its ladder of encodes, and whatever its player waits for beyond the three target durations. The keyframes are 1 s apart here; where they are further apart, segments are as long as that, whatever the fragment length says.',
    ...(like.length > 0 ? [`Within the claim was: ${like.join(', ')}.`] : []),
  ];
}

function isClaimed({ shown }: LatencyRow): boolean {
  return shown.p50 !== null && shown.p50 >= CLAIM.fromSeconds * 1000 && shown.p50 <= CLAIM.toSeconds * 1000;
}

/** `3.4` for 3400 ms. */
export function seconds(ms: number | null): string {
  return ms === null ? '–' : (ms / 1000).toFixed(1);
}
