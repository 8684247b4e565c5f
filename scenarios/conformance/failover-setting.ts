/** Who is there when something fails. */
import { HLS_FRAGMENT_MS, HLS_LISTED_MS, HLS_UPDATE_TARGETS, PLAYING_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, UnreachableError } from '../check.ts';
import { FFMPEG, type Habit, OBS, VIEWER } from '../habits.ts';
import type { RecordedViewer, WatchRequest } from '../stage.ts';
import { everyOne, holderOf, namesOf } from './masters-and-slaves.ts';

/** A connection of an encoder from end to end, up to Publish.Start, on a busy machine. */
export const HANDSHAKE_MS = 1000;

/** Two encoders that are told apart by how they come back. */
export const ENCODERS: readonly Habit[] = [FFMPEG, OBS];

/**
 * An encoder publishes again: after its first wait, or after its second where the first attempt meets who is still down;
 * and what the way there takes.
 */
export function encoderBackMs(habit: Habit, wayMs: number): number {
  return habit.waitMs(0) + habit.waitMs(1) + wayMs;
}

/**
 * A balancer finds a node up that the check before has put down: HAProxy asks every 100 ms (`downinter`), once is enough
 * (`rise 1`); and as much again for the answer.
 */
const FOUND_UP_MS = 200;
/** So often a balancer is given the time to find all nodes up. */
const ROUNDS = 10;

/**
 * An encoder whose stream is at one of `holders`, of several that a balancer or a proxy gives streams to; those that
 * landed elsewhere are stopped. Not observed when none does in all rounds of two turns.
 */
export async function encoderAt(
  t: CheckContext,
  {
    habit,
    entry,
    among,
    wanted,
  }: { habit: Habit; entry: string; among: readonly string[]; wanted: (holder: string) => boolean },
): Promise<{ stream: string; label: string; holder: string }> {
  for (let turn = 0; turn < 2 * among.length * ROUNDS; turn++) {
    if (turn > 0 && turn % (2 * among.length) === 0)
      await t.observe(FOUND_UP_MS, 'the balancer has not given a stream to the node yet');
    const stream = t.stream(habit.name.toLowerCase());
    const encoder = await t.encode({ url: t.publishUrl(stream, entry), label: habit.name, habit });
    const holder = await holderOf(t, stream, [...among]);
    if (wanted(holder)) return { stream, label: encoder.label, holder };
    await encoder.stop();
  }
  const elsewhere = Promise.reject(new UnreachableError(`asked: ${among.join(', ')}`));
  return t.within(`${habit.name}: a stream at the node that is to fail`, 0, elsewhere);
}

/** Viewers that would wait for ever: somebody else has to cut them off. */
export const PATIENT_MS = 60_000;

/** A player asks for a playlist that did not come again after half a target duration (RFC 8216 6.3.4). */
export const RELOADS: Habit = { name: 'HLS player', waitMs: () => HLS_FRAGMENT_MS / 2 };

/** Frames of HLS come by the segment: the next one is listed in time, found and loaded. */
export const SEGMENT_MS = HLS_UPDATE_TARGETS * HLS_FRAGMENT_MS + HLS_FRAGMENT_MS + HLS_LISTED_MS;

/** A viewer of a stream's HLS at a node. */
export function hlsViewer(t: CheckContext, stream: string, node: string) {
  return {
    url: t.playUrl('hls', stream, node),
    label: `hls-${node}`,
    habit: RELOADS,
    options: { hls: { start: 'live-edge', maxRetries: 0 } } as const,
  };
}

/** Viewers of a stream's HLS, one at each web node. */
export function hlsViewers(t: CheckContext, stream: string) {
  return namesOf(t, 'web').map((web) => hlsViewer(t, stream, web));
}

export const EDGE_CLUSTER = ['edge-cluster'] as const;
/** The document of edges and what they do when an origin fails. */
export const SRS = 'SRS 7.0.18';

interface PlayersOptions {
  /** Of their labels. Default none. */
  readonly prefix?: string;
  /** Default both. */
  readonly protocols?: readonly ('rtmp' | 'flv')[];
  /** Default PLAYING_WITHIN_MS. */
  readonly withinMs?: number;
}

/** A player of each protocol at each node; resolves with their labels once all of them play. */
export async function playersAt(
  t: CheckContext,
  stream: string,
  nodes: readonly string[],
  { prefix = '', protocols = ['rtmp', 'flv'], withinMs = PLAYING_WITHIN_MS }: PlayersOptions = {},
): Promise<string[]> {
  const players = nodes.flatMap((node) =>
    protocols.map((protocol) => t.play(t.playUrl(protocol, stream, node), `${prefix}${node}-${protocol}`)),
  );
  await everyOne(players.map((player) => player.playing(withinMs)));
  return players.map(({ label }) => label);
}

/** Viewers that come back by themselves; resolves with their labels once all of them play. */
export async function viewersOf(
  t: CheckContext,
  requests: readonly (Omit<WatchRequest, 'habit'> & Partial<Pick<WatchRequest, 'habit'>>)[],
  withinMs: number = PLAYING_WITHIN_MS,
): Promise<string[]> {
  const viewers = requests.map((request) => t.watch({ habit: VIEWER, ...request }));
  await everyOne(viewers.map((viewer) => playing(t, viewer, withinMs)));
  return viewers.map(({ label }) => label);
}

function playing(t: CheckContext, { label }: RecordedViewer, withinMs: number): Promise<void> {
  return t.until(`${label}: a video keyframe`, withinMs, (history) =>
    history.got(label).some(({ key, stamp }) => key && stamp !== null),
  );
}
