/** Writes docs/checks.md from the checks: `node --import tsx scenarios/docs.ts`. A test holds it up to date. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MUTANTS } from '../lab/builtin/mutants.ts';
import type { Check } from './check.ts';
import { CHECKS } from './conformance/index.ts';

export const CHECKS_PAGE = fileURLToPath(new URL('../docs/checks.md', import.meta.url));

const INTRO = `# Checks

Made from the checks themselves by \`node --import tsx scenarios/docs.ts\`; changes here are lost.

A check drives a running cluster and records what it sees; a judge, who knows nothing else, reads that history. Verdicts:

| verdict | means |
|---|---|
| \`pass\` | everything that the check asks for was seen |
| \`unsupported\` | the cluster cannot do what the check needs |
| \`inconclusive\` | nobody can say: nothing was seen, two observers disagree, or the run was interrupted |
| \`fail\` | the cluster did something else than what is asked for |
| \`error\` | the check itself did not work: it threw, or its time was up |

Where a part of a check is what an engine documents as absent (RTMP to SRT, say), the finding says so as evidence
\`unsupported\`, the report has a note, and the verdict is that of the other parts; a check of nothing else is
\`unsupported\`.

A check of level \`must\` asks for what its source demands; \`should\`: for what that recommends, says of another protocol, or
leaves to be concluded. The level is told beside the verdict and has no part in it.

A run has the worst verdict of its checks. Every check lists the defects ("mutants") of the built-in nodes that turn it
red; \`npm run mutants\` shows that they do.

Two sources are not in this repository: \`facts/srs.md\`, notes of what SRS 7.0.18 does, by its code and by what was seen of it, and
\`seeds/\`, the documents of the README's table (000 to 004).
`;

export function renderChecks(checks: readonly Check[]): string {
  const areas = [...new Set(checks.map(areaOf))];
  const sections = areas.map((area) => {
    const own = checks.filter((check) => areaOf(check) === area);
    return [`## ${area}/`, ...own.map(section)].join('\n\n');
  });
  return `${[INTRO, ...sections].join('\n').trimEnd()}\n`;
}

function areaOf({ id }: Check): string {
  return id.slice(0, id.indexOf('/'));
}

function section({ id, title, level, spec, topologies, needs, mutants }: Check): string {
  return [
    `### ${id}\n`,
    `**${title}.** ${spec.says}\n`,
    '| | |',
    '|---|---|',
    `| level | ${level} |`,
    `| source | ${cell(`${spec.source}: ${spec.where}`)} |`,
    `| topologies | ${topologies.join(', ')} |`,
    `| needs | ${needs.map((need) => `\`${need}\``).join(' ')} |`,
    ...mutants.map((mutant) => `| red with \`${mutant}\` | ${cell(MUTANTS[mutant].says)} |`),
  ].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CHECKS_PAGE, renderChecks(CHECKS));
