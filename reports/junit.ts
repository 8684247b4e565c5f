/** JUnit XML, in the form that Jenkins, GitLab and GitHub read: a suite per area, a case per finding. */
import type { Finding, Results, Verdict } from './results.ts';

export function renderJunit(results: Results): string {
  const suites = suitesOf(results);
  const all = suites.flatMap((suite) => suite.cases);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${attributes({ name: `liveproof ${results.kind}`, ...totals(all), time: seconds(results.durationMs) })}>`,
    ...suites.map(({ name, cases }) => renderSuite(name, cases, results.startedAt)),
    '</testsuites>',
    '',
  ].join('\n');
}

interface Case {
  readonly name: string;
  readonly area: string;
  readonly verdict: Verdict;
  readonly durationMs: number;
  readonly message: string;
  readonly details: string;
}

function suitesOf(results: Results): { name: string; cases: Case[] }[] {
  const areas = new Map<string, Case[]>();
  for (const finding of results.findings) {
    const { check } = finding;
    const area = check.includes('/') ? check.slice(0, check.indexOf('/')) : results.kind;
    const cases = areas.get(area) ?? [];
    areas.set(area, cases);
    cases.push(caseOf(finding, area));
  }
  if (results.findings.length === 0) {
    const message = 'nothing was judged';
    const verdict = results.verdict;
    areas.set(results.kind, [
      {
        name: results.kind,
        area: results.kind,
        verdict,
        durationMs: results.durationMs,
        message,
        details: message,
      },
    ]);
  }
  return [...areas].map(([name, cases]) => ({ name, cases }));
}

function caseOf(finding: Finding, area: string): Case {
  const { check, topology, engine, mutant, verdict, durationMs, expected, actual } = finding;
  const evidence = finding.evidence.map(({ label, detail }) => `${label}: ${detail}`);
  const spec = finding.spec
    ? [`source: ${finding.spec.source}, ${finding.spec.where}: ${finding.spec.says}`]
    : [];
  return {
    name: `${check} [${topology}, ${engine}${mutant === undefined ? '' : `, mutant ${mutant}`}]`,
    area,
    verdict,
    durationMs,
    message: `expected ${expected}, got ${actual}`,
    details: [`expected: ${expected}`, `actual: ${actual}`, ...spec, ...evidence].join('\n'),
  };
}

/** What nobody could judge is an error: a skipped case would let a pipeline go green. */
const ELEMENT_OF: Readonly<Record<Verdict, 'failure' | 'error' | 'skipped' | undefined>> = {
  pass: undefined,
  fail: 'failure',
  error: 'error',
  inconclusive: 'error',
  unsupported: 'skipped',
};

function totals(cases: readonly Case[]) {
  const count = (element: string) =>
    String(cases.filter(({ verdict }) => ELEMENT_OF[verdict] === element).length);
  return {
    tests: String(cases.length),
    failures: count('failure'),
    errors: count('error'),
    skipped: count('skipped'),
  };
}

function renderSuite(name: string, cases: readonly Case[], timestamp: string): string {
  const time = seconds(cases.reduce((sum, { durationMs }) => sum + durationMs, 0));
  return [
    `  <testsuite ${attributes({ name, ...totals(cases), time, timestamp })}>`,
    ...cases.map(renderCase),
    '  </testsuite>',
  ].join('\n');
}

function renderCase(of: Case): string {
  const head = `    <testcase ${attributes({ name: of.name, classname: `liveproof.${of.area}`, time: seconds(of.durationMs) })}`;
  const element = ELEMENT_OF[of.verdict];
  if (element === undefined) return `${head}/>`;
  const said = attributes({ message: of.message, type: of.verdict });
  return `${head}>\n      <${element} ${said}>${escapeXml(of.details)}</${element}>\n    </testcase>`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function attributes(of: Readonly<Record<string, string>>): string {
  return Object.entries(of)
    .map(([name, value]) => `${name}="${escapeXml(value)}"`)
    .join(' ');
}

/** Characters that XML 1.0 (2.2) does not allow, not even as references, become U+FFFD. */
function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"'\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
