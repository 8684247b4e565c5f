import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { closeSteps, runSteps, type Step, type StepResult, verdictOfSteps } from '../../cli/steps.ts';

// Of the job that runs these tests.
delete process.env.GITHUB_STEP_SUMMARY;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'liveproof-steps-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const node = (name: string, script: string, more: Partial<Step> = {}): Step => ({
  name,
  says: `runs ${name}`,
  command: [process.execPath, '-e', script],
  timeoutMs: 10_000,
  ...more,
});

async function run(steps: readonly Step[], signal = new AbortController().signal) {
  const lines: string[] = [];
  const results = await runSteps({ steps, directory, signal, say: (line) => lines.push(line) });
  return { results, lines };
}

describe('steps', () => {
  it('take their verdict from the exit code, and one that fails does not stop the next', async () => {
    const { results } = await run(
      [0, 1, 2, 3, 4, 7].map((code) => node(`exit-${code}`, `process.exit(${code})`)),
    );
    assert.deepEqual(
      results.map(({ verdict }) => verdict),
      ['pass', 'fail', 'error', 'inconclusive', 'error', 'error'],
    );
    assert.equal(verdictOfSteps(results), 'error');
  });

  it('keep what a command prints, and give it a folder of its own', async () => {
    const step = node('talks', 'console.log(process.argv[1]); console.error("aside")');
    await run([{ ...step, command: [...step.command, '{out}/x'] }]);
    const log = readFileSync(join(directory, 'talks.log'), 'utf8');
    assert.match(log, /aside/);
    assert.ok(log.includes(join(directory, 'talks', 'x')));
  });

  it('that lack something are unsupported, and that is no pass', async () => {
    const { results } = await run([
      node('here', ''),
      node('elsewhere', 'process.exit(0)', { lacks: () => 'no Docker engine answers' }),
    ]);
    assert.deepEqual(
      results.map(({ verdict, why }) => [verdict, why]),
      [
        ['pass', 'exit code 0'],
        ['unsupported', 'no Docker engine answers'],
      ],
    );
    assert.notEqual(verdictOfSteps(results), 'pass');
  });

  it('whose time is over are ended with all that they started', async () => {
    const marker = join(directory, 'child-lives');
    const child = `setInterval(() => require("fs").writeFileSync(${JSON.stringify(marker)}, "x"), 20)`;
    const script = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}]); setInterval(() => {}, 1000)`;
    const { results } = await run([node('hangs', script, { timeoutMs: 5000 })]);
    assert.equal(results[0]!.verdict, 'error');
    assert.match(results[0]!.why, /not over after 5\.0 s/);
    assert.ok(existsSync(marker), 'the child had begun');
    rmSync(marker);
    // Absence: a child that lived would write every 20 ms.
    await delay(150);
    assert.equal(existsSync(marker), false);
  });

  it('of a program that is not there are an error', async () => {
    const { results } = await run([node('nothing', '', { command: ['liveproof-no-such-program'] })]);
    assert.equal(results[0]!.verdict, 'error');
    assert.match(results[0]!.why, /ENOENT/);
  });

  it('that are interrupted are inconclusive, and those after them were not begun', async () => {
    const abort = new AbortController();
    const lines: string[] = [];
    const results = await runSteps({
      steps: [node('first', 'setInterval(() => {}, 1000)'), node('second', '')],
      directory,
      signal: abort.signal,
      say(line) {
        lines.push(line);
        abort.abort();
      },
    });
    assert.deepEqual(
      results.map(({ verdict, why }) => [verdict, why]),
      [
        ['inconclusive', 'interrupted'],
        ['inconclusive', 'interrupted before it began'],
      ],
    );
  });

  it('leave a summary that says the worst', async () => {
    const { results } = await run([node('good', ''), node('bad', 'process.exit(1)')]);
    const said: string[] = [];
    await closeSteps('a night', results, directory, (line) => said.push(line));
    const summary = readFileSync(join(directory, 'summary.md'), 'utf8');
    assert.match(summary, /^# a night: fail$/m);
    assert.match(summary, /bad: runs bad \| \*\*fail\*\*/);
    assert.equal(JSON.parse(readFileSync(join(directory, 'steps.json'), 'utf8')).verdict, 'fail');
  });
});

describe('the summary of a job on GitHub', () => {
  const before = process.env.GITHUB_STEP_SUMMARY;
  afterEach(() => {
    if (before === undefined) delete process.env.GITHUB_STEP_SUMMARY;
    else process.env.GITHUB_STEP_SUMMARY = before;
  });

  const result = (name: string, verdict: StepResult['verdict']): StepResult => ({
    ...{ name, verdict, says: `runs ${name}`, why: 'exit code 0', durationMs: 1000 },
  });

  /** What is appended to a file that others have written to. */
  async function appended(results: readonly StepResult[], summaries: Readonly<Record<string, string>>) {
    const job = join(directory, 'job.md');
    writeFileSync(job, 'of others\n');
    process.env.GITHUB_STEP_SUMMARY = job;
    for (const [name, text] of Object.entries(summaries)) {
      mkdirSync(join(directory, name));
      writeFileSync(join(directory, name, 'summary.md'), text);
    }
    await closeSteps('a night', results, directory, () => {});
    const text = readFileSync(job, 'utf8');
    assert.ok(text.startsWith('of others\n# a night: '));
    return text;
  }

  it('has the table, and the summary of every step that left one, open where it did not pass', async () => {
    const text = await appended([result('gate', 'pass'), result('bench', 'fail'), result('tests', 'pass')], {
      gate: '## liveproof gate: pass\n\n| a | b |\n',
      bench: '## liveproof bench: fail\n',
    });
    const table = text.indexOf('| gate: runs gate | **pass** |');
    const gate = text.indexOf(
      '<details><summary>gate: pass</summary>\n\n## liveproof gate: pass\n\n| a | b |\n\n</details>',
    );
    const bench = text.indexOf(
      '<details open><summary>bench: fail</summary>\n\n## liveproof bench: fail\n\n</details>',
    );
    assert.ok(0 < table && table < gate && gate < bench, text);
    assert.equal(text.match(/<details/g)!.length, 2);
    assert.doesNotMatch(readFileSync(join(directory, 'summary.md'), 'utf8'), /<details/);
  });

  it('is never larger than GitHub takes, and says what was cut, at the end of a line', async () => {
    const line = `${'é'.repeat(99)}\n`;
    const names = Array.from({ length: 40 }, (_, i) => `step-${i}`);
    const text = await appended(
      names.map((name) => result(name, 'pass')),
      Object.fromEntries(names.map((name) => [name, line.repeat(2000)])),
    );
    const size = Buffer.byteLength(text);
    assert.ok(size < 1024 * 1024 && size > 900 * 1024, `${size} bytes`);
    assert.equal(text.match(/_Cut here: the rest is in step-\d+\/summary\.md of the run\._/g)!.length, 40);
    for (const whole of text.split('\n').filter((one) => one.startsWith('é'))) assert.equal(whole.length, 99);
    rmSync(join(directory, 'step-0'), { recursive: true });
    const one = await appended([result('step-0', 'pass')], { 'step-0': line.repeat(2000) });
    assert.ok(Buffer.byteLength(one) < 50 * 1024, 'of one step as well');
  });
});
