/** The proof that checks can fail: each passes on a healthy cluster and turns red for each of its mutants. */
import { join } from 'node:path';
import { MUTANTS, type MutantId } from '../lab/builtin/mutants.ts';
import type { Finding } from '../reports/results.ts';
import type { Check } from './check.ts';
import type { HistoryEvent } from './history.ts';
import { type ClusterRequest, runOnCluster } from './run.ts';

export interface MutantsRequest {
  readonly checks: readonly Check[];
  readonly cluster: ClusterRequest;
  readonly signal: AbortSignal;
  readonly onCluster?: (mutant: MutantId | undefined, checks: readonly Check[]) => void;
  readonly onFinding?: (finding: Finding) => void;
  readonly onEvent?: (check: string, mutant: MutantId | undefined, event: HistoryEvent) => void;
}

/** Mutants that these checks list, in the order of MUTANTS. */
export function mutantsOf(checks: readonly Check[]): MutantId[] {
  const listed = new Set(checks.flatMap((check) => check.mutants));
  return (Object.keys(MUTANTS) as MutantId[]).filter((mutant) => listed.has(mutant));
}

/**
 * One cluster without a mutant for all checks, then one per mutant for the checks that list it. Findings with a mutant
 * are those of the proof: `pass` when the check failed. Rejects with LabError when a cluster does not come up.
 */
export async function runMutants(request: MutantsRequest): Promise<Finding[]> {
  const { checks, cluster, signal } = request;
  const findings: Finding[] = [];
  for (const mutant of [undefined, ...mutantsOf(checks)]) {
    if (signal.aborted) break;
    const concerned =
      mutant === undefined ? checks : checks.filter((check) => check.mutants.includes(mutant));
    request.onCluster?.(mutant, concerned);
    const found = (finding: Finding) => {
      const proof = mutant === undefined ? finding : proofOf(finding, mutant);
      findings.push(proof);
      request.onFinding?.(proof);
    };
    const { onUp, ...where } = cluster;
    await runOnCluster(
      {
        ...where,
        runDir: join(cluster.runDir, mutant ?? 'healthy'),
        ...(onUp !== undefined && mutant === undefined ? { onUp } : {}),
      },
      {
        checks: concerned,
        unrest: 'restart',
        signal,
        onFinding: found,
        onEvent: (check, event) => request.onEvent?.(check, mutant, event),
        ...(mutant === undefined ? {} : { mutant }),
      },
    );
  }
  return findings;
}

/** Only a check that fails has seen the defect: an error or a shrug may have any reason. */
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
