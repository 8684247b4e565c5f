import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import {
  ExitCode,
  exitCodeOf,
  hasColour,
  makeRunDirectory,
  painter,
  parseDuration,
  printable,
  table,
} from '../../cli/output.ts';
import { VERDICTS } from '../../reports/results.ts';
import { Capture, temporary } from './surroundings.ts';

test('only a pass exits 0', () => {
  assert.deepEqual(VERDICTS.map(exitCodeOf), [
    ExitCode.pass,
    ExitCode.inconclusive,
    ExitCode.inconclusive,
    ExitCode.fail,
    ExitCode.fail,
  ]);
});

test('durations', () => {
  assert.deepEqual(
    ['500ms', '30s', '1.5m', '2h', '0', ' 5s '].map(parseDuration),
    [500, 30_000, 90_000, 7_200_000, 0, 5000],
  );
  for (const wrong of ['', '5', '5 s', '-5s', '1d', 's', '1e3ms', '5s5']) {
    assert.throws(() => parseDuration(wrong), { name: 'UsageError' });
  }
});

test('a duration that no timer can wait is wrong use: Node would take it for 1 ms', () => {
  assert.equal(parseDuration('576h'), 24 * 24 * 3_600_000);
  assert.equal(parseDuration('2147483647ms'), 2 ** 31 - 1);
  for (const wrong of ['2147483648ms', '2147483.648s', '600h', `${'9'.repeat(400)}h`]) {
    assert.throws(() => parseDuration(wrong), { name: 'UsageError', message: /at most 24 days/ });
  }
});

test('colours only where they are wanted', () => {
  const pipe = new Capture();
  const terminal = Object.assign(new Capture(), { isTTY: true });
  assert.equal(hasColour(pipe, {}), false);
  assert.equal(hasColour(terminal, {}), true);
  assert.equal(hasColour(terminal, { NO_COLOR: '1' }), false);
  assert.equal(hasColour(terminal, { TERM: 'dumb' }), false);
  assert.equal(hasColour(pipe, { FORCE_COLOR: '1' }), true);
  assert.equal(painter(terminal, {})('red', 'x'), '\u001b[31mx\u001b[39m');
  assert.equal(painter(pipe, {})('red', 'x'), 'x');
});

test('a table is aligned, also when its cells are painted', () => {
  const green = painter(Object.assign(new Capture(), { isTTY: true }), {});
  assert.equal(
    table(
      ['check', 'ms'],
      [
        [green('green', 'a/b'), '7'],
        ['a/longer', '1234'],
      ],
      { right: [1] },
    ),
    ['check       ms', `${green('green', 'a/b')}          7`, 'a/longer  1234'].join('\n'),
  );
});

test('what a server says cannot drive the terminal', () => {
  assert.equal(printable('a\u001b[2Jb\r\n\u009b\u202e'), 'a\\u001b[2Jb\\u000d\\u000a\\u009b\\u202e');
});

test('two runs of one second get a directory each', (t) => {
  const before = process.cwd();
  const directory = temporary(t);
  process.chdir(directory);
  t.after(() => process.chdir(before));
  const at = new Date('2026-11-20T18:50:40Z');
  assert.equal(basename(makeRunDirectory('gate', undefined, at)), 'gate-2026-11-20-185040');
  assert.equal(basename(makeRunDirectory('gate', undefined, at)), 'gate-2026-11-20-185040-2');
  assert.equal(makeRunDirectory('gate', 'mine/x', at), join(process.cwd(), 'mine/x'));
});
