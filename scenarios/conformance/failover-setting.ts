/** Who is there when something fails. */
import { PLAYING_WITHIN_MS } from '../bounds.ts';
import type { CheckContext } from '../check.ts';
import { everyOne } from './masters-and-slaves.ts';

/** A player of each protocol at each node; resolves with their labels once all of them play. */
export async function playersAt(
  t: CheckContext,
  stream: string,
  nodes: readonly string[],
): Promise<string[]> {
  const players = nodes.flatMap((node) =>
    (['rtmp', 'flv'] as const).map((protocol) =>
      t.play(t.playUrl(protocol, stream, node), `${node}-${protocol}`),
    ),
  );
  await everyOne(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
  return players.map(({ label }) => label);
}
