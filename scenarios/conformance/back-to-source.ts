/** Checks of back-to-source (回源): what an edge fetches from its origin, when it begins and when it ends. */
import type { Check } from '../check.ts';
import { COPIES } from './back-to-source-copies.ts';
import { PULL_LIVES } from './back-to-source-lives.ts';
import { MERGED_PULLS } from './back-to-source-merged.ts';

export const backToSource: readonly Check[] = [...MERGED_PULLS, ...PULL_LIVES, ...COPIES];
