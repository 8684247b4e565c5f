/** What is published for the players of a part. */
import type { Publication } from '../../drivers/measure/publishing.ts';
import type { Rig } from './rig.ts';
import type { TruthProtocol } from './rows.ts';

/**
 * The stream `name` for these protocols: what SRT players get was published over SRT, as a server relays it; all others
 * share what was published over RTMP. Every part has a name of its own: HLS of a stream that has ended is still there.
 */
export async function streamFor(
  rig: Rig,
  protocols: readonly TruthProtocol[],
  name: string,
  create?: Parameters<Rig['publish']>[2],
): Promise<ReadonlyMap<TruthProtocol, Publication>> {
  const over = (protocol: TruthProtocol): 'rtmp' | 'srt' => (protocol === 'srt' ? 'srt' : 'rtmp');
  const ways = [...new Set(protocols.map(over))];
  const published = new Map(
    await Promise.all(
      ways.map(async (way) => [way, await rig.publish(way, nameOver(way, name), create)] as const),
    ),
  );
  return new Map(protocols.map((protocol) => [protocol, published.get(over(protocol))!]));
}

function nameOver(way: 'rtmp' | 'srt', name: string): string {
  return way === 'srt' ? `${name}-srt` : name;
}

/** The name under which a protocol plays it. */
export function playedAs(protocol: TruthProtocol, name: string): string {
  return nameOver(protocol === 'srt' ? 'srt' : 'rtmp', name);
}
