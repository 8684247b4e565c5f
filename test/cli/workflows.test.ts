import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { NIGHT } from '../../cli/nightly.ts';
import { KNOWN_FILE } from '../../cli/nightly-known.ts';
import { IMAGES } from '../../lab/render/compose-plan.ts';

const FOLDER = '.github/workflows';
const MINUTE = 60_000;
/** Of a hosted machine: then the job is ended, and nothing of it is kept. */
const HOSTED_JOB_MINUTES = 360;
/** Of a job, for what is fetched and installed before, and written after. */
const SPARE_MINUTES = 20;

interface JobStep {
  readonly run?: string;
  readonly uses?: string;
  readonly if?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly steps: readonly JobStep[];
  readonly 'timeout-minutes': number;
  readonly strategy?: {
    readonly 'fail-fast': boolean;
    readonly matrix: { readonly include: readonly { readonly group: string; readonly steps: string }[] };
  };
}

interface Workflow {
  readonly permissions: Record<string, string>;
  readonly jobs: Record<string, Job>;
}

const workflows = readdirSync(FOLDER).map((name) => ({
  name,
  workflow: parse(readFileSync(join(FOLDER, name), 'utf8')) as Workflow,
}));
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };

/** What steps may take, one after the other. */
const minutesOf = (names: readonly string[]): number =>
  NIGHT.filter(({ name }) => names.includes(name)).reduce(
    (sum, { timeoutMs }) => sum + timeoutMs / MINUTE,
    0,
  );

const jobOf = (file: string, job: string): Job =>
  workflows.find(({ name }) => name === file)!.workflow.jobs[job]!;

describe('workflows', () => {
  it('are one for pull requests, one for the night, one for releases', () => {
    assert.deepEqual(
      workflows.map(({ name }) => name),
      ['nightly.yml', 'pull-request.yml', 'release-gate.yml'],
    );
  });

  for (const { name, workflow } of workflows) {
    const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);

    it(`${name} runs scripts that are there`, () => {
      let seen = 0;
      for (const { run = '' } of steps) {
        for (const [, script] of run.matchAll(/npm run (?:-s )?([\w:-]+)/g)) {
          assert.ok(scripts[script!] !== undefined, `npm run ${script}`);
          seen++;
        }
        if (run.includes('.ci/run')) seen++;
      }
      assert.ok(seen > 0);
    });

    it(`${name} keeps its reports and may write nothing to the repository`, () => {
      assert.deepEqual(workflow.permissions, { contents: 'read' });
      assert.ok(
        steps.some(
          ({ uses, if: when }) => uses?.startsWith('actions/upload-artifact@') && when === 'always()',
        ),
      );
    });

    it(`${name} has its badge at the head of the README`, () => {
      const [head = ''] = readFileSync('README.md', 'utf8').split(/^## /m);
      const page = `../../actions/workflows/${name}`;
      assert.ok(head.includes(`(${page}/badge.svg)](${page})\n`), page);
    });

    it(`${name} ends before a hosted machine ends it`, () => {
      for (const job of Object.values(workflow.jobs)) assert.ok(job['timeout-minutes'] <= HOSTED_JOB_MINUTES);
    });
  }
});

describe('the groups of the night', () => {
  const job = jobOf('nightly.yml', 'night');
  const groups = job.strategy!.matrix.include.map(({ group, steps }) => {
    const words = steps.split(' ');
    assert.ok(
      words.every((word, i) => i % 2 === 1 || word === '--only'),
      steps,
    );
    return { group, names: words.filter((_, i) => i % 2 === 1) };
  });

  it('have every step in one of them', () => {
    assert.deepEqual(groups.flatMap(({ names }) => names).sort(), NIGHT.map(({ name }) => name).sort());
  });

  for (const { group, names } of groups) {
    it(`${group}: all that its steps may take is over in time`, () => {
      const sum = minutesOf(names);
      assert.ok(sum > 0 && sum + SPARE_MINUTES <= job['timeout-minutes'], `${sum} min`);
    });
  }

  it('are those of docs/nightly.md', () => {
    const rows = readFileSync('docs/nightly.md', 'utf8').matchAll(
      /^\| `([\w-]+)` \| (.*) \| (\d+) min \|$/gm,
    );
    assert.deepEqual(
      [...rows].map(([, group, names, minutes]) => ({
        group,
        names: names!.match(/[\w-]+/g),
        minutes: Number(minutes),
      })),
      groups.map(({ group, names }) => ({ group, names, minutes: minutesOf(names) })),
    );
  });

  it('do not end each other, have artefacts of their own, and run their steps', () => {
    assert.equal(job.strategy!['fail-fast'], false);
    const names = job.steps.flatMap(({ uses, with: given }) =>
      uses?.startsWith('actions/upload-artifact@') ? [given?.name] : [],
    );
    assert.deepEqual(names, ['nightly-$' + '{{ matrix.group }}']);
    assert.ok(
      job.steps.some(({ run }) => run?.includes('nightly -- $' + '{{ matrix.steps }} --baseline nights ')),
    );
  });

  it('have the nights before, and keep them after a red one, too, as far as they are new', () => {
    const cache = job.steps.filter(({ uses }) => uses?.startsWith('actions/cache'));
    assert.deepEqual(
      cache.map(({ uses }) => uses),
      ['actions/cache/restore@v4', 'actions/cache/save@v4'],
    );
    const [restore, save] = cache;
    assert.equal(restore!.with!.key, save!.with!.key);
    assert.ok(String(save!.with!.key).startsWith(String(restore!.with!['restore-keys'])));
    assert.deepEqual([restore!.with!.path, save!.with!.path], ['nights', 'nights']);
    assert.match(
      save!.if!,
      /^always\(\) && hashFiles\('nights\/\*\.json'\) != steps\.before\.outputs\.nights$/,
    );
  });
});

describe('the real SRS of workflows', () => {
  const ACTION = './.github/actions/srs';

  it('is that of the clusters in containers', () => {
    const action = parse(readFileSync(join(ACTION, 'action.yml'), 'utf8')) as {
      runs: { steps: { run: string }[] };
    };
    const [{ run } = { run: '' }] = action.runs.steps;
    assert.ok(run.includes(`docker create --name srs ${IMAGES['srs-6']}\n`));
    assert.ok(run.includes('SRS_BIN='));
  });

  it('is there for the night and before a release, where what is known of it is not in the way', () => {
    for (const job of [jobOf('nightly.yml', 'night'), jobOf('release-gate.yml', 'gate')])
      assert.ok(job.steps.some(({ uses }) => uses === ACTION));
    const { steps } = jobOf('release-gate.yml', 'gate');
    assert.ok(steps.some(({ run }) => run?.includes(`--known ${KNOWN_FILE} `)));
  });
});
