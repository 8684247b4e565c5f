import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Timeline, video } from './conformance/timeline.ts';
import { joinsAtKeyframe } from './example-check.ts';

test('the check that the README shows is this one, word for word', () => {
  const file = readFileSync(new URL('./example-check.ts', import.meta.url), 'utf8').replaceAll(
    '../../scenarios/',
    '../',
  );
  const readme = readFileSync('README.md', 'utf8');
  assert.ok(
    readme.includes(`\`\`\`ts\n${file}\`\`\``),
    'the example of README.md and example-check.ts differ',
  );
});

test('and it can fail', () => {
  const verdict = (from: number): string =>
    joinsAtKeyframe.judge(new Timeline().got('late', video({ from, count: 30 })).history)[0]!.verdict;
  assert.equal(verdict(0), 'pass');
  assert.equal(verdict(7), 'fail');
  assert.equal(joinsAtKeyframe.judge(new Timeline().history)[0]!.verdict, 'fail');
});
