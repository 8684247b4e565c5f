/** A publisher that sends nothing for a while and then goes on where it stopped: a gap, a stall, and nothing lost. */
import { Break } from './break.ts';
import { type Rig, RigWatch } from './rig.ts';
import { judgeTruth, type TruthProtocol, type TruthRow } from './rows.ts';
import { playedAs, streamFor } from './streams.ts';

/** Longer than any buffer here, shorter than a server waits for a publisher (SRS: 5 s, facts/srs.md 10.2). */
const PAUSE_MS = 3000;

export async function pauseRows(rig: Rig, protocols: readonly TruthProtocol[]): Promise<TruthRow[]> {
  const published = await streamFor(rig, protocols, 'pause');
  const publications = new Set(published.values());
  const breaks = await Promise.all(
    protocols.map((protocol) => Break.open(rig, protocol, PAUSE_MS, playedAs(protocol, 'pause'))),
  );
  const health = new RigWatch();
  const stop = (): void => {
    for (const publication of publications) publication.pause();
  };
  const start = (): void => {
    for (const publication of publications) publication.resume();
  };
  await Promise.all(breaks.map((one) => one.wait(stop, start)));
  const read = health.read();
  return breaks.flatMap((one) =>
    one
      .observations('pause', 'publisher pauses for', rig.sent(published.get(one.protocol)!))
      .map((seen) => judgeTruth(seen, read)),
  );
}
