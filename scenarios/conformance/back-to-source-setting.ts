/** What the checks of back-to-source share: where they run, and how the origin's API is read beside the taps. */
import type { ClusterNode } from '../../lab/cluster.ts';
import type { CheckContext } from '../check.ts';
import type { ApiReading } from '../history.ts';
import { openOf } from './upstreams.ts';

export const EDGE_CLUSTER = ['edge-cluster'] as const;
export const SEED = 'Edge cluster on Kubernetes (seeds/000)';

/** Time within which the tap's count and the origin's API, which are read one after the other, must agree. */
export const AGREE_WITHIN_MS = 1000;
const AGREE_LOOK_MS = 50;

/** A cluster that somebody else started has none. */
export function hasTaps(t: CheckContext): boolean {
  return t.cluster.taps.length > 0;
}

export function originOf(t: CheckContext): string {
  return t.nodes('origin')[0]!.spec.name;
}

/** Reads the origin's API until it says what the taps say, or for AGREE_WITHIN_MS; what it said last is recorded. */
export async function readUpstreams(
  t: CheckContext,
  stream: string,
  edges: readonly ClusterNode[],
): Promise<void> {
  if (!hasTaps(t)) {
    await t.observe(AGREE_WITHIN_MS, 'a pull that is opened late, or opened twice, is in the API by then');
    await t.readApi(originOf(t), stream);
    return;
  }
  await t.untilApi(originOf(t), stream, AGREE_WITHIN_MS, ({ upstreamsOf }) =>
    edges.every(({ spec: { name } }) => {
      const told = upstreamsOf[name] ?? 0;
      const seen = openOf(t.history, name);
      return told === seen || (told > 1 && seen > 1);
    }),
  );
}

/** The same for several streams: a tap does not know what is asked for, so an edge's pulls are counted together. */
export async function readUpstreamsOfAll(
  t: CheckContext,
  streams: readonly string[],
  edges: readonly ClusterNode[],
): Promise<void> {
  if (!hasTaps(t)) {
    await t.observe(AGREE_WITHIN_MS, 'a pull that is opened late, or opened twice, is in the API by then');
    for (const stream of streams) await t.readApi(originOf(t), stream);
    return;
  }
  const end = performance.now() + AGREE_WITHIN_MS;
  for (;;) {
    const readings: ApiReading[] = [];
    for (const stream of streams) readings.push(await t.readApi(originOf(t), stream));
    const agreed = edges.every(({ spec: { name } }) => {
      const told = readings.reduce((sum, { upstreamsOf }) => sum + (upstreamsOf[name] ?? 0), 0);
      return told === openOf(t.history, name);
    });
    if (agreed || performance.now() > end) return;
    await t.observe(AGREE_LOOK_MS, 'the API of the origin does not tell yet what the taps have seen');
  }
}
