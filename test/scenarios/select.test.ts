import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectChecks } from '../../scenarios/select.ts';
import { pretendCheck } from './pretend.ts';

const checks = ['area/one', 'area/two', 'other/one'].map((id) => pretendCheck({ id }));

function ids(...patterns: string[]): string[] {
  return selectChecks(checks, patterns).checks.map(({ id }) => id);
}

test('no pattern means all', () => {
  assert.deepEqual(ids(), ['area/one', 'area/two', 'other/one']);
});

test('ids and globs, each check once and in order', () => {
  assert.deepEqual(ids('other/one', 'area/*', 'area/one'), ['area/one', 'area/two', 'other/one']);
  assert.deepEqual(ids('*/one'), ['area/one', 'other/one']);
  assert.deepEqual(ids('a**'), ['area/one', 'area/two']);
  assert.deepEqual(ids('area/t?o'), ['area/two']);
});

test('a star stops at a slash, and a dot is a dot', () => {
  assert.deepEqual(ids('*'), []);
  assert.deepEqual(ids('area.one'), []);
});

test('what matches nothing is told with what comes nearest', () => {
  const { checks: found, unmatched } = selectChecks(checks, ['area/*', 'arae/two']);
  assert.equal(found.length, 2);
  assert.equal(unmatched[0]!.pattern, 'arae/two');
  assert.equal(unmatched[0]!.near[0], 'area/two');
});
