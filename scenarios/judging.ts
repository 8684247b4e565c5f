/** What judges have in common: words for a verdict, and comparisons of what was sent with what came. Pure. */
import type { Evidence } from '../reports/results.ts';
import type { Judgement } from './check.ts';
import type { History, MediaItem } from './history.ts';

export function judged(ok: boolean, expected: string, actual: string, evidence?: Evidence[]): Judgement {
  return { verdict: ok ? 'pass' : 'fail', expected, actual, ...(evidence ? { evidence } : {}) };
}

export function failed(expected: string, actual: string, evidence?: Evidence[]): Judgement {
  return judged(false, expected, actual, evidence);
}

export function inconclusive(expected: string, actual: string, evidence?: Evidence[]): Judgement {
  return { verdict: 'inconclusive', expected, actual, ...(evidence ? { evidence } : {}) };
}

/**
 * A server that seems to be late is not blamed for a delay of our own: where our event loop was kept from its events
 * for half of the bound, a failure is none.
 */
export function unlessOurs(history: History, judgement: Judgement, boundMs: number): Judgement {
  const lag = Math.max(0, ...history.of('generator').map(({ loopLagMs }) => loopLagMs));
  if (judgement.verdict !== 'fail' || lag < boundMs / 2) return judgement;
  const actual = `${judgement.actual}, but this process itself was held up for ${Math.round(lag)} ms`;
  return { ...judgement, verdict: 'inconclusive', actual, ours: true };
}

/** The check did not get as far as to see what it is about. */
export function notSeen(history: History, expected: string): Judgement {
  const missed = history.of('not-observed')[0];
  return inconclusive(expected, missed ? `not observed: ${missed.what}` : 'the check did not get that far');
}

/**
 * What `judge` says of each player that `names` of the step `players` has, held against what the publisher of that step
 * sent; `unseen` is what is missing when there was no such step.
 */
export function judgePlayers(
  history: History,
  names: string,
  unseen: string,
  judge: (player: string, sent: ReturnType<History['sent']>, got: ReturnType<History['got']>) => Judgement,
): Judgement[] {
  const setting = history.step('players');
  const players = words(setting?.[names]);
  if (setting === undefined || players.length === 0) return [notSeen(history, unseen)];
  const sent = history.sent(String(setting.publisher));
  return players.map((player) => judge(player, sent, history.got(player)));
}

/** The names in the datum of a step. */
export function words(value: string | number | boolean | null | undefined): string[] {
  return String(value ?? '')
    .split(' ')
    .filter((word) => word !== '');
}

/** `a: 1, b: 2`; `none` when empty. */
export function listed(counts: Readonly<Record<string, number>>): string {
  return (
    Object.entries(counts)
      .map(([name, count]) => `${name}: ${count}`)
      .join(', ') || 'none'
  );
}

/** `video frame 17 at 680 ms`: how a report names an item. */
export function nameOf(item: MediaItem): string {
  const frame = item.stamp ? ` frame ${item.stamp.frame}` : '';
  return `${item.kind}${frame}${item.key ? ' (key)' : ''} at ${item.timestamp} ms, ${item.size} bytes`;
}

export function isFrame(item: MediaItem): boolean {
  return item.kind === 'audio' || item.kind === 'video';
}

/** Video frames, in order. */
export function videoOf<E extends MediaItem>(items: readonly E[]): E[] {
  return items.filter((item) => item.kind === 'video');
}

export interface Difference {
  /** Index in what was got. */
  readonly at: number;
  readonly expected: string;
  readonly actual: string;
}

/**
 * Whether a player got what the publisher sent: from the item at which it joined, every audio or video frame, in the
 * publisher's order per kind, with its timestamp, size and checksum. Audio and video are compared each on their own,
 * since they may be interleaved anew on the way. What the publisher has sent last may still be under way.
 * Returns the first difference of each kind; `compared` counts the frames that are equal.
 */
export function compareFrames(
  sent: readonly MediaItem[],
  got: readonly MediaItem[],
): { compared: { audio: number; video: number }; differences: Difference[] } {
  const compared = { audio: 0, video: 0 };
  const differences: Difference[] = [];
  for (const kind of ['audio', 'video'] as const) {
    const source = sent.filter((item) => item.kind === kind);
    const copy = got.filter((item) => item.kind === kind);
    if (copy.length === 0) continue;
    const from = source.findIndex((item) => sameFrame(item, copy[0]!));
    if (from < 0) {
      differences.push({ at: 0, expected: `a ${kind} frame that was sent`, actual: nameOf(copy[0]!) });
      continue;
    }
    for (let i = 0; i < copy.length; i++) {
      const original = source[from + i];
      if (original !== undefined && sameFrame(original, copy[i]!)) {
        compared[kind]++;
        continue;
      }
      differences.push({
        at: i,
        expected: original ? nameOf(original) : `nothing after ${nameOf(source.at(-1)!)}`,
        actual: nameOf(copy[i]!) + (original && sameSize(original, copy[i]!) ? ', other bytes' : ''),
      });
      break;
    }
  }
  return { compared, differences };
}

function sameFrame(a: MediaItem, b: MediaItem): boolean {
  return sameSize(a, b) && a.sum === b.sum && a.key === b.key;
}

function sameSize(a: MediaItem, b: MediaItem): boolean {
  return a.timestamp === b.timestamp && a.size === b.size;
}
