/** Timestamps that never go back, for every protocol that carries FLV's 32 bits. */
import type { Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, isFrame, judged, nameOf, videoOf } from '../judging.ts';

/** Frames of a quarter of a second and more; one alone cannot go back. */
const LEAST_AUDIO = 10;

/**
 * The players that a step `monotonic` names, separated by spaces. Per kind of media no timestamp is below the one
 * before it, where of two the later one is less than 2^31 ahead (RTMP 1.0 section 4, as serial numbers of RFC 1982).
 */
export function judgeMonotonic(history: History, least: number): Judgement[] {
  const expected = 'timestamps that do not go back, for audio and video each';
  const players = String(history.step('monotonic')?.players ?? '')
    .split(' ')
    .filter(Boolean);
  if (players.length === 0) return [inconclusive(expected, 'nobody played')];
  return players.map((player) => {
    const items = history.got(player).filter(isFrame);
    for (const kind of ['video', 'audio'] as const) {
      const own = items.filter((item) => item.kind === kind);
      for (let at = 1; at < own.length; at++) {
        if (((own[at]!.timestamp - own[at - 1]!.timestamp) | 0) < 0) {
          return failed(expected, `${player}: ${nameOf(own[at]!)} after ${nameOf(own[at - 1]!)}`);
        }
      }
    }
    const video = videoOf(items).length;
    const audio = items.length - video;
    const actual = `${player}: ${video} video and ${audio} audio frames in order`;
    if (video < least || audio < LEAST_AUDIO)
      return inconclusive(`${least} video frames, and ${LEAST_AUDIO} audio frames`, actual);
    return judged(true, expected, actual);
  });
}
