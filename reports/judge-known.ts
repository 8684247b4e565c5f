/** What a night says of a server whose defects are known: what is new counts, what is listed is shown. */
import { z } from 'zod';
import { type Finding, type Results, Verdict, worstVerdict } from './results.ts';

export const RUNNERS = ['process', 'compose'] as const;
export type Runner = (typeof RUNNERS)[number];

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

export const KnownVerdict = z
  .object({
    checks: z.array(z.string().min(1)).min(1).describe('Ids of checks, or areas with `/*`.'),
    engine: z.string().optional().describe('Every one when left out.'),
    topologies: z.array(z.string()).min(1).optional().describe('Every one when left out.'),
    runner: z.enum(RUNNERS).optional().describe('Both when left out.'),
    verdicts: z
      .array(Verdict.exclude(['pass', 'error']))
      .min(1)
      .default(['fail'])
      .describe('What is expected.'),
    logged: z
      .string()
      .refine(isPattern, 'not a regular expression')
      .optional()
      .describe(
        'What comes by chance: only findings whose nodes logged what this regular expression matches.',
      ),
    why: z.string().min(10).describe('What the server does, or the cluster lacks.'),
    see: z
      .string()
      .regex(/^docs\/[\w-]+\.md#[\w-]+$/)
      .describe('Where that is written down: a page and its heading.'),
  })
  .strict();
export type KnownVerdict = z.infer<typeof KnownVerdict>;

export const KnownVerdicts = z
  .object({ schema: z.literal('liveproof/known@1'), known: z.array(KnownVerdict) })
  .strict();
export type KnownVerdicts = z.infer<typeof KnownVerdicts>;

export interface KnownJudgement {
  /** The worst of what is not listed; `inconclusive` where the run was interrupted or judged nothing. */
  readonly verdict: Verdict;
  /** Not `pass`, and not listed so. */
  readonly news: readonly string[];
  /** As the list says. */
  readonly known: readonly string[];
  /** Listed by id, and passed: the entry can go. */
  readonly passed: readonly string[];
}

/** What the nodes of a finding logged while its check ran; empty when that is not known. */
export type LogOf = (finding: Finding) => string;

const noLog: LogOf = () => '';

export function judgeKnown(
  { findings, interrupted }: Pick<Results, 'findings' | 'interrupted'>,
  runner: Runner,
  { known: list }: KnownVerdicts,
  logOf: LogOf = noLog,
): KnownJudgement {
  const known: string[] = [];
  const passed: string[] = [];
  const unlisted: Finding[] = [];
  for (const finding of findings) {
    const line = knownOf(finding, runner, list, logOf);
    if (finding.verdict !== 'pass') {
      if (line === undefined) unlisted.push(finding);
      else known.push(line);
    } else if (line !== undefined) passed.push(line);
  }
  const nothing = interrupted || findings.length === 0;
  return {
    verdict: worstVerdict([
      'pass',
      ...(nothing ? (['inconclusive'] as const) : []),
      ...unlisted.map(({ verdict }) => verdict),
    ]),
    news: unlisted.map((finding) => `${finding.verdict}: ${nameOf(finding)}: ${finding.actual}`),
    known,
    passed,
  };
}

/** What the list says of a finding; of one that passed, what was expected by the id of its check. Undefined: nothing. */
export function knownOf(
  finding: Finding,
  runner: Runner,
  list: KnownVerdicts['known'],
  logOf: LogOf = noLog,
): string | undefined {
  const { verdict } = finding;
  const entry = list.find((one) => {
    // Of an area not every check is meant, and by chance one passes as a rule.
    const says =
      verdict === 'pass'
        ? one.checks.includes(finding.check) && one.logged === undefined
        : one.verdicts.some((expected) => expected === verdict);
    if (!says || !applies(one, finding, runner)) return false;
    return verdict === 'pass' || one.logged === undefined || new RegExp(one.logged).test(logOf(finding));
  });
  return entry && `${verdict}: ${nameOf(finding)}: ${entry.why} (${entry.see})`;
}

function applies(
  { checks, engine, topologies, runner: where }: KnownVerdict,
  finding: Finding,
  runner: Runner,
): boolean {
  return (
    checks.some((name) => isNamed(name, finding)) &&
    (engine === undefined || engine === finding.engine) &&
    (topologies === undefined || topologies.includes(finding.topology)) &&
    (where === undefined || where === runner)
  );
}

/** `name` is the id of a check, or an area with `/*`. */
export function isNamed(name: string, { check }: Pick<Finding, 'check'>): boolean {
  return name.endsWith('/*') ? check.startsWith(name.slice(0, -1)) : check === name;
}

export function nameOf({ check, topology, engine }: Finding): string {
  return `${check} on ${topology} of ${engine}`;
}
