/** A registry of prom-client whose metrics are read from the results of a run whenever they are asked for. */
import { type Metric, Registry } from 'prom-client';
import type { Results } from '../results.ts';
import { BUCKET_SECONDS, bucketsOf } from './buckets.ts';
import { FAMILIES } from './families.ts';
import type { Family, Labels } from './family.ts';

interface Sample {
  readonly metricName: string;
  readonly labels: Labels;
  readonly value: number;
}

/** Label values are escaped by prom-client. */
export function metricsOf(current: () => Results): Registry {
  const registry = new Registry();
  for (const family of FAMILIES) registry.registerMetric(metricOf(family, current) as unknown as Metric);
  return registry;
}

/**
 * In the form in which a registry asks its own metrics. Those are told each change as it happens; here are millions of
 * frames, counted already, and what a run does not have is absent, not zero.
 */
function metricOf(family: Family, current: () => Results) {
  const { name, help, type } = family;
  return {
    name,
    help,
    type,
    async get() {
      return { name, help, type, values: samplesOf(family, current()), aggregator: 'sum' };
    },
    reset() {},
  };
}

const EDGES = [...BUCKET_SECONDS.map(String), '+Inf'];

function samplesOf(family: Family, results: Results): Sample[] {
  const { name } = family;
  if (family.type !== 'histogram') {
    return family.values(results).map(([labels, value]) => ({ metricName: name, labels, value }));
  }
  return family.values(results).flatMap(([labels, distribution]) => {
    const { cumulative, count, sum } = bucketsOf(distribution);
    return [
      ...cumulative.map((value, i) => ({
        metricName: `${name}_bucket`,
        labels: { ...labels, le: EDGES[i]! },
        value,
      })),
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  });
}
