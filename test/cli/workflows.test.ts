import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { NIGHT } from '../../cli/nightly.ts';

const FOLDER = '.github/workflows';

interface Workflow {
  readonly permissions: Record<string, string>;
  readonly jobs: Record<
    string,
    { readonly steps: readonly { readonly run?: string; readonly uses?: string }[] }
  >;
}

const workflows = readdirSync(FOLDER).map((name) => ({
  name,
  workflow: parse(readFileSync(join(FOLDER, name), 'utf8')) as Workflow,
}));
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };

describe('workflows', () => {
  it('are one for pull requests, one for the night, one for releases', () => {
    assert.deepEqual(
      workflows.map(({ name }) => name),
      ['nightly.yml', 'pull-request.yml', 'release-gate.yml'],
    );
  });

  for (const { name, workflow } of workflows) {
    const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);

    it(`${name} runs scripts that are there, and steps of the night that are`, () => {
      let seen = 0;
      for (const { run = '' } of steps) {
        for (const [, script] of run.matchAll(/npm run (?:-s )?([\w:-]+)/g)) {
          assert.ok(scripts[script!] !== undefined, `npm run ${script}`);
          seen++;
        }
        for (const [, step] of run.matchAll(/--(?:without|only) ([\w-]+)/g))
          assert.ok(
            NIGHT.some((one) => one.name === step),
            `step ${step}`,
          );
        if (run.includes('.ci/run')) seen++;
      }
      assert.ok(seen > 0);
    });

    it(`${name} keeps its reports and may write nothing to the repository`, () => {
      assert.deepEqual(workflow.permissions, { contents: 'read' });
      assert.ok(steps.some(({ uses }) => uses?.startsWith('actions/upload-artifact@')));
    });
  }
});
