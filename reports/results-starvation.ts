/** Of results.json: a check that went wrong, or could not say, while others had the CPUs. */
import { z } from 'zod';

export const Starvation = z
  .object({
    wouldHaveBeen: z
      .enum(['fail', 'error', 'inconclusive'])
      .describe('The verdict, had others not had the CPUs.'),
    process: z
      .string()
      .describe('The node that waited the longest for a CPU; `gate` is the process that runs the checks.'),
    waitedMs: z.number().describe('For how long it could have run and did not, within its worst second.'),
    othersShare: z
      .number()
      .describe('Of the CPU time that processes used in that second, the part of others; 0 to 1.'),
    stolenMs: z.number().describe('By the hypervisor, in that second, of one CPU.'),
    keptMs: z.number().describe('What is put on others: their share of the waiting, and what was stolen.'),
    boundMs: z.number().describe('How much of that is borne.'),
  })
  .meta({
    id: 'Starvation',
    description: 'Others kept the nodes, or the gate, from the CPUs: nobody knows whose fault it is.',
  });
export type Starvation = z.infer<typeof Starvation>;
