/** Ladders of a profile that a cluster does not offer, though its topology does: its engine, as it was started, lacks the path. */
import type { Capability, Cluster } from '../../lab/cluster.ts';
import type { BenchAbsent } from '../../reports/results-bench.ts';
import type { LadderProfile, Protocol, PublishProtocol } from './profile.ts';
import { sourceOf } from './site.ts';

/** What the topology does not have either is not asked of it. Pure. */
export function absentLadders(
  { topology, engine, lacks }: Pick<Cluster, 'topology' | 'engine' | 'lacks'>,
  start: LadderProfile['start'],
): BenchAbsent[] {
  return (['players', 'joins', 'publishers'] as const).flatMap((climbs) =>
    (Object.keys(start[climbs]) as Protocol[]).flatMap((protocol): BenchAbsent[] => {
      const needs: Capability[] =
        climbs === 'publishers'
          ? [`publish.${protocol as PublishProtocol}`]
          : [`play.${protocol}`, `publish.${sourceOf(protocol)}`];
      const why = needs.map((need) => lacks?.get(need)).find((reason) => reason !== undefined);
      return why === undefined ? [] : [{ topology: topology.name, engine, climbs, protocol, why }];
    }),
  );
}
