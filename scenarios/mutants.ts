/** The proof that checks can fail: each passes on a healthy cluster and turns red for each of its mutants. */
import { MUTANTS, type MutantId } from '../lab/builtin/mutants.ts';
import type { Finding } from '../reports/results.ts';

/**
 * What a finding on a cluster with a mutant proves: `pass` when the check failed. Only a check that fails has seen the
 * defect: an error or a shrug may have any reason.
 */
export function proofOf(finding: Finding, mutant: MutantId): Finding {
  const { verdict, expected, actual } = finding;
  const killed = verdict === 'fail';
  return {
    ...finding,
    mutant,
    verdict: killed ? 'pass' : 'fail',
    expected: `the check fails, as: ${MUTANTS[mutant].says}`,
    actual: killed ? `it failed: expected ${expected}; got ${actual}` : `${verdict}: ${actual}`,
  };
}
