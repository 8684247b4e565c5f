import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { UsageError } from '../../cli/output.ts';
import { report } from '../../cli/report.ts';
import type { Results } from '../../reports/results.ts';
import { writeRun } from '../../reports/write.ts';
import { gate, load, mutants, publish } from '../reports/samples.ts';
import { benchRun, browserRun, k6Run } from '../reports/samples-runs.ts';
import { Capture, temporary } from './surroundings.ts';

const FILES = ['results.json', 'report.html', 'summary.md', 'junit.xml'] as const;
const RENDERED = FILES.filter((file) => file !== 'results.json');

function filesOf(directory: string): Record<string, string> {
  return Object.fromEntries(FILES.map((file) => [file, readFileSync(join(directory, file), 'utf8')]));
}

async function written(t: TestContext, results: Results): Promise<string> {
  const directory = temporary(t);
  await writeRun(directory, results);
  return directory;
}

for (const results of [gate(), mutants(), load(), publish(), benchRun(), k6Run(), browserRun()]) {
  test(`${results.kind}: what was deleted comes again out of results.json, byte by byte`, async (t) => {
    const directory = await written(t, results);
    const before = filesOf(directory);
    for (const file of RENDERED) rmSync(join(directory, file));
    const stdout = new Capture();
    await report(directory, stdout);
    assert.equal(stdout.text, `${join(directory, 'report.html')}\n`);
    assert.deepEqual(filesOf(directory), before);
  });
}

test('what was written by hand is written over, and the results are what was edited', async (t) => {
  const directory = await written(t, gate());
  writeFileSync(join(directory, 'summary.md'), 'mine');
  const edited: Results = { ...gate(), notes: ['seen again'] };
  writeFileSync(join(directory, 'results.json'), JSON.stringify(edited));
  await report(directory, new Capture());
  for (const file of ['summary.md', 'report.html'] as const) {
    assert.match(readFileSync(join(directory, file), 'utf8'), /seen again/);
  }
});

test('what is no run is wrong use, and nothing is written', async (t) => {
  const directory = temporary(t);
  await assert.rejects(report(directory, new Capture()), UsageError);
  writeFileSync(join(directory, 'results.json'), '{"schema": "liveproof/results@2"}');
  await assert.rejects(report(directory, new Capture()), /is not liveproof\/results@1/);
  assert.throws(() => readFileSync(join(directory, 'report.html')), { code: 'ENOENT' });
});
