/** Part of `liveproof/results@1`: what scripts of k6 measured. */
import { z } from 'zod';

export const K6Metric = z
  .object({
    type: z.enum(['counter', 'gauge', 'rate', 'trend']),
    values: z
      .record(z.string(), z.number().nullable())
      .describe('As k6 names them: `count`, `rate`, `p(99)` … Of a trend without a sample they are null.'),
  })
  .meta({ id: 'K6Metric', description: 'A metric of k6. Trends of time are in ms.' });
export type K6Metric = z.infer<typeof K6Metric>;

export const K6Script = z
  .object({
    script: z.string().describe('Its name in scenarios/k6.'),
    seconds: z.number().describe('From the first virtual user to the last.'),
    metrics: z.record(z.string(), K6Metric),
  })
  .meta({ id: 'K6Script', description: 'One script of k6.' });
export type K6Script = z.infer<typeof K6Script>;

export const ViewerCost = z
  .object({
    cpuCores: z.number().describe('User and system time of all its processes over the window.'),
    memoryMb: z.number().describe('Proportional set size (PSS) of all its processes in the window, mean.'),
    loadedMb: z
      .number()
      .describe('Megabytes of playlists and segments in the whole run: who falls behind loads less.'),
    frames: z.number().describe('Video frames that it verified in the whole run.'),
    latencyP50: z.number().nullable().describe('ms, of frames published after their viewer came.'),
    latencyP99: z.number().nullable(),
  })
  .meta({ id: 'ViewerCost', description: 'What a crowd of HLS viewers cost one generator.' });
export type ViewerCost = z.infer<typeof ViewerCost>;

export const K6 = z
  .object({
    scripts: z.array(K6Script),
    cost: z
      .object({
        viewers: z.number().int(),
        windowSeconds: z.number().describe('After the ramp.'),
        k6: ViewerCost,
        swarm: ViewerCost.describe(
          '`liveproof load` with the same crowd on the same stream, right after k6.',
        ),
      })
      .optional()
      .describe('Side by side in one run; only of `npm run bench:k6`.'),
  })
  .meta({ id: 'K6', description: 'What scripts of k6 measured.' });
export type K6 = z.infer<typeof K6>;
