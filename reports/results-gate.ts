/** The part of `results.json` that tells whether a gate, and the nodes of its clusters, were kept from their work. */
import { z } from 'zod';

const Count = z.number().int().nonnegative();

const Where = {
  check: z.string().describe('While which check.'),
  topology: z.string(),
  engine: z.string(),
  mutant: z.string().optional(),
};

export const GateHealth = z
  .object({
    observations: Count.describe('Runs of checks, and observations that checks share.'),
    loopLag: z
      .object({ ms: z.number(), ...Where })
      .describe(
        'For how long the event loop of the process that runs the checks, its players and its publishers was kept from its events at the worst.',
      ),
    wait: z
      .object({
        process: z
          .string()
          .describe(
            'The node that waited the longest for a CPU; `gate` is the process that runs the checks.',
          ),
        waitedMs: z.number().describe('For how long it could have run and did not, within that second.'),
        othersShare: z
          .number()
          .describe('Of the CPU time that processes used in that second, the part of others; 0 to 1.'),
        stolenMs: z.number().describe('By the hypervisor, in that second, of one CPU.'),
        keptMs: z
          .number()
          .describe('What is put on others: their share of the waiting, and what was stolen.'),
        ...Where,
      })
      .nullable()
      .describe(
        'The second in which others kept nodes and gate from the CPUs the longest; null where the system does not tell.',
      ),
    boundMs: z.number().describe('How much of `wait.keptMs` a check bears that did not pass.'),
    starved: Count.describe('Observations in which it was more. What did not pass then is `inconclusive`.'),
  })
  .meta({
    id: 'GateHealth',
    description:
      'Whether the process of a gate and the nodes of its clusters had the CPUs when they needed them.',
  });
export type GateHealth = z.infer<typeof GateHealth>;
