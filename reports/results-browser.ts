/** Part of `liveproof/results@1`: what a browser showed. */
import { z } from 'zod';
import { Distribution } from './results-shared.ts';

const Counter = z.number().int().nonnegative();

export const BrowserPlay = z
  .object({
    topology: z.string(),
    engine: z.string(),
    protocol: z.enum(['flv', 'hls', 'whep']),
    mutant: z.string().optional().describe('The mutant that the cluster was started with.'),
    url: z.string().describe('What was played.'),
    firstPictureMs: z
      .number()
      .nullable()
      .describe('From the wish to play to the first picture; null when none came.'),
    pictures: z.object({
      shown: Counter,
      dropped: Counter.describe('Frames that came to the browser and were not shown.'),
      missing: Counter.describe('Frames in no picture, though later ones are, that did not come.'),
      unreadable: Counter.describe('Pictures whose clock could not be read.'),
    }),
    stalls: z.object({
      count: Counter,
      ratio: z.number().describe('Stalled / (played + stalled) time, startup excluded (CTA-2066).'),
    }),
    glass: Distribution.describe(
      'From the publishing of a frame to the screen, by the clock in the picture, of frames that were published after the player came.',
    ),
    driver: Distribution.describe(
      'The same to the last byte at a driver of ours, by the stamp, which played the same URL at the same time.',
    ),
    artefacts: z
      .array(z.string())
      .describe(
        'Files of the run, relative to its directory: a screenshot, a trace of Playwright, the record that was judged.',
      ),
  })
  .meta({ id: 'BrowserPlay', description: 'One stream in a browser, and beside it at a driver of ours.' });
export type BrowserPlay = z.infer<typeof BrowserPlay>;

export const Browser = z
  .object({
    browser: z.string().describe('Its name and version.'),
    plays: z.array(BrowserPlay),
  })
  .meta({ id: 'Browser', description: 'What a browser showed.' });
export type Browser = z.infer<typeof Browser>;
