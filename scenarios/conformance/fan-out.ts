/** Fan-out: what the players of a stream get, from the first byte on, and what they notice of each other. */
import type { Check } from '../check.ts';
import { everyPlayerEveryFrame, spread } from './fan-out-crowd.ts';
import { publisherRestart, slowReader } from './fan-out-neighbours.ts';
import { firstFrameFromGopCache, headersFirst, lateJoin } from './fan-out-start.ts';

export const fanOut: readonly Check[] = [
  everyPlayerEveryFrame,
  firstFrameFromGopCache,
  headersFirst,
  spread,
  slowReader,
  lateJoin,
  publisherRestart,
];
