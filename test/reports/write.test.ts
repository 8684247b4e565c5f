import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeResults } from '../../reports/describe.ts';
import { collectEnvironment } from '../../reports/environment.ts';
import { HistoryWriter } from '../../reports/history-writer.ts';
import { Environment, Results, worstVerdict } from '../../reports/results.ts';
import { writeRun } from '../../reports/write.ts';
import { finding, gate, load, mutants } from './samples.ts';

const TEMPORARY = mkdtempSync(join(tmpdir(), 'liveproof-reports-'));
test.after(() => rmSync(TEMPORARY, { recursive: true }));

test('a run leaves its four files, and results.json is what was given', async () => {
  for (const [name, results] of Object.entries({ gate: gate(), load: load(), mutants: mutants() })) {
    const directory = join(TEMPORARY, 'run', name);
    await writeRun(directory, results);
    assert.deepEqual(readdirSync(directory).sort(), [
      'junit.xml',
      'report.html',
      'results.json',
      'summary.md',
    ]);
    const read = Results.parse(JSON.parse(readFileSync(join(directory, 'results.json'), 'utf8')));
    assert.deepEqual(read, results);
  }
});

test('results that break the schema are refused before a file is written', async () => {
  const directory = join(TEMPORARY, 'wrong');
  const wrong = gate([finding({ verdict: 'splendid' as never })]);
  await assert.rejects(writeRun(directory, wrong), /splendid|verdict/);
  assert.throws(() => readdirSync(directory), { code: 'ENOENT' });
});

test('the history is named in the results', async () => {
  const directory = join(TEMPORARY, 'history');
  const { history: _, ...results } = gate();
  await writeRun(directory, results, { history: { file: 'history.ndjson', lines: 12 } });
  const read = Results.parse(JSON.parse(readFileSync(join(directory, 'results.json'), 'utf8')));
  assert.deepEqual(read.history, { file: 'history.ndjson', lines: 12 });
});

test('docs/results.md is what the schema says', () => {
  const written = readFileSync(new URL('../../docs/results.md', import.meta.url), 'utf8');
  assert.equal(written, describeResults(), 'node --import tsx reports/describe.ts > docs/results.md');
});

test('the worst verdict wins, and nothing selected is an error', () => {
  assert.equal(worstVerdict(['pass', 'fail', 'inconclusive']), 'fail');
  assert.equal(worstVerdict(['pass', 'unsupported']), 'unsupported');
  assert.equal(worstVerdict([]), 'error');
});

test('the environment is complete', () => {
  const environment = Environment.parse(collectEnvironment({ haproxy: '2.6.12' }));
  assert.equal(environment.node, process.versions.node);
  assert.ok(environment.cores >= 1 && environment.memoryGb > 0 && environment.os.length > 0);
  assert.deepEqual(environment.programs, { haproxy: '2.6.12' });
});

test('the history keeps every line in order, through back-pressure', async () => {
  const path = join(TEMPORARY, 'long.ndjson');
  const history = new HistoryWriter(path);
  const filler = 'x'.repeat(4000);
  let waited = 0;
  for (let i = 0; i < 2000; i++) {
    if (!history.append({ check: 'a/b', i, filler })) {
      waited++;
      await history.drained();
    }
  }
  assert.deepEqual(await history.close(), { file: 'long.ndjson', lines: 2000 });
  assert.deepEqual(await history.close(), { file: 'long.ndjson', lines: 2000 });
  assert.ok(waited > 0, 'back-pressure was never asked for');
  assert.deepEqual(numbersIn(path), numbersTo(2000));
  assert.throws(() => history.append({ check: 'a/b' }), /closed/);
});

test('an interrupted history has every line that was appended, once', async () => {
  const path = join(TEMPORARY, 'interrupted.ndjson');
  const history = new HistoryWriter(path);
  for (let i = 0; i < 500; i++) history.append({ check: 'a/b', i, text: 'é' });
  history.closeNow();
  assert.deepEqual(numbersIn(path), numbersTo(500));
  await history.drained();
  assert.deepEqual(numbersIn(path), numbersTo(500));
});

function numbersIn(path: string): number[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  assert.equal(lines.pop(), '');
  return lines.map((line) => (JSON.parse(line) as { i: number }).i);
}

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
