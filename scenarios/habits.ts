/** How clients that come back by themselves do it: for how long they wait, and what they take for an end. Milliseconds. */

export interface Habit {
  /** How a report names it. */
  readonly name: string;
  /** @param failures attempts in a row that came to nothing since the connection broke, from 0. */
  waitMs(failures: number): number;
}

/** Of ffmpeg's documentation, fifo muxer: the example for RTMP has `-recovery_wait_time 1`; the default is 5 s. */
const FFMPEG_WAIT_MS = 1000;

/**
 * ffmpeg behind its fifo muxer (`-f fifo -attempt_recovery 1 -recovery_wait_time 1`): a new session at once, then every
 * second (libavformat/fifo.c, fifo_thread_attempt_recovery: only from the second attempt on it waits).
 */
export const FFMPEG: Habit = {
  name: 'ffmpeg',
  waitMs: (failures) => (failures === 0 ? 0 : FFMPEG_WAIT_MS),
};

/** OBS Studio since 27.1 (frontend, basic profile: Output/RetryDelay); before, and as its UI once showed, 10 s. */
const OBS_FIRST_WAIT_MS = 2000;
/** libobs/obs-output.c, RECONNECT_RETRY_BASE_EXP; up to 0.05 are added by chance, which is left out here. */
const OBS_GROWTH = 1.5;
/** libobs/obs-output.c, RECONNECT_RETRY_MAX_MSEC. */
const OBS_MOST_WAIT_MS = 15 * 60 * 1000;

/** OBS Studio: it waits before the first attempt, too, and half as long again before each further one. */
export const OBS: Habit = {
  name: 'OBS',
  waitMs: (failures) => Math.min(OBS_MOST_WAIT_MS, OBS_FIRST_WAIT_MS * OBS_GROWTH ** failures),
};

/**
 * A player that comes back as ffmpeg's HTTP does with `-reconnect 1` (libavformat/http.c, reconnect_delay): at once, then
 * after 1, 3, 7 s and so on, each wait twice the one before and a second; never more than 120 s.
 */
export const VIEWER: Habit = {
  name: 'viewer',
  waitMs: (failures) => Math.min(120_000, (2 ** failures - 1) * 1000),
};

/**
 * A viewer looks at a picture that stands still for so long before it connects anew. No document gives a number: as long
 * as an edge of SRS waits for its origin (facts/srs.md 1.1).
 */
export const VIEWER_PATIENCE_MS = 5000;
