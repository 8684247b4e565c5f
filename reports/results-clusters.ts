/** The part of `results.json` that tells of the clusters of a gate: what stood where, and what passed between. */
import { z } from 'zod';

const Count = z.number().int().nonnegative();

export const ClusterNodeFigures = z
  .object({
    name: z.string(),
    role: z.string().describe('`origin`, `edge`, `master`, `slave`, `balancer`, `web`, `proxy` …'),
    engine: z.string().describe('The program that plays the role.'),
    host: z.string().describe('Of several clusters: one in each, with commas between.'),
    state: z
      .string()
      .describe('`ready`, `frozen` or `exited`, after the last check; of several, one that is not `ready`.'),
    publish: z.array(z.string()).describe('Protocols by which encoders come in here.'),
    play: z.array(z.string()).describe('Protocols by which players come in here.'),
    cpuSeconds: z
      .number()
      .nullable()
      .describe('CPU time since its process was last started; null when nobody knows.'),
    rssMb: z
      .number()
      .nullable()
      .describe('Memory of its process, of several the largest; null when nobody knows.'),
  })
  .meta({ id: 'ClusterNodeFigures', description: 'One node of a cluster.' });
export type ClusterNodeFigures = z.infer<typeof ClusterNodeFigures>;

export const ClusterTap = z
  .object({
    carries: z.string().describe('`rtmp`, `http`, `api`, `system`, `srt` or `rtc`.'),
    open: Count.describe('Connections that were open after the last check; of UDP, client addresses.'),
    connections: Count.describe('Connections in all; of UDP, client addresses.'),
    bytesUp: Count.describe('Towards `to`.'),
    bytesDown: Count.describe('Towards `from`.'),
  })
  .meta({ id: 'ClusterTap', description: 'What a tap counted on a link.' });
export type ClusterTap = z.infer<typeof ClusterTap>;

export const ClusterLink = z
  .object({
    from: z.string().describe('The node that connects.'),
    to: z.string(),
    media: z.boolean().describe('False where nodes only ask, report or keep state.'),
    against: z.boolean().describe('Media goes from `from` to `to`, against the way that edges fetch.'),
    taps: z.array(ClusterTap).describe('Empty where nobody counts.'),
  })
  .meta({ id: 'ClusterLink', description: 'One node connects to another.' });
export type ClusterLink = z.infer<typeof ClusterLink>;

export const ClusterFigures = z
  .object({
    topology: z.string(),
    title: z.string(),
    engine: z.string(),
    clusters: Count.optional().describe(
      'Clusters of this topology that shared the checks; left out when it was one. Figures are of all together.',
    ),
    checks: z
      .array(z.string())
      .describe('The checks that were to run on it. Others are not for it, or were not asked for.'),
    nodes: z.array(ClusterNodeFigures),
    links: z.array(ClusterLink),
  })
  .meta({
    id: 'ClusterFigures',
    description:
      'A cluster of a gate, as it was after its last check, and what passed on its links until then.',
  });
export type ClusterFigures = z.infer<typeof ClusterFigures>;
