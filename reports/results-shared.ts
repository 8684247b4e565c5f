/** Parts of `results.json` that runs of several kinds have. */
import { z } from 'zod';

export const Distribution = z
  .object({
    p50: z.number().nullable(),
    p90: z.number().nullable(),
    p99: z.number().nullable(),
    p999: z.number().nullable(),
    max: z.number().nullable(),
    count: z.number().int().nonnegative().describe('Samples.'),
    hdr: z
      .string()
      .optional()
      .describe(
        'The whole distribution: HDR histogram V2, compressed, base64, in microseconds. Those of several runs can be added.',
      ),
  })
  .meta({
    id: 'Distribution',
    description:
      'Milliseconds. Without a sample `count` is 0 and the rest is null: what is unknown is never zero.',
  });
export type Distribution = z.infer<typeof Distribution>;

export const GeneratorHealth = z
  .object({
    healthy: z.boolean(),
    reasons: z.array(z.string()).describe('Which bounds were broken, and by how much.'),
    loopLagP99Ms: z.number().describe('Event-loop lag of the worst worker.'),
    cpuCores: z.number().describe('Of all workers together.'),
    rssMb: z.number().describe('Memory of all workers together.'),
    udpDrops: z
      .number()
      .int()
      .optional()
      .describe(
        'Datagrams that the system dropped at the generator’s own sockets, which were not read in time.',
      ),
  })
  .meta({
    id: 'GeneratorHealth',
    description: 'Whether the machine that played was fast enough for its figures to be those of the server.',
  });
export type GeneratorHealth = z.infer<typeof GeneratorHealth>;
