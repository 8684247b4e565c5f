import type { Check } from '../check.ts';

export const backToSource: readonly Check[] = [];
