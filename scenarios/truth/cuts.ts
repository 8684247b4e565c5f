/** Links on which nothing comes for a while: over TCP it comes later, over UDP it is lost. */
import { Break } from './break.ts';
import { type Rig, RigWatch } from './rig.ts';
import { judgeTruth, type TruthProtocol, type TruthRow } from './rows.ts';
import { playedAs, streamFor } from './streams.ts';

const CUTS_MS = [500, 2000, 10_000] as const;

/** All at the same time. */
export async function cutsRows(rig: Rig, protocols: readonly TruthProtocol[]): Promise<TruthRow[]> {
  const published = await streamFor(rig, protocols, 'cuts');
  const breaks = await Promise.all(
    protocols.flatMap((protocol) =>
      CUTS_MS.map((ms) => Break.open(rig, protocol, ms, playedAs(protocol, 'cuts'))),
    ),
  );
  const health = new RigWatch();
  await Promise.all(breaks.map((one) => one.cut()));
  const read = health.read();
  return breaks.flatMap((one) =>
    one
      .observations('cuts', 'cut for', rig.sent(published.get(one.protocol)!))
      .map((seen) => judgeTruth(seen, read)),
  );
}
