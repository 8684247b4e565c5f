import type { Check } from '../check.ts';

export const fanOut: readonly Check[] = [];
