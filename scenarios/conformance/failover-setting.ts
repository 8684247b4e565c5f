/** Who is there when something fails. */
import { PLAYING_WITHIN_MS } from '../bounds.ts';
import type { CheckContext } from '../check.ts';
import { VIEWER } from '../habits.ts';
import type { RecordedViewer, WatchRequest } from '../stage.ts';
import { everyOne } from './masters-and-slaves.ts';

export const EDGE_CLUSTER = ['edge-cluster'] as const;
/** The document of edges and what they do when an origin fails. */
export const SRS = 'SRS 7.0.18';

/** A player of each protocol at each node; resolves with their labels once all of them play. */
export async function playersAt(
  t: CheckContext,
  stream: string,
  nodes: readonly string[],
  prefix = '',
): Promise<string[]> {
  const players = nodes.flatMap((node) =>
    (['rtmp', 'flv'] as const).map((protocol) =>
      t.play(t.playUrl(protocol, stream, node), `${prefix}${node}-${protocol}`),
    ),
  );
  await everyOne(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
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
