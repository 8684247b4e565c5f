import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { load } from '../../cli/load.ts';
import { ExitCode, makeRunDirectory, UsageError } from '../../cli/output.ts';
import { HistoryWriter } from '../../reports/history-writer.ts';
import { ReportError, writeRun } from '../../reports/write.ts';
import { startArgs } from '../../runtime/entry.ts';
import { surroundings, temporary } from '../cli/surroundings.ts';
import { gate, loadFigures, load as loadResults } from '../reports/samples.ts';

const FILES = ['junit.xml', 'report.html', 'results.json', 'summary.md'];

/** The disk is full when this file is written: writing to /dev/full gives ENOSPC (full(4)). */
function fullFor(directory: string, file: string): void {
  symlinkSync('/dev/full', join(directory, `${file}.part`));
}

for (const file of FILES) {
  test(`full at ${file}: nothing is half-written, and the report of before stays`, async (t) => {
    const directory = temporary(t);
    fullFor(directory, file);
    await assert.rejects(writeRun(directory, gate()), (error) => {
      assert.ok(error instanceof ReportError, String(error));
      assert.match(error.message, /ENOSPC.*the verdict was fail/);
      return true;
    });
    assert.deepEqual(readdirSync(directory), []);

    await writeRun(directory, loadResults());
    const before = FILES.map((name) => readFileSync(join(directory, name), 'utf8'));
    fullFor(directory, file);
    await assert.rejects(writeRun(directory, gate()), ReportError);
    assert.deepEqual(readdirSync(directory).sort(), FILES);
    assert.deepEqual(
      FILES.map((name) => readFileSync(join(directory, name), 'utf8')),
      before,
    );
  });
}

test('what a load has measured is shown, also as JSON, before it says that it could not be kept', async (t) => {
  const run = async () => loadFigures();
  for (const json of [false, true]) {
    const out = temporary(t);
    fullFor(out, 'report.html');
    const around = surroundings();
    const args = { clients: '10', ramp: '0', duration: '1s', out, json };
    await assert.rejects(load(['rtmp://127.0.0.1/live/a'], args, { ...around, run }), ReportError);
    if (json) assert.equal(JSON.parse(around.stdout.text).verdict, 'pass');
    else {
      assert.match(around.stdout.text, /^pass {2}5,000 of 5,000 players joined/m);
      assert.doesNotMatch(around.stdout.text, /report:/);
    }
    assert.deepEqual(readdirSync(out), []);
  }
});

test('the real command has a message without a stack, and a code that blames nobody', (t) => {
  const directory = temporary(t);
  writeFileSync(join(directory, 'results.json'), JSON.stringify(loadResults()));
  fullFor(directory, 'summary.md');
  const { status, stderr } = spawnSync(process.execPath, [...startArgs('cli/main.ts'), 'report', directory], {
    encoding: 'utf8',
  });
  assert.equal(status, ExitCode.inconclusive, stderr);
  assert.match(stderr, /error: the report could not be written to .*ENOSPC/);
  assert.doesNotMatch(stderr, /^ +at /m);
  assert.deepEqual(readdirSync(directory), ['results.json']);
});

test('a history that the disk refuses says so when it is closed', async () => {
  const history = new HistoryWriter('/dev/full');
  history.append({ check: 'a/b' });
  await assert.rejects(history.close(), { code: 'ENOSPC' });
  const more = new HistoryWriter('/dev/full');
  more.append({ check: 'a/b' });
  await assert.rejects(more.drained(), { code: 'ENOSPC' });
  await delay(0);
  assert.throws(() => more.append({ check: 'a/b' }), { code: 'ENOSPC' });
  await assert.rejects(more.close(), { code: 'ENOSPC' });
});

test('a directory that cannot be made is wrong use, before anything is measured', (t) => {
  const file = join(temporary(t), 'file');
  writeFileSync(file, '');
  assert.throws(() => makeRunDirectory('load', file), UsageError);
  assert.throws(() => makeRunDirectory('load', join(file, 'below')), UsageError);
});
