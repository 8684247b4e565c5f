/** What checks say of a mutant that they are not aimed at. */
import { z } from 'zod';
import type { Finding } from './results.ts';

export const Bystander = z
  .object({
    check: z.string(),
    topology: z.string(),
    engine: z.string(),
    mutant: z.string(),
    verdict: z
      .enum(['pass', 'unsupported', 'inconclusive', 'fail', 'error'])
      .describe('Of the check itself: with `fail` it has caught the mutant, too.'),
  })
  .meta({
    id: 'Bystander',
    description: 'A check on a cluster with a mutant that it is not aimed at. It has no part in the verdict.',
  });
export type Bystander = z.infer<typeof Bystander>;

export interface Killers {
  /** Aimed at it. */
  readonly killed: readonly string[];
  readonly alive: readonly string[];
  /** Not run to their end: neither. */
  readonly untold: readonly string[];
  /** Not aimed at it, and red all the same. */
  readonly caught: readonly string[];
  /** How many of the others were not red. */
  readonly others: number;
}

/** Ids of checks, by what became of a mutant before them. */
export function killersOf(
  mutant: string,
  findings: readonly Finding[],
  bystanders: readonly Bystander[],
): Killers {
  const aimed = findings.filter((finding) => finding.mutant === mutant);
  const standing = bystanders.filter((one) => one.mutant === mutant);
  const ids = (of: readonly { readonly check: string }[]) => [...new Set(of.map(({ check }) => check))];
  return {
    killed: ids(aimed.filter(({ verdict }) => verdict === 'pass')),
    alive: ids(aimed.filter(({ verdict }) => verdict !== 'pass' && verdict !== 'inconclusive')),
    untold: ids(aimed.filter(({ verdict }) => verdict === 'inconclusive')),
    caught: ids(standing.filter(({ verdict }) => verdict === 'fail')),
    others: ids(standing.filter(({ verdict }) => verdict !== 'fail')).length,
  };
}
