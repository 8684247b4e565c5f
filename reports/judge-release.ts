/** What a release needs: every check on every cluster, and nothing unsupported that nobody has agreed to. */
import { z } from 'zod';
import { isNamed, type KnownVerdicts, knownOf, type LogOf, nameOf } from './judge-known.ts';
import type { Finding, Results, Verdict } from './results.ts';

export const AllowedUnsupported = z
  .object({
    check: z.string().min(1).describe('Id of a check, or an area with `/*`.'),
    topology: z.string().optional().describe('Every one when left out.'),
    engine: z.string().optional().describe('Every one when left out.'),
    why: z.string().min(10).describe('Why a release may do without it.'),
  })
  .strict();
export type AllowedUnsupported = z.infer<typeof AllowedUnsupported>;

export const ReleaseRules = z
  .object({ schema: z.literal('liveproof/release@1'), unsupported: z.array(AllowedUnsupported) })
  .strict();
export type ReleaseRules = z.infer<typeof ReleaseRules>;

export interface ReleaseJudgement {
  readonly verdict: Verdict;
  /** In the way of the release, and why; empty when it may be released. */
  readonly obstacles: readonly string[];
  /** Unsupported, and agreed to; and what is known of a server. */
  readonly allowed: readonly string[];
  /** Entries of the list that nothing needed: what they say is supported by now, or was not run. */
  readonly unused: readonly AllowedUnsupported[];
  /** Known of a server, and passed. */
  readonly passed: readonly string[];
}

/**
 * Parts of a check that an engine lacks (`parts`) count like whole checks. A run that was interrupted, or that has no
 * finding, is in the way, too. What `known` lists is not.
 */
export function judgeRelease(
  runs: readonly (Pick<Results, 'findings' | 'interrupted' | 'command'> & { readonly logOf?: LogOf })[],
  rules: ReleaseRules,
  partLabel: string,
  known: KnownVerdicts['known'] = [],
): ReleaseJudgement {
  const obstacles: string[] = [];
  const allowed: string[] = [];
  const passed: string[] = [];
  const used = new Set<AllowedUnsupported>();
  const unsupported = (finding: Finding, what: string): void => {
    const rule = rules.unsupported.find((entry) => matches(entry, finding));
    if (rule !== undefined) used.add(rule);
    const text = `${nameOf(finding)}: ${what}`;
    if (rule === undefined) obstacles.push(`unsupported and not listed: ${text}`);
    else allowed.push(`${text} (${rule.why})`);
  };
  if (runs.length === 0) obstacles.push('nothing was run');
  for (const { findings, interrupted, command, logOf } of runs) {
    if (interrupted) obstacles.push(`interrupted: ${command.join(' ')}`);
    if (findings.length === 0) obstacles.push(`nothing was judged: ${command.join(' ')}`);
    for (const finding of findings) {
      const isKnown = knownOf(finding, 'process', known, logOf);
      if (isKnown !== undefined) (finding.verdict === 'pass' ? passed : allowed).push(isKnown);
      else if (finding.verdict === 'unsupported') unsupported(finding, finding.actual);
      else if (finding.verdict !== 'pass')
        obstacles.push(`${finding.verdict}: ${nameOf(finding)}: ${finding.actual}`);
      for (const { label, detail } of finding.evidence) {
        if (finding.verdict !== 'unsupported' && label === partLabel) unsupported(finding, detail);
      }
    }
  }
  return {
    verdict: obstacles.length === 0 ? 'pass' : 'fail',
    obstacles,
    allowed,
    unused: rules.unsupported.filter((entry) => !used.has(entry)),
    passed,
  };
}

function matches({ check, topology, engine }: AllowedUnsupported, finding: Finding): boolean {
  return (
    isNamed(check, finding) &&
    (topology === undefined || topology === finding.topology) &&
    (engine === undefined || engine === finding.engine)
  );
}
